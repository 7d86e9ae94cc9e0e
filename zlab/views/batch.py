"""One tick of the flow as bytes: what moved since the last one, small enough to be sent ten times a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.snapshot import NodeState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zlab.ledger.snapshot import Flight, Snapshot

STATES = tuple(NodeState)
"""The order in which a state is a number."""
_NUMBER = {state: i for i, state in enumerate(STATES)}
MOST_ON_LINK = 5
"""Messages drawn for one batch on one link: more would be a line and not dots."""
_MOST, _MOST_OF_ALL = 90, 3300
_SMALL = 64  # links; up to so many, all rates are told in every batch


def most(links: int) -> int:
    """Messages drawn for one batch: of forty links some 500 are in the air then, of 5,000 some 20,000."""
    return max(_MOST, min(_MOST_OF_ALL, int(1.35 * links)))


@dataclass(frozen=True, slots=True)
class Batch:
    """What the browser is told at one tick."""

    rates: int
    """Links whose rate is told: all or none."""
    queues: int
    """Links whose queue is told: those that differ from the batch before."""
    shown: int
    """How many of the messages travel in it."""
    queued: NDArray[np.uint32]
    """All queues: what the next batch is compared with."""
    data: bytes
    """Little-endian: rates f32, queued u32; sent f32 and received f32 of each message, times in seconds before the
    tick; the links of the queues u16, of the messages u16; kinds of the messages u8; state u8 for each node."""


def encode(
    snapshot: Snapshot,
    flights: Sequence[Flight],
    before: NDArray[np.uint32] | None = None,
    *,
    rates: bool = True,
    ticks: int = 1,
) -> Batch:
    """Pack a tick.

    Args:
        snapshot: the tick.
        flights: the messages to draw, of this tick and of those that were skipped; of too many, an even choice.
        before: `Batch.queued` of the batch before; None tells all queues.
        rates: whether rates are due; those of a small lab always are.
        ticks: for how many ticks' worth of messages there is room.
    """
    links = len(snapshot.links)
    chosen = thin(flights, most(links) * ticks, MOST_ON_LINK * ticks)
    queued = np.fromiter((min(link.queued, 2**32 - 1) for link in snapshot.links), "<u4", links)
    changed = np.arange(links) if before is None or len(before) != links else np.flatnonzero(queued != before)
    told = links if rates or links <= _SMALL else 0
    rate = np.fromiter((link.rate for link in snapshot.links), "<f4", links) if told else np.empty(0, "<f4")
    count = len(chosen)
    sent = np.fromiter((f.sent for f in chosen), "<f8", count) - snapshot.at
    received = np.fromiter((f.received for f in chosen), "<f8", count) - snapshot.at
    link = np.fromiter((f.link for f in chosen), "<u2", count)
    kind = np.fromiter((f.kind for f in chosen), "u1", count)
    state = np.fromiter((_NUMBER[node.state] for node in snapshot.nodes), "u1", len(snapshot.nodes))
    parts = (
        rate,
        queued[changed],
        sent.astype("<f4"),
        received.astype("<f4"),
        changed.astype("<u2"),
        link,
        kind,
        state,
    )
    return Batch(told, len(changed), count, queued, b"".join(part.tobytes() for part in parts))


def thin(flights: Sequence[Flight], most: int, share: int = MOST_ON_LINK) -> Sequence[Flight]:
    """As many as an eye can tell apart, evenly chosen on each link, in the order in which they were received.

    Args:
        flights: all of them.
        most: how many to choose at the most.
        share: how many on one link.
    """
    count = len(flights)
    order = np.argsort(np.fromiter((f.received for f in flights), "f8", count), kind="stable")
    link = np.fromiter((f.link for f in flights), "i8", count)[order]
    on_link = np.bincount(link)
    # The busy links give way, so that a quiet one is never left out.
    while share > 1 and int(np.minimum(on_link, share).sum()) > most:
        share -= 1
    by_link = np.argsort(link, kind="stable")
    place = np.empty(count, "i8")  # of each among those of its link
    place[by_link] = np.arange(count) - np.repeat(np.cumsum(on_link) - on_link, on_link)
    of = on_link[link]
    kept = order[(of <= share) | _even(place, of, share)]
    if len(kept) > most:
        kept = kept[_even(np.arange(len(kept)), len(kept), most)]
    return [flights[i] for i in kept]


def _even(place: NDArray[np.int64], of: NDArray[np.int64] | int, share: int) -> NDArray[np.bool_]:
    # Whether a place among `of` is one of `share` that lie evenly.
    turn = -(-place * share // of)
    return (turn < share) & (turn * of // share == place)  # type: ignore[no-any-return]
