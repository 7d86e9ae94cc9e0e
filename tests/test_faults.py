"""Faults on real sockets: each does what its name says, is undone, and its messages are accounted for."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from random import Random
from typing import TYPE_CHECKING

import pytest
import zmq
from labs import TRANSPORTS, eventually, idle, leaving_nothing, one_way, receiving, sending

import zlab
from zlab import faults
from zlab.recording import Direction
from zlab.runtime.relay import Relay
from zlab.runtime.relay import _listener as listener
from zlab.views import breaking
from zlab.views.commands import Commands

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    import pandas as pd

    from zlab.lab import Lab

WIRE = {"transport": "tcp", "relay": True}
SUBSCRIBING = (zlab.PUB, zlab.SUB)
ONE = "sender.out → receiver.inbox"


def steadily(out: zmq.Socket[bytes], quiet: threading.Event | None = None) -> None:
    """Send some hundreds of messages a second, for ever or until there is to be quiet."""
    for number in itertools.count():
        out.poll(2, zmq.POLLERR)
        if quiet is not None and quiet.is_set():
            return
        out.send(b"%08d" % number)


def once(go: threading.Event, *bodies: bytes) -> Callable[..., None]:
    """A node that sends these as soon as it is told to."""

    def send(out: zmq.Socket[bytes]) -> None:
        go.wait(10)
        sending(*bodies)(out)

    return send


def row(lab: Lab, link: str = ONE) -> pd.Series[int]:
    return lab.ledger().loc[link]


def settled(lab: Lab) -> bool:
    table = lab.ledger()
    return bool((table["queued"] == 0).all() and (table["unaccounted"] == 0).all())


def flows(lab: Lab, messages: int = 20) -> None:
    lab.wait(messages=messages, timeout=15)


def stands(lab: Lab, seconds: float = 0.3) -> None:
    """Wait until the receiver has received nothing for a while."""
    seen = [-1, 0.0]

    def still() -> bool:
        snapshot = lab.snapshot()
        came = sum(link.delivered for link in snapshot.links)
        if came != seen[0]:
            seen[:] = [came, snapshot.at]
        return snapshot.at - seen[1] > seconds

    eventually(still)


def quiet_after(lab: Lab) -> pd.Series[int]:
    """Stop what is sent and give the row of the only link once its queue is empty."""
    eventually(lambda: settled(lab))
    return row(lab)


# --- what becomes of messages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("types", [(zlab.PUSH, zlab.PULL), SUBSCRIBING], ids=["PUSH", "PUB"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_dropped_on_purpose_is_called_that_exactly(
    transport: str, types: tuple[zlab.topology.SocketType, zlab.topology.SocketType]
) -> None:
    go = threading.Event()
    with zlab.run(
        one_way(once(go, *(b"%08d" % number for number in range(500))), types=types), transport=transport
    ) as lab:
        lab.wait_ready()
        chance = Random("7 sender.out")  # noqa: S311 - what the fault documents
        dropped = sum(chance.random() < 0.4 for _ in range(500))
        with lab.fault("sender", faults.Drop(0.4, seed=7)):
            go.set()
            eventually(lambda: row(lab)["expected"] == 500 and settled(lab))
        assert row(lab)["dropped: fault (drop)"] == row(lab)["dropped"] == dropped
        assert (row(lab)["delivered"], row(lab)["lost"], row(lab)["filtered"]) == (500 - dropped, 0, 0)


@pytest.mark.parametrize("types", [(zlab.PUSH, zlab.PULL), SUBSCRIBING], ids=["PUSH", "PUB"])
def test_copies_are_expected_too_and_shown_for_what_they_are(
    types: tuple[zlab.topology.SocketType, zlab.topology.SocketType],
) -> None:
    go, came = threading.Event(), list[bytes]()

    def send(out: zmq.Socket[bytes]) -> None:
        go.wait(10)
        for number in range(300):
            out.send_multipart([b"a %d" % number, b"b"])

    def receive(inbox: zmq.Socket[bytes]) -> None:
        while True:
            came.append(inbox.recv_multipart()[0])

    with zlab.run(one_way(send, receive, types=types)) as lab:
        lab.wait_ready()
        with lab.fault("sender.out", faults.Duplicate(0.5, seed=3)):
            go.set()
            eventually(lambda: row(lab)["expected"] > 300 and settled(lab) and lab.sockets()["sent"].sum() == 300)
        copies = row(lab)["duplicated: fault"]
        assert row(lab)["delivered"] == row(lab)["expected"] == len(came) == 300 + copies
        assert len(set(came)) == 300
        assert 100 < copies < 200
        assert row(lab)["dropped"] == row(lab)["lost"] == row(lab)["filtered"] == 0


def test_a_frozen_node_stays_connected_and_goes_on_where_it_stood() -> None:
    with zlab.run(one_way(steadily, hwm=10)) as lab:
        flows(lab)
        with lab.fault("receiver", faults.Freeze()):
            eventually(lambda: row(lab)["queued"] > 10)
            stands(lab)
            assert lab.connections()["disconnected"].isna().all()
        flows(lab)
        assert row(lab)["lost"] == row(lab)["dropped"] == row(lab)["unaccounted"] == 0


def test_a_slow_consumer_reads_no_faster_than_it_may_and_catches_up() -> None:
    fault = faults.SlowConsumer(rate=20).at("receiver.inbox")
    assert fault.hold(Direction.RECV, ()) == 0
    assert 0.04 < fault.hold(Direction.RECV, ()) <= 0.05
    assert fault.hold(Direction.SEND, ()) == 0
    go = threading.Event()
    with zlab.run(one_way(once(go, *(b"%d" % n for n in range(100))))) as lab:
        with lab.fault("sender → receiver", faults.SlowConsumer(rate=10)):
            go.set()
            eventually(lambda: row(lab)["queued"] > 50)
        eventually(lambda: row(lab)["delivered"] == 100)


@pytest.mark.parametrize("distribution", ["constant", "uniform", "normal", "exponential"])
def test_delays_are_drawn_from_the_distribution_by_the_seed(distribution: str) -> None:
    def drawn(seed: int) -> list[float]:
        at = faults.Delay(0.05, distribution, spread=0.02, seed=seed).at("a.in")
        return [at.hold(Direction.RECV, ()) for _ in range(2000)]

    assert drawn(1) == drawn(1)
    assert (drawn(1) == drawn(2)) is (distribution == "constant")
    assert abs(sum(drawn(1)) / 2000 - 0.05) < 0.005
    assert min(drawn(1)) >= 0


def test_the_same_seed_makes_the_same_decisions_at_each_socket() -> None:
    def decided(fault: faults.Drop | faults.Duplicate, socket: str) -> list[int]:
        at = fault.at(socket)
        return [at.times(Direction.SEND, ()) for _ in range(200)]

    for kind in (faults.Drop, faults.Duplicate):
        assert decided(kind(0.5, seed=1), "a.out") == decided(kind(0.5, seed=1), "a.out")
        assert decided(kind(0.5, seed=1), "a.out") != decided(kind(0.5, seed=2), "a.out")
        assert decided(kind(0.5, seed=1), "a.out") != decided(kind(0.5, seed=1), "b.out")
    assert set(decided(faults.Drop(0.5), "a.out")) == {0, 1}
    assert set(decided(faults.Duplicate(0.5), "a.out")) == {1, 2}


# --- nodes ----------------------------------------------------------------------------------------------------------


def test_a_node_that_is_killed_as_a_fault_starts_again_when_that_is_over() -> None:
    with zlab.run(one_way(steadily), transport="tcp") as lab:
        flows(lab)
        with lab.fault("receiver", faults.Kill()) as made:
            assert lab.snapshot().nodes[1].state == "killed"
            assert lab.faults == (made,)
            assert repr(made) == "Kill() on receiver"
        assert lab.faults == ()
        flows(lab)
        lab.fault("receiver", faults.Restart())
        assert lab.faults == ()
        flows(lab)


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_a_slow_joiner_has_missed_what_was_published_before_it_connected(transport: str) -> None:
    with zlab.run(one_way(steadily, types=SUBSCRIBING), transport=transport) as lab:
        lab.wait_ready()
        flows(lab)
        before = lab.connections().shape[0]
        lab.fault("receiver", faults.SlowJoiner(0.2))
        eventually(lambda: lab.connections().shape[0] > before)
        flows(lab)
        eventually(lambda: row(lab).get("dropped: not yet joined", 0) > 10)
        assert row(lab)["unaccounted"] == 0


# --- the network ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("types", [(zlab.PUSH, zlab.PULL), SUBSCRIBING], ids=["PUSH", "PUB"])
def test_libzmq_sees_a_cut_and_connects_again_and_what_was_under_way_is_lost_by_it(
    types: tuple[zlab.topology.SocketType, zlab.topology.SocketType],
) -> None:
    quiet = threading.Event()
    with leaving_nothing(), zlab.run(one_way(lambda out: steadily(out, quiet), types=types), **WIRE) as lab:
        lab.wait_ready()
        flows(lab)
        with lab.fault("receiver", faults.Freeze()):  # so that something is under way
            eventually(lambda: row(lab)["queued"] > 20)
            with lab.fault(ONE, faults.Cut()):
                eventually(lambda: "retry" in set(lab.events()["kind"]))
                assert lab.connections()["stage"].iloc[-1] in {"retrying", "disconnected"}
        eventually(lambda: lab.connections()["handshake"].notna().sum() >= 2)
        flows(lab)
        quiet.set()
        told = quiet_after(lab)
        if types == SUBSCRIBING:  # what is sent while there is nobody to send to
            assert told["lost: link cut"] > 0
        assert told["lost"] == told.get("lost: link cut", 0)
        assert told["dropped"] == told.get("dropped: not yet joined", 0)  # sent before the lab was ready
        assert told["expected"] == told["delivered"] + told["dropped"] + told["lost"]


def test_a_reset_happens_once_and_what_the_binding_side_had_queued_is_lost_by_it() -> None:
    with zlab.run(one_way(sending(*(b"%d" % n for n in range(500))), idle), **WIRE) as lab:
        eventually(lambda: row(lab)["queued"] == 500)
        lab.fault("sender", faults.Reset())
        assert lab.faults == ()
        eventually(lambda: lab.connections()["handshake"].notna().sum() == 2)
        lab.kill("receiver")
        assert row(lab)["unaccounted"] == 0

    def late(inbox: zmq.Socket[bytes]) -> None:
        go.wait(10)
        receiving(inbox)

    go = threading.Event()
    body = b"x" * 10_000  # more than kernel and relay take, and the receiver's queue takes no more
    topology = zlab.Topology(
        "one way",
        [
            zlab.Node("sender", sending(*(b"%d " % n + body for n in range(2000))), out=zlab.PUSH.bind("a", sndhwm=0)),
            zlab.Node("receiver", late, inbox=zlab.PULL.connect("a", rcvhwm=10)),
        ],
    )
    with zlab.run(topology, **WIRE) as lab:
        eventually(lambda: row(lab)["expected"] == 2000)
        lab.fault(("sender", "receiver"), faults.Reset())
        go.set()
        eventually(lambda: settled(lab) and row(lab)["lost"] > 0)
        assert row(lab)["lost: connection reset"] == row(lab)["lost"] == 2000 - row(lab)["delivered"]


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        (("sender", "receiver"), faults.Partition()),
        ((("receiver",), ["sender"]), faults.Partition()),
        (("sender", "receiver"), faults.OneWay()),
        ("sender -> receiver", faults.OneWay()),
        ("receiver.inbox", faults.Partition()),
    ],
    ids=str,
)
def test_nothing_is_lost_by_packets_that_do_not_get_through(target: str, fault: faults.Partition) -> None:
    with zlab.run(one_way(steadily), **WIRE) as lab:
        flows(lab)
        with lab.fault(target, fault):
            stands(lab)
        flows(lab)
        assert row(lab)["lost"] == row(lab)["dropped"] == row(lab)["unaccounted"] == 0
        assert "disconnect" not in set(lab.events()["kind"])


def test_one_way_leaves_the_other_way_open() -> None:
    with zlab.run(one_way(steadily), **WIRE) as lab:
        flows(lab)
        with lab.fault(("receiver", "sender"), faults.OneWay()):
            flows(lab, 100)


def test_a_narrow_line_carries_so_many_bytes_per_second() -> None:
    go, body = threading.Event(), b"x" * 1000
    with zlab.run(one_way(once(go, *(b"%03d" % n + body for n in range(30)))), **WIRE) as lab:
        lab.wait_ready()
        with lab.fault(ONE, faults.Bandwidth(30_000)):
            go.set()
            eventually(lambda: lab.messages()["received"].notna().sum() == 30)
        rows = lab.messages()
        took = rows["received"].max() - rows["sent"].min()
        assert took > 30_000 / 30_000 * 0.8  # no faster; how much slower is the machine's affair


def test_latency_adds_to_each_message_and_takes_nothing_from_the_rate() -> None:
    with zlab.run(one_way(steadily), **WIRE) as lab:
        flows(lab)
        with lab.fault(ONE, faults.Latency(0.2)):
            stands(lab, 0.1)
            begins = lab.snapshot().at
            flows(lab, 60)
            rows = lab.messages()
        late = rows[rows["sent"] > begins]
        assert late["latency"].min() > 0.19
        assert late["received"].diff().median() < 0.1
        flows(lab)


def test_what_a_request_waits_for_comes_when_the_partition_is_over_and_never_after_a_cut() -> None:
    with zlab.run(zlab.patterns.request_reply(clients=1), **WIRE) as lab:
        flows(lab, 5)
        with lab.fault(("client-1", "server"), faults.Partition()):
            stands(lab)
        flows(lab, 5)
        with lab.fault("client-1", faults.Latency(1.0)):  # so that the cut comes while one is under way
            lab.wait(until=lambda snapshot: sum(link.queued for link in snapshot.links) == 1)
            lab.fault("client-1", faults.Reset())
        eventually(lambda: lab.ledger()["lost"].sum() == 1)
        assert settled(lab)


def test_a_relay_that_is_awake_when_it_is_closed_may_end_before_it_is_woken() -> None:
    said: list[tuple[str, ...]] = []
    with leaving_nothing():
        relay = Relay(lambda *event: said.append(event))
        outside = relay._outside

        class Waking:
            """The socket that wakes the relay's thread, which has ended by the time that it is used."""

            def send(self, data: bytes) -> int:
                outside.send(data)
                relay._thread.join(15)
                return outside.send(data)

            def close(self) -> None:
                outside.close()

        relay._outside = Waking()
        relay.close()
    assert not said


