"""Pub-sub envelopes: the key in a frame of its own, the content in another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded
from zlab.patterns.judging import all_hear, called, last_failure, received
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import restart
from zlab.sockets import PUB, SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

KEYS = ("A", "B")
"""What subscribers can ask for."""


@dataclass
class Publisher:
    """Publish for each key in turn."""

    rate: float
    size: int

    def __call__(self, publisher: ZMQSocket) -> None:
        """Send key and content as two frames of one message."""
        for i in paced(publisher, lambda: self.rate):
            key = KEYS[i % len(KEYS)]
            publisher.send_multipart([key.encode(), padded(f"{i} for {key}: we would like to see this", self.size)])


def subscriber(subscriber: ZMQSocket) -> None:
    """Receive the key, then the content."""
    while True:
        _address, _contents = subscriber.recv_multipart()


def enveloped(lab: Lab) -> str:
    """Judge that each subscriber gets whole envelopes, of its own key alone."""
    passages, subscribers = lab.passages(), called(lab, "subscriber")
    for name in subscribers:
        (key,) = (str(s.options["subscribe"]).encode() for s in lab.topology[name].sockets.values())
        for update in received(passages, name):
            if update.frames and (len(update.frames) != 2 or update.frames[0] != key):  # noqa: PLR2004 - the envelope
                raise CheckFailed(f"{name} asked for {key!r} and has received {list(update.frames)!r}"[:160])
    came = all_hear(passages, subscribers, last_failure(lab))
    return f"{came} updates since the last failure, each with its key and its content, and none of another's key."


def torn() -> Topology:
    """Key and content as two messages: the filter looks at each, and lets the key through without its content."""

    class Torn(Publisher):
        def __call__(self, publisher: ZMQSocket) -> None:
            for i in paced(publisher, lambda: self.rate):
                key = KEYS[i % len(KEYS)]
                publisher.send(key.encode())
                publisher.send(padded(f"{i} for {key}: we would like to see this", self.size))

    def hears(subscriber: ZMQSocket) -> None:
        while True:
            subscriber.recv_multipart()

    listens = SUB.connect("updates")
    nodes = (Node(f"subscriber-{i}", hears, subscriber=listens.connect(subscribe=key)) for i, key in enumerate(KEYS, 1))
    return Topology("torn", [Node("publisher", Torn(100, 100), publisher=PUB.bind("updates")), *nodes])


@pattern(
    Guide(
        title="Pub-sub message envelopes",
        chapter=2,
        rfcs=(29,),
        see="the key in a frame of its own: filters look at it, and at nothing else",
        promise="who asks for a key gets its messages whole, and no other's",
        failure="restart a subscriber: it joins late",
        inject=restart("subscriber-1"),
        check=enveloped,
        naive=torn,
    )
)
def pubsub_envelopes(subscribers: int = 2, *, rate: float = 20.0, size: int = 100, hwm: int = 1000) -> Topology:
    """PUB and SUB with two frames a message: the envelope bears the key.

    ::

                              +--- SUB subscriber-1  "A"
        publisher PUB --------+
                              +--- SUB subscriber-2  "B"

    Look for the frames: a message is ``[key][content]``, and travels whole or not at all. The filter compares the
    beginning of the first frame, so that no content can be taken for a key. It is still a prefix: who subscribes
    to ``A`` would get ``AA`` too.

    Args:
        subscribers: how many listen; they ask for ``A`` and ``B`` in turn.
        rate: messages per second.
        size: bytes of the content.
        hwm: high-water mark of every socket, in messages; 0 is no limit.

    Returns:
        Nodes ``publisher``, ``subscriber-1``, ``subscriber-2``, ...; the publisher binds ``updates``.

    Raises:
        ValueError: no subscribers, a negative rate or hwm, fewer than 48 bytes.

    See the ZeroMQ Guide, chapter 2, "Pub-Sub Message Envelopes", and RFC 29/PUBSUB.
    """
    at_least(1, subscribers=subscribers)
    at_least(0, rate=rate, hwm=hwm)
    at_least(48, size=size)
    key = cycle(KEYS)
    return Topology(
        "pubsub_envelopes",
        [
            Node("publisher", Publisher(rate, size), publisher=PUB.bind("updates", sndhwm=hwm)),
            *(
                Node(f"subscriber-{i}", subscriber, subscriber=SUB.connect("updates", rcvhwm=hwm, subscribe=next(key)))
                for i in range(1, subscribers + 1)
            ),
        ],
    )
