"""The Clustered Hashmap Protocol as programs see it that know nothing of zlab: by RFC 12, byte for byte."""

from __future__ import annotations

import pytest
import zmq
from labs import eventually, leaving_nothing

import zlab
from zlab.patterns import chp
from zlab.patterns.bstar import BinaryStar, SplitBrainError, State
from zlab.patterns.clone_five import Client
from zlab.patterns.standby import Standby

ZERO = bytes(8)
UUID = bytes(range(16))


@pytest.fixture
def foreign():
    """A function that makes plain sockets, which all close in the end."""
    context, opened = zmq.Context(), []

    def socket(kind, url="", **options):
        opened.append(context.socket(kind))
        opened[-1].set(zmq.LINGER, 0)
        opened[-1].set(zmq.RCVTIMEO, 5000)
        for name, value in options.items():
            setattr(opened[-1], name, value)
        if url:
            opened[-1].connect(url)
        return opened[-1]

    yield socket
    for one in opened:
        one.close()
    context.term()


class Foreigner:
    """A client of a server that zlab runs: its three sockets, and a subscription that stands."""

    def __init__(self, lab, socket):
        self.snapshot = socket(zmq.DEALER, lab.endpoints["snapshot"])
        self.updates = socket(zmq.SUB, lab.endpoints["updates"], subscribe=b"")
        self.collect = socket(zmq.PUSH, lab.endpoints["collect"])
        assert self.updates.recv_multipart() == [b"HUGZ", ZERO, b"", b"", b""]

    def next(self):
        """The next update that is no HUGZ."""
        while (update := self.updates.recv_multipart())[0] == b"HUGZ":
            pass
        return update

    def ask(self, subtree=b""):
        """The snapshot, up to KTHXBAI."""
        self.snapshot.send_multipart([b"ICANHAZ?", subtree])
        pairs = []
        while (reply := self.snapshot.recv_multipart())[0] != b"KTHXBAI":
            pairs.append(reply)
        return pairs, reply


@pytest.fixture
def server(foreign):
    """A client of model five's server, with which one client of zlab's keeps silent."""
    with zlab.run(zlab.patterns.clone_five(clients=1, rate=0), transport="tcp") as lab:
        yield Foreigner(lab, foreign)
        assert not [e for e in lab.history() if e.kind == "error"]


def number(n):
    return n.to_bytes(8, "big")


def test_a_foreign_client_sets_values_and_everybody_learns_of_them(server):
    server.collect.send_multipart([b"/a/1", ZERO, UUID, b"colour=red\nttl=60\n", b"one"])
    assert server.next() == [b"/a/1", number(1), UUID, b"colour=red\nttl=60\n", b"one"]
    server.collect.send_multipart([b"/b/1", b"\xff" * 8, b"", b"", b"two"])
    assert server.next() == [b"/b/1", number(2), b"", b"", b"two"]
    server.collect.send_multipart([b"/a/1", ZERO, b"", b"", b""])
    assert server.next() == [b"/a/1", number(3), b"", b"", b""]
    assert server.ask() == ([[b"/b/1", number(2), b"", b"", b"two"]], [b"KTHXBAI", number(2), b"", b"", b""])


def test_a_snapshot_has_the_subtree_that_was_asked_for(server):
    for i, key in enumerate((b"/a/1", b"/ab/1", b"/a/2/x", b"/a"), 1):
        server.collect.send_multipart([key, ZERO, b"", b"", b"value"])
        assert server.next()[1] == number(i)
    pairs, end = server.ask(b"/a/")
    assert [pair[0] for pair in pairs] == [b"/a/1", b"/a/2/x"]
    assert end == [b"KTHXBAI", number(3), b"", b"", b"/a/"]
    assert server.ask(b"/nothing/") == ([], [b"KTHXBAI", ZERO, b"", b"", b"/nothing/"])