def test_a_relay_that_cannot_open_a_route_keeps_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with leaving_nothing():
        relay = Relay(lambda *_: None)
        made: list[socket.socket] = []
        monkeypatch.setattr("zlab.runtime.relay._listener", lambda number: made.append(listener(number)) or made[-1])
        monkeypatch.setattr(relay, "_open", lambda *_: (_ for _ in ()).throw(OSError("too many open files")))
        with pytest.raises(OSError, match="too many"):
            relay.route(("a.out", "x"), "tcp://127.0.0.1:5555")
        assert [each.fileno() for each in made] == [-1]
        relay.close()


def test_a_lab_with_a_relay_is_ready_when_subscriptions_have_passed_it() -> None:
    for _ in range(5):
        with zlab.run(zlab.patterns.pub_sub(rate=500), **WIRE) as lab:
            lab.wait_ready()
            expected = {link.name: link.expected for link in lab.snapshot().links}
            flows(lab, 100)
            lab.stop()
            late = lab.ledger().get("dropped: not yet joined")
            assert late is None or all(late <= [expected[name] + 5 for name in late.index])


# --- options --------------------------------------------------------------------------------------------------------


def test_an_option_is_set_by_the_thread_that_owns_the_socket_and_set_back() -> None:
    seen: list[int] = []

    def send(out: zmq.Socket[bytes]) -> None:
        for number in itertools.count():
            out.poll(2, zmq.POLLERR)
            seen.append(out.sndhwm)
            out.send(b"%d" % number)

    with zlab.run(one_way(send, hwm=100)) as lab:
        flows(lab)
        with lab.fault("sender", faults.Option("sndhwm", 700)):
            eventually(lambda: seen[-1] == 700)
            eventually(lambda: lab.sockets().loc["sender.out", "options"] == "sndhwm=700")
            assert lab.snapshot().links[0].capacity == 800

        def details() -> list[str]:
            return list(lab.events().query("kind == 'option'")["detail"])

        # Lower it becomes with the next connection: libzmq can stall the one that there is.
        later = "from the node's next restart on: restart sender to see it"
        eventually(lambda: details() == ["sndhwm = 700", f"sndhwm = 100 again {later}"])
        assert seen[-1] == 700
        with lab.fault("sender", faults.Option("sndhwm", 7)):
            eventually(lambda: details()[2:] == [f"sndhwm = 7 {later}"])
            assert lab.sockets().loc["sender.out", "options"] == "sndhwm=700"
        lab.restart("sender")
        eventually(lambda: seen[-1] == 100)
        eventually(lambda: lab.sockets().loc["sender.out", "options"] == "sndhwm=100")


