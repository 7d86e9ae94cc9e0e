"""What a program that someone else wrote meets at the patterns' sockets: the protocols, by the letter of their RFCs."""

from __future__ import annotations

import threading

import pytest
import zmq
from labs import eventually

import zlab
from zlab.patterns import mdp, mdp_broker
from zlab.patterns.file_transfer import contents
from zlab.patterns.mdp_broker import Broker

LIMIT = 5000  # milliseconds


@pytest.fixture
def peers():
    """A function that runs a node whose one ROUTER binds, and gives DEALERs that are connected to it over tcp."""
    context, opened, threads = zmq.Context(), [], []

    def socket(kind):
        opened.append(context.socket(kind))
        opened[-1].set(zmq.LINGER, 0)
        opened[-1].set(zmq.RCVTIMEO, LIMIT)
        return opened[-1]

    def start(function, *names):
        routers = {name: context.socket(zmq.ROUTER) for name in names}
        ports = {name: router.bind_to_random_port("tcp://127.0.0.1") for name, router in routers.items()}

        def run():
            try:
                function(**routers)
            except zmq.ContextTerminated:
                pass
            finally:
                for router in routers.values():
                    router.close(0)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()

        def peer(name=names[0], kind=zmq.DEALER):
            one = socket(kind)
            one.connect(f"tcp://127.0.0.1:{ports[name]}")
            return one

        return peer

    yield start
    for one in opened:
        one.close()
    context.term()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


# Majordomo: what RFC 7 and RFC 18 say stands here as bytes, not in the words of the patterns.

OLD = {
    "asks": [b"", b"MDPC01"],
    "answers": [b"", b"MDPC01"],
    "worker": [b"", b"MDPW01"],
    "ready": b"\x01",
    "request": b"\x02",
    "reply": b"\x03",
    "heartbeat": b"\x04",
    "disconnect": b"\x05",
}
NEW = {
    "asks": [b"MDPC02", b"\x01"],
    "answers": [b"MDPC02", b"\x03"],
    "worker": [b"MDPW02"],
    "ready": b"\x01",
    "request": b"\x02",
    "reply": b"\x04",
    "heartbeat": b"\x05",
    "disconnect": b"\x06",
}
RFCS = {"0.1": OLD, "0.2": NEW}


class Majordomo:
    """A broker that sends no heartbeat while the test lasts, and peers that speak its version by bytes."""

    def __init__(self, peers, version):
        self.rfc = RFCS[version]
        self.peer = peers(Broker(heartbeat=60, liveness=3, expiry=60, version=mdp.VERSIONS[version]), "broker")

    def command(self, name, *rest):
        return [*self.rfc["worker"], self.rfc[name], *rest]

    def worker(self, service=b"coffee"):
        worker = self.peer()
        worker.send_multipart(self.command("ready", service))
        return worker

    def status(self, client, service, name=b"mmi.service"):
        """What the broker says of a service: it has then read all that this peer has sent."""
        client.send_multipart([*self.rfc["asks"], name, service])
        *header, code = client.recv_multipart()
        assert header == [*self.rfc["answers"], name]
        return code


@pytest.fixture(params=RFCS)
def majordomo(peers, request):
    return Majordomo(peers, request.param)


def test_a_foreign_client_and_worker_meet_at_the_broker(majordomo):
    client = majordomo.peer()
    client.send_multipart([*majordomo.rfc["asks"], b"coffee", b"black", b"two"])  # queued until there is a worker
    worker = majordomo.worker()
    *header, address, delimiter, first, second = worker.recv_multipart()
    assert (header, delimiter, first, second) == (majordomo.command("request"), b"", b"black", b"two")
    worker.send_multipart(majordomo.command("reply", address, b"", b"here", b"you are"))
    assert client.recv_multipart() == [*majordomo.rfc["answers"], b"coffee", b"here", b"you are"]


def test_a_client_of_the_old_version_may_be_a_req(peers):
    majordomo = Majordomo(peers, "0.1")
    client, worker = majordomo.peer(kind=zmq.REQ), majordomo.worker()
    client.send_multipart([b"MDPC01", b"coffee", b"black"])
    address = worker.recv_multipart()[3]
    worker.send_multipart([b"", b"MDPW01", b"\x03", address, b"", b"here"])
    assert client.recv_multipart() == [b"MDPC01", b"coffee", b"here"]


