"""The asynchronous server: clients send on without waiting, and a request may have several replies."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.nodes import at_least, paced, padded, work
from zlab.patterns.judging import all_hear, called, home, last_failure, once, received
from zlab.patterns.multithreaded_server import multithreaded_server, server
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.trying import slow
from zlab.sockets import DEALER, ROUTER, node_of
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    import zmq

    from zlab.followed import Passage
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Client:
    """Send requests at a pace, and take whatever replies there are in between."""

    name: str
    rate: float
    size: int

    def __call__(self, client: ZMQSocket) -> None:
        """Send; then receive what has come, and wait for nothing."""
        for i in paced(client, lambda: self.rate):
            client.send(padded(f"request {i} of {self.name}", self.size))
            while client.poll(0):
                client.recv()


@dataclass
class Worker:
    """Answer each request several times."""

    seconds: float
    replies: int

    def __call__(self, worker: ZMQSocket) -> None:
        """Receive a request; work and reply, over and over."""
        while True:
            client, request = worker.recv_multipart()
            for i in range(self.replies):
                work(worker, self.seconds)
                text = b"reply %d to " % i + request.rstrip(b".")
                worker.send_multipart([client, text.ljust(len(request), b".")])


def nobody_waits(lab: Lab) -> str:
    """Judge that clients have several requests under way, and get several replies to each, none of another."""
    passages, clients, since = lab.passages(), called(lab, "client"), last_failure(lab)
    replies = home(passages, clients)
    once(passages, *clients)
    all_hear(passages, clients, since)
    for client in clients:
        if _most_under_way(passages, client) < 2:  # noqa: PLR2004 - that is what asynchronous means
            raise NotYet(f"{client} has never had two requests under way: it waits for each answer")
    found = [re.search(rb"to (request .*)", p.body) for p in received(passages, *clients)]
    several = sum(count > 1 for count in Counter(match[1] for match in found if match).values())
    if not several:
        raise NotYet("no request has had more than one reply")
    return f"{replies} replies, each to its client, and {several} requests with several; no client waits for any."


def _most_under_way(passages: Iterable[Passage], client: str) -> int:
    """How many requests of a client were under way at most, sent and not yet answered for the first time."""
    passages = list(passages)
    first: dict[int, float] = {}
    for reply in received(passages, client):
        first.setdefault(reply.message, reply.received or 0.0)
    changes = [
        change
        for p in passages
        if node_of(p.sender) == client
        for change in ((p.sent, 1), (first.get(p.message, float("inf")), -1))
    ]
    under_way = most = 0
    for _, change in sorted(changes):
        under_way += change
        most = max(most, under_way)
    return most


@pattern(
    Guide(
        title="Asynchronous client/server",
        chapter=3,
        rfcs=(28,),
        see="clients send on whatever happens; each request has several replies, which come when they come",
        promise="no client waits: several of its requests are under way at once, and all replies are its own",
        failure="slow one worker down",
        inject=slow("worker-1"),
        check=nobody_waits,
        naive=lambda: multithreaded_server(rate=100),
    )
)
def async_server(
    clients: int = 3,
    workers: int = 2,
    *,
    rate: float = 10.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.002,
    replies: int = 2,
) -> Topology:
    """DEALER to ROUTER, DEALER to DEALER: no client waits, the server answers when it can.

    ::

        client-1 DEALER ---+                                 +--- DEALER worker-1
        client-2 DEALER ---+--- ROUTER server DEALER --------+
        client-3 DEALER ---+                                 +--- DEALER worker-2

    Look for the requests under way: a DEALER sends the next one before the last is answered, and receives as many
    replies as there are. Slow a worker down: its replies come late, those of the other overtake them, and every client
    goes on at its pace. Only the identity that the ROUTER puts before a request tells whose the replies are.

    Args:
        clients: how many ask.
        workers: how many answer; requests are dealt to them in turn, busy or not.
        rate: requests per second of each client, whether it is answered or not.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit. To a client that is behind by more the
            server drops replies, as a ROUTER does.
        seconds: how long a worker takes over a reply.
        replies: how many replies a request has.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``server``, ``worker-1``, ``worker-2``, ...; the server binds
        ``frontend`` and ``backend``.

    Raises:
        ValueError: no clients, workers or replies, a negative rate, hwm or time, fewer than 48 bytes.

    See the ZeroMQ Guide, chapter 3, "The Asynchronous Client/Server Pattern", and RFC 28/REQREP.
    """
    at_least(1, clients=clients, workers=workers, replies=replies)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(48, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    asks, answers = DEALER.connect("frontend", **marks), DEALER.connect("backend", **marks)
    names = [f"client-{i}" for i in range(1, clients + 1)]
    return Topology(
        "async_server",
        [
            *(Node(name, Client(name, rate, size), client=asks) for name in names),
            Node("server", server, clients=ROUTER.bind("frontend", **marks), workers=DEALER.bind("backend", **marks)),
            *(Node(f"worker-{i}", Worker(seconds, replies), worker=answers) for i in range(1, workers + 1)),
        ],
    )
