"""Parts: how large a frame is, and how much of it is kept for a look."""

from __future__ import annotations

from typing import Any

import zmq

from zlab.recording import SHOWN


def size_of(data: Any) -> int:
    """Its bytes.

    Raises:
        TypeError: it is nothing that pyzmq sends.
    """
    return len(data) if isinstance(data, (bytes, zmq.Frame)) else memoryview(data).nbytes


def kept(data: Any, size: int, *, whole: bool) -> bytes:
    """The frame as it is kept until its message is written down: all of it, or the beginning of a large one.

    Args:
        data: what was sent or received.
        size: its bytes.
        whole: whether all is needed, however large.
    """
    if type(data) is bytes:
        return data
    if whole or size <= SHOWN:
        return bytes(data)
    view = memoryview(data)
    return bytes(view.cast("B")[:SHOWN]) if view.c_contiguous else b""


def shown(part: bytes) -> bytes:
    """What is written down of it."""
    return part if len(part) <= SHOWN else part[:SHOWN]
