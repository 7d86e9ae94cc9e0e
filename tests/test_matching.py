"""Matching on arrays says of each message what following them one by one says."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zlab
from zlab.ledger import held, pairing
from zlab.ledger.grouping import grouped, runs
from zlab.ledger.journeys import Journeys
from zlab.ledger.kinds import Kinds
from zlab.ledger.matching import LONGEST_HOLD, PATIENCE, Matcher
from zlab.ledger.pairing import Arrivals, Offers, pair
from zlab.ledger.ways import Ways
from zlab.recording import Batch, Direction, Filter, Recording, Trace

if TYPE_CHECKING:
    from collections.abc import Mapping

SEND, RECV = Direction.SEND, Direction.RECV


# --- one by one: what the arrays are held against ---------------------------------------------------------------------


@dataclass(eq=False)
class Message:
    recording: Recording
    trace: Trace
    message: int
    hop: int
    began: int
    origin: str
    cause: Came | None
    unchanged: bool
    ambiguous: bool
    left: list[Recording] = field(default_factory=list)


@dataclass(eq=False)
class Came:
    recording: Recording
    time: int
    sent: Message
    ambiguous: bool
    passed: bool = False


class OneByOne:
    """The same law, told message by message, in the order of time."""

    def __init__(self, senders: Mapping[str, set[str]], relays: frozenset[str]) -> None:
        self.senders, self.relays = senders, relays
        self.journeys = 0
        self.messages: list[Message] = []
        self.matches: list[tuple[Any, ...]] = []
        self.pending: dict[int, list[Message]] = defaultdict(list)
        self.current: dict[str, Came | None] = {}
        self.unanswered: dict[str, int] = defaultdict(int)
        self.bodies: dict[tuple[str, int], Came] = {}

    def take(self, events: list[tuple[Recording, Trace]], *, full: bool) -> None:
        for recording, trace in sorted(events, key=lambda event: event[1].time):
            (self.send if trace.direction is SEND else self.recv)(recording, trace, full=full)

    def cause(self, sender: Recording, key: int, *, full: bool) -> tuple[Came | None, bool]:
        def may(came: Came | None) -> bool:
            return came is not None and (sender.type != "REQ" or came.recording.name != sender.name)

        node, same = sender.node, self.bodies.get((sender.node, key))
        if same is not None and may(same):
            same.passed = True
            self.unanswered[node] = max(0, self.unanswered[node] - 1)
            return same, True
        latest = self.current.get(node)
        if not full or latest is None or not may(latest):
            return None, False
        latest.ambiguous |= self.unanswered[node] > 1
        self.unanswered[node] = 0
        return latest, False

    def send(self, recording: Recording, trace: Trace, *, full: bool) -> None:
        cause, same = self.cause(recording, trace.key, full=full)
        if cause is None:
            self.journeys += 1
            sent = Message(recording, trace, self.journeys, 1, trace.time, recording.node, None, False, False)
        else:
            of = cause.sent
            sent = Message(recording, trace, of.message, of.hop + 1, of.began, of.origin, cause, same, cause.ambiguous)
        sent.left = [f.receiver for f, _ in trace.matched]
        self.pending[trace.key].append(sent)
        self.messages.append(sent)

    def recv(self, recording: Recording, trace: Trace, *, full: bool) -> None:
        facing, node = self.senders.get(recording.name, set()), recording.node
        waiting = self.pending[trace.key]
        fitting = (
            s
            for s in waiting
            if s.recording.name in facing and (not s.trace.matched or any(r is recording for r in s.left))
        )
        both = list(islice(fitting, 2))
        if not both:
            return
        for one in both if len(both) > 1 else ():
            one.ambiguous = True
        sent = both[0]
        sent.left = [r for r in sent.left if r is not recording]
        if not sent.left:
            waiting.remove(sent)
        ends = node not in self.relays or sent.origin == node
        self.matches.append((sent.trace.time, trace.time, sent.ambiguous, ends, sent.began, sent.origin, sent.message))
        came = Came(recording, trace.time, sent, sent.ambiguous)
        before = self.bodies.pop((node, trace.key), None)
        if ends:
            self.current[node], self.unanswered[node] = None, 0
            return
        self.current[node] = came if full else None
        self.unanswered[node] += 1
        if before is not None and not before.passed:
            came.ambiguous = True
        self.bodies[node, trace.key] = came


# --- topologies and what happens on them ------------------------------------------------------------------------------


def idle(**sockets: Any) -> None:
    """Never run: only its sockets are looked at."""


def line() -> zlab.Topology:
    """Two that send, two that pass on, one that answers and one that asks; sockets that do not all face each other."""
    return zlab.Topology(
        "line",
        [
            zlab.Node("a", idle, out=zlab.PUSH.connect("one", "two"), asks=zlab.REQ.connect("questions")),
            zlab.Node("b", idle, out=zlab.PUSH.connect("two")),
            zlab.Node("c", idle, inbox=zlab.PULL.bind("one"), out=zlab.PUSH.connect("three")),
            zlab.Node("d", idle, inbox=zlab.PULL.bind("two"), out=zlab.PUSH.connect("three")),
            zlab.Node("e", idle, inbox=zlab.PULL.bind("three"), answers=zlab.REP.bind("questions")),
        ],
    )


def news() -> zlab.Topology:
    """Two publishers, one reader of both and one of one, who publishes what it has read."""
    return zlab.Topology(
        "news",
        [
            zlab.Node("p", idle, out=zlab.PUB.bind("p")),
            zlab.Node("q", idle, out=zlab.PUB.bind("q")),
            zlab.Node("r", idle, inbox=zlab.SUB.connect("p", "q", subscribe="")),
            zlab.Node("s", idle, inbox=zlab.SUB.connect("p", subscribe=""), out=zlab.PUB.bind("s")),
            zlab.Node("t", idle, inbox=zlab.SUB.connect("s", subscribe="")),
        ],
    )


class Bench:
    """A matcher on arrays beside one that goes one by one, over the same sockets."""

    def __init__(self, topology: zlab.Topology) -> None:
        self.senders: dict[str, set[str]] = defaultdict(set)
        for link in topology.links:
            self.senders[link.receiver].add(link.sender)
        relays = frozenset({k.source for k in topology.links} & {k.target for k in topology.links})
        self.arrays = Matcher(self.senders, relays, Kinds(dict(topology.sockets())), hold=0)
        self.plain = OneByOne(self.senders, relays)
        self.journeys = Journeys(topology, self.arrays, {}, 10**6)
        self.lives = [Recording(*name.rsplit(".", 1), str(spec.type)) for name, spec in topology.sockets()]
        self.out = [r for r in self.lives if any(r.name in senders for senders in self.senders.values())]
        self.into = [r for r in self.lives if r.name in self.senders]
        self.filters = {
            (p.name, s.name): Filter(p, s, 0) for s in self.into for p in self.out if p.name in self.senders[s.name]
        }
        self.matches: list[tuple[Any, ...]] = []
        self.now = 0

    def trace(self, what: tuple[bool, int, int, int]) -> tuple[Recording, Trace]:
        sends, who, key, some = what
        self.now += 10
        if not sends:
            receiver = self.into[who % len(self.into)]
            return receiver, Trace(self.now, RECV, self.now, key, 3, b"", ())
        sender, matched = self.out[who % len(self.out)], ()
        if sender.type == "PUB":
            theirs = [f for (p, _), f in self.filters.items() if p == sender.name]
            matched = tuple((f, self.now) for i, f in enumerate(theirs) if some >> i & 1)
        return sender, Trace(self.now, SEND, self.now, key, 3, b"abc", matched, self.now + 1)

    def tick(self, events: list[tuple[Recording, Trace]], *, full: bool) -> None:
        by_socket: dict[Recording, list[Trace]] = defaultdict(list)
        for recording, trace in events:
            by_socket[recording].append(trace)
        batches = {recording: Batch(traces) for recording, traces in by_socket.items()}
        for worked in self.arrays.match(batches, self.now + 5, full=full):
            assert not worked.let_go
            self.journeys.take(worked)
            m, nodes = worked.matches, self.arrays.lives.nodes
            columns = (m.sent, m.received, m.ambiguous, m.ends, m.began)
            self.matches += zip(*(c.tolist() for c in columns), (nodes[o] for o in m.origin), strict=True)
        self.plain.take(events, full=full)

    def compare(self) -> None:
        assert sorted(self.matches) == sorted(m[:6] for m in self.plain.matches)
        found = {}
        for hop in self.journeys.hops():
            found[hop.crossing.trace.time] = hop.crossing
        assert len(found) == len(self.plain.messages)
        for sent in self.plain.messages:
            crossing, cause = found[sent.trace.time], sent.cause
            assert (crossing.message, crossing.hop, crossing.began, crossing.origin, crossing.ambiguous) == (
                sent.message,
                sent.hop,
                sent.began,
                sent.origin,
                sent.ambiguous,
            )
            assert crossing.sender == sent.recording.name
            assert (crossing.cause is None) == (cause is None)
            if crossing.cause is not None and cause is not None:
                told = crossing.cause.socket, crossing.cause.time, crossing.cause.unchanged
                assert told == (cause.recording.name, cause.time, sent.unchanged)
        came = sorted((h.crossing.trace.time, h.received, h.receiver) for h in self.journeys.hops() if h.received)
        assert [c[:2] for c in came] == sorted(m[:2] for m in self.plain.matches)


EVENTS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3), st.integers(0, 7)), min_size=1, max_size=60
)


@settings(max_examples=300, deadline=None)
@given(
    EVENTS,
    st.lists(st.integers(0, 60), max_size=4),
    st.sampled_from([line, news]),
    st.booleans(),
    st.integers(0, 5),
    st.sampled_from([1, 3, held.PART]),
)
def test_arrays_say_what_following_one_by_one_says(
    events: list[tuple[bool, int, int, int]], cuts: list[int], make: Any, full: bool, change: int, part: int
) -> None:
    bench = Bench(make())
    ends = [*sorted(cuts), len(events)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held, "PART", part)
        for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            bench.tick([bench.trace(e) for e in events[start:end]], full=full != (number == change))
    bench.compare()


# --- many at once -----------------------------------------------------------------------------------------------------


def test_many_equal_ones_are_put_together_in_their_order() -> None:
    rng = np.random.default_rng(1)
    low = rng.integers(0, 2**31, 3_000)
    # Codes that differ in their upper half alone, so that what is told apart at first is not enough.
    codes = np.concatenate([low | (upper << 33) for upper in range(1, 4)] * 3)
    rng.shuffle(codes)
    order = grouped(codes)
    ranked = codes[order]
    first = np.append(True, ranked[1:] != ranked[:-1])
    assert np.count_nonzero(first) == np.unique(codes).size
    assert (np.diff(order)[~first[1:]] > 0).all()
    assert sorted(order.tolist()) == list(range(codes.size))


@given(st.lists(st.integers(-3, 3), max_size=100))
def test_each_number_is_told_with_its_places(numbers: list[int]) -> None:
    found = {value: places.tolist() for value, places in runs(np.array(numbers, np.int64))}
    assert found == {n: [i for i, m in enumerate(numbers) if m == n] for n in set(numbers)}


@pytest.mark.parametrize("bodies", [3, 700, 10**9])
def test_what_comes_in_order_on_one_link_is_paired_as_anywhere(bodies: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    count, came = 5_000, 4_000
    key = rng.integers(-(2**62), 2**62, count)[rng.permutation(count) % bodies]
    sent = np.cumsum(rng.integers(1, 100, count))
    received = np.maximum.accumulate(sent[:came] + rng.integers(1, 20_000, came))
    unknown = np.full(count, -1)
    offers = Offers(key, sent, np.full(count, 0), unknown, unknown)
    arrivals = Arrivals(key[:came], received, np.full(came, 1), np.full(came, 1), unknown[:came])
    ways = Ways({})
    ways.number("a.out")
    ways.face("a.out", "b.inbox")
    quick = pair(offers, arrivals, ways)
    monkeypatch.setattr(pairing, "_MANY", 10**9)
    usual = pair(offers, arrivals, ways)
    for one in (quick, usual):
        order = np.argsort(one.arrival)
        assert (one.arrival[order] == np.arange(came)).all()
        assert (one.offer[order] == np.arange(came)).all()
    assert set(quick.marked) == set(usual.marked)
    assert bool(quick.marked.size) == (bodies < 10**9)


@pytest.mark.parametrize("bodies", [3, 700])
def test_where_one_sends_to_one_the_ranks_tell_which_is_which_though_some_went_untraced(bodies: int) -> None:
    rng = np.random.default_rng(3)
    count, came = 5_000, 4_000
    key = rng.integers(-(2**62), 2**62, bodies)[np.arange(count) % bodies]
    sent = np.cumsum(rng.integers(1, 100, count))
    received = np.maximum.accumulate(sent[:came] + rng.integers(1, 20_000, came))
    rank = np.arange(count) + 1
    out, into = np.flatnonzero((rank < 500) | (rank > 1_300)), np.flatnonzero(rng.random(came) < 0.8)
    none = np.full(count, -1)
    ways = Ways({"b.inbox": {"a.out"}})
    sender, receiver = ways.number("a.out"), ways.number("b.inbox")
    offers = Offers(key[out], sent[out], np.full(out.size, sender), rank[out], none[: out.size])
    arrivals = Arrivals(key[into], received[into], np.full(into.size, receiver), np.full(into.size, 0), rank[into])
    found = pair(offers, arrivals, ways)
    assert (out[found.offer] == into[found.arrival]).all()
    assert found.certain.all()
    both = np.intersect1d(out, into)
    assert sorted(out[found.offer].tolist()) == both.tolist()
    # What was sent before the last one that came, and has not come itself, has come untraced.
    assert sorted(out[found.gone].tolist()) == [i for i in np.setdiff1d(out, into).tolist() if i < into[-1]]


def test_where_messages_went_untraced_equal_bodies_are_marked_and_their_latency_does_not_count() -> None:
    bench = Bench(line())
    bench.arrays.miss(0)
    # The first one of key 1 was sent untraced, and what comes is that one.
    events = [(True, 0, 1, 0), (True, 0, 2, 0), (False, 1, 1, 0), (False, 1, 1, 0)]
    by_socket: dict[Recording, list[Trace]] = defaultdict(list)
    for recording, trace in map(bench.trace, events):
        by_socket[recording].append(trace)
    (worked,) = bench.arrays.match({r: Batch(traces) for r, traces in by_socket.items()}, bench.now + 5, full=True)
    bench.journeys.take(worked)
    assert worked.matches.sure.tolist() == [False]
    assert [hop.crossing.ambiguous for hop in bench.journeys.hops()] == [True, False]


def test_what_came_waits_until_its_send_is_written_down_and_no_longer_than_that() -> None:
    bench = Bench(line())
    a, c = (r for r in bench.out if r.name in {"a.out", "c.out"})
    one, three = (r for r in bench.into if r.name in {"c.inbox", "e.inbox"})
    send, came = Trace(10, SEND, 1, 7, 3, b"", (), 11), Trace(20, RECV, 1, 7, 3, b"", ())
    passed, arrived = Trace(30, SEND, 1, 7, 3, b"", (), 31), Trace(40, RECV, 1, 7, 3, b"", ())
    bench.arrays.wait_for(10)
    early = {one: Batch([came]), c: Batch([passed]), three: Batch([arrived])}
    (worked,) = bench.arrays.match(early, 1000, full=True)
    assert not len(worked.matches)
    bench.arrays.wait_for(0)
    (worked,) = bench.arrays.match({a: Batch([send])}, 2000, full=True)
    bench.journeys.take(worked)
    assert worked.matches.received.tolist() == [20, 40]
    assert [(hop.crossing.message, hop.crossing.hop) for hop in bench.journeys.hops()] == [(1, 1), (1, 2)]

    never = Trace(2000, RECV, 2, 8, 3, b"", ())  # from somebody who traces nothing, while a send is blocked for long
    bench.arrays.wait_for(1500)
    (worked,) = bench.arrays.match({one: Batch([never])}, 3000, full=True)
    assert bench.arrays.under_way()[bench.arrays.lives.number(one)]
    (worked,) = bench.arrays.match({}, 2001 + LONGEST_HOLD, full=True)
    assert not bench.arrays.under_way()[bench.arrays.lives.number(one)]
    assert not len(worked.matches)


def test_what_began_late_is_remembered_no_longer_than_what_follows_is_looked_for() -> None:
    bench = Bench(line())
    a, known = next(r for r in bench.out if r.name == "a.out"), bench.arrays._left_out
    bench.arrays.pace.learn({"a": 100.0}, 0, 1, steered=False)
    sends = [Trace(at, SEND, rank, 10 + rank, 3, b"", (), at) for rank, at in ((1, 10**7), (2, 10**9))]
    list(bench.arrays.match({a: Batch(sends)}, 2 * 10**9, full=True))
    assert len(known) == 1
    list(bench.arrays.match({}, 10**9 + PATIENCE, full=True))
    assert len(known) == 1
    list(bench.arrays.match({}, 10**9 + PATIENCE + 1, full=True))
    assert not known


def test_too_many_are_let_go_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zlab.ledger.held.HELD_LIMIT", 50)
    bench = Bench(line())
    events = [bench.trace((True, 0, number, 0)) for number in range(40)]
    events += [bench.trace((False, 0, number, 0)) for number in range(40)]
    by_socket = {bench.out[0]: Batch([t for _, t in events[:40]]), bench.into[0]: Batch([t for _, t in events[40:]])}
    (worked,) = bench.arrays.match(by_socket, bench.now + 5, full=True)
    assert worked.let_go == 40
    assert len(worked.matches) == 0
