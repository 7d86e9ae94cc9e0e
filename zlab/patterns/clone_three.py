"""Clone, model three: clients set values too; the server puts all updates into one order and publishes them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least, padded, work
from zlab.patterns import chp
from zlab.patterns.maps import alike
from zlab.patterns.pacing import Pace
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import restart
from zlab.sockets import DEALER, PUB, PULL, PUSH, ROUTER, SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.sockets import Socket

    ZMQSocket = zmq.Socket[bytes]

HEARTBEAT = 0.1
"""Seconds between two HUGZ of a server, unless told otherwise."""


@dataclass
class Server:
    """Collect updates from clients, number them, and publish them to all; give the map to whoever asks."""

    heartbeat: float

    def __call__(self, snapshot: ZMQSocket, publisher: ZMQSocket, collector: ZMQSocket) -> None:
        """Say HUGZ now and then, so that who has joined knows that its subscription stands."""
        kvmap, hugz = chp.Hashmap(), Pace()
        poller = zmq.Poller()
        poller.register(snapshot, zmq.POLLIN)
        poller.register(collector, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(hugz.left(1 / self.heartbeat)))
            if collector in ready:
                update = kvmap.accept(chp.recv(collector))
                if update:
                    update.send(publisher)
            if snapshot in ready:
                chp.answer(snapshot, kvmap)
            if hugz.due(1 / self.heartbeat):
                chp.KVMsg(chp.HUGZ).send(publisher)


@dataclass
class Client:
    """Keep a copy of the map, and set values in it, as the others do."""

    name: str
    rate: float
    size: int
    keys: int

    def __call__(self, snapshot: ZMQSocket, subscriber: ZMQSocket, publisher: ZMQSocket) -> None:
        """What it sets itself it learns from the server, as everybody does: so all agree on the order."""
        subscriber.poll()
        kvmap, pace, i = chp.synchronise(snapshot), Pace(), secrets.randbelow(1000)
        while True:
            if subscriber.poll(pace.left(self.rate)):
                kvmap.apply(chp.recv(subscriber))
            if pace.due(self.rate):
                value = padded(f"value {i} of {self.name}", self.size)
                chp.KVMsg(b"/%d" % (i * 7 % self.keys), value).send(publisher)
                i += 1


def server_sockets(hwm: int) -> dict[str, Socket]:
    """Those of a server, which binds them all."""
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    return {
        "snapshot": ROUTER.bind("snapshot", **marks),
        "publisher": PUB.bind("updates", sndhwm=hwm),
        "collector": PULL.bind("collect", rcvhwm=hwm),
    }


def client_sockets(hwm: int, subtree: bytes = b"") -> dict[str, Socket]:
    """Those of a client, which hears of a subtree and whether the server lives."""
    return {
        "snapshot": DEALER.connect("snapshot", sndhwm=hwm, rcvhwm=hwm),
        "subscriber": SUB.connect("updates", rcvhwm=hwm, subscribe=(subtree, chp.HUGZ) if subtree else b""),
        "publisher": PUSH.connect("collect", sndhwm=hwm),
    }


def snapshot_first() -> Topology:
    """Clients that ask for the snapshot before they subscribe: what is published in between they never see."""

    @dataclass
    class Hasty(Client):
        def __call__(self, snapshot: ZMQSocket, subscriber: ZMQSocket, publisher: ZMQSocket) -> None:
            kvmap, pace, i = chp.synchronise(snapshot), Pace(), secrets.randbelow(1000)
            work(subscriber, 0.2)
            subscriber.subscribe(b"")
            while True:
                if subscriber.poll(pace.left(self.rate)):
                    kvmap.apply(chp.recv(subscriber))
                if pace.due(self.rate):
                    value = padded(f"value {i} of {self.name}", self.size)
                    chp.KVMsg(b"/%d" % (i * 7 % self.keys), value).send(publisher)
                    i += 1

    deaf = {"subscriber": SUB.connect("updates")}
    return Topology(
        "snapshot_first",
        (
            Node(node.name, Hasty(node.name, 30, 100, 500), **{**node.sockets, **deaf})
            if node.name != "server"
            else node
            for node in clone_three().nodes
        ),
    )


@pattern(
    Guide(
        title="Clone, model three: republishing updates from clients",
        chapter=5,
        rfcs=(12,),
        see="two clients set the same key at once: the server's order decides, for all alike",
        promise="all clients hold the same map, whoever sets it, whenever they joined",
        failure="restart a client: it joins late",
        inject=restart("client-1"),
        check=alike,
        naive=snapshot_first,
    )
)
def clone_three(
    clients: int = 3,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    keys: int = 50,
    heartbeat: float = HEARTBEAT,
) -> Topology:
    """PUB, ROUTER and PULL: a map that every client can change.

    ::

                 +----------------------- updates -----------------------+
                 |                                                       |
        server  PUB                                                +--- SUB
                ROUTER ----------------- snapshot -----------------+--- DEALER  client-1, client-2, ...
                PULL                                               +--- PUSH
                 |                                                       |
                 +----------------------- collect -----------------------+

    Look for the round trip: a client pushes what it sets to the server, and holds it once the server has published
    it. All clients set the same keys here, and the last one in the server's order wins, with everybody. A client that
    believed its own update at once could disagree with the others for ever.

    Args:
        clients: how many keep a copy, and set values.
        rate: updates per second that each client sets.
        size: bytes of a value.
        hwm: high-water mark of every socket, in messages; 0 is no limit. A snapshot has to fit.
        keys: how many the map has; each client sets them in turn.
        heartbeat: how often the server says HUGZ, in seconds.

    Returns:
        Nodes ``server``, ``client-1``, ``client-2``, ...; the server binds ``snapshot``, ``updates`` and ``collect``.

    Raises:
        ValueError: no clients or keys, a negative rate or hwm, a heartbeat of less than 0.01 seconds,
            fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 5, "Republishing Updates from Clients", and RFC 12/CHP.
    """
    at_least(1, clients=clients, keys=keys)
    at_least(0, rate=rate, hwm=hwm)
    at_least(0.01, heartbeat=heartbeat)
    at_least(32, size=size)
    return Topology(
        "clone_three",
        [
            Node("server", Server(heartbeat), **server_sockets(hwm)),
            *(
                Node(name, Client(name, rate, size, keys), **client_sockets(hwm))
                for name in (f"client-{i}" for i in range(1, clients + 1))
            ),
        ],
    )
