"""Implementations that others have published join a lab over tcp: azmq, jarmodmoo, Pyre, and what pyzmq ships.

Somebody else has read the RFCs for them. What they say on the wire is their own.
"""

from __future__ import annotations

import importlib
import json
import logging
import re
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import zmq
import zmq.auth
from labs import LIMIT, eventually
from outsiders import free_urls, joined, vacated
from programs import clean_environment
from zmq.auth.thread import ThreadAuthenticator
from zmq.devices import ThreadMonitoredQueue
from zmq.log.handlers import PUBHandler
from zmq.utils import z85

import zlab
from zlab import patterns
from zlab.patterns.pattern import another_tick
from zlab.patterns.zap import DOMAIN, Authenticator, doors
from zlab.patterns.zre_messages import Kind
from zlab.secret import Secret

FOREIGN = Path(__file__).parent / "foreign"


def received(lab, name):
    return lab.sockets().loc[name, "received"]


# ZRE, RFC 36


@pytest.fixture
def heard(monkeypatch):
    """What the nodes of a lab have taken from their peers, and the peers that each knows."""
    module = importlib.import_module("zlab.patterns.zre")
    nodes, came = {}, []

    class Listening(module.Peers):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            nodes[self.name] = self

        def recv(self):
            message = super().recv()
            if message:
                came.append((self.name, *message))
            return message

    monkeypatch.setattr(module, "Peers", Listening)
    return nodes, came


def test_a_node_of_pyre_talks_to_ours(heard):
    """Pyre counts its messages modulo 65,535, and not 65,536 as the RFC's two octets do: nobody here says so much."""
    nodes, came = heard
    names = ("node-1", "node-2")
    topology = patterns.zre(nodes=2, rate=20, evasive=0.3, expiry=60)
    said = {
        Kind.HELLO: lambda m, _: (m.name, m.headers, m.groups) == ("pyre", {"X-COLOUR": "blue"}, ()),
        Kind.WHISPER: lambda m, name: m.content == (b"psst " + name.encode(), b"in two frames"),
        Kind.SHOUT: lambda m, _: (m.group, m.content) == ("CHAT", (b"hello all", b"of you")),
        Kind.JOIN: lambda m, _: (m.group, m.status) == ("CHAT", 1),
        Kind.PING_OK: lambda *_: True,  # its beacon comes once in a second, and ours ask after a third of that
        Kind.LEAVE: lambda m, _: (m.group, m.status) == ("CHAT", 2),
    }
    with joined(topology) as (lab, _), clean_environment() as clean:
        beacon = str(topology["node-1"].function.beacon)
        pyre = clean.start(sys.executable, FOREIGN / "pyre_node.py", beacon, str(len(names)))
        for name in names:
            pyre.wrote(f'"ENTER", "{name}", "{{}}", "{lab.endpoints[name]}"', LIMIT)
            pyre.wrote(f'"JOIN", "{name}", "CHAT"', LIMIT)
            pyre.wrote(rf'"WHISPER", "{name}", "welcome pyre, says {name}\.*"', LIMIT)
            pyre.wrote(rf'"SHOUT", "{name}", "CHAT", "shout \d+ of {name}\.*"', LIMIT)
        places = {connection.laddr.ip for connection in psutil.Process(pyre.pid).net_connections()}
        assert places == {"127.0.0.1", "127.255.255.255"}  # of this machine alone

        (uuid,) = {uuid for _, uuid, message in came if message.name == "pyre"}

        def told(kind):
            """Which of ours it has said this to."""
            return {name for name, peer, m in came if peer == uuid and m.kind == kind and said[kind](m, name)}

        for kind in said.keys() - {Kind.LEAVE}:
            eventually(lambda kind=kind: told(kind) == set(names))
        assert all(said[m.kind](m, name) for name, peer, m in came if peer == uuid)
        lab.kill("node-2")
        pyre.wrote('"EXIT", "node-2"', LIMIT)  # after two seconds of silence
        pyre.signal(signal.SIGUSR1)
        eventually(lambda: told(Kind.LEAVE))
        assert not nodes["node-1"].peers[uuid].groups
        pyre.signal(signal.SIGTERM)
        assert pyre.ended(LIMIT) == 0
        eventually(lambda: uuid not in nodes["node-1"].peers)  # by a beacon without a port: it has a minute else


# Majordomo, RFC 7

JARMODMOO = """[heartbeat]
interval = {1}
liveness = 5
[broker]
bind = {0}
[client]
connect = {0}
[worker]
connect = {0}
reconnect_delay = 100
"""  # times in milliseconds


