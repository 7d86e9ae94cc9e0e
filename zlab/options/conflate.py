"""ZMQ_CONFLATE: keep the last message alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.nodes import source, work
from zlab.options.option import CheckFailed, NotYet, option, passing
from zlab.patterns.judging import received
from zlab.sockets import PUB, SUB
from zlab.topology import TRANSPORTS, Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

_OLD = 120  # quotes behind the present: 0.3 seconds, for which a busy machine may stand still
_ENOUGH = 10  # quotes: after so many, one that queues them is further behind


def screen(quotes: zmq.Socket[bytes]) -> None:
    """Show a quote, twenty times a second."""
    while True:
        quotes.recv()
        work(quotes, 0.05)


def fresh(lab: Lab) -> str:
    """Judge that what is received next is the last that was sent."""
    passages = lab.passages()
    shown = received(passages, "screen")
    if len(shown) < _ENOUGH:
        raise NotYet(f"{len(shown)} quotes were shown")
    behind = [sum(quote.sent < each.sent <= (quote.received or 0.0) for each in passages) for quote in shown[-3:]]
    if min(behind) > _OLD:
        raise CheckFailed(f"the screen is {behind[-1]} quotes behind, and falls back further")
    return f"{len(shown)} quotes were shown; the last was {behind[-1]} quotes behind the newest."


@option(
    "ZMQ_CONFLATE",
    without=0,
    see="a slow reader that is never late, because it gets nothing but the newest",
    promise="one message waits at the most: the last",
    trial="publish faster than the screen shows",
    inject=passing(_ENOUGH),
    check=fresh,
    transports=TRANSPORTS,
)
def conflate(value: int = 1) -> Topology:
    """Conflate: a ticker publishes hundreds of quotes a second, a screen shows twenty of them.

    For messages that each replace the one before: positions, quotes, states. It does not know multipart messages, nor
    topics: one queue keeps one message. Over ``inproc`` only the socket that connects has a say.

    Args:
        value: 1 keeps the last message, 0 all up to the high-water mark.

    Returns:
        Nodes ``ticker`` and ``screen``.

    See the man page ``zmq_setsockopt``.
    """
    return Topology(
        "conflate",
        [
            Node("ticker", source(rate=400), out=PUB.bind("quotes")),
            Node("screen", screen, quotes=SUB.connect("quotes", subscribe="", conflate=value)),
        ],
    )
