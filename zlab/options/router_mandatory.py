"""ZMQ_ROUTER_MANDATORY: be told of what cannot be routed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import paced, sink
from zlab.options.option import NotYet, option, passing, sockets
from zlab.sockets import DEALER, ROUTER
from zlab.topology import TRANSPORTS, Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

_CALLED = (b"somebody", b"nobody")


def caller(line: zmq.Socket[bytes]) -> None:
    """Call two in turn, of whom one is not there."""
    for number in paced(line, lambda: 100):
        with suppress(zmq.ZMQError):  # EHOSTUNREACH: no such peer
            line.send_multipart([_CALLED[number % 2], b"call %d" % number])


def told(lab: Lab) -> str:
    """Judge that the caller was told whom it did not reach."""
    figures = sockets(lab)["caller.line"]
    if not figures.refused:
        raise NotYet(f"{figures.sent} calls were sent and none was refused: where do those to nobody go?")
    return f"{figures.sent} calls were sent, and {figures.refused} refused: there is nobody of that name."


@option(
    "ZMQ_ROUTER_MANDATORY",
    without=0,
    see="messages to a peer that is not there: dropped without a word, or refused (EHOSTUNREACH)",
    promise="a message that has nowhere to go is refused",
    trial="send to somebody who is not there",
    inject=passing(10),
    check=told,
    transports=TRANSPORTS,
)
def router_mandatory(value: int = 1) -> Topology:
    """Mandatory: a ROUTER calls somebody, and nobody.

    What a ROUTER cannot route, it drops, and its program never knows. With this option ``send`` raises EHOSTUNREACH;
    and where the peer's queue is full it blocks, or raises EAGAIN.

    Args:
        value: 1 refuses, 0 drops.

    Returns:
        Nodes ``caller`` and ``somebody``.

    See the man page ``zmq_setsockopt``.
    """
    return Topology(
        "router_mandatory",
        [
            Node("caller", caller, line=ROUTER.bind("line", router_mandatory=value)),
            Node("somebody", sink(), inbox=DEALER.connect("line", routing_id="somebody")),
        ],
    )