def test_an_option_of_another_kind_is_set_back_at_once() -> None:
    with zlab.run(one_way(steadily)) as lab:
        flows(lab)
        with lab.fault("sender", faults.Option("sndtimeo", 5000)):
            eventually(lambda: "sndtimeo = 5000" in list(lab.events()["detail"]))
        eventually(lambda: "sndtimeo = -1 again" in list(lab.events()["detail"]))


@pytest.mark.parametrize("types", [(zlab.PUSH, zlab.PULL), SUBSCRIBING], ids=["PUSH", "PUB"])
def test_an_option_that_holds_for_later_connections_is_seen_after_a_restart(
    types: tuple[zlab.topology.SocketType, zlab.topology.SocketType],
) -> None:
    quiet = threading.Event()
    with zlab.run(one_way(lambda out: steadily(out, quiet), types=types), transport="tcp") as lab:
        lab.wait_ready()
        flows(lab)
        with lab.fault("receiver", faults.Option("conflate", 1)):
            eventually(lambda: "restart receiver" in " ".join(lab.events().query("kind == 'option'")["detail"]))
            lab.restart("receiver")
            with lab.fault("receiver", faults.Delay(0.1)):
                flows(lab, 3)
            quiet.set()
            assert quiet_after(lab)["dropped: conflated"] > 20
        quiet.clear()
        lab.restart("receiver")
        lab.restart("sender")
        assert "conflate" not in lab.sockets().loc["receiver.inbox", "options"]
        flows(lab)


