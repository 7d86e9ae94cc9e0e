"""A tap: the functions that take the place of a socket's send and recv, and count.

pyzmq's own ``Socket.send`` is Python over the compiled ``zmq.backend.Socket.send``. The functions
here take its place and call the compiled method straight. The common message passes through
compiled code (`_fast.c`) where that could be built; what is here does all of that too, and
everything else: the user's key, frames, buffers, and gates, past which `gated.py` sends.
"""

from __future__ import annotations

from functools import update_wrapper
from threading import get_ident
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple

import zmq
from zmq.backend import Socket as BackendSocket

from zlab.probe.gated import Frame, Gate, GatedSend
from zlab.probe.keys import identify, key_of, key_of_any
from zlab.probe.meter import COMPILED, REFUSALS, Meter
from zlab.probe.parts import kept, shown, size_of
from zlab.recording import RECEIVING, RICH_LIMIT, SENDING, SHOWN, Asked, Counts, Direction, Recording, Trace
from zlab.sockets import PUBLISHERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.recordings import Recordings

_ENVELOPED = {zmq.ROUTER, zmq.DEALER}  # their messages have several frames from the start
_PUBLISHERS = {zmq.SocketType[each] for each in PUBLISHERS}
_BY_TURNS = {zmq.REQ, zmq.REP}


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
    refusals = frozenset[int]() if retries else REFUSALS
    raw_send: Callable[..., Any] = BackendSocket.send
    raw_recv: Callable[..., Any] = BackendSocket.recv
    raw_recv_into: Callable[..., Any] = getattr(BackendSocket, "recv_into", _missing)
    raw_get: Callable[..., Any] = BackendSocket.get
    trace = recording.trace
    named = recordings.key is not None  # whether the user names what makes a message itself
    parts_sent: list[Any] = []  # of a message that is looked at closely
    parts_received: list[Any] = []
    complained = gated = rich = False
    user = 0  # the thread whose message was last looked at closely
    noted = 0  # when send was called for the message that was written down last
    publishes = socket_type in _PUBLISHERS
    meter = Meter()
    meter.asking = socket_type in _ENVELOPED
    meter.publishes = publishes
    meter.steps = socket_type in _BY_TURNS
    meter.limit = recordings.trace_limit

    # --- sending -------------------------------------------------------------------------------

    def send(
        self: Any,
        data: Any,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> Any:
        if (
            flags
            or not copy
            or type(data) is not bytes
            or not meter.fast
            or (meter.tracing and not key_of(data) & meter.mask)
        ):
            return observed_send(self, data, flags, copy, track, routing_id, group)
        if meter.inside:
            intruded()
        meter.inside = SENDING
        try:
            raw_send(self, data)
        except BaseException as error:
            meter.inside = 0
            failed(error, data)
            raise
        meter.inside = 0
        meter.sent += 1
        meter.sent_bytes += len(data)
        if publishes:
            match(data)
        return None

    def failed(error: BaseException, data: bytes) -> None:
        if isinstance(error, zmq.ZMQError):
            meter.refused += error.errno in refusals
            meter.out_of_step += error.errno == zmq.EFSM
        elif _came_after(error):
            meter.sent_bytes += len(data)
            meter.sent += 1

    def match(topic: bytes) -> None:
        asked = recording.asked
        for length, heads in asked.single:
            ask = heads.get(topic[:length])
            if ask is not None:
                ask.count += 1
        for ask in asked.several:
            ask.count += topic.startswith(ask.prefixes)
        for ask in asked.inverted:
            ask.count += not topic.startswith(ask.prefixes)

    def observed_send(
        self: Any,
        data: Any,
        flags: Any = 0,
        copy: bool = True,
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> Any:
        """A send for which there is a reason to look closer."""
        if meter.inside:
            intruded()
        me = meter.thread = get_ident()
        if me != user:
            turned(self, me)
        if not isinstance(flags, int):
            return zmq.Socket.send(self, data, flags, copy, track)  # which says what to do about it
        # Where `first` is known, the message began before the gate shut.
        if (gated or held) and meter.first is None and routing_id is None and group is None:
            return gated_send(self, data, flags, copy, track)
        return counted_send(self, data, flags, copy, track, routing_id, group)

    def befallen(frames: tuple[Frame, ...], times: int) -> None:
        """Write down a message that a fault let go no further, or sent once more."""
        first = bytes(frames[0].data) if publishes else None
        if times and first is not None:
            match(first)
        if not meter.tracing:
            return
        done = perf_counter_ns()
        sizes = [size_of(frame.data) for frame in frames]
        if named or rich:
            parts_sent.extend(kept(frame.data, size, whole=named) for frame, size in zip(frames, sizes, strict=True))
        key = identified(parts_sent) if named else key_of_any(frames[-1].data)
        if not key & meter.mask:
            began = noted if times else done  # it was one call of send: so they are never taken apart
            note(began, done, key, sum(sizes), first, times)
        parts_sent.clear()

    def counted_send(
        self: Any, data: Any, flags: int, copy: bool, track: bool, routing_id: int | None, group: str | None
    ) -> Any:
        has_more = bool(flags & zmq.SNDMORE)
        if has_more and not meter.announced:
            recordings.announce_multipart()  # before the frame leaves, so that every receiver knows in time
            meter.announced = True
        body = data if type(data) is bytes else None
        try:
            size = size_of(data)
        except TypeError:
            return zmq.Socket.send(self, data, flags, copy, track)  # which says what to do about it
        late: BaseException | None = None
        result = None
        done = 0
        began = meter.entered = perf_counter_ns()
        meter.inside = SENDING
        try:
            if routing_id is None and group is None:
                result = raw_send(self, data, flags, copy, track)
            else:
                result = zmq.Socket.send(self, data, flags, copy, track, routing_id, group)
            done = perf_counter_ns()
        except zmq.ZMQError as error:
            if meter.first is None:
                meter.refused += error.errno in refusals
            meter.out_of_step += error.errno == zmq.EFSM
            raise
        except BaseException as error:
            if not _came_after(error):
                raise
            late = error
        finally:
            meter.inside = 0
            if not done:
                meter.entered = 0
        meter.sent_bytes += size
        if has_more:
            meter.more_sent += 1
        else:
            meter.sent += 1
        meter.size_sent += size
        if named or rich:
            parts_sent.append(kept(data, size, whole=named))
        if late is not None:  # `done` was not reached: nobody waits for it to be written down
            raise late
        if meter.first is None and (publishes or has_more):
            meter.first = b"" if not publishes else body if body is not None else bytes(data)
        if has_more:
            meter.entered = 0
            return result
        first, size = meter.first, meter.size_sent
        meter.first = None
        meter.size_sent = 0
        if publishes and first is not None:
            match(first)
        if meter.tracing:
            key = identified(parts_sent) if named else key_of_any(data)
            if not key & meter.mask:
                note(began, done, key, size, first if publishes else None)
        meter.entered = 0
        parts_sent.clear()
        return result

    def note(began: int, done: int, key: int, size: int, first: bytes | None, times: int = 1) -> None:
        """Write down a message that was sent."""
        nonlocal noted
        noted = began
        if not has_room():
            return
        head = b"" if first is None else first[:SHOWN]
        matched = () if first is None else tuple((f, f.matched) for f in recording.filters if f.wants(first))
        frames = tuple(shown(part) for part in parts_sent)
        trace.append(Trace(began, Direction.SEND, meter.sent, key, size, head, matched, done, frames, times))

    # --- receiving -----------------------------------------------------------------------------

    def recv(self: Any, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        if meter.inside:
            intruded()
        meter.thread = meter.thread or get_ident()
        meter.inside = RECEIVING
        try:
            data = raw_recv(self, flags, copy, track)
        except zmq.ZMQError as error:
            meter.out_of_step += error.errno == zmq.EFSM
            raise
        finally:
            meter.inside = 0
        if not copy or not meter.fast or meter.asking or (meter.tracing and not key_of(data) & meter.mask):
            observe_recv(self, data, copy)
            return data
        meter.received += 1
        meter.received_bytes += len(data)
        return data

    def observe_recv(self: Any, data: Any, copy: bool) -> None:
        """Count a message that was received, and for which there is a reason to look closer."""
        me = meter.thread = get_ident()
        if me != user:
            turned(self, me)
        size = len(data)
        # Asked before the gate: another frame cannot come while this thread stands there.
        more = meter.more = meter.asking and bool(raw_get(self, zmq.RCVMORE) if copy else data.more)
        meter.size_received += size
        if named or rich or gated:
            parts_received.append(kept(data, size, whole=named))
        if gated and not more:
            gate(Direction.RECV, parts_received)
        meter.received_bytes += size
        if more:
            meter.more_received += 1
            return
        meter.received += 1
        if meter.tracing:
            # The time first: what the key takes is the receiver's, not the message's.
            came = perf_counter_ns()
            key = identified(parts_received) if named else key_of_any(data)
            if not key & meter.mask and has_room():
                trace.append(Trace(came, Direction.RECV, meter.received, key, meter.size_received, b"", ()))
        meter.size_received = 0
        parts_received.clear()

    def recv_into(self: Any, buffer: Any, /, *, nbytes: int = 0, flags: int = 0) -> int:
        if meter.inside:
            intruded()
        meter.inside = RECEIVING
        try:
            count: int = raw_recv_into(self, buffer, nbytes=nbytes, flags=flags)
        finally:
            meter.inside = 0
        ask()
        view = memoryview(buffer).cast("B")
        observe_recv(self, view[: min(count, len(view))], copy=True)
        return count

    def recv_multipart(self: Any, flags: int = 0, copy: bool = True, track: bool = False) -> list[Any]:
        meter.asking = True
        parts = [receive(self, flags, copy, track)]
        while meter.more:
            parts.append(receive(self, flags, copy, track))
        return parts

    # --- what both have in common --------------------------------------------------------------

    def intruded() -> None:
        """Say that a thread comes while another is inside, before libzmq is entered a second time."""
        me = get_ident()
        if me == meter.thread:
            return  # a signal's handler, which runs within the call
        recordings.meet(recording, meter.thread, me)

    def turned(self: Any, me: int) -> None:
        """Say that another thread uses it than before; what is not looked at closely goes unsaid."""
        nonlocal user
        before, user = user, me
        if before:
            recordings.turned(recording, self, before)

    def identified(parts: list[bytes]) -> int:
        nonlocal complained
        try:
            return identify(parts.copy(), recordings.key)
        except Exception as error:  # noqa: BLE001 - the user's function must not hurt the node
            if not complained:
                complained = True
                told = f"the key function raised {type(error).__name__}: {error}"
                recordings.complain(recording, f"{told}; this socket's messages are known by their last frame instead")
            return key_of(parts[-1])

    def has_room() -> bool:
        nonlocal rich
        if len(trace) < meter.limit:
            if rich and len(trace) >= RICH_LIMIT:
                rich = False  # until the clock comes by again
                settle()
            return True
        meter.overflowed = True
        meter.tracing = False  # until the clock comes by again: at full rate tracing must not cost
        settle()
        return False

    def more_follows() -> None:
        """The program has asked, and there is more: what was counted as a message is a part of one."""
        if meter.asking:
            return
        meter.received -= 1
        meter.more_received += 1
        meter.more = meter.asking = True

    def counts() -> Counts:
        return Counts._make(meter.read())

    def watch(trace_mask: int | None, gate_now: bool, rich_now: bool = True) -> None:
        nonlocal gated, rich
        gated = recording.gated = gate_now
        if gated and recording.forwarded is not None:
            recording.forwarded.turn()
        rich = rich_now and trace_mask is not None
        meter.mask = trace_mask or 0
        meter.tracing = trace_mask is not None
        settle()

    def quick() -> bool:
        # What is traced richly is traced here; a sample of what comes fast is traced where it is counted.
        unusual = gated or named or held or recording.asked.inverted
        return not (unusual or (rich and meter.tracing and not meter.mask))

    def settle() -> None:
        meter.fast = quick()
        if not quick():  # since a moment ago
            meter.fast = False

    def ask() -> None:
        meter.asking = meter.announced = True

    def asked_for(asked: Asked) -> None:
        meter.single, meter.several = asked.single, asked.several
        if recording.forwarded is not None:
            recording.forwarded.asked(asked)
        settle()

    gated_send = GatedSend(meter, gate, counted_send, settle, befallen)
    held = gated_send.held
    recording.counts, recording.watch, recording.ask, recording.tell = counts, watch, ask, asked_for
    recording.meter = meter
    meter.note = note
    meter.intruded = intruded
    meter.tracing = rich = True
    quick_send: Callable[..., Any] = send
    receive: Callable[..., Any] = recv
    if COMPILED:
        from zlab.probe import _fast

        quick_send = _fast.sender(meter, raw_send, observed_send, retries)
        receive = _fast.receiver(meter, raw_recv, raw_get, recv, observe_recv)
    methods: dict[str, Callable[..., Any]] = {
        "send": quick_send,
        "recv": receive,
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
