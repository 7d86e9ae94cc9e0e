"""``copy=False``: send what stands in a buffer, without copying it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.nodes import sink
from zlab.options.option import NotYet, option, passing
from zlab.patterns.judging import received
from zlab.sockets import PAIR, PULL, PUSH
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Callable

    import zmq

    from zlab.lab import Lab

_SIZE = 100_000  # bytes: pyzmq copies what is smaller than zmq.COPY_THRESHOLD, 65,536, whatever it is told


def painter(lends: int) -> Callable[..., None]:
    """A node that sends a picture and paints over it at once, and only then has it looked at."""

    def paint(pictures: zmq.Socket[bytes], done: zmq.Socket[bytes]) -> None:
        for number in range(_PICTURES):
            canvas = bytearray(b"before %d".ljust(_SIZE, b".") % number)
            if lends:
                pictures.send(canvas, copy=False)
            else:
                pictures.send(canvas)
            canvas[:6] = b"after "
            done.send(b"look at %d" % number)
            done.recv()

    return paint


def viewer(pictures: zmq.Socket[bytes], done: zmq.Socket[bytes], reports: zmq.Socket[bytes]) -> None:
    """Look at each picture when told, and report what it shows."""
    while True:
        told = done.recv()
        reports.send(b"saw " + pictures.recv()[:10].rstrip(b"."))
        done.send(told.replace(b"look at", b"have seen"))


_PICTURES = 5


def shared(lab: Lab) -> str:
    """Judge that what arrived is what the buffer held in the end."""
    came = [p.body for p in received(lab.passages(), "album")]
    if len(came) < _PICTURES:
        raise NotYet(f"{len(came)} pictures so far")
    if old := sum(b"before" in report for report in came):
        raise NotYet(f"{old} of {len(came)} pictures show what was there when send was called: they were copied")
    return f"All {len(came)} pictures show what was painted after send had returned: nothing was copied."


@option(
    "copy=False",
    without=0,
    see="a buffer that is changed after send: the receiver sees the change, or a copy of before",
    promise="the message is the buffer itself",
    trial="change the buffer after it was sent",
    inject=passing(_PICTURES),
    check=shared,
    transports=("inproc",),
    source="man page zmq_msg_init_data",
)
def zero_copy(value: int = 1) -> Topology:
    """Zero-copy: a painter sends a large canvas without copying it, and paints over it.

    ``send`` returns at once, and the buffer is lent until ZeroMQ has done with it: ``send(..., copy=False,
    track=True)`` returns a tracker whose ``done`` tells. Lending costs some microseconds of its own: ``zlab bench
    --copy`` measures from which size on it is worth it. Over ``ipc`` and ``tcp`` the bytes are read when they go out,
    before or after the change.

    Args:
        value: 1 lends the buffer, 0 copies it.

    Returns:
        Nodes ``painter``, ``viewer`` and ``album``.

    See the man page ``zmq_msg_init_data``, and the ZeroMQ Guide, chapter 2, "Zero-Copy".
    """
    return Topology(
        "zero_copy",
        [
            Node("painter", painter(value), pictures=PUSH.bind("pictures"), done=PAIR.bind("done")),
            Node(
                "viewer",
                viewer,
                pictures=PULL.connect("pictures"),
                done=PAIR.connect("done"),
                reports=PUSH.connect("reports"),
            ),
            Node("album", sink(), inbox=PULL.bind("reports")),
        ],
    )
