"""ZMQ_INVERT_MATCHING: who asks for a prefix receives what does not begin with it, and is counted so."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from labs import TRANSPORTS, eventually, receiving

import zlab

if TYPE_CHECKING:
    from collections.abc import Callable

HEADS = (b"a", b"b", b"ab", b"c")
EACH = 50


def run(go: threading.Event, transport: str, publisher: dict[str, Any], *subscribers: dict[str, Any]) -> zlab.Lab:
    """A publisher that speaks of four things once it may, and a subscriber for each of these."""

    def publish(out: zmq.Socket[bytes]) -> None:
        while not go.is_set():
            out.poll(10, zmq.POLLERR)
        for number in range(EACH):
            for head in HEADS:
                out.send(b"%s %d" % (head, number))

    nodes = [zlab.Node("publisher", publish, out=zlab.PUB.bind("news", **publisher))]
    for number, options in enumerate(subscribers):
        nodes.append(zlab.Node(f"subscriber-{number}", receiving, inbox=zlab.SUB.connect("news", **options)))
    lab = zlab.run(zlab.Topology("inverted", nodes), transport=transport)
    lab.wait_ready()
    return lab


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_begins_with_a_prefix_is_filtered_where_both_invert_their_matching(transport: str) -> None:
    go = threading.Event()
    wanted = [{"subscribe": "a"}, {"subscribe": ("ab", "c")}, {"subscribe": ""}]
    with run(go, transport, {"invert_matching": 1}, *({"invert_matching": 1, **w} for w in wanted)) as lab:
        go.set()
        eventually(lambda: list(lab.ledger()["delivered"]) == [2 * EACH, 2 * EACH, 0])
        eventually(lambda: list(lab.ledger()["filtered"]) == [2 * EACH, 2 * EACH, 4 * EACH])
        table = lab.ledger()
        assert list(table["expected"]) == [2 * EACH, 2 * EACH, 0]
        assert table[["queued", "dropped", "lost", "unaccounted", "uncertain"]].sum().sum() == 0
        eventually(lambda: set(lab.messages()["fate"]) == {"delivered", "filtered"})  # nobody takes what begins with ab
        came = lab.messages().query("link == 'publisher.out → subscriber-0.inbox'")
        assert len(came) == 2 * EACH


@pytest.mark.parametrize(("at", "other"), [("publisher", "subscriber"), ("subscriber", "publisher")])
def test_nothing_arrives_where_only_one_inverts_and_that_is_said(at: str, other: str) -> None:
    go = threading.Event()
    inverts: Callable[[str], dict[str, int]] = lambda which: {"invert_matching": int(which == at)}  # noqa: E731
    with run(go, "inproc", inverts("publisher"), {"subscribe": "a", **inverts("subscriber")}) as lab:
        go.set()
        eventually(lambda: list(lab.ledger()["filtered"]) == [4 * EACH])
        assert lab.ledger()[["expected", "queued", "dropped", "lost", "unaccounted"]].sum().sum() == 0, other
        eventually(lambda: "do not agree on invert_matching" in " ".join(e.detail for e in lab.history()))


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_a_program_that_is_watched_may_invert_its_matching_at_any_time(transport: str) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with zlab.watch(context) as lab, context.socket(zmq.XPUB) as out, context.socket(zmq.SUB) as inbox:
        out.bind("inproc://news" if transport == "inproc" else "tcp://127.0.0.1:*")
        inbox.connect(out.getsockopt_string(zmq.LAST_ENDPOINT))
        inbox.subscribe(b"a")
        assert out.recv() == b"\x01a"
        inbox.rcvtimeo = 10_000

        def exchange(count: int) -> None:
            for number in range(count):
                out.send(b"a %d" % number)
                out.send(b"b %d" % number)
            assert [inbox.recv()[:1] for _ in range(count)] == [b"b" if inbox.invert_matching else b"a"] * count

        exchange(10)
        out.invert_matching = inbox.invert_matching = 1
        exchange(20)
        inbox.subscribe(b"c")
        assert out.recv() == b"\x01c"
        exchange(30)
        out.invert_matching = inbox.invert_matching = 0
        exchange(40)
        eventually(lambda: lab.ledger()["delivered"].sum() == 100)
        row = lab.ledger().iloc[0]
        assert (row["expected"], row["filtered"], row["unaccounted"]) == (100, 100, 0)
        assert row["dropped"] == row["lost"] == row["queued"] == 0
    context.destroy(0)


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_who_inverts_its_matching_and_asks_for_nothing_is_ready_and_receives_everything(transport: str) -> None:
    go = threading.Event()
    with run(go, transport, {"invert_matching": 1}, {"invert_matching": 1}) as lab:  # it waits until all are ready
        go.set()
        eventually(lambda: list(lab.ledger()["delivered"]) == [4 * EACH])
        assert lab.ledger()[["filtered", "queued", "dropped", "lost", "unaccounted"]].sum().sum() == 0