def test_a_client_a_worker_and_a_broker_of_jarmodmoos_join_ours():
    """Its broker says 400 of a service that it does not know, and not 404 as RFC 8 does: that is not asked here."""
    with (
        joined(patterns.majordomo(clients=2, rate=50, heartbeat=0.3, liveness=5)) as (lab, outsider),
        clean_environment() as clean,
    ):
        url = lab.endpoints["services"]
        patient = clean.home / "patient"  # a client's interval is how long it waits for a reply before it asks again
        patient.mkdir()
        for folder, interval in ((clean.home, 300), (patient, round(LIMIT * 1000))):
            (folder / "jarmodmoo.cfg").write_text(JARMODMOO.format(url, interval))

        def start(role, *arguments):
            folder = patient if role == "client" else clean.home
            return clean.start(sys.executable, FOREIGN / "jarmodmoo_peer.py", role, *arguments, cwd=folder)

        def ask(service, number):
            asking.send_multipart([b"MDPC01", service, b"request %d of outsider" % number])
            header, name, reply = asking.recv_multipart()
            assert (header, name, reply.rstrip(b".")) == (b"MDPC01", service, b"reply %d of outsider" % number)

        asking = outsider.socket(zmq.REQ, url)
        worker = start("worker", "cake")
        for number in range(3):
            ask(b"cake", number)
        worker.wrote("request 2 of outsider", LIMIT)
        client = start("client", "coffee", "request 0 of jarmodmoo", "request 1 of jarmodmoo")
        assert [body.rstrip(b".") for (body,) in said(client, 2)] == [b"reply %d of jarmodmoo" % i for i in range(2)]
        asks = start("client", "mmi.service", "cake", "nobody's")
        assert said(asks, 2) == [[b"200"], [b"404"]]

        lab.kill("broker")
        vacated(url)
        another_tick(lab)
        ours = [f"client-{i}.client" for i in (1, 2)] + [f"worker-{i}.worker" for i in (1, 2)]
        before = {name: received(lab, name) for name in ours}
        start("broker")
        eventually(lambda: all(received(lab, name) > before[name] + 10 for name in ours))
        for number in range(3):
            ask(b"coffee", number)  # of one of our workers
            ask(b"cake", number)  # of theirs, which has come back


# ZAP, RFC 27, with PLAIN and CURVE


def given(topology, node):
    """The security of a node's socket, what is secret revealed, as another program sets it."""
    spec = topology[node].sockets["requests"].options
    plain = {option: value.reveal() if isinstance(value, Secret) else value for option, value in spec.items()}
    return {
        option: value.encode() if isinstance(value, str) else value
        for option, value in plain.items()
        if option.startswith(("curve", "plain", "zap"))
    }


@pytest.mark.parametrize("name", ["woodhouse", "ironhouse"])
def test_an_authenticator_of_pyzmqs_knows_our_clients(name, tmp_path, caplog):
    """Their server, with their certificates or passwords, in the place of ours."""
    topology = getattr(patterns, name)(strangers=1, rate=50)
    clients = [f"client-{i}" for i in range(1, 4)]
    keys = {name: given(topology, name) for name in clients}
    caplog.set_level(logging.DEBUG, "zmq.auth")
    with joined(topology) as (lab, outsider), ExitStack() as stack:
        authenticator = ThreadAuthenticator(outsider.context)
        authenticator.start()
        stack.callback(authenticator.stop)
        lab.wait(messages=10, timeout=LIMIT)
        for node in ("server", *clients, "stranger-1"):  # who asked ours does not ask theirs with the same question
            lab.kill(node)
        if name == "woodhouse":
            authenticator.configure_plain(
                DOMAIN, {name: each["plain_password"].decode() for name, each in keys.items()}
            )
            users = {name: name for name in clients}
        else:
            users = {each["curve_publickey"].decode(): name for name, each in keys.items()}
            for key, client in users.items():
                (tmp_path / f"{client}.key").write_text(f'curve\n    public-key = "{key}"\n')
            authenticator.configure_curve(DOMAIN, tmp_path)
        server = outsider.socket(zmq.REP, lab.endpoints["requests"], bind=True, **given(topology, "server"))
        for client in (*clients, "stranger-1"):
            lab.restart(client)
        asked = dict.fromkeys(clients, 0)
        while min(asked.values()) < 3:  # each time, it has had the reply before
            request = server.recv(copy=False)
            client = users[request.get("User-Id")]
            assert request.bytes.rstrip(b".") == b"request %d of %s" % (asked[client], client.encode())
            asked[client] += 1
            server.send(request.bytes.replace(b"request", b"reply", 1))
        eventually(lambda: "DENIED" in caplog.text)
        eventually(lambda: lab.connections()["reason"].str.contains(r"refused \(400\)").any())


