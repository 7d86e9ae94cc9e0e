"""Tracing: how much is traced of what passes: all while that is cheap, a sample above, or all where that is asked."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from zlab.ledger.book import Book
    from zlab.recording import Counts, Recording
    from zlab.runtime.clock import Runs

TRACES = 400
"""Traced crossings that the ledger works on in one tick: what keeps the cost within the bar."""

_FAST = 10 * TRACES  # crossings a tick above which they are traced only within the window
_WINDOW = 0.02  # seconds for which a fast lab is traced in one go, at the most
_LEAST_WINDOW = 0.003  # seconds
_SHARE = 0.015  # of its time in which a fast lab is traced: what it costs there is lost to the messages
_SETTLED = 300 * 10**6  # nanoseconds after which no trace of before is worked on any more


class Tracing:
    """Tells the probes of one run how much to trace; only its clock calls it.

    Args:
        run: whose probes they are.
        book: where the traces go.
        period: seconds between two ticks of the clock.
    """

    def __init__(self, run: Runs, book: Book, period: float) -> None:
        """Begin with all, as the probes do."""
        self._run, self._book, self._period = run, book, period
        self.sampling = 1
        """One message of so many is traced."""
        self._crossings = self._total = self._let_go = 0
        self._window = _LEAST_WINDOW
        self._next_window = 0.0
        self._overflowed = self._hurried = False

    def note(self, *, overflowed: bool, hurried: bool) -> None:
        """Hear of what was just read whether some of it went untraced, and whether some was traced in a hurry."""
        self._overflowed |= overflowed
        self._hurried |= hurried

    def whole(self, at: int) -> bool:
        """Whether all has been traced for long enough; ``at`` is now, in nanoseconds of ``perf_counter_ns``."""
        return self.sampling == 1 and at - self._book.journeys.interrupted > _SETTLED

    def adapt(self, counts: Mapping[Recording, Counts]) -> None:
        """Choose how much to trace until the next tick.

        Args:
            counts: what has passed each socket by now.
        """
        # What a proxy moves is counted and never traced.
        total = sum(c.sent + c.received for recording, c in counts.items() if recording.forwarded is None)
        crossings, self._total = max(0, total - self._total), total
        again = self._overflowed or self._book.let_go > self._let_go
        hurried, self._let_go = self._hurried, self._book.let_go
        self._overflowed = self._hurried = False
        # Rises at once, falls slowly: a burst must not switch it to and fro.
        self._crossings = max(crossings, round(self._crossings * 0.7))
        fast = self._crossings > _FAST
        rich, self._run.rich = self._run.rich, not fast
        if self._run.full:
            if again:
                self._run.report("note", "", "", "more messages came than could be traced: some hops are missing")
                self._book.journeys.interrupted = time.perf_counter_ns()
            if again or hurried or rich is not self._run.rich:
                self._trace(on=True)
            return
        # Long enough for a message that is sent in it to be received in it, through what is queued now.
        self._window = min(_WINDOW, _LEAST_WINDOW + 2 * self._book.recent.longest_queue())
        worked = self._crossings * (self._window / self._period if fast else 1)
        mask = 0 if worked <= TRACES else 2 ** math.ceil(math.log2(worked / TRACES)) - 1
        changed = mask != self._run.mask or (not fast) != self._run.tracing
        self.sampling = (mask + 1) * (round(1 / _SHARE) if fast else 1)
        self._run.mask = mask
        if changed or (again and not fast):
            self._trace(on=not fast)
        if changed or again or fast:
            self._book.journeys.interrupted = time.perf_counter_ns()

    def open_window(self, over: threading.Event) -> None:
        """Where so much passes that it is not traced all the time, trace it for a moment, when that is due.

        Args:
            over: once it is set, nothing is traced any more.
        """
        now = time.perf_counter()
        if self._crossings > _FAST and not self._run.full and now >= self._next_window and not over.is_set():
            self._next_window = now + self._window / _SHARE - self._period / 2
            self._trace(on=True)
            over.wait(self._window)
            self._trace(on=False)

    def _trace(self, *, on: bool) -> None:
        self._run.tracing = on
        self._run.apply()
