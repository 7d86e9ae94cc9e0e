"""Emptied: when each link was seen empty; all that was sent on it before then has come, or never will."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zlab.ledger.row import Row

_APART = 50 * 10**6  # nanoseconds between two remembered moments at which a link was empty
_ENTERED = 50 * 10**6  # nanoseconds within which what has arrived and is not held back is entered
_MOMENTS = 20  # remembered of each link


class Emptied:
    """Remembers some moments of each link.

    Args:
        links: how many there are.
        hold: for how long a trace is kept before it is worked on, in nanoseconds.
    """

    def __init__(self, links: int, hold: int) -> None:
        """Begin with none."""
        self._moments: list[deque[int]] = []
        self._patience = hold + _ENTERED
        self.grow(links)

    def grow(self, links: int) -> None:
        """Take in so many more links."""
        self._moments += [deque(maxlen=_MOMENTS) for _ in range(links)]

    def note(self, rows: Iterable[Row], now: int) -> None:
        """See which links are empty.

        Args:
            rows: those of all links, in the order of the topology.
            now: the clock of the traces, in nanoseconds.
        """
        for row, moments in zip(rows, self._moments, strict=True):
            if not row.queued and (not moments or now - moments[-1] >= _APART):
                moments.append(now)

    def settled(self, now: int, *, stopped: bool) -> list[int]:
        """For each link, until when all that was sent and has arrived is known to have, in nanoseconds."""
        if stopped:
            return [now] * len(self._moments)
        return [next((t for t in reversed(each) if t <= now - self._patience), 0) for each in self._moments]
