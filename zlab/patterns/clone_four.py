"""Clone, model four: a client copies the part of the map that it needs, a subtree."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from zlab.nodes import at_least, padded
from zlab.patterns import chp
from zlab.patterns.clone_three import HEARTBEAT, Server, client_sockets, server_sockets
from zlab.patterns.maps import alike
from zlab.patterns.pacing import Pace
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import restart
from zlab.sockets import SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import zmq

    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

SUBTREES = ("/red/", "/blue/")


@dataclass
class Client:
    """Keep a copy of a subtree, and set values in it."""

    name: str
    subtree: bytes
    rate: float
    size: int
    keys: int

    def __call__(self, snapshot: ZMQSocket, subscriber: ZMQSocket, publisher: ZMQSocket) -> None:
        """Name the subtree in both: in the request for a snapshot, and in the subscription."""
        subscriber.poll()
        kvmap, pace, i = chp.synchronise(snapshot, self.subtree), Pace(), secrets.randbelow(1000)
        while True:
            if subscriber.poll(pace.left(self.rate)):
                kvmap.apply(chp.recv(subscriber))
            if pace.due(self.rate):
                value = padded(f"value {i} of {self.name}", self.size)
                chp.KVMsg(b"%s%d" % (self.subtree, i * 7 % self.keys), value).send(publisher)
                i += 1


def subtrees_alike(lab: Lab) -> str:
    """Judge that each client holds its subtree, whole, and nothing of the others."""
    return alike(lab, subtrees=True)


def whole_snapshot() -> Topology:
    """Clients that subscribe to everything, and ask for everything: each holds what is none of its concern."""
    everything = {"subscriber": SUB.connect("updates", subscribe="")}
    return Topology(
        "whole_snapshot",
        (
            Node(node.name, node.function, **{**node.sockets, **everything}) if node.name != "server" else node
            for node in clone_four(rate=30).nodes
        ),
    )


@pattern(
    Guide(
        title="Clone, model four: working with subtrees",
        chapter=5,
        rfcs=(12,),
        see="a client hears of its own subtree alone, in its snapshot and in its updates",
        promise="each client holds its subtree, whole, and nothing else, whenever it joined",
        failure="restart a client: it joins late",
        inject=restart("client-1"),
        check=subtrees_alike,
        naive=whole_snapshot,
    )
)
def clone_four(
    clients: int = 3,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    keys: int = 50,
    heartbeat: float = HEARTBEAT,
    subtrees: Sequence[str] = SUBTREES,
) -> Topology:
    """PUB, ROUTER and PULL: a map of which each client copies a subtree.

    ::

                 +----------------------- updates -----------------------+
                 |                                                       |
        server  PUB                                                +--- SUB      client-1  /red/
                ROUTER ----------------- snapshot -----------------+--- DEALER   client-2  /blue/
                PULL                                               +--- PUSH     client-3  /red/
                 |                                                       |
                 +----------------------- collect -----------------------+

    Look for the keys: they are paths, such as ``/red/7``. A client subscribes to its subtree (and to ``HUGZ``), and
    asks for a snapshot of that alone: a large map costs it no more than the part that it needs.

    Args:
        clients: how many keep a copy, and set values.
        rate: updates per second that each client sets.
        size: bytes of a value.
        hwm: high-water mark of every socket, in messages; 0 is no limit. A snapshot has to fit.
        keys: how many a subtree has; each client sets them in turn.
        heartbeat: how often the server says HUGZ, in seconds.
        subtrees: given to the clients in turn, each a path such as ``/red/``.

    Returns:
        Nodes ``server``, ``client-1``, ``client-2``, ...; the server binds ``snapshot``, ``updates`` and ``collect``.

    Raises:
        ValueError: no clients or keys, a negative rate or hwm, a heartbeat of less than 0.01 seconds,
            fewer than 32 bytes, what is no subtree.

    See the ZeroMQ Guide, chapter 5, "Working with Subtrees", and RFC 12/CHP.
    """
    at_least(1, clients=clients, keys=keys)
    at_least(0, rate=rate, hwm=hwm)
    at_least(0.01, heartbeat=heartbeat)
    at_least(32, size=size)
    return Topology(
        "clone_four",
        [
            Node("server", Server(heartbeat), **server_sockets(hwm)),
            *(
                Node(name, Client(name, subtree, rate, size, keys), **client_sockets(hwm, subtree))
                for name, subtree in named(clients, subtrees)
            ),
        ],
    )


def named(clients: int, subtrees: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The clients' names, each with its subtree.

    Raises:
        ValueError: one of these is no subtree, or there is none.
    """
    names = [] if isinstance(subtrees, str) else [str(each).encode() for each in subtrees]
    if not names or not all(map(chp.is_subtree, names)):
        raise ValueError(f"subtrees={subtrees!r} cannot work: give paths, such as ('/red/', '/blue/')")
    return zip((f"client-{i}" for i in range(1, clients + 1)), cycle(names), strict=False)