def test_who_has_a_certificate_of_pyzmqs_is_known_to_our_authenticator(tmp_path):
    for name in ("server", "friend", "stranger"):
        zmq.auth.create_certificates(tmp_path, name)
    keys = {
        name: zmq.auth.load_certificate(tmp_path / f"{name}.key_secret") for name in ("server", "friend", "stranger")
    }
    asks = {"curve_server": 1, "curve_secretkey": keys["server"][1], "zap_domain": DOMAIN, "zap_enforce_domain": 1}
    house = zlab.Topology("house", doors(1000, Authenticator(keys={keys["friend"][0]: "friend"}), **asks))
    with joined(house) as (lab, outsider):
        friend, stranger = (
            outsider.socket(
                zmq.REQ,
                lab.endpoints["requests"],
                curve_serverkey=keys["server"][0],
                curve_publickey=keys[name][0],
                curve_secretkey=keys[name][1],
            )
            for name in ("friend", "stranger")
        )
        stranger.send(b"request 0 of friend")
        eventually(lambda: [e for e in lab.history() if e.kind == "handshake failed" and "refused (400)" in e.detail])
        for number in range(3):
            friend.send(b"request %d of whoever" % number)
            assert friend.recv().rstrip(b".") == b"reply %d of friend" % number  # so it is known
        assert not stranger.poll(0)


# Brokers and publishers


@pytest.mark.parametrize(
    ("name", "ins", "outs", "far", "says"),
    [
        ("broker", zmq.ROUTER, zmq.DEALER, "client-{}.requests", rb"request \d+ of client-\d\.*"),
        ("streamer", zmq.PULL, zmq.PUSH, "worker-{}.tasks", rb"task \d+ of producer-\d\.*"),
        ("forwarder", zmq.XSUB, zmq.XPUB, "subscriber-{}.updates", rb"(weather|sports) .* of publisher-\d\.*"),
    ],
    ids=["broker", "streamer", "forwarder"],
)
def test_a_monitored_queue_of_pyzmqs_stands_in_the_middle(name, ins, outs, far, says):
    topology = getattr(patterns, name)(rate=50)
    with joined(topology) as (lab, outsider):
        lab.wait(messages=10, timeout=LIMIT)
        lab.kill(name)
        for node in topology.nodes:
            if node.name != name:
                lab.restart(node.name)  # a REQ waits for its reply for ever
        another_tick(lab)
        before = [received(lab, far.format(i)) for i in (1, 2)]
        (mirror,) = free_urls(1)
        watching = outsider.socket(zmq.PULL, mirror, bind=True)
        queue = ThreadMonitoredQueue(ins, outs, zmq.PUSH)
        queue.context_factory = lambda: outsider.context  # which ends it
        vacated(*lab.endpoints.values())
        queue.bind_in(lab.endpoints["frontend"])
        queue.bind_out(lab.endpoints["backend"])
        queue.connect_mon(mirror)
        for setting in (queue.setsockopt_in, queue.setsockopt_out, queue.setsockopt_mon):
            setting(zmq.LINGER, 0)
        queue.start()
        passed = {b"in": [], b"out": []}

        def through():
            side, *frames = watching.recv_multipart()
            passed[side].append(frames)
            now = [received(lab, far.format(i)) for i in (1, 2)]
            arrived = all(count > earlier + 5 for count, earlier in zip(now, before, strict=True))
            asked = name != "forwarder" or [b"\x01weather"] in passed[b"out"]  # a subscription on its way
            return arrived and asked and len(passed[b"in"]) > 10

        eventually(through)
        assert all(re.fullmatch(says, frames[-1]) for frames in passed[b"in"])
        if name == "broker":
            *client, empty, reply = passed[b"out"][-1]
            assert (len(client), empty) == (1, b"")
            assert reply.startswith(b"reply ")


def test_our_subscribers_hear_a_log_of_pyzmqs():
    with joined(patterns.pubsub_envelopes(rate=50)) as (lab, outsider), ExitStack() as stack:
        lab.wait(messages=10, timeout=LIMIT)
        lab.kill("publisher")
        handler = PUBHandler(outsider.socket(zmq.PUB, lab.endpoints["updates"], bind=True))
        handler.root_topic = "B"  # with a level after it: subscriptions go by prefix
        log = logging.getLogger("a log of pyzmq's")
        log.addHandler(handler)
        stack.callback(log.removeHandler, handler)
        before = [received(lab, f"subscriber-{i}.subscriber") for i in (1, 2)]

        def said():
            log.warning("coffee::there is %d", 1)
            return received(lab, "subscriber-2.subscriber") > before[1] + 5

        eventually(said)
        assert received(lab, "subscriber-1.subscriber") == before[0]  # whose key is A


