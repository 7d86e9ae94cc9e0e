"""The patterns as data, and what their nodes do on plain pyzmq sockets."""

from __future__ import annotations

import inspect
import json
import math
import re
import threading
import time
from itertools import islice

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

import zlab
from zlab import patterns
from zlab.nodes import at_least, paced, padded, work

PATTERNS = [getattr(patterns, name) for name in patterns.__all__]
PEERS = [
    (pattern, knob.name)
    for pattern in PATTERNS
    for knob in inspect.signature(pattern).parameters.values()
    if any(node.name == f"{knob.name[:-1]}-1" for node in pattern().nodes)
]


class Bench:
    """A context, and the sockets of a test at whose other end a node sits."""

    def __init__(self):
        self.context = zmq.Context()
        self.mine = []

    def socket(self, kind, endpoint, *, mine=False, name=""):
        socket = self.context.socket(kind)
        if name:
            socket.routing_id = name.encode()
        socket.rcvtimeo = 5000 if mine else -1
        if mine:
            self.mine.append(socket)
            socket.connect(f"inproc://{endpoint}")
        else:
            socket.bind(f"inproc://{endpoint}")
        return socket

    def pair(self, kind, peer, endpoint="x"):
        """The node's end, and the test's."""
        return self.socket(kind, endpoint), self.socket(peer, endpoint, mine=True)


@pytest.fixture
def bench():
    """A bench whose context ends within two seconds, as a lab's must."""
    bench = Bench()
    yield bench
    for socket in bench.mine:
        socket.close(0)
    ender = threading.Thread(target=bench.context.term, daemon=True)
    ender.start()
    ender.join(2)
    assert not ender.is_alive(), "a socket was left open"


def in_thread(function, /, **sockets):
    """Run a node as a lab does; its sockets close when it ends."""
    ended = []

    def run():
        try:
            function(**sockets)
            ended.append("returned")
        except zmq.ContextTerminated:
            ended.append("terminated")
        finally:
            for socket in sockets.values():
                socket.close(0)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, ended


# The topologies


def test_each_pattern_is_exported_once():
    assert len(patterns.__all__) == len(set(patterns.__all__))  # in the order of the notebooks


@pytest.mark.parametrize("pattern", PATTERNS, ids=patterns.__all__)
class TestEveryPattern:
    def test_it_is_named_after_its_function_and_its_file(self, pattern):
        assert pattern().name == pattern.__name__
        assert pattern.__module__ == f"zlab.patterns.{pattern.__name__}"

    def test_it_has_the_knobs_and_a_default_for_each(self, pattern):
        knobs = inspect.signature(pattern).parameters
        assert {"rate", "size", "hwm"} <= set(knobs)
        assert all(knob.default is not inspect.Parameter.empty for knob in knobs.values())

    def test_its_docstring_teaches(self, pattern):
        text = inspect.getdoc(pattern)
        first = text.splitlines()[0]
        assert len(first) < 90
        assert first.endswith(".")
        where = "ZeroMQ Guide, chapter" if pattern.guide.chapter else "Not in the ZeroMQ Guide: see "
        for part in ("Look for", "Args:", "Returns:", "Raises:", where, "RFC "):
            assert part in text
        for knob in inspect.signature(pattern).parameters:
            assert re.search(rf"^ +{knob}: ", text, re.MULTILINE), f"{knob} is not described"
        assert "::\n\n" in text, "no picture"
        for node in pattern().nodes:
            assert re.sub(r"-\d+$", "-1", node.name) in text, f"{node.name} is not named"

    def test_all_its_nodes_are_linked(self, pattern):
        topology = pattern()
        linked = {link.source for link in topology.links} | {link.target for link in topology.links}
        assert linked == {node.name for node in topology.nodes}

    def test_the_high_water_mark_reaches_every_queue(self, pattern):
        topology = pattern(hwm=7)
        for name, socket in topology.sockets():
            if socket.type.sends:
                assert socket.options["sndhwm"] == 7, name
            if socket.type.receives:
                assert socket.options["rcvhwm"] == 7, name

    def test_rate_and_size_are_live_knobs_of_who_starts_the_traffic(self, pattern):
        tunable = [n.function for n in pattern(rate=3.5, size=77).nodes if hasattr(n.function, "rate")]
        assert tunable
        assert all((f.rate, f.size) == (3.5, 77) for f in tunable)

    def test_two_topologies_share_no_node(self, pattern):
        one, other = pattern(), pattern()
        shared = {id(n.function) for n in one.nodes} & {id(n.function) for n in other.nodes}
        assert all(inspect.isfunction(n.function) for n in one.nodes if id(n.function) in shared)

    @pytest.mark.parametrize("knob", ["rate", "hwm"])
    def test_less_than_nothing_is_refused(self, pattern, knob):
        with pytest.raises(ValueError, match=f"{knob}=-1 cannot work: .*at least 0"):
            pattern(**{knob: -1})

    def test_what_is_no_number_is_refused(self, pattern):
        for rate in (math.nan, "fast", None):
            with pytest.raises(ValueError, match=r"rate=.* cannot work"):
                pattern(rate=rate)

    def test_too_small_a_message_is_refused(self, pattern):
        least = int(re.search(r"fewer than (\d+) bytes", inspect.getdoc(pattern))[1])
        pattern(size=least)
        with pytest.raises(ValueError, match=f"size={least - 1} cannot work: .*at least {least}"):
            pattern(size=least - 1)