def test_an_ephemeral_value_is_deleted_in_time(server):
    server.collect.send_multipart([b"/a", ZERO, b"", b"ttl=0.05\n", b"short"])
    server.collect.send_multipart([b"/b", ZERO, b"", b"", b"long"])
    assert [server.next()[0] for _ in range(2)] == [b"/a", b"/b"]
    assert server.next() == [b"/a", number(3), b"", b"", b""]
    assert [pair[0] for pair in server.ask()[0]] == [b"/b"]


@pytest.mark.parametrize(
    "malformed",
    [
        [b""],
        [b"/a", ZERO, b"", b""],
        [b"/a", ZERO, b"", b"", b"value", b"more"],
        [b"", ZERO, b"", b"", b"value"],
        [b"/a", b"1", b"", b"", b"value"],
        [b"/a", ZERO, b"short", b"", b"value"],
        [b"/a", ZERO, b"", b"nothing", b"value"],
        [b"/a", ZERO, b"", b"ttl=60", b"value"],
        [b"/a", ZERO, b"", b"ttl=soon\n", b"value"],
        [b"/a", ZERO, b"", b"ttl=-1\n", b"value"],
        [b"/a", ZERO, b"", b"ttl=nan\n", b"value"],
        [b"/a", ZERO, b"", b"ttl=inf\n", b"value"],
        [b"/a", ZERO, b"", b"\xff=\xff\n\xff", b"value"],
        [b"HUGZ", ZERO, b"", b"", b"value"],
        [b"KTHXBAI", ZERO, b"", b"", b"value"],
        [b"/a" * 500_000],
    ],
    ids=range(16),
)
def test_a_malformed_update_is_discarded(server, malformed):
    server.collect.send_multipart(malformed)
    server.collect.send_multipart([b"/sound", ZERO, b"", b"", b"value"])
    assert server.next() == [b"/sound", number(1), b"", b"", b"value"]
    assert len(server.ask()[0]) == 1


@pytest.mark.parametrize(
    "request_",
    [
        [b""],
        [b"ICANHAZ?"],
        [b"ICANHAZ?", b"", b""],
        [b"ICANHAZ", b""],
        [b"", b"ICANHAZ?", b""],
        [b"ICANHAZ?", b"a"],
        [b"ICANHAZ?", b"/a"],
        [b"ICANHAZ?", b"//"],
        [b"KTHXBAI", ZERO, b"", b"", b""],
    ],
    ids=range(9),
)
def test_what_is_no_request_is_not_answered(server, request_):
    server.snapshot.send_multipart(request_)
    assert server.ask() == ([], [b"KTHXBAI", ZERO, b"", b"", b""])


def test_a_flood_of_keys_is_bounded(monkeypatch):
    monkeypatch.setattr(chp, "MOST", 100)
    kvmap = chp.Hashmap()
    for i in range(1000):
        kvmap.accept(chp.KVMsg(b"/%d" % i, b"value"))
    assert len(kvmap.pairs) == 100
    assert kvmap.accept(chp.KVMsg(b"/7", b"anew"))
    assert kvmap.accept(chp.KVMsg(b"/7"))
    assert kvmap.accept(chp.KVMsg(b"/1000", b"now there is room"))
    assert kvmap.sequence == 103


