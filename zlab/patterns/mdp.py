"""The Majordomo protocol in its two versions, RFC 7 and RFC 18: what goes over the wire, and a worker's side of it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.patterns.paranoid_pirate import LONGEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    ZMQSocket = zmq.Socket[bytes]

LARGEST = 16 * 2**20
"""Bytes of a frame that a broker takes; libzmq ends the connection of who sends a larger one."""
_LEAST = 3
"""Frames of a request or a reply after its command: the client's address, an empty one, and a body."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the protocol, as the frames with which its messages begin."""

    number: str
    asks: tuple[bytes, ...]
    """What a client's request begins with; the service and the body follow."""
    partly: tuple[bytes, ...]
    """What a reply to a client begins with that is not the last one; () where each request has one reply."""
    finally_: tuple[bytes, ...]
    """What the last reply begins with."""
    worker: tuple[bytes, ...]
    """What stands before each command between broker and worker."""
    ready: bytes
    request: bytes
    partial: bytes
    final: bytes
    heartbeat: bytes
    disconnect: bytes

    def told(self, frames: Sequence[bytes]) -> tuple[bool, list[bytes]]:
        """Read what a client is told.

        Returns:
            Whether it is the last reply; and the service with the frames of the reply, none if it is malformed.
        """
        for start in filter(None, (self.partly, self.finally_)):
            if tuple(frames[: len(start)]) == start and len(frames) > len(start) + 1:
                return start == self.finally_, [*frames[len(start) :]]
        return False, []

    def command(self, frames: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        """Read what a worker says, or is told.

        Returns:
            The command, b"" if it is malformed, and what follows it.
        """
        start = len(self.worker)
        if tuple(frames[:start]) != self.worker or len(frames) == start:
            return b"", []
        command, rest = frames[start], [*frames[start + 1 :]]
        if command == self.ready:
            valid = len(rest) == 1 and is_name(rest[0])
        elif command in {self.request, self.partial, self.final} - {b""}:
            valid = len(rest) >= _LEAST and bool(rest[0]) and not rest[1]
        else:
            valid = command in {self.heartbeat, self.disconnect} and not rest
        return (command, rest) if valid else (b"", [])


VERSIONS = {
    "0.1": Version(
        number="0.1",
        asks=(b"", b"MDPC01"),
        partly=(),
        finally_=(b"", b"MDPC01"),
        worker=(b"", b"MDPW01"),
        ready=b"\x01",
        request=b"\x02",
        partial=b"",
        final=b"\x03",
        heartbeat=b"\x04",
        disconnect=b"\x05",
    ),
    "0.2": Version(
        number="0.2",
        asks=(b"MDPC02", b"\x01"),
        partly=(b"MDPC02", b"\x02"),
        finally_=(b"MDPC02", b"\x03"),
        worker=(b"MDPW02",),
        ready=b"\x01",
        request=b"\x02",
        partial=b"\x03",
        final=b"\x04",
        heartbeat=b"\x05",
        disconnect=b"\x06",
    ),
}
"""RFC 7/MDP, and RFC 18/MDP, which knows several replies to a request and no empty frames at the start."""
OLD = VERSIONS["0.1"]


class Session:
    """A worker's conversation with its broker: it registers, and begins anew when the broker says so, or nothing."""

    def __init__(
        self, worker: ZMQSocket, service: bytes, heartbeat: float, liveness: int, version: Version = OLD
    ) -> None:
        """Say READY.

        Args:
            worker: a DEALER that is connected to the broker.
            service: what the worker offers.
            heartbeat: how often broker and worker say that they live, in seconds.
            liveness: after how many heartbeats that did not come the broker is taken for dead.
            version: of the protocol.
        """
        self.worker, self.service, self.version = worker, service, version
        self.heartbeat, self.life, self.pause = heartbeat, heartbeat * liveness, heartbeat
        self.endpoint = worker.getsockopt_string(zmq.LAST_ENDPOINT)
        self.again = 0.0  # when to connect again; 0 while connected
        self.begin()

    def begin(self) -> None:
        """Register."""
        self.until = time.monotonic() + self.life  # then the broker is dead, unless it is heard before
        self.send(self.version.ready, self.service)

    def send(self, command: bytes, *frames: bytes) -> None:
        """Send a command, which stands for a heartbeat, too."""
        self.worker.send_multipart([*self.version.worker, command, *frames])
        self.beat = time.monotonic() + self.heartbeat

    def reply(self, client: bytes, body: Sequence[bytes], *, final: bool = True) -> None:
        """Send a reply to the request of a client; with `final` as False, not the last one."""
        self.send(self.version.final if final else self.version.partial, client, b"", *body)

    def receive(self) -> tuple[bytes, list[bytes]] | None:
        """Receive what has come.

        Returns:
            The address of the client and the frames of its request, if it is one.
        """
        command, rest = self.version.command(self.worker.recv_multipart())
        if command == self.version.disconnect:
            self.leave()
        elif command in {self.version.request, self.version.heartbeat}:
            self.until, self.pause = time.monotonic() + self.life, self.heartbeat
        return (rest[0], rest[2:]) if command == self.version.request else None

    def leave(self) -> None:
        """End the conversation; the next one begins after a while, each time a longer one."""
        self.worker.set(zmq.LINGER, 0)  # else what nobody takes would hold up the end of the context, for ever
        with suppress(zmq.ZMQError):  # over inproc it has ended already where the broker has gone
            self.worker.disconnect(self.endpoint)
        self.again = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, LONGEST * self.heartbeat)

    def live(self) -> int:
        """Do what is due; returns the milliseconds until something is again: poll no longer than that."""
        now = time.monotonic()
        if self.again:
            if now >= self.again:
                self.again = 0.0
                self.worker.connect(self.endpoint)
                self.begin()
        elif now >= self.until:
            self.leave()
        elif now >= self.beat:
            self.send(self.version.heartbeat)
        due = self.again or min(self.until, self.beat)
        return max(0, round((due - time.monotonic()) * 1000))


def is_name(service: bytes) -> bool:
    """Whether this can be the name of a service: a printable string."""
    return service.isascii() and service.decode("latin-1").isprintable() and bool(service)
