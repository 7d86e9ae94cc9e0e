"""Freelance, Model Three: a client that knows which servers live, and addresses one of them; RFC 10."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.nodes import at_least, paced, padded, work
from zlab.patterns.freelance_one import answered_by_another, one_server
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import freeze
from zlab.sockets import ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    ZMQSocket = zmq.Socket[bytes]

PING, PONG = b"PING", b"PONG"


@dataclass
class Client:
    """Ask the server that has been alive for longest, and the next one once it is not."""

    name: str
    rate: float
    size: int
    endpoints: tuple[str, ...]
    timeout: float
    heartbeat: float
    liveness: int

    def __call__(self, client: ZMQSocket) -> None:
        """Number the requests, in the frame that a server returns as it is."""
        servers = Servers(client, self.endpoints, self.heartbeat, self.heartbeat * self.liveness)
        for i in paced(client, lambda: self.rate):
            servers.request(b"%d" % i, padded(f"request {i} of {self.name}", self.size), self.timeout)


class Servers:
    """What a client knows of its servers; the Guide runs it as an agent in a thread of its own."""

    def __init__(self, client: ZMQSocket, endpoints: tuple[str, ...], heartbeat: float, life: float) -> None:
        """Know that they are there, and not yet which of them live.

        Args:
            client: a ROUTER that is connected to them.
            endpoints: theirs, which are their identities, too.
            heartbeat: how often a server is pinged from which nothing else comes, in seconds.
            life: how long one is taken to live that is silent, in seconds.
        """
        self.client, self.heartbeat, self.life = client, heartbeat, life
        self.ping_at = dict.fromkeys((endpoint.encode() for endpoint in endpoints), 0.0)
        self.alive: dict[bytes, float] = {}
        """Those that live, in the order in which they came to, each with the time until which."""

    def request(self, control: bytes, body: bytes, timeout: float) -> list[bytes]:
        """Send a request to a living server, and to the next one if that dies; wait for the reply.

        Args:
            control: the client control frame, by which the reply is known.
            body: of the request.
            timeout: how long to wait, in seconds.

        Returns:
            The frames of the reply; none where none has come in time.
        """
        end, asked = time.monotonic() + timeout, b""
        while (now := time.monotonic()) < end:
            self.ping(now)
            first = next(iter(self.alive), b"")
            if first and first != asked:
                self.client.send_multipart([first, control, body])
                asked = first
            wake = min(end, *self.ping_at.values(), *self.alive.values())
            if self.client.poll(max(0, math.ceil((wake - now) * 1000))):
                answered, reply = self.take()
                if answered == control and reply:
                    return reply
        return []

    def ping(self, now: float) -> None:
        """Forget the dead, and ping all from which nothing has come for a while: this finds those that are back."""
        self.alive = {server: until for server, until in self.alive.items() if until > now}
        for server, at in self.ping_at.items():
            if at <= now:
                self.client.send_multipart([server, PING])
                self.ping_at[server] = now + self.heartbeat

    def take(self) -> tuple[bytes, list[bytes]]:
        """Receive the first frame and the rest of what a server says: whatever it is, it lives."""
        server, control, *reply = self.client.recv_multipart()
        if server in self.ping_at:
            now = time.monotonic()
            self.alive[server], self.ping_at[server] = now + self.life, now + self.heartbeat
        return control, reply


@dataclass
class Server:
    """Answer PING by PONG, and a request with its control frame; what is neither is dropped."""

    seconds: float

    def __call__(self, server: ZMQSocket) -> None:
        """Receive, work, send to whoever it came from."""
        while True:
            client, control, *body = server.recv_multipart()
            if body:
                work(server, self.seconds)
                *more, last = body
                reply = last.replace(b"request", b"reply", 1).ljust(len(last), b".")
                server.send_multipart([client, control, *more, reply])
            elif control == PING:
                server.send_multipart([client, PONG])


@pattern(
    Guide(
        title="Freelance, Model Three: Complex and Nasty",
        chapter=4,
        rfcs=(10,),
        see="one server works, and all are pinged; freeze it, and the clients find that out and go to the next",
        promise="while one server lives, every request is answered",
        failure="freeze the first server: it stays connected and says nothing",
        inject=freeze("server-1"),
        check=answered_by_another,
        naive=one_server,
    )
)
def freelance_three(
    clients: int = 3,
    servers: int = 3,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.01,
    timeout: float = 3.0,
    heartbeat: float = 0.1,
    liveness: int = 3,
    endpoints: tuple[str, ...] = (),
) -> Topology:
    """ROUTER and ROUTER, no broker: clients ping all servers, and ask one that lives.

    ::

                                +--- ROUTER server-1
        client-1 ROUTER ---+----+
        client-2 ROUTER ---+----+--- ROUTER server-2
        client-3 ROUTER ---+    |
          PING, PONG: who lives +--- ROUTER server-3

    Look for the pings: they go to all servers from which nothing else comes, while all requests go to one. Freeze
    that one or kill it, and its PONG is missed before long; the request under way is sent to the next server, and
    those after it go there at once. When it is back, it is the last choice.

    A ROUTER can address a peer only if it knows its identity. By RFC 10 a server's identity is its public endpoint. In
    a lab that is the bare name; give full URLs as ``endpoints``, and any client or server of RFC 10 can join there.

    Args:
        clients: how many ask.
        servers: how many answer.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a server takes over a request.
        timeout: how long a client waits for an answer, whichever server it comes from, before it gives up, in seconds.
        heartbeat: how often a client pings a server from which nothing comes, in seconds.
        liveness: after how many heartbeats without a sign of life a server is taken for dead.
        endpoints: what the servers bind, and their identities: a URL for each. None are names of the lab.

    Returns:
        Nodes ``client-1``, ``client-2``, ... and ``server-1``, ``server-2``, ...; each server binds an endpoint of its
        own name, or what ``endpoints`` has for it.

    Raises:
        ValueError: no clients, servers or liveness, a negative rate, hwm or time, a heartbeat of less than 0.01
            seconds, fewer than 32 bytes, not as many endpoints as servers.

    See the ZeroMQ Guide, chapter 4, "Brokerless Reliability (Freelance Pattern)", Model Three, and RFC 10/FLP.
    """
    at_least(1, clients=clients, servers=servers, liveness=liveness)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds, timeout=timeout)
    at_least(0.01, heartbeat=heartbeat)
    at_least(32, size=size)
    known = [f"server-{i}" for i in range(1, servers + 1)]
    if not isinstance(endpoints, tuple) or len(endpoints) not in {0, servers}:
        raise ValueError(f"endpoints={endpoints!r} cannot work: give a tuple of {servers}, one for each server, or ()")
    public = endpoints or tuple(known)
    names = [f"client-{i}" for i in range(1, clients + 1)]
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    return Topology(
        "freelance_three",
        [
            *(
                Node(
                    name,
                    Client(name, rate, size, public, timeout, heartbeat, liveness),
                    client=ROUTER.connect(*public, **marks),
                )
                for name in names
            ),
            *(
                Node(name, Server(seconds), server=ROUTER.bind(endpoint, routing_id=endpoint, **marks))
                for name, endpoint in zip(known, public, strict=True)
            ),
        ],
    )
