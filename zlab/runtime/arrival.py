"""Arrival: how it is known that a subscription has reached its publisher, without touching either socket.

A subscription travels from the subscriber's queue through its I/O thread, the kernel and the publisher's I/O thread
into the publisher's queue, and no event of a socket monitor tells of it. But each I/O thread does one thing after
the other, and a lab's contexts have one each. So:

1. Where the subscriber's own thread has to hand the subscription over (it binds, it has been reconnected, or it has
   ZMQ_IMMEDIATE), its mailbox is seen to be empty (ZMQ_FD) and its thread asleep: it has dealt with what it was sent.
2. A fence: messages pass between two sockets of our own in the subscriber's context. Each takes the I/O thread
   another round, and within a whole round it has written what the subscriber has to say to the kernel.
3. The kernel has nothing on the subscriber's side that the other has not received, then nothing waits in the lab's
   relay, where there is one, then nothing on the publisher's that has not been read: the publisher's I/O thread
   has taken all of it.
4. A fence in the publisher's context: what it has taken it has put into the publisher's queue.
5. The monitors of both ends have told of no disconnection meanwhile.

The publisher looks into that queue before its next send, at the latest 3,000,000 ticks of the processor's clock
after it last looked (libzmq, ``max_command_delay``: 1 ms at 3 GHz), which `COMMANDS` waits out. A queue that is
full holds no more than the publisher's receive high-water mark of prefixes (1,000 unless set): the rest arrives
when it sends. Steps 1 and 3 ask Linux; elsewhere step 1 is taken on trust.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import select
import socket
import struct
import sys
import termios
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Iterable, Iterator

    from zlab.runtime.monitors import Monitors

COMMANDS = 0.003
"""Seconds after which a socket that is used looks at what it has been sent: 3,000,000 ticks at 1 GHz or more."""

FENCES = 32
"""Fences that are open at the same time, at the most: each takes some eight file descriptors."""

_BATCH = 8192  # bytes that an I/O thread reads or writes at once: in_batch_size and out_batch_size of libzmq
_EVENTS = 256  # file descriptors that it serves in a round: max_io_events


class Fence:
    """Two sockets of our own in a context: what passes between them has waited for its I/O thread.

    Made, asked and closed within the monitors' thread alone.
    """

    def __init__(self, context: zmq.Context[Any], monitors: Monitors) -> None:
        """Open them.

        Raises:
            ZMQError: the context ends.
        """
        self._monitors = monitors
        self._word = secrets.token_bytes(16)  # the port is open to anybody on this machine
        self._crossed = 0
        self._goal = 0
        self._under_way = False
        self.users = 0
        self._inner: zmq.Socket[bytes] = zmq.Socket(context, zmq.PULL)
        self._outer: zmq.Socket[bytes] | None = None
        try:
            self._inner.linger = 0
            self._inner.bind("tcp://127.0.0.1:*")
            self._outer = zmq.Socket(context, zmq.PUSH)
            self._outer.linger = 0
            self._outer.connect(self._inner.getsockopt_string(zmq.LAST_ENDPOINT))
            self._fd = int(self._inner.get(zmq.FD))
        except BaseException:
            self.close()
            raise
        monitors.register(self._fd, self._look)

    def ask(self, rounds: int) -> int:
        """Begin to cross so many times from now on; gives what `crossed` waits for."""
        # One that is under way may have been sent before what is to be known happened.
        goal = self._crossed + self._under_way + rounds
        self._goal = max(self._goal, goal)
        self._look()
        return goal

    def crossed(self, goal: int) -> bool:
        """Whether it has been crossed so often.

        Raises:
            ZMQError: the context ends.
        """
        self._pump()
        return self._crossed >= goal

    def _look(self) -> None:
        with suppress(zmq.ZMQError):
            self._pump()

    def _pump(self) -> None:
        try:
            while True:
                came = self._inner.recv(zmq.NOBLOCK)
                if self._under_way and came == self._message():
                    self._under_way = False
                    self._crossed += 1
                    self._send()
        except zmq.Again:
            self._send()
        except zmq.ZMQError:
            self.close()
            raise

    def _send(self) -> None:
        if not self._under_way and self._crossed < self._goal and self._outer is not None:
            self._outer.send(self._message(), zmq.NOBLOCK)
            self._under_way = True

    def _message(self) -> bytes:
        return self._word + struct.pack("=q", self._crossed)

    def close(self) -> None:
        """Close both."""
        if not self._inner.closed and hasattr(self, "_fd"):
            self._monitors.unregister(self._fd)
        self._inner.close(0)
        if self._outer is not None:
            self._outer.close(0)


def rounds(prefixes: Iterable[bytes], connections: int) -> int:
    """How often a fence must be crossed until an I/O thread has written these subscriptions to so many connections.

    The first crossing begins a round, the second ends it; each batch takes a round.
    """
    size = sum(len(prefix) + 32 for prefix in prefixes)
    return 2 + size // _BATCH + connections // _EVENTS


def facing(fd: int, others: Iterable[int]) -> tuple[int, ...]:
    """Which of these descriptors is the other end of a connection; all, where that cannot be told, as with ipc."""
    others = tuple(others)
    with suppress(OSError), _copy(fd) as here:
        if here.family in {socket.AF_INET, socket.AF_INET6}:
            own = here.getsockname()
            met = [other for other in others if _peer(other) == own]
            return tuple(met) or others
    return others


def taken(written: Iterable[int], read: Iterable[int], carried: Callable[[], bool]) -> bool:
    """Whether all that was written to some connections has been read at their other ends, as the kernel tells.

    Args:
        written: where it was written.
        read: the other ends.
        carried: whether what stands between them, if anything does, has passed on all that it has taken.
    """
    written, read = tuple(written), tuple(read)
    if not all(not unsent(fd) or any(_received(fd, other) for other in read) for fd in written):
        return False
    return carried() and not any(unread(fd) for fd in read)  # asked after the others


def unread(fd: int) -> int:
    """Bytes that have come and have not been read."""
    return _asked(fd, termios.FIONREAD)


def unsent(fd: int) -> bool:
    """Whether anything that was written has not been received by the other side."""
    if sys.platform == "darwin":  # pragma: no cover - SO_NWRITE
        with suppress(OSError), _copy(fd) as copy:
            return copy.getsockopt(socket.SOL_SOCKET, 0x1024) > 0
        return True
    return _asked(fd, termios.TIOCOUTQ) > 0


def _received(fd: int, other: int) -> bool:
    """Whether the other end of a tcp connection has received it all, though its acknowledgement is still to come."""
    if not sys.platform.startswith("linux"):  # pragma: no cover - it can wait 40 ms for that
        return False
    with suppress(OSError), _copy(fd) as here, _copy(other) as there:
        if here.family in {socket.AF_INET, socket.AF_INET6} and there.getpeername() == here.getsockname():
            # tcpi_bytes_acked, which may count the SYN, and tcpi_bytes_received of the kernel's struct tcp_info.
            acknowledged, _ = struct.unpack_from("=QQ", here.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136), 120)
            written = acknowledged + _asked(fd, termios.TIOCOUTQ)
            _, received = struct.unpack_from("=QQ", there.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136), 120)
            return bool(received >= written - 1)
    return False


def _copy(fd: int) -> socket.socket:
    copy = os.dup(fd)
    try:
        return socket.socket(fileno=copy)
    except OSError:  # the connection has ended, and its number is that of another file by now
        os.close(copy)
        raise


def _peer(fd: int) -> object:
    with suppress(OSError), _copy(fd) as there:
        return there.getpeername()
    return None


def _asked(fd: int, what: int) -> int:
    try:
        return int(struct.unpack("=i", fcntl.ioctl(fd, what, b"\0" * 4))[0])
    except OSError:  # it has been closed: its monitor will tell
        return 1


def at_rest(mailbox: int, thread: threading.Thread | None) -> bool:
    """Whether a socket's own thread has dealt with all that the socket was sent.

    Args:
        mailbox: the socket's ``ZMQ_FD``: readable while commands wait that no call has come for.
        thread: the one that owns it. Asleep it is between two calls, or waits within one for the next command.
    """
    waiting = select.poll()
    waiting.register(mailbox, select.POLLIN)
    if waiting.poll(0):
        return False
    if thread is None or thread.native_id is None:
        return False
    try:
        told = Path(f"/proc/self/task/{thread.native_id}/stat").read_bytes()
    except OSError:
        return not Path("/proc/self/task").exists()
    return told.rpartition(b") ")[2][:1] == b"S"


class Arrivals:
    """Finds out whether subscriptions have arrived, step by step, on the monitors' thread."""

    def __init__(self, monitors: Monitors) -> None:
        """Know of none yet."""
        self._monitors = monitors
        self._fences: dict[int, Fence] = {}

    def find_out(
        self,
        subscriber: str,
        publisher: str,
        *,
        handed_over: Callable[[], bool],
        crossings: int,
        between: Callable[[], tuple[Iterable[int], Iterable[int]]],
        carried: Callable[[], bool],
    ) -> Generator[None, None, bool]:
        """The five steps that this module describes; returns whether both ends are still being heard.

        Args:
            subscriber: the full name of the socket that asks.
            publisher: that of the socket that is asked.
            handed_over: whether the subscriber's own thread has done its part.
            crossings: how often the fence is crossed in the subscriber's context.
            between: tells the file descriptors on which the subscription may have been written, and those from
                which the publisher reads it.
            carried: whether what stands between these, if anything does, has passed on all that it has taken.

        Raises:
            ZMQError: a context ends.
        """
        while not handed_over():
            yield
        yield from self._cross(subscriber, crossings)
        while not taken(*between(), carried):
            yield
        yield from self._cross(publisher, 1)
        return self._monitors.drain(subscriber) and self._monitors.drain(publisher)

    def _cross(self, name: str, times: int) -> Iterator[None]:
        """Cross the fence in a socket's context; those who ask at the same time share it."""
        ear = self._monitors.ears.get(name)
        if ear is None:  # nor could it be told that the context lives
            raise zmq.ZMQError(zmq.ETERM)
        address = ear.context.underlying
        while address not in self._fences and len(self._fences) >= FENCES:
            yield
        if self._monitors.ears.get(name) is not ear:
            raise zmq.ZMQError(zmq.ETERM)
        fence = self._fences.get(address)
        if fence is None:
            fence = self._fences[address] = Fence(ear.context, self._monitors)
        fence.users += 1
        try:
            goal = fence.ask(times)
            while not fence.crossed(goal):
                yield
        finally:
            fence.users -= 1
            if not fence.users:
                fence.close()
                del self._fences[address]
