"""ZMQ_PROBE_ROUTER: say hello to a ROUTER on connecting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.options.option import NotYet, lasting, links, option
from zlab.sockets import DEALER, ROUTER
from zlab.topology import TRANSPORTS, Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab


def host(door: zmq.Socket[bytes]) -> None:
    """Welcome whoever makes itself known, by the name that it has."""
    while True:
        guest, *_ = door.recv_multipart()
        door.send_multipart([guest, b"welcome, " + guest])


def guest(door: zmq.Socket[bytes]) -> None:
    """Say nothing, and wait to be welcomed."""
    while True:
        door.recv()


def welcomed(lab: Lab) -> str:
    """Judge that the guests were welcomed, though none of them has sent anything."""
    came = {name: link.delivered for name, link in links(lab).items() if name.startswith("host")}
    if not all(came.values()):
        raise NotYet("a guest was not welcomed: the host does not know that it is there")
    return f"{sum(came.values())} guests were welcomed, and none has said a word."


@option(
    "ZMQ_PROBE_ROUTER",
    without=0,
    see="a ROUTER speaks first, to peers that have not said a word",
    promise="a ROUTER hears of a peer as soon as it has connected",
    trial="say nothing",
    inject=lambda lab: lasting(lab, 0.2),
    check=welcomed,
    transports=TRANSPORTS,
)
def probe_router(value: int = 1) -> Topology:
    """Probe: two guests connect to a ROUTER and wait for its first word.

    A ROUTER can send to none of whom it does not know the routing id, and learns it from a message. With this option
    libzmq itself sends an empty one on each new connection, which the ROUTER's program receives.

    Args:
        value: 1 sends the empty message, 0 does not.

    Returns:
        Nodes ``host``, ``guest-1`` and ``guest-2``.

    See the man page ``zmq_setsockopt``.
    """
    return Topology(
        "probe_router",
        [
            Node("host", host, door=ROUTER.bind("door")),
            *(
                Node(f"guest-{i}", guest, door=DEALER.connect("door", probe_router=value, routing_id=f"guest-{i}"))
                for i in (1, 2)
            ),
        ],
    )
