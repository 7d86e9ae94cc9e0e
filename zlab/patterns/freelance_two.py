"""Freelance, Model Two: a client that asks all servers at once, and takes the first answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least, paced, padded, work
from zlab.patterns.freelance_one import answered_by_another, one_server
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import kill
from zlab.sockets import DEALER, REP
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Client:
    """Blast each request to all servers; the first answer counts, and the others are ignored."""

    name: str
    rate: float
    size: int
    servers: int
    timeout: float

    def __call__(self, client: ZMQSocket) -> None:
        """Number the requests: the answers that come late are told by it."""
        for i in paced(client, lambda: self.rate):
            sequence, request = b"%d" % i, padded(f"request {i} of {self.name}", self.size)
            end = time.monotonic() + self.timeout
            for _ in range(self.servers):
                if client.poll(_until(end), zmq.POLLOUT):  # else there is no server at all
                    client.send_multipart([b"", sequence, request])
            while client.poll(_until(end)):
                if client.recv_multipart()[1:-1] == [sequence]:
                    break


def _until(end: float) -> int:
    return max(0, round((end - time.monotonic()) * 1000))


@dataclass
class Server:
    """Answer with the number of the request."""

    name: str
    seconds: float

    def __call__(self, server: ZMQSocket) -> None:
        """Receive a request, work, send the reply."""
        by = b" by %s of " % self.name.encode()
        while True:
            *sequence, request = server.recv_multipart()
            work(server, self.seconds)
            reply = request.replace(b"request", b"reply", 1).replace(b" of ", by, 1)
            server.send_multipart([*sequence, reply])


@pattern(
    Guide(
        title="Freelance, Model Two: Brutal Shotgun Massacre",
        chapter=4,
        rfcs=(28,),
        see="each request goes to every server, and the first reply counts; kill a server, and nobody waits for it",
        promise="while one server lives, every request is answered",
        failure="kill the first server",
        inject=kill("server-1"),
        check=answered_by_another,
        naive=one_server,
    )
)
def freelance_two(
    clients: int = 2,
    servers: int = 3,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.01,
    timeout: float = 1.0,
) -> Topology:
    """DEALER and REP, no broker: each request to all servers, and the first answer counts.

    ::

                              +--- REP server-1
        client-1 DEALER ---+--+
        client-2 DEALER ---+--+--- REP server-2
          one request, three  |
          shots, first reply  +--- REP server-3

    Look for the waste: three requests and three replies where one of each would do. A DEALER deals them out in turn,
    so each server has one. Kill a server: the others get its share, and a request twice at times. The number of the
    request, a frame before the body, tells the client which of the replies are late.

    That a DEALER passes over a server that is not there, as the Guide says, takes the option IMMEDIATE: without it the
    shots queue up for whoever may yet come.

    Args:
        clients: how many ask.
        servers: how many answer.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request; a reply has some more.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a server takes over a request.
        timeout: how long a client waits for an answer before it goes on without, in seconds.

    Returns:
        Nodes ``client-1``, ``client-2``, ... and ``server-1``, ``server-2``, ...; each server binds an endpoint of its
        own name.

    Raises:
        ValueError: no clients or servers, a negative rate, hwm or time, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 4, "Brokerless Reliability (Freelance Pattern)", Model Two, and RFC 28/REQREP.
    """
    at_least(1, clients=clients, servers=servers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds, timeout=timeout)
    at_least(32, size=size)
    names = [f"client-{i}" for i in range(1, clients + 1)]
    known = [f"server-{i}" for i in range(1, servers + 1)]
    blasts = DEALER.connect(*known, sndhwm=hwm, rcvhwm=hwm, immediate=1)
    return Topology(
        "freelance_two",
        [
            *(Node(name, Client(name, rate, size, servers, timeout), client=blasts) for name in names),
            *(
                Node(server, Server(server, seconds), server=REP.bind(server, sndhwm=hwm, rcvhwm=hwm))
                for server in known
            ),
        ],
    )
