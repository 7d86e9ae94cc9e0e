"""A proxy that libzmq runs: it tells over a third socket what it has moved, and by it it is ended."""

from __future__ import annotations

import struct
from contextlib import ExitStack, suppress
from itertools import count
from operator import add
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import zmq

from zlab.recording import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.recording import Asked

_REPLY_LIMIT = 50  # milliseconds: a proxy that does not answer in this time is asked again at the next tick
_PAUSE = b"RESUME" if zmq.zmq_version_info() == (4, 3, 5) else b"PAUSE"  # it pauses at what should resume it
_numbers = count()


class _Moved(NamedTuple):
    """What a proxy has moved, in frames and bytes."""

    forth: int
    """Frames from the front end to the back end."""
    back: int
    """Frames from the back end to the front end."""
    forth_bytes: int
    back_bytes: int


class SteeredProxy:
    """One running proxy; any thread may ask what it has moved.

    See the man page ``zmq_proxy_steerable``, command STATISTICS.
    """

    def __init__(self, frontend: zmq.Socket[Any], backend: zmq.Socket[Any], capture: Any = None) -> None:
        """Open the control pair within the proxy's own context.

        Raises:
            ZMQError: the context ends, or has no room for it; nothing is left open.
        """
        url, context = f"inproc://zlab-proxy-{next(_numbers)}", frontend.context
        self._ends = frontend, backend, capture
        self._lock = Lock()
        self._waiting = self._running = self._ending = self._held = False
        self._before = _Moved(0, 0, 0, 0)  # what was forwarded before the loop of libzmq that runs now
        self._last = _Moved(0, 0, 0, 0)
        with ExitStack() as failing:
            self._inside: zmq.Socket[bytes] = failing.enter_context(zmq.Socket(context, zmq.PAIR))
            self._outside: zmq.Socket[bytes] = failing.enter_context(zmq.Socket(context, zmq.PAIR))
            for socket in (self._inside, self._outside):
                socket.linger = 0
            self._outside.rcvtimeo = self._outside.sndtimeo = _REPLY_LIMIT
            self._outside.bind(url)
            self._inside.connect(url)
            failing.pop_all()

    def begin(self, gated: Callable[[], bool]) -> bool:
        """Whether libzmq may forward from now on; not where the messages must pass by a gate."""
        while self._held:
            self._inside.poll(_REPLY_LIMIT)  # until the context ends, or whoever ends the node raises here
        with self._lock:
            self._running = not gated()
            return self._running

    def turn(self) -> None:
        """End libzmq's loop, and have it tell before what it has moved to the last frame."""
        with self._lock:
            if self._running and not self._ending and not self._outside.closed:
                self._ending = True
                for word in (_PAUSE, b"STATISTICS", b"TERMINATE"):  # nothing may move between the two
                    self._outside.send(word)

    def run(self) -> None:
        """Have libzmq forward until `turn`.

        Raises:
            ZMQError: as of ``zmq.proxy``.
        """
        while True:
            zmq.proxy_steerable(*self._ends, self._inside)
            if self._ended():
                return

    def unseen(self) -> bool:
        """Whether libzmq still forwards though it should not."""
        return self._running and self._ending

    def _ended(self) -> bool:
        """Take note that libzmq's loop has ended; returns whether that was asked for."""
        with self._lock:
            asked = self._ending
            with suppress(zmq.ZMQError):
                while not self._outside.closed:
                    self._note(self._outside.recv_multipart(zmq.NOBLOCK))
            self._before = self._last
            self._waiting = self._running = self._ending = False
            return asked

    def clear(self, *, forth: bool) -> bool:  # noqa: ARG002 - libzmq holds nothing back
        """Whether nothing is left of what was received to be sent on."""
        return True

    def asked(self, asked: Asked, *, forth: bool) -> None:
        """Hear what is asked for of one of its sockets; of what matches, libzmq tells nothing."""

    def add(self, frames: list[bytes], *, forth: bool) -> None:
        """Count a message that was forwarded here."""
        size = sum(map(len, frames))
        moved = (len(frames), 0, size, 0) if forth else (0, len(frames), 0, size)
        with self._lock:
            self._before = self._last = _Moved(*map(add, self._before, moved))

    def read(self) -> _Moved:
        """The proxy's counts now; those of the last answer where it does not answer in time."""
        with self._lock:
            return self._read()

    def hold(self) -> None:
        """Let it move nothing more, for it is to end; what it has moved until then can be read."""
        with self._lock:
            if self._running and not self._ending and not self._outside.closed:
                with suppress(zmq.ZMQError):
                    self._outside.send(_PAUSE)
                if self._waiting:  # for an answer that tells of before
                    self._read()
                self._read()
                # Not only to pause: interrupted, pyzmq calls libzmq's loop again, which then moves on.
                with suppress(zmq.ZMQError):
                    self._outside.send(b"TERMINATE")
                self._ending = self._held = True

    def _read(self) -> _Moved:
        if self._outside.closed or not self._running or self._ending:
            return self._last
        try:
            if not self._waiting:
                self._outside.send(b"STATISTICS")
                self._waiting = True
            reply = self._outside.recv_multipart()
        except zmq.ZMQError:
            return self._last
        self._waiting = False
        self._note(reply)
        return self._last

    def _note(self, reply: list[bytes]) -> None:
        if len(reply) == 8:  # noqa: PLR2004 - received and sent, messages and bytes, on both sides
            values = [struct.unpack("=Q", frame)[0] for frame in reply]
            self._last = _Moved(*map(add, self._before, (values[0], values[4], values[1], values[5])))

    def front(self) -> Counts:
        """What was sent to the front end and received from it, in frames and bytes: libzmq tells of no messages."""
        moved = self.read()
        return Counts(0, moved.back, moved.back_bytes, 0, 0, moved.forth, moved.forth_bytes)

    def back(self) -> Counts:
        """What was sent to the back end and received from it, likewise."""
        moved = self.read()
        return Counts(0, moved.forth, moved.forth_bytes, 0, 0, moved.back, moved.back_bytes)

    def close(self) -> None:
        """Close both ends; only once the proxy has ended."""
        with self._lock:
            self._running = False
            self._outside.close(0)
            self._inside.close(0)
