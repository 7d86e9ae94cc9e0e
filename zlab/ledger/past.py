"""The past of a lab: its last ticks all, those before ever fewer back to its start, and never more than so many."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.ledger import page as pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.ledger.page import Page
    from zlab.ledger.snapshot import Flight, Snapshot
    from zlab.topology import Topology

TICKS = 400
"""Ticks that are kept: fewer than come in the first minute, so that a lab which has run for one grows no more."""
DENSE = 300
"""The last ticks, which are all kept; those before stand the farther apart, the older they are."""
MOST = 64_000_000
"""Bytes that the past of one lab may take, however large it is; beyond, fewer ticks are kept."""
_EARLY = 0.05  # seconds by which a tick may come before it is due


@dataclass(frozen=True, slots=True)
class Kept:
    """What of the past can still be looked at, in seconds since the lab started."""

    begin: float
    """The oldest tick that is kept."""
    dense: float
    """From here on every tick is kept; between `begin` and here, some."""
    end: float
    """The newest tick."""
    whole: bool
    """Whether there was nothing before `begin`; else it has been let go."""

    def __str__(self) -> str:
        """In words."""
        some = "" if self.dense <= self.begin else f", every tick from {self.dense:.1f} s on"
        return f"{self.begin:.1f} s to {self.end:.1f} s after the start are kept{some}"


class Past:
    """Remembers the ticks of a lab; one thread adds, any thread asks.

    Args:
        most: bytes that it may take.
    """

    def __init__(self, most: int = MOST) -> None:
        """Nothing is remembered yet."""
        self._most = most
        self._writer = pages.Writer()
        self._old: list[Page] = []
        self._last: deque[Page] = deque()
        self._lock = threading.Lock()
        self._first = float("inf")
        self.size = 0
        """Bytes that it takes, about."""

    def add(self, snapshot: Snapshot, topology: Topology) -> None:
        """Remember a tick.

        Args:
            snapshot: the tick, later than all before.
            topology: what ran then.
        """
        page = self._writer.write(snapshot, topology)
        with self._lock:
            self._first = min(self._first, page.at)
            self._last.append(page)
            self.size += page.size
            if len(self._last) > DENSE:
                self._old.append(self._last.popleft())
            while len(self) > TICKS or (self.size > self._most and len(self) > 1):
                self.size -= self._let_go(page.at).size

    def __len__(self) -> int:
        """How many ticks are kept."""
        return len(self._old) + len(self._last)

    @property
    def kept(self) -> Kept:
        """What can be asked for.

        Raises:
            LookupError: nothing has been remembered yet.
        """
        with self._lock:
            if not self._last:
                raise LookupError("nothing has been recorded yet")
            oldest = self._old[0] if self._old else self._last[0]
            return Kept(oldest.at, self._last[0].at, self._last[-1].at, oldest.at <= self._first)

    def at(self, seconds: float) -> tuple[Snapshot, Topology]:
        """The last tick that is kept at or before a moment, and what ran then.

        Args:
            seconds: the moment, in seconds since the lab started.

        Raises:
            LookupError: it has not come yet, or has been let go; the message says what is kept.
        """
        kept = self.kept
        if not seconds <= kept.end:
            raise LookupError(f"{seconds:g} s after the start has not come yet: {kept}")
        if seconds < (0 if kept.whole else kept.begin):
            raise LookupError(f"{seconds:g} s after the start is not remembered: {kept}")
        known = self._pages()
        page = known[max(0, bisect_right(known, seconds, key=_time) - 1)]
        return pages.read(page), page.words.topology

    def beside(self, seconds: float, ticks: int) -> float:
        """When the tick is that stands so many kept ticks after a moment, or before it where they are negative."""
        times = list(map(_time, self._pages()))
        here = bisect_right(times, seconds) - 1
        return times[min(max(0, here + ticks), len(times) - 1)]

    def between(self, begin: float, end: float, *, apart: float = 0.0) -> Iterator[Snapshot]:
        """The ticks from one moment to another, none nearer than ``apart`` seconds to the one before it."""
        due = begin
        for page in self._pages():
            if due <= page.at <= end:
                due = page.at + apart - _EARLY
                yield pages.read(page)

    def flights(self, begin: float, end: float) -> list[Flight]:
        """The messages that are remembered of the ticks after one moment and up to another."""
        return [flight for page in self._pages() if begin < page.at <= end for flight in pages.flights(page)]

    def ticks(self, begin: float, end: float) -> tuple[int, int]:
        """How many ticks are kept of those after one moment and up to another, and how many there were, about."""
        known = self._pages()
        kept = sum(1 for page in known if begin < page.at <= end)
        with self._lock:
            recent, first = list(self._last), self._first
        if begin >= recent[0].at or len(recent) < 2:  # noqa: PLR2004 - all are kept of it, or nothing is known
            return kept, kept
        apart = (recent[-1].at - recent[0].at) / (len(recent) - 1)
        return kept, max(kept, round((end - max(begin, first)) / apart))

    def _pages(self) -> list[Page]:
        with self._lock:
            return [*self._old, *self._last]

    def _let_go(self, now: float) -> Page:
        """Take out the tick that is missed least: where the gap that it leaves is small for its age."""
        old = self._old
        if len(old) < 2:  # noqa: PLR2004 - the first one and one to spare
            return old.pop() if old else self._last.popleft()
        times = [*map(_time, old), self._last[0].at]
        gaps = [(after - before) / (now - at) for before, at, after in zip(times, times[1:], times[2:], strict=False)]
        return old.pop(1 + gaps.index(min(gaps)))


def _time(page: Page) -> float:
    return page.at