def test_a_client_works_with_a_foreign_server(foreign):
    router, pub, pull = foreign(zmq.ROUTER), foreign(zmq.PUB), foreign(zmq.PULL)
    ports = [one.bind_to_random_port("tcp://127.0.0.1") for one in (router, pub, pull)]
    snapshot, updates, collect = (f"tcp://127.0.0.1:{port}" for port in ports)
    client = zlab.Node(
        "client-1",
        Client("client-1", rate=50, size=40, keys=4, ttl=7.5),
        snapshot=zlab.DEALER.connect(snapshot),
        subscriber=zlab.SUB.connect(updates, subscribe=""),
        publisher=zlab.PUSH.connect(collect),
    )
    with leaving_nothing(), zlab.run(zlab.Topology("alone", [client])) as lab:
        for _ in range(500):
            pub.send_multipart([b"HUGZ", ZERO, b"", b"", b""])
            if router.poll(10):
                break
        identity, *request = router.recv_multipart()
        assert request == [b"ICANHAZ?", b""]
        for reply in (
            [b"garbage"],
            [b"/a", number(7), b"", b"", b"seven"],
            [b"KTHXBAI", number(7), b"", b"", b""],
        ):
            router.send_multipart([identity, *reply])
        key, sequence, uuid, properties, value = pull.recv_multipart()
        assert key.startswith(b"/client-1/")
        assert (sequence, uuid, properties, len(value)) == (ZERO, b"", b"ttl=7.5\n", 40)
        for update in ([b"/a"], [b"/a", number(6), b"", b"", b"old"], [b"/a", number(8), b"", b"", b"new"]):
            pub.send_multipart(update)
        eventually(lambda: lab.sockets().loc["client-1.subscriber", "received"] >= 4)  # and one HUGZ
        for _ in range(10):
            assert pull.recv_multipart()[0].startswith(b"/client-1/")  # it goes on
        assert not [e for e in lab.history() if e.kind == "error"]


# Model six


def kill_when(lab, node, *receivers):
    """Kill a node once something has come on every link that leads to these sockets."""
    into = {str(link) for link in lab.topology.links if link.receiver in receivers}
    before = {link.name: link.delivered for link in lab.snapshot().links}
    lab.wait(
        until=lambda now: all(k.delivered > before[k.name] for k in now.links if k.name in into and k.name in before),
        timeout=15,
    )
    lab.kill(node)


def test_a_primary_that_comes_back_copies_the_map_and_takes_over_again():
    pattern = zlab.patterns.clone_six
    with leaving_nothing(), zlab.run(pattern(rate=50), transport="tcp") as lab:
        pattern.inject(lab)
        pattern.check(lab, within=15)
        lab.restart("primary")
        kill_when(lab, "backup", "primary.peer", "primary.collector", "primary.subscriber")
        assert "No update" in pattern.check(lab, within=15)
        assert not [e for e in lab.history() if e.kind == "error"]


def test_a_foreign_client_follows_the_servers(foreign):
    with zlab.run(zlab.patterns.clone_six(clients=1, rate=50), transport="tcp") as lab:
        publisher = foreign(zmq.PUB)
        for server in ("primary", "backup"):
            publisher.connect(lab.endpoints[f"{server}-collect"])
        for server in ("primary", "backup"):
            updates = foreign(zmq.SUB, lab.endpoints[f"{server}-updates"], subscribe=b"")
            snapshot = foreign(zmq.DEALER, lab.endpoints[f"{server}-snapshot"])
            updates.recv_multipart()
            for i in range(1000):  # until the publisher's connection stands, nobody hears it
                publisher.send_multipart([b"/foreign", ZERO, UUID[:-2] + i.to_bytes(2, "big"), b"", server.encode()])
                publisher.send_multipart([b"garbage"])
                if updates.poll(10) and (update := updates.recv_multipart())[0] == b"/foreign":
                    break
            assert update[2][:14] == UUID[:14]
            snapshot.send_multipart([b"ICANHAZ?", b"/foreign/"])
            assert snapshot.recv_multipart() == [b"KTHXBAI", ZERO, b"", b"", b"/foreign/"]
            if server == "primary":
                zlab.patterns.clone_six.inject(lab)
        assert not [e for e in lab.history() if e.kind == "error"]


class Peer:
    """In the place of a DEALER that is connected to the other server."""

    def __init__(self):
        self.asked = 0

    def send_multipart(self, request):
        assert request == [b"ICANHAZ?", b""]
        self.asked += 1


def kvset(i, uuid=None, body=b"value"):
    return chp.KVMsg(b"/%d" % i, body, uuid=number(i) * 2 if uuid is None else uuid)


def kvpub(i, sequence):
    return chp.KVMsg(b"/%d" % i, b"value", sequence, number(i) * 2)


