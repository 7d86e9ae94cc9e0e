"""Clone, model five: ephemeral values, which vanish unless they are set anew in time."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least, padded
from zlab.patterns import chp
from zlab.patterns.clone_three import HEARTBEAT, client_sockets, server_sockets
from zlab.patterns.clone_three import Server as Everlasting
from zlab.patterns.judging import called
from zlab.patterns.maps import Held, alike, messages
from zlab.patterns.pacing import Pace
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.trying import kill
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Server:
    """As in model three; and delete what has lived for longer than its client wanted it to."""

    heartbeat: float

    def __call__(self, snapshot: ZMQSocket, publisher: ZMQSocket, collector: ZMQSocket) -> None:
        """To delete a value is to publish an empty one, which all clients apply as any update."""
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
            for update in kvmap.expired():
                update.send(publisher)
            if hugz.due(1 / self.heartbeat):
                chp.KVMsg(chp.HUGZ).send(publisher)


@dataclass
class Client:
    """Keep a copy of the map, and set values of one's own, which live for as long as one renews them."""

    name: str
    rate: float
    size: int
    keys: int
    ttl: float

    def __call__(self, snapshot: ZMQSocket, subscriber: ZMQSocket, publisher: ZMQSocket) -> None:
        """The time to live is a property of an update."""
        subscriber.poll()
        kvmap, pace, i = chp.synchronise(snapshot), Pace(), secrets.randbelow(1000)
        while True:
            if subscriber.poll(pace.left(self.rate)):
                kvmap.apply(chp.recv(subscriber))
            if pace.due(self.rate):
                key, value = f"/{self.name}/{i % self.keys}", padded(f"value {i} of {self.name}", self.size)
                chp.KVMsg(key.encode(), value, properties={b"ttl": b"%g" % self.ttl}).send(publisher)
                i += 1


def gone_with_its_client(lab: Lab) -> str:
    """Judge that no client holds a value of one that was killed for longer than it was to live."""
    kept = alike(lab)
    passages, clients = lab.passages(), called(lab, "client", alive=True)
    dead = set(called(lab, "client")) - set(clients)
    if not dead:
        raise NotYet("no client was killed: nothing was tried")
    ended = [m.key.decode(errors="replace") for p, m in messages(passages) if p.sender == _PUBLISHER and not m.body]
    if not any(key.split("/")[1] in dead for key in ended if "/" in key):
        raise NotYet(f"no value of {', '.join(sorted(dead))} has been deleted")
    for client in clients:
        keys = [key.decode(errors="replace") for key in Held(lab, passages, client).map.pairs]
        left = [key for key in keys if key.split("/")[1] in dead]
        if left:
            raise NotYet(f"{client} still holds {len(left)} values of a client that was killed, such as {left[0]}")
    return f"The values of {', '.join(sorted(dead))} are gone; {kept}"


_PUBLISHER = "server.publisher"


def for_ever() -> Topology:
    """The server of model three: it knows no time to live, and keeps the values of the dead."""
    return Topology(
        "for_ever",
        (
            Node(node.name, Everlasting(HEARTBEAT), **node.sockets) if node.name == "server" else node
            for node in clone_five(rate=30).nodes
        ),
    )


@pattern(
    Guide(
        title="Clone, model five: ephemeral values",
        chapter=5,
        rfcs=(12,),
        see="each value lives for a while only, unless its client renews it; kill a client, and its values vanish",
        promise="what a client set is gone from every map soon after the client is",
        failure="kill a client",
        inject=kill("client-1"),
        check=gone_with_its_client,
        naive=for_ever,
    )
)
def clone_five(
    clients: int = 3,
    *,
    rate: float = 8.0,
    size: int = 100,
    hwm: int = 1000,
    keys: int = 4,
    ttl: float = 1.0,
    heartbeat: float = HEARTBEAT,
) -> Topology:
    """PUB, ROUTER and PULL: a map that forgets whom nobody hears of any more.

    ::

                 +----------------------- updates -----------------------+
                 |                                                       |
        server  PUB                                                +--- SUB
                ROUTER ----------------- snapshot -----------------+--- DEALER  client-1, client-2, ...
                PULL                                               +--- PUSH
                 |                                                       |
                 +----------------------- collect -----------------------+

    Look for the end of a value: an update may have properties, here ``ttl=1``, its time to live in seconds. Each
    client sets keys of its own, such as ``/client-1/3``, and sets them anew before that time is over. Kill one: a
    second later the server deletes its values, and publishes that as updates without a value. So presence can be
    told: who is there, with which address, at which price.

    Any client of RFC 12 can join. What is malformed is discarded.

    Args:
        clients: how many keep a copy, and set values.
        rate: updates per second that each client sets.
        size: bytes of a value.
        hwm: high-water mark of every socket, in messages; 0 is no limit. A snapshot has to fit.
        keys: how many each client sets in turn.
        ttl: how long a value lives that is not set anew, in seconds; 0 is for ever.
        heartbeat: how often the server says HUGZ, and looks for values to delete, in seconds.

    Returns:
        Nodes ``server``, ``client-1``, ``client-2``, ...; the server binds ``snapshot``, ``updates`` and ``collect``.

    Raises:
        ValueError: no clients or keys, a negative rate, hwm or time, a heartbeat of less than 0.01 seconds,
            fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 5, "Ephemeral Values", and RFC 12/CHP.
    """
    at_least(1, clients=clients, keys=keys)
    at_least(0, rate=rate, hwm=hwm, ttl=ttl)
    at_least(0.01, heartbeat=heartbeat)
    at_least(32, size=size)
    return Topology(
        "clone_five",
        [
            Node("server", Server(heartbeat), **server_sockets(hwm)),
            *(
                Node(name, Client(name, rate, size, keys, ttl), **client_sockets(hwm))
                for name in (f"client-{i}" for i in range(1, clients + 1))
            ),
        ],
    )
