"""ROUTER to REQ: workers ask for work, so that each task goes to one that is idle."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from zlab.nodes import at_least, paced, padded, work
from zlab.patterns.judging import all_hear, called, last_failure, one_at_a_time
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import slow
from zlab.sockets import PULL, PUSH, REQ, ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Broker:
    """Have work for whoever asks first."""

    rate: float
    size: int

    def __call__(self, broker: ZMQSocket) -> None:
        """Wait for the next worker that is idle, and send the task to its address."""
        for i in paced(broker, lambda: self.rate):
            address, empty, _ready = broker.recv_multipart()
            broker.send_multipart([address, empty, padded(f"Work harder {i} ", self.size)])


@dataclass
class Worker:
    """Ask for work, do it, ask again."""

    name: str
    seconds: float

    def __call__(self, worker: ZMQSocket) -> None:
        """Say that one is ready; REQ puts the delimiter before it, and takes it off the task."""
        for done in count():
            worker.send(f"Hi Boss, {self.name} has done {done}".encode())
            worker.recv()
            work(worker, self.seconds)


def idle_ones_work(lab: Lab) -> str:
    """Judge that no task ever waits for a busy worker, and that all workers have work."""
    passages, workers = lab.passages(), called(lab, "worker")
    one_at_a_time(passages, workers)
    tasks = all_hear(passages, workers, last_failure(lab))
    return f"{tasks} tasks since the last failure, each sent to a worker that was idle; {len(workers)} workers work."


def in_turn() -> Topology:
    """PUSH and PULL in the place of ROUTER and REQ: tasks are dealt in turn, whether anybody is idle or not."""

    @dataclass
    class Dealer(Broker):
        def __call__(self, broker: ZMQSocket) -> None:
            for i in paced(broker, lambda: self.rate):
                broker.send(padded(f"Work harder {i} ", self.size))

    def worker(worker: ZMQSocket) -> None:
        while True:
            worker.recv()
            work(worker, 0.02)

    takes = PULL.connect("backend")
    workers = (Node(f"worker-{i}", worker, worker=takes) for i in range(1, 5))
    return Topology("in_turn", [Node("broker", Dealer(100, 100), broker=PUSH.bind("backend")), *workers])


@pattern(
    Guide(
        title="ROUTER Broker and REQ Workers",
        chapter=3,
        rfcs=(28,),
        see="the worker asks and the broker answers with a task; a slow worker asks less often, and gets less",
        promise="each task goes to a worker that is idle, and none waits for a busy one",
        failure="slow one worker down",
        inject=slow("worker-1"),
        check=idle_ones_work,
        naive=in_turn,
    )
)
def router_to_req(
    workers: int = 4, *, rate: float = 20.0, size: int = 100, hwm: int = 1000, seconds: float = 0.03
) -> Topology:
    """ROUTER and REQ: the broker deals to whoever says that it is ready.

    ::

                               +--- REQ worker-1
                               +--- REQ worker-2
        broker ROUTER ---------+--- REQ worker-3
                               +--- REQ worker-4

    Look for who begins: it is the worker, ``Hi Boss``, and the task is the reply. The ROUTER has the worker's address
    from that request, and sends to it alone: ``[address][empty][task]``. Slow a worker down: it asks less often,
    and the others do its share. Where tasks are dealt in turn, a share of them waits for the slowest.

    Args:
        workers: how many work, each on one task at a time.
        rate: tasks per second, at most: the broker waits for a worker that is idle.
        size: bytes of a task.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a task.

    Returns:
        Nodes ``broker``, ``worker-1``, ``worker-2``, ...; the broker binds ``backend``.

    Raises:
        ValueError: no workers, a negative rate, hwm or time, fewer than 24 bytes.

    See the ZeroMQ Guide, chapter 3, "ROUTER Broker and REQ Workers", and RFC 28/REQREP.
    """
    at_least(1, workers=workers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(24, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    names = [f"worker-{i}" for i in range(1, workers + 1)]
    return Topology(
        "router_to_req",
        [
            Node("broker", Broker(rate, size), broker=ROUTER.bind("backend", **marks)),
            *(Node(name, Worker(name, seconds), worker=REQ.connect("backend", **marks)) for name in names),
        ],
    )