def test_a_passive_server_does_what_the_active_one_has_left_undone_and_nothing_else():
    standby = Standby(Peer(), patience=60)
    standby.begin()
    standby.published(chp.KVMsg(chp.HUGZ))
    standby.snapshot(chp.KVMsg(b"/0", b"old", 4))
    standby.published(kvpub(1, 5))  # while the snapshot is under way
    standby.snapshot(chp.KVMsg(chp.KTHXBAI, b"", 4))
    assert {key: m.body for key, m in standby.kvmap.pairs.items()} == {b"/0": b"old", b"/1": b"value"}
    for asked in (kvset(1), kvset(2), kvset(3), kvset(4, uuid=b"")):
        assert not list(standby.asked(asked, active=False))
    standby.published(kvpub(2, 6))
    standby.published(kvpub(5, 7))
    assert [(m.key, m.sequence) for m in standby.take_over()] == [(b"/3", 8)]
    assert not list(standby.asked(kvset(5), active=True))  # the peer did it
    assert [m.sequence for m in standby.asked(kvset(5), active=True)] == [9]
    assert not list(standby.asked(None, active=True))


def test_a_snapshot_that_does_not_come_is_asked_for_again_and_not_waited_for():
    peer = Peer()
    standby = Standby(peer, patience=0)
    standby.published(kvpub(0, 1))
    assert peer.asked == 0  # it has not been told to copy
    standby.begin()
    standby.published(kvpub(1, 5))
    standby.published(None)
    standby.published(kvpub(2, 6))
    assert peer.asked == 2
    assert not list(standby.take_over())
    assert standby.kvmap.sequence == 6


def test_what_waits_for_a_takeover_is_bounded(monkeypatch):
    monkeypatch.setattr(chp, "MOST", 100)
    standby = Standby(Peer(), patience=60)
    for i in range(1000):
        assert not list(standby.asked(kvset(i), active=False))
        standby.published(kvpub(5000 + i, i + 1))
    assert len(standby._pending) == len(standby._done) == 100


@pytest.mark.parametrize(
    ("begins", "hears", "becomes"),
    [
        (State.PRIMARY, State.BACKUP, State.ACTIVE),
        (State.PRIMARY, State.ACTIVE, State.PASSIVE),
        (State.PRIMARY, State.PASSIVE, State.PRIMARY),
        (State.BACKUP, State.ACTIVE, State.PASSIVE),
        (State.BACKUP, State.PRIMARY, State.BACKUP),
        (State.ACTIVE, State.PASSIVE, State.ACTIVE),
        (State.ACTIVE, State.BACKUP, State.ACTIVE),
        (State.PASSIVE, State.ACTIVE, State.PASSIVE),
        (State.PASSIVE, State.PRIMARY, State.ACTIVE),
        (State.PASSIVE, State.BACKUP, State.ACTIVE),
    ],
)
def test_a_binary_star_hears_what_its_peer_is(begins, hears, becomes):
    star = BinaryStar(begins, heartbeat=60)
    for said in (b"", b"9", b"garbage", b"1e0"):
        star.hear(said)
    assert star.state == begins
    star.hear(b"%d" % hears)
    assert star.state == becomes


@pytest.mark.parametrize("state", [State.ACTIVE, State.PASSIVE])
def test_a_split_brain_is_refused(state):
    with pytest.raises(SplitBrainError, match=f"both servers are {state.name.lower()}"):
        BinaryStar(state, heartbeat=60).hear(b"%d" % state)


@pytest.mark.parametrize("state", list(State))
def test_a_client_makes_a_server_active_only_when_its_peer_is_silent(state):
    lively, silent = BinaryStar(state, heartbeat=60), BinaryStar(state, heartbeat=0)
    assert lively.vote() == (state == State.ACTIVE)
    assert lively.state == state
    assert silent.vote() == (state != State.BACKUP)  # a backup waits for the primary, or for a person
