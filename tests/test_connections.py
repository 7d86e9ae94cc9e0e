"""Connections: how each link comes about, and when it is known that it can carry messages."""

from __future__ import annotations

import math
import os
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import zmq
from labs import LIMIT, TRANSPORTS, eventually, idle, leaving_nothing, one_way, receiving

import zlab
from zlab.runtime.arrival import facing, unsent

if TYPE_CHECKING:
    from collections.abc import Callable

WIRED = ("ipc", "tcp")
PATTERNS = [
    (name, transport)
    for name in zlab.patterns.__all__
    for transport in TRANSPORTS
    if transport in WIRED or name not in {"woodhouse", "ironhouse"}  # which inproc has no handshake for
    if transport == "tcp" or name != "zre"  # whose nodes tell each other ports
]


def gated(go: threading.Event, count: int) -> Callable[..., None]:
    """A node that waits to be let go, and then sends so many numbers."""

    def send(out: zmq.Socket[bytes]) -> None:
        go.wait(LIMIT)
        for number in range(count):
            out.send(b"%d" % number)

    return send


def kinds(lab: zlab.Lab) -> set[str]:
    return {event.kind for event in lab.history()}


def nothing_lost(go: threading.Event, topology: zlab.Topology, transport: str, count: int) -> None:
    """Let the publishers go as soon as the lab says that it is ready; each subscriber gets everything."""
    with zlab.run(topology, transport=transport) as lab:
        lab.wait_ready(timeout=LIMIT)
        go.set()
        lab.wait(until=lambda s: all(link.delivered >= count for link in s.links), timeout=2 * LIMIT)
    table = lab.ledger()
    assert (table["delivered"] == count).all(), table.to_string()
    assert (table["dropped"] == 0).all(), table.to_string()


@pytest.mark.slow
def test_nothing_is_lost_of_fifty_thousand_in_a_hundred_starts() -> None:
    with leaving_nothing():
        for _ in range(100):
            go = threading.Event()
            topology = one_way(gated(go, 50_000), types=(zlab.PUB, zlab.SUB), hwm=0)
            nothing_lost(go, topology, "tcp", 50_000)


