"""The ZeroMQ Realtime Exchange Protocol as programs see it that know nothing of zlab: by RFC 36, octet for octet."""

from __future__ import annotations

import socket
import struct

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from labs import eventually, leaving_nothing

import zlab
from zlab.patterns.zre_messages import Kind, Message

EVERYBODY = "127.255.255.255"
UUID = bytes(range(100, 116))
HEAD = b"\xaa\xa1"


class Stranger:
    """A node of someone else's: a mailbox, a UDP socket, and a connection to the one node of a lab."""

    def __init__(self, lab, context, uuid=UUID):
        self.uuid, self.beacon_port = uuid, lab.topology["node-1"].function.beacon
        self.inbox = context.socket(zmq.ROUTER)
        self.inbox.set(zmq.RCVTIMEO, 5000)
        self.inbox.set(zmq.ROUTER_HANDOVER, 1)
        self.port = self.inbox.bind_to_random_port("tcp://127.0.0.1")
        self.outbox = context.socket(zmq.DEALER)
        self.outbox.set(zmq.ROUTING_ID, b"\x01" + uuid)
        self.outbox.set(zmq.LINGER, 0)
        self.outbox.connect(lab.endpoints["node-1"])
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.udp.bind((EVERYBODY, self.beacon_port))
        self.udp.settimeout(5)

    def close(self):
        for one in (self.inbox, self.outbox, self.udp):
            one.close()

    def beacon(self, port=None, head=b"ZRE\x01", tail=b""):
        datagram = head + self.uuid + struct.pack("!H", self.port if port is None else port) + tail
        self.udp.sendto(datagram, (EVERYBODY, self.beacon_port))

    def hello(self, endpoint=None):
        endpoint = f"tcp://127.0.0.1:{self.port}".encode() if endpoint is None else endpoint
        groups = b"\x00\x00\x00\x01" + b"\x00\x00\x00\x04CHAT"
        headers = b"\x00\x00\x00\x01" + b"\x01k" + b"\x00\x00\x00\x05value"
        self.outbox.send(
            HEAD + b"\x01\x02\x00\x01" + bytes([len(endpoint)]) + endpoint + groups + b"\x07\x08stranger" + headers
        )

    def say(self, kind, sequence, rest=b"", *content, version=2, head=HEAD):
        self.outbox.send_multipart([head + struct.pack("!BBH", kind, version, sequence) + rest, *content])

    def next(self, *kinds):
        """The next message of these kinds, without its head, and its number."""
        while True:
            identity, first, *content = self.inbox.recv_multipart()
            assert len(identity) == 17
            assert identity[:1] == b"\x01"
            assert first[:2] == HEAD
            assert first[3] == 2
            if first[2] in kinds:
                return struct.unpack("!H", first[4:6])[0], first[6:], content

    def greeted(self):
        """Wait until the node has said HELLO."""
        number, rest, _ = self.next(1)
        assert number == 1
        return rest

    def heard(self):
        """Whether the node answers a PING: it is then done with all that came before."""
        return self.next(7)


@pytest.fixture
def lab():
    with zlab.run(zlab.patterns.zre(nodes=1, rate=50, expiry=5), transport="tcp") as lab:
        yield lab
        assert not [e for e in lab.history() if e.kind == "error"]


@pytest.fixture
def context():
    context = zmq.Context()
    yield context
    context.term()


@pytest.fixture
def stranger(lab, context):
    stranger = Stranger(lab, context)
    yield stranger
    stranger.close()


def test_a_node_is_discovered_by_its_beacon_and_greeted(lab, stranger):
    datagram = stranger.udp.recv(100)
    assert len(datagram) == 22
    assert datagram[:4] == b"ZRE\x01"
    endpoint = lab.endpoints["node-1"]
    assert datagram[20:] == struct.pack("!H", int(endpoint.rpartition(":")[2]))
    stranger.beacon()
    hello = stranger.greeted()
    assert hello.startswith(bytes([len(endpoint)]) + endpoint.encode() + b"\x00\x00\x00\x01\x00\x00\x00")
    assert hello.endswith(b"\x06node-1" + b"\x00\x00\x00\x00")


