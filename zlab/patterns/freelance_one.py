"""Freelance, Model One: a client that knows several servers, and asks the next when one does not answer."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least, paced, padded
from zlab.patterns.judging import all_hear, called, home, last_failure, received
from zlab.patterns.lazy_pirate import asking
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.request_reply import Client as Waiting
from zlab.patterns.request_reply import Server
from zlab.patterns.trying import kill
from zlab.sockets import REP, REQ, node_of
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zlab.followed import Passage
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Client:
    """Ask one server after the other, each at most once, until one of them answers; a single one is asked again."""

    name: str
    rate: float
    size: int
    timeout: float
    retries: int

    def __call__(self, **servers: ZMQSocket) -> None:
        """Begin with the first server for each request: the client does not remember that it is dead."""
        tries = [*servers.values()] if len(servers) > 1 else [*servers.values()] * (1 + self.retries)
        for i in paced(tries[0], lambda: self.rate):
            request = padded(f"request {i} of {self.name}", self.size)
            for server in tries:
                if ask(server, request, self.timeout):
                    break


def ask(server: ZMQSocket, request: bytes, timeout: float) -> bool:
    """Ask this server; where it does not answer in time, begin a new conversation with it.

    Args:
        server: a REQ that is connected to it alone.
        request: what to ask.
        timeout: how long to wait, in seconds.

    Returns:
        Whether it has answered.
    """
    wait = round(timeout * 1000)
    if server.poll(wait, zmq.POLLOUT):
        server.send(request)
        if server.poll(wait):
            server.recv()
            return True
    anew(server)
    return False


def anew(socket: ZMQSocket) -> None:
    """Connect this socket again, so that what it has sent and received before is forgotten at both ends."""
    endpoint = socket.getsockopt_string(zmq.LAST_ENDPOINT)
    socket.set(zmq.LINGER, 0)  # else what nobody takes would hold up the end of the context, for ever
    with suppress(zmq.ZMQError):  # over inproc it is disconnected already where its peer has gone
        socket.disconnect(endpoint)
    socket.connect(endpoint)


def answered_by_another(lab: Lab) -> str:
    """Judge that every client is answered after the failure, and that no request has been given up."""
    passages, clients, since = lab.passages(), called(lab, "client"), last_failure(lab)
    replies = [p for p in passages if p.body.startswith(b"reply ")]
    home(replies, clients)
    since_then = [p for p in replies if p.sent >= since]  # what the dead one has sent may come yet
    again = all_hear(since_then, clients)
    if lab.snapshot().sampling == 1:
        every_request_answered(passages, clients, since)
    servers = ", ".join(sorted({node_of(p.sender) for p in received(since_then, *clients)}))
    return f"{again} replies since the last failure, by {servers}, and no request without one."


def every_request_answered(passages: Iterable[Passage], clients: Iterable[str], since: float) -> None:
    """Check that each request that a client has sent since then was answered, but for its last.

    Raises:
        NotYet: one was not; the message names it.
    """
    passages = list(passages)
    for client in clients:
        asked = [_number(p.body, b"request") for p in passages if node_of(p.sender) == client and p.sent >= since]
        answered = {_number(p.body, b"reply") for p in received(passages, client)}
        for number in sorted({*asked} - answered - {max(asked, default=-1), -1}):
            raise NotYet(f"{client} has asked again, and its request {number} was not answered")


def _number(body: bytes, kind: bytes) -> int:
    found = re.match(kind + rb" (\d+) ", body)
    return int(found[1]) if found else -1


def one_server() -> Topology:
    """Clients that know one server, and wait for it: with it goes all that they have."""
    names = [f"client-{i}" for i in range(1, 4)]
    return Topology(
        "one_server",
        [
            *(Node(name, Waiting(name, 100, 100), requests=REQ.connect("server-1")) for name in names),
            Node("server-1", Server(0.02), requests=REP.bind("server-1")),
        ],
    )


@pattern(
    Guide(
        title="Freelance, Model One: Simple Retry and Failover",
        chapter=4,
        rfcs=(28,),
        see="kill the first server: each request waits for it in vain, and then goes to the second",
        promise="while one server lives, every request is answered",
        failure="kill the first server",
        inject=kill("server-1"),
        check=answered_by_another,
        naive=one_server,
    )
)
def freelance_one(
    clients: int = 3,
    servers: int = 2,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.01,
    timeout: float = 0.6,
    retries: int = 3,
) -> Topology:
    """REQ and REP, no broker: clients that know all servers, and ask one after the other.

    ::

        client-1 REQ REQ ---+          client-1 asks the first server; then,
        client-2 REQ REQ ---+          if no answer comes in time, the second
                 |   |
                 |   +------ REP server-2
                 +---------- REP server-1

    Look for the time it takes: all goes well as long as the first server answers. Kill it, and every request is
    answered by the second, but only after a time-out: the clients do not learn. ``freelance_two`` asks all at once,
    ``freelance_three`` knows who lives.

    The Guide opens a new REQ for each try and closes it after. These clients have one for each server; where no
    answer comes, it disconnects and connects again, by which the request in its queue is gone, too.

    Args:
        clients: how many ask.
        servers: how many answer. One alone is asked again instead, as by a Lazy Pirate.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a server takes over a request.
        timeout: how long a client waits for an answer before it asks the next server, in seconds.
        retries: how often a single server is asked again.

    Returns:
        Nodes ``client-1``, ``client-2``, ... and ``server-1``, ``server-2``, ...; each server binds an endpoint of its
        own name.

    Raises:
        ValueError: no clients or servers, a negative rate, hwm, time or number, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 4, "Brokerless Reliability (Freelance Pattern)", Model One, and RFC 28/REQREP.
    """
    at_least(1, clients=clients, servers=servers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds, timeout=timeout, retries=retries)
    at_least(32, size=size)
    names = [f"client-{i}" for i in range(1, clients + 1)]
    known = [f"server-{i}" for i in range(1, servers + 1)]
    asks = {server.replace("-", "_"): asking(server, hwm) for server in known}
    return Topology(
        "freelance_one",
        [
            *(Node(name, Client(name, rate, size, timeout, retries), **asks) for name in names),
            *(Node(server, Server(seconds), requests=REP.bind(server, sndhwm=hwm, rcvhwm=hwm)) for server in known),
        ],
    )
