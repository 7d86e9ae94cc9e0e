"""The last value cache: who subscribes late is handed the last value of its topic, and need not wait for the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded
from zlab.patterns.forwarder import forward
from zlab.patterns.judging import all_hear, called, last_failure, received
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.trying import rejoin
from zlab.sockets import PUB, SUB, XPUB, XSUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Publisher:
    """Publish a new value for each topic in turn."""

    rate: float
    size: int
    topics: int

    def __call__(self, publisher: ZMQSocket) -> None:
        """Send topic and value as two frames of one message."""
        for i in paced(publisher, lambda: self.rate):
            publisher.send_multipart([b"%03d" % (i % self.topics), padded(f"value {i} ", self.size)])


def cache(frontend: ZMQSocket, backend: ZMQSocket) -> None:
    """Pass on each update and keep it; answer a new subscription with what is kept of its topic."""
    last_values: dict[bytes, bytes] = {}
    poller = zmq.Poller()
    poller.register(frontend, zmq.POLLIN)
    poller.register(backend, zmq.POLLIN)
    while True:
        events = dict(poller.poll())
        if frontend in events:
            topic, value = frontend.recv_multipart()
            last_values[topic] = value
            backend.send_multipart([topic, value])
        if backend in events:
            event = backend.recv()
            topic = event[1:]
            if event[0] == 1 and topic in last_values:  # 0 is the end of a subscription
                backend.send_multipart([topic, last_values[topic]])


def subscriber(subscriber: ZMQSocket) -> None:
    """Receive topic and value."""
    while True:
        _topic, _value = subscriber.recv_multipart()


def answered_on_joining(lab: Lab) -> str:
    """Judge that the first update of who joined late is the last one that was sent before it joined."""
    passages, subscribers, since = lab.passages(), called(lab, "subscriber"), last_failure(lab)
    all_hear(passages, subscribers)
    late = {event.node for event in lab.history() if event.kind == "restart"} & set(subscribers)
    if not late:
        raise NotYet("no subscriber has joined late: nothing was tried")
    for name in sorted(late):
        all_hear(passages, [name], since)
        first = received(passages, name, since=since)[0]
        said = {p.sent: p.frames for p in passages if p.sender == first.sender and p.frames[:1] == first.frames[:1]}
        values = [said[at] for at in sorted(said) if at < (first.received or 0.0)]
        begins = values.index(first.frames) if first.frames in values else len(values)
        if values[begins + 1 : begins + 2] != [first.frames]:  # once when it came, once more for who has joined
            missed = values[begins - 1][-1].rstrip(b".").decode() if begins else "what was said before"
            raise CheckFailed(f"{name} has joined late, missed {missed!r}, and waited for {first.body.decode()!r}")
    return f"First of all, {', '.join(sorted(late))} got what was said last before it joined."


def not_cached() -> Topology:
    """A forwarder in the place of the cache: who joins late waits for the next value."""
    topology = last_value_cache(rate=100)
    plain = Node("cache", forward, frontend=XSUB.connect("updates"), backend=XPUB.bind("backend"))
    return Topology("not_cached", [plain if node.name == "cache" else node for node in topology.nodes])


@pattern(
    Guide(
        title="Last Value Caching",
        chapter=5,
        rfcs=(29,),
        see="a subscription wakes the cache, and is answered at once with the last value of its topic",
        promise="who joins late gets the last value of its topic first, and need not wait for the next",
        failure="restart a subscriber: it joins late",
        inject=rejoin("subscriber-1"),
        check=answered_on_joining,
        naive=not_cached,
    )
)
def last_value_cache(
    subscribers: int = 3, *, rate: float = 5.0, size: int = 100, hwm: int = 1000, topics: int = 10
) -> Topology:
    """PUB to SUB, XPUB to SUB: between publisher and subscribers, a cache that remembers.

    ::

                                              +--- SUB subscriber-1  "000"
        publisher PUB --- SUB cache XPUB -----+--- SUB subscriber-2  "001"
                                              +--- SUB subscriber-3  "002"

    Look for the first message of who joins late: a subscription is a message too, and comes up the XPUB to the
    cache, which answers it with the last value of that topic. Restart a subscriber: it has its value at once, while
    the publisher comes back to that topic only after all others. Who has that topic already gets the value again:
    an XPUB sends to all who ask for a topic.

    Args:
        subscribers: how many listen, each to a topic, in turn.
        rate: updates per second, of all topics together.
        size: bytes of a value.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        topics: how many topics there are, at most 1,000.

    Returns:
        Nodes ``publisher``, ``cache``, ``subscriber-1``, ``subscriber-2``, ...; the publisher binds ``updates``, the
        cache ``backend``.

    Raises:
        ValueError: no subscribers or topics, more than 1,000 topics, a negative rate or hwm, fewer than 24 bytes.

    See the ZeroMQ Guide, chapter 5, "Last Value Caching", and RFC 29/PUBSUB.
    """
    at_least(1, subscribers=subscribers, topics=topics)
    at_least(0, rate=rate, hwm=hwm)
    at_least(24, size=size)
    if topics > 1000:  # noqa: PLR2004 - as many as three digits tell apart, as in the Guide
        raise ValueError(f"topics={topics!r} cannot work: give 1,000 at most, as their names have three digits")
    # Without the option, XPUB tells of the first subscription to a topic alone.
    backend = XPUB.bind("backend", sndhwm=hwm, rcvhwm=hwm, xpub_verbose=1)
    return Topology(
        "last_value_cache",
        [
            Node("publisher", Publisher(rate, size, topics), publisher=PUB.bind("updates", sndhwm=hwm)),
            Node("cache", cache, frontend=SUB.connect("updates", rcvhwm=hwm, subscribe=""), backend=backend),
            *(
                Node(
                    f"subscriber-{i + 1}",
                    subscriber,
                    subscriber=SUB.connect("backend", rcvhwm=hwm, subscribe=f"{i % topics:03}"),
                )
                for i in range(subscribers)
            ),
        ],
    )
