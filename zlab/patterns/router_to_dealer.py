"""ROUTER to DEALER: workers ask for work and write the envelope by hand, as REQ would."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from zlab.nodes import at_least, paced, padded, work
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.router_to_req import Broker, idle_ones_work
from zlab.patterns.trying import slow
from zlab.sockets import DEALER, ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Worker:
    """Ask for work, do it, ask again."""

    name: str
    seconds: float

    def __call__(self, worker: ZMQSocket) -> None:
        """Say that one is ready: the empty delimiter first, and first again in what comes back."""
        for done in count():
            worker.send_multipart([b"", f"Hi Boss, {self.name} has done {done}".encode()])
            _empty, _task = worker.recv_multipart()
            work(worker, self.seconds)


def asked_by_nobody() -> Topology:
    """DEALER in the place of ROUTER: it knows no addresses, and deals in turn to whoever is connected."""

    @dataclass
    class Dealer(Broker):
        def __call__(self, broker: ZMQSocket) -> None:
            for i in paced(broker, lambda: self.rate):
                broker.send_multipart([b"", padded(f"Work harder {i} ", self.size)])

    def worker(worker: ZMQSocket) -> None:
        while True:
            _empty, _task = worker.recv_multipart()
            work(worker, 0.02)

    takes = DEALER.connect("backend")
    workers = (Node(f"worker-{i}", worker, worker=takes) for i in range(1, 5))
    return Topology("asked_by_nobody", [Node("broker", Dealer(100, 100), broker=DEALER.bind("backend")), *workers])


@pattern(
    Guide(
        title="ROUTER Broker and DEALER Workers",
        chapter=3,
        rfcs=(28,),
        see="as with REQ, with the empty delimiter sent and received by hand; the broker cannot tell the difference",
        promise="each task goes to a worker that is idle, and none waits for a busy one",
        failure="slow one worker down",
        inject=slow("worker-1"),
        check=idle_ones_work,
        naive=asked_by_nobody,
    )
)
def router_to_dealer(
    workers: int = 4, *, rate: float = 20.0, size: int = 100, hwm: int = 1000, seconds: float = 0.03
) -> Topology:
    """ROUTER and DEALER: the worker does by hand what REQ does by itself.

    ::

                               +--- DEALER worker-1
                               +--- DEALER worker-2
        broker ROUTER ---------+--- DEALER worker-3
                               +--- DEALER worker-4

    Look for the frames: a DEALER adds nothing and takes nothing off, so the worker sends ``[empty][Hi Boss]`` and
    receives ``[empty][task]``; the broker is the one of ``router_to_req``. In exchange a DEALER keeps no turns: a
    worker could ask for its next task before it has finished this one, or say that it is still alive.

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

    See the ZeroMQ Guide, chapter 3, "ROUTER Broker and DEALER Workers", and RFC 28/REQREP.
    """
    at_least(1, workers=workers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(24, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    names = [f"worker-{i}" for i in range(1, workers + 1)]
    return Topology(
        "router_to_dealer",
        [
            Node("broker", Broker(rate, size), broker=ROUTER.bind("backend", **marks)),
            *(Node(name, Worker(name, seconds), worker=DEALER.connect("backend", **marks)) for name in names),
        ],
    )