def test_a_reply_of_the_new_version_comes_in_parts(peers):
    majordomo = Majordomo(peers, "0.2")
    client, worker = majordomo.peer(), majordomo.worker()
    for turn in range(2):
        client.send_multipart([b"MDPC02", b"\x01", b"coffee", b"black"])
        address = worker.recv_multipart()[2]
        for part in range(turn):
            worker.send_multipart([b"MDPW02", b"\x03", address, b"", b"part %d" % part])
            assert client.recv_multipart() == [b"MDPC02", b"\x02", b"coffee", b"part %d" % part]
        worker.send_multipart([b"MDPW02", b"\x04", address, b"", b"all"])
        assert client.recv_multipart() == [b"MDPC02", b"\x03", b"coffee", b"all"]
    worker.send_multipart([b"MDPW02", b"\x03", address, b"", b"more"])  # after the last one
    assert worker.recv_multipart() == [b"MDPW02", b"\x06"]


def test_the_management_interface(majordomo):
    client = majordomo.peer()
    assert majordomo.status(client, b"coffee") == b"404"
    worker = majordomo.worker()
    assert majordomo.status(worker, b"coffee") == b"200"
    assert majordomo.status(client, b"coffee", b"mmi.unheard-of") == b"501"
    assert majordomo.worker(b"mmi.service").recv_multipart() == majordomo.command("disconnect")


@pytest.mark.parametrize("unexpected", ["heartbeat", "reply", "request", "ready"])
@pytest.mark.parametrize("registered", [False, True], ids=["unknown", "registered"])
def test_what_is_valid_and_not_expected_is_answered_by_disconnect(majordomo, unexpected, registered):
    expected = {"heartbeat": registered, "ready": not registered}.get(unexpected, False)
    worker = majordomo.worker() if registered else majordomo.peer()
    rest = {"reply": [b"client", b"", b"body"], "request": [b"client", b"", b"body"], "ready": [b"coffee"]}
    worker.send_multipart(majordomo.command(unexpected, *rest.get(unexpected, [])))
    if not expected:
        assert worker.recv_multipart() == majordomo.command("disconnect")
    assert majordomo.status(worker, b"coffee") == (b"200" if expected else b"404")


MALFORMED = {  # what a worker or a client may get wrong, in the frames of either version
    "empty": lambda _: [b""],
    "garbage": lambda _: [b"garbage"],
    "random": lambda _: [bytes(range(256))] * 5,
    "another version": lambda _: [b"", b"MDPW03", b"\x01", b"coffee"],
    "the other version": lambda m: [b"MDPW02", b"\x05"] if m.rfc is OLD else [b"", b"MDPW01", b"\x04"],
    "a frame before it": lambda m: [b"x", *m.command("heartbeat")],
    "an empty frame before it": lambda m: [b"", *m.command("heartbeat")],
    "no command": lambda m: m.rfc["worker"],
    "an unknown command": lambda m: [*m.rfc["worker"], b"\x09"],
    "an empty command": lambda m: [*m.rfc["worker"], b""],
    "a long command": lambda m: [*m.rfc["worker"], m.rfc["heartbeat"] * 2],
    "more than a heartbeat": lambda m: m.command("heartbeat", b"more"),
    "no service": lambda m: m.command("ready"),
    "two services": lambda m: m.command("ready", b"coffee", b"tea"),
    "an unprintable service": lambda m: m.command("ready", b"\x00"),
    "no delimiter": lambda m: m.command("reply", b"client", b"body"),
    "a delimiter that is none": lambda m: m.command("reply", b"client", b"no", b"body"),
    "no address": lambda m: m.command("reply", b"", b"", b"body"),
    "no body": lambda m: m.command("reply", b"client", b""),
    "a client without a service": lambda m: m.rfc["asks"],
    "a client without a body": lambda m: [*m.rfc["asks"], b"coffee"],
    "a service without a name": lambda m: [*m.rfc["asks"], b"", b"body"],
    "a service with no printable name": lambda m: [*m.rfc["asks"], b"\xff", b"body"],
    "a disconnect": lambda m: m.command("disconnect"),
    "ten thousand frames": lambda _: [b"x"] * 10_000,
}


@pytest.mark.parametrize("malformed", MALFORMED)
def test_what_is_malformed_is_dropped_and_its_sender_a_worker_no_more(majordomo, malformed):
    worker = majordomo.worker()
    assert majordomo.status(worker, b"coffee") == b"200"
    worker.send_multipart(MALFORMED[malformed](majordomo))
    assert majordomo.status(worker, b"coffee") == b"404"  # and this is the first that it hears


