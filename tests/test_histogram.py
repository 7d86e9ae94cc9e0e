"""The histogram keeps three significant digits, whatever it is given."""

from __future__ import annotations

import math
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zlab.ledger.histogram import Histogram, buckets, left_out

if TYPE_CHECKING:
    from collections.abc import Callable

LATENCIES = st.lists(st.integers(0, 2**45), min_size=1, max_size=200)


@given(LATENCIES, st.floats(0.01, 1))
def test_a_quantile_is_right_to_three_significant_digits(values: list[int], fraction: float) -> None:
    histogram = Histogram()
    histogram.add(values)
    exact = sorted(values)[max(0, math.ceil(fraction * len(values)) - 1)]
    assert histogram.quantiles([fraction])[0] * 1e9 == pytest.approx(exact, rel=1e-3, abs=1)
    assert histogram.count == len(values)


@given(LATENCIES, LATENCIES)
def test_batches_add_up(one: list[int], other: list[int]) -> None:
    whole, parts = Histogram(), Histogram()
    whole.add(one + other)
    parts.add(np.array(one))
    parts.add(np.array(other))
    assert whole.figures() == parts.figures()
    assert whole.figures().max == max(one + other) * 1e-9


def test_nothing_is_nan_and_a_negative_latency_is_zero() -> None:
    histogram = Histogram()
    histogram.add([])
    assert all(math.isnan(v) for v in histogram.quantiles([0.5]))
    histogram.add([-5])
    assert histogram.figures().max == 0


def test_ten_milliseconds_read_ten_milliseconds() -> None:
    histogram = Histogram()
    histogram.add([10_000_000] * 1000)
    assert histogram.figures().p50 == pytest.approx(0.010, rel=1e-3)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 50), st.integers(1, 10**7)), max_size=20))
def test_what_was_left_out_is_put_back_as_hdrhistogram_does(late: list[tuple[int, int, int]]) -> None:
    expected = []
    for latency, count, interval in late:
        # recordValueWithExpectedInterval(value, interval) records value - interval, value - 2 * interval, ...
        value = latency + count * interval
        while value > latency:
            expected.append(value)
            value -= interval
    columns = (np.array([row[i] for row in late], np.int64) for i in range(3))
    assert sorted(left_out(*columns).tolist()) == sorted(expected)


def test_what_two_have_counted_can_be_told_together() -> None:
    one, other = Histogram(), Histogram()
    one.add([1_000] * 99)
    other.add([200_000_000])
    both = one.together(other).figures()
    assert (both.count, both.p50, both.max) == (100, pytest.approx(1e-6), pytest.approx(0.2))
    assert one.count == 99


def test_what_is_counted_while_two_are_told_together_does_no_harm() -> None:
    one, other = Histogram(), Histogram()
    other.add([1_000] * 100)

    class Filling(dict[int, int]):
        """The counts of one that is filled as soon as they have been looked at."""

        def items(self) -> Any:
            found = tuple(super().items())
            other.add([1_000] * 100)
            return found

    array, more = other._counts
    other._counts = array, Filling(more)
    both = one.together(other).figures()
    assert (both.count, both.p999) == (100, pytest.approx(1e-6))
    assert other.count == 200


BATCH = st.tuples(st.lists(st.integers(0, 2**40), min_size=1, max_size=60), st.integers(1, 70_000))


@given(st.lists(BATCH, min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_no_number_is_too_large_for_it(batches: list[tuple[list[int], int]]) -> None:
    """Whatever its array cannot hold is counted all the same, in batches of any size."""
    histogram, plain = Histogram(), Counter[int]()
    for values, times in batches:
        histogram.add(np.tile(values, times))
        places = buckets(np.array(values))[1].tolist()
        plain += Counter({place: count * times for place, count in Counter(places).items()})
        for value in values[:20]:
            histogram.add([value])
        plain.update(places[:20])
    places, counts = (column.tolist() for column in histogram._counted())
    assert {place: count for place, count in zip(places, counts, strict=True) if count} == plain
    assert places == sorted(set(places))
    assert histogram.count == plain.total()


def test_one_by_one_it_counts_further_than_its_array() -> None:
    histogram = Histogram()
    histogram.add(range(1000, 1500))  # now it has an array
    histogram.add([1000] * 65_534)
    assert histogram.quantiles([0.9]) == [pytest.approx(1e-6)]
    histogram.add([1000])
    histogram.add([1000])
    assert histogram._counted()[1][1000:1002].tolist() == [65_537, 1]
    assert histogram.count == 500 + 65_536


def test_it_grows_no_more_once_it_has_an_array() -> None:
    histogram = Histogram()
    histogram.add([10**exponent for exponent in range(10)] * 200)
    before = tracemalloc_of(lambda: None)
    grown = tracemalloc_of(lambda: histogram.add(np.arange(1, 10**10, 10**5)))
    assert grown - before < 1000


def tracemalloc_of(step: Callable[[], object]) -> int:
    """Bytes that a step leaves behind."""
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
