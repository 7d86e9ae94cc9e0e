"""``zmq.proxy`` over probed sockets, counted by libzmq itself.

What passes through a proxy never comes up to Python. ``zmq_proxy_steerable`` is the same loop
with one more socket, over which libzmq tells what it has forwarded (man page
``zmq_proxy_steerable``, command STATISTICS).
"""

from __future__ import annotations

import struct
from functools import wraps
from itertools import count
from threading import Lock, get_ident
from typing import Any, NamedTuple

import zmq

from zlab.probe.socket import ProbedSocket
from zlab.recording import Forwarded

_REPLY_LIMIT = 50  # milliseconds: a proxy that does not answer in this time is asked again at the next tick
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
    """Asks one running proxy how much it has forwarded; any thread may ask."""

    def __init__(self, context: zmq.Context[Any], frontend: ProbedSocket[Any], backend: ProbedSocket[Any]) -> None:
        """Open the control pair within the proxy's own context."""
        url = f"inproc://zlab-proxy-{next(_numbers)}"
        self.frontend, self.backend = frontend, backend
        self.inside: zmq.Socket[bytes] = zmq.Socket(context, zmq.PAIR)
        self._outside: zmq.Socket[bytes] = zmq.Socket(context, zmq.PAIR)
        self._lock = Lock()
        self._waiting = False
        self._last = _Moved(0, 0, 0, 0)
        for socket in (self.inside, self._outside):
            socket.linger = 0
        self._outside.rcvtimeo = self._outside.sndtimeo = _REPLY_LIMIT
        self._outside.bind(url)
        self.inside.connect(url)

    def read(self) -> _Moved:
        """The proxy's counts now; those of the last answer where it does not answer in time."""
        with self._lock:
            if self._outside.closed:
                return self._last
            try:
                if not self._waiting:
                    self._outside.send(b"STATISTICS")
                    self._waiting = True
                reply = self._outside.recv_multipart()
            except zmq.ZMQError:
                return self._last
            self._waiting = False
            if len(reply) == 8:  # noqa: PLR2004 - received and sent, messages and bytes, on both sides
                values = [struct.unpack("=Q", frame)[0] for frame in reply]
                self._last = _Moved(values[0], values[4], values[1], values[5])
            return self._last

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
        statistics = ProxyStatistics(frontend.context, frontend, backend)
        front, back = frontend._recording, backend._recording  # noqa: SLF001 - the probe's own
        try:
            if front is not None and back is not None:
                front.meter.thread = back.meter.thread = get_ident()
                front.forwarded = Forwarded(back, statistics.front, statistics.close)
                back.forwarded = Forwarded(front, statistics.back, statistics.close)
            return zmq.proxy_steerable(frontend, backend, capture, statistics.inside)
        finally:
            statistics.close()

    zmq.proxy = proxy
