"""The streamer: producers and workers meet at a proxy, which deals each task to one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least, paced, padded, work
from zlab.patterns.judging import all_hear, called, last_failure, nothing_gone, once, received
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.trying import slow
from zlab.sockets import PUB, PULL, PUSH, SUB, node_of
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Producer:
    """Send tasks to whoever is behind the streamer."""

    name: str
    rate: float
    size: int

    def __call__(self, tasks: ZMQSocket) -> None:
        """Send one task after the other."""
        for i in paced(tasks, lambda: self.rate):
            tasks.send(padded(f"task {i} of {self.name}", self.size))


@dataclass
class Worker:
    """Do tasks, one at a time."""

    seconds: float

    def __call__(self, tasks: ZMQSocket) -> None:
        """Receive a task and work."""
        while True:
            tasks.recv()
            work(tasks, self.seconds)


def stream(frontend: ZMQSocket, backend: ZMQSocket) -> None:
    """Pass tasks on, each to one worker."""
    zmq.proxy(frontend, backend)


def each_to_one(lab: Lab) -> str:
    """Judge that no task is done twice or is gone, and that every worker gets tasks, of every producer."""
    passages, since = lab.passages(), last_failure(lab)
    producers, workers = called(lab, "producer"), called(lab, "worker")
    tasks = once(passages, *workers)
    all_hear(passages, workers, since)
    unheard = set(producers) - {node_of(p.sender) for p in received(passages, *workers, since=since)}
    if unheard:
        raise NotYet(f"no task of {', '.join(sorted(unheard))} since second {since:.1f}")
    nothing_gone(lab)
    return f"{tasks} tasks of {len(producers)} producers, each to one of {len(workers)} workers, and none gone."


def to_everybody() -> Topology:
    """PUB and SUB behind the streamer: every worker gets every task."""

    def passes(frontend: ZMQSocket, backend: ZMQSocket) -> None:
        while True:
            backend.send(frontend.recv())

    topology = streamer(rate=100)
    loud = Node("streamer", passes, frontend=PULL.bind("frontend"), backend=PUB.bind("backend"))
    listens = SUB.connect("backend", subscribe="")
    return Topology(
        "to_everybody",
        [
            *(node for node in topology.nodes if node.name.startswith("producer")),
            loud,
            *(Node(name, topology[name].function, tasks=listens) for name in ("worker-1", "worker-2", "worker-3")),
        ],
    )


@pattern(
    Guide(
        title="Streamer",
        chapter=2,
        rfcs=(30,),
        see="producers and workers come and go behind one address; slow all workers down, and the producers wait",
        promise="each task of each producer goes to one worker, and none is gone",
        failure="slow one worker down",
        inject=slow("worker-1", 0.05),
        check=each_to_one,
        naive=to_everybody,
    )
)
def streamer(
    producers: int = 2,
    workers: int = 3,
    *,
    rate: float = 15.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.005,
) -> Topology:
    """PULL and PUSH: producers and workers that know the streamer's address alone.

    ::

        producer-1 PUSH ---+                              +--- PULL worker-1
                           +--- PULL streamer PUSH -------+--- PULL worker-2
        producer-2 PUSH ---+                              +--- PULL worker-3

    Look for the queues: tasks are dealt to the workers in turn, busy or not, so that they wait before a slow one.
    Lower the high-water mark and slow all of them down: the streamer's queues fill, and then the producers stand
    still in ``send``. No task is dropped.

    Args:
        producers: how many send tasks.
        workers: how many take them.
        rate: tasks per second of each producer.
        size: bytes of a task.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a task.

    Returns:
        Nodes ``producer-1``, ``producer-2``, ..., ``streamer``, ``worker-1``, ``worker-2``, ...; the streamer binds
        ``frontend`` and ``backend``.

    Raises:
        ValueError: no producers or workers, a negative rate, hwm or time, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 2, "ZeroMQ's Built-In Proxy Function", and RFC 30/PIPELINE.
    """
    at_least(1, producers=producers, workers=workers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(32, size=size)
    gives, takes = PUSH.connect("frontend", sndhwm=hwm), PULL.connect("backend", rcvhwm=hwm)
    names = [f"producer-{i}" for i in range(1, producers + 1)]
    return Topology(
        "streamer",
        [
            *(Node(name, Producer(name, rate, size), tasks=gives) for name in names),
            Node(
                "streamer", stream, frontend=PULL.bind("frontend", rcvhwm=hwm), backend=PUSH.bind("backend", sndhwm=hwm)
            ),
            *(Node(f"worker-{i}", Worker(seconds), tasks=takes) for i in range(1, workers + 1)),
        ],
    )
