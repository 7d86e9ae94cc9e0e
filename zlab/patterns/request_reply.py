"""Request and reply: clients ask, a server answers, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded, work
from zlab.patterns.judging import called, home
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import kill
from zlab.sockets import DEALER, REP, REQ
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab


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


def one_under_way(lab: Lab) -> str:
    """Judge that no client asks before it was answered, and that each is told what it asked for."""
    counts = {socket.name: socket for socket in lab.snapshot().sockets}
    clients = called(lab, "client")
    for client in clients:
        waiting = counts[f"{client}.requests"].sent - counts[f"{client}.requests"].received
        if waiting > 1:
            raise CheckFailed(f"{client} has asked {waiting} times without having been answered")
    return f"{home(lab.passages(), clients)} replies, each to its client, and one request under way at a time."


def without_turns() -> Topology:
    """DEALER in the place of REQ: who does not wait for the answer asks on and on."""

    @dataclass
    class Hasty(Client):
        def __call__(self, requests: zmq.Socket[bytes]) -> None:
            for i in paced(requests, lambda: self.rate):
                requests.send_multipart([b"", padded(f"request {i} of {self.name}", self.size)])

    names = [f"client-{i}" for i in range(1, 4)]
    asks = DEALER.connect("requests")
    return Topology(
        "without_turns",
        [
            *(Node(name, Hasty(name, 100, 100), requests=asks) for name in names),
            Node("server", Server(0.005), requests=REP.bind("requests")),
        ],
    )


@pattern(
    Guide(
        title="Hello World",
        chapter=1,
        rfcs=(28,),
        see="strict turns; kill the server, and who waits for it waits for ever",
        promise="a client has one request under way at a time, and gets the reply to it",
        failure="kill the server",
        inject=kill("server"),
        check=one_under_way,
        naive=without_turns,
    )
)
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
