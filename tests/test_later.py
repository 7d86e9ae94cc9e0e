"""A lock within which nobody comes twice: a socket that Python lets go in the midst of its work hangs nothing."""

from __future__ import annotations

import ctypes
import gc
import threading
from contextlib import suppress

import pytest
import zmq
from labs import leaving_nothing

from zlab.later import Later
from zlab.probe import probe
from zlab.recording import Recording
from zlab.recordings import Recordings


def test_what_comes_from_within_has_its_turn_after() -> None:
    lock, done = Later(), list[str]()

    def step(name: str) -> None:
        if lock.puts_off(lambda: step(name)):
            return
        with lock.lock:
            done.append(name)

    with lock.lock:
        step("late")
        step("later")
        lock.take()  # still within
        done.append("first")
    lock.take()
    assert done == ["first", "late", "later"]
    step("at once")
    assert done[-1] == "at once"


def test_another_thread_waits() -> None:
    lock, order = Later(), list[str]()

    def enter() -> None:
        assert not lock.puts_off(lambda: None)
        with lock.lock:
            order.append("other")

    with lock.lock:
        other = threading.Thread(target=enter, daemon=True)
        other.start()
        other.join(0.05)
        order.append("mine")
    other.join(10)
    assert order == ["mine", "other"]


def test_within_one_that_is_entered_after_it_steps_are_put_off_too() -> None:
    """Else a thread within the inner lock waits for the outer, and who holds that for the inner: for ever."""
    outer, over = Later(), threading.Event()
    inner, entered = Later(outer), threading.Event()

    def hold() -> None:
        with outer.lock:
            entered.set()
            over.wait(10)

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    assert entered.wait(10)
    done = list[str]()
    with inner.lock:
        assert outer.puts_off(lambda: done.append("late"))
    assert not outer.puts_off(lambda: None)
    over.set()
    holder.join(10)
    with outer.lock:
        assert not inner.puts_off(lambda: None)
    outer.take()
    assert done == ["late"]
    del inner
    assert not outer.puts_off(lambda: None)


def test_a_thread_that_is_ended_at_any_moment_leaves_it_free() -> None:
    lock, over = Later(), False

    class Ended(BaseException):
        pass

    def enter() -> None:
        while not over:
            with suppress(Ended):
                while not over:
                    with lock.lock:
                        pass

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    raised = ctypes.py_object(Ended)
    for _ in range(100):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), raised)
        if not lock.lock.acquire(timeout=10):
            break
        lock.lock.release()
    over = True
    thread.join(10)
    assert lock.lock.acquire(timeout=1)
    lock.lock.release()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # nobody closes it
def test_a_socket_that_is_let_go_while_sockets_are_looked_through_closes() -> None:
    recordings = Recordings({})
    with leaving_nothing(), zmq.Context() as context:
        made = context.socket(zmq.PAIR)
        probe(made, recording := Recording("node", "socket", "PAIR"), recordings, lambda _direction, _frames: 1)
        around: list[object] = [made]
        around.append(around)  # so that it is the collector who closes it
        with recordings.later.lock:
            del made, around
            gc.collect()
            assert not recording.over
        assert list(recordings.take_retired()) == [recording]
        assert recording.over
        assert recordings.live == ()
