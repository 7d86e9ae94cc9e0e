"""ZMQ_TCP_KEEPALIVE: have the kernel ask whether the other machine is still there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zlab.nodes import sink, source
from zlab.options.option import CheckFailed, NotYet, option, passing
from zlab.sockets import PULL, PUSH
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

_TABLE = Path("/proc/net/tcp")
_ESTABLISHED, _KEEPALIVE = "01", "02"  # as the table writes them: a connection's state, and which timer runs


def armed(lab: Lab) -> str:
    """Judge, from the kernel's own table of connections, that a keepalive timer runs at the server's end.

    Raises:
        CheckFailed: none does, or this system has no such table.
    """
    if not _TABLE.exists():
        raise CheckFailed("only Linux tells which timers run on a connection (/proc/net/tcp)")
    port = f":{int(lab.endpoints['work'].rpartition(':')[2]):04X}"
    rows = [line.split() for line in _TABLE.read_text().splitlines()[1:]]
    timers = [row[5].partition(":")[0] for row in rows if row[1].endswith(port) and row[3] == _ESTABLISHED]
    if not timers:
        raise NotYet("nobody has connected yet")
    if _KEEPALIVE not in timers:  # while bytes are under way, the timer is another
        raise NotYet("the kernel has no keepalive timer on the connection: of a dead machine nobody would know")
    return "The kernel's keepalive timer runs on the connection; on loopback there is no dead machine to notice."


@option(
    "ZMQ_TCP_KEEPALIVE",
    without=0,
    see="the kernel's timer on the connection; what it is for cannot be seen on one machine",
    promise="the kernel asks after a peer that is silent",
    trial="let a few messages pass",
    inject=passing(5),
    check=armed,
    transports=("tcp",),
)
def tcp_keepalive(value: int = 1) -> Topology:
    """Keepalive: the kernel asks, after seconds of silence, whether the other machine still answers.

    It notices a machine that has gone, not a program that hangs (see ``zlab.options.heartbeat_ivl``), and keeps
    firewalls from forgetting a quiet connection. What can be seen on one machine is that the kernel's timer runs:
    loopback always answers.

    Args:
        value: 1 asks, 0 does not, -1 leaves it to the system.

    Returns:
        Nodes ``client`` and ``server``.

    See the man page ``zmq_setsockopt``, and ``tcp(7)``.
    """
    asks = PULL.bind("work", tcp_keepalive=value, tcp_keepalive_idle=10, tcp_keepalive_intvl=5, tcp_keepalive_cnt=3)
    return Topology(
        "tcp_keepalive",
        [Node("client", source(rate=50), out=PUSH.connect("work")), Node("server", sink(), inbox=asks)],
    )
