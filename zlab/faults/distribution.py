"""Distributions: how times are drawn that are not always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

DISTRIBUTIONS: Mapping[str, Callable[[Random, float, float], float]] = {
    "constant": lambda _, mean, __: mean,
    "uniform": lambda chance, mean, spread: chance.uniform(mean - spread, mean + spread),
    "normal": lambda chance, mean, spread: chance.gauss(mean, spread),
    "exponential": lambda chance, mean, _: chance.expovariate(1 / mean) if mean else 0.0,
}
"""By name: draws a time in seconds, given the mean and the spread; below zero is no time at all."""
