"""The journey of a message: over every hop, with its time at each stage, and with its fate."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import zmq
from labs import TRANSPORTS, eventually, idle, one_way, receiving, sending

import zlab

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from zlab.lab import Lab

STAGES = ["service", "send_call", "queue_and_wire"]


def asking(name: str, count: int) -> Callable[..., None]:
    def ask(requests: zmq.Socket[bytes]) -> None:
        for number in range(count):
            requests.send(b"%d from %s" % (number, name.encode()))
            requests.recv()

    return ask


def answering(requests: zmq.Socket[bytes]) -> None:
    while True:
        requests.send(b"answer to " + requests.recv())


def passing_on(frontend: zmq.Socket[bytes], backend: zmq.Socket[bytes]) -> None:
    """A broker in Python, as in the ZeroMQ Guide."""
    poller = zmq.Poller()
    poller.register(frontend, zmq.POLLIN)
    poller.register(backend, zmq.POLLIN)
    while True:
        ready = dict(poller.poll())
        if frontend in ready:
            backend.send_multipart(frontend.recv_multipart())
        if backend in ready:
            frontend.send_multipart(backend.recv_multipart())


def brokered(clients: int, each: int) -> zlab.Topology:
    return zlab.Topology(
        "three hops",
        [
            *(zlab.Node(f"c{i}", asking(f"c{i}", each), requests=zlab.REQ.connect("front")) for i in range(clients)),
            zlab.Node("broker", passing_on, frontend=zlab.ROUTER.bind("front"), backend=zlab.DEALER.bind("back")),
            *(zlab.Node(f"w{i}", answering, requests=zlab.REP.connect("back")) for i in range(2)),
        ],
    )


def fates(lab: Lab) -> dict[str, int]:
    return dict(lab.messages()["fate"].value_counts())


def delivered(lab: Lab, count: int) -> Callable[[], bool]:
    return lambda: bool((lab.messages()["fate"] == "delivered").sum() == count)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_request_is_followed_through_a_broker_and_back(transport: str) -> None:
    clients, each = 4, 500
    with zlab.run(brokered(clients, each), transport=transport, trace="full") as lab:
        eventually(lambda: lab.ledger()["delivered"].sum() == 4 * clients * each, limit=40)
        lab.stop()
        table = lab.messages()
        assert (table["fate"] == "delivered").all()
        assert table.attrs == {"let_go": 0, "sampling": 1}
        journeys = table.groupby("message")
        assert len(journeys) == clients * each
        assert (journeys["hop"].agg(list).map(tuple) == (1, 2, 3, 4)).all()
        assert not table["ambiguous"].any()
        ways = journeys["link"].agg(list)
        for way in ways:
            client, worker = way[0].partition(".")[0], way[1].partition(" → ")[2].partition(".")[0]
            assert way == [
                f"{client}.requests → broker.frontend",
                f"broker.backend → {worker}.requests",
                f"{worker}.requests → broker.backend",
                f"broker.frontend → {client}.requests",
            ]
        total = journeys[STAGES].sum().sum(axis=1)
        assert (abs(total - (journeys["received"].max() - journeys["sent"].min())) < 1e-9).all()
        assert (table[[*STAGES, "latency"]] >= 0).all().all()
        one = lab.journey(b"7 from c1")
        assert one.attrs["end_to_end"] == pytest.approx(one[STAGES].sum().sum())
        assert list(lab.journey(b"answer to 7 from c1")["hop"]) == list(one["hop"]) == [1, 2, 3, 4]
        assert set(lab.journey(table["message"].iloc[-1])["message"]) == {table["message"].iloc[-1]}  # numpy's int
        assert lab.frames(table["message"].iloc[-1]).number == table["message"].iloc[-1]
        assert list(one["follows"]) == ["", "the same body", "the last received", "the same body"]


def test_what_a_proxy_in_c_passed_on_says_so() -> None:
    with zlab.run(zlab.patterns.broker(clients=2, workers=2, rate=100, seconds=0.005), trace="full") as lab:
        lab.wait(messages=200)
        lab.stop()
        table = lab.messages()
    came = table[table["fate"] == "delivered"]
    assert set(came["via"]) == {"broker"}
    answered = came[came["hop"] == 2]
    assert len(answered) >= 40
    assert (answered["service"] > 0.0049).all()
    assert (came["latency"] - came["send_call"] - came["queue_and_wire"]).abs().max() < 1e-9


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_proxy_that_captures_is_followed_message_by_message(transport: str) -> None:
    def middle(front: zmq.Socket[bytes], back: zmq.Socket[bytes], pipe: zmq.Socket[bytes]) -> None:
        zmq.proxy(front, back, pipe)

    def finishes(out: zmq.Socket[bytes]) -> None:
        for number in range(50):
            out.send_multipart([b"head", b"%d" % number])

    topology = zlab.Topology(
        "captured",
        [
            zlab.Node("source", finishes, out=zlab.PUSH.connect("a")),
            zlab.Node("middle", middle, front=zlab.PULL.bind("a"), back=zlab.PUSH.bind("b"), pipe=zlab.PUSH.bind("c")),
            zlab.Node("sink", receiving, inbox=zlab.PULL.connect("b")),
            zlab.Node("listener", receiving, inbox=zlab.PULL.connect("c")),
        ],
    )
    with zlab.run(topology, transport=transport, trace="full") as lab:
        lab.wait(until=lambda now: [link.delivered for link in now.links] == [50, 50, 50])
        lab.kill("middle")
        lab.stop()
        heard = [p for p in lab.passages() if p.receiver == "listener.inbox"]
        assert [p.frames for p in heard] == [(b"head", b"%d" % number) for number in range(50)]
        hops = lab.messages()
        assert sorted(hops["hop"][hops["message"] == heard[7].message]) == [1, 2, 2]
        assert "none unaccounted for" in zlab.checks.accounted(lab)


def flood(out: zmq.Socket[bytes]) -> None:
    for number in range(10**9):
        out.send(b"%d" % number)


def chain(first: Callable[..., None], middle: Callable[..., None]) -> zlab.Topology:
    return zlab.Topology(
        "chain",
        [
            zlab.Node("source", first, out=zlab.PUSH.bind("a")),
            zlab.Node("middle", middle, inbox=zlab.PULL.connect("a"), out=zlab.PUSH.connect("b")),
            zlab.Node("sink", receiving, inbox=zlab.PULL.bind("b")),
        ],
    )


def test_in_a_sample_what_is_passed_on_is_followed_too() -> None:
    def loop(inbox: zmq.Socket[bytes], out: zmq.Socket[bytes]) -> None:
        while True:
            out.send(inbox.recv())

    with zlab.run(chain(flood, loop)) as lab:
        lab.wait(until=lambda snapshot: snapshot.sampling > 1)
        began = lab.snapshot().at

        def followed() -> bool:
            table = lab.messages()
            last = table[(table["sent"] > began) & (table["hop"] == 2) & (table["fate"] == "delivered")]
            return bool((last["follows"] == "the same body").sum() > 20)

        eventually(followed)


# --- what makes a message itself ------------------------------------------------------------------------------------


def test_a_key_finds_a_message_again_whose_body_was_changed() -> None:
    def stamp(inbox: zmq.Socket[bytes], out: zmq.Socket[bytes]) -> None:
        both = [inbox.recv(), inbox.recv()]
        for body in reversed(both):  # so that the last received is not the one that is followed
            out.send_multipart([body[:4], b"worked on"])

    source = sending(b"0001 raw", b"0002 raw")
    with zlab.run(chain(source, stamp), key=lambda frames: frames[0][:4]) as lab:
        eventually(delivered(lab, 4))
        for number in (b"0001", b"0002"):
            journey = lab.journey([number, b"anything"])
            assert list(journey["hop"]) == [1, 2]
            assert journey["follows"].iloc[1] == "the same body"
        assert not lab.messages()["ambiguous"].any()


def test_a_key_that_fails_does_not_hurt_the_node() -> None:
    with zlab.run(one_way(sending(b"1", b"2", b"3")), key=lambda frames: frames[7]) as lab:
        eventually(delivered(lab, 3))
        said = lab.events().query("kind == 'key'")
        assert sorted(said["node"]) == ["receiver", "sender"]
        assert said["detail"].str.contains("IndexError").all()
        assert (lab.ledger()["unaccounted"] == 0).all()


def test_equal_bodies_are_marked() -> None:
    go = threading.Event()

    def late(inbox: zmq.Socket[bytes]) -> None:
        go.wait(20)
        receiving(inbox)

    with zlab.run(one_way(sending(b"same", b"other", b"same", b"same"), late)) as lab:
        eventually(lambda: lab.ledger()["queued"].sum() == 4)
        go.set()
        eventually(delivered(lab, 4))
        table = lab.messages()
        assert list(table["ambiguous"]) == [True, False, True, True]


# --- fates ----------------------------------------------------------------------------------------------------------


def test_what_waits_is_under_way_and_what_a_killed_node_had_is_lost() -> None:
    with zlab.run(one_way(sending(b"1", b"2", b"3"), idle)) as lab:
        eventually(lambda: fates(lab) == {"under way": 3})
        lab.kill("receiver")
        eventually(lambda: fates(lab) == {"lost: peer killed": 3})
        assert lab.messages()["received"].isna().all()


def test_what_a_stop_cut_off_says_so() -> None:
    with zlab.run(one_way(sending(b"1", b"2", b"3"), idle)) as lab:
        eventually(lambda: fates(lab) == {"under way": 3})
        lab.stop()
        assert fates(lab) == {"lost: lab stopped": 3}


def test_a_full_queue_keeps_what_came_first() -> None:
    bodies = [b"%04d" % i for i in range(100)]
    with zlab.run(one_way(sending(*bodies), idle, types=(zlab.PUB, zlab.SUB), hwm=10)) as lab:
        eventually(lambda: fates(lab) == {"under way": 20, "dropped: high-water mark": 80})
        assert (lab.messages()["fate"].iloc[:20] == "under way").all()


def test_what_nobody_asked_for_is_filtered_and_without_a_subscriber_it_is_dropped() -> None:
    go = threading.Event()

    def publish(out: zmq.Socket[bytes]) -> None:
        out.send(b"weather 1")
        out.send(b"sports 2")
        go.wait(20)
        out.send(b"weather 3")

    topology = zlab.Topology(
        "news",
        [
            zlab.Node("publisher", publish, out=zlab.PUB.bind("news")),
            zlab.Node("reader", receiving, inbox=zlab.SUB.connect("news", subscribe="weather")),
        ],
    )
    with zlab.run(topology) as lab:
        eventually(lambda: lab.ledger()["delivered"].sum() == 1)
        lab.kill("reader")
        go.set()
        eventually(lambda: len(lab.messages()) == 3)
        assert list(lab.messages()["fate"]) == ["delivered", "filtered", "dropped: no subscriber"]
        assert list(lab.messages()["link"])[1:] == ["publisher.out → ?"] * 2


# --- limits ---------------------------------------------------------------------------------------------------------


def test_what_is_let_go_of_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with zlab.run(one_way(sending(*(b"%d" % i for i in range(50))))) as lab:
        monkeypatch.setattr(lab._clock.book.journeys, "_limit", 10)
        eventually(lambda: lab.messages().attrs["let_go"] == 40)
        table: pd.DataFrame = lab.messages()
        assert len(table) == 10
        with pytest.raises(LookupError, match="no such message is remembered"):
            lab.journey(1)


def test_there_are_two_ways_to_trace() -> None:
    with pytest.raises(ValueError, match="'adaptive' or 'full'"):
        zlab.run(zlab.patterns.pipeline(), trace="all")
