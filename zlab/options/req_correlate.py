"""ZMQ_REQ_CORRELATE: take only the reply to the last request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zlab.nodes import paced
from zlab.options.option import CheckFailed, NotYet, option, passing
from zlab.sockets import REQ, ROUTER
from zlab.topology import TRANSPORTS, Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab

_ENOUGH = 5  # requests
_SAID = re.compile(rb"request (\d+), after reply (\d+)")


def client(requests: zmq.Socket[bytes]) -> None:
    """Ask, and say which reply came last."""
    reply = b"reply 0"
    for number in paced(requests, lambda: 100):
        requests.send(b"request %d, after %s" % (number + 1, reply))
        reply = requests.recv()


def forgetful(requests: zmq.Socket[bytes]) -> None:
    """Answer the request before once more, and then this one."""
    before: list[bytes] = []
    while True:
        *envelope, request = requests.recv_multipart()
        if before:
            requests.send_multipart(before)
        before = [*envelope, request.partition(b",")[0].replace(b"request", b"reply")]
        requests.send_multipart(before)


def in_step(lab: Lab) -> str:
    """Judge that the client was told, each time, what it had asked."""
    said = [_SAID.match(p.body) for p in lab.passages() if p.sender == "client.requests"]
    steps = [(int(each[1]), int(each[2])) for each in said if each]
    for request, reply in steps:
        if reply != request - 1:
            raise CheckFailed(f"request {request - 1} was answered by reply {reply}")
    if len(steps) < _ENOUGH:
        raise NotYet(f"{len(steps)} requests so far")
    return f"{len(steps)} requests, each with the reply to it, though the server has answered most of them twice."


@option(
    "ZMQ_REQ_CORRELATE",
    without=0,
    see="a server answers twice: the second answer is taken for the next one, or is dropped",
    promise="a reply is the reply to the last request",
    trial="the server answers every request twice",
    inject=passing(10),
    check=in_step,
    transports=TRANSPORTS,
)
def req_correlate(value: int = 1) -> Topology:
    """Correlate: a REQ, and a server that repeats what it has said before.

    With this option libzmq puts a number before the request, in a frame of its own that the reply brings back; what
    has another number is dropped. The REQ's program never sees it; a ROUTER does, in the envelope.

    Args:
        value: 1 compares the numbers, 0 sends none.

    Returns:
        Nodes ``client`` and ``server``.

    See the man page ``zmq_setsockopt``.
    """
    return Topology(
        "req_correlate",
        [
            Node("client", client, requests=REQ.connect("requests", req_correlate=value)),
            Node("server", forgetful, requests=ROUTER.bind("requests")),
        ],
    )
