"""ZMQ_ROUTER_HANDOVER: who comes last has the name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.nodes import paced
from zlab.options.option import NotYet, lasting, links, option
from zlab.patterns.judging import all_hear, last_failure
from zlab.sockets import DEALER, ROUTER
from zlab.topology import TRANSPORTS, Node, Topology

if TYPE_CHECKING:
    from collections.abc import Callable

    import zmq

    from zlab.lab import Lab

_TRIES = 20  # the server may take a moment to see that one who had the name has gone


def server(requests: zmq.Socket[bytes]) -> None:
    """Answer to the routing id that asks."""
    while True:
        peer, request = requests.recv_multipart()
        requests.send_multipart([peer, request.replace(b"request", b"reply", 1)])


def client(name: str) -> Callable[[zmq.Socket[bytes]], None]:
    """A node that asks, and takes what comes."""

    def ask(requests: zmq.Socket[bytes]) -> None:
        for number in paced(requests, lambda: 100):
            requests.send(f"request {number} of {name}".encode())
            while requests.poll(0):
                requests.recv()

    return ask


def again(lab: Lab) -> None:
    """The first has the name; then the second comes back with it."""
    lab.kill("second")
    for _ in range(_TRIES):
        lab.restart("first")
        before = links(lab)["server → first"].delivered
        lasting(lab, 0.2)
        if links(lab)["server → first"].delivered > before:
            lab.restart("second")
            return
    raise TimeoutError("the server answers to nobody, though the first has come back again and again")


def second_served(lab: Lab) -> str:
    """Judge that who came last is answered."""
    if not last_failure(lab):
        raise NotYet("nobody has come back yet")
    return f"{all_hear(lab.passages(), ['second'], last_failure(lab))} replies to who came last with the name."


@option(
    "ZMQ_ROUTER_HANDOVER",
    without=0,
    see="two peers of one routing id: the second is shut out, or takes the place of the first",
    promise="who comes last with a routing id is served",
    trial="a second client comes with the routing id of the first",
    inject=again,
    check=second_served,
    transports=TRANSPORTS,
)
def router_handover(value: int = 1) -> Topology:
    """Handover: two clients with one routing id, as when one comes back before its old connection has ended.

    Args:
        value: 1 hands the name over, 0 keeps it with who has it.

    Returns:
        Nodes ``server``, ``first`` and ``second``.

    See the man page ``zmq_setsockopt``.
    """
    twin = DEALER.connect("requests", routing_id="twin")
    return Topology(
        "router_handover",
        [
            Node("server", server, requests=ROUTER.bind("requests", router_handover=value)),
            Node("first", client("first"), requests=twin),
            Node("second", client("second"), requests=twin),
        ],
    )