@pytest.mark.parametrize("binds", ["publisher", "subscriber"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_first_message_reaches_every_subscriber(transport: str, binds: str) -> None:
    prefixes = tuple(f"{number}" for number in range(10))
    for _ in range(3):
        go = threading.Event()
        peers = [f"peer-{i}" for i in range(4)]
        out = zlab.PUB.bind("link", sndhwm=0) if binds == "publisher" else zlab.PUB.connect(*peers, sndhwm=0)
        nodes = [zlab.Node("publisher", gated(go, 1000), out=out)]
        for peer in peers:
            inbox = zlab.SUB.connect("link") if binds == "publisher" else zlab.SUB.bind(peer)
            subscribes = inbox.connect(rcvhwm=0, subscribe=prefixes)
            nodes.append(zlab.Node(peer, receiving, inbox=subscribes))
        nothing_lost(go, zlab.Topology("fan-out", nodes), transport, 1000)


@pytest.mark.parametrize(("pattern", "transport"), PATTERNS)
def test_every_pattern_becomes_ready_and_tells_its_stages_in_order(pattern: str, transport: str) -> None:
    topology = getattr(zlab.patterns, pattern)(rate=200)
    types = {name: spec.type for name, spec in topology.sockets()}
    published = [types[link.sender] in {zlab.PUB, zlab.XPUB} for link in topology.links]
    # An endpoint that is a URL keeps its transport.
    carriers = [link.endpoint.partition("://")[0] if "://" in link.endpoint else transport for link in topology.links]
    wired = [carrier != "inproc" for carrier in carriers]
    with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
        lab.wait_ready(timeout=LIMIT)
        lab.wait(until=lambda s: any(link.delivered for link in s.links), timeout=LIMIT)
        carrying = set(lab.ledger().query("delivered > 0").index)
        eventually(lambda: carrying <= set(lab.connections().query("stage == 'carries messages'").index))
        table = lab.connections()
        assert list(table.index) == [str(link) for link in topology.links]
        assert (table["number"] == 1).all()
        assert (table["connecting"] <= table["up"]).all()
        late = table["first_message"].fillna(math.inf)
        assert (table["up"] <= late).all(), table.to_string()
        assert (table["subscribed"].fillna(0) <= late).all(), table.to_string()
        assert list(table["subscribed"].notna()) == published
        assert list(table["handshake"].notna()) == wired
        assert list(table["handshake"] >= table["up"]) == wired
        if any(wired):
            assert {"accept", "handshake"} <= kinds(lab)
            assert ("subscribe" in kinds(lab)) == any(published)


@pytest.mark.parametrize("transport", WIRED)
def test_a_subscription_that_waits_for_its_own_thread_is_waited_for(transport: str) -> None:
    """One who binds hands its subscription over when it next calls: until then, the publisher knows nothing of it."""
    go, read = threading.Event(), threading.Event()

    def later(inbox: zmq.Socket[bytes]) -> None:
        read.wait(LIMIT)
        receiving(inbox)

    topology = zlab.Topology(
        "late",
        [
            zlab.Node("publisher", gated(go, 100), out=zlab.PUB.connect("link")),
            zlab.Node("subscriber", later, inbox=zlab.SUB.bind("link", subscribe="")),
        ],
    )
    with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
        eventually(lambda: lab.connections()["handshake"].notna().all())
        with pytest.raises(TimeoutError, match=r"publisher\.out → subscriber\.inbox: the subscription has not been"):
            lab.wait_ready(timeout=0.2)
        read.set()
        lab.wait_ready(timeout=LIMIT)
        go.set()
        lab.wait(until=lambda s: s.links[0].delivered == 100, timeout=LIMIT)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_subscribed_to_later_is_waited_for_too(transport: str) -> None:
    go, ask, asked = threading.Event(), threading.Event(), threading.Event()

    def asking(inbox: zmq.Socket[bytes]) -> None:
        ask.wait(LIMIT)
        inbox.subscribe(b"")
        asked.set()
        receiving(inbox)

    topology = zlab.Topology(
        "asking",
        [
            zlab.Node("publisher", gated(go, 100), out=zlab.PUB.bind("link")),
            zlab.Node("subscriber", asking, inbox=zlab.SUB.connect("link")),
        ],
    )
    with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
        with pytest.raises(TimeoutError, match=r"subscriber\.inbox subscribes to nothing: add subscribe=''"):
            lab.wait_ready(timeout=0.1)
        ask.set()
        assert asked.wait(LIMIT)
        lab.wait_ready(timeout=LIMIT)
        go.set()
        lab.wait(until=lambda s: s.links[0].delivered == 100, timeout=LIMIT)


@pytest.mark.parametrize("transport", WIRED)
def test_subscriptions_pass_a_forwarder(transport: str) -> None:
    go = threading.Event()

    def forward(frontend: zmq.Socket[bytes], backend: zmq.Socket[bytes]) -> None:
        zmq.proxy(frontend, backend)

    topology = zlab.Topology(
        "forwarder",
        [
            zlab.Node("publisher", gated(go, 500), out=zlab.PUB.connect("in", sndhwm=0)),
            zlab.Node("forwarder", forward, frontend=zlab.XSUB.bind("in"), backend=zlab.XPUB.bind("out")),
            zlab.Node("one", receiving, inbox=zlab.SUB.connect("out", subscribe="1")),
            zlab.Node("all", receiving, inbox=zlab.SUB.connect("out", subscribe="")),
        ],
    )
    with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
        lab.wait_ready(timeout=LIMIT)
        go.set()
        inboxes = {"all.inbox": 500, "one.inbox": 111}
        lab.wait(until=lambda s: {x.name: x.received for x in s.sockets if x.name in inboxes} == inboxes, timeout=LIMIT)


def test_a_proxy_that_nobody_has_subscribed_at_is_not_told_to_subscribe() -> None:
    def forward(frontend: zmq.Socket[bytes], backend: zmq.Socket[bytes]) -> None:
        zmq.proxy(frontend, backend)

    topology = zlab.Topology(
        "forwarder",
        [
            zlab.Node("publisher", zlab.nodes.source(rate=1000), out=zlab.PUB.connect("in")),
            zlab.Node("forwarder", forward, frontend=zlab.XSUB.bind("in"), backend=zlab.XPUB.bind("out")),
            zlab.Node("deaf", receiving, inbox=zlab.SUB.connect("out")),
        ],
    )
    with zlab.run(topology) as lab:
        lab.wait(until=lambda s: s.sockets[0].sent > 500 and s.sequence > 5, timeout=LIMIT)
        assert "forwarder" not in {event.node for event in lab.history() if event.kind == "note"}


@pytest.mark.parametrize("transport", WIRED)
def test_a_peer_that_dies_and_comes_back_is_two_connections(transport: str) -> None:
    topology = one_way(zlab.nodes.source(rate=200), types=(zlab.PUB, zlab.SUB))
    with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
        lab.wait_ready(timeout=LIMIT)
        lab.kill("sender")
        with pytest.raises(TimeoutError, match="sender was killed: restart it"):
            lab.wait_ready(timeout=0.05)
        eventually(lambda: lab.connections()["retries"].max() > 2)
        lab.restart("sender")
        lab.wait_ready(timeout=LIMIT)
        eventually(lambda: lab.connections()["stage"].iloc[-1] == "carries messages")
        first, second = lab.connections().to_dict("records")
        assert first["stage"] == "disconnected"
        assert first["reason"] == "sender was killed"
        assert first["disconnected"] <= second["connecting"] <= second["up"] <= second["subscribed"]
        assert (first["number"], second["number"]) == (1, 2)
        told = [event for event in lab.history() if event.kind in {"retry", "disconnect"}]
        assert [event.kind for event in told] == ["disconnect", "retry"], told  # a storm is one event
        eventually(lambda: any("retries" in e.detail for e in lab.history() if e.kind == "handshake"))


def test_inproc_does_not_reconnect_and_it_is_said() -> None:
    with leaving_nothing(), zlab.run(one_way(zlab.nodes.source(rate=200))) as lab:
        lab.wait_ready(timeout=LIMIT)
        lab.restart("sender")
        with pytest.raises(TimeoutError, match="inproc does not reconnect by itself: restart receiver too"):
            lab.wait_ready(timeout=0.05)
        lab.restart("receiver")
        lab.wait_ready(timeout=LIMIT)
        assert list(lab.connections()["number"]) == [1, 2]


def test_a_failed_handshake_is_told_with_its_reason() -> None:
    public, secret = zmq.curve_keypair()
    other, _ = zmq.curve_keypair()
    topology = zlab.Topology(
        "curve",
        [
            zlab.Node("server", receiving, inbox=zlab.PULL.bind("link", curve_server=1, curve_secretkey=secret)),
            zlab.Node(
                "client",
                idle,
                inbox=zlab.PUSH.connect(
                    "link", curve_serverkey=other, curve_publickey=public, curve_secretkey=secret, handshake_ivl=500
                ),
            ),
        ],
    )
    with leaving_nothing(), zlab.run(topology, transport="tcp") as lab:
        eventually(lambda: any(e.kind == "handshake failed" and e.node == "server" for e in lab.history()))
        assert any("cryptographic" in e.detail for e in lab.history() if e.kind == "handshake failed")
        with pytest.raises(TimeoutError, match=r"client\.inbox → server\.inbox: "):
            lab.wait_ready(timeout=0.1)
        assert lab.connections()["first_message"].isna().all()
        eventually(lambda: lab.connections()["reason"].str.len().gt(0).any())


def test_a_guest_at_the_door_does_not_hold_anybody_up() -> None:
    """A stranger that connects and says nothing, or nonsense, is none of the lab's links."""
    import socket

    go = threading.Event()
    topology = one_way(gated(go, 10), types=(zlab.PUB, zlab.SUB))
    with leaving_nothing(), zlab.run(topology, transport="tcp") as lab:
        host, port = lab.endpoints["link"].removeprefix("tcp://").split(":")
        with closing(socket.create_connection((host, int(port)))), zmq.Context() as context:
            with closing(socket.create_connection((host, int(port)))) as rude:
                rude.sendall(b"GET / HTTP/1.0\r\n\r\n" + b"x" * 100)
            with context.socket(zmq.PULL) as wrong:  # which a PUB does not face
                wrong.connect(lab.endpoints["link"])
                eventually(lambda: sum(e.kind == "accept" for e in lab.history()) >= 1)
                lab.restart("receiver")
                lab.wait_ready(timeout=LIMIT)
                go.set()
                lab.wait(until=lambda s: s.links[0].delivered == 10, timeout=LIMIT)


def test_a_node_may_monitor_its_own_socket() -> None:
    seen = threading.Event()

    def watching(inbox: zmq.Socket[bytes]) -> None:
        monitor = inbox.get_monitor_socket()
        seen.set()
        try:
            receiving(inbox)
        finally:
            inbox.disable_monitor()
            monitor.close(0)

    with leaving_nothing(), zlab.run(one_way(zlab.nodes.source(rate=200), watching), transport="tcp") as lab:
        assert seen.wait(LIMIT)
        eventually(lambda: any("monitors it by itself" in e.detail for e in lab.history()))
        lab.wait(messages=10, timeout=LIMIT)
        lab.kill("receiver")
        lab.restart("receiver")
        lab.wait(messages=10, timeout=LIMIT)


@pytest.mark.parametrize("transport", WIRED)
def test_kills_and_restarts_under_traffic_leave_the_monitors_well(transport: str) -> None:
    topology = zlab.patterns.pub_sub(rate=2000)
    victim = "subscriber-1"
    with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
        for _ in range(10):
            began = time.monotonic()
            lab.kill(victim)
            lab.restart(victim)
            assert time.monotonic() - began < LIMIT
        lab.wait_ready(timeout=LIMIT)
        assert lab.connections()["number"].max() == 11
        assert not [e for e in lab.history() if e.kind == "error"]


def test_connecting_to_nobody_is_one_event_and_a_count() -> None:
    topology = zlab.Topology(
        "nobody",
        [
            zlab.Node("alone", idle, inbox=zlab.PULL.connect("tcp://127.0.0.1:1", reconnect_ivl=1)),
            zlab.Node("bound", idle, inbox=zlab.PULL.bind("there")),
            zlab.Node("other", zlab.nodes.source(), out=zlab.PUSH.connect("there")),
        ],
    )
    with leaving_nothing(), zlab.run(topology, transport="tcp") as lab:
        eventually(lambda: lab._run.connections._meetings.all[0].last.retries > 20)
        assert sum(event.kind == "retry" for event in lab.history()) == 1
        lab.wait_ready(timeout=LIMIT)  # what leads out of the topology is none of its links


def test_waiting_for_what_cannot_be_is_refused() -> None:
    lab = zlab.run(one_way(zlab.nodes.source()))
    with pytest.raises(ValueError, match="zero or more seconds"):
        lab.wait_ready(timeout=-1)
    lab.stop()
    with pytest.raises(RuntimeError, match="the lab is stopped"):
        lab.wait_ready()
    assert list(lab.connections()["stage"]) == ["disconnected"]


def test_a_connection_whose_number_is_that_of_another_file_by_now_leaves_nothing_open() -> None:
    reader, writer = os.pipe()
    try:
        with leaving_nothing():
            assert facing(reader, [writer]) == (writer,)
            assert unsent(reader)  # nobody can say
    finally:
        os.close(reader)
        os.close(writer)
