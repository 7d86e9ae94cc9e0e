"""Throughput: each program as a lab and as plain pyzmq, in turn, in one run.

A machine's speed drifts, so no figure stands alone: each pair runs one right after the other, and
what is reported is the ratio within the pair.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zlab
from zlab.bench.plain import plain
from zlab.bench.programs import Broker, FanOut, Program, PushPull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zlab.ledger.snapshot import Snapshot

_LEAST = 1000  # messages a run
_NORMAL = 0.93  # standard error of a median = this x interquartile range / root of the number, of a normal distribution


@dataclass(frozen=True)
class Line:
    """What is compared in one line of the table."""

    program: str
    size: int
    """Bytes a message."""
    trace: str
    """As in `zlab.run`."""


LINES = (
    Line("push-pull", 100, "adaptive"),
    Line("push-pull", 10_000, "adaptive"),
    Line("push-pull", 100, "full"),
    Line("fan-out", 100, "adaptive"),
    Line("broker", 100, "adaptive"),
)
PROGRAMS: dict[str, Callable[[int, int], Program]] = {"push-pull": PushPull, "fan-out": FanOut, "broker": Broker}
"""Each is made of about so many messages of so many bytes."""


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    program: str
    transport: str
    size: int
    """Bytes a message."""
    trace: str
    """``adaptive`` or ``full``, as in `zlab.run`."""
    plain: float
    """Messages per second of plain pyzmq, median: as received, of a broker requests with their replies."""
    lab: float
    """The same of the lab, median."""
    ratio: float
    """Lab / plain, median over the pairs."""
    error: float
    """Standard error of that median, from the quartiles, as if the ratios were normally distributed."""
    low: float
    """The lowest ratio of a pair."""
    first_quartile: float
    third_quartile: float
    high: float
    """The highest ratio of a pair."""
    pairs: int
    messages: int
    """In each run."""
    cost: float
    """Processor seconds per second that the lab's clock took, median."""
    ratios: tuple[float, ...]
    """Of all pairs, in the order in which they ran."""


def probed(program: Program, transport: str, trace: str) -> tuple[float, float]:
    """Messages per second in a lab with its clock running, and what the clock cost.

    Raises:
        RuntimeError: the ledger does not account for every message.
    """
    looks: list[tuple[float, float]] = []

    def listen(_: Snapshot) -> None:
        looks.append((time.perf_counter(), time.thread_time()))

    with zlab.run(program.topology, transport=transport, trace=trace) as lab:
        unsubscribe = lab.subscribe(listen)
        rate = program.rate()
        unsubscribe()  # the last one comes on the thread that stops the lab
    ledger = lab.ledger()
    if ledger["expected"].sum() != program.expected or ledger["unaccounted"].any():
        raise RuntimeError(f"the ledger of the benchmark is wrong, {program.expected:,} expected:\n{ledger}")
    spans = [last - first for first, last in zip(looks[0], looks[-1], strict=True)] if looks else [0.0, 0.0]
    return rate, spans[1] / spans[0] if spans[0] else 0.0


def measure(line: Line, transport: str, pairs: int, seconds: float) -> Result:
    """Run pairs in turn and compare within each.

    Args:
        line: what is compared.
        transport: ``inproc`` or ``tcp``.
        pairs: how many.
        seconds: about how long a run takes, on an average of the two.
    """
    make = PROGRAMS[line.program]
    count = _count(line, transport, seconds)

    def of_plain() -> None:
        gc.collect()  # what the run before has left must not be cleared away in this one
        plains.append(plain(make(count, line.size), transport))

    def of_lab() -> None:
        gc.collect()
        rate, cost = probed(make(count, line.size), transport, line.trace)
        labs.append(rate)
        costs.append(cost)

    plains: list[float] = []
    labs: list[float] = []
    costs: list[float] = []
    for number in range(pairs):
        # The order alternates, so that neither side always finds the machine warm.
        for run in (of_lab, of_plain) if number % 2 else (of_plain, of_lab):
            run()
    ratios = tuple(a / b for a, b in zip(labs, plains, strict=True))
    quartiles = statistics.quantiles(ratios, n=4, method="inclusive") if pairs > 1 else ratios * 3
    return Result(
        program=line.program,
        transport=transport,
        size=line.size,
        trace=line.trace,
        plain=statistics.median(plains),
        lab=statistics.median(labs),
        ratio=statistics.median(ratios),
        error=_NORMAL * (quartiles[2] - quartiles[0]) / math.sqrt(pairs),
        low=min(ratios),
        first_quartile=quartiles[0],
        third_quartile=quartiles[2],
        high=max(ratios),
        pairs=pairs,
        messages=make(count, line.size).messages,
        cost=statistics.median(costs),
        ratios=ratios,
    )


def _count(line: Line, transport: str, seconds: float) -> int:
    """How many messages take so long here; trying it warms up."""
    make = PROGRAMS[line.program]
    first = plain(make(_LEAST, line.size), transport)
    base = plain(make(max(_LEAST, int(first * seconds * 0.3)), line.size), transport)
    rate, _ = probed(make(max(_LEAST, int(base * seconds * 0.05)), line.size), transport, line.trace)
    return max(_LEAST, int(2 * seconds / (1 / base + 1 / rate)))


def print_table(lines: Iterable[Line], transports: list[str], pairs: int, seconds: float) -> list[Result]:
    """Measure every line over every transport, and print it."""
    print("a lab beside the same threads in plain pyzmq; ratio = lab / plain pyzmq, median of the pairs (± its")
    print("standard error), then the middle half of them and the lowest to highest. push-pull: one PUSH to one PULL;")
    print(
        "fan-out: one PUB to ten SUB by topic, what these receive; broker: REQ, ROUTER-DEALER, REP, four each, requests"
    )
    print(
        f"{'program':<11}{'trace':<10}{'bytes':>6}  {'transport':<10}{'plain msg/s':>12}{'lab msg/s':>12}"
        f"{'ratio':>7}{'':>7}{'middle half':>16}{'spread':>16}{'clock':>7}"
    )
    results = []
    for line in lines:
        for transport in transports:
            result = measure(line, transport, pairs, seconds)
            results.append(result)
            digits = 2 if result.ratio >= 0.1 else 3  # noqa: PLR2004 - two that say something
            middle = f"{result.first_quartile:.{digits}f} to {result.third_quartile:.{digits}f}"
            print(
                f"{result.program:<11}{result.trace:<10}{result.size:>6,}  {transport:<10}{result.plain:>12,.0f}"
                f"{result.lab:>12,.0f}{result.ratio:>7.{digits}f}{f' ±{result.error:.{digits}f}':>7}{middle:>16}"
                f"{f'{result.low:.{digits}f} to {result.high:.{digits}f}':>16}{result.cost:>7.1%}",
                flush=True,
            )
    return results
