"""What a fault keeps, or sends once more, is a message like any other: it has a row that says so."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import zmq
from labs import TRANSPORTS, eventually, receiving

import zlab

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 60
Types = tuple[zlab.topology.SocketType, zlab.topology.SocketType]


def two(types: Types, transport: str, go: threading.Event, fault: zlab.faults.Drop | zlab.faults.Duplicate) -> zlab.Lab:
    """A sender under a fault, and two receivers of which a subscriber each takes half, or all."""

    def send(out: zmq.Socket[bytes]) -> None:
        while not go.is_set():
            out.poll(10, zmq.POLLERR)
        for number in range(COUNT):
            out.send_multipart([(b"a", b"b")[number % 2], b"%d" % number])
            out.poll(1, zmq.POLLERR)

    extra: Callable[[str], dict[str, str]] = lambda topic: {"subscribe": topic} if types[1] is zlab.SUB else {}  # noqa: E731
    nodes = [
        zlab.Node("sender", send, out=types[0].bind("link")),
        zlab.Node("receiver-1", receiving, inbox=types[1].connect("link", **extra("a"))),
        zlab.Node("receiver-2", receiving, inbox=types[1].connect("link", **extra(""))),
    ]
    lab = zlab.run(zlab.Topology("befallen", nodes), transport=transport)
    lab.wait_ready()
    lab.fault("sender", fault)
    go.set()
    return lab


@pytest.mark.parametrize("types", [(zlab.PUSH, zlab.PULL), (zlab.PUB, zlab.SUB)], ids=["PUSH", "PUB"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_message_that_a_fault_kept_has_a_row_for_each_that_was_to_have_it(transport: str, types: Types) -> None:
    each = 1.5 if types[0] is zlab.PUB else 1
    with two(types, transport, threading.Event(), zlab.faults.Drop(0.4, seed=3)) as lab:
        eventually(lambda: len(lab.messages()) == each * COUNT)
        eventually(lambda: set(lab.messages()["fate"]) == {"delivered", "dropped: fault (drop)"})
        table, figures = lab.messages(), lab.ledger()
        kept = table[table["fault"] == "drop"]
        assert 0 < len(kept) == figures["dropped: fault (drop)"].sum() < len(table)
        assert (kept["fate"] == "dropped: fault (drop)").all()
        assert kept["received"].isna().all()
        assert len(table) == figures["expected"].sum()
        if types[0] is zlab.PUB:
            by_link = kept["link"].value_counts()
            assert dict(by_link) == dict(figures["dropped: fault (drop)"][by_link.index])
        number = int(kept["message"].iloc[0])
        assert lab._hops_of(number)[0].crossing.trace.frames[0] in {b"a", b"b"}
        assert set(lab.journey(number)["fate"]) == {"dropped: fault (drop)"}


@pytest.mark.parametrize("types", [(zlab.PUSH, zlab.PULL), (zlab.PUB, zlab.SUB)], ids=["PUSH", "PUB"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_copy_that_a_fault_made_has_a_row_of_the_same_message(transport: str, types: Types) -> None:
    each = 1.5 if types[0] is zlab.PUB else 1
    with two(types, transport, threading.Event(), zlab.faults.Duplicate(0.4, seed=3)) as lab:
        eventually(lambda: lab.sockets()["sent"]["sender.out"] == COUNT)
        eventually(lambda: lab.ledger()["queued"].sum() == 0)
        eventually(lambda: len(lab.messages()) == lab.ledger()["expected"].sum())
        eventually(lambda: set(lab.messages()["fate"]) == {"delivered"})
        table, figures = lab.messages(), lab.ledger()
        copies = table[table["fault"] == "duplicate"]
        assert 0 < len(copies) == figures["duplicated: fault"].sum()
        assert len(table) == figures["expected"].sum() == each * COUNT + len(copies)
        assert table["message"].nunique() == COUNT
        number = int(copies["message"].iloc[0])
        journey = lab.journey(number)
        assert set(journey["fault"]) == {"", "duplicate"}
        assert set(journey["hop"]) == {1}
