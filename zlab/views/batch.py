"""One tick of the flow as bytes: what moved since the last one, small enough to be sent ten times a second."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.snapshot import NodeState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.ledger.snapshot import Flight, Snapshot

STATES = tuple(NodeState)
"""The order in which a state is a number."""
_NUMBER = {state: i for i, state in enumerate(STATES)}
MOST = 90
"""Messages drawn for one batch: some 500 in the air."""
MOST_ON_LINK = 5
"""Messages drawn for one batch on one link: more would be a line and not dots."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the browser is told at one tick."""

    shown: int
    """How many of the messages travel in it."""
    data: bytes
    """Little-endian: queued u32 and rate f32 for each link; sent f32, received f32, link u16 and kind u8 for each
    message, times in seconds before the tick; state u8 for each node."""


def encode(snapshot: Snapshot, flights: Sequence[Flight], *, ticks: int = 1) -> Batch:
    """Pack a tick.

    Args:
        snapshot: the tick.
        flights: the messages to draw, of this tick and of those that were skipped; of too many, an even choice.
        ticks: for how many ticks' worth of messages there is room.
    """
    chosen = thin(flights, ticks)
    queued = np.fromiter((min(link.queued, 2**32 - 1) for link in snapshot.links), "<u4", len(snapshot.links))
    rate = np.fromiter((link.rate for link in snapshot.links), "<f4", len(snapshot.links))
    sent = np.fromiter((f.sent - snapshot.at for f in chosen), "<f4", len(chosen))
    received = np.fromiter((f.received - snapshot.at for f in chosen), "<f4", len(chosen))
    link = np.fromiter((f.link for f in chosen), "<u2", len(chosen))
    kind = np.fromiter((f.kind for f in chosen), "u1", len(chosen))
    state = np.fromiter((_NUMBER[node.state] for node in snapshot.nodes), "u1", len(snapshot.nodes))
    return Batch(len(chosen), b"".join(a.tobytes() for a in (queued, rate, sent, received, link, kind, state)))


def thin(flights: Sequence[Flight], ticks: int = 1) -> Sequence[Flight]:
    """As many as an eye can tell apart, evenly chosen on each link, in the order in which they were received."""
    in_order = sorted(flights, key=lambda f: f.received)
    links: dict[int, list[Flight]] = defaultdict(list)
    for flight in in_order:
        links[flight.link].append(flight)
    most, share = MOST * ticks, MOST_ON_LINK * ticks  # the busy links give way, so that a quiet one is never left out
    while share > 1 and sum(min(share, len(one)) for one in links.values()) > most:
        share -= 1
    chosen = [f for one in links.values() for f in _evenly(one, share)]
    return _evenly(sorted(chosen, key=lambda f: f.received), most)


def _evenly(flights: Sequence[Flight], most: int) -> Sequence[Flight]:
    if len(flights) <= most:
        return flights
    return [flights[i * len(flights) // most] for i in range(most)]
