"""The broker: a shared queue between clients and workers that need not know each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least
from zlab.patterns.request_reply import Client, Server
from zlab.sockets import DEALER, REP, REQ, ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    ZMQSocket = zmq.Socket[bytes]


def queue(frontend: ZMQSocket, backend: ZMQSocket) -> None:
    """Pass requests back to the workers, and replies forth to the clients."""
    zmq.proxy(frontend, backend)


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