def test_a_receive_mark_waits_for_the_restart_because_raising_it_can_stall_a_connection() -> None:
    with zlab.run(one_way(steadily), transport="tcp") as lab:
        with lab.fault("receiver", faults.Delay(0.02)):
            eventually(lambda: row(lab)["queued"] > 100)
            with lab.fault("receiver", faults.Option("rcvhwm", 5)):
                eventually(lambda: "next restart" in " ".join(lab.events().query("kind == 'option'")["detail"]))
                lab.restart("receiver")
                eventually(lambda: lab.snapshot().links[0].capacity == 1005)
        flows(lab, 500)


# --- what cannot be -------------------------------------------------------------------------------------------------

REFUSED: list[tuple[Callable[[], zlab.Topology], dict[str, object], object, object, str]] = [
    (zlab.patterns.pipeline, {}, "ventilator → worker-1", faults.Cut(), r"transport='tcp', relay=True"),
    (zlab.patterns.pipeline, {"transport": "tcp"}, "worker-1", faults.Bandwidth(10), r"only a relay .* relay=True"),
    (zlab.patterns.pipeline, {}, "sink", faults.Drop(0.1), "it sends nothing"),
    (zlab.patterns.pipeline, {}, "ventilator", faults.Delay(0.1), "it receives nothing"),
    (zlab.patterns.pipeline, {}, "ventilator → worker-1", faults.Drop(0.1), "also feeds worker-2.tasks"),
    (zlab.patterns.pipeline, {}, "worker-1 → sink", faults.Delay(0.1), "also receives from worker-2.results"),
    (zlab.patterns.pipeline, {}, "worker-1 → sink", faults.Freeze(), "give the name of one"),
    (zlab.patterns.pipeline, {}, "worker-1.tasks", faults.Kill(), "give the name of one"),
    (zlab.patterns.pipeline, {}, ("sink", "worker-1"), faults.Drop(0.1), "give 'a' or 'a → b'"),
    (zlab.patterns.pipeline, {}, "ventilator", faults.SlowJoiner(), "binds all its sockets"),
    (zlab.patterns.pipeline, {}, "sink", faults.Option("sndhwm", 1), "no socket there has use for sndhwm"),
    (zlab.patterns.pipeline, {}, "sink", faults.Option("sndhvm", 1), "did you mean 'sndhwm'"),
    (zlab.patterns.pipeline, {}, "sink", faults.Option("rcvhwm", -5), "does not take rcvhwm=-5"),
    (zlab.patterns.pub_sub, {}, "subscriber-1", faults.Option("subscribe", "a"), "the program's own affair"),
    (zlab.patterns.request_reply, {}, "client-1", faults.Drop(0.1), "REQ, which sends and receives in turn"),
    (zlab.patterns.request_reply, {}, "server", faults.Duplicate(0.1), "REP, which sends and receives in turn"),
]


