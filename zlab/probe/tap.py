"""A tap: the functions that take the place of a socket's send and recv, and count.

pyzmq's own ``Socket.send`` is Python over the compiled ``zmq.backend.Socket.send``. The closures
here take its place and call the compiled method straight, so the time that they spend on counting
is the time that pyzmq would have spent on arguments that are hardly ever used. A closure's
variables are the cheapest counters that Python has, and each has a single writer: the thread that
owns the socket.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EHOSTUNREACH
from functools import update_wrapper
from threading import get_ident
from time import perf_counter_ns
from typing import Any, NamedTuple

import zmq
from zmq.backend import Socket as BackendSocket

from zlab.probe.keys import identify, key_of, key_of_any
from zlab.recording import Counts, Direction, Recording, Recordings, Trace

Gate = Callable[[Direction], None]
"""Called before a send and after a recv while the socket is gated; returns when the message may pass."""

_HEAD = 64  # bytes of the first frame that are kept, enough for a topic
_ENVELOPED = {zmq.ROUTER, zmq.DEALER}  # their messages have several frames from the start
_PUBLISHERS = {zmq.PUB, zmq.XPUB}
_REFUSALS = {EAGAIN, EHOSTUNREACH}


class Tap(NamedTuple):
    """What a socket calls instead of pyzmq's own."""

    methods: dict[str, Callable[..., Any]]
    """``send``, ``recv``, ``recv_multipart`` and ``recv_into``, for a class of the socket's own."""
    more_follows: Callable[[], None]
    """To be called where the program learns that the last frame has another behind it."""


