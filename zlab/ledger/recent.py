"""Recent: what has moved within the last second, over which the rates of a snapshot are taken."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from zlab.ledger.row import Row
from zlab.recording import NOTHING, Counts

if TYPE_CHECKING:
    from collections.abc import Mapping

_WINDOW = 1.0  # seconds over which a rate is taken


class Recent:
    """The readings of the last second: what all sockets had counted by then, and the rows of all links."""

    def __init__(self) -> None:
        """None yet: until the first is added there is nothing to ask."""
        self._kept: deque[tuple[float, Mapping[str, Counts], list[Row]]] = deque()
        self.rows: list[Row] = []
        """The rows of the links now."""
        self.span = 0.0
        """Seconds between the first reading and the last."""

    def grow(self, links: int) -> None:
        """Take in so many more links, which had moved nothing before."""
        for _, _, rows in self._kept:
            rows.extend([Row(0, 0, 0, {}, {})] * links)

    def add(self, at: float, totals: Mapping[str, Counts], rows: list[Row]) -> None:
        """Add a reading, and let go of what is older than a second.

        Args:
            at: when it was taken, in seconds.
            totals: by socket, all that it has counted.
            rows: those of the links, in the order of the topology.
        """
        self._kept.append((at, totals, rows))
        while len(self._kept) > 2 and self._kept[1][0] <= at - _WINDOW:  # noqa: PLR2004 - two ends
            self._kept.popleft()
        self.rows, self.span = rows, at - self._kept[0][0]

    def moved(self, index: int) -> int:
        """Messages that the link at this place has delivered since the first reading."""
        return self.rows[index].delivered - self._kept[0][2][index].delivered

    def before(self, name: str) -> Counts:
        """What a socket had counted at the first reading."""
        return self._kept[0][1].get(name, NOTHING)

    def rates(self) -> dict[str, tuple[float, float]]:
        """How fast each socket sends and receives, in messages per second."""
        span = self.span
        if span <= 0:
            return {}
        past = {name: (now, self.before(name)) for name, now in self._kept[-1][1].items()}
        return {n: ((c.sent - b.sent) / span, (c.received - b.received) / span) for n, (c, b) in past.items()}

    def longest_queue(self) -> float:
        """The longest time, in seconds, that a link takes to deliver what is queued on it."""
        times = [
            r.queued * self.span / (r.delivered - b.delivered)
            for r, b in zip(self.rows, self._kept[0][2], strict=True)
            if r.delivered > b.delivered
        ]
        return max(times, default=0.0)
