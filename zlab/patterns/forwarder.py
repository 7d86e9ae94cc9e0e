"""The forwarder: publishers and subscribers meet at a proxy, and need not know each other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import zmq

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded
from zlab.patterns.judging import all_hear, called, last_failure, received
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.pub_sub import TOPICS, subscriber
from zlab.patterns.trying import restart
from zlab.sockets import PUB, SUB, XPUB, XSUB, node_of
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

ASKED = ("weather", "sports", "")
"""What the subscribers ask for, in turn."""


@dataclass
class Publisher:
    """Publish readings to whoever is behind the forwarder."""

    name: str
    rate: float
    size: int

    def __call__(self, updates: ZMQSocket) -> None:
        """Send one topic after the other."""
        for i in paced(updates, lambda: self.rate):
            updates.send(padded(f"{TOPICS[i % len(TOPICS)]} {10 + i * 7 % 23} reading {i} of {self.name}", self.size))


def forward(frontend: ZMQSocket, backend: ZMQSocket) -> None:
    """Pass updates on to the subscribers, and subscriptions back to the publishers."""
    zmq.proxy(frontend, backend)


def everybody_meets(lab: Lab) -> str:
    """Judge that each subscriber hears every publisher of its topics, and no other topic."""
    passages, since = lab.passages(), last_failure(lab)
    publishers, subscribers = called(lab, "publisher"), called(lab, "subscriber")
    came = all_hear(passages, subscribers, since)
    for listener in subscribers:
        prefix = str(lab.topology[listener].sockets["updates"].options["subscribe"]).encode()
        heard = received(passages, listener, since=since)
        unheard = set(publishers) - {node_of(p.sender) for p in heard}
        if unheard:
            raise NotYet(f"{listener} has heard nothing of {', '.join(sorted(unheard))} since second {since:.1f}")
        wrong = [p for p in heard if p.frames and not p.frames[0].startswith(prefix)]
        if wrong:
            raise CheckFailed(f"{listener} asked for {prefix!r} and has received {wrong[0].body!r}")
    return f"{came} updates since the last failure: {len(subscribers)} subscribers hear {len(publishers)} publishers."


def settled_in_advance() -> Topology:
    """SUB and PUB in the place of XSUB and XPUB: what passes was settled once, whatever is asked for."""

    def passes(frontend: ZMQSocket, backend: ZMQSocket) -> None:
        while True:
            backend.send(frontend.recv())

    topology = forwarder(rate=100)
    fixed = Node("forwarder", passes, frontend=SUB.bind("frontend", subscribe="weather"), backend=PUB.bind("backend"))
    return Topology("settled_in_advance", [n if n.name != "forwarder" else fixed for n in topology.nodes])


@pattern(
    Guide(
        title="Pub-sub network with a proxy",
        chapter=2,
        rfcs=(29,),
        see="publishers come and go behind one address; subscriptions flow upstream through the proxy",
        promise="each subscriber hears every publisher of its topics, and no other topic",
        failure="restart the forwarder",
        inject=restart("forwarder"),
        check=everybody_meets,
        naive=settled_in_advance,
    )
)
def forwarder(
    publishers: int = 2, subscribers: int = 3, *, rate: float = 15.0, size: int = 100, hwm: int = 1000
) -> Topology:
    """XSUB and XPUB: publishers and subscribers that know the forwarder's address alone.

    ::

        publisher-1 PUB ---+                             +--- SUB subscriber-1  "weather"
                           +--- XSUB forwarder XPUB -----+--- SUB subscriber-2  "sports"
        publisher-2 PUB ---+                             +--- SUB subscriber-3  ""

    Look for the subscriptions: they are messages too, and flow upstream through the forwarder to every publisher,
    so that nothing is sent that nobody wants. Restart the forwarder over ``tcp``: all connect again by themselves.

    Args:
        publishers: how many speak.
        subscribers: how many listen; they ask for the weather, sports and everything in turn.
        rate: messages per second of each publisher.
        size: bytes of a message.
        hwm: high-water mark of every socket, in messages; 0 is no limit.

    Returns:
        Nodes ``publisher-1``, ..., ``forwarder``, ``subscriber-1``, ...; the forwarder binds ``frontend`` and
        ``backend``.

    Raises:
        ValueError: no publishers or subscribers, a negative rate or hwm, fewer than 64 bytes.

    See the ZeroMQ Guide, chapter 2, "The Dynamic Discovery Problem", and RFC 29/PUBSUB.
    """
    at_least(1, publishers=publishers, subscribers=subscribers)
    at_least(0, rate=rate, hwm=hwm)
    at_least(64, size=size)
    names = [f"publisher-{i}" for i in range(1, publishers + 1)]
    marks, asked = {"sndhwm": hwm, "rcvhwm": hwm}, cycle(ASKED)
    listens = SUB.connect("backend", rcvhwm=hwm)
    return Topology(
        "forwarder",
        [
            *(Node(name, Publisher(name, rate, size), updates=PUB.connect("frontend", sndhwm=hwm)) for name in names),
            Node("forwarder", forward, frontend=XSUB.bind("frontend", **marks), backend=XPUB.bind("backend", **marks)),
            *(
                Node(f"subscriber-{i}", subscriber, updates=listens.connect(subscribe=next(asked)))
                for i in range(1, subscribers + 1)
            ),
        ],
    )