def tap(socket_type: int, recording: Recording, recordings: Recordings, gate: Gate, *, retries: bool = False) -> Tap:
    """Make the methods that count for one socket.

    They hold nothing of the socket: who keeps one of its methods keeps the socket, and nobody else does.

    Args:
        socket_type: such as ``zmq.PUSH``.
        recording: where its counts can be read, and its traces are written.
        recordings: those of the whole lab.
        gate: called for each message while the socket is gated.
        retries: whether a refusal is none that the program hears of, as with asyncio.
    """
    refusals = set() if retries else _REFUSALS
    raw_send: Callable[..., Any] = BackendSocket.send
    raw_recv: Callable[..., Any] = BackendSocket.recv
    raw_recv_into: Callable[..., Any] = getattr(BackendSocket, "recv_into", _missing)
    raw_get: Callable[..., Any] = BackendSocket.get
    trace = recording.trace
    limit = recordings.trace_limit
    named = recordings.key is not None  # whether the user names what makes a message itself
    parts_sent: list[bytes] = []
    parts_received: list[bytes] = []
    complained = False
    publishes = socket_type in _PUBLISHERS

    # The fast path counts in floats, which Python adds faster than ints: exact up to 2**53 messages.
    sent = received = 0.0
    more_sent = more_received = refused = 0
    # Bytes = messages x usual size + excess: on the fast path a comparison, where an addition would cost twice as much.
    usual_sent = usual_received = excess_sent = excess_received = 0
    # The usual size again, or -1 while there is any reason to leave the fast path: one test covers them all.
    fast_sent = fast_received = -1
    tracing, gated, asking = True, False, socket_type in _ENVELOPED
    watching = every = True  # whether there is a reason, and whether it concerns every message
    mask = 0
    first: bytes | None = None  # the first frame of a message that is being sent in parts
    size_sent = size_received = 0  # bytes of the parts so far
    more = False  # whether the last frame received has another behind it

    # The fewer variables a closure shares, the faster it is called: what is rare stands elsewhere.

    def send(
        self: Any,
        data: Any,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> Any:
        nonlocal sent
        if flags or not copy or type(data) is not bytes or len(data) != fast_sent:
            return other_send(self, data, flags, copy, track, routing_id, group)
        try:
            raw_send(self, data)
        except BaseException as error:
            failed(error, data)
            raise
        sent += 1.0
        return None

    def publish(
        self: Any,
        data: Any,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> Any:
        nonlocal sent
        if flags or not copy or type(data) is not bytes or len(data) != fast_sent:
            return other_send(self, data, flags, copy, track, routing_id, group)
        try:
            raw_send(self, data)
        except BaseException as error:
            failed(error, data)
            raise
        sent += 1.0
        asked = recording.asked
        for length, heads in asked.single:
            ask = heads.get(data[:length])
            if ask is not None:
                ask.count += 1
        for ask in asked.several:
            if data.startswith(ask.prefixes):
                ask.count += 1
        return None

    def other_send(
        self: Any,
        data: Any,
        flags: int,
        copy: bool,
        track: bool,
        routing_id: int | None,
        group: str | None,
    ) -> Any:
        """A send for which there is a reason to look closer, or one of another size than usual."""
        nonlocal sent, usual_sent, excess_sent, fast_sent
        if flags or not copy or type(data) is not bytes or (watching and (every or not key_of(data) & mask)):
            return observed_send(self, data, flags, copy, track, routing_id, group)
        try:
            raw_send(self, data)
        except BaseException as error:
            failed(error, data)
            raise
        size = len(data)
        if fast_sent < 0 and not watching:
            # In one assignment: no other thread reads in between.
            excess_sent, usual_sent, fast_sent = excess_sent + int(sent) * (usual_sent - size), size, size
            if watched():  # since a moment ago
                fast_sent = -1
        excess_sent += size - usual_sent
        sent += 1.0
        if publishes:
            match(data)
        return None

    def failed(error: BaseException, data: bytes) -> None:
        nonlocal sent, excess_sent, refused
        if isinstance(error, zmq.ZMQError):
            refused += error.errno in refusals
        elif _came_after(error):
            excess_sent += len(data) - usual_sent
            sent += 1.0

    def watched() -> bool:
        return watching

    def match(topic: bytes) -> None:
        for length, heads in recording.asked.single:
            if topic[:length] in heads:
                heads[topic[:length]].count += 1
        for ask in recording.asked.several:
            ask.count += topic.startswith(ask.prefixes)

    def observed_send(
        self: Any,
        data: Any,
        flags: Any,
        copy: bool,
        track: bool,
        routing_id: int | None,
        group: str | None,
    ) -> Any:
        nonlocal sent, excess_sent, more_sent, refused, first, size_sent
        recording.thread = get_ident()
        if gated and first is None:
            gate(Direction.SEND)
        if not isinstance(flags, int):
            return zmq.Socket.send(self, data, flags, copy, track)  # which says what to do about it
        has_more = bool(flags & zmq.SNDMORE)
        if has_more and not recordings.multipart:
            recordings.announce_multipart()  # before the frame leaves, so that every receiver knows in time
        body = data if type(data) is bytes else None
        try:
            size = _size(data)
        except TypeError:
            return zmq.Socket.send(self, data, flags, copy, track)  # which says what to do about it
        late: BaseException | None = None
        result = None
        done = 0
        began = perf_counter_ns()
        try:
            if routing_id is None and group is None:
                result = raw_send(self, data, flags, copy, track)
            else:
                result = zmq.Socket.send(self, data, flags, copy, track, routing_id, group)
            done = perf_counter_ns()
        except zmq.ZMQError as error:
            if first is None:
                refused += error.errno in refusals
            raise
        except BaseException as error:
            if not _came_after(error):
                raise
            late = error
        if has_more:
            more_sent += 1
            excess_sent += size
        else:
            excess_sent += size - usual_sent
            sent += 1.0
        size_sent += size
        if named:
            parts_sent.append(body if body is not None else bytes(data))
        if late is not None:
            raise late
        if first is None and (publishes or has_more):
            first = b"" if not publishes else body if body is not None else bytes(data)
        if has_more:
            return result
        if publishes and first is not None:
            match(first)
        if tracing:
            key = identified(parts_sent) if named else key_of_any(data)
            if not key & mask and has_room():
                head = first[:_HEAD] if publishes and first is not None else b""
                matched = (
                    tuple((f, f.matched) for f in recording.filters if first.startswith(f.prefixes))
                    if publishes and first is not None
                    else ()
                )
                trace.append(Trace(began, Direction.SEND, int(sent), key, size_sent, head, matched, done))
        first = None
        size_sent = 0
        parts_sent.clear()
        return result

    def recv(self: Any, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        nonlocal received
        data = raw_recv(self, flags, copy, track)
        if len(data) != fast_received:
            other_recv(self, data, copy)
            return data
        received += 1.0
        return data

    def other_recv(self: Any, data: Any, copy: bool) -> None:
        nonlocal received, usual_received, excess_received, fast_received
        if watching and (every or not copy or not key_of(data) & mask):
            observe_recv(self, data, copy)
            return
        size = len(data)
        if fast_received < 0 and not watching:
            excess = excess_received + int(received) * (usual_received - size)
            excess_received, usual_received, fast_received = excess, size, size
            if watched():  # since a moment ago
                fast_received = -1
        excess_received += size - usual_received
        received += 1.0

    def observe_recv(self: Any, data: Any, copy: bool) -> None:
        nonlocal received, excess_received, more_received, size_received, more
        recording.thread = get_ident()
        size = len(data)
        # Asked before the gate: another frame cannot come while this thread stands there.
        more = asking and bool(raw_get(self, zmq.RCVMORE) if copy else data.more)
        if gated and not more:
            gate(Direction.RECV)
        size_received += size
        if named:
            parts_received.append(data if type(data) is bytes else bytes(data))
        if more:
            more_received += 1
            excess_received += size
            return
        excess_received += size - usual_received
        received += 1.0
        if tracing:
            # The time first: what the key takes is the receiver's, not the message's.
            came = perf_counter_ns()
            key = identified(parts_received) if named else key_of_any(data)
            if not key & mask and has_room():
                trace.append(Trace(came, Direction.RECV, int(received), key, size_received, b"", ()))
        size_received = 0
        parts_received.clear()

    def identified(parts: list[bytes]) -> int:
        nonlocal complained
        try:
            return identify(parts.copy(), recordings.key)
        except Exception as error:  # noqa: BLE001 - the user's function must not hurt the node
            if not complained:
                complained = True
                recordings.complain(recording, f"{type(error).__name__}: {error}")
            return key_of(parts[-1])

    def recv_into(self: Any, buffer: Any, /, *, nbytes: int = 0, flags: int = 0) -> int:
        count: int = raw_recv_into(self, buffer, nbytes=nbytes, flags=flags)
        ask()
        view = memoryview(buffer).cast("B")
        observe_recv(self, view[: min(count, len(view))], copy=True)
        return count

    def recv_multipart(self: Any, flags: int = 0, copy: bool = True, track: bool = False) -> list[Any]:
        ask()
        parts = [recv(self, flags, copy, track)]
        while more:
            parts.append(recv(self, flags, copy, track))
        return parts

    def counts() -> Counts:
        # Read in one go, without a call that would let the owner in between.
        out, usual_out, excess_out, came, usual_in, excess_in = (
            sent,
            usual_sent,
            excess_sent,
            received,
            usual_received,
            excess_received,
        )
        out, came = int(out), int(came)
        return Counts(
            out,
            out + more_sent,
            out * usual_out + excess_out,
            refused,
            came,
            came + more_received,
            came * usual_in + excess_in,
        )

    def has_room() -> bool:
        if len(trace) < limit:
            return True
        recording.overflowed = True
        watch(None, gated)  # until the clock comes by again: at full rate tracing must not cost
        return False

    def more_follows() -> None:
        """The program has asked, and there is more: what was counted as a message is a part of one."""
        nonlocal received, excess_received, more_received, more
        if asking:
            return
        excess_received += usual_received
        received -= 1
        more_received += 1
        more = True
        ask()

    def watch(trace_mask: int | None, gate_now: bool) -> None:
        nonlocal tracing, gated, watching, every, mask, fast_sent, fast_received
        tracing, gated, mask = trace_mask is not None, gate_now, trace_mask or 0
        every = gated or asking or named or mask == 0
        watching = tracing or gated or asking
        if watching:
            fast_sent = fast_received = -1

    def ask() -> None:
        nonlocal asking, watching, every, fast_sent, fast_received
        asking = watching = every = True
        fast_sent = fast_received = -1

    recording.counts, recording.watch, recording.ask = counts, watch, ask
    methods: dict[str, Callable[..., Any]] = {
        "send": publish if publishes else send,
        "recv": recv,
        "recv_multipart": recv_multipart,
    }
    if hasattr(BackendSocket, "recv_into"):
        methods["recv_into"] = recv_into
    for name, method in methods.items():
        update_wrapper(method, getattr(zmq.Socket, name))
    return Tap(methods, more_follows)


def _missing(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("this pyzmq has no recv_into")


def _came_after(error: BaseException) -> bool:
    """Whether an exception from outside (a kill, Ctrl-C) came once the call of libzmq had returned.

    Python raises it at the call either way; raised within, it carries the frames of pyzmq.
    """
    return error.__traceback__ is not None and error.__traceback__.tb_next is None


def _size(data: Any) -> int:
    return len(data) if isinstance(data, (bytes, zmq.Frame)) else memoryview(data).nbytes
