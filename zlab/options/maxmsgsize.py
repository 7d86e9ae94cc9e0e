"""ZMQ_MAXMSGSIZE: how large a message may be."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zlab.nodes import sink, source
from zlab.options.option import CheckFailed, NotYet, option, passing
from zlab.patterns.judging import received
from zlab.sockets import PULL, PUSH
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab


def none_too_large(lab: Lab) -> str:
    """Judge that nothing too large has come in, and that who sent it was disconnected."""
    came = Counter(passage.sender for passage in received(lab.passages(), "server"))
    if glut := came["glutton.out"]:
        raise CheckFailed(f"{glut} messages of 100,000 bytes have come in, and the server holds them in memory")
    if not any(event.kind == "disconnect" and event.node == "server" for event in lab.history()):
        raise NotYet("nobody was disconnected yet")
    return f"The glutton was disconnected; {came['client.out']} messages of the other have come."


@option(
    "ZMQ_MAXMSGSIZE",
    without=-1,
    see="who sends too much is disconnected before it is read; everybody else is served",
    promise="no message larger than that comes in",
    trial="a peer sends messages of 100,000 bytes",
    inject=passing(10),
    check=none_too_large,
    transports=("ipc", "tcp"),
)
def maxmsgsize(value: int = 1_000) -> Topology:
    """Largest message: a server, a client, and a glutton that sends a hundred times as much.

    The size stands before the message: libzmq reads it, and hangs up. Without a limit, a stranger's message is taken
    into memory whatever its size. The server has one count for all its peers: how much of it is the glutton's, the
    ledger calls uncertain. Over ``inproc`` a message is handed over, not read.

    Args:
        value: bytes; -1 is no limit.

    Returns:
        Nodes ``client``, ``glutton`` and ``server``.

    See the man page ``zmq_setsockopt``.
    """
    return Topology(
        "maxmsgsize",
        [
            Node("client", source(rate=50), out=PUSH.connect("work")),
            Node("glutton", source(rate=20, size=100_000), out=PUSH.connect("work")),
            Node("server", sink(), inbox=PULL.bind("work", maxmsgsize=value)),
        ],
    )
