"""Titanic: requests that are written to disk, and answered when there is somebody who can."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.nodes import at_least, paced, padded, work
from zlab.patterns import mdp
from zlab.patterns.freelance_one import anew
from zlab.patterns.judging import all_hear, called, home, last_failure, received
from zlab.patterns.majordomo import SERVICES, Worker
from zlab.patterns.mdp_broker import Broker
from zlab.patterns.pattern import WITHIN, Guide, NotYet, pattern
from zlab.patterns.titanic_services import OK, UNKNOWN, Titanic
from zlab.patterns.trying import restart
from zlab.sockets import DEALER, ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Client:
    """Hand requests over, and fetch the replies later; a few at a time are under way."""

    name: str
    rate: float
    size: int
    timeout: float
    services: tuple[bytes, ...]
    most: int

    def __call__(self, client: ZMQSocket) -> None:
        """Hand one over; fetch what is ready; go on when not too many wait."""
        waiting: list[bytes] = []
        for i in paced(client, lambda: self.rate):
            request = padded(f"request {i} of {self.name}", self.size)
            status, *told = self.call(client, b"titanic.request", self.services[i % len(self.services)], request)
            waiting += told if status == OK else []
            while waiting:
                for name in tuple(waiting):
                    status, *_ = self.call(client, b"titanic.reply", name)
                    if status == OK:
                        self.call(client, b"titanic.close", name)
                    if status in {OK, UNKNOWN}:
                        waiting.remove(name)
                if len(waiting) < self.most:
                    break
                work(client, self.timeout / 4)

    def call(self, client: ZMQSocket, service: bytes, *body: bytes) -> list[bytes]:
        """Call a service of Titanic until it answers, each time in a new conversation; returns status and frames."""
        while True:
            client.send_multipart([*mdp.OLD.asks, service, *body])
            if client.poll(round(self.timeout * 1000)):
                _, told = mdp.OLD.told(client.recv_multipart())
                if told[:1] == [service]:
                    return told[1:]
            anew(client)


def sink(lab: Lab) -> None:
    """Kill the workers; restart Titanic and the broker, while requests wait; and only then the workers."""
    workers = called(lab, "worker")
    for worker in workers:
        lab.kill(worker)
    over = lab.snapshot().at + _DEAD
    lab.wait(until=lambda now: now.at >= over, timeout=_DEAD + WITHIN)
    for node in called(lab, "titanic", "broker"):
        restart(node)(lab)
    for worker in workers:
        lab.restart(worker)


_DEAD = 0.3  # seconds


def nothing_sunk(lab: Lab) -> str:
    """Judge that each request that a client sent before the failure has been answered, and that all goes on."""
    passages, clients, since = lab.passages(), called(lab, "client"), last_failure(lab)
    replies = [p for p in passages if p.body.startswith(b"reply ")]
    home(replies, clients)
    total = 0
    for client in clients:
        asked = [p for p in passages if p.sender == f"{client}.client" and p.body.startswith(b"request ")]
        before = {_number(p.body) for p in asked if p.sent < since}
        missing = before - {_number(p.body) for p in received(replies, client)}
        if missing and lab.snapshot().sampling == 1:
            raise NotYet(f"{client} has sent request {min(missing)} before the failure, and was not answered")
        total += len(before)
    again = all_hear(replies, clients, since)
    return f"{total} requests sent before the failure ended, all answered; {again} replies since, to all clients."


def _number(body: bytes) -> int:
    found = re.match(rb"\w+ (\d+) ", body)
    return int(found[1]) if found else -1


def without_a_disk() -> Topology:
    """Majordomo alone, and clients that wait for the answer: what the broker or a worker held is gone with it."""

    @dataclass
    class Waiting(Client):
        def __call__(self, client: ZMQSocket) -> None:
            for i in paced(client, lambda: self.rate):
                service = self.services[i % len(self.services)]
                client.send_multipart([*mdp.OLD.asks, service, padded(f"request {i} of {self.name}", self.size)])
                client.recv_multipart()

    nodes = [node for node in titanic(rate=20).nodes if node.name != "titanic"]
    clients = {node.name: Waiting(node.name, 20, 100, 0.5, SERVICES[:2], 3) for node in nodes}
    return Topology(
        "without_a_disk",
        [
            Node(node.name, clients[node.name] if "client" in node.name else node.function, **node.sockets)
            for node in nodes
        ],
    )


@pattern(
    Guide(
        title="Titanic",
        chapter=4,
        rfcs=(7, 9),
        see="kill all workers: requests are still accepted; when the workers are back, so are the replies",
        promise="a request that was accepted is answered, whatever is killed and restarted meanwhile",
        failure="kill the workers, restart Titanic and the broker, and only then the workers",
        inject=sink,
        check=nothing_sunk,
        naive=without_a_disk,
        transports=("ipc", "tcp"),
    )
)
def titanic(
    clients: int = 2,
    workers: int = 2,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.02,
    timeout: float = 0.4,
    heartbeat: float = 0.1,
    liveness: int = 3,
    expiry: float = 2.0,
    most: int = 3,
) -> Topology:
    """DEALER, ROUTER, DEALER, and a disk: requests are kept until somebody can answer them.

    ::

        client-1 DEALER ---+                       +--- DEALER worker-1  coffee
        client-2 DEALER ---+--- ROUTER broker -----+
                                  |  |  |  |       +--- DEALER worker-2  tea
              titanic.request  DEALER  |  |  |
              titanic.reply       DEALER  |  |
              titanic.close          DEALER  |
              asks coffee, tea          DEALER
                                     titanic ---- disk

    Look for the three steps: a client hands a request over and is told its UUID; later it asks for the reply, ``300``
    until there is one and then ``200``; then it has both forgotten. To the broker, Titanic is three workers and a
    client. Kill the workers: requests are accepted all the same. Kill Titanic: when it comes back, it reads from its
    disk what is still to be done.

    Each request is a file ``UUID.req``, each reply ``UUID.rep``, and ``queue`` lists what waits, as in the Guide. They
    are in a temporary folder, ``zlab-titanic-...``, which stays while nodes are killed and restarted, and is removed
    when the lab stops. Any client of RFC 9 and any worker of RFC 7 can join at ``services``.

    Args:
        clients: how many ask, each for one service after the other.
        workers: how many answer; three services are dealt out to them, or as many as there are workers.
        rate: requests per second of each client, at most.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a request.
        timeout: how long clients and Titanic wait for an answer before they ask again, in seconds: longer than a
            worker takes.
        heartbeat: how often broker and workers send heartbeats, in seconds.
        liveness: after how many heartbeats that did not come the other is taken for dead.
        expiry: how long the broker keeps a request for which there is no worker, in seconds.
        most: how many requests of a client wait before it hands over no more, until one is answered.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``broker``, ``titanic``, ``worker-1``, ``worker-2``, ...; the broker
        binds ``services``.

    Raises:
        ValueError: no clients, workers or liveness, a negative rate, hwm or time, a heartbeat of less than 0.01
            seconds, fewer than 32 bytes, none that may wait.

    See the ZeroMQ Guide, chapter 4, "Disconnected Reliability (Titanic Pattern)", RFC 7/MDP and RFC 9/TSP.
    """
    at_least(1, clients=clients, workers=workers, liveness=liveness, most=most)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds, timeout=timeout, expiry=expiry)
    at_least(0.01, heartbeat=heartbeat)
    at_least(32, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    names = [f"client-{i}" for i in range(1, clients + 1)]
    offered, peer = SERVICES[:workers], DEALER.connect("services", **marks)
    return Topology(
        "titanic",
        [
            *(Node(name, Client(name, rate, size, timeout, offered, most), client=peer) for name in names),
            Node(
                "broker",
                Broker(heartbeat, liveness, expiry),
                broker=ROUTER.bind("services", maxmsgsize=mdp.LARGEST, **marks),
            ),
            Node("titanic", Titanic(heartbeat, liveness, timeout), request=peer, reply=peer, close=peer, dispatch=peer),
            *(
                Node(
                    f"worker-{i + 1}",
                    Worker(offered[i % len(offered)], seconds, heartbeat, liveness),
                    worker=peer,
                )
                for i in range(workers)
            ),
        ],
    )
