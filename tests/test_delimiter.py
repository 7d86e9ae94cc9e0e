"""What has no empty frame before the body is dropped by REQ and REP without a word, and is counted as that."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import zmq
from labs import LIMIT, TRANSPORTS, eventually

import zlab
from zlab.ledger.bare import NO_DELIMITER, Bare, bare
from zlab.ledger.exchange import Exchange, Ray
from zlab.recording import Counts
from zlab.topology import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    ZMQSocket = zmq.Socket[bytes]

DROPPED = f"dropped: {NO_DELIMITER}"


def sends(*messages: Sequence[bytes]) -> Callable[..., None]:
    """A node that sends these and receives what is answered."""

    def send(out: ZMQSocket) -> None:
        for frames in messages:
            out.send_multipart(frames)
        while True:
            out.recv_multipart()

    return send


def answers(inbox: ZMQSocket) -> None:
    while True:
        inbox.send_multipart(inbox.recv_multipart())


def zmq_proxy(frontend: ZMQSocket, backend: ZMQSocket) -> None:
    zmq.proxy(frontend, backend)


def holds(table: pd.DataFrame) -> bool:
    parts = table[["delivered", "queued", "dropped", "lost"]].sum(axis=1)
    return bool((parts == table["expected"]).all() and (table["unaccounted"] == 0).all())


BARE = [[b"hello"], [b"header", b"body"], [b"body", b""]]
GOOD = [[b"", b"body"], [b"way", b"back", b"", b"body"], [b"", b"", b"body"]]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_a_dealer_sends_to_a_rep_without_a_delimiter_is_dropped_for_that(transport: str) -> None:
    dealer = zlab.Node("dealer", sends(*BARE, *GOOD, *BARE, *GOOD), out=zlab.DEALER.connect("door"))
    rep = zlab.Node("rep", answers, inbox=zlab.REP.bind("door"))
    with zlab.run(zlab.Topology("bare", [dealer, rep]), transport=transport) as lab:
        eventually(lambda: lab.ledger()["queued"].sum() == 0 and lab.sockets().loc["dealer.out", "sent"] == 12)
        table = lab.ledger()
        row = table.loc["dealer.out → rep.inbox"]
        assert (row["expected"], row["delivered"], row[DROPPED], row["dropped"], row["uncertain"]) == (12, 6, 6, 6, 0)
        assert holds(table)
        eventually(lambda: list(lab.messages()["fate"]).count(DROPPED) == 6)
    assert holds(lab.ledger())


@pytest.mark.parametrize("bad", [[b"body"], [b"way", b"", b"body"]], ids=["none", "not the first"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_a_router_answers_a_req_without_a_delimiter_is_dropped_for_that(transport: str, bad: list[bytes]) -> None:
    def serve(inbox: ZMQSocket) -> None:
        for answer in ([b"", b"body"], [b"", b"body"], bad):  # over tcp and ipc, a bad one is the end of the connection
            client, *_ = inbox.recv_multipart()
            inbox.send_multipart([client, *answer])
        inbox.poll(None, zmq.POLLERR)

    def ask(out: ZMQSocket) -> None:
        for number in range(3):
            out.send(b"%d" % number)
            out.recv()

    nodes = [
        zlab.Node("router", serve, inbox=zlab.ROUTER.bind("door")),
        zlab.Node("req", ask, out=zlab.REQ.connect("door")),
    ]
    with zlab.run(zlab.Topology("bare", nodes), transport=transport) as lab:
        eventually(lambda: lab.ledger().loc["router.inbox → req.out"].get(DROPPED) == 1)
        row = lab.ledger().loc["router.inbox → req.out"]
        assert (row["expected"], row["delivered"], row["dropped"], row["uncertain"]) == (3, 2, 1, 0)
        assert holds(lab.ledger())


def test_it_is_dropped_behind_a_broker_by_the_rep_there() -> None:
    ready = threading.Event()

    def send(out: ZMQSocket) -> None:
        ready.wait(LIMIT)
        sends(*BARE, *GOOD)(out)

    nodes = [
        zlab.Node("client", send, out=zlab.DEALER.connect("front")),
        zlab.Node(
            "broker",
            zmq_proxy,
            frontend=zlab.ROUTER.bind("front"),
            backend=zlab.DEALER.bind("back"),
        ),
        zlab.Node("worker", answers, inbox=zlab.REP.connect("back")),
    ]
    with zlab.run(zlab.Topology("bare", nodes)) as lab:
        eventually(lambda: lab._clock.book.proxied)
        ready.set()
        eventually(lambda: lab.sockets().loc["worker.inbox", "received"] == 3)
        eventually(lambda: lab.ledger().loc["broker.backend → worker.inbox"].get(DROPPED) == 3)
        assert holds(lab.ledger())


@pytest.mark.parametrize(("unseen", "uncertain"), [(0, 0), (20, 7)])
def test_of_what_nobody_has_looked_at_it_is_uncertain(unseen: int, uncertain: int) -> None:
    exchange = Exchange([Ray(0, "d.out", "r.in")], conflates=False, unroutable=False)
    totals = {"d.out": Counts(32, 32, 32, 0, 0, 0, 0), "r.in": Counts(0, 0, 0, 0, 20 if unseen else 27, 0, 0)}
    for tick in range(20):
        exchange.update(
            totals,
            totals,
            idle=frozenset({"r.in"}),
            closed=frozenset(),
            live=frozenset({"d", "r"}),
            at=tick / 10,
            bare={"d.out": Bare(5, unseen)},
        )
    row = exchange.rows(totals, stopped=False)[0]
    assert row.expected == row.delivered + row.queued + sum(row.dropped.values()) == 32
    assert row.dropped == {NO_DELIMITER: 5 + uncertain}
    assert row.uncertain == uncertain


def test_what_a_proxy_passes_on_is_as_its_senders_have_sent_it() -> None:
    links = [Link("a.out", "broker.front", "x"), Link("b.out", "broker.front", "x")]
    totals = {"a.out": Counts(10, 10, 10, 0, 0, 0, 0), "b.out": Counts(4, 4, 4, 0, 0, 0, 0)}
    proxied = {"broker.front": "broker.back", "broker.back": "broker.front"}
    assert bare({"a.out": (8, 3), "b.out": (4, 0)}, totals, links, proxied) == {"broker.back": Bare(3, 2)}
    assert bare({"a.out": (8, 0)}, totals, links, {}) == {}
