"""A latency histogram: log-linear buckets of three significant digits, filled in batches.

The buckets are those of HdrHistogram: within each power of two 1,024 equal steps, so that any
value is kept to better than 0.1 per cent. numpy fills a whole batch at once.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.snapshot import LatencyFigures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_STEPS = 1024
_STEP_BITS = 10
_ROOM = 25 * _STEPS  # buckets that have a place in the array: up to 17 seconds
_PLACES = np.arange(_ROOM)
_SEVERAL = 256  # different buckets, from which on there is an array
_FULL = 1 << 16  # what a place in the array cannot hold any more
_FEW = 32  # latencies that are entered one by one: for so few, numpy would take longer


class Histogram:
    """Counts of latencies, in nanoseconds, of any range; once it has an array, it grows no more."""

    def __init__(self) -> None:
        """Start empty."""
        # By bucket: the array, and what it has no place for, or is not there for yet; exchanged in one step.
        self._counts: tuple[array[int] | None, dict[int, int]] = (None, {})
        self._total = self._max = 0

    def add(self, nanoseconds: ArrayLike) -> None:
        """Count a batch of latencies; a negative one counts as zero."""
        self.put(*buckets(np.asarray(nanoseconds, dtype=np.int64)))

    def put(self, values: NDArray[np.int64] | list[int], places: NDArray[np.int64] | list[int]) -> None:
        """Count latencies whose buckets are known, as `buckets` tells them."""
        count = len(values)
        if not count:
            return
        if count <= _FEW:
            self._put_few(places if isinstance(places, list) else places.tolist())
        else:
            self._put_many(np.asarray(places))
        self._total += count
        self._max = max(self._max, int(max(values) if isinstance(values, list) else values.max()))

    def _put_few(self, places: list[int]) -> None:
        counts, more = self._counts
        for place in places:
            if counts is None or place >= _ROOM:
                more[place] = more.get(place, 0) + 1
            elif (count := counts[place] + 1) < _FULL:
                counts[place] = count
            else:  # first here, then away there: who reads meanwhile misses nothing
                more[place] = more.get(place, 0) + _FULL
                counts[place] = 0
        if counts is None and len(more) > _SEVERAL:
            self._make_room(more)

    def _put_many(self, places: NDArray[np.int64]) -> None:
        counts, more = self._counts
        if counts is None:
            counts, more = self._make_room(more)
        last = int(places.max())
        if last >= _ROOM:
            far, times = np.unique(places[places >= _ROOM], return_counts=True)
            for place, count in zip(far.tolist(), times.tolist(), strict=True):
                more[place] = more.get(place, 0) + count
            places = places[places < _ROOM]
            if not places.size:
                return
            last = int(places.max())
        first = int(places.min())
        room = np.frombuffer(counts, np.uint16)[first : last + 1]
        now = np.bincount(places - first) + room
        for step in np.flatnonzero(now >= _FULL).tolist():
            more[first + step] = more.get(first + step, 0) + (int(now[step]) & -_FULL)
        room[:] = now & (_FULL - 1)

    def _make_room(self, before: dict[int, int]) -> tuple[array[int], dict[int, int]]:
        counts, more = array("H", bytes(2 * _ROOM)), dict[int, int]()
        for place, count in before.items():
            if place < _ROOM and count < _FULL:
                counts[place] = count
            else:
                more[place] = count
        self._counts = counts, more
        return counts, more

    @property
    def count(self) -> int:
        """How many latencies were counted."""
        return self._total

    def quantiles(self, fractions: Sequence[float]) -> list[float]:
        """The latencies below which these fractions lie, in seconds; nan where nothing was counted."""
        total = self._total
        if total == 0:
            return [float("nan")] * len(fractions)
        places, counts = self._counted()
        ranks = np.maximum(np.ceil(np.asarray(fractions) * total), 1)
        found = places[np.searchsorted(np.cumsum(counts), ranks)]
        exponents = np.maximum(found // _STEPS - 1, 0)
        # The middle of the bucket; never more than the largest value seen.
        middles = ((found - exponents * _STEPS) + 0.5 * (exponents > 0)) * 2.0**exponents
        return [float(v) * 1e-9 for v in np.minimum(middles, self._max)]

    def _counted(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Buckets in their order, with what is in each; it may be nothing."""
        counts, more = self._counts
        every = np.frombuffer(counts or b"", np.uint16).astype(np.int64)
        # In one step, and after the array: it may be filled meanwhile.
        places, others = np.array(tuple(more.items()), np.int64).reshape(-1, 2).T
        if counts is not None:
            near = places < _ROOM
            every[places[near]] += others[near]
            places, others = places[~near], others[~near]
        order = np.argsort(places)
        if counts is None:
            return places[order], others[order]
        if not order.size:
            return _PLACES, every
        return np.concatenate((_PLACES, places[order])), np.concatenate((every, others[order]))

    def together(self, other: Histogram) -> Histogram:
        """What was counted in this one and in another."""
        both = Histogram()
        both._enter(self)
        both._enter(other)
        return both

    def _enter(self, other: Histogram) -> None:
        # It may be filled meanwhile: the total first, so that it is never more than is found in the buckets.
        self._total, self._max = self._total + other._total, max(self._max, other._max)
        more = self._counts[1]
        for place, count in zip(*(column.tolist() for column in other._counted()), strict=True):
            if count:
                more[place] = more.get(place, 0) + count

    def figures(self) -> LatencyFigures:
        """All that is shown of it."""
        p50, p90, p99, p999 = self.quantiles([0.5, 0.9, 0.99, 0.999])
        return LatencyFigures(self.count, p50, p90, p99, p999, self._max * 1e-9)


def buckets(nanoseconds: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Latencies, none of them negative, and the bucket of each."""
    values = np.maximum(nanoseconds, 0)
    # frexp gives the bit length; float64 is exact enough up to 2**53 ns, more than 100 days.
    exponents = np.maximum(np.frexp(values.astype(np.float64))[1] - (_STEP_BITS + 1), 0)
    return values, exponents * _STEPS + (values >> exponents)


def left_out(
    nanoseconds: NDArray[np.int64], counts: NDArray[np.int64], interval: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The latencies that a source did not measure because it was held up.

    As HdrHistogram's ``recordValueWithExpectedInterval`` has it: a message that should have been sent so many intervals
    before one that was late would have taken that much longer, for it could not have arrived earlier.

    Args:
        nanoseconds: latencies of messages that were sent late.
        counts: how many should have been sent before each of them, and were not.
        interval: how far apart, in nanoseconds.
    """
    row = np.repeat(np.arange(counts.size), counts)
    before = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    return nanoseconds[row] + before * interval[row]
