"""A latency histogram: log-linear buckets of three significant digits, filled in batches.

The buckets are those of HdrHistogram: within each power of two 1,024 equal steps, so that any
value is kept to better than 0.1 per cent. numpy fills a whole batch at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.snapshot import LatencyFigures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_STEPS = 1024
_STEP_BITS = 10
_BLOCK = 128  # buckets that there is room for or not: of all that there are, a link's latencies fill few
_FEW = 32  # latencies that are entered one by one: for so few, numpy would take longer


class Histogram:
    """Counts of latencies, in nanoseconds, of any range; room is made only where there are any."""

    def __init__(self) -> None:
        """Start empty."""
        self._blocks: dict[int, NDArray[np.int64]] = {}
        self._total = self._max = 0

    def add(self, nanoseconds: ArrayLike) -> None:
        """Count a batch of latencies; a negative one counts as zero."""
        self.put(*buckets(np.asarray(nanoseconds, dtype=np.int64)))

    def put(self, values: NDArray[np.int64] | list[int], places: NDArray[np.int64] | list[int]) -> None:
        """Count latencies whose buckets are known, as `buckets` tells them."""
        count = len(values)
        if not count:
            return
        if count > _FEW:
            values, places = np.asarray(values), np.asarray(places)
        if isinstance(values, list) or isinstance(places, list) or count <= _FEW:
            blocks = self._blocks
            for place in places if isinstance(places, list) else places.tolist():
                number = place // _BLOCK
                block = blocks.get(number)
                if block is None:
                    block = self._block(number)
                block[place % _BLOCK] += 1
        else:
            first = int(places.min()) // _BLOCK
            last = int(places.max()) // _BLOCK
            counts = np.bincount(places - first * _BLOCK, minlength=(last - first + 1) * _BLOCK).reshape(-1, _BLOCK)
            for number in np.flatnonzero(counts.any(axis=1)).tolist():
                self._block(first + number)[:] += counts[number]
        self._total += count
        self._max = max(self._max, int(max(values) if isinstance(values, list) else values.max()))

    def _block(self, number: int) -> NDArray[np.int64]:
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = np.zeros(_BLOCK, np.int64)
        return block

    @property
    def count(self) -> int:
        """How many latencies were counted."""
        return self._total

    def quantiles(self, fractions: Sequence[float]) -> list[float]:
        """The latencies below which these fractions lie, in seconds; nan where nothing was counted."""
        total = self._total
        if total == 0:
            return [float("nan")] * len(fractions)
        numbers = sorted(self._blocks)  # in one step: it may be filled meanwhile
        cumulated = np.cumsum(np.concatenate([self._blocks[number] for number in numbers]))
        ranks = np.maximum(np.ceil(np.asarray(fractions) * total), 1)
        place = np.searchsorted(cumulated, ranks)
        buckets = np.array(numbers)[place // _BLOCK] * _BLOCK + place % _BLOCK
        exponents = np.maximum(buckets // _STEPS - 1, 0)
        # The middle of the bucket; never more than the largest value seen.
        middles = ((buckets - exponents * _STEPS) + 0.5 * (exponents > 0)) * 2.0**exponents
        return [float(v) * 1e-9 for v in np.minimum(middles, self._max)]

    def together(self, other: Histogram) -> Histogram:
        """What was counted in this one and in another."""
        both = Histogram()
        both._enter(self)
        both._enter(other)
        return both

    def _enter(self, other: Histogram) -> None:
        # It may be filled meanwhile: the total first, so that it is never more than is found in the blocks.
        self._total, self._max = self._total + other._total, max(self._max, other._max)
        for number, block in tuple(other._blocks.items()):
            self._block(number)[:] += block

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
