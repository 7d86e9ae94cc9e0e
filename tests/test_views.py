"""The views without a browser: what they compute, what they send, what they do when asked."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from functools import partial
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
from labs import eventually

import zlab
from zlab.ledger.arrows import Arrows
from zlab.ledger.cost import Cost
from zlab.ledger.past import Past
from zlab.ledger.snapshot import (
    Connection,
    Flight,
    LatencyFigures,
    LinkFigures,
    NodeFigures,
    NodeState,
    Snapshot,
    SocketFigures,
)
from zlab.ledger.where import Standing
from zlab.recording import Event
from zlab.topology import Topology
from zlab.views import batch, charts, folding, terminal, units
from zlab.views.commands import Commands
from zlab.views.dashboard import Dashboard
from zlab.views.flow import Flow, figures, graph
from zlab.views.folding import binds, whole
from zlab.views.lanes import lanes
from zlab.views.layout import cards, ordered
from zlab.views.ledger import Ledger
from zlab.views.picture import svg
from zlab.views.view import View, keep_replies_apart

PATTERNS = [getattr(zlab.patterns, name) for name in zlab.patterns.__all__]


def snapshot(topology, at=1.0, **changes):
    latency = LatencyFigures(10, 35e-6, 60e-6, 2e-4, 1e-3, 2e-3)
    nodes = [NodeFigures(n.name, NodeState.RECV, 0.5, next(iter(n.sockets)), {"rate": 20.0}) for n in topology.nodes]
    whole = Snapshot(
        sequence=1,
        at=at,
        state="running",
        speed=1.0,
        nodes=tuple(nodes),
        sockets=tuple(
            SocketFigures(name, str(s.type), ("tcp://127.0.0.1:5555",), dict(s.options), 5, 4, 0, 500, 400, 5.0, 4.0)
            for name, s in topology.sockets()
        ),
        links=tuple(
            LinkFigures(str(link), 12, 7, 2, {"high-water mark": 3}, {}, 1, 0, 700, 7.0, 700.0, 10, latency)
            for link in topology.links
        ),
        flights=tuple(Flight(i, 0, at - 0.01, at - 0.005, 100) for i in range(len(topology.links))),
        kinds=("weather NYC",),
        end_to_end={},
        sampling=1,
        cost=Cost(1e-6, 0.7e-6, 1.1e-6, compiled=True, clock=0.0123, sampling=1),
        events=(),
    )
    return replace(whole, **changes)


NO_HOPS = SimpleNamespace(span=lambda: range(0), chosen=lambda *_, **__: [])


class Fake:
    """A lab that writes down what it is asked."""

    steerable = True

    def __init__(self, topology):
        self.topology = topology
        self.past = Past()
        self.arrows = Arrows(NO_HOPS, fates=dict, began=0)
        self.latest = snapshot(topology)
        self.listeners = []
        self.calls = []
        self.called = threading.Condition()
        self.resumed = threading.Event()

    def snapshot(self):
        return self.latest

    def subscribe(self, listener):
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def history(self):
        return (Event(0.0, "start", "ventilator"),)

    def publish(self, **changes):
        self.latest = snapshot(self.topology, **changes)
        self.past.add(self.latest, self.topology)
        for listener in tuple(self.listeners):
            listener(self.latest)

    def _note(self, *call):
        with self.called:
            self.calls.append(call)
            self.called.notify_all()

    def pause(self, where=None):
        self._note("pause", where)

    def resume(self, where=None, *, speed=None):
        self._note("resume", where, speed)
        self.resumed.set()

    def step(self, n=1, where=None, *, timeout=10.0):
        self._note("step", n, where)
        if where == "sink":
            raise TimeoutError("sink: 0 of 1 messages moved in 3 s each: waiting in recv: sink")
        if n == 1000:
            assert self.resumed.wait(timeout)

    def tune(self, *, rate=None, size=None):
        self._note("tune", rate, size)

    def kill(self, node):
        self._note("kill", node)
        raise TimeoutError(f"{node} did not end within 2 s")

    def restart(self, node):
        self._note("restart", node)

    def stop(self):
        self._note("stop")


@pytest.fixture
def lab():
    return Fake(zlab.patterns.pipeline())


@pytest.fixture
def sent(monkeypatch):
    """Every custom message of every view, with a way to wait for one."""
    messages = []
    changed = threading.Condition()

    def send(self, content, buffers=None):
        with changed:
            messages.append((type(self).__name__, content, buffers))
            changed.notify_all()

    monkeypatch.setattr(View, "send", send)
    monkeypatch.setattr("zlab.views.view.monotonic", itertools.count(100).__next__)  # every tick is due

    def wait(**wanted):
        def found():
            return next((m for m in messages if wanted.items() <= m[1].items()), None)

        with changed:
            assert changed.wait_for(found, 5), f"no message with {wanted}; there were {messages}"
            return found()

    messages_of = lambda kind: [m for m in messages if m[0] == kind]  # noqa: E731
    return messages_of, wait


# --- layout ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.__name__)
def test_cards_never_overlap_and_stand_in_the_order_of_the_nodes(pattern):
    topology = pattern()
    placed = cards(whole(topology))
    assert list(placed) == [node.name for node in topology.nodes]
    boxes = list(placed.values())
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert abs(a.x - b.x) >= (a.width + b.width) / 2 or abs(a.y - b.y) >= (a.height + b.height) / 2


def test_layers_follow_the_flow():
    assert ordered(whole(zlab.patterns.pipeline(workers=2))) == [["ventilator"], ["worker-1", "worker-2"], ["sink"]]
    assert [len(layer) for layer in ordered(whole(zlab.patterns.broker(clients=3, workers=2)))] == [3, 1, 2]


def test_layers_uncross_what_can_be_uncrossed():
    def node(**sockets): ...

    names = ["a", "b", "c"]
    topology = zlab.Topology(
        "crossed",
        [zlab.Node(n, node, out=zlab.PUSH.bind(n)) for n in names]
        + [zlab.Node(f"{n}-end", node, inbox=zlab.PULL.connect(n)) for n in reversed(names)],
    )
    first, second = ordered(whole(topology))
    assert [f"{n}-end" for n in first] == second


def test_a_cycle_is_laid_out_too():
    def node(**sockets): ...

    ends = [(f"e{i}", f"e{(i + 2) % 3}") for i in range(3)]
    ring = [
        zlab.Node(f"n{i}", node, out=zlab.PUSH.bind(mine), inbox=zlab.PULL.connect(other))
        for i, (mine, other) in enumerate(ends)
    ]
    assert len({card.x for card in cards(whole(zlab.Topology("ring", ring))).values()}) == 3


def test_a_hundred_peers_fit_a_wide_page():
    placed = cards(whole(zlab.patterns.pub_sub(subscribers=100))).values()
    width = max(c.x for c in placed) - min(c.x for c in placed)
    height = max(c.y for c in placed) - min(c.y for c in placed)
    assert width > height


def test_lanes_begin_and_end_at_their_cards_and_apart_from_each_other():
    topology = zlab.patterns.request_reply()
    placed = cards(whole(topology))
    drawn = lanes(whole(topology), placed)
    for link, lane in zip(topology.links, drawn, strict=True):
        for (x, y), card in ((lane.start, placed[link.source]), (lane.end, placed[link.target])):
            assert abs(x - card.x) == card.width / 2
            assert abs(y - card.y) < card.height / 2
        assert lane.at(0) == lane.start
        assert lane.at(1) == lane.end
    assert len({lane.start for lane in drawn} | {lane.end for lane in drawn}) == 2 * len(drawn)


def test_it_is_told_who_binds():
    topology = zlab.patterns.pipeline(workers=1)
    first = topology.links[0]
    assert binds(topology, first, sender=True)
    assert not binds(topology, first, sender=False)


# --- what is sent ------------------------------------------------------------------------------


def test_a_batch_is_packed_as_the_browser_reads_it(lab):
    taken = lab.snapshot()
    packed = batch.encode(taken, taken.flights)
    links, flights, nodes = len(taken.links), packed.shown, len(taken.nodes)
    assert (packed.rates, packed.queues) == (links, links)
    assert len(packed.data) == 10 * links + 11 * flights + nodes
    read = partial(np.frombuffer, packed.data)
    assert read("<f4", links).tolist() == [7.0] * links
    assert read("<u4", links, 4 * links).tolist() == [2] * links
    assert read("<f4", flights, 8 * links) == pytest.approx([-0.01] * flights, abs=1e-6)
    assert read("<f4", flights, 8 * links + 4 * flights) == pytest.approx([-0.005] * flights, abs=1e-6)
    assert read("<u2", links, 8 * links + 8 * flights).tolist() == list(range(links))
    assert read("<u2", flights, 10 * links + 8 * flights).tolist() == list(range(links))
    states = read("u1", nodes, 10 * links + 11 * flights)
    assert {batch.STATES[i] for i in states} == {NodeState.RECV}


def test_a_queue_is_told_when_it_changes(lab):
    taken = lab.snapshot()
    first = batch.encode(taken, ())
    links = (*taken.links[:2], replace(taken.links[2], queued=5), *taken.links[3:])
    second = batch.encode(replace(taken, links=links), (), first.queued)
    at = 4 * second.rates
    assert second.queues == 1
    assert np.frombuffer(second.data, "<u4", 1, at).tolist() == [5]
    assert np.frombuffer(second.data, "<u2", 1, at + 4).tolist() == [2]


def test_too_many_messages_are_thinned_evenly_and_it_is_said_how_many_there_were(lab, sent):
    _, wait = sent
    many = [Flight(i % 40, 0, i / 1000, i / 1000, 1) for i in range(4000)]
    chosen = batch.thin(many, batch.most(40))
    assert Counter(f.link for f in chosen) == dict.fromkeys(range(40), 2)
    assert len(chosen) <= batch.most(40) < batch.most(5000)
    assert [f.received for f in chosen] == sorted(f.received for f in chosen)
    one = batch.thin([f for f in many if f.link == 7], batch.most(40))
    assert np.diff([f.received for f in one]) == pytest.approx([0.8] * 4)
    dashboard = Dashboard(lab)
    lab.publish(at=1.05)
    dashboard.flow._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    links = tuple(replace(link, delivered=link.delivered + 500) for link in lab.latest.links)
    lab.publish(at=1.1, flights=tuple(f for f in many if f.link < 6), links=links)
    assert wait(t="tick", of=500 * len(links))[1]["shown"] == 6 * batch.MOST_ON_LINK


def test_a_sample_comes_in_bursts_and_is_dealt_out_until_the_next_one(lab):
    flow = Flow(lab)
    flow._visible["a view"] = True
    shown = []
    for tick in range(13):
        burst = tuple(Flight(0, 0, i / 1000, i / 1000, 1) for i in range(12)) if tick % 4 == 0 else ()
        taken = snapshot(lab.topology, at=1 + tick / 10, sampling=64, flights=burst)
        flow.collect(taken)
        shown.append(flow.tick(taken)[0]["shown"])
    assert shown[4:12] == [3] * 8  # from the second burst on it is known how long they must last
    assert sum(shown[:4]) == batch.MOST_ON_LINK


def test_a_program_that_is_watched_grows_in_its_dashboard():
    pipeline = zlab.patterns.pipeline()
    lab = Fake(Topology.observed("program", ()))
    lab.steerable = False
    dashboard = Dashboard(lab)
    (grid,) = dashboard.children
    first = dashboard.flow
    assert dashboard.ledger not in grid.children
    lab.publish(at=1.0)
    lab.publish(at=2.0)
    lab.topology = pipeline
    lab.publish(at=3.0)
    assert dashboard.flow is not first
    assert grid.children[:5] == (
        *(dashboard.controls, dashboard.diagnosis, dashboard.timeline),
        *(dashboard.flow, dashboard.ledger),
    )
    assert [node["name"] for node in dashboard.flow.graph["nodes"]] == [node.name for node in pipeline.nodes]
    figure = charts.figure(dashboard.history, live=True)
    lab.publish(at=4.0)
    charts.update(figure, dashboard.history)
    named = [trace.name for trace in figure.data if trace.visible is not False]
    assert (len(named), named[-2:]) == (len(pipeline.links) + 2, ["p50", "p99"])
    assert "no socket yet" in svg(Topology.observed("program", ()))
    alone = zlab.Node("publisher", lambda out: out.send(b""), out=zlab.PUB.bind("tcp://127.0.0.1:*"))
    assert "publisher" in svg(Topology.observed("program", [alone]))  # whom nobody faces yet


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.__name__)
def test_what_the_browser_gets_is_plain_json(pattern):
    topology = pattern()
    told = json.loads(json.dumps(graph(topology)))
    assert [n["name"] for n in told["nodes"]] == [n.name for n in topology.nodes]
    assert len(told["links"]) == len(topology.links)
    taken = snapshot(
        topology,
        nodes=tuple(NodeFigures(n.name, NodeState.FAILED, 0, knobs={"rate": float("inf")}) for n in topology.nodes),
    )
    assert json.loads(figures(taken))["nodes"]["0"]["knobs"] == {"rate": "inf"}
    _, (told, named) = Ledger(Fake(topology)).full(taken)
    assert len(json.loads(told)) == len(json.loads(named)) == len(topology.links)


def test_nothing_is_sent_while_nobody_looks(lab, sent):
    messages_of, wait = sent
    dashboard = Dashboard(lab)
    lab.publish(at=1.1)
    assert not messages_of("Flow")
    dashboard.flow._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    assert wait(t="full")[1]["kinds"] == ["weather NYC"]
    lab.publish(at=1.2)
    wait(t="tick")
    dashboard.flow._receive(None, {"t": "visible", "v": "a b c", "on": False}, [])
    before = len(messages_of("Flow"))
    lab.publish(at=1.3)
    assert len(messages_of("Flow")) == before


def test_where_a_node_stands_is_asked_only_while_it_is_open(lab, sent):
    messages_of, _ = sent
    source = ((1, "def work(inbox):"), (2, "    inbox.recv()"))
    stands = [Standing("worker-1", "work", "work.py", 2, source)]
    asked = []
    lab.standing = lambda node: asked.append(node) or stands[0]
    dashboard = Dashboard(lab)
    look = lambda node: dashboard.flow._receive(None, {"t": "look", "v": "a b c", "node": node}, [])  # noqa: E731
    told = lambda: [m[1]["where"] for m in messages_of("Flow") if "where" in m[1]]  # noqa: E731
    dashboard.flow._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    lab.publish(at=1.1)
    look("nobody")
    lab.publish(at=1.2)
    assert not asked
    look("worker-1")
    lab.publish(at=1.3)
    lab.publish(at=1.4)
    here = {"node": "worker-1", "function": "work", "file": "work.py", "line": 2, "note": ""}
    assert told() == [[{**here, "source": source}]]  # once: it stands still
    stands[0] = replace(stands[0], line=1)
    lab.publish(at=1.5)
    assert told()[1:] == [[{**here, "line": 1}]]  # in the same source
    look("")
    before = len(asked)
    lab.publish(at=1.6)
    assert len(asked) == before


def test_the_last_messages_are_told_of_what_is_open_and_of_nothing_else(lab, sent, monkeypatch):
    messages_of, _ = sent
    asked = []
    monkeypatch.setattr("zlab.views.way.latest", lambda *given: asked.append(given[1:]) or {"hops": [], "note": ""})
    monkeypatch.setattr("zlab.views.flow.monotonic", itertools.count(100).__next__)
    lab.standing = Standing
    flow = Flow(lab)
    flow._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    lab.publish(at=1.1)
    assert not asked
    flow._receive(None, {"t": "look", "v": "a b c", "node": "worker-1", "link": 0}, [])
    lab.publish(at=1.2)
    lab.publish(at=1.3)
    link = lab.topology.links[0]
    assert asked == [("worker-1", (link.sender, link.receiver), at) for at in (1.2, 1.3)]
    told = [m[1]["last"] for m in messages_of("Flow") if "last" in m[1]]
    assert told == [{"worker-1 0": {"hops": [], "note": ""}}], "once: there is no other"
    flow._receive(None, {"t": "look", "v": "a b c", "node": ""}, [])
    lab.publish(at=1.4)
    assert len(asked) == 2
    flow._receive(None, {"t": "hop", "v": "a b c", "number": 3}, [])
    assert "not remembered" in json.loads(messages_of("Flow")[-1][2][0])["error"]


def test_links_that_are_paused_are_told_when_that_changes(lab, sent):
    messages_of, _ = sent
    flow = Flow(lab)
    flow._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    name = str(lab.topology.links[2])
    for at, paused in ((1.1, ()), (1.2, (name,)), (1.3, (name,)), (1.4, ())):
        lab.publish(at=at, paused_links=paused)
    assert [m[1]["paused"] for m in messages_of("Flow") if "paused" in m[1]] == [[], [2], []]


def test_a_link_tells_how_it_came_about(lab):
    taken = replace(lab.latest, connections=(Connection(1, 2, 0.5, 0.501, retries=3), Connection(0, 1, 0.1)))
    links = json.loads(figures(taken))["links"]
    assert links["1"]["connection"] == {
        "stage": "connected",
        "number": 2,
        "times": {"connecting": 0.5, "up": 0.501},
        "retries": 3,
        "reason": "",
    }
    assert links["0"]["connection"]["stage"] == "connecting"
    assert links["2"]["connection"] is None


def test_a_browser_that_does_not_answer_is_sent_less(lab, sent, monkeypatch):
    messages_of, _ = sent
    clock = [100.0]
    monkeypatch.setattr("zlab.views.view.monotonic", lambda: clock[0])
    dashboard = Dashboard(lab)
    dashboard.flow._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    for i in range(100):
        clock[0] += 0.1
        lab.publish(at=1 + 0.1 * i)
    silent = len(messages_of("Flow"))
    assert silent < 45
    flow = dashboard.flow
    dashboard.ledger._receive(None, {"t": "answers", "v": "d e f", "of": [[flow.model_id, "a b c", flow._number]]}, [])
    for i in range(10):
        clock[0] += 0.1
        lab.publish(at=20 + 0.1 * i)
    assert len(messages_of("Flow")) >= silent + 9


@pytest.mark.usefixtures("sent")
def test_a_page_loaded_again_replaces_its_earlier_views(lab):
    dashboard = Dashboard(lab)
    for view in ("page load-1 x", "other load-7 y", "page load-2 z"):
        dashboard.flow._receive(None, {"t": "ready", "v": view, "on": True}, [])
    assert set(dashboard.flow._visible) == {"other load-7 y", "page load-2 z"}


def test_events_are_never_missed(lab, sent):
    _, wait = sent
    dashboard = Dashboard(lab)
    lab.publish(at=1.1, events=(Event(1.05, "kill", "worker-1"),))
    dashboard.events._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    _, _, buffers = wait(t="full", again=True)
    assert [row[1] for row in json.loads(buffers[0])] == ["start", "kill"]


# --- what is asked -----------------------------------------------------------------------------


def ask(view, number, name, **given):
    view._receive(None, {"t": "do", "v": "a b c", "n": number, "name": name, "given": given}, [])


def test_commands_are_heard_at_once_and_done_in_order(lab, sent):
    _, wait = sent
    dashboard = Dashboard(lab)
    ask(dashboard.controls, 1, "pause")
    ask(dashboard.controls, 2, "resume", speed=0.1)
    ask(dashboard.controls, 3, "tune", rate="inf")
    ask(dashboard.controls, 4, "tune", size=1000)
    ask(dashboard.flow, 5, "restart", node="worker-1")
    for number in range(1, 6):
        wait(t="heard", c=number)
        assert wait(t="done", c=number)[1]["error"] == ""
    assert lab.calls == [
        ("pause", None),
        ("resume", None, 0.1),
        ("tune", float("inf"), None),
        ("tune", None, 1000),
        ("restart", "worker-1"),
    ]


def test_a_command_that_raises_is_told_and_logged_with_its_traceback(lab, sent):
    _, wait = sent
    dashboard = Dashboard(lab)
    ask(dashboard.flow, 1, "kill", node="worker-2")
    assert wait(t="done", c=1)[1]["error"] == "kill worker-2 failed: TimeoutError: worker-2 did not end within 2 s"
    error = dashboard.events._events[-1]
    assert (error.kind, error.node) == ("error", "worker-2")
    assert "Traceback" in error.detail


def test_a_step_that_waits_for_messages_keeps_nothing_else_waiting(lab, sent):
    _, wait = sent
    dashboard = Dashboard(lab)
    ask(dashboard.controls, 1, "step", n=1000)
    ask(dashboard.controls, 2, "resume")
    assert wait(t="done", c=2)[1]["error"] == ""  # which the step was waiting for
    assert wait(t="done", c=1)[1]["error"] == ""
    ask(dashboard.flow, 3, "step", where="worker-1")
    assert wait(t="done", c=3)[1]["error"] == ""
    ask(dashboard.flow, 4, "pause", where="worker-1")
    assert wait(t="done", c=4)[1]["error"] == ""
    assert lab.calls[-2:] == [("step", 1, "worker-1"), ("pause", "worker-1")]


def test_a_step_with_nothing_to_move_is_told_and_is_no_error(lab, sent):
    _, wait = sent
    dashboard = Dashboard(lab)
    ask(dashboard.flow, 1, "step", where="sink")
    assert wait(t="done", c=1)[1]["error"].startswith("step: sink: 0 of 1 messages moved")
    for number, n in enumerate((0, 1.5, True, 1001, "3"), 2):
        ask(dashboard.controls, number, "step", n=n)
        assert wait(t="done", c=number)[1]["error"] == f"step {n}: give whole messages, 1 to 1,000"
    assert len(lab.calls) == 1
    assert [event.kind for event in dashboard.events._events] == ["start"]


def test_the_toolbar_says_why_the_world_stands(lab, sent):
    _, wait = sent
    dashboard = Dashboard(lab)
    dashboard.controls._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    why = "worker-1 receives '17': breakpoint body='17'"
    lab.publish(at=1.1, state="paused", why=why)
    _, _, buffers = wait(t="tick")
    assert json.loads(buffers[0])["why"] == why


@pytest.mark.parametrize("given", [{"size": 0}, {"size": 3.7}, {"size": 100_000_000_000}, {"rate": -5}])
def test_a_wrong_figure_is_refused_in_a_word_and_changes_nothing(lab, sent, given):
    _, wait = sent
    dashboard = Dashboard(lab)
    ask(dashboard.controls, 1, "tune", **given)
    assert ": give " in wait(t="done", c=1)[1]["error"]
    assert not lab.calls
    assert [event.kind for event in dashboard.events._events] == ["start"]


def test_an_unknown_command_is_refused_aloud(lab):
    told, done = [], threading.Event()
    commands = Commands(lab, lambda *_: None)
    commands.post("explode", {}, lambda error: (told.append(error), done.set()))
    assert done.wait(5)
    assert "explode failed: KeyError" in told[0]


def test_a_command_whose_answer_reaches_nobody_holds_up_no_other(lab):
    failed, done = [], threading.Event()
    commands = Commands(lab, lambda *told: failed.append(told))

    def gone(_):
        raise ConnectionError

    commands.post("pause", {}, gone)
    eventually(lambda: [(name, "ConnectionError" in why) for name, _, why in failed] == [("pause", True)])
    commands.post("resume", {}, lambda _: done.set())
    assert done.wait(5)


@pytest.mark.usefixtures("sent")
def test_the_lab_stops_with_the_last_notebook_that_shows_it(lab):
    dashboard = Dashboard(lab)
    for view in ("page load x", "page load y"):
        dashboard.flow._receive(None, {"t": "ready", "v": view, "on": True}, [])
    dashboard.flow._receive(None, {"t": "gone", "v": "page load x", "closed": True}, [])
    dashboard.flow._receive(None, {"t": "ready", "v": "page load z", "on": True}, [])
    dashboard.flow._receive(None, {"t": "gone", "v": "page load z", "closed": False}, [])
    assert not lab.calls
    dashboard.flow._receive(None, {"t": "gone", "v": "page load y", "closed": True}, [])
    with lab.called:
        assert lab.called.wait_for(lambda: ("stop",) in lab.calls, 5)


def test_the_last_snapshot_is_a_full_one_and_ends_the_subscription(lab, sent):
    _, wait = sent
    dashboard = Dashboard(lab)
    dashboard.controls._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    lab.publish(at=2.0, state="stopped")
    _, _, buffers = wait(t="full", n=2)
    assert json.loads(buffers[0])["state"] == "stopped"
    assert "stopped" in repr(dashboard)
    assert len(lab.listeners) == 0


def test_replies_stay_on_the_subshell_that_the_browser_chose():
    class Comm:
        def _reply_subshell_for(self, _data, _default):
            return "the busy one"

    comm = Comm()
    keep_replies_apart(comm)
    assert comm._reply_subshell_for({}, "its own") == "its own"
    keep_replies_apart(None)


# --- pictures, charts, the terminal ------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("live", [False, True], ids=["still", "live"])
def test_the_picture_is_well_formed_and_names_everything(pattern, live):
    topology = pattern()
    root = ET.fromstring(svg(topology, snapshot(topology) if live else None))  # noqa: S314 - our own
    texts = ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {node.name for node in topology.nodes} <= set(texts)
    urls, names = ({k.endpoint for k in topology.links if ("://" in k.endpoint) == url} for url in (True, False))
    assert urls | {f"endpoint {name}" for name in names} <= set(texts)
    curves = [p for p in root.iter("{http://www.w3.org/2000/svg}path") if "C" in p.get("d")]
    assert len(curves) == len(topology.links)


def test_a_card_tells_what_its_socket_subscribes_to():
    def node(**sockets): ...

    def subscribed(**options):
        return zlab.Node("sub", node, news=zlab.SUB.connect("news", **options), again=zlab.SUB.connect("news"))

    shown = [
        folding.described(subscribed(**o))
        for o in ({}, {"subscribe": ""}, {"subscribe": ("a", b"\xffb")}, {"subscribe": "weather"})
    ]
    assert shown == ["SUB", "SUB everything · SUB", "SUB a, \\xffb · SUB", "SUB weather · SUB"]


def test_history_keeps_a_minute(lab):
    history = charts.History(lab.topology)
    for i in range(10 * 90):
        history.add(snapshot(lab.topology, at=i / 10))
    seconds, rates, latency = history.arrays()
    assert seconds[0] == -60
    assert rates.shape == (len(lab.topology.links), charts.POINTS)
    assert not np.isnan(rates).any()
    assert latency[0, -1] == pytest.approx(35e-6)


def test_many_links_are_drawn_by_their_endpoints():
    topology = zlab.patterns.pub_sub(subscribers=50)
    together = charts.groups(topology)
    assert len(together) == 1
    assert sorted(i for links in together.values() for i in links) == list(range(50))


def test_the_figure_has_two_plots_and_can_be_made_of_snapshots(lab):
    taken = [snapshot(lab.topology, at=i / 2) for i in range(10)]
    drawn = charts.figure(taken, lab.topology)
    assert len(drawn.data) == len(lab.topology.links) + 2
    assert {trace.xaxis for trace in drawn.data} == {"x", "x2"}
    with pytest.raises(ValueError, match="topology="):
        charts.figure(taken)


def test_a_live_figure_is_updated_in_place(lab):
    history = charts.History(lab.topology)
    drawn = charts.figure(history, live=True)
    assert len(drawn._widget_data) == history.most + 2  # whole, not in messages to come
    assert drawn._widget_layout["height"] == 262
    history.add(lab.snapshot())
    charts.update(drawn, history)
    assert drawn.data[0].y[-1] == 7.0
    assert "ventilator" in drawn.layout.annotations[1].text


def test_a_live_figure_forgets_its_model_when_it_leaves_the_page(lab):
    end = str(charts.figure(charts.History(lab.topology), live=True)._esm)[-600:]
    assert ".prototype.remove = function" in end
    assert "FigureView" not in end  # the name that plotly's own script gives it


def test_the_terminal_tells_links_nodes_and_events(lab):
    from rich.console import Console

    failed = NodeFigures("worker-1", NodeState.FAILED, 0.0, traceback="Traceback\nValueError: no")
    taken = lab.snapshot()
    nodes = (taken.nodes[0], failed, *taken.nodes[2:])
    out = StringIO()
    events = [Event(0.5, "error", "worker-1", "", "Traceback\nValueError: no")]
    Console(file=out, width=160).print(terminal.table(replace(taken, nodes=nodes), lab.topology, events))
    text = out.getvalue()
    for words in ("pipeline", "failed: ValueError: no", "3 high-water mark", "0 ✓", "35 µs", "blocked in recv"):
        assert words in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 /s"), (999.6, "1e+03 /s"), (1000, "1k /s"), (2.5e6, "2.5M /s"), (float("inf"), "no limit")],
)
def test_rates_read_well(value, shown):
    assert units.rate(value) == shown


def test_importing_zlab_stays_light():
    heavy = "'plotly', 'ipywidgets', 'anywidget', 'networkx', 'pandas', 'rich'"
    code = f"import zlab, zlab.views, sys; print([m for m in ({heavy}) if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
