"""Pace: how often sources were to send, and what they left out because they were held up.

A source that waits, in a send that blocks or at a fault, measures nothing meanwhile: the very
messages that would have been slow are not sent. Gil Tene calls that coordinated omission.
HdrHistogram's ``recordValueWithExpectedInterval`` puts them back; here it is done where a source
is known to have been held up, and not where messages merely take long that are under way together.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.grouping import runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zlab.ledger.columns import Flags, Ints
    from zlab.ledger.lives import Lives
    from zlab.ledger.worked import Traced

LEAST = 10 * 10**6
"""Nanoseconds by which a message must be late before its source counts as held up: less is a timer's affair."""
MOST = 100_000
"""Messages that are put back for one that was late, at the most."""
_STEERED = 100  # intervals that are remembered in which a person held the sources up


class Pace:
    """How far apart the messages of each source were to be."""

    def __init__(self, lives: Lives) -> None:
        """Know nothing yet.

        Args:
            lives: numbers the sockets.
        """
        self._lives = lives
        self._intervals: dict[str, tuple[int, int]] = {}  # by node: nanoseconds, and since when
        self._last: dict[int, tuple[int, int]] = {}  # by life: when it sent last, and the rank of that
        self._steered: deque[tuple[int, int]] = deque(maxlen=_STEERED)

    def learn(self, rates: Mapping[str, float], before: int, now: int, *, steered: bool) -> None:
        """Learn at what rates sources are to send.

        Args:
            rates: by node, in messages per second, of those that have one.
            before: when that was looked at last, in nanoseconds.
            now: the clock, in nanoseconds.
            steered: whether a person has paused or slowed the lab down since then.
        """
        known = self._intervals
        self._intervals = {}
        for node, rate in rates.items():
            interval = round(1e9 / rate)
            before_this, since = known.get(node, (0, now))
            self._intervals[node] = interval, since if before_this == interval else now
        if steered and self._steered and self._steered[-1][1] >= before:
            self._steered[-1] = self._steered[-1][0], now
        elif steered:
            self._steered.append((before, now))

    def paced(self, lives: Ints) -> Flags:
        """Whether the nodes of these lives send at a rate, by their numbers."""
        known = np.array([recording.node in self._intervals for recording in self._lives.recordings], np.bool_)
        found: Flags = known[lives]
        return found

    def nodes(self) -> Flags:
        """Whether each node sends at a rate, by its number."""
        return np.array([name in self._intervals for name in self._lives.nodes], np.bool_)

    def forget(self, lives: Iterable[int]) -> None:
        """Know no more of these lives, by their numbers."""
        for life in lives:
            self._last.pop(life, None)

    def omitted(self, sends: Traced) -> tuple[Ints, Ints, Ints]:
        """Which messages came late because their source was held up.

        Args:
            sends: messages sent, in the order of time.

        Returns:
            Their places; how many should have been sent before each, and were not; and how far apart, in nanoseconds.
        """
        found: list[tuple[Ints, Ints, Ints]] = []
        if self._intervals and len(sends):
            for life, rows in runs(sends.life):
                interval, since = self._intervals.get(self._lives.recordings[life].node, (0, 0))
                if interval:
                    found.append(self._of(life, sends, rows, interval, since))
        if not found:
            return _NONE, _NONE, _NONE
        places, counts, intervals = (np.concatenate(columns) for columns in zip(*found, strict=True))
        return places, counts, intervals

    def _of(self, life: int, sends: Traced, rows: Ints, interval: int, since: int) -> tuple[Ints, Ints, Ints]:
        time, rank = self._last.get(life, (0, -1))
        times, ranks = np.append(time, sends.time[rows]), np.append(rank, sends.rank[rows])
        self._last[life] = int(times[-1]), int(ranks[-1])
        late = np.diff(times) - interval
        # Of messages between two that were traced, nothing is known.
        held = (np.diff(ranks) == 1) & (late >= max(LEAST, interval)) & (times[:-1] >= since)
        for begin, end in self._steered:
            held &= (times[1:] < begin) | (times[:-1] > end)
        places = np.flatnonzero(held)
        return rows[places], np.minimum(late[places] // interval, MOST), np.full(places.size, interval)


_NONE = np.zeros(0, np.int64)
