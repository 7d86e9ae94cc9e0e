"""Crowding: two threads in one socket, found before libzmq is entered a second time; it might end the process."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq

from zlab.probe import blocked_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from zlab.probe import Gate
    from zlab.recording import Direction, Recording

_OURS = tuple(f"{folder}{os.sep}" for folder in (Path(__file__).parent.parent, Path(zmq.__file__).parent))


def gate_of(recording: Recording, tell: Callable[[Recording, int, int], None]) -> Gate:
    """What the messages of a socket pass by while it is in doubt: it tells of a thread that polls it meanwhile.

    A poll is told of by no probe, but a thread that stands in one is seen in its frames. To look at them takes too
    long for every message: the clock finds the sockets that are worth it.

    Args:
        recording: the socket's.
        tell: told of it and the two threads, before the second sends or when it has received.
    """

    def gate(_direction: Direction, _frames: Sequence[Any]) -> int:
        me = threading.get_ident()
        polling = inside_of(recording, me)
        if polling is not None:
            tell(recording, polling, me)
        return 1

    return gate


def inside_of(recording: Recording, me: int) -> int | None:
    """Another thread that stands in a poll of a socket, if there is any; threads as ``get_ident`` names them."""
    # Never in a variable: this frame is one of them, and would keep itself and the socket that is closed.
    return next(
        (
            thread
            for thread, frame in sys._current_frames().items()  # noqa: SLF001 - the documented way
            if thread != me and recording in blocked_in(frame, ()).sockets
        ),
        None,
    )


def in_doubt(polling: dict[int, tuple[Recording, ...]]) -> frozenset[Recording]:
    """The sockets that one thread waits on, and another one that lives has used last.

    That may be right: a socket may be handed to another thread, which then waits for its first message.

    Args:
        polling: by thread, what it waits to read from in a ``Poller``.
    """
    alive = {thread.ident for thread in threading.enumerate()}
    return frozenset(
        recording
        for thread, recordings in polling.items()
        for recording in recordings
        if recording.meter.thread not in {0, thread} and recording.meter.thread in alive
    )


def warn(told: str) -> None:
    """Warn, in the program's own line; a filter of Python's warnings can make an error of it."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - to find the program's own line
    while frame is not None and frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    if frame is not None:
        warnings.warn_explicit(told, RuntimeWarning, frame.f_code.co_filename, frame.f_lineno)
        sys.stderr.flush()  # whatever becomes of the process