def test_two_nodes_talk(stranger):
    stranger.hello()  # no beacon: the greeting alone makes it known
    stranger.greeted()
    assert stranger.next(2)[2][0].startswith(b"welcome stranger, says node-1")
    number, group, content = stranger.next(3)
    assert number > 2
    assert group == b"\x04CHAT"
    assert content[0].startswith(b"shout ")
    stranger.say(2, 2, b"", b"whispered", b"in two frames")
    stranger.say(3, 3, b"\x04CHAT", b"shouted")
    stranger.say(5, 4, b"\x04CHAT\x08")  # LEAVE
    stranger.say(6, 5)
    stranger.heard()
    stranger.say(6, 6)
    before = stranger.heard()[0]
    stranger.say(6, 7)
    assert stranger.heard()[0] == before + 1  # no SHOUT in between: it is in no group
    stranger.say(4, 8, b"\x04CHAT\x09")  # JOIN
    assert stranger.next(3)[1] == b"\x04CHAT"


def test_a_node_leaves_by_a_beacon_without_a_port(stranger):
    stranger.hello()
    stranger.greeted()
    stranger.beacon(port=0)
    stranger.say(6, 2)  # unheard: whoever has not said HELLO is not listened to
    stranger.beacon()
    stranger.greeted()  # it is somebody new


def test_who_is_silent_is_asked_and_then_forgotten(context):
    with zlab.run(zlab.patterns.zre(nodes=1, evasive=0.1, expiry=0.3), transport="tcp") as lab:
        stranger = Stranger(lab, context)
        stranger.hello()
        assert stranger.greeted()
        assert stranger.next(6)[1] == b""
        eventually(lambda: not stranger.inbox.poll(300) or not stranger.inbox.recv_multipart())
        stranger.close()
        assert not [e for e in lab.history() if e.kind == "error"]


@pytest.mark.parametrize(
    "malformed",
    [
        [b""],
        [b"garbage"],
        [b"\xaa\xa0\x06\x02\x00\x02"],
        [b"\xaa\xa1\x06\x03\x00\x02"],
        [b"\xaa\xa1\x08\x02\x00\x02"],
        [b"\xaa\xa1\x06\x02\x00"],
        [b"\xaa\xa1\x06\x02\x00\x02more"],
        [b"\xaa\xa1\x06\x02\x00\x02", b"more"],
        [b"\xaa\xa1\x04\x02\x00\x02\xffCHAT\x01"],
        [b"\xaa\xa1\x04\x02\x00\x02\x04CHAT"],
        [b"\xaa\xa1\x04\x02\x00\x02\x01\xff\x01"],
        [b"\xaa\xa1\x01\x02\x00\x02\x00\xff\xff\xff\xff"],
        [b"\xaa\xa1\x01\x02\x00\x02\x00\x00\x00\x00\x01\xff\xff\xff\xff"],
        [b"\xaa\xa1\x03\x02\x00\x02", b"no group"],
        [b"x" * 1_000_000],
    ],
    ids=range(15),
)
def test_what_is_malformed_is_discarded(stranger, malformed):
    stranger.hello()
    stranger.greeted()
    stranger.outbox.send_multipart(malformed)
    stranger.say(6, 2)
    stranger.heard()


@pytest.mark.parametrize("sequence", [0, 1, 3, 65535])
def test_who_leaves_out_a_message_is_disconnected(stranger, sequence):
    stranger.hello()
    stranger.greeted()
    stranger.say(6, sequence)

    def greeted_anew():
        stranger.beacon()
        return stranger.inbox.poll(20) and stranger.inbox.recv_multipart()[1][2] == Kind.HELLO

    eventually(greeted_anew)  # it is somebody new


def test_what_comes_before_hello_is_ignored(stranger):
    stranger.say(6, 1)
    stranger.say(3, 1, b"\x04CHAT", b"shouted")
    stranger.hello()
    stranger.greeted()
    stranger.say(6, 2)
    stranger.heard()


def test_who_begins_anew_is_greeted_anew(stranger):
    for _ in range(3):
        stranger.hello()
        stranger.greeted()


@pytest.mark.parametrize("endpoint", [b"", b"tcp://192.0.2.1:5000", b"tcp://127.0.0.1", b"ipc:///etc/passwd", b"\xff"])
def test_a_node_connects_to_this_machine_alone(lab, stranger, context, endpoint):
    stranger.hello(endpoint)
    other = Stranger(lab, context, uuid=UUID[::-1])
    other.hello()
    other.greeted()
    other.say(6, 2)
    other.heard()
    assert not stranger.inbox.poll(0)
    other.close()


