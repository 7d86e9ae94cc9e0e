"""Strangers: peers that nobody watches, whose part in an exchange follows from what all others have counted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zlab.recording import NOTHING, Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zlab.ledger.exchange import Exchange
    from zlab.ledger.row import Row


def with_strangers(
    totals: dict[str, Counts], strangers: frozenset[str], exchanges: Iterable[Exchange]
) -> dict[str, Counts]:
    """Add the counts that strangers must have: what nobody watched received went to them, what nobody sent is theirs.

    Args:
        totals: counts by socket.
        strangers: the sockets that nobody watches.
        exchanges: the groups of senders and receivers.
    """
    if not strangers:
        return totals
    result = dict(totals)
    for exchange in exchanges:
        sent = sum(totals.get(s, NOTHING).sent for s in exchange.senders if s not in strangers)
        received = sum(totals.get(r, NOTHING).received for r in exchange.receivers if r not in strangers)
        for kind, amount, names in (
            ("received", max(0, sent - received), exchange.receivers),
            ("sent", max(0, received - sent), exchange.senders),
        ):
            strange = [name for name in names if name in strangers]
            for number, name in enumerate(strange):
                share = amount * (number + 1) // len(strange) - amount * number // len(strange)
                result[name] = result.get(name, NOTHING)._replace(**{kind: share})
    return result


def of_strangers(rows: Mapping[int, Row], exchange: Exchange, strangers: frozenset[str]) -> dict[int, Row]:
    """Mark what is told of strangers: it may still wait in a queue, or have gone to another of the group."""
    told = dict(rows)
    for ray in exchange.rays:
        strange = ray.receiver in strangers or (ray.sender in strangers and len(exchange.senders) > 1)
        if strange and strangers:
            told[ray.link] = replace(told[ray.link], uncertain=max(told[ray.link].uncertain, told[ray.link].expected))
    return told
