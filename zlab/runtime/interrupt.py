"""Interrupt one thread that is blocked in libzmq, when its context must live on.

ZeroMQ's own way to end a blocked call is to terminate the context; nodes that talk over inproc
share one, so a single node of theirs needs another way. Every blocking call of libzmq returns
EINTR when a signal comes in (man pages ``zmq_recv``, ``zmq_poll``, ``zmq_proxy``), and pyzmq then
passes through Python, where an exception raised for the thread takes effect.
"""

from __future__ import annotations

import ctypes
import gc
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator


class NodeEnded(BaseException):
    """Raised within a node's thread to end it; no program catches it by accident."""


def _prepare() -> int | None:
    """Give SIGURG a handler that does nothing, so that it interrupts; return the signal's number.

    SIGURG is ignored by default, so a stray one harms nobody. The handler is a C function without
    effect: a Python handler can be set by the main thread alone, and would run there.
    """
    number = getattr(signal, "SIGURG", None)
    if number is None or not hasattr(signal, "pthread_kill"):
        return None
    if signal.getsignal(number) in {signal.SIG_DFL, signal.SIG_IGN}:
        libc = ctypes.CDLL(None)
        libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
        libc.signal.restype = ctypes.c_void_p
        libc.signal(number, ctypes.cast(libc.abs, ctypes.c_void_p))
    return int(number)


def interrupt(thread: threading.Thread, limit: float, over: Callable[[], bool], leaving: threading.RLock) -> bool:
    """Raise `NodeEnded` in a thread and wake it from whatever call of libzmq it is blocked in.

    Args:
        thread: the thread to end.
        limit: how long to try, in seconds.
        over: tells whether its function is over, so that nothing more need be raised.
        leaving: what the thread holds while its function becomes over.

    Returns:
        Whether the thread has ended within the limit.
    """
    if thread.ident is None:
        return True
    number = _prepare()
    deadline = time.monotonic() + limit
    pause = 0.001
    while thread.is_alive() and time.monotonic() < deadline:
        # Again and again: a program may swallow it once, as it may swallow anything.
        with _nothing_collected():
            if leaving.acquire(timeout=pause):
                try:
                    # Without this lock it cannot end, so that its ident is not another thread's by now, whose call of
                    # libzmq would be cut short: pyzmq forgets a context whose term() is, and what it had stays open.
                    if thread.is_alive() and not over():
                        _strike(thread.ident, number)
                finally:
                    leaving.release()
            thread.join(pause)
        pause = min(pause * 2, 0.05)
    thread.join(max(0.0, deadline - time.monotonic()) if thread.is_alive() else 0.1)
    return not thread.is_alive()


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Keep garbage for a while: Python would finalise it in the midst of the thread, of all places.

    What is raised in a finaliser is lost, and with it what the finaliser had to do: close a context, for one.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _strike(ident: int, number: int | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(NodeEnded))
    if number is not None:
        signal.pthread_kill(ident, number)
