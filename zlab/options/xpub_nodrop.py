"""ZMQ_XPUB_NODROP: wait for a slow subscriber rather than drop its messages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zlab.nodes import source, work
from zlab.options.option import CheckFailed, NotYet, option, passing, sockets
from zlab.sockets import SUB, XPUB
from zlab.topology import TRANSPORTS, Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

_ENOUGH = 60  # messages
_ROOM = 1_000  # messages: more than wait on the way
_SMALL = 8192  # bytes of the kernel's buffers


def publisher(updates: zmq.Socket[bytes]) -> None:
    """Wait for a subscriber, and publish as fast as it goes."""
    updates.recv()
    source(rate=math.inf, size=1000)(updates)


def slow(inbox: zmq.Socket[bytes]) -> None:
    """Take two milliseconds for each."""
    while True:
        inbox.recv()
        work(inbox, 0.002)


def none_dropped(lab: Lab) -> str:
    """Judge that nothing was dropped at the high-water mark."""
    figures = sockets(lab)
    sent, came = figures["publisher.updates"].sent, figures["subscriber.inbox"].received
    if sent - came > _ROOM:
        raise CheckFailed(f"{sent:,} messages were sent and {came:,} came: there is no room for what is missing")
    if came < _ENOUGH:
        raise NotYet(f"{came} messages so far")
    return f"{sent} messages were sent and {came} came, the others wait: the publisher goes as fast as is read."


@option(
    "ZMQ_XPUB_NODROP",
    without=0,
    see="a publisher that waits for the slowest of its subscribers, or drops what that has no room for",
    promise="at the high-water mark the publisher waits, or is refused",
    trial="publish faster than the subscriber reads",
    inject=passing(_ENOUGH),
    check=none_dropped,
    transports=TRANSPORTS,
)
def xpub_nodrop(value: int = 1) -> Topology:
    """No drop: an XPUB that publishes as fast as it can, to one who reads slowly.

    A publisher waits for nobody: what a subscriber has no room for is dropped. With this option ``send`` blocks, or
    raises EAGAIN, while any of them is full: the slowest holds up all.

    Args:
        value: 1 waits, 0 drops.

    Returns:
        Nodes ``publisher`` and ``subscriber``.

    See the man page ``zmq_setsockopt``.
    """
    publishes = XPUB.bind("updates", xpub_nodrop=value, sndhwm=10, sndbuf=_SMALL)
    return Topology(
        "xpub_nodrop",
        [
            Node("publisher", publisher, updates=publishes),
            Node("subscriber", slow, inbox=SUB.connect("updates", subscribe="", rcvhwm=10, rcvbuf=_SMALL)),
        ],
    )
