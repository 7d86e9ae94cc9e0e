"""Mute: a program that connects and falls silent, before it has said who it is, or after."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import closing
from typing import TYPE_CHECKING

from zlab.options.option import CheckFailed, NotYet
from zlab.patterns.pattern import WITHIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.lab import Lab

# RFC 23/ZMTP 3.0: signature, version, mechanism, as-server, filler; then the command READY.
_GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
_STAYS = 1.2  # seconds


def _ready(kind: bytes) -> bytes:
    body = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    return struct.pack("BB", 4, len(body)) + body


def mute(endpoint: str, *, after: str = "") -> Callable[[Lab], None]:
    """Connect to this endpoint and stay for a second, silent, or until the other side hangs up.

    Args:
        endpoint: its name in the topology.
        after: the socket type that it says it is, before it falls silent; "" says nothing at all.
    """

    def inject(lab: Lab) -> None:
        host, port = lab.endpoints[endpoint].removeprefix("tcp://").split(":")
        with closing(socket.create_connection((host, int(port)), WITHIN)) as peer:
            if after:
                peer.sendall(_GREETING + _ready(after.encode()))
            until = time.monotonic() + _STAYS
            peer.settimeout(_STAYS)
            try:
                while peer.recv(4096):
                    peer.settimeout(max(0.001, until - time.monotonic()))
            except OSError:  # it stays silent too, or hangs up without a word
                pass

    return inject


def hung_up(lab: Lab, node: str) -> float:
    """For how many seconds this node has put up with who came last.

    Raises:
        CheckFailed: for as long as that stayed.
        NotYet: nobody has come and gone.
    """
    came = [event.at for event in lab.history() if event.node == node and event.kind == "accept"]
    went = [event.at for event in lab.history() if event.node == node and event.kind == "disconnect"]
    if not came or not went or went[-1] < came[-1]:
        raise NotYet(f"nobody has come to {node} and gone")
    stayed = went[-1] - came[-1]
    if stayed > _STAYS * 0.8:
        raise CheckFailed(f"{node} put up with a peer that said nothing for {stayed:.1f} s, until that went by itself")
    return stayed
