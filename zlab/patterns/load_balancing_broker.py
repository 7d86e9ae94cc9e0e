"""The load-balancing broker: workers say when they are ready, and the one who has waited longest is next."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least, work
from zlab.patterns.judging import all_hear, called, home, last_failure, one_at_a_time
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.request_reply import Client, Server
from zlab.patterns.trying import slow
from zlab.sockets import DEALER, REP, REQ, ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Worker:
    """Say READY; then each reply says that the next request may come."""

    seconds: float

    def __call__(self, worker: ZMQSocket) -> None:
        """Receive a request with its envelope, work, send the reply in the same envelope."""
        worker.send(b"READY")
        while True:
            *envelope, request = worker.recv_multipart()
            work(worker, self.seconds)
            reply = request.replace(b"request", b"reply", 1).ljust(len(request), b".")
            worker.send_multipart([*envelope, reply])


def balance(frontend: ZMQSocket, backend: ZMQSocket) -> None:
    """Give each request to the worker that was used least recently; while none is ready, hear no client."""
    workers: deque[bytes] = deque()
    poller = zmq.Poller()
    poller.register(backend, zmq.POLLIN)
    while True:
        ready = dict(poller.poll())
        if backend in ready:
            worker, _, *message = backend.recv_multipart()
            if not workers:
                poller.register(frontend, zmq.POLLIN)
            workers.append(worker)
            if message != [b"READY"]:
                frontend.send_multipart(message)
        if frontend in ready:
            request = frontend.recv_multipart()
            backend.send_multipart([workers.popleft(), b"", *request])
            if not workers:
                poller.unregister(frontend)


def no_queue_at_a_worker(lab: Lab) -> str:
    """Judge that no request waits for a busy worker, and that every client is answered, by whoever is free."""
    passages, clients, workers = lab.passages(), called(lab, "client"), called(lab, "worker")
    replies = home(passages, clients)
    one_at_a_time(passages, workers)
    all_hear(passages, clients, last_failure(lab))
    taken = all_hear(passages, workers)
    return f"{replies} replies, each to its client; {taken} requests, each sent to a worker that was free."


def dealt_in_turn() -> Topology:
    """DEALER in the place of the second ROUTER: requests are dealt in turn, to busy workers too."""

    def blind(frontend: ZMQSocket, backend: ZMQSocket) -> None:
        zmq.proxy(frontend, backend)

    names = [f"client-{i}" for i in range(1, 7)]
    asks, answers = REQ.connect("frontend"), REP.connect("backend")
    return Topology(
        "dealt_in_turn",
        [
            *(Node(name, Client(name, 100, 100), requests=asks) for name in names),
            Node("broker", blind, frontend=ROUTER.bind("frontend"), backend=DEALER.bind("backend")),
            *(Node(f"worker-{i}", Server(0.01), requests=answers) for i in range(1, 4)),
        ],
    )


@pattern(
    Guide(
        title="Load balancing broker",
        chapter=3,
        rfcs=(28,),
        see="workers say READY; a request goes to the one that has waited longest, and never queues at a busy one",
        promise="each request goes to a worker that is free, and each reply to the client that asked",
        failure="slow one worker down",
        inject=slow("worker-1"),
        check=no_queue_at_a_worker,
        naive=dealt_in_turn,
    )
)
def load_balancing_broker(
    clients: int = 5,
    workers: int = 3,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.03,
) -> Topology:
    """ROUTER and ROUTER: each request goes to the worker that was used least recently.

    ::

        client-1 REQ ---+                                +--- REQ worker-1
        client-2 REQ ---+--- ROUTER broker ROUTER -------+--- REQ worker-2
           ...          |     queue of those ready       |
        client-5 REQ ---+                                +--- REQ worker-3

    Look for the direction: workers are REQ, too. The first message is theirs, ``READY``, and each reply says that
    they are free again; the broker keeps them in a queue and leaves the clients' requests where they are while it is
    empty. Slow a worker down: it gets fewer requests, and none waits for it while another is free.

    Args:
        clients: how many ask.
        workers: how many answer, each one request at a time.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a request.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``broker``, ``worker-1``, ``worker-2``, ...; the broker binds
        ``frontend`` and ``backend``.

    Raises:
        ValueError: no clients or workers, a negative rate, hwm or time, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 3, "A Load Balancing Message Broker", and RFC 28/REQREP.
    """
    at_least(1, clients=clients, workers=workers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(32, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    asks, answers = REQ.connect("frontend", **marks), REQ.connect("backend", **marks)
    names = [f"client-{i}" for i in range(1, clients + 1)]
    return Topology(
        "load_balancing_broker",
        [
            *(Node(name, Client(name, rate, size), requests=asks) for name in names),
            Node("broker", balance, frontend=ROUTER.bind("frontend", **marks), backend=ROUTER.bind("backend", **marks)),
            *(Node(f"worker-{i}", Worker(seconds), worker=answers) for i in range(1, workers + 1)),
        ],
    )
