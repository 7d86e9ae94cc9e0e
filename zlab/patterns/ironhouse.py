"""Ironhouse: encrypted, and the server knows the key of each who may come in (CURVE)."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import zmq

from zlab.nodes import at_least
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.zap import DOMAIN, Authenticator, asks, come, doors, friends_alone, server
from zlab.sockets import REP
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

AGAIN = 500
"""Milliseconds before a stranger that was told nothing tries again."""


def _new_keys(lab: Lab) -> dict[str, bytes]:
    """A stranger's: it knows the server's public key, which is no secret, and nobody knows its own."""
    known: Any = lab.topology["client-1"].sockets["requests"].options["curve_serverkey"]
    public, secret = zmq.curve_keypair()
    return {"curve_serverkey": known, "curve_publickey": public, "curve_secretkey": secret}


def stonehouse() -> Topology:
    """CURVE without an authenticator: encrypted, and the server is who it says; but whoever knows its key comes in."""
    public, secret = zmq.curve_keypair()
    mine, hidden = zmq.curve_keypair()
    keys = {"curve_serverkey": public, "curve_publickey": mine, "curve_secretkey": hidden}
    return Topology(
        "stonehouse",
        [
            *(asks(f"client-{i}", 100, 100, 1000, **keys) for i in range(1, 4)),
            Node("server", server, requests=REP.bind("requests", curve_server=1, curve_secretkey=secret)),
        ],
    )


@pattern(
    Guide(
        title="Ironhouse",
        source="Hintjens, Using ZeroMQ Security",
        rfcs=(23, 25, 26, 27),
        see="all that passes is encrypted; both sides prove their keys, and the authenticator knows whose they are",
        promise="nobody is answered whose key the server does not know",
        failure="a stranger comes with a key of its own",
        inject=come(_new_keys),
        check=friends_alone,
        naive=stonehouse,
        transports=("ipc", "tcp"),
    )
)
def ironhouse(
    clients: int = 3, strangers: int = 0, *, rate: float = 10.0, size: int = 100, hwm: int = 1000
) -> Topology:
    """CURVE and ZAP: encrypted, and a server answers whose key it knows, and nobody else.

    ::

        client-1 REQ ---+
        client-2 REQ ---+--- REP server ......... asks (inproc)
        client-3 REQ ---+                            |
                                             REP authenticator PUSH ------ PULL logbook

    No link leads to the authenticator, for it is libzmq that asks it, within the server's context: its questions and
    answers are counted at its socket, in ``lab.sockets()`` and in its panel, and not drawn; its verdicts are messages
    to the logbook, which are. Who is turned away is an event, and a mark on the timeline.

    Look for the handshake in ``lab.connections()``: it is done when the authenticator has said 200. Run it with
    ``strangers=3``: they come with a key that nobody knows (refused, 400), with a wrong key of the server's (the keys
    do not fit), and with no key at all (different security mechanisms). The keys are made when the topology is, and
    are shown nowhere. A server with keys and without an authenticator is a stonehouse: whoever knows its public key
    comes in; with ``zap_enforce_domain``, as here, nobody does. Over ``inproc`` there is no handshake.

    Args:
        clients: how many ask; each has keys of its own.
        strangers: how many try without: each in one of the three ways in turn.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a message.
        hwm: high-water mark of every socket, in messages; 0 is no limit.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``stranger-1``, ..., ``server``, ``authenticator`` and ``logbook``; the
        server binds ``requests``, the logbook ``verdicts``.

    Raises:
        ValueError: no clients, fewer than no strangers, a negative rate or hwm, fewer than 48 bytes.

    Not in the ZeroMQ Guide: see Pieter Hintjens, "Using ZeroMQ Security", part 2, http://hintjens.com/blog:49; the man
    page ``zmq_curve``, RFC 23/ZMTP, RFC 25/ZMTP-CURVE, RFC 26/CurveZMQ and RFC 27/ZAP.
    """
    at_least(1, clients=clients)
    at_least(0, strangers=strangers, rate=rate, hwm=hwm)
    at_least(48, size=size)
    public, secret = zmq.curve_keypair()
    nodes, known = [], {}
    for name in (f"client-{i}" for i in range(1, clients + 1)):
        mine, hidden = zmq.curve_keypair()
        known[mine] = name
        keys = {"curve_serverkey": public, "curve_publickey": mine, "curve_secretkey": hidden}
        nodes.append(asks(name, rate, size, hwm, **keys))
    mine, hidden = zmq.curve_keypair()
    own = {"curve_publickey": mine, "curve_secretkey": hidden}
    ways = cycle(({**own, "curve_serverkey": public}, {**own, "curve_serverkey": mine}, {}))
    for i, way in zip(range(1, strangers + 1), ways, strict=False):
        nodes.append(asks(f"stranger-{i}", rate, size, hwm, reconnect_ivl=AGAIN, **way))
    house = doors(
        hwm,
        Authenticator(keys=known),
        curve_server=1,
        curve_secretkey=secret,
        zap_domain=DOMAIN,
        zap_enforce_domain=1,
    )
    return Topology("ironhouse", [*nodes, *house])
