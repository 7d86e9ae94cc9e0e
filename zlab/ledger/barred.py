"""Barred: a link whose handshake has failed, each time: nothing has crossed it, whatever its sender has sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.ledger.row import Row, split
from zlab.recording import NOTHING, Counts
from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from zlab.ledger.exchange import Exchange
    from zlab.topology import Link

TURNED_AWAY = "turned away"
"""Why a message is lost whose sender was told that it may not come in, and does not try again."""


def of_barred(
    links: Sequence[Link],
    barred: Mapping[int, bool],
    exchanges: Iterable[Exchange],
    totals: Mapping[str, Counts],
    *,
    live: Collection[str],
    stopped: bool,
) -> dict[int, Row]:
    """A row for each barred link: what its sender can send to nobody else waits there.

    Args:
        links: those of the topology.
        barred: which of them, by their places, and whether ZeroMQ has given them up, with what was queued.
        exchanges: the groups of the others.
        totals: counts by socket.
        live: the nodes whose sockets are open.
        stopped: whether the lab is.
    """
    free = {sender for exchange in exchanges for sender in exchange.senders}
    by_sender: dict[str, list[int]] = {}
    for link in barred:
        by_sender.setdefault(links[link].sender, []).append(link)
    rows: dict[int, Row] = {}
    for sender, mine in by_sender.items():
        sent = 0 if sender in free else totals.get(sender, NOTHING).left
        why = "" if node_of(sender) in live else "peer killed"
        why = TURNED_AWAY if all(map(barred.__getitem__, mine)) else "lab stopped" if stopped else why
        whole = Row(sent, 0, 0, {}, {why: sent} if sent else {}) if why else Row(sent, 0, sent, {}, {})
        rows |= zip(mine, split(whole, len(mine)) if len(mine) > 1 else [whole], strict=True)
    return rows
