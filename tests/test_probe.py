"""The probe: exact counts, pyzmq's own behaviour, and a wire that is not touched."""

from __future__ import annotations

import array
import socket as sockets
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from labs import eventually

from zlab.probe import probe
from zlab.probe.keys import key_of
from zlab.recording import TRACE_LIMIT, Direction, Recording
from zlab.recordings import Recordings

if TYPE_CHECKING:
    from collections.abc import Sequence


class Ends:
    """Two probed sockets that face each other over inproc."""

    def __init__(self, first: int = zmq.PAIR, second: int = zmq.PAIR) -> None:
        self.context = zmq.Context()
        self.recordings = Recordings({})
        self.passed: list[Direction] = []
        self.seen: list[list[bytes]] = []
        self.times = 1
        self.a, self.b = self._open("a", first), self._open("b", second)
        self.a.bind("inproc://ends")
        self.b.connect("inproc://ends")

    def _open(self, name: str, kind: int) -> zmq.Socket[bytes]:
        recording = Recording("node", name, zmq.SocketType(kind).name)
        made = self.context.socket(kind)
        probe(made, recording, self.recordings, self._gate)
        made.linger = 0
        made.rcvtimeo = made.sndtimeo = 5000
        return made

    def _gate(self, direction: Direction, frames: Sequence[bytes]) -> int:
        self.passed.append(direction)
        self.seen.append(list(frames))
        return self.times

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.a.close()
        self.b.close()
        self.context.term()

    @property
    def sent(self) -> Recording:
        assert self.a._recording is not None
        return self.a._recording

    @property
    def received(self) -> Recording:
        assert self.b._recording is not None
        return self.b._recording


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=600), min_size=1, max_size=5), max_size=12), st.booleans(), st.booleans())
def test_messages_frames_and_bytes_are_counted_exactly(
    messages: list[list[bytes]],
    tracing: bool,
    copy: bool,
) -> None:
    with Ends() as ends:
        for recording in (ends.sent, ends.received):
            recording.watch(0 if tracing else None, False)
        for frames in messages:
            ends.a.send_multipart(frames, copy=copy)
            got = ends.b.recv_multipart(copy=copy)
            assert [f if copy else f.bytes for f in got] == frames
        frames_sent, size = sum(map(len, messages)), sum(len(f) for m in messages for f in m)
        out, into = ends.sent.counts(), ends.received.counts()
        assert (out.sent, out.sent_frames, out.sent_bytes) == (len(messages), frames_sent, size)
        assert (into.received, into.received_frames, into.received_bytes) == (len(messages), frames_sent, size)
        if tracing:
            keys = [[t.key for t in r.drain().traces()] for r in (ends.sent, ends.received)]
            assert keys[0] == keys[1] == [key_of(m[-1]) for m in messages]


def test_frames_received_one_by_one_make_up_messages() -> None:
    with Ends() as ends:
        ends.a.send(b"alone")
        ends.a.send(b"1", zmq.SNDMORE)
        ends.a.send(b"2", zmq.SNDMORE)
        ends.a.send(b"3")
        assert [ends.b.recv() for _ in range(4)] == [b"alone", b"1", b"2", b"3"]
        assert ends.received.counts()[4:7] == (2, 4, 8)


def test_parts_that_come_unannounced_are_told_by_the_program_that_asks_for_more() -> None:
    with Ends(zmq.PUSH, zmq.PULL) as ends, ends.context.socket(zmq.PUSH) as outside:
        outside.linger = 0
        ends.b.bind("inproc://outside")
        outside.connect("inproc://outside")
        for _ in range(3):
            outside.send_multipart([b"1", b"2", b"3"])
        for _ in range(3):
            parts = [ends.b.recv()]
            while ends.b.getsockopt(zmq.RCVMORE):
                parts.append(ends.b.recv())
            assert parts == [b"1", b"2", b"3"]
        assert ends.received.counts()[4:7] == (3, 9, 9)


@pytest.mark.parametrize("way", ["string", "json", "pyobj", "serialized", "buffer", "frame", "array", "into"])
def test_every_way_to_send_and_receive_is_counted_once(way: str) -> None:
    with Ends() as ends:
        a, b = ends.a, ends.b
        if way == "string":
            a.send_string("grüezi")
            assert b.recv_string() == "grüezi"
        elif way == "json":
            a.send_json({"task_id": 1})
            assert b.recv_json() == {"task_id": 1}
        elif way == "pyobj":
            a.send_pyobj([1])
            assert b.recv_pyobj() == [1]
        elif way == "serialized":
            a.send_serialized("ab", lambda text: [text.encode()])
            assert b.recv_serialized(lambda frames: frames[0].decode()) == "ab"
        elif way == "buffer":
            a.send(memoryview(b"view"))
            assert b.recv() == b"view"
        elif way == "frame":
            a.send(zmq.Frame(b"frame"), copy=False)
            assert b.recv(copy=False).bytes == b"frame"
        elif way == "array":
            a.send(array.array("i", [1, 2, 3]))
            assert len(b.recv()) == 12
        elif hasattr(zmq.Socket, "recv_into"):
            a.send(b"into")
            buffer = bytearray(10)
            assert b.recv_into(buffer) == 4
        else:
            pytest.skip("this pyzmq has no recv_into")
        out, into = ends.sent.counts(), ends.received.counts()
        assert (out.sent, into.received) == (1, 1)
        assert out.sent_bytes == into.received_bytes > 0


