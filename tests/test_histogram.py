"""The histogram keeps three significant digits, whatever it is given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zlab.ledger.histogram import Histogram

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
