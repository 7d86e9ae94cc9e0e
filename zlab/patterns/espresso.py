"""Espresso: pub-sub tracing, with a listener at the proxy that is sent a copy of all that passes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, repeat
from typing import TYPE_CHECKING

import zmq

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded
from zlab.patterns.judging import all_hear, called, last_failure, received
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.trying import slow
from zlab.sockets import PAIR, PUB, SUB, XPUB, XSUB, Socket
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

LETTERS = "ABCDEFGHIJ"
"""What the publisher's messages begin with, in turn."""


@dataclass
class Publisher:
    """Publish ``A 00000``, ``B 00001``, ... ``J 00009``, ``A 00010``, ..."""

    rate: float
    size: int

    def __call__(self, publisher: ZMQSocket) -> None:
        """Send one letter after the other."""
        for i in paced(publisher, lambda: self.rate):
            publisher.send(padded(f"{LETTERS[i % len(LETTERS)]} {i:05} ", self.size))


def subscriber(subscriber: ZMQSocket) -> None:
    """Receive two letters of the ten."""
    while True:
        subscriber.recv()


def espresso_machine(subscriber: ZMQSocket, publisher: ZMQSocket, pipe: ZMQSocket) -> None:
    """Pass updates on and subscriptions back, and a copy of both to the listener."""
    zmq.proxy(subscriber, publisher, pipe)


def listener(pipe: ZMQSocket) -> None:
    """Receive the copies: updates, and subscriptions, which begin with a byte of 1 or 0."""
    while True:
        pipe.recv()


def nothing_unheard(lab: Lab) -> str:
    """Judge that the listener has received every update that passed, in its order, and every subscription."""
    passages, since = lab.passages(), last_failure(lab)
    all_hear(passages, [*called(lab, "subscriber"), "listener"], since)
    heard = [p.frames[-1] for p in received(passages, "listener") if p.frames]
    asked = {
        b"\1" + str(letter).encode()
        for name in called(lab, "subscriber")
        for letter in _letters(lab.topology[name].sockets["subscriber"])
    }
    if missing := asked - set(heard):
        raise NotYet(f"the listener has heard nothing of the subscription {min(missing)!r}")
    copies = [body for body in heard if body[:1] not in {b"\0", b"\1"}]
    passed = [p.frames[-1] for p in received(passages, "espresso") if p.frames]
    begins = passed.index(copies[0]) if copies and copies[0] in passed else 0
    for due, copy in zip(passed[begins:], copies, strict=False):
        if due != copy:
            raise CheckFailed(f"{due.rstrip(b'.')!r} has passed, and the listener has heard {copy.rstrip(b'.')!r} next")
    return (
        f"{len(copies)} updates and {len(asked)} subscriptions: the listener has heard all that passed, in its order."
    )


def _letters(socket: Socket) -> tuple[str | bytes, ...]:
    """What a socket subscribes to."""
    asked = socket.options["subscribe"]
    return tuple(asked) if isinstance(asked, tuple | list) else (str(asked),)


def overheard() -> Topology:
    """PUB in the place of PAIR: what the listener has no room for is dropped, and nobody is told."""
    topology = espresso(rate=1000)
    sockets = {**topology["espresso"].sockets, "pipe": PUB.bind("inproc://pipe", sndhwm=1)}
    changed = {
        "espresso": Node("espresso", espresso_machine, **sockets),
        "listener": Node("listener", listener, pipe=SUB.connect("inproc://pipe", rcvhwm=1, subscribe="")),
    }
    return Topology("overheard", [changed.get(node.name, node) for node in topology.nodes])


@pattern(
    Guide(
        title="Pub-Sub Tracing (Espresso Pattern)",
        chapter=5,
        rfcs=(29, 31),
        see="a listener hears all that passes the proxy, updates and subscriptions; and only what is asked for passes",
        promise="the listener hears every update and every subscription that passes, in its order",
        failure="slow the listener down",
        inject=slow("listener", messages=40),
        check=nothing_unheard,
        naive=overheard,
    )
)
def espresso(subscribers: int = 2, *, rate: float = 20.0, size: int = 50, hwm: int = 1000) -> Topology:
    r"""XSUB and XPUB with a PAIR that listens: all that passes the proxy is traced.

    ::

                                                      +--- SUB subscriber-1  "A" "B"
        publisher PUB --- XSUB espresso XPUB ---------+
                               PAIR                   +--- SUB subscriber-2  "C" "D"
                                | inproc
                               PAIR listener

    Look for the first bytes at the listener: a subscription is ``b"\x01A"``, its end ``b"\x00A"``; all else are
    updates. Of ten letters the publisher sends those alone that somebody asks for, because the proxy passes
    subscriptions on. Slow the listener down: it falls behind and misses nothing. Its queue is bounded: if it is full,
    the proxy waits for the listener, and everybody with it.

    Args:
        subscribers: how many listen, to two letters each, in turn.
        rate: updates per second, of all ten letters together.
        size: bytes of an update.
        hwm: high-water mark of every socket, in messages; 0 is no limit.

    Returns:
        Nodes ``publisher``, ``espresso``, ``listener``, ``subscriber-1``, ``subscriber-2``, ...; the publisher binds
        ``updates``, espresso ``traced`` and ``inproc://pipe``.

    Raises:
        ValueError: no subscribers, a negative rate or hwm, fewer than 16 bytes.

    See the ZeroMQ Guide, chapter 5, "Pub-Sub Tracing (Espresso Pattern)", RFC 29/PUBSUB and RFC 31/EXPAIR.
    """
    at_least(1, subscribers=subscribers)
    at_least(0, rate=rate, hwm=hwm)
    at_least(16, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    letters = (LETTERS[i : i + 2] for _ in repeat(None) for i in range(0, len(LETTERS), 2))
    return Topology(
        "espresso",
        [
            Node("publisher", Publisher(rate, size), publisher=PUB.bind("updates", sndhwm=hwm)),
            Node(
                "espresso",
                espresso_machine,
                subscriber=XSUB.connect("updates", **marks),
                publisher=XPUB.bind("traced", **marks),
                pipe=PAIR.bind("inproc://pipe", **marks),
            ),
            *(
                Node(f"subscriber-{i}", subscriber, subscriber=SUB.connect("traced", rcvhwm=hwm, subscribe=tuple(two)))
                for i, two in enumerate(islice(letters, subscribers), 1)
            ),
            Node("listener", listener, pipe=PAIR.connect("inproc://pipe", **marks)),
        ],
    )
