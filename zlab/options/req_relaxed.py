"""ZMQ_REQ_RELAXED: ask again without having been answered."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import echo
from zlab.options.option import NotYet, option
from zlab.patterns.judging import all_hear, last_failure
from zlab.patterns.pattern import WITHIN, another_tick
from zlab.patterns.trying import restart
from zlab.sockets import REP, REQ
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab
    from zlab.ledger.snapshot import Snapshot

_PATIENCE = 50  # milliseconds that a client waits for its answer


def client(requests: zmq.Socket[bytes]) -> None:
    """Ask, wait a little, ask again."""
    number = 0
    while True:
        number += 1
        with suppress(zmq.ZMQError):  # EFSM: a request is under way
            requests.send(b"request %d" % number)
        if requests.poll(_PATIENCE):
            requests.recv()


def restart_amid(lab: Lab) -> None:
    """Restart the server while it has a request: between two of them nobody would miss it."""
    lab.pause("server")
    lab.wait(until=_asked, timeout=WITHIN)
    another_tick(lab)  # until then the request has come there
    restart("server")(lab)
    lab.resume("server")


def _asked(now: Snapshot) -> bool:
    sent = {socket.name: socket.sent for socket in now.sockets}
    return sent["client.requests"] > sent["server.requests"]


def answered(lab: Lab) -> str:
    """Judge that the client is answered since the server is back."""
    if not last_failure(lab):
        raise NotYet("the server has not been away yet")
    return f"{all_hear(lab.passages(), ['client'], last_failure(lab))} replies since the server is back."


@option(
    "ZMQ_REQ_RELAXED",
    without=0,
    see="restart the server: a REQ stands for ever, or asks again on the same socket",
    promise="a request that was lost does not hold the socket up",
    trial="restart the server while it has a request",
    inject=restart_amid,
    check=answered,
    transports=("ipc", "tcp"),
)
def req_relaxed(value: int = 1) -> Topology:
    """Relaxed: a REQ that may ask again, where its request or the reply is lost.

    A REQ sends and receives in turn, and a reply that never comes ends it: another ``send`` raises EFSM, and the Lazy
    Pirate opens a new socket. With this option it may send; the connection of the old request is given up.

    Args:
        value: 1 allows it, 0 keeps to the turns; ZMQ_REQ_CORRELATE goes with it, as the man page advises.

    Returns:
        Nodes ``client`` and ``server``.

    See the man page ``zmq_setsockopt``, and the ZeroMQ Guide, chapter 4, "Client-Side Reliability".
    """
    asks = REQ.connect("requests", req_relaxed=value, req_correlate=value, reconnect_ivl=10)
    return Topology(
        "req_relaxed",
        [Node("client", client, requests=asks), Node("server", echo(seconds=0.005), requests=REP.bind("requests"))],
    )
