"""Time is a control: pause, step, slow motion and breakpoints, on real sockets."""

from __future__ import annotations

import threading
import time

import pytest
from labs import TRANSPORTS, eventually, leaving_nothing, one_way, sending

import zlab
from zlab.views.timeline import MARKED


def numbered(many: int) -> list[bytes]:
    return [b"message %d" % i for i in range(many)]


def moved(lab: zlab.lab.Lab) -> int:
    return int(lab.ledger()["delivered"].sum())


def fan() -> zlab.Topology:
    return zlab.patterns.pipeline(workers=3, rate=300, seconds=0.001)


def crossed() -> zlab.Topology:
    """Two senders and two receivers, each of which faces both others."""
    source, sink = zlab.nodes.source(rate=50), zlab.nodes.sink()
    return zlab.Topology(
        "crossed",
        [
            zlab.Node("a", source, out=zlab.PUSH.bind("from-a")),
            zlab.Node("b", source, out=zlab.PUSH.bind("from-b")),
            zlab.Node("x", sink, inbox=zlab.PULL.connect("from-a", "from-b")),
            zlab.Node("y", sink, inbox=zlab.PULL.connect("from-a", "from-b")),
        ],
    )


def gated(lab: zlab.lab.Lab) -> set[str]:
    """The sockets whose messages come by their gate."""
    return {r.name for node in lab._run.nodes.values() for r in node.recordings if node.gated(r)}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nothing_is_delivered_from_the_moment_in_which_pause_returns(transport: str) -> None:
    with leaving_nothing(), zlab.run(fan(), transport=transport) as lab:
        for _ in range(5):
            lab.wait(messages=20)
            lab.pause()
            before = lab.sockets()["received"]
            seen = lab.snapshot().sequence
            lab.wait(until=lambda snapshot, seen=seen: snapshot.sequence > seen + 2)
            assert list(lab.sockets()["received"]) == list(before)
            lab.resume()
        lab.stop()
        ledger = lab.ledger()
        assert (ledger["unaccounted"] == 0).all()
        assert (ledger["dropped"] == 0).all()


@pytest.mark.parametrize("where", ["worker-1", "worker-1.tasks", "ventilator → worker-1", "ventilator -> worker-1"])
def test_a_part_stands_and_the_rest_is_not_even_gated(where: str) -> None:
    with zlab.run(fan()) as lab:
        lab.wait(messages=20)
        lab.pause(where)
        assert lab.state == "running"
        assert gated(lab) == ({"worker-1.tasks", "worker-1.results"} if where == "worker-1" else {"worker-1.tasks"})
        before = lab.sockets()["received"]
        lab.wait(until=lambda s: s.sockets[-1].received > before["sink.inbox"] + 50)
        assert lab.sockets()["received"]["worker-1.tasks"] == before["worker-1.tasks"]
        assert lab.snapshot().why.startswith("paused: ")
        assert next(n for n in lab.snapshot().nodes if n.name == "worker-1").state == "paused"
        lab.resume(where)
        assert not gated(lab)
        eventually(lambda: lab.sockets()["received"]["worker-1.tasks"] > before["worker-1.tasks"])


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_proxy_stands_steps_and_goes_on_with_nothing_lost(transport: str) -> None:
    with zlab.run(zlab.patterns.broker(clients=3, workers=2, rate=400), transport=transport) as lab:
        lab.wait(messages=50)
        for _ in range(4):
            lab.pause()
            before = moved(lab)
            assert lab.step(3) == 3
            assert moved(lab) == before + 3
            lab.resume()
            lab.wait(messages=10)
        lab.pause("broker")
        lab.resume()
        lab.tune(rate=0)
        eventually(lambda: not lab.ledger()["queued"].any())
        table = lab.ledger()
    assert not table["unaccounted"].any()
    assert not table[["dropped", "lost"]].any(axis=None)
    assert table["expected"].sum() > 100


