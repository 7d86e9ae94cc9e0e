"""Waiting: on which sockets a thread stands inside libzmq; of send and recv its probe tells, of a poll its frame."""

from __future__ import annotations

import sys
from threading import Condition
from typing import TYPE_CHECKING, NamedTuple

import zmq

from zlab.probe import tap
from zlab.probe.socket import ProbedSocket
from zlab.recording import SENDING, Direction, Recording

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

_POLL = zmq.Poller.poll.__code__
_TAP = tap.__file__
_HELD = Condition.wait.__code__


class Wait(NamedTuple):
    """Where a thread is inside libzmq."""

    sockets: tuple[Recording, ...]
    """The socket of a send or recv; those that a ``Poller`` or the coroutines of a loop wait to read from; or none."""
    direction: Direction
    limited: bool
    """Whether the wait ends by itself, as a poll with a time-out does."""


NOWHERE = Wait((), Direction.RECV, limited=True)
"""Not inside libzmq."""


def blocked_in(frame: FrameType | None, recordings: Iterable[Recording]) -> Wait:
    """The sockets on which a thread is inside libzmq, and in which direction.

    Args:
        frame: the innermost Python frame of the thread, from ``sys._current_frames``.
        recordings: of the sockets that it may have called.
    """
    for recording in recordings:
        inside = recording.meter.inside
        if inside:
            direction = Direction.SEND if inside == SENDING else Direction.RECV
            return Wait((recording,), direction, limited=False)
    if frame is None or frame.f_code is not _POLL:
        return _in_a_loop(frame, recordings)
    registered = getattr(frame.f_locals.get("self"), "sockets", ())
    polled = [s for s, flags in registered if flags & zmq.POLLIN and isinstance(s, ProbedSocket)]
    probed = [s._recording for s in polled]  # noqa: SLF001 - the probe's own
    timeout = frame.f_locals.get("timeout")
    limited = timeout is not None and timeout >= 0
    return Wait(tuple(r for r in probed if r is not None), Direction.RECV, limited)


def _in_a_loop(frame: FrameType | None, recordings: Iterable[Recording]) -> Wait:
    if frame is None or frame.f_code.co_name != "select" or "asyncio" not in sys.modules:
        return NOWHERE
    from zlab.probe.awaiting import awaited  # asyncio takes long to import, and few programs use it

    sockets = awaited(frame, recordings)
    return Wait(sockets, Direction.RECV, limited=False) if sockets else NOWHERE


def under_way(frame: FrameType | None, recordings: Iterable[Recording]) -> bool:
    """Whether a thread is between a probe and its program: neither inside libzmq nor held at a gate.

    Args:
        frame: the innermost Python frame of the thread, from ``sys._current_frames``.
        recordings: of the sockets that it may have called.
    """
    if any(recording.meter.inside for recording in recordings):
        return False
    inner = frame
    while frame is not None:
        if frame.f_code.co_filename == _TAP:
            return inner is not None and inner.f_code is not _HELD
        frame = frame.f_back
    return False