def test_a_dead_worker_is_forgotten_and_a_living_one_hears_heartbeats(peers):
    peer = peers(Broker(heartbeat=0.02, liveness=3, expiry=60), "broker")
    worker, client = peer(), peer()
    worker.send_multipart([b"", b"MDPW01", b"\x01", b"coffee"])
    assert worker.recv_multipart() == [b"", b"MDPW01", b"\x04"]

    def forgotten():
        client.send_multipart([b"", b"MDPC01", b"mmi.service", b"coffee"])
        return client.recv_multipart()[-1] == b"404"

    eventually(forgotten)


def test_a_flood_of_services_is_bounded(peers):
    majordomo = Majordomo(peers, "0.2")
    client, worker = majordomo.peer(), majordomo.worker()
    for i in range(100_000):
        client.send_multipart([*majordomo.rfc["asks"], b"service %d" % i, b"body"])
    assert majordomo.status(client, b"service 1") == b"404"
    client.send_multipart([*majordomo.rfc["asks"], b"coffee", b"black"])  # one too many: dropped, until some expire
    assert majordomo.status(client, b"coffee") == b"200"
    assert not worker.poll(0)


def test_what_waits_is_bounded_and_expires(monkeypatch):
    monkeypatch.setattr(mdp_broker, "MOST", 100)
    state = mdp_broker.Services(None, life=60, expiry=0)  # nothing is sent
    for i in range(1000):
        state.take(b"client", [b"", b"MDPC01", b"service %d" % i, b"body"])
    assert len(state.requests) == state.queued == 100
    state.expire()
    assert not state.requests
    assert not state.waiting
    assert not state.queued


@pytest.mark.parametrize("version", ["0.3", "", None, 0.1])
def test_a_version_that_there_is_not_is_refused(version):
    with pytest.raises(ValueError, match=r"version=.* cannot work: give '0\.1' or '0\.2'"):
        zlab.patterns.majordomo(version=version)


def test_the_old_version_has_no_partial_replies():
    with pytest.raises(ValueError, match=r"partials=1 cannot work in version 0\.1: give version='0\.2'"):
        zlab.patterns.majordomo(partials=1)


# Paranoid Pirate


def test_a_foreign_worker_serves_the_paranoid_queue(peers):
    queue = zlab.patterns.paranoid_pirate(heartbeat=60)["queue"].function
    peer = peers(queue, "frontend", "backend")
    worker, client = peer("backend"), peer("frontend", zmq.REQ)
    for dropped in (b"\x02", b"garbage", b""):  # a heartbeat before READY, and what is no command
        worker.send(dropped)
    worker.send(b"\x01")
    stranger = peer("frontend")
    for dropped in ([b""], [b"no", b"delimiter"], [b"none before the body", b""]):  # of these no worker hears
        stranger.send_multipart(dropped)
    stranger.send_multipart([b"", b"the last"])
    *envelope, delimiter, request = worker.recv_multipart()
    assert (delimiter, request) == (b"", b"the last")
    worker.send_multipart([*envelope, b"", b"heard"])
    assert stranger.recv_multipart() == [b"", b"heard"]
    client.send(b"ask")
    *envelope, delimiter, request = worker.recv_multipart()
    assert (delimiter, request) == (b"", b"ask")
    worker.send_multipart([*envelope, b"", b"answer"])
    assert client.recv() == b"answer"


@pytest.mark.parametrize(
    "refused",
    [
        [b""],
        [b"fetch"],
        [b"fetch", b"file-1", b"0"],
        [b"fetch", b"file-1", b"0", b"10", b"more"],
        [b"grab", b"file-1", b"0", b"10"],
        [b"fetch", b"/etc/passwd", b"0", b"10"],
        [b"fetch", b"file-1", b"-1", b"10"],
        [b"fetch", b"file-1", b"9" * 30, b"10"],
        [b"fetch", b"file-1", b"9" * 5000, b"10"],
        [b"fetch", b"file-1", b"zero", b"10"],
        [b"fetch", b"file-1", b"0", b"0"],
        [b"fetch", b"file-1", b"0", b"1000000000000"],
    ],
    ids=lambda frames: "+".join(frame.decode()[:8] or "empty" for frame in frames),
)
def test_the_file_server_answers_requests_for_its_files_alone(peers, refused):
    peer = peers(zlab.patterns.file_transfer(chunks=3)["server"].function, "server")
    client = peer()
    client.send_multipart(refused)
    parts = b""
    for offset in range(0, 5000, 700):  # the file has 2,500 bytes
        client.send_multipart([b"fetch", b"file-1", b"%d" % offset, b"700"])
        at, part = client.recv_multipart()
        assert int(at) == offset
        parts += part
    assert parts == contents(b"file-1", 2500)
