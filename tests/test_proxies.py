"""Proxies: what passes through `zmq.proxy` over probed sockets is what passes without, and is counted to the frame."""

from __future__ import annotations

import errno
import signal
import threading
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from labs import eventually, leaving_nothing

import zlab
from zlab.probe import install_proxy, probe
from zlab.probe.counted import COUNTED, CountedProxy
from zlab.probe.steered import SteeredProxy
from zlab.recording import Counts, Recording
from zlab.recordings import Recordings
from zlab.runtime.tracing import TRACES, Tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

PROXIES = [
    pytest.param(CountedProxy, marks=pytest.mark.skipif(not COUNTED, reason="no C compiler: there is none")),
    SteeredProxy,
]
LIMIT = 10_000  # milliseconds


def probed(context: zmq.Context[zmq.Socket[bytes]], kind: zmq.SocketType) -> zmq.Socket[bytes]:
    """A probed socket of a lab of its own."""
    made = context.socket(kind)
    probe(made, Recording("proxy", kind.name, kind.name), Recordings({}), lambda _direction, _frames: 1)
    return made


class Between:
    """A proxy that runs between two sockets of the test."""

    def __init__(
        self, proxy: Any, context: zmq.Context[zmq.Socket[bytes]], kinds: tuple[zmq.SocketType, ...], hwm: int = 5
    ) -> None:
        first, front, back, last = (context.socket(kind) for kind in kinds)
        self.sockets = first, front, back, last
        for each in self.sockets:
            each.linger, each.rcvtimeo, each.sndtimeo = 0, LIMIT, LIMIT
        for each in (first, front, back, last):
            each.sndhwm = each.rcvhwm = hwm
        front.bind("inproc://front")
        back.bind("inproc://back")
        first.connect("inproc://front")
        last.connect("inproc://back")
        self.first, self.last = first, last
        self.loop = proxy(front, back)
        self.ended: list[BaseException | None] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Have it run until it is turned."""
        assert self.loop.begin(lambda: False)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.loop.run()
        except BaseException as error:  # noqa: BLE001 - it is looked at
            self.ended.append(error)
        else:
            self.ended.append(None)

    def turn(self) -> None:
        """End it."""
        self.loop.turn()
        self._thread.join(LIMIT / 1000)
        assert not self._thread.is_alive()

    @property
    def ident(self) -> int:
        return self._thread.ident or 0


@contextmanager
def between(proxy: Any, *kinds: zmq.SocketType, hwm: int = 5) -> Iterator[Between]:
    with leaving_nothing(), ExitStack() as last:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        made = Between(proxy, context, kinds, hwm)
        last.callback(context.term)
        last.callback(lambda: [each.close(0) for each in made.sockets])
        last.callback(made.loop.close)
        made.start()
        yield made
        if not made.ended:
            made.turn()


PIPE = (zmq.PUSH, zmq.PULL, zmq.PUSH, zmq.PULL)
BROKER = (zmq.DEALER, zmq.ROUTER, zmq.DEALER, zmq.DEALER)


@pytest.mark.parametrize("proxy", PROXIES)
def test_frames_and_bytes_are_counted_both_ways(proxy: Any) -> None:
    with between(proxy, *BROKER) as way:
        for number in range(3):
            way.first.send_multipart([b"", b"question %d" % number])
            routed = way.last.recv_multipart()
            assert routed[1:] == [b"", b"question %d" % number]
            way.last.send_multipart([*routed[:2], b"answer"])
            assert way.first.recv_multipart() == [b"", b"answer"]
        size = len(routed[0])
        # Of each question and each answer: the routing identity, the delimiter and the body.
        forth, back = 3 * (size + len(b"question 0")), 3 * (size + len(b"answer"))
        messages = 3 if proxy is CountedProxy else 0
        eventually(lambda: way.loop.front() == (messages, 9, back, 0, messages, 9, forth, 0, 0))
        assert way.loop.back() == (messages, 9, forth, 0, messages, 9, back, 0, 0)


@pytest.mark.parametrize("proxy", PROXIES)
def test_whatever_is_turned_and_started_again_all_comes_in_its_order(proxy: Any) -> None:
    count = 3000
    # libzmq's own cannot be turned while it waits for room.
    with between(proxy, *PIPE, hwm=5 if proxy is CountedProxy else 0) as way:

        def send() -> None:
            for number in range(count):
                way.first.send_multipart([b"%d" % number, b"x" * (number % 50)])

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        for number in range(count):
            assert way.last.recv_multipart() == [b"%d" % number, b"x" * (number % 50)]
            if number % 500 == 100:
                way.turn()
                assert way.ended.pop() is None
                assert not way.loop.unseen()
                way.start()
        sender.join(10)
        eventually(lambda: way.loop.back().sent_frames == 2 * count)
        assert way.loop.front().received_frames == 2 * count


@pytest.mark.skipif(not COUNTED, reason="no C compiler: there is none")
def test_what_waits_for_room_is_kept_and_a_proxy_with_no_room_can_be_turned() -> None:
    with between(CountedProxy, *PIPE) as way:
        sent = 0
        with suppress(zmq.Again):
            way.first.sndtimeo = 200
            while True:
                way.first.send(b"%d" % sent)
                sent += 1
        assert sent > 5
        way.turn()
        assert way.ended.pop() is None
        for number in range(3):
            assert way.last.recv() == b"%d" % number
        eventually(lambda: way.loop.clear(forth=True))
        front, back = way.loop.front(), way.loop.back()
        assert (front.received, front.received_frames) == (back.sent, back.sent_frames)
        way.start()
        for number in range(3, sent):
            assert way.last.recv() == b"%d" % number


@pytest.mark.skipif(not COUNTED, reason="no C compiler: there is none")
def test_signals_lose_nothing_and_count_nothing_twice() -> None:
    count = 2000
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: None)
    try:
        with between(CountedProxy, *PIPE) as way:
            over = threading.Event()

            def disturb() -> None:
                while not over.wait(0.0005):
                    with suppress(ProcessLookupError):
                        signal.pthread_kill(way.ident, signal.SIGUSR1)

            disturber = threading.Thread(target=disturb, daemon=True)
            disturber.start()

            def send() -> None:
                for number in range(count):
                    way.first.send_multipart([b"%d" % number, b"", b"end"])

            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            for number in range(count):
                assert way.last.recv_multipart() == [b"%d" % number, b"", b"end"]
            sender.join(10)
            over.set()
            disturber.join(10)
            eventually(lambda: way.loop.back().sent_frames == 3 * count)
            front = way.loop.front()
            assert (front.received, front.received_frames) == (count, 3 * count)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_end_of_the_context_is_told_as_pyzmq_tells_it(proxy: Any) -> None:
    with leaving_nothing():
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        way = Between(proxy, context, PIPE)
        way.start()
        ender = threading.Thread(target=context.term, daemon=True)
        ender.start()
        eventually(lambda: way.ended)
        assert isinstance(way.ended[0], zmq.ContextTerminated)
        way.loop.close()
        for each in way.sockets:
            each.close(0)
        ender.join(10)
        assert not ender.is_alive()


@pytest.mark.parametrize("counted", [COUNTED, False], ids=["counted", "steered"])
def test_a_proxy_that_is_never_idle_is_killed_over_inproc_too(counted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zlab.probe.proxy.COUNTED", counted)

    def flood(out: zmq.Socket[bytes]) -> None:
        while True:
            out.send(b"x")

    def pass_on(frontend: zmq.Socket[bytes], backend: zmq.Socket[bytes]) -> None:
        zmq.proxy(frontend, backend)

    topology = zlab.Topology(
        "flood",
        [
            zlab.Node("source", flood, out=zlab.PUSH.connect("front")),
            zlab.Node("streamer", pass_on, frontend=zlab.PULL.bind("front"), backend=zlab.PUSH.bind("back")),
            zlab.Node("sink", zlab.nodes.sink(), inbox=zlab.PULL.connect("back")),
        ],
    )
    with leaving_nothing(), zlab.run(topology, transport="inproc") as lab:
        lab.wait(messages=2000, timeout=LIMIT / 1000)
        lab.kill("streamer")
        assert next(node for node in lab.snapshot().nodes if node.name == "streamer").state == "killed"
        lab.stop()
        assert not [event for event in lab.history() if event.kind == "error"]
        assert (lab.ledger()["unaccounted"] == 0).all()


def test_proxy_is_pyzmqs_own_for_plain_sockets() -> None:
    install_proxy()
    install_proxy()
    with zmq.Context() as context:
        front, back = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
        front.bind("inproc://front")
        back.bind("inproc://back")
        thread = threading.Thread(target=_swallow, args=(front, back))
        thread.start()
        client, worker = context.socket(zmq.REQ), context.socket(zmq.REP)
        client.connect("inproc://front")
        worker.connect("inproc://back")
        client.send(b"ping")
        assert worker.recv() == b"ping"
        worker.send(b"pong")
        assert client.recv() == b"pong"
        client.close(0)
        worker.close(0)
        context.term()
        thread.join(5)
        assert not thread.is_alive()


def test_a_proxy_that_finds_no_room_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zlab.probe.proxy.COUNTED", False)  # the other opens no sockets
    install_proxy()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.max_sockets = 3  # its own two, and one of the two with which it is counted
    ends = [probed(context, kind) for kind in (zmq.ROUTER, zmq.DEALER)]
    with pytest.raises(zmq.ZMQError) as error:
        zmq.proxy(*ends)
    assert error.value.errno == errno.EMFILE
    for end in ends:
        end.close(0)
    ender = threading.Thread(target=context.term, daemon=True)
    ender.start()
    ender.join(10)  # while what was raised still holds all that there was
    assert not ender.is_alive()


def _swallow(front: zmq.Socket[bytes], back: zmq.Socket[bytes]) -> None:
    try:
        zmq.proxy(front, back)
    except zmq.ContextTerminated:
        front.close(0)
        back.close(0)


def news(topics: list[bytes], go: threading.Event, read: threading.Event, **marks: int) -> zlab.Topology:
    """A publisher that begins when it is told to, a proxy in C, and a subscriber to ``a`` that reads when it is."""

    def publish(out: zmq.Socket[bytes]) -> None:
        go.wait(20)
        for number, topic in enumerate(topics):
            out.send_multipart([topic, b"%d" % number])

    def pass_on(frontend: zmq.Socket[bytes], backend: zmq.Socket[bytes]) -> None:
        zmq.proxy(frontend, backend)

    def receive(inbox: zmq.Socket[bytes]) -> None:
        read.wait(20)
        while True:
            inbox.recv_multipart()

    return zlab.Topology(
        "news",
        [
            zlab.Node("publisher", publish, out=zlab.PUB.connect("front", sndhwm=0)),
            zlab.Node(
                "forwarder",
                pass_on,
                frontend=zlab.XSUB.bind("front", rcvhwm=0),
                backend=zlab.XPUB.bind("back", **marks),
            ),
            zlab.Node("all", zlab.nodes.sink(), inbox=zlab.SUB.connect("back", subscribe="", rcvhwm=0)),
            zlab.Node("subscriber", receive, inbox=zlab.SUB.connect("back", subscribe="a", rcvhwm=5)),
        ],
    )


BEHIND = "forwarder.backend → subscriber.inbox"


@pytest.mark.skipif(not COUNTED, reason="no C compiler: nobody sees what matches")
def test_what_is_dropped_behind_a_proxy_in_c_is_counted() -> None:
    go, read = threading.Event(), threading.Event()
    topology = news([b"a", b"b", b"ab"] * 100, go, read, sndhwm=5)
    with leaving_nothing(), zlab.run(topology, transport="inproc") as lab:
        lab.wait_ready(timeout=LIMIT / 1000)
        go.set()
        eventually(lambda: lab.ledger().loc[BEHIND, "expected"] == 200)
        read.set()
        told = ["delivered", "queued", "dropped: high-water mark", "unaccounted", "uncertain"]
        eventually(lambda: [*lab.ledger().loc[BEHIND, told]] == [10, 0, 190, 0, 0])


@pytest.mark.skipif(not COUNTED, reason="no C compiler: nobody sees what matches")
@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_what_matches_is_counted_once_whether_the_proxy_runs_in_c_or_past_the_gates(transport: str) -> None:
    go, read = threading.Event(), threading.Event()
    topology = news([b"a", b"b", b"ab"] * 1000, go, read, sndhwm=0)
    read.set()
    with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
        lab.wait_ready(timeout=LIMIT / 1000)
        go.set()
        for more in range(400, 2000, 400):
            lab.wait(until=lambda now, more=more: now.links[-1].delivered >= more, timeout=LIMIT / 1000)
            lab.pause()
            lab.resume()
        eventually(lambda: lab.ledger().loc[BEHIND, "delivered"] == 2000)
        eventually(lambda: not lab.ledger()["queued"].any())
        table = lab.ledger()
        assert tuple(table.loc[BEHIND, ["expected", "filtered"]]) == (2000, 1000)
        assert tuple(table.loc["forwarder.backend → all.inbox", ["expected", "filtered"]]) == (3000, 0)
        assert (lab.ledger()["unaccounted"] == 0).all()


def test_what_libzmqs_own_proxy_publishes_is_an_interval_until_all_of_it_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zlab.probe.proxy.COUNTED", False)
    go, read = threading.Event(), threading.Event()
    with leaving_nothing(), zlab.run(news([b"a", b"b", b"ab"] * 100, go, read, sndhwm=5), transport="inproc") as lab:
        lab.wait_ready(timeout=LIMIT / 1000)
        go.set()
        eventually(lambda: lab.sockets().loc["forwarder.backend", "sent"] == 300)
        read.set()
        eventually(lambda: lab.ledger().loc[BEHIND, "delivered"] == 10)
        row, every = lab.ledger().loc[BEHIND], lab.ledger().loc["forwarder.backend → all.inbox"]
        # 190 were dropped and 100 filtered, and nobody has seen either.
        assert (row["expected"], row["queued"], row["unaccounted"], row["uncertain"]) == (10, 0, 0, 290)
        # Of what somebody has asked for who has had it all, nothing can be missing.
        assert every["uncertain"] == 300 - every["delivered"]
    assert (lab.ledger()["uncertain"] == [0, 300 - every["delivered"], 290]).all()


def test_a_proxy_that_is_captured_by_a_socket_that_nobody_watches_makes_an_interval_of_what_it_publishes() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with leaving_nothing(), zmq.Context() as elsewhere, zlab.watch(context) as lab, elsewhere.socket(zmq.PUB) as copies:
        front, back, publisher = context.socket(zmq.XSUB), context.socket(zmq.XPUB), context.socket(zmq.PUB)
        asks, asks_for_all = context.socket(zmq.SUB), context.socket(zmq.SUB)
        front.bind("inproc://front")
        back.bind("inproc://back")
        publisher.connect("inproc://front")
        for each, prefix in ((asks, b"a"), (asks_for_all, b"")):
            each.rcvtimeo = LIMIT
            each.connect("inproc://back")
            each.subscribe(prefix)

        def forward() -> None:
            with suppress(zmq.ContextTerminated):
                zmq.proxy(front, back, copies)
            front.close(0)
            back.close(0)

        forwarding = threading.Thread(target=forward, name="forwarding", daemon=True)
        forwarding.start()
        eventually(lambda: lab.sockets()["type"].isin(["XPUB", "SUB"]).sum() >= 3)
        came: list[bytes] = []
        poller = zmq.Poller()
        poller.register(asks_for_all, zmq.POLLIN)
        while not came:  # until the subscriptions have arrived
            publisher.send(b"a")
            if poller.poll(20):
                came.append(asks_for_all.recv())
        for _ in range(20):
            publisher.send(b"b")
        while came[-20:] != [b"b"] * 20:
            came.append(asks_for_all.recv())

        def is_an_interval() -> bool:
            with suppress(zmq.Again):
                while True:
                    asks.recv(zmq.NOBLOCK)
            table, sockets = lab.ledger().query("endpoint == 'inproc://back'"), lab.sockets()
            sent = sockets.query("type == 'XPUB'")["sent"].sum()
            told = sorted(zip(table["delivered"], table["uncertain"], strict=True))
            return bool(told == sorted((n, sent - n) for n in sockets.query("type == 'SUB'")["received"]))

        eventually(is_an_interval)
        assert lab.ledger()["uncertain"].max() >= 20
        for each in (publisher, asks, asks_for_all):
            each.close(0)
        context.term()
        forwarding.join(10)


@pytest.mark.skipif(not COUNTED, reason="no C compiler: only frames are counted")
@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_a_proxy_in_c_counts_messages_however_many_frames_each_has(transport: str) -> None:
    go, count = threading.Event(), 300

    def publish(out: zmq.Socket[bytes], frames: int) -> None:
        go.wait(20)
        for number in range(count):
            out.send_multipart([b"abc"[number % 3 :][:1], *([b"%d" % number] * (frames - 1))])

    def pass_on(frontend: zmq.Socket[bytes], backend: zmq.Socket[bytes]) -> None:
        zmq.proxy(frontend, backend)

    wishes: dict[str, tuple[str, ...]] = {"two": ("a", "b"), "one": ("a",), "none": ("d",)}
    topology = zlab.Topology(
        "frames",
        [
            *(
                zlab.Node(f"of-{frames}", partial(publish, frames=frames), out=zlab.PUB.connect("front", sndhwm=0))
                for frames in (1, 3)
            ),
            zlab.Node(
                "proxy",
                pass_on,
                frontend=zlab.XSUB.bind("front", rcvhwm=0),
                backend=zlab.XPUB.bind("back", sndhwm=0),
            ),
            *(
                zlab.Node(name, zlab.nodes.sink(), inbox=zlab.SUB.connect("back", subscribe=asked, rcvhwm=0))
                for name, asked in wishes.items()
            ),
        ],
    )
    with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
        lab.wait_ready(timeout=LIMIT / 1000)
        go.set()
        eventually(lambda: lab.ledger().loc["proxy.backend → two.inbox", "delivered"] == 400)
        eventually(lambda: not lab.ledger()["queued"].any())
        told = lab.ledger()[["delivered", "filtered", "uncertain", "unaccounted"]]
        # What a program computes that sees each message: of three topics in turn, so many of 300.
        assert [tuple(row) for row in told.to_numpy()] == [
            *([(200, 100, 0, 0)] * 2),
            *((200 * len(asked), 400 - 200 * len(asked), 0, 0) for asked in (("a", "b"), ("a",), ())),
        ]
        sockets = lab.sockets()
        assert (sockets.loc["proxy.frontend", "received"], sockets.loc["proxy.backend", "sent"]) == (400, 400)


@pytest.mark.skipif(not COUNTED, reason="no C compiler: it tells of frames, and of what waits in the end of nothing")
def test_a_proxy_that_was_interrupted_and_is_called_again_counts_on(monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[CountedProxy] = []

    class Interrupted(CountedProxy):
        def run(self) -> None:
            loops.append(self)
            super().run()
            raise KeyboardInterrupt

    monkeypatch.setattr("zlab.probe.proxy.CountedProxy", Interrupted)
    install_proxy()
    with leaving_nothing(), zmq.Context() as context, ExitStack() as last:
        front, back = probed(context, zmq.PULL), probed(context, zmq.PUSH)
        source, sink = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        for each, url in ((front, "inproc://front"), (back, "inproc://back")):
            last.callback(each.close, 0)
            each.bind(url)
        for each, url in ((source, "inproc://front"), (sink, "inproc://back")):
            last.callback(each.close, 0)
            each.rcvtimeo = LIMIT
            each.connect(url)
        back.send(b"by hand")
        assert sink.recv() == b"by hand"
        for number in range(1, 4):

            def forward() -> None:
                with suppress(KeyboardInterrupt):
                    zmq.proxy(front, back)

            thread = threading.Thread(target=forward, daemon=True)
            thread.start()
            source.send_multipart([b"1", b"2"])
            assert sink.recv_multipart() == [b"1", b"2"]
            loops[-1].turn()
            thread.join(LIMIT / 1000)
            assert (front._recording.counts().received, back._recording.counts().sent) == (number, number + 1)  # type: ignore[attr-defined]


def test_what_a_proxy_moves_is_not_counted_among_what_is_traced() -> None:
    run: Any = SimpleNamespace(full=False, mask=0, tracing=True, rich=True, apply=lambda: None)
    book: Any = SimpleNamespace(let_go=0, recent=SimpleNamespace(longest_queue=lambda: 0.0), journeys=SimpleNamespace())
    tracing, (sender, front, receiver) = Tracing(run, book, 0.1), (Recording(name, "end", "PAIR") for name in "afb")
    moved: Any = SimpleNamespace(partner=receiver)
    sent, received = Counts(TRACES // 2, 0, 0, 0, 0, 0, 0), Counts(0, 0, 0, 0, TRACES // 2, 0, 0)
    front.forwarded = moved
    tracing.adapt({sender: sent, front: received, receiver: received})
    assert tracing.sampling == 1
    front.forwarded = None
    tracing.adapt({sender: sent, front: received._replace(received=2 * TRACES), receiver: received})
    assert tracing.sampling > 1


@pytest.mark.parametrize("counted", [COUNTED, False], ids=["counted", "steered"])
def test_the_links_of_a_proxy_say_that_they_are(counted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zlab.probe.proxy.COUNTED", counted)
    with leaving_nothing(), zlab.run(zlab.patterns.forwarder(), transport="inproc") as lab:
        eventually(lambda: len(lab.latency()))
        lab.stop()
        assert all(link.proxied and link.latency is None for link in lab.snapshot().links)
        assert set(lab.latency()["scope"]) == {"end to end"}
    with leaving_nothing(), zlab.run(zlab.patterns.pipeline(), transport="inproc") as lab:
        eventually(lambda: len(lab.latency()))
        assert not any(link.proxied for link in lab.snapshot().links)