def test_what_is_refused_is_counted_and_raised() -> None:
    with Ends(zmq.PUSH, zmq.PULL) as ends:
        ends.a.close()
        ends.b.close()
        ends.recordings.take_retired()
        lonely = ends._open("lonely", zmq.PUSH)
        for flags in (zmq.NOBLOCK, 0):
            lonely.sndtimeo = 1
            with pytest.raises(zmq.Again):
                lonely.send(b"x", flags)
        with pytest.raises(TypeError):
            lonely.send("text")
        assert lonely._recording is not None
        counts = lonely._recording.counts()
        assert (counts.sent, counts.refused) == (0, 2)
        lonely.close()


@pytest.mark.parametrize("mask", [0, None], ids=["traced", "untraced"])
@pytest.mark.parametrize("rich", [True, False], ids=["with frames", "at full rate"])
def test_it_is_known_since_when_a_send_is_not_written_down(mask: int | None, rich: bool) -> None:
    with Ends(zmq.PUSH, zmq.PULL) as ends:
        ends.sent.watch(mask, False, rich)
        ends.a.send(b"in time")
        ends.a.send_multipart([b"in", b"time"])
        assert ends.sent.meter.entered == 0
        with suppress(zmq.Again):
            while True:
                ends.a.send(b"refused", zmq.NOBLOCK)
        assert ends.sent.meter.entered == 0
        ends.sent.watch(mask, False, rich)  # its room may be full
        before = time.perf_counter_ns()
        blocked = threading.Thread(target=ends.a.send, args=(b"blocked",), daemon=True)
        blocked.start()
        eventually(lambda: ends.sent.meter.inside)
        entered = ends.sent.meter.entered
        assert before < entered < time.perf_counter_ns() if mask is not None else entered == 0
        while blocked.is_alive():
            if ends.b.poll(50):  # it may have sent, and not be over yet
                ends.b.recv()
        assert ends.sent.meter.entered == 0


def test_a_probed_socket_is_a_socket() -> None:
    with Ends() as ends:
        plain = ends.context.socket(zmq.PAIR)
        assert isinstance(ends.a, zmq.Socket)
        assert repr(ends.a).startswith("<zmq.Socket(")
        assert ends.a.type == plain.type
        plain.close()
        ends.a.close()
        with pytest.raises(zmq.ZMQError, match=r"non-socket|not a socket"):
            ends.a.send(b"x")
        assert "send" not in ends.a.__dict__  # nothing of the probe holds the socket any more


def test_the_gate_is_passed_only_when_asked() -> None:
    with Ends() as ends:
        ends.a.send(b"1")
        ends.b.recv()
        assert ends.passed == []
        for recording in (ends.sent, ends.received):
            recording.watch(None, True)
        ends.a.send_multipart([b"1", b"2"])
        ends.b.recv_multipart()
        assert ends.passed == [Direction.SEND, Direction.RECV]


@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_gate_says_how_often_a_message_is_sent(times: int) -> None:
    with Ends() as ends:
        ends.sent.watch(None, True)
        ends.times = times
        ends.a.send_multipart([b"address", b"", b"body"])
        ends.a.send(b"alone")
        assert ends.seen == [[b"address", b"", b"body"], [b"alone"]]
        came = [ends.b.recv_multipart() for _ in range(2 * times)]
        assert came == [[b"address", b"", b"body"]] * times + [[b"alone"]] * times
        counts = ends.sent.counts()
        assert (counts.sent, counts.sent_frames, counts.sent_bytes) == (2, 4, 16)
        assert (counts.swallowed, counts.copied) == ((2, 0) if times == 0 else (0, 2 * (times - 1)))
        assert not ends.b.poll(0)


def test_a_message_that_was_begun_before_the_gate_shut_is_ended_behind_it() -> None:
    with Ends() as ends:
        ends.a.send(b"1", zmq.SNDMORE)
        ends.sent.watch(None, True)
        ends.a.send(b"2")
        assert ends.b.recv_multipart() == [b"1", b"2"]
        ends.a.send(b"3", zmq.SNDMORE)
        ends.sent.watch(None, False)
        ends.a.send(b"4", zmq.SNDMORE)
        ends.a.send(b"5")
        assert ends.b.recv_multipart() == [b"3", b"4", b"5"]
        assert ends.passed == [Direction.SEND]
        assert ends.sent.counts()[:3] == (2, 5, 5)


