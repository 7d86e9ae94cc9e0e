"""Ready-made nodes: plain functions on pyzmq sockets, the common part of the patterns and of your own topologies.

A node ends as ZeroMQ programs do: a blocked call raises `zmq.ContextTerminated`. None of these swallows it,
and none of them sleeps: they wait on a socket, so that the context can end the wait.
"""

# ruff: noqa: N801 - a node is used like a function: `source(rate=10)` stands where a function would

from __future__ import annotations

import math
import numbers
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    ZMQSocket = zmq.Socket[bytes]

__all__ = ["at_least", "echo", "paced", "padded", "sink", "source", "work", "worker"]

_SLICE = 0.05
"""Seconds: the longest wait before a changed rate is noticed."""
_CATCH_UP = 0.1
"""Seconds: the longest delay that is made up for by sending faster."""
_UNITS = {
    "rate": "messages per second",
    "seconds": "seconds",
    "timeout": "seconds",
    "heartbeat": "seconds",
    "expiry": "seconds",
    "allowed": "seconds",
    "ttl": "seconds",
    "evasive": "seconds",
}
"""What may be a fraction, and of what."""


@dataclass
class source:
    """Send numbered messages: ``message 0 7f3a....``, ``message 1 7f3a....``, ...

    The four hexadecimal digits are drawn at each start: no two sources send the same message.
    Its socket is ``out`` (PUSH, PUB, PAIR or DEALER).

    Args:
        rate: messages per second; 0 stands still, ``math.inf`` is as fast as the socket takes them.
            Can be changed while it runs.
        size: bytes of a message, never fewer than its number needs. Can be changed while it runs.
        count: how many messages to send before finishing; None goes on for ever.

    Raises:
        ValueError: a negative rate, size or count.
    """

    rate: float = 100.0
    size: int = 100
    count: int | None = None

    def __post_init__(self) -> None:
        """Refuse what can never be sent."""
        at_least(0, rate=self.rate, size=self.size, count=self.count or 0)

    def __call__(self, out: ZMQSocket) -> None:
        """Send at the pace of `rate`."""
        start = secrets.token_hex(2)
        for number in paced(out, lambda: self.rate):
            if number == self.count:
                return
            out.send(padded(f"message {number} {start}", self.size))


@dataclass
class sink:
    """Receive for ever and keep nothing. Its socket is ``inbox`` (PULL, SUB, PAIR or DEALER)."""

    def __call__(self, inbox: ZMQSocket) -> None:
        """Receive."""
        while True:
            inbox.recv()


@dataclass
class worker:
    """Receive a message, work on it, pass it on. Its sockets are ``inbox`` (PULL) and ``out`` (PUSH).

    Args:
        seconds: how long each message takes.

    Raises:
        ValueError: a negative time.
    """

    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse to work backwards in time."""
        at_least(0, seconds=self.seconds)

    def __call__(self, inbox: ZMQSocket, out: ZMQSocket) -> None:
        """Receive, work, send."""
        while True:
            message = inbox.recv()
            work(inbox, self.seconds)
            out.send(message)


@dataclass
class echo:
    """Answer every request with itself. Its socket is ``requests`` (REP).

    Args:
        seconds: how long each request takes.

    Raises:
        ValueError: a negative time.
    """

    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse to answer before the question."""
        at_least(0, seconds=self.seconds)

    def __call__(self, requests: ZMQSocket) -> None:
        """Receive, work, reply."""
        while True:
            request = requests.recv()
            work(requests, self.seconds)
            requests.send(request)


def paced(socket: ZMQSocket, rate: Callable[[], float]) -> Iterator[int]:
    """Count 0, 1, 2, ... at a given pace, the first at once.

    The mean rate is kept: what a late timer or a short stall costs is made up for, up to a tenth of a second.
    What was missed in a longer stall (a full queue, a pause) stays missed, so that no flood follows it.

    Args:
        socket: waited on, never read: ending its context ends the wait with `zmq.ContextTerminated`.
        rate: called for each number and at least twenty times a second; returns numbers per second,
            0 to stand still or ``math.inf`` for no wait at all.

    Yields:
        The next number, when it is due.
    """
    number = 0
    due = 1.0  # how many numbers may be yielded now
    before = time.perf_counter()
    while True:
        per_second = rate()
        if per_second != math.inf:
            now = time.perf_counter()
            due = min(due + (now - before) * per_second, 1 + _CATCH_UP * per_second)
            before = now
            if due < 1:
                _wait(socket, min(_SLICE, (1 - due) / per_second) if per_second > 0 else _SLICE)
                continue
            due -= 1
        yield number
        number += 1


def work(socket: ZMQSocket, seconds: float) -> None:
    """Let time pass, as work does, for so many seconds; `time.sleep` would hold up the end of the context.

    Args:
        socket: waited on, never read: ending its context ends the wait with `zmq.ContextTerminated`.
        seconds: how long.
    """
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0.001:  # noqa: PLR2004 - a poll takes whole milliseconds
        _wait(socket, min(_SLICE, left - 0.001))
    if left > 0:
        time.sleep(left)


def _wait(socket: ZMQSocket, seconds: float) -> None:
    # Nothing raises POLLERR on a ZeroMQ socket: arriving messages do not end this wait, the context does.
    socket.poll(math.ceil(seconds * 1000), zmq.POLLERR)


def padded(text: str, size: int) -> bytes:
    """The text as UTF-8, filled up with dots to so many bytes; a longer text stays whole.

    >>> padded("ping 7", 10)
    b'ping 7....'
    """
    return text.encode().ljust(size, b".")


def at_least(least: float, **values: float) -> None:
    """Refuse a knob set to what cannot work: below the least, no number, or a fraction of a peer or a byte.

    Raises:
        ValueError: names the knob and says what to give.

    >>> at_least(1, workers=0)
    Traceback (most recent call last):
    ValueError: workers=0 cannot work: give a whole number, at least 1
    """
    for name, value in values.items():
        unit = _UNITS.get(name)
        kind: type[object] = numbers.Real if unit else numbers.Integral
        if not (isinstance(value, kind) and value >= least):  # so written, NaN is refused too
            raise ValueError(f"{name}={value!r} cannot work: give {unit or 'a whole number'}, at least {least}")