@pytest.mark.parametrize(("pattern", "how", "target", "fault", "why"), REFUSED, ids=lambda given: str(given)[:40])
def test_what_cannot_work_is_refused_before_anything_changes(
    pattern: Callable[[], zlab.Topology], how: dict[str, str], target: str, fault: faults.Drop, why: str
) -> None:
    with zlab.run(pattern(), **how) as lab:
        with pytest.raises(ValueError, match=why):
            lab.fault(target, fault)
        assert lab.faults == ()
        assert "fault" not in set(lab.events()["kind"])


def test_what_is_not_there_is_named() -> None:
    with zlab.run(zlab.patterns.pipeline(workers=1)) as lab:
        with pytest.raises(KeyError, match="it has ventilator, worker-1, sink"):
            lab.fault("worker-7", faults.Freeze())
        with pytest.raises(KeyError, match="there are ventilator → worker-1"):
            lab.fault("ventilator → sink", faults.Freeze())
        with pytest.raises(ValueError, match="is on both sides"):
            lab.fault(("sink", ("worker-1", "sink")), faults.Partition())
        with pytest.raises(ValueError, match="no link goes"):
            lab.fault(("sink", "ventilator"), faults.Partition())
        with pytest.raises(TypeError, match="is no target"):
            lab.fault(7, faults.Freeze())  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="is no fault"):
            lab.fault("sink", "slow")  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="stopped"):
        lab.fault("sink", faults.Freeze())
    with pytest.raises(zlab.TopologyError, match="transport='tcp' too"):
        zlab.run(zlab.patterns.pipeline(), relay=True)


