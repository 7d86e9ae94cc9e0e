"""Bare: messages without the empty frame that REQ and REP need before the body; these drop them without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zlab.recording import NOTHING, Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zlab.topology import Link

NO_DELIMITER = "no envelope delimiter"
"""Why such a message is called dropped (RFC 28/REQREP)."""


class Bare(NamedTuple):
    """What is known of the messages that a socket has sent to REQ and REP alone."""

    bare: int
    """How many were seen to have no delimiter."""
    unseen: int = 0
    """Of how many the frames were not seen."""


def bare(
    seen: Mapping[str, tuple[int, int]],
    totals: Mapping[str, Counts],
    links: Iterable[Link],
    proxied: Mapping[str, str],
) -> dict[str, Bare]:
    """By the socket that faces REQ or REP: what a proxy passes on is as its senders have sent it.

    Args:
        seen: by sender: of how many messages the frames were seen, and how many of these had no delimiter.
        totals: counts by socket.
        links: those of the topology.
        proxied: each socket that a proxy serves, and the one at its other side.
    """
    fronts = {link.sender: proxied.get(link.receiver, link.sender) for link in links if link.sender in seen}
    found: dict[str, Bare] = {}
    for sender, (looked, count) in seen.items():
        before, unseen = found.get(fronts.get(sender, sender), Bare(0))
        left = max(0, totals.get(sender, NOTHING).left - looked)
        found[fronts.get(sender, sender)] = Bare(before + count, unseen + left)
    return {sender: known for sender, known in found.items() if known.bare}
