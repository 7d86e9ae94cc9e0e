"""Request and reply: clients ask, a server answers, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.nodes import at_least, paced, padded, work
from zlab.sockets import REP, REQ
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq


@dataclass
class Client:
    """Ask, wait for the answer, ask again."""

    name: str
    rate: float
    size: int

    def __call__(self, requests: zmq.Socket[bytes]) -> None:
        """Send a request and receive its reply, over and over."""
        for i in paced(requests, lambda: self.rate):
            requests.send(padded(f"request {i} of {self.name}", self.size))
            requests.recv()


@dataclass
class Server:
    """Answer each request before receiving the next."""

    seconds: float

    def __call__(self, requests: zmq.Socket[bytes]) -> None:
        """Receive a request, work, send the reply."""
        while True:
            request = requests.recv()
            work(requests, self.seconds)
            requests.send(request.replace(b"request", b"reply", 1).ljust(len(request), b"."))


def request_reply(
    clients: int = 3, *, rate: float = 10.0, size: int = 100, hwm: int = 1000, seconds: float = 0.005
) -> Topology:
    """REQ and REP: clients ask, a server answers, in strict lockstep.

    ::

        client-1 REQ ---+
        client-2 REQ ---+--- REP server
        client-3 REQ ---+

    Look for the lockstep: never more than one message under way for each client, whatever the rate. Kill the
    server: a client whose request it had stands still in ``recv``, and for ever, even when the server is back.

    Args:
        clients: how many ask.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit. Lockstep never comes near it.
        seconds: how long the server takes over a request.

    Returns:
        Nodes ``client-1``, ``client-2``, ... and ``server``; the server binds ``requests``.

    Raises:
        ValueError: no clients, a negative rate, hwm or time, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 1, "Ask and Ye Shall Receive", and RFC 28/REQREP.
    """
    at_least(1, clients=clients)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(32, size=size)
    asks = REQ.connect("requests", sndhwm=hwm, rcvhwm=hwm)
    names = [f"client-{i}" for i in range(1, clients + 1)]
    return Topology(
        "request_reply",
        [
            *(Node(name, Client(name, rate, size), requests=asks) for name in names),
            Node("server", Server(seconds), requests=REP.bind("requests", sndhwm=hwm, rcvhwm=hwm)),
        ],
    )