def test_a_listener_of_pyzmqs_hears_our_publisher():
    with joined(patterns.pubsub_envelopes(rate=50)) as (lab, _), clean_environment() as clean:
        listener = clean.start(sys.executable, "-m", "zmq.log", "--topic", "B", lab.endpoints["updates"])
        first = int(listener.wrote(r"B \| (\d+) for B: we would like to see this", LIMIT)[1])
        listener.wrote(rf"B \| {first + 10} for B: we would like to see this", LIMIT)
        assert " for A" not in listener.output
        listener.signal(signal.SIGINT)
        assert listener.ended(LIMIT) == 0


# ZMTP, RFC 23 and 37, with NULL, PLAIN and CURVE


def azmq(clean, **spec):
    """A socket of azmq's, in a process of its own."""
    return clean.start(sys.executable, FOREIGN / "azmq_peer.py", json.dumps(spec))


def said(peer, count):
    """What has come to it, once it has ended well."""
    assert peer.ended(2 * LIMIT) == 0, peer.output
    lines = [json.loads(line) for line in peer.written]
    assert len(lines) == count
    return [[frame.encode("latin-1") for frame in line] for line in lines]


@pytest.mark.parametrize("name", ["request_reply", "woodhouse", "ironhouse"])
def test_a_zmtp_without_libzmq_asks_and_answers(name):
    """Whom azmq refuses it does not tell so, for which RFC 23 has the command ERROR: it closes the connection."""
    strangers = {} if name == "request_reply" else {"strangers": 1}
    topology = getattr(patterns, name)(rate=50, **strangers)
    clients = [f"client-{i}" for i in range(1, 4)]
    keys = {client: given(topology, client) for client in clients}
    with joined(topology) as (lab, _), clean_environment() as clean:
        url = lab.endpoints["requests"]
        says = [[f"request {number} of client-1"] for number in range(3)]
        asking = azmq(clean, kind="REQ", url=url, say=says, security=as_client(keys["client-1"]))
        assert [body.rstrip(b".") for (body,) in said(asking, 3)] == [b"reply %d of client-1" % i for i in range(3)]
        lab.kill("server")
        for node in topology.nodes:
            if node.name.startswith(("client", "stranger")):
                lab.restart(node.name)
        vacated(url)
        server = as_server(given(topology, "server"), keys)
        answering = azmq(clean, kind="REP", url=url, bind=True, answer=True, **server)
        for client in clients:
            answering.wrote(rf"request 3 of {client}\.*\"", LIMIT)  # it has been told three times by then
        assert "of stranger" not in answering.output
        if strangers:
            answering.wrote("ZAPAuthenticationFailure", LIMIT)


def as_client(keys):
    """The security of a client, as azmq takes it."""
    if "plain_username" in keys:
        name, password = keys["plain_username"].decode(), keys["plain_password"].decode()
        return "PlainClient", {"username": name, "password": password}
    if "curve_serverkey" in keys:
        return "CurveClient", {
            name: z85.decode(keys[f"curve_{name.replace('_', '')}"]).decode("latin-1")
            for name in ("server_key", "public_key", "secret_key")
        }
    return None


def as_server(own, clients):
    """That of a server, and of its ZAP handler."""
    if "plain_server" in own:
        names = {each["plain_username"].decode(): each["plain_password"].decode() for each in clients.values()}
        return {"security": ("PlainServer", {}), "known": {"passwords": names}}
    if "curve_server" in own:
        secret, public = own["curve_secretkey"], zmq.curve_public(own["curve_secretkey"])
        pair = {"secret_key": secret, "public_key": public}
        return {
            "security": ("CurveServer", {name: z85.decode(key).decode("latin-1") for name, key in pair.items()}),
            "known": {"keys": [z85.decode(each["curve_publickey"]).decode("latin-1") for each in clients.values()]},
        }
    return {}


def test_a_zmtp_without_libzmq_subscribes():
    with joined(patterns.pub_sub(rate=50)) as (lab, _), clean_environment() as clean:
        listening = azmq(clean, kind="SUB", url=lab.endpoints["updates"], subscribe=["weather NYC"], hear=5)
        readings = [int(body.rstrip(b".").rpartition(b" ")[2]) for (body,) in said(listening, 5)]
        assert readings == list(range(readings[0], readings[0] + 25, 5))  # every fifth, and none is missing


def test_a_zmtp_without_libzmq_is_a_majordomo_client():
    with joined(patterns.majordomo(rate=50)) as (lab, _), clean_environment() as clean:
        ask = ["", "MDPC01", "coffee", "request 0 of azmq"], ["", "MDPC01", "mmi.service", "coffee"]
        client = azmq(clean, kind="DEALER", url=lab.endpoints["services"], say=ask)
        reply, status = said(client, 2)
        assert reply == [b"", b"MDPC01", b"coffee", b"reply 0 of azmq.."]
        assert status == [b"", b"MDPC01", b"mmi.service", b"200"]
