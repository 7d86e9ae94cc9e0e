"""The transport bridge: what is published on one transport, or network, is heard on another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import zmq

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded
from zlab.patterns.judging import all_hear, called, last_failure, received
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import restart
from zlab.sockets import PUB, SUB, XPUB, XSUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

OUTSIDE = "tcp://127.0.0.1:*"
"""Where the bridge publishes, whatever the transport inside: the system chooses the port."""
ZIP_CODES = ("10001", "59937", "85678")
"""Whose weather is published, in turn; that of the last one nobody asks for."""


@dataclass
class Publisher:
    """Publish the weather, inside, for one zip code after the other."""

    rate: float
    size: int

    def __call__(self, updates: ZMQSocket) -> None:
        """Send zip code and reading as two frames of one message."""
        for i in paced(updates, lambda: self.rate):
            zip_code = ZIP_CODES[i % len(ZIP_CODES)]
            updates.send_multipart([zip_code.encode(), padded(f"{10 + i * 7 % 23} degrees, reading {i} ", self.size)])


def wuproxy(frontend: ZMQSocket, backend: ZMQSocket) -> None:
    """Carry updates out, and subscriptions in."""
    zmq.proxy(frontend, backend)


def subscriber(updates: ZMQSocket) -> None:
    """Receive zip code and reading."""
    while True:
        updates.recv_multipart()


def heard_outside(lab: Lab) -> str:
    """Judge that everybody outside hears of its zip code, and each message whole."""
    passages, subscribers = lab.passages(), called(lab, "subscriber")
    for name in subscribers:
        asked = str(lab.topology[name].sockets["updates"].options["subscribe"]).encode()
        for update in received(passages, name):
            if update.frames and (len(update.frames) != 2 or update.frames[0] != asked):  # noqa: PLR2004 - see Publisher
                told = [frame.rstrip(b".") for frame in update.frames]
                raise CheckFailed(f"{name} asked for {asked!r} and its reading, and has received {told!r}")
    came = all_hear(passages, subscribers, last_failure(lab))
    return f"{came} updates since the last failure have come out over tcp, whole, each to who asked for it."


def frame_by_frame() -> Topology:
    """A loop that copies frame by frame: each becomes a message of its own, and the filter stops the second one."""

    def copies(frontend: ZMQSocket, backend: ZMQSocket) -> None:
        while True:
            backend.send(frontend.recv())

    topology = transport_bridge(rate=100)
    careless = Node(
        "bridge", copies, frontend=SUB.connect("updates", subscribe=ZIP_CODES[:2]), backend=PUB.bind(OUTSIDE)
    )
    return Topology("frame_by_frame", [careless if node.name == "bridge" else node for node in topology.nodes])


@pattern(
    Guide(
        title="Transport Bridging",
        chapter=2,
        rfcs=(29,),
        see="one transport inside, tcp outside; of what is published inside, only what somebody asks for goes out",
        promise="who is outside gets every message that it asked for, whole, and inside nobody knows of it",
        failure="restart the bridge",
        inject=restart("bridge"),
        check=heard_outside,
        naive=frame_by_frame,
    )
)
def transport_bridge(subscribers: int = 2, *, rate: float = 15.0, size: int = 100, hwm: int = 1000) -> Topology:
    """XSUB inside and XPUB outside: a proxy that carries updates from one transport to another.

    ::

                   inside                      tcp
        publisher PUB --- XSUB bridge XPUB -----+--- SUB subscriber-1  "10001"
                                                +--- SUB subscriber-2  "59937"

    Look for the transports: the publisher knows that of the lab, ``inproc``, ``ipc`` or ``tcp``, and the subscribers
    know ``tcp`` alone; the bridge has a socket on either side, and lets messages through whole, with all their frames.
    Subscriptions go in through it, so that nothing comes out that nobody wants. Restart it: the subscribers connect
    again by themselves.

    Args:
        subscribers: how many listen outside; they ask for two zip codes in turn.
        rate: updates per second, of all zip codes together.
        size: bytes of a reading.
        hwm: high-water mark of every socket, in messages; 0 is no limit.

    Returns:
        Nodes ``publisher``, ``bridge``, ``subscriber-1``, ``subscriber-2``, ...; the publisher binds ``updates``, the
        bridge ``tcp://127.0.0.1:*``.

    Raises:
        ValueError: no subscribers, a negative rate or hwm, fewer than 40 bytes.

    See the ZeroMQ Guide, chapter 2, "Transport Bridging", and RFC 29/PUBSUB.
    """
    at_least(1, subscribers=subscribers)
    at_least(0, rate=rate, hwm=hwm)
    at_least(40, size=size)
    marks, asked = {"sndhwm": hwm, "rcvhwm": hwm}, cycle(ZIP_CODES[:2])
    listens = SUB.connect(OUTSIDE, rcvhwm=hwm)
    return Topology(
        "transport_bridge",
        [
            Node("publisher", Publisher(rate, size), updates=PUB.bind("updates", sndhwm=hwm)),
            Node("bridge", wuproxy, frontend=XSUB.connect("updates", **marks), backend=XPUB.bind(OUTSIDE, **marks)),
            *(
                Node(f"subscriber-{i}", subscriber, updates=listens.connect(subscribe=next(asked)))
                for i in range(1, subscribers + 1)
            ),
        ],
    )
