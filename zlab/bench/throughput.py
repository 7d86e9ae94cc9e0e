"""Throughput: two threads, one PUSH and one PULL, as a lab and as plain pyzmq, in turn.

A machine's speed drifts, so no figure stands alone: each pair runs one right after the other, and
what is reported is the ratio within the pair.
"""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass
from typing import Any

import zmq

import zlab

LIMIT = 60.0
"""Seconds that one run may take."""


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    transport: str
    size: int
    """Bytes a message."""
    plain: float
    """Messages per second of plain pyzmq, median."""
    lab: float
    """Messages per second of the lab, median."""
    ratio: float
    """Lab / plain, median over the pairs."""
    low: float
    """The lowest ratio of a pair."""
    high: float
    """The highest ratio of a pair."""
    pairs: int
    cost: float
    """Processor seconds per second that the lab's clock took, median."""


class Program:
    """A sender and a receiver: the same two functions for both sides."""

    def __init__(self, count: int, size: int) -> None:
        """Prepare distinct bodies, so that tracing has something to tell apart."""
        distinct = min(count, 1000)
        self.bodies = [f"{i:010d}".encode().ljust(size, b"x") for i in range(distinct)]
        self.rounds = count // distinct
        self.count = self.rounds * distinct
        self.began = self.ended = 0.0
        self.done = threading.Event()

    def sender(self, out: zmq.Socket[bytes]) -> None:
        """Send all, as fast as the socket takes them."""
        send = out.send
        self.began = time.perf_counter()
        for _ in range(self.rounds):
            for body in self.bodies:
                send(body)

    def receiver(self, inbox: zmq.Socket[bytes]) -> None:
        """Receive all."""
        recv = inbox.recv
        for _ in range(self.count):
            recv()
        self.ended = time.perf_counter()
        self.done.set()

    def rate(self) -> float:
        """Messages per second, from the first send to the last recv."""
        if not self.done.wait(LIMIT):
            raise TimeoutError(f"{self.count:,} messages did not cross within {LIMIT:g} s")
        return self.count / (self.ended - self.began)


def plain(program: Program, transport: str) -> float:
    """Messages per second in plain pyzmq: a context for each side, one for both over inproc."""
    first: zmq.Context[Any] = zmq.Context()
    second = first if transport == "inproc" else zmq.Context()
    try:
        with first.socket(zmq.PUSH) as push, second.socket(zmq.PULL) as pull:
            push.linger = pull.linger = 0
            url = "inproc://bench" if transport == "inproc" else "tcp://127.0.0.1:*"
            push.bind(url)
            pull.connect(url if transport == "inproc" else push.getsockopt_string(zmq.LAST_ENDPOINT))
            threads = [
                threading.Thread(target=program.sender, args=(push,), daemon=True),
                threading.Thread(target=program.receiver, args=(pull,), daemon=True),
            ]
            for thread in threads:
                thread.start()
            rate = program.rate()
            for thread in threads:
                thread.join(LIMIT)
            return rate
    finally:
        first.term()
        second.term()


def probed(program: Program, transport: str) -> tuple[float, float]:
    """Messages per second in a lab with its clock running, and what the clock cost."""
    topology = zlab.Topology(
        "bench",
        [
            zlab.Node("sender", program.sender, out=zlab.PUSH.bind("messages")),
            zlab.Node("receiver", program.receiver, inbox=zlab.PULL.connect("messages")),
        ],
    )
    costs: list[float] = []
    with zlab.run(topology, transport=transport) as lab:
        lab.subscribe(lambda snapshot: costs.append(snapshot.cost))
        rate = program.rate()
    row = lab.ledger().iloc[0]
    if row["expected"] != program.count or row["unaccounted"]:
        raise RuntimeError(f"the ledger of the benchmark is wrong: {dict(row)}")
    return rate, max(costs, default=0.0)


def measure(transport: str, size: int, count: int, pairs: int) -> Result:
    """Run pairs in turn and compare within each."""
    plains, labs, costs = [], [], []
    for number in range(pairs + 1):
        # The order alternates, so that neither side always finds the machine warm.
        if number % 2:
            rate, cost = probed(Program(count, size), transport)
            base = plain(Program(count, size), transport)
        else:
            base = plain(Program(count, size), transport)
            rate, cost = probed(Program(count, size), transport)
        if number:  # the first pair warms up
            plains.append(base)
            labs.append(rate)
            costs.append(cost)
    ratios = [a / b for a, b in zip(labs, plains, strict=True)]
    return Result(
        transport,
        size,
        statistics.median(plains),
        statistics.median(labs),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        pairs,
        statistics.median(costs),
    )


def print_table(transports: list[str], pairs: int, seconds: float) -> list[Result]:
    """Measure every transport and size, and print a line for each."""
    print("two threads, PUSH to PULL; ratio = lab / plain pyzmq, median of the pairs (lowest to highest)")
    print(f"{'transport':<10}{'bytes':>7}{'plain msg/s':>14}{'lab msg/s':>13}{'ratio':>8}{'spread':>16}{'clock':>8}")
    results = []
    for transport in transports:
        for size, speed in ((100, 1_000_000), (10_000, 200_000)):
            result = measure(transport, size, max(1000, int(speed * seconds)), pairs)
            results.append(result)
            print(
                f"{transport:<10}{size:>7,}{result.plain:>14,.0f}{result.lab:>13,.0f}{result.ratio:>8.2f}"
                f"{f'({result.low:.2f} to {result.high:.2f})':>16}{result.cost:>8.1%}",
                flush=True,
            )
    return results
