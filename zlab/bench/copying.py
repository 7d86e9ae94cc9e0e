"""Copying: from which size on it is worth it not to copy a message (``copy=False``), in plain pyzmq."""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000)
"""Bytes."""
ROUNDS = 5
_WAITING = 32  # messages: what is large must not pile up


@dataclass(frozen=True, slots=True)
class Line:
    """What was measured at one size; rates in messages per second, the medians of several rounds."""

    transport: str
    size: int
    """Bytes of a message."""
    copied: float
    lent: float
    """With ``copy=False`` at both ends."""

    @property
    def ratio(self) -> float:
        """How much faster it is not to copy."""
        return self.lent / self.copied


def measure(transports: Sequence[str], sizes: Sequence[int] = SIZES, *, seconds: float, rounds: int) -> list[Line]:
    """Send messages of each size from one thread to another, copied and lent in turn.

    Args:
        transports: over which.
        sizes: bytes of a message.
        seconds: how long each round lasts.
        rounds: how many of each.
    """
    lines = []
    for transport in transports:
        for size in sizes:
            measured = [
                (_rate(transport, size, seconds), _rate(transport, size, seconds, lent=True)) for _ in range(rounds)
            ]
            copied, lent = (statistics.median(each) for each in zip(*measured, strict=True))
            lines.append(Line(transport, size, copied, lent))
    return lines


def crossing(lines: Sequence[Line], transport: str) -> int | None:
    """The least size from which on it is faster not to copy, at it and at all above; None where there is none."""
    found = None
    for line in sorted((line for line in lines if line.transport == transport), key=lambda line: -line.size):
        if line.ratio <= 1:
            break
        found = line.size
    return found


def print_table(transports: Sequence[str], *, seconds: float, rounds: int = ROUNDS) -> list[Line]:
    """Measure, and print a line for each size and where the two cross."""
    print(f"messages per second, copied and not (copy=False), the medians of {rounds} rounds of {seconds:g} s\n")
    print(f"{'transport':<10}{'bytes':>10}{'copied':>12}{'not':>12}{'ratio':>8}")
    lines = measure(transports, seconds=seconds, rounds=rounds)
    for line in lines:
        print(f"{line.transport:<10}{line.size:>10,}{line.copied:>12,.0f}{line.lent:>12,.0f}{line.ratio:>8.2f}")
    for transport in transports:
        size = crossing(lines, transport)
        print(f"\n{transport}: " + (f"from {size:,} bytes on, copy=False is faster" if size else "copying is faster"))
    print(f"pyzmq copies what is below zmq.COPY_THRESHOLD, {zmq.COPY_THRESHOLD:,} bytes, unless told otherwise")
    return lines


def _rate(transport: str, size: int, seconds: float, *, lent: bool = False) -> float:
    with zmq.Context() as context, context.socket(zmq.PUSH) as out, context.socket(zmq.PULL) as inbox:
        for socket in (out, inbox):
            socket.set_hwm(_WAITING)
            socket.linger = 0
            socket.copy_threshold = 0
        url = "inproc://x" if transport == "inproc" else "tcp://127.0.0.1:*"
        out.bind(url)
        inbox.connect(out.getsockopt_string(zmq.LAST_ENDPOINT))
        received: list[int] = []
        thread = threading.Thread(target=_receive, args=(inbox, received), kwargs={"lent": lent})
        thread.start()
        body, end = bytes(size), b""
        began = time.perf_counter()
        until = began + seconds
        while time.perf_counter() < until:
            if lent:
                out.send(body, copy=False)
            else:
                out.send(body)
        out.send(end)
        thread.join()
        return len(received) / (time.perf_counter() - began)


def _receive(inbox: zmq.Socket[bytes], received: list[int], *, lent: bool) -> None:
    """Receive until an empty message comes."""
    while True:
        size = len(inbox.recv(copy=False) if lent else inbox.recv())
        if not size:
            return
        received.append(size)
