"""Addresses: whether what one socket binds is what another connects to."""

from __future__ import annotations

import socket
from functools import cache

_ANY = {"*", "0.0.0.0", "::", "[::]", ""}  # noqa: S104 - compared with, not bound


def meets(bound: str, connected: str) -> bool:
    """Whether a socket that connects to one URL reaches, within this machine, the one that has bound the other."""
    connected = tcp_target(connected)
    if bound == connected:
        return True
    if not (bound.startswith("tcp://") and connected.startswith("tcp://")):
        return False
    here, port = host_and_port(bound)
    there, other = host_and_port(connected)
    if port != other:
        return False
    return here == there or (_is_local(there) and (here in _ANY or _is_local(here)))


def host_and_port(url: str) -> tuple[str, str]:
    """The two parts of a tcp URL, as they are written."""
    host, _, port = url.removeprefix("tcp://").rpartition(":")
    return host, port


def tcp_target(url: str) -> str:
    """The peer of a tcp URL that names the local address too: ``tcp://source;peer`` (man page ``zmq_tcp``)."""
    return f"tcp://{url.rpartition(';')[2]}" if url.startswith("tcp://") and ";" in url else url


def is_loopback(host: str) -> bool:
    """Whether it is this machine's own address, which no other machine reaches."""
    return host.startswith("127.") or host in {"localhost", "lo", "::1", "[::1]"}


def _is_local(host: str) -> bool:
    return is_loopback(host) or host in _own()


@cache
def _own() -> frozenset[str]:
    import psutil

    found = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
    return frozenset(found | {socket.gethostname()})