@pytest.mark.parametrize(("pattern", "knob"), PEERS)
class TestPeers:
    @given(peers=st.integers(1, 12))
    @settings(max_examples=5)
    def test_as_many_as_asked_for(self, pattern, knob, peers):
        names = [node.name for node in pattern(**{knob: peers}).nodes]
        assert [n for n in names if n.startswith(f"{knob[:-1]}-")] == [f"{knob[:-1]}-{i + 1}" for i in range(peers)]

    @pytest.mark.parametrize("peers", [0, -1, 2.5, "3"])
    def test_but_at_least_one(self, pattern, knob, peers):
        with pytest.raises(ValueError, match=f"{knob}={peers!r} cannot work: give a whole number, at least 1"):
            pattern(**{knob: peers})


@pytest.mark.parametrize("pattern", PATTERNS, ids=patterns.__all__)
def test_a_notebook_shows_what_there_is_to_know_of_it(pattern):
    shown = pattern._repr_markdown_()
    assert shown.startswith(f"**`zlab.patterns.{pattern.__name__}`** (")
    for told in (pattern.guide.see, pattern.guide.promise, pattern.guide.failure):
        assert f": {told}" in shown
    page = pattern._repr_html_()
    assert f"<code>zlab.patterns.{pattern.__name__}</code>" in page
    assert page.count("<li>") == 3
    assert f"<title>{pattern.__name__}: {len(pattern().nodes)} nodes" in page


def test_a_name_that_is_none_is_told_with_one_that_is():
    with pytest.raises(AttributeError, match=r"no pattern 'pipelin': did you mean pipeline\?"):
        zlab.patterns.pipelin  # noqa: B018 - asking is all
    with pytest.raises(AttributeError, match="no pattern 'frob': zlab list names them all"):
        zlab.patterns.frob  # noqa: B018
    assert not hasattr(zlab.patterns, "__path_of_nothing__")


def test_subscriptions_go_round():
    topology = patterns.pub_sub(subscribers=3, subscriptions=("a", "b"))
    assert [s.options["subscribe"] for _, s in topology.sockets() if s.type is zlab.SUB] == ["a", "b", "a"]


@pytest.mark.parametrize("wrong", ["weather", (), []])
def test_subscriptions_are_several(wrong):
    with pytest.raises(ValueError, match="give prefixes"):
        patterns.pub_sub(subscriptions=wrong)


# What the nodes say


def test_the_publisher_says_something_new_each_time(bench):
    topology = patterns.pub_sub(rate=math.inf, size=60)
    out, inbox = bench.pair(zmq.PUSH, zmq.PULL)
    in_thread(topology["publisher"].function, updates=out)
    said = [inbox.recv() for _ in range(200)]
    assert len(set(said)) == 200
    assert {len(each) for each in said} == {60}
    for prefix, share in ((b"weather NYC", 40), (b"weather", 120), (b"sports", 80)):
        assert sum(each.startswith(prefix) for each in said) == share


def test_the_ventilator_sends_numbered_tasks_of_the_right_size(bench):
    topology = patterns.pipeline(rate=math.inf, size=80)
    out, inbox = bench.pair(zmq.PUSH, zmq.PULL)
    in_thread(topology["ventilator"].function, tasks=out)
    tasks = [inbox.recv() for _ in range(100)]
    assert [json.loads(task)["task_id"] for task in tasks] == list(range(100))
    assert {len(task) for task in tasks} == {80}


def test_a_worker_passes_on_what_it_did(bench):
    tasks, ventilator = bench.pair(zmq.PULL, zmq.PUSH)
    results, sink = bench.pair(zmq.PUSH, zmq.PULL, "results")
    in_thread(patterns.pipeline()["worker-1"].function, tasks=tasks, results=results)
    task = {"task_id": 3, "seconds": 0.001, "payload": "é"}
    ventilator.send_json(task)
    assert sink.recv_json() == task


def test_a_server_answers_each_client_by_name(bench):
    requests, client = bench.pair(zmq.REP, zmq.REQ)
    in_thread(patterns.request_reply()["server"].function, requests=requests)
    for i in range(3):
        client.send(padded(f"request {i} of client-1", 40))
        assert client.recv() == padded(f"reply {i} of client-1", 40)


