"""The multithreaded server: one address outside, a thread for each request inside, and nothing shared."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least
from zlab.patterns.judging import called, home, received
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.request_reply import Client, Server
from zlab.patterns.trying import slow
from zlab.sockets import DEALER, REP, REQ, ROUTER, node_of
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zlab.followed import Passage
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


def server(clients: ZMQSocket, workers: ZMQSocket) -> None:
    """Connect the worker threads to the clients."""
    zmq.proxy(clients, workers)


def side_by_side(lab: Lab) -> str:
    """Judge that requests are worked on at the same time, and that each reply goes to who asked."""
    passages = lab.passages()
    replies = home(passages, called(lab, "client"))
    spans = {worker: list(_spans(passages, worker)) for worker in called(lab, "worker")}
    together = sum(
        one[0] < other[1] and other[0] < one[1]
        for first, second in combinations(spans.values(), 2)
        for one in first
        for other in second
    )
    if not together:
        raise NotYet("no two requests were ever worked on at the same time")
    return f"{replies} replies, each to its client; {together} pairs of requests were worked on at the same time."


def _spans(passages: Iterable[Passage], worker: str) -> Iterable[tuple[float, float]]:
    """From when to when a worker was busy with each request that it answered, in seconds."""
    passages = list(passages)
    answers = {p.message: p.sent for p in passages if node_of(p.sender) == worker}
    for request in received(passages, worker):
        if request.received is not None and request.message in answers:
            yield request.received, answers[request.message]


def single_threaded() -> Topology:
    """One worker: whoever comes waits until all before are done."""
    topology = multithreaded_server(workers=1, rate=100)
    return Topology("single_threaded", topology.nodes)


@pattern(
    Guide(
        title="Multithreaded server",
        chapter=2,
        rfcs=(28,),
        see="one address outside, worker threads over inproc inside, and nothing shared between them",
        promise="a slow request holds up no other: requests are worked on side by side",
        failure="slow one worker thread down",
        inject=slow("worker-1"),
        check=side_by_side,
        naive=single_threaded,
        transports=("inproc",),
    )
)
def multithreaded_server(
    clients: int = 3,
    workers: int = 2,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.05,
) -> Topology:
    """ROUTER outside, DEALER inside: a server whose threads each take a request.

    ::

        client-1 REQ ---+                               +--- REP worker-1
        client-2 REQ ---+--- ROUTER server DEALER ------+
        client-3 REQ ---+               inproc          +--- REP worker-2

    Look for the threads: outside there is one address; inside the workers are threads of the same process, and a
    worker's code is that of a server of its own. Slow one of them down: the others go on.

    Args:
        clients: how many ask.
        workers: how many threads answer; requests are dealt to them in turn, busy or not.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a request.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``server``, ``worker-1``, ``worker-2``, ...; the server binds
        ``clients`` and ``workers``.

    Raises:
        ValueError: no clients or workers, a negative rate, hwm or time, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 2, "Multithreading with ZeroMQ", and RFC 28/REQREP.
    """
    at_least(1, clients=clients, workers=workers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(32, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    names = [f"client-{i}" for i in range(1, clients + 1)]
    return Topology(
        "multithreaded_server",
        [
            *(Node(name, Client(name, rate, size), requests=REQ.connect("clients", **marks)) for name in names),
            Node("server", server, clients=ROUTER.bind("clients", **marks), workers=DEALER.bind("workers", **marks)),
            *(
                Node(f"worker-{i}", Server(seconds), requests=REP.connect("workers", **marks))
                for i in range(1, workers + 1)
            ),
        ],
    )
