"""Publish and subscribe: one speaks, each hears what it subscribed to."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded
from zlab.patterns.judging import all_hear, called, last_failure, nothing_gone, received
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import restart
from zlab.sockets import PUB, SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Sequence

    import zmq

    from zlab.lab import Lab

TOPICS = ("weather NYC", "sports NBA", "weather LA", "sports F1", "weather Oslo")
"""What the publisher speaks of, in turn."""


@dataclass
class Publisher:
    """Publish readings, whether anybody listens or not."""

    rate: float
    size: int

    def __call__(self, updates: zmq.Socket[bytes]) -> None:
        """Send one topic after the other."""
        for i in paced(updates, lambda: self.rate):
            topic = TOPICS[i % len(TOPICS)]
            updates.send(padded(f"{topic} {10 + i * 7 % 23} reading {i}", self.size))


def subscriber(updates: zmq.Socket[bytes]) -> None:
    """Receive what the subscription lets through."""
    while True:
        updates.recv_string()


def filtered(lab: Lab) -> str:
    """Judge that each subscriber hears its topics, all of them since it joined, and no other."""
    passages = lab.passages()
    subscribers = called(lab, "subscriber")
    came = all_hear(passages, subscribers, last_failure(lab))
    for subscriber in subscribers:
        prefix = str(lab.topology[subscriber].sockets["updates"].options["subscribe"]).encode()
        for update in received(passages, subscriber):
            if update.frames and not update.frames[0].startswith(prefix):
                raise CheckFailed(f"{subscriber} asked for {prefix!r} and has received {update.body!r}")
    nothing_gone(lab, "not yet joined", "peer killed", "no subscriber")
    return f"{came} updates have reached {len(subscribers)} subscribers since the last failure, each its topics alone."


def forgotten() -> Topology:
    """A subscriber that forgot to subscribe: it hears nothing, and is not told."""
    listens = SUB.connect("updates")
    return Topology(
        "forgotten",
        [
            Node("publisher", Publisher(100, 100), updates=PUB.bind("updates")),
            Node("subscriber-1", subscriber, updates=listens),
            Node("subscriber-2", subscriber, updates=listens.connect(subscribe="weather")),
        ],
    )


@pattern(
    Guide(
        title="Weather updates",
        chapter=1,
        rfcs=(29,),
        see="filters by prefix; a slow subscriber misses messages, the publisher waits for nobody",
        promise="a subscriber gets all that it asked for since it joined, and nothing else",
        failure="restart a subscriber: it joins late",
        inject=restart("subscriber-1"),
        check=filtered,
        naive=forgotten,
    )
)
def pub_sub(
    subscribers: int = 3,
    *,
    rate: float = 30.0,
    size: int = 100,
    hwm: int = 1000,
    subscriptions: Sequence[str] = ("weather NYC", "weather", "sports"),
) -> Topology:
    """PUB and SUB: a weather publisher, and subscribers that each filter by prefix.

    ::

                              +--- SUB subscriber-1  "weather NYC"
        publisher PUB --------+--- SUB subscriber-2  "weather"
                              +--- SUB subscriber-3  "sports"

    Look for the filter: each subscriber gets its topics alone, and a message that nobody wants leaves the
    publisher for nowhere. Look at the first messages over ``tcp``: who has not yet joined misses them.

    Args:
        subscribers: how many listen.
        rate: messages per second that the publisher sends.
        size: bytes of a message.
        hwm: high-water mark of every socket, in messages; 0 is no limit. A subscriber too slow for it
            misses messages, and the publisher is not told.
        subscriptions: prefixes, given to the subscribers in turn; ``""`` is everything.

    Returns:
        Nodes ``publisher``, ``subscriber-1``, ``subscriber-2``, ...; the publisher binds ``updates``.

    Raises:
        ValueError: no subscribers or subscriptions, a negative rate or hwm, fewer than 48 bytes.

    See the ZeroMQ Guide, chapter 1, "Getting the Message Out", and RFC 29/PUBSUB.
    """
    at_least(1, subscribers=subscribers)
    at_least(0, rate=rate, hwm=hwm)
    at_least(48, size=size)
    if isinstance(subscriptions, str) or not subscriptions:
        raise ValueError(f"subscriptions={subscriptions!r} cannot work: give prefixes, such as ('weather', 'sports')")
    topic = cycle(subscriptions)
    return Topology(
        "pub_sub",
        [
            Node("publisher", Publisher(rate, size), updates=PUB.bind("updates", sndhwm=hwm)),
            *(
                Node(f"subscriber-{i}", subscriber, updates=SUB.connect("updates", rcvhwm=hwm, subscribe=next(topic)))
                for i in range(1, subscribers + 1)
            ),
        ],
    )
