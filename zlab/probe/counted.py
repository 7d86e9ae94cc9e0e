"""A proxy whose loop is compiled here: it counts what it moves, and costs no more than libzmq's own."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import zmq
from zmq.backend import Socket as BackendSocket

from zlab.later import Later
from zlab.probe.source import stale
from zlab.recording import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.recording import Ask, Asked

_FUNCTIONS = (
    "zmq_poll",
    "zmq_getsockopt",
    "zmq_msg_init",
    "zmq_msg_recv",
    "zmq_msg_send",
    "zmq_msg_close",
    "zmq_msg_more",
    "zmq_msg_size",
    "zmq_msg_data",
    "zmq_errno",
)
"""In the order in which `_proxy.c` is told where they are."""


class CountedProxy:
    """One running proxy; any thread may ask what it has moved."""

    def __init__(self, frontend: zmq.Socket[Any], backend: zmq.Socket[Any], around: Later | None = None) -> None:
        """Begin to count; nothing moves yet.

        Args:
            frontend: as of ``zmq.proxy``.
            backend: likewise.
            around: what is held where `asked` is called.
        """
        self._wake, self._waker = socket.socketpair()
        self._loop = _proxy.Loop(frontend.underlying, backend.underlying, self._wake.fileno())
        self._later = Later(around)
        self._running = self._ending = False
        self._asks: dict[bool, tuple[Ask, ...]] = {True: (), False: ()}

    def begin(self, gated: Callable[[], bool]) -> bool:
        """Whether the loop may run from now on; not where the messages must pass by a gate."""
        with self._later.lock:
            self._running = not gated()
            return self._running

    def run(self) -> None:
        """Move messages until `turn`.

        Raises:
            ZMQError: as of ``zmq.proxy``.
        """
        # At EINTR Python has its signals handled and exceptions raised; what is half moved is moved on after that.
        while (number := self._loop.run()) == errno.EINTR:
            pass
        with self._later.lock:
            self._running = self._ending = False
            for forth in self._asks:  # before the probe of the socket counts the same in this thread
                self._settle(self._loop.matched(forth), forth=forth)
            self._loop.ended()
            if not number and self._wake.fileno() >= 0:
                self._wake.recv(1)
        if number == zmq.ETERM:
            raise zmq.ContextTerminated(number)
        if number:
            raise zmq.ZMQError(number)

    def turn(self) -> None:
        """End the loop: the messages are to pass by the gates."""
        with self._later.lock:
            if self._running and not self._ending:
                self._ending = True
                self._loop.turn()
                self._waker.send(b"!")

    def hold(self) -> None:
        """Hear that it is to end: what it moves until then is counted all the same."""

    def unseen(self) -> bool:
        """Whether the loop still moves messages though it should not."""
        return self._running and self._ending

    def clear(self, *, forth: bool) -> bool:
        """Send on what the loop had received and found no room for; returns whether nothing of that is left."""
        return self._loop.clear(forth)

    def add(self, frames: list[bytes], *, forth: bool) -> None:
        """Count a message that was moved elsewhere."""
        self._loop.add(len(frames), sum(map(len, frames)), forth)

    def asked(self, asked: Asked, *, forth: bool) -> None:
        """Hear what the subscribers ask for of the XPUB that is the back end, or the front end."""
        if self._later.puts_off(partial(self.asked, asked, forth=forth)):
            return
        alone = tuple(ask for _, heads in asked.single for ask in heads.values())
        asks = (*alone, *asked.several, *asked.inverted)
        with self._later.lock:
            self._settle(self._loop.ask(forth, tuple((ask.prefixes, ask.inverted) for ask in asks)), forth=forth)
            self._asks[forth] = asks

    def _settle(self, matched: tuple[int, ...], *, forth: bool) -> None:
        for ask, more in zip(self._asks[forth], matched, strict=True):
            if more:
                ask.count += more

    def front(self) -> Counts:
        """What was sent to the front end and received from it."""
        return self._read(0)

    def back(self) -> Counts:
        """What was sent to the back end and received from it."""
        return self._read(1)

    def _read(self, end: int) -> Counts:
        # First this, so that no message seems to match nothing which has not been compared yet.
        sent, frames, size, *received = self._loop.read(end)
        self._catch_up(forth=bool(end))
        return Counts(sent, frames, size, 0, *received)

    def _catch_up(self, *, forth: bool) -> None:
        if self._later.puts_off(partial(self._catch_up, forth=forth)):
            return
        self._later.take()
        with self._later.lock:
            self._settle(self._loop.matched(forth), forth=forth)

    def close(self) -> None:
        """Let go of what it had; only once the proxy has ended."""
        with self._later.lock:
            self._running = False
            self._wake.close()
            self._waker.close()


def _found() -> bool:
    """Tell the compiled loop where libzmq's functions are; whether they can be had."""
    # They are in what pyzmq is compiled to, or in what that is linked to.
    module = getattr(sys.modules.get(BackendSocket.__module__), "__file__", None)
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(module)
        at = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in _FUNCTIONS]
        _proxy.use(*at)
        return all(at)
    return False


COUNTED = False
"""Whether there is such a loop."""

try:
    from zlab.probe import _proxy
except ImportError:  # it could not be compiled where zlab was installed
    pass
else:
    COUNTED = not os.environ.get("ZLAB_PLAIN") and not stale(_proxy) and _found()
