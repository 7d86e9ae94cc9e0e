"""The Suicidal Snail: a subscriber that cannot keep up ends itself, and does not go on with what is out of date."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded
from zlab.patterns.judging import called, received
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.trying import slow
from zlab.sockets import PUB, SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

ALLOWED = 0.3
"""Seconds: how old an update may be, unless told otherwise."""
_DOUBT = 0.05  # seconds by which the two clocks, the publisher's and the lab's, may be apart


@dataclass
class Publisher:
    """Publish updates, each with the time at which it was sent."""

    rate: float
    size: int

    def __call__(self, updates: ZMQSocket) -> None:
        """Send one update after the other."""
        for i in paced(updates, lambda: self.rate):
            updates.send(padded(f"{time.time():.6f} update {i} ", self.size))


@dataclass
class Subscriber:
    """Listen as long as the news is new."""

    allowed: float

    def __call__(self, updates: ZMQSocket) -> None:
        """Receive; of an update that is too old, conclude that one is too slow, and end."""
        while True:
            sent = float(updates.recv().split()[0])
            if time.time() - sent > self.allowed:
                return


def deaf_to_time(updates: ZMQSocket) -> None:
    """Receive, however old it is."""
    while True:
        updates.recv()


def nothing_stale(lab: Lab) -> str:
    """Judge that no subscriber goes on after an update that was too old."""
    passages, subscribers = lab.passages(), called(lab, "subscriber")
    allowed = max(getattr(lab.topology[name].function, "allowed", ALLOWED) for name in subscribers)
    states = {node.name: node.state for node in lab.snapshot().nodes}
    for subscriber in subscribers:
        came = received(passages, subscriber)
        late = [i for i, p in enumerate(came) if (p.received or 0.0) - p.sent > allowed + _DOUBT]
        if late and late[0] < len(came) - 1:
            raise CheckFailed(
                f"{subscriber} has received an update that was more than {allowed} seconds old, and "
                f"{len(came) - 1 - late[0]} after it"
            )
        if late and states[subscriber] == "running":
            raise NotYet(f"{subscriber} has received an update that was more than {allowed} seconds old, and goes on")
    ended = [subscriber for subscriber in subscribers if states[subscriber] == "finished"]
    if not ended:
        raise NotYet(f"no subscriber was late by more than {allowed} seconds: nothing was tried")
    return f"{len(ended)} of {len(subscribers)} subscribers were too slow and have ended; none goes on with old news."


def patient() -> Topology:
    """A subscriber that looks at no clock: it goes on, ever further behind."""
    topology = suicidal_snail(rate=100)
    return Topology(
        "patient",
        [
            node if node.name == "publisher" else Node(node.name, deaf_to_time, **node.sockets)
            for node in topology.nodes
        ],
    )


@pattern(
    Guide(
        title="Suicidal Snail",
        chapter=5,
        rfcs=(29,),
        see="a subscriber that falls behind by more than it may ends, so that somebody notices",
        promise="no subscriber goes on with updates that are too old",
        failure="slow one subscriber down",
        inject=slow("subscriber-1", messages=200),
        check=nothing_stale,
        naive=patient,
    )
)
def suicidal_snail(
    subscribers: int = 3, *, rate: float = 30.0, size: int = 100, hwm: int = 1000, allowed: float = ALLOWED
) -> Topology:
    """PUB and SUB: a subscriber that cannot keep up ends itself.

    ::

                            +--- SUB subscriber-1   how old is this?
        publisher PUB ------+--- SUB subscriber-2   how old is this?
                            +--- SUB subscriber-3   how old is this?

    Look for the end: each update carries the time at which it was sent. Slow a subscriber down: its queue grows, what
    it receives is ever older, and it ends as soon as an update is older than allowed. That is better than to work on
    with data that is out of date, or to lose updates at the high-water mark, and nobody the wiser. Restart it when
    the reason is gone.

    Args:
        subscribers: how many listen.
        rate: updates per second.
        size: bytes of an update.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        allowed: how old an update may be, in seconds.

    Returns:
        Nodes ``publisher``, ``subscriber-1``, ``subscriber-2``, ...; the publisher binds ``updates``.

    Raises:
        ValueError: no subscribers, a negative rate, hwm or time, fewer than 48 bytes.

    See the ZeroMQ Guide, chapter 5, "Slow Subscriber Detection (Suicidal Snail Pattern)", and RFC 29/PUBSUB.
    """
    at_least(1, subscribers=subscribers)
    at_least(0, rate=rate, hwm=hwm, allowed=allowed)
    at_least(48, size=size)
    listens = SUB.connect("updates", rcvhwm=hwm, subscribe="")
    return Topology(
        "suicidal_snail",
        [
            Node("publisher", Publisher(rate, size), updates=PUB.bind("updates", sndhwm=hwm)),
            *(Node(f"subscriber-{i}", Subscriber(allowed), updates=listens) for i in range(1, subscribers + 1)),
        ],
    )
