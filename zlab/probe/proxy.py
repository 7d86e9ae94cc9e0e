"""``zmq.proxy`` over probed sockets, counted by libzmq itself, and in Python while it must pass by the gates.

What passes through a proxy never comes up to Python. ``zmq_proxy_steerable`` is the same loop
with one more socket, over which libzmq tells what it has forwarded (man page
``zmq_proxy_steerable``, command STATISTICS). While one of its sockets is gated, that loop is ended
and the same is done here, message by message; and all the time where it has a probed socket to
capture with, of whose messages libzmq tells nothing.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack, suppress
from functools import wraps
from itertools import count
from operator import add
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import zmq

from zlab.probe.socket import ProbedSocket
from zlab.recording import Forwarded

if TYPE_CHECKING:
    from collections.abc import Callable

_REPLY_LIMIT = 50  # milliseconds: a proxy that does not answer in this time is asked again at the next tick
_PATIENCE = 20  # milliseconds after which it is seen that the gates are open again
_numbers = count()


class _Moved(NamedTuple):
    """What a proxy has moved, in frames and bytes."""

    forth: int
    """Frames from the front end to the back end."""
    back: int
    """Frames from the back end to the front end."""
    forth_bytes: int
    back_bytes: int


class ProxyStatistics:
    """Knows how much one running proxy has forwarded; any thread may ask."""

    def __init__(self, context: zmq.Context[Any], frontend: ProbedSocket[Any], backend: ProbedSocket[Any]) -> None:
        """Open the control pair within the proxy's own context.

        Raises:
            ZMQError: the context ends, or has no room for it; nothing is left open.
        """
        url = f"inproc://zlab-proxy-{next(_numbers)}"
        self.frontend, self.backend = frontend, backend
        self._lock = Lock()
        self._waiting = self._running = self._ending = False
        self._before = _Moved(0, 0, 0, 0)  # what was forwarded before the loop of libzmq that runs now
        self._last = _Moved(0, 0, 0, 0)
        with ExitStack() as failing:
            self.inside: zmq.Socket[bytes] = failing.enter_context(zmq.Socket(context, zmq.PAIR))
            self._outside: zmq.Socket[bytes] = failing.enter_context(zmq.Socket(context, zmq.PAIR))
            for socket in (self.inside, self._outside):
                socket.linger = 0
            self._outside.rcvtimeo = self._outside.sndtimeo = _REPLY_LIMIT
            self._outside.bind(url)
            self.inside.connect(url)
            failing.pop_all()

    def begin(self, gated: Callable[[], bool]) -> bool:
        """Whether libzmq may forward from now on; not where the messages must pass by a gate."""
        with self._lock:
            self._running = not gated()
            return self._running

    def turn(self) -> None:
        """End libzmq's loop, and have it tell before what it has moved to the last frame."""
        with self._lock:
            if self._running and not self._ending and not self._outside.closed:
                self._ending = True
                # Nothing may move between the two: libzmq 4.3.5 pauses at what should resume it.
                pause = b"RESUME" if zmq.zmq_version_info() == (4, 3, 5) else b"PAUSE"
                for word in (pause, b"STATISTICS", b"TERMINATE"):
                    self._outside.send(word)

    @property
    def unseen(self) -> bool:
        """Whether libzmq still forwards though it should not."""
        return self._running and self._ending

    def ended(self) -> bool:
        """Take note that libzmq's loop has ended; returns whether that was asked for."""
        with self._lock:
            asked = self._ending
            with suppress(zmq.ZMQError):
                while not self._outside.closed:
                    self._note(self._outside.recv_multipart(zmq.NOBLOCK))
            self._before = self._last
            self._waiting = self._running = self._ending = False
            return asked

    def add(self, frames: list[bytes], *, forth: bool) -> None:
        """Count a message that was forwarded here."""
        size = sum(map(len, frames))
        moved = (len(frames), 0, size, 0) if forth else (0, len(frames), 0, size)
        with self._lock:
            self._before = self._last = _Moved(*map(add, self._before, moved))

    def read(self) -> _Moved:
        """The proxy's counts now; those of the last answer where it does not answer in time."""
        with self._lock:
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

    def front(self) -> tuple[int, int, int, int]:
        """Frames received from the front end and sent to it, then the bytes of each."""
        moved = self.read()
        return moved.forth, moved.back, moved.forth_bytes, moved.back_bytes

    def back(self) -> tuple[int, int, int, int]:
        """Frames received from the back end and sent to it, then the bytes of each."""
        moved = self.read()
        return moved.back, moved.forth, moved.back_bytes, moved.forth_bytes

    def close(self) -> None:
        """Close both ends; only once the proxy has ended."""
        with self._lock:
            self._running = False
            self._outside.close(0)
            self.inside.close(0)


def install_proxy() -> None:
    """Let ``zmq.proxy`` count where it is given probed sockets; every other call goes to pyzmq's as before."""
    plain = zmq.proxy
    if getattr(plain, "__wrapped__", None) is not None:
        return

    @wraps(plain)
    def proxy(frontend: Any, backend: Any, capture: Any = None) -> Any:
        if not (isinstance(frontend, ProbedSocket) and isinstance(backend, ProbedSocket)):
            return plain(frontend, backend, capture)
        front, back = frontend._recording, backend._recording  # noqa: SLF001 - the probe's own
        if front is None or back is None:
            return plain(frontend, backend, capture)
        if isinstance(capture, ProbedSocket):
            _forward({frontend: backend, backend: frontend}, capture)
        statistics = ProxyStatistics(frontend.context, frontend, backend)

        def gated() -> bool:
            return front.gated or back.gated

        try:
            front.meter.thread = back.meter.thread = get_ident()
            unseen, close, turn = (lambda: statistics.unseen), statistics.close, statistics.turn
            front.forwarded = Forwarded(back, statistics.front, close, turn, unseen)
            back.forwarded = Forwarded(front, statistics.back, close, turn, unseen)
            while True:
                if statistics.begin(gated):
                    result = zmq.proxy_steerable(frontend, backend, capture, statistics.inside)
                    if not statistics.ended():
                        return result
                ends = {frontend: backend, backend: frontend}
                _forward(ends, capture, lambda frames, end: statistics.add(frames, forth=end is frontend), gated)
        finally:
            statistics.close()

    zmq.proxy = proxy


def _forward(
    ends: dict[ProbedSocket[Any], ProbedSocket[Any]],
    capture: Any,
    note: Callable[[list[bytes], ProbedSocket[Any]], None] = lambda _frames, _end: None,
    gated: Callable[[], bool] = lambda: True,
) -> None:
    """What ``zmq_proxy`` does, past the gates, for as long as there are any.

    Args:
        ends: each of its two sockets, and the other.
        capture: the socket that is sent a copy of all that passes, if any.
        note: takes the frames of each message, and where it came in.
        gated: whether to go on.
    """
    poller = zmq.Poller()
    for end in ends:
        poller.register(end, zmq.POLLIN)
    while gated():
        for end, _ in poller.poll(_PATIENCE):
            to = ends[cast("ProbedSocket[Any]", end)]
            # As in libzmq: nothing is taken that cannot be handed on.
            if not to.poll(_PATIENCE, zmq.POLLOUT):
                continue
            frames = end.recv_multipart()
            note(frames, end)
            if capture is not None:
                capture.send_multipart(frames)
            to.send_multipart(frames)
