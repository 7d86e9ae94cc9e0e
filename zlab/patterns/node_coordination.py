"""Node coordination: a publisher that waits until all its subscribers are there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded, work
from zlab.patterns.judging import called, received
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.trying import slow
from zlab.sockets import PUB, REP, REQ, SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Publisher:
    """Say hello until as many as expected have answered; then publish."""

    rate: float
    size: int
    expected: int

    def __call__(self, publisher: ZMQSocket, syncservice: ZMQSocket) -> None:
        """Synchronise, then send one update after the other."""
        subscribers = hellos = 0
        while subscribers < self.expected:
            publisher.send(b"hello %d" % hellos)
            hellos += 1
            if syncservice.poll(10):  # milliseconds
                syncservice.recv()
                syncservice.send(b"noted %d" % subscribers)
                subscribers += 1
        for i in paced(publisher, lambda: self.rate):
            publisher.send(padded(f"update {i} ", self.size))


@dataclass
class Subscriber:
    """Once a hello has come, the subscription stands: tell the publisher so, and listen."""

    name: str

    def __call__(self, subscriber: ZMQSocket, syncclient: ZMQSocket) -> None:
        """Synchronise, then receive."""
        if subscriber.recv().startswith(b"hello"):  # else the publisher has begun long ago
            syncclient.send(b"here is " + self.name.encode())
            syncclient.recv()
        while True:
            subscriber.recv()


def from_the_first(lab: Lab) -> str:
    """Judge that every subscriber has received the first update, and each one after it."""
    passages = lab.passages()
    said = {_number(p.body) for p in passages if p.body.startswith(b"update ")}  # those that were traced
    subscribers, total = called(lab, "subscriber"), 0
    for subscriber in subscribers:
        numbers = [_number(p.body) for p in received(passages, subscriber) if p.body.startswith(b"update ")]
        if not numbers:
            raise NotYet(f"{subscriber} has received no update")
        missed = sorted(number for number in said - set(numbers) if number < numbers[-1])
        if missed:
            raise CheckFailed(f"{subscriber} has missed {len(missed)} updates, the first of them update {missed[0]}")
        total += len(numbers)
    return f"{total} updates have reached {len(subscribers)} subscribers: all of them, from the first one on."


def _number(body: bytes) -> int:
    found = re.match(rb"update (\d+) ", body)
    return int(found[1]) if found else -1


def uncoordinated() -> Topology:
    """A publisher that waits for nobody: who takes a moment to subscribe has missed the beginning."""

    def late(subscriber: ZMQSocket) -> None:
        work(subscriber, 0.1)
        subscriber.subscribe(b"")
        while True:
            subscriber.recv()

    @dataclass
    class Hasty(Publisher):
        def __call__(self, publisher: ZMQSocket) -> None:  # type: ignore[override] # it asks nobody
            for i in paced(publisher, lambda: self.rate):
                publisher.send(padded(f"update {i} ", self.size))

    listens = SUB.connect("updates")
    return Topology(
        "uncoordinated",
        [
            Node("publisher", Hasty(100, 100, 0), publisher=PUB.bind("updates")),
            *(Node(f"subscriber-{i}", late, subscriber=listens) for i in range(1, 4)),
        ],
    )


@pattern(
    Guide(
        title="Node coordination",
        chapter=2,
        rfcs=(28, 29),
        see="the publisher says hello until all are there, then publishes; nobody misses the beginning",
        promise="every subscriber gets the first update and every one after it",
        failure="slow one subscriber down",
        inject=slow("subscriber-1", 0.02),
        check=from_the_first,
        naive=uncoordinated,
    )
)
def node_coordination(subscribers: int = 3, *, rate: float = 30.0, size: int = 100, hwm: int = 1000) -> Topology:
    """PUB and SUB, synchronised by REQ and REP: nothing is published before all are there.

    ::

        publisher PUB -------- updates --------+--- SUB subscriber-1 REQ ---+
           REP                                 +--- SUB subscriber-2 REQ ---+
            |                                  +--- SUB subscriber-3 REQ ---+
            +---------------------- syncservice ----------------------------+

    Look for the beginning: the publisher says hello, over and over, and each subscriber that hears it answers by
    REQ. Once all have, the updates start, and every subscriber has ``update 0``, over any transport. A subscriber
    that is restarted joins late: it is not expected any more. A publisher that is restarted expects all of them again.

    Args:
        subscribers: how many are waited for.
        rate: updates per second.
        size: bytes of an update.
        hwm: high-water mark of every socket, in messages; 0 is no limit. What is slower than that still misses
            updates later.

    Returns:
        Nodes ``publisher``, ``subscriber-1``, ``subscriber-2``, ...; the publisher binds ``updates`` and
        ``syncservice``.

    Raises:
        ValueError: no subscribers, a negative rate or hwm, fewer than 16 bytes.

    See the ZeroMQ Guide, chapter 2, "Node Coordination", RFC 28/REQREP and RFC 29/PUBSUB.
    """
    at_least(1, subscribers=subscribers)
    at_least(0, rate=rate, hwm=hwm)
    at_least(16, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    names = [f"subscriber-{i}" for i in range(1, subscribers + 1)]
    return Topology(
        "node_coordination",
        [
            Node(
                "publisher",
                Publisher(rate, size, subscribers),
                publisher=PUB.bind("updates", sndhwm=hwm),
                syncservice=REP.bind("syncservice", **marks),
            ),
            *(
                Node(
                    name,
                    Subscriber(name),
                    subscriber=SUB.connect("updates", rcvhwm=hwm, subscribe=""),
                    syncclient=REQ.connect("syncservice", **marks),
                )
                for name in names
            ),
        ],
    )
