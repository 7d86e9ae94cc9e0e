"""ZMQ_HEARTBEAT_IVL: ask a connection whether anybody is still there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.nodes import sink, source
from zlab.options.mute import hung_up, mute
from zlab.options.option import option
from zlab.sockets import PULL, PUSH
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab


def noticed(lab: Lab) -> str:
    """Judge that the server has noticed that its peer has gone silent."""
    return f"After {hung_up(lab, 'server'):.2f} s without an answer to its PING, the server has hung up."


@option(
    "ZMQ_HEARTBEAT_IVL",
    without=0,
    see="a peer that is dead behind a connection that stands: noticed, or waited for without end",
    promise="who does not answer is disconnected",
    trial="a peer shakes hands, and then says nothing more",
    inject=mute("work", after="PUSH"),
    check=noticed,
    transports=("tcp",),
)
def heartbeat_ivl(value: int = 50) -> Topology:
    """Heartbeat: a server whose peer shakes hands and goes silent, as one does whose cable was pulled.

    TCP does not tell of that. With this option libzmq sends a PING of ZMTP when it has heard nothing, and hangs up
    where no answer comes in ZMQ_HEARTBEAT_TIMEOUT, here the same. The programs see nothing of it.

    Args:
        value: milliseconds between two PINGs, and for an answer; 0 sends none.

    Returns:
        Nodes ``client``, which answers, and ``server``.

    See the man page ``zmq_setsockopt``, and RFC 37/ZMTP 3.1.
    """
    return Topology(
        "heartbeat_ivl",
        [
            Node("client", source(rate=50), out=PUSH.connect("work")),
            Node("server", sink(), inbox=PULL.bind("work", heartbeat_ivl=value)),
        ],
    )
