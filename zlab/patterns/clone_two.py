"""Clone, model two: who joins asks for a snapshot of the map first, and then applies the updates since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.nodes import at_least, padded
from zlab.patterns import chp
from zlab.patterns.clone_one import KEYS, clone_one
from zlab.patterns.maps import alike
from zlab.patterns.pacing import Pace
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import restart
from zlab.sockets import DEALER, PUB, ROUTER, SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Server:
    """Change one value after the other, publish each change, and give the whole map to whoever asks."""

    rate: float
    size: int
    keys: int

    def __call__(self, publisher: ZMQSocket, snapshot: ZMQSocket) -> None:
        """A snapshot is always of the last update that was published."""
        kvmap, pace, i = chp.Hashmap(), Pace(), 0
        while True:
            if snapshot.poll(pace.left(self.rate)):
                chp.answer(snapshot, kvmap)
            if pace.due(self.rate):
                update = kvmap.accept(chp.KVMsg(b"/%d" % (i * 7 % self.keys), padded(f"value {i} ", self.size)))
                if update:
                    update.send(publisher)
                i += 1


def client(subscriber: ZMQSocket, snapshot: ZMQSocket) -> None:
    """Subscribe, ask for a snapshot, and apply the updates that are newer: those before wait in the queue."""
    subscriber.poll()  # once something has come, the subscription stands, and nothing after it is missed
    kvmap = chp.synchronise(snapshot)
    while True:
        kvmap.apply(chp.recv(subscriber))


def no_snapshot() -> Topology:
    """Model one: who joins late lacks what was set before."""
    return clone_one(rate=100)


@pattern(
    Guide(
        title="Clone, model two: getting an out-of-band snapshot",
        chapter=5,
        rfcs=(12,),
        see="restart a client: it asks for a snapshot, and goes on with the updates that are newer",
        promise="all clients hold the same map, whenever they joined",
        failure="restart a client: it joins late",
        inject=restart("client-1"),
        check=alike,
        naive=no_snapshot,
    )
)
def clone_two(clients: int = 3, *, rate: float = 10.0, size: int = 100, hwm: int = 1000, keys: int = KEYS) -> Topology:
    """PUB and SUB with ROUTER and DEALER: a map that a client can join at any time.

    ::

        server PUB ------- updates -------+--- SUB client-1 DEALER ---+
           ROUTER                         +--- SUB client-2 DEALER ---+
              |                           +--- SUB client-3 DEALER ---+
              +----------------------- snapshot ----------------------+

    Look for the beginning: a client subscribes and waits until a first update has come; it leaves it in the queue,
    asks ``ICANHAZ?``, takes the pairs up to ``KTHXBAI``, and goes on with those updates whose number is higher than
    that of the snapshot. Restart one: it holds what the others hold.

    Any client of RFC 12 that does not set values can join. What is no such request is not answered.

    Args:
        clients: how many keep a copy.
        rate: updates per second.
        size: bytes of a value.
        hwm: high-water mark of every socket, in messages; 0 is no limit. A snapshot has to fit.
        keys: how many the map has, set in turn.

    Returns:
        Nodes ``server``, ``client-1``, ``client-2``, ...; the server binds ``updates`` and ``snapshot``.

    Raises:
        ValueError: no clients or keys, a negative rate or hwm, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 5, "Getting an Out-of-Band Snapshot", and RFC 12/CHP.
    """
    at_least(1, clients=clients, keys=keys)
    at_least(0, rate=rate, hwm=hwm)
    at_least(32, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    listens, asks = SUB.connect("updates", rcvhwm=hwm, subscribe=""), DEALER.connect("snapshot", **marks)
    return Topology(
        "clone_two",
        [
            Node(
                "server",
                Server(rate, size, keys),
                publisher=PUB.bind("updates", sndhwm=hwm),
                snapshot=ROUTER.bind("snapshot", **marks),
            ),
            *(Node(f"client-{i}", client, subscriber=listens, snapshot=asks) for i in range(1, clients + 1)),
        ],
    )
