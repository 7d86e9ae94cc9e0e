"""ZMQ_LINGER: how long what was sent may still go out once the socket is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.nodes import padded, work
from zlab.options.option import NotYet, links, option
from zlab.sockets import PULL, PUSH
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

_LETTERS = 200
_SMALL = 8192  # bytes of the kernel's buffers


def hasty(out: zmq.Socket[bytes]) -> None:
    """Send all, close the socket, and be gone."""
    for number in range(_LETTERS):
        out.send(padded(f"letter {number}", 1000))
    out.close()


def slow(inbox: zmq.Socket[bytes]) -> None:
    """Take a millisecond for each."""
    while True:
        inbox.recv()
        work(inbox, 0.001)


def gone(lab: Lab) -> None:
    """Wait until the sender has closed."""
    lab.wait(until=lambda snapshot: snapshot.nodes[0].state == "finished")


def all_came(lab: Lab) -> str:
    """Judge that all that was sent has come."""
    link = links(lab)["hasty → receiver"]
    if link.delivered < _LETTERS:
        raise NotYet(f"{link.delivered} of {_LETTERS} letters have come; the sender has closed its socket")
    return f"All {_LETTERS} letters have come, most of them after their socket was closed."


@option(
    "ZMQ_LINGER",
    without=0,
    see="a sender closes at once; what it has sent goes on arriving, or is lost",
    promise="what was sent before the close still goes out, for so long",
    trial="the sender closes its socket at once",
    inject=gone,
    check=all_came,
    transports=("tcp",),
)
def linger(value: int = 3000) -> Topology:
    """Linger: a PUSH sends two hundred letters and closes; with ``linger=0`` most of them are gone.

    ``send`` only queues. Where a socket is closed with -1, ZeroMQ's own, the context does not end before all is sent,
    and hangs where nobody takes it; with 0 all that still waits is dropped. Over ``inproc`` a message that was sent
    is in its peer's queue already. Over ``ipc`` libzmq 4.3.5 loses, whatever the option, what a receiver at its
    high-water mark has not read when the other side closes.

    Args:
        value: milliseconds; 0 drops, -1 waits for ever.

    Returns:
        Nodes ``hasty`` and ``receiver``.

    See the man pages ``zmq_setsockopt`` and ``zmq_ctx_term``.
    """
    return Topology(
        "linger",
        [
            Node("hasty", hasty, out=PUSH.connect("letters", linger=value, sndhwm=0, sndbuf=_SMALL)),
            Node("receiver", slow, inbox=PULL.bind("letters", rcvhwm=10, rcvbuf=_SMALL)),
        ],
    )