def test_it_is_told_which_links_are_paused_by_themselves() -> None:
    with zlab.run(fan()) as lab:
        lab.wait(messages=5)
        link = next(str(link) for link in lab.topology.links if link.target == "worker-2")
        lab.pause("worker-1")
        lab.pause("ventilator → worker-2")
        lab.wait(until=lambda snapshot: snapshot.paused_links == (link,))
        then = lab.snapshot().at + 0.1  # seconds: two ticks, so that the past has it
        lab.wait(until=lambda snapshot: snapshot.at > then + 0.2)
        lab.resume(link)  # by its whole name
        lab.wait(until=lambda snapshot: not snapshot.paused_links)
        assert lab.at(then).paused_links == (link,)


def test_a_link_into_a_shared_socket_is_held_where_it_begins() -> None:
    with zlab.run(fan()) as lab:
        lab.wait(messages=20)
        lab.pause("worker-1 → sink")
        assert gated(lab) == {"worker-1.results"}
        before = lab.sockets()
        lab.wait(messages=100)
        after = lab.sockets()
        assert after["sent"]["worker-1.results"] <= before["sent"]["worker-1.results"]
        assert after["sent"]["worker-2.results"] > before["sent"]["worker-2.results"]


def test_a_place_that_cannot_be_held_alone_or_is_none_is_refused() -> None:
    with zlab.run(crossed()) as lab:
        with pytest.raises(ValueError, match=r"a → x cannot be held alone: a.out also sends to y.*pause 'a' or 'x'"):
            lab.pause("a → x")
        with pytest.raises(KeyError, match="no node 'nobody'"):
            lab.pause("nobody")
        with pytest.raises(KeyError, match=r"no socket 'a\.in' .*: it has a\.out"):
            lab.step(1, "a.in")
        with pytest.raises(KeyError, match=r"no link 'x → a'.*it has a → x"):
            lab.resume("x → a", speed=0.5)
        for wrong in (0, -1, True, 1.5, "worker-1"):
            with pytest.raises(ValueError, match="step"):
                lab.step(wrong)
        assert not gated(lab)


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_exactly_so_many_messages_move_and_it_stands_again(transport: str) -> None:
    with zlab.run(fan(), transport=transport) as lab:
        lab.wait(messages=20)
        lab.pause()
        for n in (1, 3, 30):
            before = moved(lab)
            assert lab.step(n) == n
            assert moved(lab) == before + n
            assert lab.state == "paused"


def test_a_node_or_a_link_steps_and_no_other_receives() -> None:
    with zlab.run(fan()) as lab:
        lab.wait(messages=20)
        lab.pause()
        for where, reads in (("worker-2", "worker-2.tasks"), ("ventilator → worker-3", "worker-3.tasks")):
            before = lab.sockets()["received"]
            assert lab.step(3, where) == 3
            gained = lab.sockets()["received"] - before
            assert gained[reads] == 3
            assert gained.sum() == 3
        sent = lab.sockets()["sent"]["ventilator.tasks"]
        assert lab.step(2, "ventilator") == 2  # a node that only sends
        assert lab.sockets()["sent"]["ventilator.tasks"] == sent + 2


@pytest.mark.parametrize("where", ["sink", "worker-1 → sink", "worker-1.results"])
def test_a_step_far_down_the_stream_takes_what_it_needs_from_above_and_no_more(where: str) -> None:
    """Everything stands, and the next message for the sink is still in the ventilator's hands."""
    with zlab.run(zlab.patterns.pipeline(workers=3, rate=1000, seconds=0.02)) as lab:
        lab.pause()
        assert lab.step(8, where, timeout=5) == 8  # whatever had come farther is used up
        for n in (1, 4):
            before = lab.sockets()
            assert lab.step(n, where, timeout=5) == n
            after = lab.sockets()
            gained, sent = after["received"] - before["received"], after["sent"] - before["sent"]
            assert (gained["sink.inbox"] if where == "sink" else sent["worker-1.results"]) == n
            taken = gained[[f"worker-{i}.tasks" for i in (1, 2, 3)]].sum()
            assert taken <= (n + 1 if where == "sink" else 3 * n + 3)  # one more where the machine is slow
            assert sent["ventilator.tasks"] <= 3 * n + 3
            assert lab.state == "paused"
            settled = lab.sockets()["received"]
            seen = lab.snapshot().sequence
            lab.wait(until=lambda snapshot, seen=seen: snapshot.sequence > seen + 2)
            assert list(lab.sockets()["received"]) == list(settled), "then it stands"


