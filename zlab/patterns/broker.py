"""The broker: a shared queue between clients and workers that need not know each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least, paced, padded
from zlab.patterns.judging import called, home, last_failure, received
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.request_reply import Client, Server
from zlab.patterns.trying import kill
from zlab.sockets import DEALER, REP, REQ, ROUTER, node_of
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


def queue(frontend: ZMQSocket, backend: ZMQSocket) -> None:
    """Pass requests back to the workers, and replies forth to the clients."""
    zmq.proxy(frontend, backend)


def others_go_on(lab: Lab) -> str:
    """Judge that replies go to who asked, and that a worker's death stops nobody but whom it was working for."""
    passages, clients = lab.passages(), called(lab, "client")
    replies = home(passages, clients)
    answered = {node_of(p.receiver) for p in received(passages, *clients, since=last_failure(lab))}
    alive = called(lab, "worker", alive=True)
    for client in set(clients) - answered:
        last = [p for p in passages if node_of(p.sender) == client][-1:]
        if not answered or any(node_of(request.receiver) in alive for request in last):
            raise NotYet(f"{client} has not been answered since the last failure, and not for a dead worker's sake")
    return f"{replies} replies, each to its client; {len(answered)} of {len(clients)} clients go on."


def without_envelope() -> Topology:
    """DEALER in the place of ROUTER: no envelope tells whom a reply is for."""

    class Trusting(Client):
        def __call__(self, requests: ZMQSocket) -> None:
            for i in paced(requests, lambda: self.rate):
                requests.send_multipart([b"", padded(f"request {i} of {self.name}", self.size)])
                requests.recv_multipart()

    asks, answers = DEALER.connect("frontend"), REP.connect("backend")
    names = [f"client-{i}" for i in range(1, 4)]
    return Topology(
        "without_envelope",
        [
            *(Node(name, Trusting(name, 50, 100), requests=asks) for name in names),
            Node("broker", queue, frontend=DEALER.bind("frontend"), backend=DEALER.bind("backend")),
            *(Node(f"worker-{i}", Server(0.01), requests=answers) for i in range(1, 3)),
        ],
    )


@pattern(
    Guide(
        title="Shared queue",
        chapter=2,
        rfcs=(28,),
        see="workers come and go, and the clients need not know them; kill one, and its request is gone",
        promise="each reply goes back to who asked, and clients go on when another's worker dies",
        failure="kill a worker",
        inject=kill("worker-2"),
        check=others_go_on,
        naive=without_envelope,
    )
)
def broker(
    clients: int = 3,
    workers: int = 2,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.05,
) -> Topology:
    """ROUTER and DEALER: a shared queue between REQ clients and REP workers.

    ::

        client-1 REQ ---+                                +--- REP worker-1
        client-2 REQ ---+--- ROUTER broker DEALER -------+
        client-3 REQ ---+                                +--- REP worker-2

    Look for the envelope: the ROUTER puts the client's identity before each request, so that the reply finds
    its way back. Add and remove workers while it runs: no client notices. Kill a worker that has a request:
    that request is gone, and its client waits for ever.

    Args:
        clients: how many ask.
        workers: how many answer; the broker deals requests to them in turn, busy or not.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a request.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``broker``, ``worker-1``, ``worker-2``, ...; the broker binds
        ``frontend`` and ``backend``.

    Raises:
        ValueError: no clients or workers, a negative rate, hwm or time, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 2, "Shared Queue (DEALER and ROUTER sockets)", and RFC 28/REQREP.
    """
    at_least(1, clients=clients, workers=workers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(32, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    asks, answers = REQ.connect("frontend", **marks), REP.connect("backend", **marks)
    names = [f"client-{i}" for i in range(1, clients + 1)]
    return Topology(
        "broker",
        [
            *(Node(name, Client(name, rate, size), requests=asks) for name in names),
            Node("broker", queue, frontend=ROUTER.bind("frontend", **marks), backend=DEALER.bind("backend", **marks)),
            *(Node(f"worker-{i}", Server(seconds), requests=answers) for i in range(1, workers + 1)),
        ],
    )
