"""ZAP: whom ZeroMQ asks whether a client may come in (RFC 27), and who tries without being asked."""

from __future__ import annotations

import hmac
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import zmq
from zmq.utils import z85

from zlab.checks import CheckFailed
from zlab.nodes import padded
from zlab.patterns.judging import all_hear, called, home
from zlab.patterns.pattern import WITHIN
from zlab.patterns.request_reply import Client
from zlab.sockets import PULL, PUSH, REP, REQ
from zlab.topology import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zlab.lab import Lab
    from zlab.ledger.snapshot import Snapshot
    from zlab.secret import Secret
    from zlab.sockets import OptionValue

HANDLER = "inproc://zeromq.zap.01"
"""Where libzmq asks: within the context of the socket that a client knocks at."""
DOMAIN = "friends"
"""What the server calls those whom it lets in; with a domain, and ``zap_enforce_domain``, no handler is no entry."""
PATIENCE = 1000
"""Milliseconds after which a client tries again that was told neither yes nor no, as where nobody could be asked."""
STRANGER = b"stranger"
_FRAMES = 6  # of a request, before its credentials
_KEY = 32  # bytes of a public key
_KNOCKS = 3  # messages that a stranger sends
_SETTLED = 0.5  # seconds after which the lab has told of an answer, though nobody in it has received that
_HEARD = 0.05  # seconds between two looks at what has become of it


@dataclass
class Authenticator:
    """Let in whom it knows: by name and password (PLAIN, RFC 24), or by public key (CURVE, RFC 26).

    A request has the frames version, request id, domain, address, identity and mechanism, and then the credentials;
    a reply version, request id, status code and text, the name by which the client is known from now on, and metadata.
    """

    passwords: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    """By name."""
    keys: Mapping[bytes, str] = field(default_factory=dict, repr=False)
    """The names, by public key, in Z85."""

    def __call__(self, zap: zmq.Socket[bytes], verdicts: zmq.Socket[bytes]) -> None:
        """Answer, and tell the logbook."""
        number = 0
        while True:
            frames = zap.recv_multipart()
            if len(frames) < _FRAMES or frames[0] != b"1.0":
                zap.send_multipart([b"1.0", *(frames[1:2] or [b""]), b"500", b"this is no ZAP request", b"", b""])
                continue
            version, request, _, address, _, mechanism, *credentials = frames
            name, why = self.known(mechanism, credentials)
            status = b"400" if why else b"200"
            zap.send_multipart([version, request, status, why.encode() or b"OK", name.encode(), b""])
            number += 1
            told = f"{status.decode()} {name or why}, by {mechanism.decode()} from {address.decode()}, number {number}"
            with suppress(zmq.Again):  # a full logbook is no reason to keep everybody waiting
                verdicts.send(told.encode(), zmq.NOBLOCK)

    def known(self, mechanism: bytes, credentials: list[bytes]) -> tuple[str, str]:
        """The name of who shows these credentials, or why there is none."""
        if mechanism == b"PLAIN" and len(credentials) == 2:  # noqa: PLR2004 - a name and a password
            name = credentials[0].decode("utf-8", "replace")
            wanted = self.passwords.get(name)
            if wanted is None:
                return "", "nobody of that name"
            right = hmac.compare_digest(wanted.reveal(), credentials[1])
            return (name, "") if right else ("", f"wrong password for {name}")
        if mechanism == b"CURVE" and [len(each) for each in credentials] == [_KEY]:
            key = z85.encode(credentials[0])
            return self.keys.get(key, ""), "" if key in self.keys else f"unknown key {key[:5].decode()}..."
        return "", "it does not say who it is"


def logbook(verdicts: zmq.Socket[bytes]) -> None:
    """Keep what the authenticator has decided."""
    while True:
        verdicts.recv()


def server(requests: zmq.Socket[bytes]) -> None:
    """Answer each request, in the name by which the authenticator knows who sent it."""
    while True:
        request = requests.recv(copy=False)
        _, number, _, claimed = request.bytes.rstrip(b".").split(b" ", 3)
        try:
            name = str(request.get("User-Id"))  # what the message says of itself proves nothing
        except zmq.ZMQError:  # nobody was asked who it is
            name = claimed.decode("utf-8", "replace")
        requests.send(padded(f"reply {number.decode()} of {name}", len(request)))


def doors(hwm: int, authenticator: Authenticator, **options: OptionValue) -> list[Node]:
    """The server, whose socket has these options, and who decides for it."""
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    return [
        Node("server", server, requests=REP.bind("requests", **marks, **options)),
        Node(
            "authenticator",
            authenticator,
            zap=REP.bind(HANDLER, **marks),
            verdicts=PUSH.connect("verdicts", sndhwm=hwm),
        ),
        Node("logbook", logbook, verdicts=PULL.bind("verdicts", rcvhwm=hwm)),
    ]


def asks(name: str, rate: float, size: int, hwm: int, **options: OptionValue) -> Node:
    """A client, whose socket has these options."""
    marks = {"sndhwm": hwm, "rcvhwm": hwm, "handshake_ivl": PATIENCE}
    return Node(name, Client(name, rate, size), requests=REQ.connect("requests", **marks, **options))


def come(options: Callable[[Lab], Mapping[str, bytes]]) -> Callable[[Lab], None]:
    """A stranger comes: another program, with another context, that knocks and sends requests; then it goes.

    Args:
        options: tells those of its socket.
    """

    def inject(lab: Lab) -> None:
        before = sum(event.kind == "handshake failed" for event in lab.history())
        with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
            stranger.linger = 0
            for option, value in options(lab).items():
                stranger.set(zmq.SocketOption[option.upper()], value)
            stranger.connect(lab.endpoints["requests"])
            for number in range(_KNOCKS):
                stranger.send_multipart([b"", b"request %d of %s" % (number, STRANGER)])
            for _ in range(round(WITHIN / _HEARD)):
                if sum(event.kind == "handshake failed" for event in lab.history()) > before:
                    return
                if stranger.poll(round(_HEARD * 1000)):
                    until = lab.snapshot().at + _SETTLED
                    lab.wait(until=partial(_past, until), timeout=WITHIN)
                    return
        raise TimeoutError(f"within {WITHIN:g} s the stranger was neither turned away nor served")

    return inject


def _past(moment: float, snapshot: Snapshot) -> bool:
    return snapshot.at > moment


def friends_alone(lab: Lab) -> str:
    """Judge that the server has answered nobody but its friends, and goes on to answer them."""
    passages = lab.passages()
    clients = called(lab, "client")
    for passage in passages:
        said = passage.body.decode("utf-8", "replace")
        if passage.sender == "server.requests" and said and said.rpartition(" of ")[2] not in clients:
            raise CheckFailed(f"the server has answered {said!r}, to nobody that it knows; see lab.events()")
    knocked = max((e.at for e in lab.history() if e.node == "server" and e.kind in _KNOCKING), default=0.0)
    all_hear(passages, clients, knocked)
    refused = [e.detail for e in lab.history() if e.node == "server" and e.kind in _REFUSED]
    why = dict.fromkeys(_COUNT.sub("", detail).partition(": ")[2] for detail in refused)
    return f"{home(passages, clients)} replies, each to a friend; turned away: {', '.join(why) or 'nobody'}."


_REFUSED = {"handshake failed"}
_KNOCKING = {"accept", *_REFUSED}
_COUNT = re.compile(r" \(\d+ times\)$")
