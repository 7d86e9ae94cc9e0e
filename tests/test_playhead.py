"""The playhead and the timeline: the views see the past, go on in it, and come back to live."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import fields, replace

import numpy as np
import pytest
from labs import eventually, leaving_nothing
from test_views import Fake, ask, lab, sent, snapshot  # noqa: F401 - fixtures

import zlab
from zlab.ledger.past import Past
from zlab.ledger.snapshot import Snapshot
from zlab.recording import Event
from zlab.topology import Topology
from zlab.views import charts
from zlab.views.dashboard import Dashboard
from zlab.views.flow import Flow
from zlab.views.playhead import COVERS, Moment, Playhead


class Viewer:
    """Listens to a playhead."""

    def __init__(self, playhead):
        self.seen = []
        self._came = threading.Condition()
        playhead.subscribe(self._take)

    def _take(self, taken):
        with self._came:
            self.seen.append(taken)
            self._came.notify_all()

    def until(self, condition):
        with self._came:
            assert self._came.wait_for(lambda: self.seen and condition(self.seen[-1]), 10), self.seen[-3:]
            return self.seen[-1]


def figures(source, at, **changes):
    """Ten times as many messages delivered as seconds have passed."""
    links = tuple(replace(link, delivered=round(100 * at)) for link in snapshot(source.topology).links)
    source.publish(at=at, links=links, **changes)


def nobody(*told):
    pytest.fail(str(told))


@pytest.fixture
def recorded(lab):  # noqa: F811
    playhead = Playhead(lab, nobody)
    viewer = Viewer(playhead)
    for i in range(100):
        figures(lab, i / 10)
    return lab, playhead, viewer


def test_live_it_passes_everything_through(recorded):
    source, playhead, viewer = recorded
    assert len(viewer.seen) == 100
    assert viewer.seen[-1] is source.latest
    assert playhead.live
    assert playhead.held() == ""
    assert playhead.snapshot() is source.latest


def test_it_shows_the_past_while_the_lab_runs_on_and_returns(recorded):
    source, playhead, viewer = recorded
    playhead.go(4.04)
    moment = viewer.until(lambda taken: isinstance(taken, Moment))
    assert moment.at == 4.0
    assert {link.delivered for link in moment.links} == {400}
    assert (moment.covers, moment.pace, moment.events) == (COVERS, 0.0, ())
    assert {round(f.received, 3) for f in moment.flights} == {round(4.0 - i / 10 - 0.005, 3) for i in range(15)}
    assert playhead.snapshot() is moment
    figures(source, 10.0)
    assert isinstance(viewer.seen[-1], Moment)
    playhead.go_live()
    figures(source, 10.1)
    assert viewer.until(lambda taken: taken.at == 10.1) is source.latest
    assert playhead.snapshot() is source.latest


def test_what_is_out_of_range_is_shown_as_near_as_it_is_kept(recorded):
    _, playhead, viewer = recorded
    playhead.go(1e9)
    viewer.until(lambda taken: isinstance(taken, Moment) and taken.at == 9.9)
    playhead.go(-7)
    viewer.until(lambda taken: isinstance(taken, Moment) and taken.at == 0.0)


def test_it_steps_a_tick_back_and_on(recorded):
    _, playhead, viewer = recorded
    playhead.step(-1)
    viewer.until(lambda taken: isinstance(taken, Moment) and taken.at == 9.8)
    playhead.step(-5)
    viewer.until(lambda taken: taken.at == 9.3)
    playhead.step(2)
    viewer.until(lambda taken: taken.at == 9.5)


def test_it_plays_on_from_there_with_all_that_happened_and_becomes_live_at_the_end(recorded, monkeypatch):
    source, playhead, viewer = recorded
    happened = [Event(i / 4, "note", "sink", "", str(i)) for i in range(40)]
    monkeypatch.setattr(source, "history", lambda: tuple(happened))
    playhead.go(2.0)
    viewer.until(lambda taken: isinstance(taken, Moment))
    first = len(viewer.seen)
    playhead.play(pace=20.0)
    eventually(lambda: playhead.live)
    shown = [taken for taken in viewer.seen[first:] if taken.pace]
    assert [taken.at for taken in shown] == sorted({taken.at for taken in shown})
    assert {taken.covers for taken in shown} == {0.0}  # it goes on from where it stood
    for before, after in itertools.pairwise(shown):
        assert after.events == tuple(e for e in happened if before.at < e.at <= after.at)
        assert len(after.flights) == len(source.topology.links) * round(10 * (after.at - before.at))
    with pytest.raises(ValueError, match="above 0"):
        playhead.play(pace=0)


def test_a_moment_that_is_let_go_meanwhile_stays_in_sight(lab):  # noqa: F811
    lab.past = Past(most=100_000)
    playhead = Playhead(lab, nobody)
    viewer = Viewer(playhead)
    for i in range(20):
        figures(lab, i / 10)
    playhead.go(1.0)
    moment = viewer.until(lambda taken: isinstance(taken, Moment))
    for i in range(20, 400):
        figures(lab, i / 10)
    assert lab.past.kept.begin > 1.0
    playhead.again()
    told = len(viewer.seen)
    eventually(lambda: len(viewer.seen) > told)
    assert viewer.seen[-1] is moment


def test_after_the_end_the_past_can_still_be_shown_and_the_end_again(recorded):
    source, playhead, viewer = recorded
    figures(source, 10.0, state="stopped")
    assert source.listeners == []
    playhead.go(5.0)
    viewer.until(lambda taken: isinstance(taken, Moment) and taken.at == 5.0)
    playhead.go_live()
    viewer.until(lambda taken: taken is source.latest)


def test_a_view_that_fails_is_let_go_and_the_others_see_on(lab):  # noqa: F811
    failures = []
    playhead = Playhead(lab, lambda *told: failures.append(told))
    playhead.subscribe(lambda _: 1 / 0)
    viewer = Viewer(playhead)
    figures(lab, 1.0)
    figures(lab, 1.1)
    assert len(viewer.seen) == 2
    assert len(failures) == 1
    assert "ZeroDivisionError" in failures[0][2]


def test_what_was_not_there_yet_has_no_figures():
    small = Topology.observed("program", ())
    source = Fake(small)
    playhead = Playhead(source, nobody)
    viewer = Viewer(playhead)
    source.publish(at=1.0)
    source.topology = zlab.patterns.pipeline()
    source.publish(at=2.0)
    playhead.go(1.5)
    moment = viewer.until(lambda taken: isinstance(taken, Moment))
    assert [node.name for node in moment.nodes] == [node.name for node in source.topology.nodes]
    assert {str(node.state) for node in moment.nodes} == {"starting"}
    assert {(link.expected, link.delivered, link.rate) for link in moment.links} == {(0, 0, 0.0)}
    assert len(moment.sockets) == len(source.latest.sockets)


# --- the views ---------------------------------------------------------------------------------


def steer(dashboard, **content):
    dashboard.timeline._receive(None, {"v": "a b c", **content}, [])


@pytest.fixture
def shown(lab, sent):  # noqa: F811
    """A dashboard of ten recorded seconds, on a screen."""
    dashboard = Dashboard(lab)
    for i in range(100):
        figures(lab, i / 10, events=(Event(5.0, "kill", "worker-1"),) if i == 50 else ())
    for view in (dashboard.flow, dashboard.ledger, dashboard.events, dashboard.timeline, dashboard.controls):
        view._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    return lab, dashboard, sent


def last(sent, view):  # noqa: F811
    messages_of, _ = sent
    return messages_of(view)[-1]


def test_every_view_goes_back_and_returns(shown):
    source, dashboard, sent = shown  # noqa: F811
    steer(dashboard, t="go", at=4.0)
    eventually(lambda: last(sent, "Ledger")[1]["t"] == "full" and json.loads(last(sent, "Ledger")[2][0])[0][1] == 400)
    eventually(lambda: last(sent, "Flow")[1].get("past"))
    _, content, buffers = last(sent, "Flow")
    links = len(source.topology.links)
    assert (content["at"], content["pace"], content["covers"]) == (4.0, 0.0, COVERS)
    assert content["shown"] == links * 15
    received = np.frombuffer(buffers[0], "<f4", content["shown"], 8 * links + 4 * content["shown"])
    assert -COVERS < received.min() < received.max() < 0
    eventually(lambda: [row[1] for row in json.loads(last(sent, "Log")[2][0])] == ["start"])
    assert (last(sent, "Timeline")[1]["at"], last(sent, "Timeline")[1]["now"]) == (4.0, 9.9)

    before = len(sent[0]("Controls"))
    figures(source, 12.0)
    assert len(sent[0]("Controls")) > before  # the toolbar is that of the source that runs on
    eventually(lambda: last(sent, "Timeline")[1]["now"] == 12.0)

    steer(dashboard, t="live")
    figures(source, 12.1)
    assert json.loads(last(sent, "Ledger")[2][0])[0][1] == 1210
    assert last(sent, "Flow")[1]["at"] == 12.1
    assert not last(sent, "Flow")[1]["past"]
    assert [row[1] for row in json.loads(last(sent, "Log")[2][0])] == ["start"]  # all that `history` has
    assert last(sent, "Timeline")[1]["at"] is None


def test_a_view_that_comes_late_is_shown_the_past(shown):
    source, dashboard, sent = shown  # noqa: F811
    steer(dashboard, t="go", at=4.0)
    eventually(lambda: dashboard.playhead.shown)
    dashboard.flow._receive(None, {"t": "ready", "v": "a b d", "on": True}, [])
    _, content, buffers = last(sent, "Flow")
    assert (content["at"], content["past"], len(buffers)) == (4.0, True, 2)
    assert source.calls == []


@pytest.mark.usefixtures("sent")
def test_an_event_is_told_once_around_a_jump(lab):  # noqa: F811
    dashboard = Dashboard(lab)
    dashboard.events._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    kill = Event(1.05, "kill", "worker-1")
    figures(lab, 1.0)
    lab.history = lambda: (kill,)
    steer(dashboard, t="go", at=0.5)
    eventually(lambda: dashboard.playhead.shown)
    steer(dashboard, t="live")
    figures(lab, 1.1)
    figures(lab, 1.2, events=(kill,))
    assert [event.kind for event in dashboard.events._events] == ["kill"]


def test_what_is_done_to_a_node_waits_for_live_and_the_toolbar_does_not(shown):
    source, dashboard, (_, wait) = shown
    steer(dashboard, t="go", at=4.0)
    ask(dashboard.flow, 1, "restart", node="worker-1")
    assert wait(t="done", c=1)[1]["error"].startswith("restart: this is the past")
    ask(dashboard.controls, 2, "pause")
    assert wait(t="done", c=2)[1]["error"] == ""
    steer(dashboard, t="live")
    ask(dashboard.flow, 3, "restart", node="worker-1")
    assert wait(t="done", c=3)[1]["error"] == ""
    assert source.calls == [("pause", None), ("restart", "worker-1")]


def test_the_timeline_tells_what_is_kept_and_marks_what_happened(shown):
    source, dashboard, sent = shown  # noqa: F811
    _, content, _ = next(m for m in sent[0]("Timeline") if m[1]["t"] == "full")
    assert (content["begin"], content["dense"], content["now"], content["whole"]) == (0.0, 0.0, 9.9, True)
    assert content["marks"] == [[5.0, "kill", "worker-1", ""]]
    error = Event(9.95, "error", "sink", "", "Traceback\nValueError: no")
    again = [Event(9.97 + k / 1000, "handshake failed", "sink", "in", "refused (400)") for k in range(3)]
    figures(source, 10.0, events=(error, Event(9.96, "bind", "x"), *again))  # who is turned away tries again and again
    assert last(sent, "Timeline")[1]["marks"] == [
        [9.95, "error", "sink", "ValueError: no"],
        [9.97, "handshake failed", "sink.in", "refused (400)"],
    ]
    steer(dashboard, t="step", by=-3)
    eventually(lambda: last(sent, "Timeline")[1]["at"] == 9.7)
    steer(dashboard, t="after", at=5.03)  # a mark is clicked
    eventually(lambda: last(sent, "Timeline")[1]["at"] == 5.1)
    steer(dashboard, t="play", pace=0.5)
    eventually(lambda: last(sent, "Timeline")[1]["pace"] == 0.5)
    steer(dashboard, t="stand")
    eventually(lambda: last(sent, "Timeline")[1]["pace"] == 0.0)
    assert last(sent, "Timeline")[1]["at"] is not None


def test_the_charts_show_the_minute_before_that_moment(shown):
    source, dashboard, _ = shown
    dashboard._figure = charts.figure(dashboard.history, live=True)
    dashboard._charts_seen["a view"] = True
    for i in range(100, 200):
        figures(source, i / 10)
    full = np.isfinite(dashboard.history.arrays()[1][0]).sum()
    steer(dashboard, t="go", at=4.0)
    eventually(lambda: np.isfinite(dashboard.history.arrays()[1][0]).sum() == 9)
    steer(dashboard, t="live")
    later = (20 + i / 10 for i in itertools.count())

    def filled():
        figures(source, next(later))
        return np.isfinite(dashboard.history.arrays()[1][0]).sum() >= full

    eventually(filled)


def test_while_somebody_drags_no_more_is_sent_than_live(lab, sent, monkeypatch):  # noqa: F811
    messages_of, _ = sent
    clock = [100.0]
    monkeypatch.setattr("zlab.views.view.monotonic", lambda: clock[0])
    flow = Flow(lab)
    flow._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    for i in range(1000):
        clock[0] += 0.01
        flow._on_snapshot(Moment(**{f.name: getattr(lab.latest, f.name) for f in fields(Snapshot)}, covers=COVERS))
        if i % 10 == 0:
            flow._receive(None, {"t": "answers", "v": "a b c", "of": [[flow.model_id, "a b c", flow._number]]}, [])
    assert 80 < len(messages_of("Flow")) <= 127
    assert sum(len(m[2]) == 2 for m in messages_of("Flow")) < 0.4 * len(messages_of("Flow"))


def test_no_thread_is_left_and_none_runs_while_nobody_looks_back():
    def looking_back():
        return {t for t in threading.enumerate() if t.name == "zlab playhead"}

    before = looking_back()  # other tests' may be about to end
    with leaving_nothing():
        with zlab.run(zlab.patterns.pipeline()) as real:
            dashboard = Dashboard(real)
            real.wait(messages=5)
            assert looking_back() <= before
            then = real.past.kept.end
            steer(dashboard, t="go", at=then)
            eventually(lambda: dashboard.playhead.shown)
            now = real.at(then)
            assert dashboard.playhead.shown.links == now.links
            steer(dashboard, t="play", pace=1.0)
            real.wait(messages=5)
        steer(dashboard, t="go", at=then)
        eventually(lambda: dashboard.playhead.snapshot().links == now.links)
