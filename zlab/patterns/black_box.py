"""The black box: a subscriber that only receives, and hands the work to threads of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.nodes import at_least, paced, padded, work
from zlab.patterns.judging import all_hear, called, last_failure, nothing_gone, once
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.trying import burst
from zlab.sockets import PUB, PULL, PUSH, SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Publisher:
    """Publish updates, and wait for nobody."""

    rate: float
    size: int

    def __call__(self, updates: ZMQSocket) -> None:
        """Send one update after the other."""
        for i in paced(updates, lambda: self.rate):
            updates.send(padded(f"update {i} ", self.size))


def subscriber(updates: ZMQSocket, tasks: ZMQSocket) -> None:
    """Receive and hand on, and nothing else: the queue of updates stays short."""
    while True:
        tasks.send(updates.recv())


@dataclass
class Worker:
    """Work on updates, one at a time."""

    seconds: float

    def __call__(self, tasks: ZMQSocket) -> None:
        """Receive and work."""
        while True:
            tasks.recv()
            work(tasks, self.seconds)


def none_lost(lab: Lab) -> str:
    """Judge that no update was lost at a high-water mark, and that each was worked on once."""
    nothing_gone(lab, "not yet joined", "no subscriber")
    waiting = [k for k in lab.snapshot().links if k.name.endswith(" subscriber.updates") and k.queued]
    if waiting:
        raise NotYet(f"{waiting[0].queued} updates wait for the subscriber, at a queue that drops what is too much")
    passages, workers = lab.passages(), called(lab, "worker")
    once(passages, *workers)
    done = all_hear(passages, workers, last_failure(lab))
    return f"{done} updates since the burst, dealt out to {len(workers)} threads, each to one of them; none was lost."


def working_where_it_receives() -> Topology:
    """A subscriber that works in the loop in which it receives: what comes meanwhile is soon too much."""

    def busy(updates: ZMQSocket) -> None:
        while True:
            updates.recv()
            work(updates, 0.02)

    # The kernel's buffers are queues too: kept small, so that the end of the queue is seen soon.
    small = {"sndbuf": 4096, "rcvbuf": 4096}
    return Topology(
        "working_where_it_receives",
        [
            Node("publisher", Publisher(100, 1000), updates=PUB.bind("updates", sndhwm=10, **small)),
            Node("subscriber", busy, updates=SUB.connect("updates", rcvhwm=10, subscribe="", **small)),
        ],
    )


@pattern(
    Guide(
        title="High-Speed Subscribers (Black Box Pattern)",
        chapter=5,
        rfcs=(29, 30),
        see="one thread receives and nothing else, others work; a burst waits before them, and none of it is lost",
        promise="no update is lost while one thread can receive them and the others, over time, can work on them",
        failure="a burst: ten times as many updates, for half a second",
        inject=burst("publisher"),
        check=none_lost,
        naive=working_where_it_receives,
    )
)
def black_box(
    workers: int = 4, *, rate: float = 100.0, size: int = 100, hwm: int = 1000, seconds: float = 0.02
) -> Topology:
    """PUB to SUB, and PUSH to PULL: who receives does not work, who works does not receive.

    ::

                                                  +--- PULL worker-1
        publisher PUB --- SUB subscriber PUSH ----+--- PULL worker-2
                                         inproc   +--- PULL worker-3
                                                  +--- PULL worker-4

    Look for where messages wait: an update takes longer to work on than the next one takes to come. The subscriber's
    only job is to keep the queue behind the publisher short, for there a PUB drops what is over the high-water mark.
    What has to wait waits behind PUSH, which drops nothing; only if all the workers' queues are full does the
    subscriber wait, and the publisher drop.

    Args:
        workers: how many threads work.
        rate: updates per second.
        size: bytes of an update.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over an update.

    Returns:
        Nodes ``publisher``, ``subscriber``, ``worker-1``, ``worker-2``, ...; the publisher binds ``updates``, the
        subscriber ``inproc://tasks``.

    Raises:
        ValueError: no workers, a negative rate, hwm or time, fewer than 24 bytes.

    See the ZeroMQ Guide, chapter 5, "High-Speed Subscribers (Black Box Pattern)", RFC 29/PUBSUB and RFC 30/PIPELINE.
    """
    at_least(1, workers=workers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(24, size=size)
    takes = PULL.connect("inproc://tasks", rcvhwm=hwm)
    return Topology(
        "black_box",
        [
            Node("publisher", Publisher(rate, size), updates=PUB.bind("updates", sndhwm=hwm)),
            Node(
                "subscriber",
                subscriber,
                updates=SUB.connect("updates", rcvhwm=hwm, subscribe=""),
                tasks=PUSH.bind("inproc://tasks", sndhwm=hwm),
            ),
            *(Node(f"worker-{i}", Worker(seconds), tasks=takes) for i in range(1, workers + 1)),
        ],
    )
