"""Majordomo: clients ask for a service by name, and a broker finds a worker that offers it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded, work
from zlab.patterns import mdp
from zlab.patterns.judging import all_hear, called, home, last_failure, received
from zlab.patterns.load_balancing_broker import load_balancing_broker
from zlab.patterns.paranoid_pirate import LONGEST
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import restart
from zlab.sockets import DEALER, ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

SERVICES = (b"coffee", b"tea", b"cocoa")


@dataclass
class Client:
    """Ask whether a service is there, and then for that service; ask again if no answer comes in time."""

    name: str
    rate: float
    size: int
    timeout: float
    retries: int
    services: tuple[bytes, ...]

    def __call__(self, client: ZMQSocket) -> None:
        """Ask for one service after the other; give up when the broker seems to be offline."""
        for i in paced(client, lambda: self.rate):
            service = self.services[i % len(self.services)]
            request = padded(f"request {i} of {self.name}", self.size)
            if i < len(self.services):
                self.ask(client, b"mmi.service", service, b"")
            if not self.ask(client, service, request, b"reply %d " % i):
                return

    def ask(self, client: ZMQSocket, service: bytes, body: bytes, start: bytes) -> bool:
        """Send a request until it is answered; a late answer to another one is passed over."""
        for _ in range(1 + self.retries):
            client.send_multipart([b"", mdp.CLIENT, service, body])
            while client.poll(round(self.timeout * 1000)):
                *header, reply = client.recv_multipart()
                if header == [b"", mdp.CLIENT, service] and reply.startswith(start):
                    return True
        return False


@dataclass
class Worker:
    """Offer a service, and begin anew when the broker says so, or says nothing."""

    service: bytes
    seconds: float
    heartbeat: float
    liveness: int

    def __call__(self, worker: ZMQSocket) -> None:
        """Say READY; answer requests, and send heartbeats."""
        endpoint = worker.getsockopt_string(zmq.LAST_ENDPOINT)
        worker.send_multipart([b"", mdp.WORKER, mdp.READY, self.service])
        lives, pause = self.liveness, self.heartbeat
        beat = time.monotonic() + self.heartbeat
        while True:
            if worker.poll(round(self.heartbeat * 1000)):
                _, _, command, *rest = worker.recv_multipart()
                lives, pause = self.liveness, self.heartbeat
                if command == mdp.REQUEST:
                    client, _, request = rest
                    work(worker, self.seconds)
                    reply = request.replace(b"request", b"reply", 1).ljust(len(request), b".")
                    worker.send_multipart([b"", mdp.WORKER, mdp.REPLY, client, b"", reply])
                elif command == mdp.DISCONNECT:
                    lives = 0
            else:
                lives -= 1
            if lives == 0:
                work(worker, pause)
                worker.disconnect(endpoint)
                worker.connect(endpoint)
                worker.send_multipart([b"", mdp.WORKER, mdp.READY, self.service])
                lives, pause = self.liveness, min(2 * pause, LONGEST * self.heartbeat)
                beat = time.monotonic() + self.heartbeat
            if time.monotonic() >= beat:
                worker.send_multipart([b"", mdp.WORKER, mdp.HEARTBEAT])
                beat = time.monotonic() + self.heartbeat


def served_by_name(lab: Lab) -> str:
    """Judge that after the failure every client is answered, and each request by a worker of the service it names."""
    passages, clients, since = lab.passages(), called(lab, "client"), last_failure(lab)
    workers = called(lab, "worker", alive=True)
    replies = [p for p in passages if p.body.startswith(b"reply ")]
    home(replies, clients)
    answers = all_hear(replies, clients, since)
    requests = [p for p in passages if p.body.startswith(b"request ")]
    all_hear(requests, workers, since)
    named = {p.body: p.frames[_SERVICE] for p in requests if p.sender.endswith(".client")}
    for worker in workers:
        offers = getattr(lab.topology[worker].function, "service", b"")
        for request in received(requests, worker):
            if named.get(request.body, offers) != offers:
                text = request.body.decode(errors="replace")
                raise CheckFailed(f"{worker} offers {offers.decode()} and has received {text!r}, which is for another")
    return f"{answers} replies since the last failure, each by a worker of the service that was asked for."


_SERVICE = 2  # the frame of a client's message


@pattern(
    Guide(
        title="Majordomo",
        chapter=4,
        rfcs=(7, 8),
        see="clients ask for a service by name; restart the broker, and the workers register again",
        promise="each request goes to a worker of its service, and all go on when the broker comes back",
        failure="restart the broker",
        inject=restart("broker"),
        check=served_by_name,
        naive=lambda: load_balancing_broker(rate=100),
        transports=("ipc", "tcp"),
    )
)
def majordomo(
    clients: int = 3,
    workers: int = 2,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.02,
    timeout: float = 0.5,
    retries: int = 5,
    heartbeat: float = 0.1,
    liveness: int = 3,
    expiry: float = 2.0,
) -> Topology:
    """DEALER, ROUTER, DEALER: services that are asked for by name, whoever offers them.

    ::

        client-1 DEALER ---+                       +--- DEALER worker-1  coffee
        client-2 DEALER ---+--- ROUTER broker -----+
        client-3 DEALER ---+                       +--- DEALER worker-2  tea

    Look for the names: a worker says READY for one service, a request names one, and the broker, at one address for
    all, keeps a queue for each. Each client first asks ``mmi.service`` whether there is such a worker: ``200`` or
    ``404``. Restart the broker: it knows nobody, answers heartbeats by DISCONNECT, and the workers register again.

    Any client or worker of RFC 7 can join at ``services``. What is malformed is dropped, and its sender a worker no
    more; what is valid and not expected is answered by DISCONNECT. A worker that begins anew disconnects and connects
    its socket, where the Guide's opens a new one: the broker sees a new identity either way.

    Args:
        clients: how many ask, each for one service after the other.
        workers: how many answer; three services are dealt out to them, or as many as there are workers.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a request.
        timeout: how long a client waits for an answer before it asks again, in seconds.
        retries: how often a client asks again before it gives up.
        heartbeat: how often broker and workers send heartbeats, in seconds.
        liveness: after how many heartbeats that did not come the other is taken for dead.
        expiry: how long the broker keeps a request for which there is no worker, in seconds.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``broker``, ``worker-1``, ``worker-2``, ...; the broker binds
        ``services``.

    Raises:
        ValueError: no clients, workers or liveness, a negative rate, hwm, time or number, a heartbeat of less than
            0.01 seconds, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)", RFC 7/MDP and RFC 8/MMI.
    """
    at_least(1, clients=clients, workers=workers, liveness=liveness)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds, timeout=timeout, retries=retries, expiry=expiry)
    at_least(0.01, heartbeat=heartbeat)
    at_least(32, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    names = [f"client-{i}" for i in range(1, clients + 1)]
    offered, peer = SERVICES[:workers], DEALER.connect("services", **marks)
    return Topology(
        "majordomo",
        [
            *(Node(name, Client(name, rate, size, timeout, retries, offered), client=peer) for name in names),
            Node("broker", mdp.Broker(heartbeat, liveness, expiry), broker=ROUTER.bind("services", **marks)),
            *(
                Node(f"worker-{i + 1}", Worker(offered[i % len(offered)], seconds, heartbeat, liveness), worker=peer)
                for i in range(workers)
            ),
        ],
    )
