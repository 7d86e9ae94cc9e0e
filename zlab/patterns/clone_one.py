"""Clone, model one: a server publishes each change of its map, and clients that listen hold the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.nodes import at_least, paced, padded
from zlab.patterns import chp
from zlab.patterns.maps import alike
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import slow
from zlab.sockets import PUB, PULL, PUSH, SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

KEYS = 500
"""How many keys are set in turn, unless told otherwise."""


@dataclass
class Server:
    """Change one value after the other, and publish each change."""

    rate: float
    size: int
    keys: int

    def __call__(self, publisher: ZMQSocket) -> None:
        """Number the updates: who receives them knows which is the newer."""
        kvmap = chp.Hashmap()
        for i in paced(publisher, lambda: self.rate):
            update = kvmap.accept(chp.KVMsg(b"/%d" % (i * 7 % self.keys), padded(f"value {i} ", self.size)))
            if update:
                update.send(publisher)


def client(subscriber: ZMQSocket) -> None:
    """Apply each update as it comes."""
    kvmap = chp.Hashmap()
    while True:
        kvmap.apply(chp.recv(subscriber))


def same_since_joined(lab: Lab) -> str:
    """Judge that no client has missed an update since its first one."""
    return alike(lab, late=False)


def dealt_out() -> Topology:
    """PUSH in the place of PUB: each update goes to one client, and no two hold the same."""
    pulls = PULL.connect("updates")
    return Topology(
        "dealt_out",
        [
            Node("server", Server(100, 100, KEYS), publisher=PUSH.bind("updates")),
            *(Node(f"client-{i}", client, subscriber=pulls) for i in range(1, 4)),
        ],
    )


@pattern(
    Guide(
        title="Clone, model one: pub-sub of key-value updates",
        chapter=5,
        rfcs=(12,),
        see="each change of the server's map goes to all clients; who joins late has a map with holes",
        promise="clients hold the same map, of what has changed since they joined, however slow they are",
        failure="slow one client down",
        inject=slow("client-1", 0.02),
        check=same_since_joined,
        naive=dealt_out,
    )
)
def clone_one(clients: int = 3, *, rate: float = 10.0, size: int = 100, hwm: int = 1000, keys: int = KEYS) -> Topology:
    """PUB and SUB: a map of keys and values, of which each client keeps a copy.

    ::

                          +--- SUB client-1  a copy of the map
        server PUB -------+--- SUB client-2  a copy of the map
                          +--- SUB client-3  a copy of the map

    Look for the copies: a key and its value, numbered, go to all clients at once. This holds as long as all are there
    from the start: restart a client, and it lacks every key that has not changed since, and never learns of it. Model
    two mends that. Of the protocol, this is KVPUB.

    Args:
        clients: how many keep a copy.
        rate: updates per second.
        size: bytes of a value.
        hwm: high-water mark of every socket, in messages; 0 is no limit. A client too slow for it misses updates.
        keys: how many the map has, set in turn.

    Returns:
        Nodes ``server``, ``client-1``, ``client-2``, ...; the server binds ``updates``.

    Raises:
        ValueError: no clients or keys, a negative rate or hwm, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 5, "Reliable Pub-Sub (Clone Pattern)", and RFC 12/CHP.
    """
    at_least(1, clients=clients, keys=keys)
    at_least(0, rate=rate, hwm=hwm)
    at_least(32, size=size)
    listens = SUB.connect("updates", rcvhwm=hwm, subscribe="")
    return Topology(
        "clone_one",
        [
            Node("server", Server(rate, size, keys), publisher=PUB.bind("updates", sndhwm=hwm)),
            *(Node(f"client-{i}", client, subscriber=listens) for i in range(1, clients + 1)),
        ],
    )
