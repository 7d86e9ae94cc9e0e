"""Woodhouse: who knows a name and its password comes in (PLAIN)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from zlab.nodes import at_least
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.zap import DOMAIN, Authenticator, asks, come, doors, friends_alone, server
from zlab.secret import Secret
from zlab.sockets import REP
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

GUESSED = b"mellon"
"""What strangers try."""


def _guessed(lab: Lab) -> dict[str, bytes]:
    """A stranger's name and password, where it is asked for them."""
    asked = "plain_server" in lab.topology["server"].sockets["requests"].options
    return {"plain_username": b"client-1", "plain_password": GUESSED} if asked else {}


def grasslands() -> Topology:
    """NULL, as ZeroMQ does where it is not told otherwise: everybody comes in, and is whom they say."""
    return Topology(
        "grasslands",
        [
            *(asks(f"client-{i}", 100, 100, 1000) for i in range(1, 4)),
            Node("server", server, requests=REP.bind("requests")),
        ],
    )


@pattern(
    Guide(
        title="Woodhouse",
        source="Hintjens, Using ZeroMQ Security",
        rfcs=(23, 24, 27),
        see="names and passwords, asked for by ZAP; the authenticator is a node, and its verdicts are messages",
        promise="nobody is answered who does not know a name and its password",
        failure="a stranger comes with a wrong password",
        inject=come(_guessed),
        check=friends_alone,
        naive=grasslands,
        transports=("ipc", "tcp"),
    )
)
def woodhouse(
    clients: int = 3, strangers: int = 0, *, rate: float = 10.0, size: int = 100, hwm: int = 1000
) -> Topology:
    """PLAIN and ZAP: a server answers who knows a name and its password, and nobody else.

    ::

        client-1 REQ ---+
        client-2 REQ ---+--- REP server ......... asks (inproc)
        client-3 REQ ---+                            |
                                             REP authenticator PUSH ------ PULL logbook

    No link leads to the authenticator, for it is libzmq that asks it, within the server's context: its questions and
    answers are counted at its socket, in ``lab.sockets()`` and in its panel, and not drawn; its verdicts are messages
    to the logbook, which are. Who is turned away is an event, and a mark on the timeline.

    Look for the handshake in ``lab.connections()``: it is done when the authenticator has said 200. Run it with
    ``strangers=1``, and the reason stands there why the stranger's is not: authentication, refused (400). Kill the
    authenticator, and restart a client: nobody lets it in before the authenticator is restarted. PLAIN sends the
    password as it is: it keeps strangers out of a network that you trust, and nothing secret. Over ``inproc`` there
    is no handshake.

    Args:
        clients: how many ask; each has a name, and a password that is made up when the topology is.
        strangers: how many try with the first client's name, and a wrong password.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a message.
        hwm: high-water mark of every socket, in messages; 0 is no limit.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``stranger-1``, ..., ``server``, ``authenticator`` and ``logbook``; the
        server binds ``requests``, the logbook ``verdicts``.

    Raises:
        ValueError: no clients, fewer than no strangers, a negative rate or hwm, fewer than 48 bytes.

    Not in the ZeroMQ Guide: see Pieter Hintjens, "Using ZeroMQ Security", part 2, http://hintjens.com/blog:49; the man
    page ``zmq_plain``, RFC 23/ZMTP, RFC 24/ZMTP-PLAIN and RFC 27/ZAP.
    """
    at_least(1, clients=clients)
    at_least(0, strangers=strangers, rate=rate, hwm=hwm)
    at_least(48, size=size)
    names = [f"client-{i}" for i in range(1, clients + 1)]
    passwords = {name: Secret(secrets.token_urlsafe(12).encode()) for name in names}
    who = [(name, name, password) for name, password in passwords.items()]
    who += [(f"stranger-{i}", names[0], Secret(GUESSED)) for i in range(1, strangers + 1)]
    return Topology(
        "woodhouse",
        [
            *(asks(node, rate, size, hwm, plain_username=n, plain_password=word) for node, n, word in who),
            *doors(hwm, Authenticator(passwords), plain_server=1, zap_domain=DOMAIN, zap_enforce_domain=1),
        ],
    )
