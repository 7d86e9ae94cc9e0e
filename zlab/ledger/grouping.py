"""Grouping: equal numbers are put next to each other, as fast as arrays allow.

Comparing sorts take 100 ns a number where they are spread over all 64 bits, as hashes are. What is
needed is only that equal ones meet, in the order in which they stood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_FEW = 2_000  # numbers that are sorted sooner than they are dealt out
_SHORT = 1 << 16
_HANDFUL = 64  # numbers that Python sorts sooner than numpy
_HALF = np.int64(0xFFFFFFFF)


def grouped(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """An order in which equal codes stand together; among equals it is the one that they had.

    Args:
        codes: evenly spread, as hashes are, so that their low 32 bits tell nearly all of them apart.
    """
    if codes.size < _FEW:
        return np.argsort(codes, kind="stable")
    order = np.argsort(codes.astype(np.uint16), kind="stable")  # of 16 bits, numpy makes it a radix sort
    upper = (codes >> 16).astype(np.uint16)
    order = order.take(np.argsort(upper.take(order), kind="stable"))
    ranked = codes.take(order)
    half = ranked & _HALF
    mixed = (half[1:] == half[:-1]) & (ranked[1:] != ranked[:-1])
    if mixed.any():  # a few whose low bits are equal by chance
        starts = np.flatnonzero(begins(half))
        groups = np.unique(np.searchsorted(starts, np.flatnonzero(mixed), side="right") - 1)
        rows, group = spans(starts[groups], np.append(starts, codes.size)[groups + 1])
        order[rows] = order[rows][np.lexsort((ranked[rows], group))]
    return order


def repeated(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of these codes occur more than once."""
    order = grouped(codes)
    ranked = codes.take(order)
    equal = ranked[1:] == ranked[:-1]
    found = np.zeros(codes.size, np.bool_)
    found[order[1:][equal]] = found[order[:-1][equal]] = True
    return found


def begins(ranked: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a group begins, of numbers that stand together where they are equal."""
    first = np.ones(ranked.size, dtype=np.bool_)
    np.not_equal(ranked[1:], ranked[:-1], out=first[1:])
    return first


def spans(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All whole numbers from each start up to its end, and for each of them, in which span it lies."""
    lengths = ends - starts
    span = np.repeat(np.arange(lengths.size), lengths)
    return np.arange(span.size) - (np.cumsum(lengths) - lengths)[span] + starts[span], span


def before(chosen: NDArray[np.bool_], first: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each place, the last chosen place before it in its group; -1 where there is none.

    Args:
        chosen: which places are looked for.
        first: where a group begins.
    """
    places = np.arange(chosen.size)
    last = np.empty(chosen.size, dtype=np.int64)
    last[:1] = -1
    np.maximum.accumulate(np.where(chosen, places, -1)[:-1], out=last[1:])
    last[last < np.maximum.accumulate(np.where(first, places, 0))] = -1
    return last


def lowest(steps: NDArray[np.int64], first: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A walk in each group, from zero: where it stands after each step, and how far it has been below zero so far.

    Args:
        steps: between -1 and 1; the first of a group may be greater.
        first: where a group begins.
    """
    walk = np.cumsum(steps)
    group = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    walk -= (walk[starts] - steps[starts])[group]
    lift = group * (2 * int(np.abs(walk).max(initial=0)) + 2)  # so that no group looks back on the one before
    return walk, np.maximum(np.maximum.accumulate(lift - walk) - lift, 0)


def runs(numbers: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each of a few different numbers, with the places where it stands, in their order."""
    if not numbers.size:
        return
    if (numbers == numbers[0]).all():
        yield int(numbers[0]), np.arange(numbers.size)
        return
    if numbers.size <= _HANDFUL:
        places: dict[int, list[int]] = {}
        for place, value in enumerate(numbers.tolist()):
            places.setdefault(value, []).append(place)
        for value in sorted(places):
            yield value, np.array(places[value])
        return
    known, number = np.unique(numbers, return_inverse=True)
    order = np.argsort(number.astype(np.uint16) if known.size < _SHORT else number, kind="stable")
    ends = np.cumsum(np.bincount(number))
    for value, start, end in zip(known.tolist(), [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        yield value, order[start:end]


def spread(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Small numbers, each made into one that can be joined with a hash by exclusive or."""
    return number * np.int64(-7046029254386353131)  # the golden ratio of 64 bits; it wraps
