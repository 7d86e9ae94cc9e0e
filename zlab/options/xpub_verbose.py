"""ZMQ_XPUB_VERBOSE: hear of every subscription, not only of the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.nodes import sink
from zlab.options.option import NotYet, links, option
from zlab.patterns.judging import all_hear, last_failure
from zlab.patterns.pattern import WITHIN
from zlab.sockets import SUB, XPUB
from zlab.topology import TRANSPORTS, Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab


def cache(values: zmq.Socket[bytes]) -> None:
    """Say the last value again to whoever subscribes."""
    number = 0
    while True:
        request = values.recv()
        if request[:1] == b"\x01":
            number += 1
            values.send(request[1:] + b" is 42, said for the time %d" % number)


def late(lab: Lab) -> None:
    """Let one come late, when the other has what it asked for."""
    lab.wait(until=lambda _: links(lab)["cache → early"].delivered > 0, timeout=WITHIN)
    lab.restart("late")


def heard(lab: Lab) -> str:
    """Judge that who has subscribed late has got the value."""
    if not last_failure(lab):
        raise NotYet("nobody has come late yet")
    return f"{all_hear(lab.passages(), ['late'], last_failure(lab))} value for who came late."


@option(
    "ZMQ_XPUB_VERBOSE",
    without=0,
    see="the second subscription to a topic: the publisher hears of it, or does not",
    promise="who subscribes to what others have subscribed to is noticed too",
    trial="a second subscriber comes late",
    inject=late,
    check=heard,
    transports=TRANSPORTS,
)
def xpub_verbose(value: int = 1) -> Topology:
    """Verbose: an XPUB that answers each subscription with the last value.

    A subscription is passed to the XPUB's program when it is the first of its kind: what others have asked for needs
    no word. A last value cache must hear of each. ZMQ_XPUB_VERBOSER tells of each unsubscription, too.

    Args:
        value: 1 passes every subscription, 0 the first.

    Returns:
        Nodes ``cache``, ``early`` and ``late``.

    See the man page ``zmq_setsockopt``, and the ZeroMQ Guide, chapter 5, "Last Value Caching".
    """
    listens = SUB.connect("values", subscribe="price")
    return Topology(
        "xpub_verbose",
        [
            Node("cache", cache, values=XPUB.bind("values", xpub_verbose=value)),
            Node("early", sink(), inbox=listens),
            Node("late", sink(), inbox=listens),
        ],
    )