def test_ping_gives_up_on_a_lost_pong(bench):
    line, pong = bench.pair(zmq.PAIR, zmq.PAIR)
    in_thread(patterns.exclusive_pair(rate=math.inf)["ping"].function, line=line)
    assert pong.recv().startswith(b"ping 0 ")
    assert pong.recv().startswith(b"ping 1 ")  # a second later
    pong.send(b"pong 0 ")  # too late, and not taken for the answer to ping 1
    pong.send(b"pong 1 ")
    assert pong.recv().startswith(b"ping 2 ")


def test_a_broker_hands_on_what_it_has_no_worker_for(bench):
    localfe, client = bench.pair(zmq.ROUTER, zmq.REQ, "localfe")
    localbe, worker = bench.pair(zmq.ROUTER, zmq.REQ, "localbe")
    cloudfe, asking = bench.socket(zmq.ROUTER, "fe", name="DC1"), bench.socket(zmq.ROUTER, "fe", mine=True, name="DC2")
    cloudbe, asked = bench.socket(zmq.ROUTER, "be", name="DC1"), bench.socket(zmq.ROUTER, "be", mine=True, name="DC2")
    statefe, state = bench.pair(zmq.SUB, zmq.PUB, "statefe")
    statebe, told = bench.pair(zmq.PUB, zmq.SUB, "statebe")
    statefe.subscribe(b"")
    told.subscribe(b"")
    cloudbe.router_mandatory = localbe.router_mandatory = 1
    ends = {"localfe": localfe, "localbe": localbe, "cloudfe": cloudfe, "cloudbe": cloudbe}
    broker = patterns.inter_broker_routing()["DC1"].function
    in_thread(broker, **ends, statefe=statefe, statebe=statebe)

    asking.send_multipart([b"DC1", b"theirs", b"", b"hello"])
    client.send(b"request")
    while not asked.poll(20):
        state.send_multipart([b"DC2", b"1"])
    came = [asked.recv_multipart()]
    while not asked.poll(20):
        state.send_multipart([b"DC2", b"1"])
    came.append(asked.recv_multipart())
    assert came[0] == [b"DC1", b"DC2", b"theirs", b"", b"hello"]  # it goes back by the way that it came
    assert came[1][0] == b"DC1"
    assert came[1][2:] == [b"", b"request"]
    for message in came:
        asked.send_multipart([*message[:-1], b"reply to " + message[-1]])
    assert asking.recv_multipart() == [b"DC1", b"theirs", b"", b"reply to hello"]
    assert client.recv() == b"reply to request"

    worker.send(b"READY")
    while told.recv_multipart() != [b"DC1", b"1"]:
        pass
    client.send(b"another")
    assert worker.recv_multipart()[1:] == [b"", b"another"]


# The ready-made nodes


def test_a_source_counts_and_finishes(bench):
    out, inbox = bench.pair(zmq.PUSH, zmq.PULL)
    thread, ended = in_thread(zlab.nodes.source(rate=math.inf, size=50, count=20), out=out)
    messages = [inbox.recv() for _ in range(20)]
    thread.join(5)
    assert ended == ["returned"]
    assert [int(message.split()[1]) for message in messages] == list(range(20))
    assert {len(message) for message in messages} == {50}
    assert not inbox.poll(0)


def test_a_source_of_none(bench):
    thread, ended = in_thread(zlab.nodes.source(count=0), out=bench.socket(zmq.PUSH, "x"))
    thread.join(5)
    assert ended == ["returned"]


def test_two_sources_never_say_the_same(bench):
    said = set()
    for endpoint in ("one", "other"):
        out, inbox = bench.pair(zmq.PUSH, zmq.PULL, endpoint)
        in_thread(zlab.nodes.source(rate=math.inf, count=50), out=out)
        said |= {inbox.recv() for _ in range(50)}
    assert len(said) == 100


def test_size_is_read_at_each_message(bench):
    source = zlab.nodes.source(rate=math.inf, size=30)
    out, inbox = bench.pair(zmq.PUSH, zmq.PULL)
    in_thread(source, out=out)
    assert len(inbox.recv()) == 30
    source.size = 3000
    deadline = time.monotonic() + 5
    while len(inbox.recv()) != 3000:
        assert time.monotonic() < deadline


