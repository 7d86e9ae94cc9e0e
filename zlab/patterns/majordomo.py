"""Majordomo: clients ask for a service by name, and a broker finds a worker that offers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded, work
from zlab.patterns import mdp
from zlab.patterns.judging import all_hear, called, home, last_failure, received
from zlab.patterns.load_balancing_broker import load_balancing_broker
from zlab.patterns.mdp_broker import Broker
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import restart
from zlab.sockets import DEALER, ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

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
    version: mdp.Version

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
        """Send a request until the last reply to it has come; a late reply to another one is passed over."""
        for _ in range(1 + self.retries):
            client.send_multipart([*self.version.asks, service, body])
            while client.poll(round(self.timeout * 1000)):
                final, told = self.version.told(client.recv_multipart())
                if final and told[0] == service and told[-1].startswith(start):
                    return True
        return False


@dataclass
class Worker:
    """Offer a service; in version 0.2 of the protocol, a reply may come in parts."""

    service: bytes
    seconds: float
    heartbeat: float
    liveness: int
    version: mdp.Version = mdp.OLD
    partials: int = 0

    def __call__(self, worker: ZMQSocket) -> None:
        """Answer requests, and tell the broker that it lives."""
        session = mdp.Session(worker, self.service, self.heartbeat, self.liveness, self.version)
        while True:
            if worker.poll(session.live()):
                received = session.receive()
                if received:
                    client, [*more, request] = received
                    work(worker, self.seconds)
                    for part in range(1, 1 + self.partials):
                        partial = request.replace(b"request", b"reply", 1).replace(b" of ", b" part %d of " % part, 1)
                        session.reply(client, [*more, partial], final=False)
                    reply = request.replace(b"request", b"reply", 1).ljust(len(request), b".")
                    session.reply(client, [*more, reply])


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
        rfcs=(7, 8, 18),
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
    version: str = "0.1",
    partials: int = 0,
) -> Topology:
    """DEALER, ROUTER, DEALER: services that are asked for by name, whoever offers them.

    ::

        client-1 DEALER ---+                       +--- DEALER worker-1  coffee
        client-2 DEALER ---+--- ROUTER broker -----+
        client-3 DEALER ---+                       +--- DEALER worker-2  tea

    Look for the names: a worker says READY for one service, a request names one, and the broker, at one address for
    all, keeps a queue for each. Each client first asks ``mmi.service`` whether there is such a worker: ``200`` or
    ``404``. Restart the broker: it knows nobody, answers heartbeats by DISCONNECT, and the workers register again.

    Any client or worker of RFC 7 can join at ``services``, or of RFC 18 with ``version="0.2"``: there a reply may come
    in parts, PARTIAL ones and a FINAL one. What is malformed is dropped, and its sender a worker no more; what is valid
    and not expected is answered by DISCONNECT. A worker that begins anew disconnects and connects its socket, where the
    Guide's opens a new one: the broker sees a new identity either way.

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
        version: of the protocol: ``0.1`` is RFC 7, ``0.2`` is RFC 18.
        partials: how many PARTIAL replies come before the FINAL one, in version 0.2.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``broker``, ``worker-1``, ``worker-2``, ...; the broker binds
        ``services``.

    Raises:
        ValueError: no clients, workers or liveness, a negative rate, hwm, time or number, a heartbeat of less than
            0.01 seconds, fewer than 32 bytes, no such version, PARTIAL replies in version 0.1.

    See the ZeroMQ Guide, chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)", RFC 7/MDP, RFC 8/MMI and
    RFC 18/MDP.
    """
    at_least(1, clients=clients, workers=workers, liveness=liveness)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds, timeout=timeout, retries=retries)
    at_least(0, expiry=expiry, partials=partials)
    at_least(0.01, heartbeat=heartbeat)
    at_least(32, size=size)
    if version not in mdp.VERSIONS:
        raise ValueError(f"version={version!r} cannot work: give {' or '.join(map(repr, mdp.VERSIONS))}")
    spoken = mdp.VERSIONS[version]
    if partials and not spoken.partly:
        raise ValueError(f"partials={partials} cannot work in version {version}: give version='0.2'")
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    names = [f"client-{i}" for i in range(1, clients + 1)]
    offered, peer = SERVICES[:workers], DEALER.connect("services", **marks)
    return Topology(
        "majordomo",
        [
            *(Node(name, Client(name, rate, size, timeout, retries, offered, spoken), client=peer) for name in names),
            Node(
                "broker",
                Broker(heartbeat, liveness, expiry, spoken),
                broker=ROUTER.bind("services", maxmsgsize=mdp.LARGEST, **marks),
            ),
            *(
                Node(
                    f"worker-{i + 1}",
                    Worker(offered[i % len(offered)], seconds, heartbeat, liveness, spoken, partials),
                    worker=peer,
                )
                for i in range(workers)
            ),
        ],
    )
