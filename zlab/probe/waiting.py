"""Waiting: on which sockets a thread stands inside libzmq; of send and recv its probe tells, of a poll its frame."""

from __future__ import annotations

import asyncio
import inspect
import selectors
from threading import Condition
from typing import TYPE_CHECKING, Any, NamedTuple

import zmq
from zmq import _future

from zlab.probe import tap
from zlab.probe.socket import ProbedSocket
from zlab.recording import SENDING, Direction, Recording

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

_POLL = zmq.Poller.poll.__code__
# Python's own names, which it may change: without them, coroutines that wait are not told of.
_LOOP = getattr(getattr(asyncio.BaseEventLoop, "_run_once", None), "__code__", None)
_SELECT = selectors.__file__
_TASKS = asyncio.Task, getattr(asyncio.tasks, "_GatheringFuture", asyncio.Task)
_GATHERING = {asyncio.tasks.__file__, asyncio.taskgroups.__file__}
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
        return Wait(awaited, Direction.RECV, limited=False) if (awaited := _awaited(frame, recordings)) else NOWHERE
    registered = getattr(frame.f_locals.get("self"), "sockets", ())
    polled = [s for s, flags in registered if flags & zmq.POLLIN and isinstance(s, ProbedSocket)]
    probed = [s._recording for s in polled]  # noqa: SLF001 - the probe's own
    timeout = frame.f_locals.get("timeout")
    limited = timeout is not None and timeout >= 0
    return Wait(tuple(r for r in probed if r is not None), Direction.RECV, limited)


def _awaited(frame: FrameType | None, recordings: Iterable[Recording]) -> tuple[Recording, ...]:
    """The sockets whose messages alone can wake a loop of asyncio: none of its coroutines waits for anything else."""
    loop = None if frame is None or frame.f_code.co_filename != _SELECT else frame.f_back
    if loop is None or loop.f_code is not _LOOP or loop.f_locals.get("timeout", 0) is not None:
        return ()
    awaited = tuple(recording for recording in recordings if recording.awaited())
    return awaited if awaited and all(map(_waits_for_messages, asyncio.all_tasks(loop.f_locals["self"]))) else ()


def _waits_for_messages(task: asyncio.Task[Any]) -> bool:
    """Whether a task waits for a message, or for other tasks."""
    awaits: Any = getattr(task, "_fut_waiter", None)
    for callback, _ in getattr(awaits, "_callbacks", None) or ():  # what pyzmq waits for, it also hears of itself
        if getattr(getattr(callback, "func", callback), "__module__", "") == _future.__name__:
            return True
    inner: Any = task.get_coro()
    while inspect.iscoroutine(inner.cr_await if inspect.iscoroutine(inner) else None):
        inner = inner.cr_await
    frame = inner.cr_frame if inspect.iscoroutine(inner) else None
    return isinstance(awaits, _TASKS) or (frame is not None and frame.f_code.co_filename in _GATHERING)


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
