"""ZMQ_INVERT_MATCHING: everything but what was subscribed to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.nodes import paced, sink
from zlab.options.option import CheckFailed, NotYet, option, passing
from zlab.patterns.judging import received
from zlab.sockets import PUB, SUB
from zlab.topology import TRANSPORTS, Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

_ENOUGH = 5  # messages


def logger(lines: zmq.Socket[bytes]) -> None:
    """Write lines of three levels."""
    for number in paced(lines, lambda: 200):
        lines.send(b"%s line %d" % ((b"debug", b"info", b"error")[number % 3], number))


def quiet(lab: Lab) -> str:
    """Judge that the reader gets all levels but the one that it named."""
    came = [p.body for p in received(lab.passages(), "reader")]
    if noise := sum(body.startswith(b"debug") for body in came):
        raise CheckFailed(f"{noise} of {len(came)} lines were what the reader had named, and the others never came")
    if len(came) < _ENOUGH:
        raise NotYet(f"{len(came)} lines so far")
    return f"{len(came)} lines, and not one of them is what the reader had named: debug."


@option(
    "ZMQ_INVERT_MATCHING",
    without=0,
    see="a subscription that says what not to send",
    promise="what begins with a prefix that was subscribed to does not come",
    trial="subscribe to debug",
    inject=passing(10),
    check=quiet,
    transports=TRANSPORTS,
)
def invert_matching(value: int = 1) -> Topology:
    """Invert: a reader of a log that wants all but one kind of line.

    Both ends must set it, the publisher and the subscriber: where only one does, nothing arrives.

    Args:
        value: 1 turns it round, 0 sends what begins with the prefix.

    Returns:
        Nodes ``logger`` and ``reader``.

    See the man page ``zmq_setsockopt``.
    """
    return Topology(
        "invert_matching",
        [
            Node("logger", logger, lines=PUB.bind("log", invert_matching=value)),
            Node("reader", sink(), inbox=SUB.connect("log", invert_matching=value, subscribe="debug")),
        ],
    )
