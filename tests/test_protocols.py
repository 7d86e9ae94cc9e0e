"""What a program that someone else wrote meets at the patterns' sockets: the protocols, by the letter of their RFCs."""

from __future__ import annotations

import threading

import pytest
import zmq

import zlab
from zlab.patterns import mdp
from zlab.patterns.file_transfer import contents

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


@pytest.fixture
def majordomo(peers):
    """Gives peers of a Majordomo broker that sends no heartbeat while the test lasts."""
    return peers(mdp.Broker(heartbeat=60, liveness=3, expiry=60), "broker")


def status(client, service, name=b"mmi.service"):
    """What the broker says of a service: it has then read all that this peer has sent."""
    client.send_multipart([b"", mdp.CLIENT, name, service])
    *header, code = client.recv_multipart()
    assert header == [b"", mdp.CLIENT, name]
    return code


def test_a_foreign_client_and_worker_meet_at_the_broker(majordomo):
    client, worker = majordomo(kind=zmq.REQ), majordomo()
    client.send_multipart([mdp.CLIENT, b"coffee", b"black", b"two"])  # queued until there is a worker
    worker.send_multipart([b"", mdp.WORKER, mdp.READY, b"coffee"])
    *header, address, delimiter, first, second = worker.recv_multipart()
    assert (header, delimiter, first, second) == ([b"", mdp.WORKER, mdp.REQUEST], b"", b"black", b"two")
    worker.send_multipart([b"", mdp.WORKER, mdp.REPLY, address, b"", b"here", b"you are"])
    assert client.recv_multipart() == [mdp.CLIENT, b"coffee", b"here", b"you are"]


def test_the_management_interface(majordomo):
    client, worker = majordomo(), majordomo()
    assert status(client, b"coffee") == b"404"
    worker.send_multipart([b"", mdp.WORKER, mdp.READY, b"coffee"])
    assert status(worker, b"coffee") == b"200"
    assert status(client, b"coffee", b"mmi.unheard-of") == b"501"
    intruder = majordomo()
    intruder.send_multipart([b"", mdp.WORKER, mdp.READY, b"mmi.service"])
    assert intruder.recv_multipart() == [b"", mdp.WORKER, mdp.DISCONNECT]


@pytest.mark.parametrize(
    "unexpected",
    [
        [mdp.HEARTBEAT],
        [mdp.REPLY, b"client", b"", b"body"],
        [mdp.REQUEST, b"client", b"", b"body"],
    ],
    ids=["heartbeat", "reply", "request"],
)
@pytest.mark.parametrize("registered", [False, True], ids=["unknown", "registered"])
def test_what_is_valid_and_not_expected_is_answered_by_disconnect(majordomo, unexpected, registered):
    worker = majordomo()
    if registered:
        worker.send_multipart([b"", mdp.WORKER, mdp.READY, b"coffee"])
        unexpected = unexpected if unexpected != [mdp.HEARTBEAT] else [mdp.READY, b"coffee"]
    worker.send_multipart([b"", mdp.WORKER, *unexpected])
    assert worker.recv_multipart() == [b"", mdp.WORKER, mdp.DISCONNECT]
    assert status(worker, b"coffee") == b"404"


@pytest.mark.parametrize(
    "malformed",
    [
        [b""],
        [b"garbage"],
        [b"", b"MDPW02", mdp.HEARTBEAT],
        [b"x", mdp.WORKER, mdp.HEARTBEAT],
        [b"", mdp.WORKER],
        [b"", mdp.WORKER, b"\x09"],
        [b"", mdp.WORKER, b""],
        [b"", mdp.WORKER, mdp.HEARTBEAT, b"more"],
        [b"", mdp.WORKER, mdp.READY],
        [b"", mdp.WORKER, mdp.READY, b"\x00"],
        [b"", mdp.WORKER, mdp.REPLY, b"client", b"body"],
        [b"", mdp.WORKER, mdp.REPLY, b"client", b"no delimiter", b"body"],
        [b"", mdp.CLIENT],
        [b"", mdp.CLIENT, b"coffee"],
        [b"", mdp.CLIENT, b"", b"body"],
        [b"", mdp.CLIENT, b"\xff", b"body"],
        [b"", mdp.WORKER, mdp.DISCONNECT],
    ],
    ids=lambda frames: "+".join(frame.hex() or "empty" for frame in frames),
)
def test_what_is_malformed_is_dropped_and_its_sender_a_worker_no_more(majordomo, malformed):
    worker = majordomo()
    worker.send_multipart([b"", mdp.WORKER, mdp.READY, b"coffee"])
    assert status(worker, b"coffee") == b"200"
    worker.send_multipart(malformed)
    assert status(worker, b"coffee") == b"404"  # and this is the first that it hears


def test_a_dead_worker_is_forgotten_and_a_living_one_hears_heartbeats(peers):
    peer = peers(mdp.Broker(heartbeat=0.02, liveness=3, expiry=60), "broker")
    worker, client = peer(), peer()
    worker.send_multipart([b"", mdp.WORKER, mdp.READY, b"coffee"])
    assert worker.recv_multipart() == [b"", mdp.WORKER, mdp.HEARTBEAT]
    for _ in range(1000):
        if status(client, b"coffee") == b"404":
            break
        client.poll(5)
    else:
        pytest.fail("a worker that sends no heartbeat lives on")


def test_a_flood_of_services_is_bounded(monkeypatch):
    monkeypatch.setattr(mdp, "MOST", 100)
    state = mdp.Services(None, life=60, expiry=0)  # nothing is sent
    for i in range(1000):
        state.take(b"client", [b"", mdp.CLIENT, b"service %d" % i, b"body"])
    assert len(state.requests) == 100
    state.purge()
    assert not state.requests
    assert not state.waiting


def test_a_foreign_worker_serves_the_paranoid_queue(peers):
    queue = zlab.patterns.paranoid_pirate(heartbeat=60)["queue"].function
    peer = peers(queue, "frontend", "backend")
    worker, client = peer("backend"), peer("frontend", zmq.REQ)
    for dropped in (b"\x02", b"garbage", b""):  # a heartbeat before READY, and what is no command
        worker.send(dropped)
    worker.send(b"\x01")
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
