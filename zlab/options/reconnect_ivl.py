"""ZMQ_RECONNECT_IVL and ZMQ_RECONNECT_IVL_MAX: how often to knock at a door that does not open."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zlab.nodes import sink, source
from zlab.options.option import CheckFailed, NotYet, lasting, option
from zlab.patterns.judging import last_failure
from zlab.sockets import PULL, PUSH
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

FIRST = 10
"""Milliseconds before the first retry."""
_AWAY = 0.5  # seconds
_MORE = 3  # retries beyond those that doubling makes


def away(lab: Lab) -> None:
    """Kill who binds, and leave it away for a while."""
    lab.wait_ready()
    lab.kill("server")
    lasting(lab, _AWAY)


def patient(lab: Lab) -> str:
    """Judge that the pauses have doubled."""
    if not last_failure(lab):
        raise NotYet("the server has not gone yet")
    retries = int(lab.connections()["retries"].iloc[-1])
    expected = math.log2(1000 * (lab.snapshot().at - last_failure(lab)) / FIRST)
    if retries > expected + _MORE:
        raise CheckFailed(f"{retries} retries since the server is away, where doubling the pause makes {expected:.0f}")
    return f"{retries} retries since the server is away: each pause is twice the one before."


@option(
    "ZMQ_RECONNECT_IVL, ZMQ_RECONNECT_IVL_MAX",
    without=0,
    see="the retries in lab.connections(): ever fewer, or the same number in each second",
    promise="the pause between two retries doubles, up to the maximum",
    trial="kill the side that binds",
    inject=away,
    check=patient,
    transports=("ipc", "tcp"),
)
def reconnect_ivl(value: int = 1000) -> Topology:
    """Reconnect: a client whose server is away, and that tries again and again.

    With an interval alone each pause is as long, give or take chance. With a maximum above it, each is twice the one
    before until it is reached: a thousand clients do not fall upon a server that is just coming back.

    Args:
        value: the longest pause, in milliseconds; 0 is no doubling. The first is 10.

    Returns:
        Nodes ``client`` and ``server``.

    See the man page ``zmq_setsockopt``.
    """
    connects = PUSH.connect("work", reconnect_ivl=FIRST, reconnect_ivl_max=value)
    return Topology(
        "reconnect_ivl",
        [Node("client", source(rate=100), out=connects), Node("server", sink(), inbox=PULL.bind("work"))],
    )
