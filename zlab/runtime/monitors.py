"""Monitors: one thread for each lab hears what libzmq's socket monitors tell (man page ``zmq_socket_monitor``).

A careless monitor freezes its context: libzmq's I/O thread waits for room in it. Here no queue has a limit, so it
never waits. The thread alone reads and closes its end, and only once libzmq has closed the other (MONITOR_STOPPED,
when the socket closes) or ends the context (ETERM): a socket is closed as it would be without a monitor.
"""

from __future__ import annotations

import itertools
import os
import selectors
import struct
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import zmq
from zmq.backend import Socket as BackendSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVENTS = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_ACCEPTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_MONITOR_STOPPED
)
"""What is listened to: not that a connect is under way, or that a listener closes; the caller knows that."""

_FIRST, _LONGEST = 0.001, 0.05  # seconds between two steps of a task: while it has just begun, and at the most
_TIDY = 0.05  # seconds between two calls of `settle` while something happens
_LIMIT = 1.0  # seconds that the thread has to end
_numbers = itertools.count()


class Ear:
    """The lab's end of the monitor of one socket."""

    def __init__(self, name: str, socket: zmq.Socket[Any]) -> None:
        """Begin to monitor a socket, in the thread that owns it, before it binds or connects.

        Raises:
            ZMQError: the context has no room for it.
        """
        self.name = name
        self.of = int(socket.underlying)
        self.context: zmq.Context[Any] = socket.context
        url = f"inproc://zlab-monitor-{next(_numbers)}"
        # Not by the context's own method: what a node's end closes, this thread must not find closed.
        self.pair: zmq.Socket[bytes] = zmq.Socket(self.context, zmq.PAIR)
        self.pair.linger = 0
        self.pair.rcvhwm = 0  # with no limit at one end an inproc queue has none at all
        try:
            # Not by pyzmq's own `get_monitor_socket`: that one is the program's.
            BackendSocket.monitor(socket, url, EVENTS)
            self.pair.connect(url)
        except BaseException:
            with suppress(zmq.ZMQError):
                BackendSocket.monitor(socket, None, 0)
            self.pair.close(0)
            raise
        self.fd = int(self.pair.get(zmq.FD))

    def hear(self) -> Iterator[tuple[int, int, str]]:
        """What has been told since the last call: event, value and URL.

        Raises:
            ContextTerminated: the context ends.
        """
        while True:
            try:
                told, url = self.pair.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            event, value = struct.unpack("=Hi", told)
            yield event, value, url.decode("utf-8", "replace")