def test_the_frames_of_a_message_are_kept_while_there_is_time_for_it() -> None:
    with Ends() as ends:
        ends.a.send_multipart([b"address", b"", b"x" * 10_000])
        ends.sent.watch(0, False, False)
        ends.a.send(b"in haste")
        first, second = ends.sent.drain().traces()
        assert [len(frame) for frame in first.frames] == [7, 0, 4096]
        assert first.size == 10_007
        assert second.frames == ()
        assert (second.rank, second.size, second.key) == (2, 8, key_of(b"in haste"))


@pytest.mark.parametrize("before", [10**9, 2**53, 2**62])
def test_a_counter_goes_on_exactly_after_billions(before: int) -> None:
    with Ends() as ends:
        for meter in (ends.sent.meter, ends.received.meter):
            meter.sent = meter.received = meter.sent_bytes = meter.received_bytes = before
        for recording in (ends.sent, ends.received):
            recording.watch(None, False, False)
        for body in (b"1", b"22"):
            ends.a.send(body)
            ends.b.recv()
        assert ends.sent.counts()[:3] == (before + 2, before + 2, before + 3)
        assert ends.received.counts()[4:7] == (before + 2, before + 2, before + 3)


def test_sampling_picks_the_same_messages_at_both_ends() -> None:
    with Ends() as ends:
        for recording in (ends.sent, ends.received):
            recording.drain()
            recording.watch(7, False)
        for i in range(1000):
            ends.a.send(b"message %d" % i)
            ends.b.recv()
        sent, received = ends.sent.drain().traces(), ends.received.drain().traces()
        assert [(t.key, t.rank) for t in sent] == [(t.key, t.rank) for t in received]
        assert 60 < len(sent) < 190  # about one in eight
        assert ends.received.counts().received == 1000


def test_tracing_stops_by_itself_when_its_buffer_is_full_and_counting_goes_on() -> None:
    with Ends() as ends:
        for i in range(3000):
            ends.a.send(b"%d" % i)
            ends.b.recv()
        assert len(ends.sent.trace) == len(ends.received.trace) == TRACE_LIMIT
        assert ends.sent.meter.overflowed
        assert ends.received.counts().received == 3000


@given(
    st.lists(
        st.tuples(st.integers(0, 700), st.integers(1, 4), st.sampled_from([None, 0, 1, 7])), min_size=1, max_size=30
    )
)
@settings(max_examples=50, deadline=None)
def test_bytes_are_counted_exactly_whatever_the_sizes_and_whatever_is_traced(
    runs: list[tuple[int, int, int | None]],
) -> None:
    with Ends() as ends:
        total = number = 0
        for size, times, mask in runs:
            for recording in (ends.sent, ends.received):
                recording.watch(mask, False)
                recording.drain()
            for _ in range(times):
                body = (b"%d" % number).ljust(size, b".")
                ends.a.send(body)
                assert ends.b.recv() == body
                number += 1
                total += len(body)
                assert ends.sent.counts()[:3] == (number, number, total)
                assert ends.received.counts()[4:7] == (number, number, total)


def _capture(make: object, context: zmq.Context[zmq.Socket[bytes]], bodies: list[list[bytes]]) -> bytes:
    """All bytes that a PUSH socket puts on the wire to a listener that speaks just enough ZMTP (RFC 23)."""
    server = sockets.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    push = make(context)  # type: ignore[operator]
    push.linger = 1000
    push.connect(f"tcp://127.0.0.1:{port}")
    for body in bodies:
        push.send_multipart(body)
    connection, _ = server.accept()
    connection.settimeout(10)
    greeting = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
    ready = b"\x05READY" + b"\x0bSocket-Type" + (4).to_bytes(4, "big") + b"PULL"
    connection.sendall(greeting + b"\x04" + bytes([len(ready)]) + ready)
    received = connection.recv(65536)
    push.close()  # what is queued still goes out
    while chunk := connection.recv(65536):
        received += chunk
    connection.close()
    server.close()
    return received


def test_the_wire_is_the_same_to_the_byte() -> None:
    bodies = [[b"one"], [b"a", b"", b"frame"], [b"x" * 300], [b""], [bytes(range(256))]]
    recordings = Recordings({})
    with zmq.Context() as context:

        def probed(ctx: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
            made = ctx.socket(zmq.PUSH)
            probe(made, Recording("n", "s", "PUSH"), recordings, lambda _direction, _frames: 1)
            return made

        plain = _capture(lambda ctx: ctx.socket(zmq.PUSH), context, bodies)
        assert _capture(probed, context, bodies) == plain
        assert b"frame" in plain
    eventually(lambda: not recordings.live)
