"""Awaiting: the sockets whose messages alone can wake a loop of asyncio."""

from __future__ import annotations

import asyncio
import inspect
import selectors
from typing import TYPE_CHECKING, Any

from zmq import _future

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    from zlab.recording import Recording

# Python's own names, which it may change: without them, coroutines that wait are not told of.
_LOOP = getattr(getattr(asyncio.BaseEventLoop, "_run_once", None), "__code__", None)
_SELECT = selectors.__file__
_TASKS = asyncio.Task, getattr(asyncio.tasks, "_GatheringFuture", asyncio.Task)
_GATHERING = {asyncio.tasks.__file__, asyncio.taskgroups.__file__}


def awaited(frame: FrameType, recordings: Iterable[Recording]) -> tuple[Recording, ...]:
    """The sockets whose messages alone can wake a loop of asyncio: none of its coroutines waits for anything else.

    Args:
        frame: the innermost Python frame of the loop's thread, from ``sys._current_frames``.
        recordings: of the sockets that it may have called.
    """
    loop = frame.f_back if frame.f_code.co_filename == _SELECT else None
    if loop is None or loop.f_code is not _LOOP or loop.f_locals.get("timeout", 0) is not None:
        return ()
    sockets = tuple(recording for recording in recordings if recording.awaited())
    return sockets if sockets and all(map(_waits_for_messages, asyncio.all_tasks(loop.f_locals["self"]))) else ()


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