def test_a_proxy_moves_messages_past_its_gates() -> None:
    with zlab.run(zlab.patterns.broker()) as lab:
        flows(lab)
        with pytest.raises(ValueError, match=r"served by zmq.proxy, .* disturb its peers"):
            lab.fault("broker", faults.Freeze())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: faults.Drop(1.5),
        lambda: faults.Duplicate(-0.1),
        lambda: faults.Delay(-1),
        lambda: faults.Delay(1, "poisson"),
        lambda: faults.SlowConsumer(0),
        lambda: faults.SlowJoiner(-1),
        lambda: faults.Bandwidth(0),
        lambda: faults.Latency(float("nan")),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="give"):
        wrong()


@pytest.mark.parametrize("name", faults.__all__)
def test_a_fault_is_a_frozen_dataclass_of_settings(name: str) -> None:
    kind = getattr(faults, name)
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert kind.__doc__


# --- all together ---------------------------------------------------------------------------------------------------


def test_faults_end_in_any_order_and_nothing_is_left_of_them() -> None:
    with leaving_nothing(), zlab.run(zlab.patterns.pipeline(workers=2, rate=500), **WIRE) as lab:
        flows(lab)
        made = [
            lab.fault("worker-1", faults.Delay(0.01)),
            lab.fault("worker-1", faults.SlowConsumer(50)),
            lab.fault("worker-1", faults.Bandwidth(1_000_000)),
            lab.fault("worker-1.results", faults.Duplicate(0.5)),
            lab.fault("worker-1", faults.Latency(0.01)),
        ]
        assert lab.faults == tuple(made)
        flows(lab)
        for each in (made[1], made[4], made[0], made[3], made[2]):
            each.end()
            each.end()
        assert lab.faults == ()
        flows(lab)
        kinds = list(lab.events()["kind"])
        assert kinds.count("fault") == kinds.count("fault over") == 5
        lab.fault("worker-2", faults.Freeze())
        lab.fault("worker-1", faults.Cut())
    assert (lab.ledger()["unaccounted"] == 0).all()


EVERYTHING = [
    *(faults.Kill(), faults.Restart(), faults.Freeze(), faults.Delay(0.02, "normal", spread=0.01), faults.Drop(0.3)),
    *(faults.Duplicate(0.3), faults.SlowConsumer(50), faults.SlowJoiner(0.1), faults.Partition(), faults.OneWay()),
    *(faults.Cut(), faults.Reset(), faults.Bandwidth(20_000), faults.Latency(0.05), faults.Option("sndhwm", 10)),
]


