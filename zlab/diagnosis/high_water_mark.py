"""A high-water mark reached: a full queue makes PUB and ROUTER drop, and all others wait or refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.diagnosis.facts import count, listed
from zlab.diagnosis.mistake import Mistake, Sign
from zlab.ledger.snapshot import NodeState
from zlab.sockets import PUBLISHERS, node_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.diagnosis.facts import Facts
    from zlab.ledger.snapshot import LinkFigures, SocketFigures
    from zlab.topology import Link

_DROPPED = "high-water mark"
_UNROUTABLE = "unroutable"
_SYSTEM = 16 * 2**20  # bytes that the system keeps for both ends of a connection, at the most
_PATIENCE = 1.0  # seconds


def look(facts: Facts) -> Iterator[Sign]:
    """Each link whose queue is or was full, and what that has cost."""
    figures = facts.sockets()
    for sender, links in facts.fed().items():
        known = figures.get(sender)
        if known is None:
            continue
        for link, row in links:
            yield from _overflows(facts, known, link, row)
        full = [(link, row) for link, row in links if _was_full(facts, row)]
        if not full or facts.explained([sender]):
            continue
        receivers = [link.receiver for link, _ in full]
        names = tuple(row.name for _, row in full)
        lost = sum(row.dropped.get(_UNROUTABLE, 0) for _, row in full)
        if lost and known.type == "ROUTER":
            yield Sign(
                f"{count(lost, 'message')} of {sender} to {listed(receivers)} are gone: a queue was full"
                f"{_marks(full[0][1])}, and a ROUTER drops then",
                (sender, *receivers),
                names,
                certain=False,
            )
        elif known.refused:
            yield Sign(
                f"{sender} has refused {count(known.refused, 'message')} with EAGAIN: up to "
                f"{max(facts.peaks.get(name, 0) for name in names):,} waited for {listed(receivers)}"
                f"{_marks(full[0][1])}",
                (sender, *receivers),
                names,
            )
        elif facts.running and _stands(facts, sender) and known.type not in PUBLISHERS:
            yield Sign(
                f"{sender} stands in send: {full[0][1].queued:,} messages wait for {listed(receivers)}"
                f"{_marks(full[0][1])}",
                (sender, *receivers),
                names,
            )


def _overflows(facts: Facts, known: SocketFigures, link: Link, row: LinkFigures) -> Iterator[Sign]:
    """What has been dropped on one link."""
    sender, dropped = link.sender, row.dropped.get(_DROPPED, 0)
    if dropped:
        yield Sign(
            f"{dropped:,} of {count(row.expected, 'message')} from {sender} to {link.receiver} were dropped: "
            f"its queue was full{_marks(row)}, and a publisher does not wait",
            (sender, link.receiver),
            (row.name,),
            certain=row.uncertain < dropped,
            lasting=True,
        )
    elif known.type in PUBLISHERS and (gone := _outgrown(facts, link, row)):
        yield Sign(
            f"{gone:,} of {count(row.expected, 'message')} from {sender} to {link.receiver} have not come, more than "
            f"can wait there and in the system{_marks(row)}: a publisher drops what finds no room",
            (sender, link.receiver),
            (row.name,),
            certain=False,
        )
    elif known.type == "ROUTER" and _has_overflowed(facts, link, row):
        yield Sign(
            f"{row.queued - row.capacity:,} of {count(row.expected, 'message')} from {sender} to "
            f"{link.receiver} are gone: its queue was full{_marks(row)}, and a ROUTER drops then",
            (sender, link.receiver),
            (row.name,),
        )


def _outgrown(facts: Facts, link: Link, row: LinkFigures) -> int:
    """Messages that cannot all wait, of a publisher; 0 where they may."""
    figures, use = facts.sockets(), facts.uses.get(link.receiver)
    missing = row.expected - row.delivered - sum(row.dropped.values())
    size = figures[link.sender].bytes_sent / max(1, figures[link.sender].sent)
    stays = row.delivered > 0 and use is not None and use.opened < facts.at - _PATIENCE
    return missing if stays and 0 < row.capacity < missing - _SYSTEM / max(1.0, size) else 0


def _has_overflowed(facts: Facts, link: Link, row: LinkFigures) -> bool:
    """Whether more seem to wait than can; where bytes also wait in the system, nobody knows how many can."""
    uses = [facts.uses[name] for name in (link.sender, link.receiver) if name in facts.uses]
    inproc = any(url.startswith("inproc://") for use in uses for url in use.connects)
    return inproc and 0 < row.capacity < row.queued


def _was_full(facts: Facts, row: LinkFigures) -> bool:
    return row.capacity > 1 and facts.peaks.get(row.name, 0) >= row.capacity


def _stands(facts: Facts, sender: str) -> bool:
    node = facts.nodes().get(node_of(sender))
    return node is not None and node.state is NodeState.SEND and f"{node.name}.{node.blocked_on}" == sender


def _marks(row: LinkFigures) -> str:
    return f" (the high-water marks let {count(row.capacity, 'message')} wait)" if row.capacity else ""


MISTAKE = Mistake(
    "high-water mark reached",
    "Find out why the receiver is slower: it should read faster, or share the work; raise RCVHWM and SNDHWM only for "
    "bursts that end, and where nothing may be lost take a pattern that waits or asks, not PUB",
    2,
    "High-Water Marks",
    2,
    look,
)
