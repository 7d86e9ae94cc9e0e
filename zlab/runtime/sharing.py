"""Sharing: one socket used by several threads by turns, with nothing that keeps them from meeting in it."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import thread as executor
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

import zmq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from zlab.recording import Recording

_OURS = tuple(f"{folder}{os.sep}" for folder in (Path(__file__).parent.parent, Path(zmq.__file__).parent))
_MOST = 50  # turns of one socket that are looked at: who has kept a lock for so long will go on
_DEEP = 12  # frames
_LOCK, _RLOCK = type(threading.Lock()), type(threading.RLock())
_EXECUTES = getattr(getattr(getattr(executor, "_WorkItem", None), "run", None), "__code__", None)  # Python's own name
_STARTS = {threading.Thread.run.__code__, threading.Timer.run.__code__, _EXECUTES}
_WAIT, _EVENT = threading.Condition.wait.__code__, threading.Event.wait.__code__
_JOIN = threading.Thread.join.__code__


class User(NamedTuple):
    """A thread that uses a socket."""

    name: str
    keeps: bool
    """Whether it can do so at any time."""
    thread: ref[threading.Thread]


@dataclass(slots=True)
class Turns:
    """What is known of the turns by which threads use one socket."""

    count: int = 0
    """How often another thread has used it than before."""
    returns: int = 0
    """How often it came back to one after a timer had used it, and ended."""
    fires: bool = False
    """Whether the last of them was a timer."""
    users: dict[int, User] = field(default_factory=dict)
    """The threads, by their numbers."""


def turned(recording: Recording, turns: Turns, socket: zmq.Socket[Any], before: int, maker: int) -> None:
    """Look at a socket that the calling thread uses after another one.

    That may be right: a socket may be handed over as a whole, by a queue, a pool, or before a thread starts; a lock
    may be held; the other one may wait meanwhile. It is not where each keeps the socket and uses it as it likes.

    Args:
        recording: the socket's; what has been found is written into it.
        turns: what is known of that socket's so far.
        socket: that is used.
        before: the thread that has used it last, as ``get_ident`` names it.
        maker: the one that made it; 0 where that says nothing.
    """
    if recording.shared is not None or recording.by_turns is not None or turns.count >= _MOST:
        return
    turns.count += 1
    mine = list(_program(sys._getframe()))  # noqa: SLF001 - to find the program's own frames
    me = threading.get_ident()
    users = turns.users
    # Never in a variable: this frame is one of them, and would keep itself.
    lives, waits = _stands(sys._current_frames().get(before), mine)  # noqa: SLF001 - the documented way
    if _is_guarded(mine) or waits:
        users.clear()
        return
    threads = {thread.ident: thread for thread in threading.enumerate()}
    for number, user in tuple(users.items()):
        if number != before and user.thread() is not threads.get(number):  # it has ended: its number is another's
            del users[number]
    came_back = me in users
    keeps = _keeps(mine, socket)
    other = users.get(before)
    users[me] = _told(threads.get(me), keeps=keeps)
    fires = turns.fires
    turns.fires = isinstance(threading.current_thread(), threading.Timer)
    if other is None:  # of what it was like when that one used it nothing is known
        users.setdefault(before, _told(threads.get(before), keeps=False))
        return
    kept = keeps or other.keeps
    if not lives:  # it may have been waited for, unless it was a timer: of these it is told when there are several
        turns.returns += came_back and kept and fires
    found = (lives and kept and came_back) or turns.returns > 1
    if found or (lives and keeps and other.keeps and maker not in {0, me, before}):
        recording.by_turns = other.name, users[me].name


def _told(thread: threading.Thread | None, *, keeps: bool) -> User:
    return User("a thread" if thread is None else thread.name, keeps, ref(thread or threading.current_thread()))


def _program(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of the program, the innermost first; what pyzmq and zlab do is left out."""
    found = 0
    while frame is not None and found < _DEEP:
        if not frame.f_code.co_filename.startswith(_OURS):
            found += 1
            yield frame
        frame = frame.f_back


def _stands(frame: FrameType | None, mine: list[FrameType]) -> tuple[bool, bool]:
    """Whether a thread lives, and whether it waits until it is told to go on."""
    if frame is None:
        return False, False
    executes = any(each.f_code is _EXECUTES for each in mine)
    for _ in range(_DEEP):
        if frame.f_code is _JOIN or (executes and frame.f_code.co_name == "_run_once"):
            return True, True
        if frame.f_code is _WAIT:  # an Event with a limit is how threads sleep
            above = frame.f_back
            sleeps = above is not None and above.f_code is _EVENT and frame.f_locals.get("timeout") is not None
            return True, not sleeps
        if frame.f_back is None:
            break
        frame = frame.f_back
    return True, False


def _is_guarded(frames: list[FrameType]) -> bool:
    """Whether a lock is held that these can name."""
    for frame in takewhile(lambda frame: frame.f_code not in _STARTS, frames):
        named = [frame.f_globals[name] for name in frame.f_code.co_names if name in frame.f_globals]
        for value in (*frame.f_locals.values(), *named):
            if _is_held(value) or any(map(_is_held, _attributes(value))):
                return True
    return False


def _attributes(value: object) -> list[object]:
    if isinstance(value, type | threading.Thread | zmq.Socket | zmq.Context) or type(value).__module__ == "builtins":
        return []
    own = getattr(value, "__dict__", None)
    return [*(own.values() if isinstance(own, dict) else ()), *vars(type(value)).values()]


def _is_held(value: object) -> bool:
    if isinstance(value, _LOCK):
        return value.locked()
    if isinstance(value, _RLOCK | threading.Condition):
        return bool(value._is_owned())  # type: ignore[union-attr]  # noqa: SLF001 - what a Condition asks too
    return isinstance(value, threading.Semaphore) and value._value == 0  # noqa: SLF001 - it has no other name


def _keeps(frames: list[FrameType], socket: zmq.Socket[Any]) -> bool:
    """Whether it is found where it stays: in a closure, a global, an object's attribute, an argument of a thread."""
    for frame, outer in zip(frames, [*frames[1:], None], strict=True):
        code, values = frame.f_code, frame.f_locals
        here = [name for name, value in values.items() if _is(value, socket)]
        if any(name in (*code.co_freevars, *code.co_cellvars) for name in here) or (here and values is frame.f_globals):
            return True
        if any(_is(frame.f_globals.get(name), socket) for name in code.co_names):
            return True
        if any(_is(each, socket) for value in values.values() for each in _own(value)):
            return True
        if here and not set(here) & set(code.co_varnames[: code.co_argcount]):
            return False
        if here and outer is not None and outer.f_code in _STARTS:
            return True
    return False


def _own(value: object) -> list[object]:
    own = None if isinstance(value, type | zmq.Socket) else getattr(value, "__dict__", None)
    return list(own.values()) if isinstance(own, dict) and type(value).__module__ != "builtins" else []


def _is(value: object, socket: zmq.Socket[Any]) -> bool:
    return value is socket or (isinstance(value, zmq.Socket) and value.__dict__.get("_shadow_sock") is socket)