def test_chaos_is_the_same_for_the_same_seed_and_leaves_a_lab_that_flows() -> None:
    with leaving_nothing(), zlab.run(zlab.patterns.pipeline(workers=2, rate=40), **WIRE) as lab:
        drawn = [
            lab.chaos(seed=seed, faults=EVERYTHING, seconds=2, every=0.1, lasts=0.2, play=False) for seed in (5, 5, 6)
        ]
        assert drawn[0].schedule == drawn[1].schedule != drawn[2].schedule
        assert repr(drawn[0]).count("\n") == len(drawn[0].schedule) - 1
        assert all(step.at + step.lasts <= 2.001 for step in drawn[0].schedule)
        assert not drawn[0].over
        assert "fault" not in set(lab.events()["kind"])
        chaos = drawn[0].play()
        chaos.wait(timeout=20)
        assert chaos.over
        assert lab.faults == ()
        assert "error" not in set(lab.events()["kind"])
        with pytest.raises(RuntimeError, match="played once"):
            chaos.play()
        flows(lab)
        lab.tune(rate=0)
        eventually(lambda: settled(lab))


def test_chaos_can_be_stopped_and_ends_with_its_lab() -> None:
    with leaving_nothing(), zlab.run(zlab.patterns.pipeline(workers=2)) as lab:
        with lab.chaos(faults=[("worker-1", faults.Freeze())], seconds=60, every=0.01, lasts=50) as chaos:
            eventually(lambda: lab.faults)
        assert chaos.over
        assert lab.faults == ()
        flows(lab)
        lab.chaos(faults=[faults.Freeze()], seconds=60, every=0.01, lasts=50)
        eventually(lambda: lab.faults)
        with pytest.raises(ValueError, match=r"nothing in this lab that it can befall: .* relay=True"):
            lab.chaos(faults=[faults.Cut()])
        with pytest.raises(ValueError, match="at least one"):
            lab.chaos(faults=[])
        with pytest.raises(ValueError, match="every=0"):
            lab.chaos(faults=[faults.Kill()], every=0)


# --- by mouse -------------------------------------------------------------------------------------------------------


def carry_out(lab: Lab, name: str, **given: object) -> str:
    """What a view is answered."""
    told, done = list[str](), threading.Event()
    commands = Commands(lab, lambda *_: None)
    commands.post(name, given, lambda error: (told.append(error), done.set()))
    assert done.wait(10)
    return told[0]


def test_every_fault_of_the_menu_can_be_made_and_marked_and_ended() -> None:
    assert {*breaking.MENU, "Kill", "Restart"} == set(faults.__all__)
    with zlab.run(zlab.patterns.pipeline(workers=1), **WIRE) as lab:
        for name, _, value in breaking.menu():
            target = "ventilator" if name == "Drop" else "worker-1"
            assert carry_out(lab, "fault", target=target, fault=name, value=str(value)) == ""
        lasting = [name for name in breaking.MENU if name not in {"SlowJoiner", "Reset"}]
        marks = breaking.marks(lab.snapshot())
        assert [told.partition("(")[0] for _, told, *_ in marks] == lasting
        assert carry_out(lab, "fault", target="ventilator → worker-1", fault="Cut") == ""
        assert breaking.marks(lab.snapshot())[-1][2:] == ["ventilator.tasks → worker-1.tasks", [], [0]]
        for number, *_ in breaking.marks(lab.snapshot()):
            assert carry_out(lab, "end", number=number) == ""
        assert lab.faults == ()
        flows(lab)


def test_what_cannot_be_is_said_where_it_was_asked_for() -> None:
    with zlab.run(zlab.patterns.pipeline(workers=1)) as lab:
        for target, fault, value, why in (
            ("sink", "Cut", "", "relay=True"),
            ("sink", "Delay", "-1", "give zero or more seconds"),
            ("sink", "Delay", "soon", "could not convert"),
            ("sink", "Option", "rcvhwm", "such as sndhwm=10"),
            ("sunk", "Freeze", "", "no node 'sunk'"),
        ):
            assert why in carry_out(lab, "fault", target=target, fault=fault, value=value)
        assert lab.faults == ()