def test_a_step_of_one_node_takes_what_comes_by_itself_before_what_is_held() -> None:
    with zlab.run(zlab.patterns.pipeline(workers=2, rate=40, seconds=0.001)) as lab:
        lab.wait(messages=10)
        lab.pause("worker-1")
        lab.pause("sink")  # else it may receive something between the count and the first step
        held = lab.sockets()["received"]["worker-1.tasks"]
        for _ in range(3):
            before = lab.sockets()["received"]["sink.inbox"]
            assert lab.step(2, "sink") == 2
            assert lab.sockets()["received"]["sink.inbox"] == before + 2
        assert lab.sockets()["received"]["worker-1.tasks"] <= held + 1


def test_a_step_pauses_what_runs_and_follows_request_and_reply() -> None:
    with zlab.run(zlab.patterns.request_reply(clients=2, rate=100)) as lab:
        lab.wait(messages=4)
        for _ in range(10):
            lab.step()
            before = moved(lab)
            assert lab.step(1) == 1
            assert moved(lab) == before + 1


def test_resume_ends_a_step_that_waits() -> None:
    with zlab.run(one_way(sending(*numbered(2)))) as lab:
        lab.wait(until=lambda snapshot: snapshot.links[0].delivered == 2)
        moved: list[int] = []
        stepping = threading.Thread(target=lambda: moved.append(lab.step(5, timeout=60)))
        stepping.start()
        eventually(lambda: lab.state == "paused")
        lab.resume("receiver")
        stepping.join(20)
        assert moved == [0]


def test_a_step_with_nothing_to_move_says_who_waits_for_what() -> None:
    with zlab.run(one_way(sending(*numbered(2)))) as lab:
        lab.wait(until=lambda snapshot: snapshot.links[0].delivered == 2)
        with pytest.raises(TimeoutError, match=r"0 of 1 messages moved.*waiting in recv: receiver"):
            lab.step(timeout=0.1)


def test_slow_motion_of_one_node_keeps_order_and_is_undone_at_once() -> None:
    got: list[bytes] = []

    def keep(inbox) -> None:
        while True:
            got.append(inbox.recv())

    with zlab.run(one_way(sending(*numbered(500)), keep)) as lab:
        lab.pause()
        lab.resume("receiver", speed=0.002)  # of 100 a second, or more: at least a message in 5 seconds
        lab.resume("sender")
        assert gated(lab) >= {"receiver.inbox"}
        lab.resume("receiver", speed=1.0)
        eventually(lambda: len(got) == 500)  # at the speed of before it would take an hour
        assert got == numbered(500)
        assert not gated(lab)


def test_a_breakpoint_holds_exactly_the_message_that_it_is_about() -> None:
    got: list[bytes] = []
    start = threading.Event()

    def send(out) -> None:
        start.wait(10)
        sending(*numbered(60))(out)

    def keep(inbox) -> None:
        while True:
            got.append(inbox.recv())

    with zlab.run(one_way(send, keep)) as lab:
        with lab.break_on("receiver.recv", body="message 17") as stop:
            assert lab.breakpoints == (stop,)
            assert gated(lab) == {"receiver.inbox"}
            start.set()
            lab.wait(until=lambda snapshot: snapshot.why)
            assert got == numbered(17)
            assert stop.hits == 1
            assert lab.snapshot().why.startswith("receiver receives 'message 17': breakpoint 'receiver.recv'")
            receiver = lab.snapshot().nodes[1]
            assert (receiver.state, receiver.blocked_on) == ("paused", "inbox")
            assert lab.events().query("kind == 'breakpoint'")["socket"].item() == "inbox"
            assert "breakpoint" in MARKED
            lab.resume()
            eventually(lambda: len(got) == 60)
            assert stop.hits == 1
        assert lab.breakpoints == ()
        assert not gated(lab)


