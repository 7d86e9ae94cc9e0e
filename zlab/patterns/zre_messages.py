"""The ZeroMQ Realtime Exchange Protocol, RFC 36: its messages and its beacon, to the octet."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNATURE, VERSION = b"\xaa\xa1", 2
BEACON = b"ZRE\x01"
LOOPBACK = "127.255.255.255"
"""The broadcast address of this machine's own network: what is said there does not leave it."""
_HEAD, _BODY = struct.Struct("!2sBBH"), struct.Struct("!4s16sH")
_MOST = 1000  # groups or headers that a HELLO may have


class Kind(IntEnum):
    """What a message is."""

    HELLO = 1
    WHISPER = 2
    SHOUT = 3
    JOIN = 4
    LEAVE = 5
    PING = 6
    PING_OK = 7


@dataclass
class Message:
    """One message; which of its fields count depends on its kind."""

    kind: Kind
    sequence: int = 0
    endpoint: str = ""
    groups: tuple[str, ...] = ()
    status: int = 0
    name: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    group: str = ""
    content: tuple[bytes, ...] = ()

    @property
    def frames(self) -> list[bytes]:
        """As it is sent."""
        octets = _HEAD.pack(SIGNATURE, self.kind, VERSION, self.sequence)
        if self.kind == Kind.HELLO:
            octets += _string(self.endpoint) + len(self.groups).to_bytes(4) + b"".join(map(_long, self.groups))
            octets += self.status.to_bytes(1) + _string(self.name) + len(self.headers).to_bytes(4)
            octets += b"".join(_string(name) + _long(value) for name, value in self.headers.items())
        elif self.kind == Kind.SHOUT:
            octets += _string(self.group)
        elif self.kind in {Kind.JOIN, Kind.LEAVE}:
            octets += _string(self.group) + self.status.to_bytes(1)
        return [octets, *self.content]

    @classmethod
    def parse(cls, frames: Sequence[bytes]) -> Message:
        """Read what has come.

        Raises:
            ValueError: it is malformed, or of another protocol or version.
        """
        octets = Octets(frames[0] if frames else b"")
        signature, kind, version = octets.take(2), octets.number(1), octets.number(1)
        if signature != SIGNATURE or version != VERSION:
            raise ValueError(f"signature {signature.hex()}, version {version}: no message of ZRE 2")
        message = cls(Kind(kind), octets.number(2))
        if kind == Kind.HELLO:
            message.endpoint = octets.string(1)
            message.groups = tuple(octets.string(4) for _ in range(octets.count()))
            message.status, message.name = octets.number(1), octets.string(1)
            message.headers = {octets.string(1): octets.string(4) for _ in range(octets.count())}
        elif kind in {Kind.SHOUT, Kind.JOIN, Kind.LEAVE}:
            message.group = octets.string(1)
            message.status = 0 if kind == Kind.SHOUT else octets.number(1)
        message.content = tuple(frames[1:])
        if octets.left or (message.content and kind not in {Kind.WHISPER, Kind.SHOUT}):
            raise ValueError("there is more to it than there should be")
        return message


class Octets:
    """A frame, read from its beginning."""

    def __init__(self, frame: bytes) -> None:
        """Begin."""
        self.left = frame

    def take(self, count: int) -> bytes:
        """So many octets.

        Raises:
            ValueError: there are fewer.
        """
        taken, self.left = self.left[:count], self.left[count:]
        if len(taken) < count:
            raise ValueError(f"it ends where {count} octets should be")
        return taken

    def number(self, octets: int) -> int:
        """A number of so many octets, in network order."""
        return int.from_bytes(self.take(octets))

    def string(self, octets: int) -> str:
        """A text after its length, a number of so many octets.

        Raises:
            ValueError: it is not UTF-8.
        """
        return self.take(self.number(octets)).decode()

    def count(self) -> int:
        """How many of something follow.

        Raises:
            ValueError: far too many.
        """
        many = self.number(4)
        if many > _MOST:
            raise ValueError(f"{many} are too many: at most {_MOST}")
        return many


def _string(text: str) -> bytes:
    return len(text.encode()).to_bytes(1) + text.encode()


def _long(text: str) -> bytes:
    return len(text.encode()).to_bytes(4) + text.encode()


class Beacon:
    """A UDP socket that tells everybody on this machine of a node, and hears of others.

    Args:
        port: 5670 is the one of the RFC; several sockets may share it.
    """

    def __init__(self, port: int) -> None:
        """Open it."""
        self._port = port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setblocking(False)  # noqa: FBT003 - the standard library's
            self._socket.bind((LOOPBACK, port))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._socket.close()

    def fileno(self) -> int:
        """What a Poller waits on."""
        return self._socket.fileno()

    def send(self, uuid: bytes, port: int) -> None:
        """Tell of a node and its mailbox; port 0 says that it leaves."""
        self._socket.sendto(_BODY.pack(BEACON, uuid, port), (LOOPBACK, self._port))

    def recv(self) -> tuple[bytes, int] | None:
        """The UUID and the mailbox port of a node; None if what has come is no beacon, which is to be discarded."""
        try:
            datagram = self._socket.recv(_BODY.size + 1)
        except BlockingIOError:
            return None
        if len(datagram) != _BODY.size or not datagram.startswith(BEACON):
            return None
        _, uuid, port = _BODY.unpack(datagram)
        return uuid, port


def free_port() -> int:
    """A UDP port that nobody uses now, so that two labs do not meet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