@pytest.mark.parametrize(
    "wrong",
    [{"head": b"ZRE\x02"}, {"head": b"XRE\x01"}, {"head": b""}, {"tail": b"x"}, {"tail": b"x" * 60_000}],
    ids=range(5),
)
def test_what_is_no_beacon_is_discarded(stranger, wrong):
    stranger.beacon(**wrong)
    stranger.udp.sendto(b"", (EVERYBODY, stranger.beacon_port))
    stranger.beacon()
    stranger.greeted()
    assert not stranger.inbox.poll(0) or stranger.next(2, 3, 4, 5, 6)


def test_a_stranger_with_another_identity_is_not_listened_to(lab, context, stranger):
    for identity in (b"\x02" + UUID, b"\x01" + UUID[:-1], b"name"):
        liar = context.socket(zmq.DEALER)
        liar.set(zmq.ROUTING_ID, identity)
        liar.connect(lab.endpoints["node-1"])
        liar.send(Message(Kind.HELLO, 1, endpoint=f"tcp://127.0.0.1:{stranger.port}", name="liar").frames[0])
        liar.close()
    stranger.hello()
    assert stranger.greeted()
    assert stranger.next(2)[2][0].startswith(b"welcome stranger,")


def test_a_node_that_comes_back_is_somebody_new_and_hears_everybody():
    with leaving_nothing(), zlab.run(zlab.patterns.zre(rate=30), transport="tcp") as lab:
        into = [f"node-{i}.node_1" for i in (2, 3, 4)]
        zlab.patterns.zre.inject(lab)
        lab.restart("node-1")  # before the others have noticed
        since = max(event.at for event in lab.history() if event.kind == "connect")

        def heard():
            shouts = [p for p in lab.passages() if p.body.startswith(b"shout ") and (p.received or 0) > since]
            return {p.sender for p in shouts if p.receiver == "node-1.inbox"} >= set(into) and {
                p.receiver for p in shouts if p.sender.startswith("node-1.")
            } >= {f"node-{i}.inbox" for i in (2, 3, 4)}

        eventually(heard)
        assert not [e for e in lab.history() if e.kind == "error"]
        lab.stop()
        assert "none unaccounted for" in zlab.checks.accounted(lab), lab.ledger().to_string()


def test_a_mailbox_at_which_another_answers_is_connected_to_when_that_one_is_discovered(lab, context, stranger):
    stranger.hello()
    stranger.greeted()
    stranger.next(3)
    stranger.inbox.close()
    stranger.inbox = context.socket(zmq.ROUTER)
    eventually(lambda: bound(stranger.inbox, stranger.port))
    assert not stranger.inbox.poll(300)  # three times as long as ZeroMQ waits until it connects again
    other = Stranger(lab, context, uuid=UUID[::-1])
    other.beacon(port=stranger.port)
    stranger.greeted()
    other.close()


def bound(socket, port):
    """Whether the port was free by now."""
    try:
        return socket.bind(f"tcp://127.0.0.1:{port}")
    except zmq.ZMQError:
        return False


def test_it_is_refused_before_anything_starts_where_it_cannot_work():
    with (
        leaving_nothing(),
        pytest.raises(zlab.TopologyError, match="zre does not work over inproc: give transport='tcp'"),
    ):
        zlab.run(zlab.patterns.zre())


def test_its_nodes_say_why_they_need_tcp():
    topology = zlab.Topology("one", zlab.patterns.zre(nodes=1).nodes)
    with leaving_nothing(), zlab.run(topology, transport="ipc") as lab:
        eventually(lambda: [e for e in lab.history() if e.kind == "error"])
        assert "a beacon tells a port: run it over tcp" in lab.history()[-1].detail


short = st.text(max_size=60)


@given(
    st.builds(
        Message,
        kind=st.just(Kind.HELLO),
        sequence=st.integers(0, 65535),
        endpoint=short,
        groups=st.lists(short, max_size=5).map(tuple),
        status=st.integers(0, 255),
        name=short,
        headers=st.dictionaries(short, st.text(), max_size=3),
    )
    | st.builds(
        Message,
        kind=st.just(Kind.SHOUT),
        sequence=st.integers(0, 65535),
        group=short,
        content=st.lists(st.binary()).map(tuple),
    )
)
def test_what_is_written_is_read(message):
    assert Message.parse(message.frames) == message


@given(st.binary(max_size=80), st.sampled_from([b"", *(HEAD + bytes([k, 2, 0, 1]) for k in range(1, 8))]))
def test_no_octets_do_harm(octets, head):
    try:
        message = Message.parse([head + octets])
    except ValueError:
        return
    assert Message.parse(message.frames) == message
