"""Scale: what a lab of many nodes takes to start, to watch and to stop, each in a process of its own."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

import zlab
from zlab.bench.programs import LIMIT

if TYPE_CHECKING:
    from zlab.ledger.snapshot import Snapshot

_CHAIN = 10  # nodes
_RATE = 10  # messages per second on each link: one a tick
_MB = 1e6


@dataclass(frozen=True)
class Scale:
    """One line of the table: medians of several labs."""

    nodes: int
    transport: str
    links: int
    start: float
    """Seconds that `zlab.run` took."""
    stop: float
    """Seconds that `Lab.stop` took."""
    tick: float
    """Processor seconds that the clock took for a tick, median."""
    busiest: float
    """The same, the highest."""
    ticks: float
    """Ticks per second."""
    memory: float
    """Bytes of resident memory of the process."""
    grown: float
    """How much of that came with the lab."""


def chains(nodes: int, count: int) -> zlab.Topology:
    """Chains of ten nodes, PUSH to PULL, each of which passes on so many messages."""
    made = []
    for i in range(0, nodes, _CHAIN):
        made.append(zlab.Node(f"node-{i}", zlab.nodes.source(rate=_RATE, count=count), out=zlab.PUSH.bind(f"link-{i}")))
        for k in range(i + 1, i + _CHAIN - 1):
            inbox, out = zlab.PULL.connect(f"link-{k - 1}"), zlab.PUSH.bind(f"link-{k}")
            made.append(zlab.Node(f"node-{k}", zlab.nodes.worker(), inbox=inbox, out=out))
        last = i + _CHAIN - 1
        made.append(zlab.Node(f"node-{last}", zlab.nodes.sink(), inbox=zlab.PULL.connect(f"link-{last - 1}")))
    return zlab.Topology("chains", made)


def measure(nodes: int, transport: str, seconds: float) -> Scale:
    """Run one lab in this process; messages flow for so many seconds.

    Raises:
        RuntimeError: the ledger does not account for every message.
    """
    import psutil

    with zlab.run(chains(_CHAIN, 1)) as first:  # what the first lab of a process imports is not this one's
        first.wait(until=lambda snapshot: all(link.delivered for link in snapshot.links), timeout=LIMIT)
    memory = psutil.Process().memory_info
    count = max(3, int(_RATE * seconds))
    topology = chains(nodes, count)
    costs: list[float] = []
    looks: list[tuple[float, float]] = []

    def listen(snapshot: Snapshot) -> None:
        if all(link.delivered for link in snapshot.links):
            if looks:
                costs.append(time.thread_time() - looks[-1][1])
            looks.append((time.perf_counter(), time.thread_time()))  # last: what is done here is not the clock's

    before = memory().rss
    began = time.perf_counter()
    lab = zlab.run(topology, transport=transport)
    started = time.perf_counter()
    with lab:
        unsubscribe = lab.subscribe(listen)
        lab.wait(until=lambda s: len(costs) > 1 and all(link.delivered == count for link in s.links), timeout=LIMIT)
        unsubscribe()  # the last one comes on the thread that stops the lab
        resident = memory().rss
        ending = time.perf_counter()
    ended = time.perf_counter()
    ledger = lab.ledger()
    if (ledger["expected"] != count).any() or ledger["unaccounted"].any():
        raise RuntimeError(f"the ledger of the benchmark is wrong, {count:,} expected on each link:\n{ledger}")
    return Scale(
        nodes=len(topology.nodes),
        transport=transport,
        links=len(topology.links),
        start=started - began,
        stop=ended - ending,
        tick=statistics.median(costs),
        busiest=max(costs),
        ticks=(len(looks) - 1) / (looks[-1][0] - looks[0][0]),
        memory=resident,
        grown=resident - before,
    )


def print_table(sizes: list[int], transports: list[str], labs: int, seconds: float) -> list[Scale]:
    """Measure several labs of every size over every transport, and print the medians."""
    print(
        f"labs of many nodes: chains of {_CHAIN}, PUSH to PULL, {_RATE} messages a second on each link; {labs} of each"
    )
    print(
        f"{'nodes':>6}{'links':>7}  {'transport':<10}{'start s':>8}{'stop s':>8}{'tick ms':>9}{'highest':>9}"
        f"{'ticks/s':>9}{'memory MB':>11}{'the lab':>9}"
    )
    table = []
    for nodes in sizes:
        for transport in transports:
            found = []
            for _ in range(labs):
                # Spawned, not forked: what other labs have left in this process must not count.
                with ProcessPoolExecutor(1, get_context("spawn")) as apart:
                    found.append(apart.submit(measure, nodes, transport, seconds).result())
            first = found[0]
            medians = [statistics.median(column) for column in zip(*(astuple(s)[3:] for s in found), strict=True)]
            line = Scale(first.nodes, first.transport, first.links, *medians)
            table.append(line)
            print(
                f"{line.nodes:>6}{line.links:>7}  {transport:<10}{line.start:>8.2f}{line.stop:>8.2f}"
                f"{1000 * line.tick:>9.1f}{1000 * line.busiest:>9.1f}{line.ticks:>9.1f}"
                f"{line.memory / _MB:>11.0f}{line.grown / _MB:>9.0f}",
                flush=True,
            )
    return table
