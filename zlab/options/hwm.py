"""ZMQ_SNDHWM and ZMQ_RCVHWM: how many messages may wait."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import padded, work
from zlab.options.option import NotYet, links, option, passing, sockets
from zlab.sockets import PULL, PUSH
from zlab.topology import TRANSPORTS, Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

_OFFERED = 2_000
_SMALL = 8192  # bytes of the kernel's buffers, which no high-water mark counts


def offer(out: zmq.Socket[bytes]) -> None:
    """Offer messages as fast as it goes, and leave those that the socket does not take."""
    out.send(b"as soon as somebody is there")
    for number in range(_OFFERED):
        with suppress(zmq.Again):
            out.send(padded(f"message {number}", 1000), zmq.NOBLOCK)


def slow(inbox: zmq.Socket[bytes]) -> None:
    """Receive a message every hundredth of a second."""
    while True:
        inbox.recv()
        work(inbox, 0.01)


def full(lab: Lab) -> str:
    """Judge that the sender was told when the queues were full."""
    waiting, refused = links(lab)["sender → receiver"].queued, sockets(lab)["sender.out"].refused
    if not refused:
        raise NotYet(f"{waiting:,} messages wait, and the sender was never told")
    return f"{waiting:,} messages wait; of {_OFFERED:,}, {refused:,} were refused, and the sender knows."


@option(
    "ZMQ_SNDHWM, ZMQ_RCVHWM",
    without=0,
    see="the queue stops growing, and the sender is told; without a mark it grows as long as there is memory",
    promise="no more wait than the marks of both ends, and what the kernel holds",
    trial="send faster than the receiver takes them",
    inject=passing(10),
    check=full,
    transports=TRANSPORTS,
)
def hwm(value: int = 10) -> Topology:
    """High-water marks: a PUSH that offers more than its peer takes, and is refused.

    The mark counts messages on each connection and in each direction, not bytes. Over ``inproc`` the marks of both
    ends add up exactly; over the others the kernel's buffers, small here, hold some more. At its mark PUSH and DEALER
    block or refuse, PUB and ROUTER drop without a word.

    Args:
        value: messages, at the sender's end and at the receiver's; 0 is no limit. ZeroMQ's own is 1000.

    Returns:
        Nodes ``sender`` and ``receiver``.

    See the man page ``zmq_setsockopt``, and the ZeroMQ Guide, chapter 2, "High-Water Marks".
    """
    return Topology(
        "hwm",
        [
            Node("sender", offer, out=PUSH.bind("work", sndhwm=value, sndbuf=_SMALL)),
            Node("receiver", slow, inbox=PULL.connect("work", rcvhwm=value, rcvbuf=_SMALL)),
        ],
    )
