"""What this installation of ZeroMQ can do, and how to get what it lacks."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.sockets import DRAFTS, PUBLISHERS, SUBSCRIBERS, SocketType, TopologyError
from zlab.topology import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zlab.topology import Topology

_PUBLISH = PUBLISHERS | SUBSCRIBERS
_DATAGRAM = frozenset({SocketType.RADIO, SocketType.DISH})
CARRIES = {"pgm": _PUBLISH, "epgm": _PUBLISH, "norm": _PUBLISH, "udp": _DATAGRAM}
"""Transports that carry some socket types alone (man pages ``zmq_pgm``, ``zmq_udp``)."""
SAFE = frozenset({SocketType.SCATTER, SocketType.GATHER, SocketType.CHANNEL})
"""Draft types that work over inproc without the draft API; over tcp and ipc they abort the process."""

_PIP = "pip install --no-cache-dir --force-reinstall --no-binary pyzmq pyzmq"
_DEBIAN = f"build pyzmq on Debian's libzmq, which has it: apt install libzmq3-dev && PYZMQ_NO_BUNDLE=1 {_PIP}"
_SOURCE = f"build libzmq from source with {{}}, then pyzmq on it: PYZMQ_NO_BUNDLE=1 {_PIP}"
_DRAFTS = f"build pyzmq and its libzmq with the draft API: ZMQ_PREFIX=bundled ZMQ_DRAFT_API=1 {_PIP}"


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing that an installation of ZeroMQ has or lacks."""

    name: str
    what: str
    """What it is, in a few words."""
    there: bool
    remedy: str = ""
    """How to get it."""


def transports() -> tuple[Ability, ...]:
    """Every transport that libzmq knows, and whether it can be used here."""
    pgm = zmq.has("pgm")
    return (
        Ability("inproc", "threads of one context", there=True),
        Ability("ipc", "processes of one machine", zmq.has("ipc"), "use tcp: this system has no Unix domain sockets"),
        Ability("tcp", "machines on a network", there=True),
        Ability("ws", "WebSocket", _has("ws"), _DEBIAN),
        Ability("wss", "WebSocket over TLS", _has("wss"), _SOURCE.format("-DENABLE_DRAFTS=ON -DWITH_TLS=ON")),
        Ability(
            "pgm",
            "multicast, raw packets",
            pgm and os.geteuid() == 0,
            f"use epgm; this one sends raw packets, and aborts the process unless it is root's: {_DEBIAN}",
        ),
        Ability("epgm", "multicast, within UDP", pgm, _DEBIAN),
        Ability("norm", "multicast, NACK-oriented (RFC 5740)", _has("norm"), _DEBIAN),
        Ability("udp", "datagrams, RADIO to DISH", drafts(), _DRAFTS),
        Ability(
            "tipc",
            "clusters on Linux",
            zmq.has("tipc") and _kernel_has_tipc(),
            "load the kernel's module: modprobe tipc" if zmq.has("tipc") else _DEBIAN,
        ),
        Ability("vmci", "virtual machines and their host", _has("vmci"), _SOURCE.format("VMCI, on VMware")),
    )


def security() -> tuple[Ability, ...]:
    """The mechanisms of ZMTP that need a library."""
    return (
        Ability("curve", "encryption and keys (RFC 26)", zmq.has("curve"), _SOURCE.format("libsodium")),
        Ability("gssapi", "Kerberos", zmq.has("gssapi"), _DEBIAN),
    )


def drafts() -> bool:
    """Whether libzmq and pyzmq were both built with the draft API."""
    return bool(zmq.has("draft") and zmq.DRAFT_API)


def draft_sockets() -> Ability:
    """The socket types of the draft API."""
    return Ability("drafts", ", ".join(sorted(DRAFTS)), drafts(), _DRAFTS)


def refuse(topology: Topology, transport: str) -> None:
    """Refuse a topology that needs what this installation lacks, before anything is opened.

    Args:
        topology: what is to run.
        transport: what its bare endpoint names become.

    Raises:
        TopologyError: it names the socket, what is missing, and how to get it.
    """
    known = {ability.name: ability for ability in transports()}
    for name, spec in topology.sockets():
        for used in _used(spec.endpoints, transport):
            ability = known[used]
            if not ability.there:
                raise TopologyError(
                    f"{name}: this installation of ZeroMQ has no {used} ({ability.what}): {ability.remedy}; "
                    f"zlab doctor tells what it has"
                )
            if spec.type is SocketType.STREAM and used != "tcp":
                raise TopologyError(f"{name} is STREAM, which speaks plain TCP, and cannot use {used}: use tcp")
            if spec.type not in CARRIES.get(used, {spec.type}):
                can = ", ".join(sorted(CARRIES[used]))
                raise TopologyError(f"{name} is {spec.type}, which {used} does not carry: it carries {can}")
            if spec.type in DRAFTS and not drafts() and not (spec.type in SAFE and used == "inproc"):
                over = f" over {used}" if spec.type in SAFE else ""
                raise TopologyError(
                    f"{name} is {spec.type}, a draft socket type that this installation does not have{over}: "
                    f"{_DRAFTS}; zlab doctor tells what it has"
                )


def _used(endpoints: Iterable[str], transport: str) -> Iterable[str]:
    return (endpoint.partition("://")[0] if is_url(endpoint) else transport for endpoint in endpoints)


def _has(capability: str) -> bool:
    return bool(zmq.has(capability) or zmq.has(capability.upper()))  # libzmq spells some of them in upper case


def _kernel_has_tipc() -> bool:
    family = getattr(socket, "AF_TIPC", None)
    if family is None:
        return False
    try:
        with socket.socket(family, socket.SOCK_STREAM):
            return True
    except OSError:
        return False
