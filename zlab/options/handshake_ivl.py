"""ZMQ_HANDSHAKE_IVL: how long a peer may take to say who it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.nodes import sink, source
from zlab.options.mute import hung_up, mute
from zlab.options.option import option
from zlab.sockets import PULL, PUSH
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab


def sent_away(lab: Lab) -> str:
    """Judge that the server has hung up on who said nothing."""
    return f"After {hung_up(lab, 'server'):.2f} s the server has hung up on a peer that had not said who it is."


@option(
    "ZMQ_HANDSHAKE_IVL",
    without=0,
    see="somebody connects and says nothing: sent away, or kept for ever",
    promise="who does not finish the handshake in time is disconnected",
    trial="somebody connects by plain TCP, and says nothing",
    inject=mute("work"),
    check=sent_away,
    transports=("tcp",),
)
def handshake_ivl(value: int = 100) -> Topology:
    """Handshake: a server to whom somebody connects who says nothing.

    Every connection costs a file descriptor; who opens many and says nothing can use them all up.

    Args:
        value: milliseconds; 0 waits for ever. ZeroMQ's own is 30,000.

    Returns:
        Nodes ``client``, which does as it should, and ``server``.

    See the man page ``zmq_setsockopt``, and RFC 23/ZMTP.
    """
    return Topology(
        "handshake_ivl",
        [
            Node("client", source(rate=50), out=PUSH.connect("work")),
            Node("server", sink(), inbox=PULL.bind("work", handshake_ivl=value)),
        ],
    )