class Monitors:
    """The thread that hears all monitors of a lab, and takes the steps of what must be found out.

    Args:
        heard: called with the socket's name, event, value and URL.
        lost: called with the socket's name and its address in libzmq once its monitor has stopped.
        settle: called soon after something has happened, and not for each event alone.
        failed: told the traceback of what failed here.
    """

    def __init__(
        self,
        heard: Callable[[str, int, int, str], None],
        lost: Callable[[str, int], None],
        settle: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        """Start no thread yet: a lab over inproc needs none."""
        self._heard, self._lost, self._settle, self._failed = heard, lost, settle, failed
        self.ears: dict[str, Ear] = {}
        """By the socket's name; for the thread alone."""
        self._all: set[Ear] = set()  # also those of lives that are over
        self._asked: deque[Callable[[], None]] = deque()
        self._tasks: list[tuple[list[float], Iterator[None]]] = []
        self._selector: selectors.BaseSelector | None = None
        self._wake = (-1, -1)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._quit = False

    def watch(self, name: str, socket: zmq.Socket[Any]) -> None:
        """Hear a socket from now on; in the thread that owns it, before it binds or connects."""
        with self._starting:
            if self._thread is None:
                self._start()
        ear = Ear(name, socket)
        self.post(lambda: self._add(ear))

    def begin(self, task: Iterator[None]) -> None:
        """Take the steps of a task, one after the other, until it is done; any thread may ask."""
        self.post(lambda: self._tasks.append(([0.0, _FIRST], task)))

    def post(self, request: Callable[[], None]) -> None:
        """Have something done in the thread; without one it is never done."""
        self._asked.append(request)
        if self._thread is not None and not self._quit:
            with suppress(OSError):  # it has ended meanwhile
                os.write(self._wake[1], b"!")

    def stop(self) -> bool:
        """End the thread, once the contexts have ended or are ending; returns whether it has ended."""
        with self._starting:
            thread = self._thread
            if thread is None:
                return True
            if not self._quit:
                self.post(self._leave)
        thread.join(_LIMIT)
        return not thread.is_alive()

    def _start(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake = os.pipe()
        for end in self._wake:
            os.set_blocking(end, False)
        self._selector.register(self._wake[0], selectors.EVENT_READ, self._woken)
        thread = threading.Thread(target=self._main, name="zlab monitors", daemon=True)
        thread.start()
        self._thread = thread

    # --- the thread ----------------------------------------------------------------------------

    def register(self, fd: int, ready: Callable[[], object]) -> None:
        """Call back when a ZeroMQ socket's file descriptor is ready; within the thread only."""
        if self._selector is not None:
            self._selector.register(fd, selectors.EVENT_READ, ready)

    def unregister(self, fd: int) -> None:
        """Call back no more; within the thread only."""
        if self._selector is not None:
            with suppress(KeyError, ValueError, OSError):
                self._selector.unregister(fd)

    def drain(self, name: str) -> bool:
        """Hear all that a socket's monitor has told so far; says whether it still tells; within the thread only."""
        ear = self.ears.get(name)
        return ear is not None and self._listen(ear)

    def _main(self) -> None:
        selector = self._selector
        if selector is None:
            return
        unsettled, tidied = False, 0.0
        while not (self._quit and not self._all):
            now = time.monotonic()
            due = min((times[0] for times, _ in self._tasks), default=now + 60)
            wait = max(0.0, min(due - now, _TIDY if unsettled else 60.0))
            for key, _ in selector.select(wait):
                self._guard(key.data)
            while self._asked:
                self._guard(self._asked.popleft())
            self._advance()
            now = time.monotonic()
            if now - tidied >= _TIDY:
                tidied = now
                unsettled = False
                self._guard(self._settle)
            else:
                unsettled = True
        self._tasks.clear()
        self._guard(self._settle)
        selector.close()
        for end in self._wake:
            os.close(end)

    def _guard(self, step: Callable[[], object]) -> object:
        try:
            return step()
        except Exception:  # noqa: BLE001 - what fails here must not stop the monitors from being heard
            self._failed(traceback.format_exc())
            return None

    def _woken(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._wake[0], 4096):
                pass

    def _leave(self) -> None:
        self._quit = True
        for _, task in self._tasks:
            self._guard(getattr(task, "close", lambda: None))
        self._tasks.clear()

    def _add(self, ear: Ear) -> None:
        self.ears[ear.name] = ear
        self._all.add(ear)
        self.register(ear.fd, lambda: self._listen(ear))
        self._listen(ear)

    def _listen(self, ear: Ear) -> bool:
        try:
            for event, value, url in ear.hear():
                if event == zmq.EVENT_MONITOR_STOPPED:
                    self._close(ear)
                    return False
                if self.ears.get(ear.name) is ear:  # else its socket has a successor by now
                    self._heard(ear.name, event, value, url)
        except zmq.ZMQError:  # the context ends, and with it all that could be told
            self._close(ear)
            return False
        return not ear.pair.closed

    def _close(self, ear: Ear) -> None:
        self.unregister(ear.fd)
        self._all.discard(ear)
        ear.pair.close(0)
        if self.ears.get(ear.name) is ear:
            del self.ears[ear.name]
            self._lost(ear.name, ear.of)

    def _advance(self) -> None:
        now = time.monotonic()
        going: list[tuple[list[float], Iterator[None]]] = []
        for times, task in self._tasks:
            if times[0] > now:
                going.append((times, task))
                continue
            try:
                next(task)
            except StopIteration:
                continue
            except Exception:  # noqa: BLE001 - see above
                self._failed(traceback.format_exc())
                continue
            times[0], times[1] = now + times[1], min(2 * times[1], _LONGEST)
            going.append((times, task))
        self._tasks = going