def test_a_breakpoint_on_a_topic_stops_before_it_is_published() -> None:
    with zlab.run(zlab.patterns.pub_sub(rate=200)) as lab:
        with lab.break_on(topic="weather LA") as stop:
            lab.wait(until=lambda snapshot: snapshot.state == "paused")
            assert lab.snapshot().why.startswith("publisher sends 'weather LA")
            sent = lab.sockets()["sent"]["publisher.updates"]
            assert sent % 5 == 2  # it is the third of five topics
            lab.resume()
            lab.wait(until=lambda _: stop.hits == 2)
            eventually(lambda: lab.state == "paused")
            assert lab.sockets()["sent"]["publisher.updates"] == sent + 5


def test_a_breakpoint_stops_steps_and_a_function_may_choose() -> None:
    with zlab.run(fan()) as lab:
        lab.wait(messages=20)
        lab.pause()
        chosen: list[bytes] = []

        def tenth(frames: list[bytes]) -> bool:
            chosen.append(frames[-1])
            return len(chosen) == 10

        with lab.break_on("sink.recv", when=tenth) as stop:
            assert 10 <= lab.step(100) < 100
            assert stop.hits == 1
        with lab.break_on("sink.recv", when=lambda frames: frames[99]):
            lab.step(10)
            assert lab.events().query("kind == 'error'")["detail"].str.contains("IndexError").sum() == 1


def test_a_breakpoint_on_a_queue_and_on_a_drop_stops_at_a_tick() -> None:
    with zlab.run(one_way(zlab.nodes.source(rate=500))) as lab:
        lab.pause("receiver")
        with lab.break_on(queue=("sender → receiver", 5)) as stop:
            lab.wait(until=lambda snapshot: snapshot.state == "paused")
            assert "messages are queued on sender.out → receiver.inbox" in lab.snapshot().why
            assert stop.hits == 1
    with zlab.run(one_way(zlab.nodes.source(rate=500), types=(zlab.PUB, zlab.SUB), hwm=2)) as lab:
        lab.wait(messages=2)
        lab.pause("receiver")
        with lab.break_on(drop=True):
            lab.wait(until=lambda snapshot: snapshot.state == "paused")
            assert "dropped on sender.out → receiver.inbox: " in lab.snapshot().why


def test_a_breakpoint_that_makes_no_sense_is_refused() -> None:
    with zlab.run(fan()) as lab:
        for wrong, word in (
            ({}, "break on what"),
            ({"topic": "weather"}, "no PUB or SUB"),
            ({"where": "sink.send"}, "no socket on which it could send"),
            ({"queue": "sink"}, "give a link and a number"),
            ({"queue": ("ventilator → worker-1", -1)}, "zero or more"),
            ({"queue": ("ventilator → worker-1", 1), "body": b"x"}, "breakpoint of its own"),
            ({"when": 17}, "no function"),
        ):
            with pytest.raises(ValueError, match=word):
                lab.break_on(**wrong)
        assert lab.breakpoints == ()


def test_fifty_nodes_that_are_held_stop_at_once() -> None:
    with leaving_nothing():
        lab = zlab.run(zlab.patterns.pipeline(workers=48, rate=500, seconds=0))
        lab.wait(messages=100)
        lab.pause()
        began = time.monotonic()
        lab.stop()
        assert time.monotonic() - began < 2  # what the lab promises, however loaded the machine
        assert not lab.events().query("kind == 'error'").size


def test_a_node_that_is_held_is_killed_and_restarts_held() -> None:
    with zlab.run(fan(), transport="tcp") as lab:
        lab.wait(messages=20)
        lab.pause("worker-1")
        lab.kill("worker-1")
        lab.restart("worker-1")
        assert "worker-1.tasks" in gated(lab)
        lab.wait(messages=50)
        lab.resume()
        before = lab.sockets()["received"]["worker-1.tasks"]
        eventually(lambda: lab.sockets()["received"]["worker-1.tasks"] > before)
