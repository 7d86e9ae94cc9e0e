"""ZMQ_SNDMORE: frames that belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from zlab.nodes import paced
from zlab.options.option import CheckFailed, NotYet, option, passing
from zlab.patterns.judging import received
from zlab.sockets import PULL, PUSH
from zlab.topology import TRANSPORTS, Node, Topology

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.lab import Lab

_ENOUGH = 6  # reports


def sender(more: int) -> Callable[[zmq.Socket[bytes]], None]:
    """A node that sends a header and a body: as one message, or as two."""

    def send(out: zmq.Socket[bytes]) -> None:
        for number in paced(out, lambda: 100):
            out.send(b"header %d" % number, zmq.SNDMORE if more else 0)
            out.send(b"body %d" % number)

    return send


def worker(inbox: zmq.Socket[bytes], reports: zmq.Socket[bytes]) -> None:
    """Take a header and what comes after it, and report the two."""
    while True:
        header = inbox.recv()
        reports.send(header + b" with " + inbox.recv())


def together(lab: Lab) -> str:
    """Judge that each header came with its body."""
    came = [p.body for p in received(lab.passages(), "reader")]
    for report in came:
        header, _, body = report.partition(b" with ")
        if body != header.replace(b"header", b"body"):
            raise CheckFailed(f"{report.decode()!r}: header and body were dealt to different workers")
    if len(came) < _ENOUGH:
        raise NotYet(f"{len(came)} reports so far")
    return f"{len(came)} headers, each with its body."


@option(
    "ZMQ_SNDMORE",
    without=0,
    see="a header and its body: always with the same worker, or dealt out apart",
    promise="the frames of a message arrive together, all or none",
    trial="two workers share the messages",
    inject=passing(20),
    check=together,
    transports=TRANSPORTS,
    source="man page zmq_send",
)
def multipart(value: int = 1) -> Topology:
    """Multipart: a header and a body for two workers, in one message or in two.

    A message of several frames is one to every pattern: dealt out, dropped and queued as a whole. It is held in
    memory until its last frame is there, so it is no way to send what is too large.

    Args:
        value: 1 sends both as one message, 0 as two.

    Returns:
        Nodes ``sender``, ``worker-1``, ``worker-2`` and ``reader``.

    See the man page ``zmq_send``, and the ZeroMQ Guide, chapter 2, "Multipart Messages".
    """
    return Topology(
        "multipart",
        [
            Node("sender", sender(value), out=PUSH.bind("work")),
            *(Node(f"worker-{i}", worker, inbox=PULL.connect("work"), reports=PUSH.connect("reports")) for i in (1, 2)),
            Node("reader", reader, inbox=PULL.bind("reports")),
        ],
    )


def reader(inbox: zmq.Socket[bytes]) -> None:
    """Receive the reports."""
    while True:
        inbox.recv()