def test_echo_and_worker(bench):
    requests, client = bench.pair(zmq.REP, zmq.REQ)
    in_thread(zlab.nodes.echo(seconds=0.002), requests=requests)
    client.send(b"hello")
    assert client.recv() == b"hello"
    inbox, before = bench.pair(zmq.PULL, zmq.PUSH, "in")
    out, after = bench.pair(zmq.PUSH, zmq.PULL, "out")
    in_thread(zlab.nodes.worker(seconds=0.002), inbox=inbox, out=out)
    before.send(b"task")
    assert after.recv() == b"task"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: zlab.nodes.source(rate=-1),
        lambda: zlab.nodes.source(size=-1),
        lambda: zlab.nodes.source(count=-1),
        lambda: zlab.nodes.worker(seconds=-1),
        lambda: zlab.nodes.echo(seconds=-1),
    ],
)
def test_a_ready_made_node_refuses_what_cannot_work(wrong):
    with pytest.raises(ValueError, match=r"\w+=-1 cannot work: give .*, at least 0"):
        wrong()


@pytest.mark.parametrize(
    ("kind", "node"),
    [
        (zmq.PUSH, zlab.nodes.source(rate=0)),
        (zmq.PUSH, zlab.nodes.source(rate=0.01)),
        (zmq.PUSH, zlab.nodes.source(rate=math.inf)),  # blocked in send: there is no peer
        (zmq.PUB, zlab.nodes.source(rate=math.inf)),  # never blocked
        (zmq.PULL, zlab.nodes.sink()),
        (zmq.REP, zlab.nodes.echo()),
    ],
    ids=["standing", "slow", "blocked", "flooding", "sink", "echo"],
)
def test_the_end_of_the_context_ends_a_node_at_once(kind, node):
    context = zmq.Context()
    (name,) = inspect.signature(node).parameters
    thread, ended = in_thread(node, **{name: context.socket(kind)})
    before = time.monotonic()
    context.term()
    thread.join(5)
    assert ended == ["terminated"]
    assert time.monotonic() - before < 1


def test_the_end_of_the_context_ends_work_at_once():
    context = zmq.Context()
    thread, ended = in_thread(lambda inbox: work(inbox, 60), inbox=context.socket(zmq.PULL))
    context.term()
    thread.join(5)
    assert ended == ["terminated"]


# Pacing


class Clock:
    """Time that passes only while a socket is polled, and as much as the test likes."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.polls = []
        self.late = 0.0
        monkeypatch.setattr("zlab.nodes.time.perf_counter", lambda: self.now)

    def poll(self, milliseconds, flags):
        assert flags == zmq.POLLERR
        self.polls.append(milliseconds)
        self.now += milliseconds / 1000 + self.late


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def yielded_within(clock, numbers, seconds):
    """How many numbers come before the clock has gone on by so many seconds."""
    end = clock.now + seconds
    return next(count for count, _ in enumerate(numbers) if clock.now > end)


@pytest.mark.parametrize("rate", [0.2, 3.3, 30, 100, 999, 10_000, 123_456])
@pytest.mark.parametrize("late", [0, 0.0004, 0.02])
def test_the_mean_rate_is_kept(clock, rate, late):
    clock.late = late
    seconds = max(20, 20 / rate) if rate < 10_000 else 2
    count = yielded_within(clock, paced(clock, lambda: rate), seconds)
    assert count == pytest.approx(rate * seconds, rel=0.02, abs=2)


@pytest.mark.parametrize("rate", [5, 100, 10_000])
def test_no_flood_follows_a_stall(clock, rate):
    numbers = paced(clock, lambda: rate)
    list(islice(numbers, 10))
    clock.now += 60  # blocked in send, or paused
    stalled = clock.now
    count = next(count for count, _ in enumerate(numbers) if clock.now > stalled)
    assert count <= 0.1 * rate + 1


def test_a_changed_rate_takes_effect_within_a_tenth_of_a_second(clock):
    rates = [0.01]
    numbers = paced(clock, lambda: rates[0])
    next(numbers)
    rates[0] = 0.0
    changing = clock.now
    original = clock.poll

    def poll(milliseconds, flags):
        original(milliseconds, flags)
        if clock.now - changing > 10:
            rates[0] = 1000.0

    clock.poll = poll
    next(numbers)
    assert 10 < clock.now - changing < 10.1
    assert max(clock.polls) <= 50


def test_no_limit_is_no_wait(clock):
    assert list(islice(paced(clock, lambda: math.inf), 1000)) == list(range(1000))
    assert clock.polls == []


def test_it_waits_rather_than_spins(clock):
    yielded_within(clock, paced(clock, lambda: 10_000), 1)
    assert len(clock.polls) <= 1001


@given(st.text(max_size=20), st.integers(0, 100))
def test_padding_never_cuts(text, size):
    body = padded(text, size)
    assert body.startswith(text.encode())
    assert len(body) == max(size, len(text.encode()))
    assert set(body[len(text.encode()) :]) <= {ord(".")}


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_at_least_means_it(least, value):
    if value >= least:
        at_least(least, workers=value)
    else:
        with pytest.raises(ValueError, match=f"^workers={value} "):
            at_least(least, workers=value)
