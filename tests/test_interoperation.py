"""Programs that know nothing of zlab but the RFCs join a lab over tcp, as client, worker, server and broker.

What they say stands here byte by byte, as the RFCs have it, and not in the words of the patterns.
"""

from __future__ import annotations

import random
import socket
import time
from contextlib import ExitStack, suppress

import pytest
import zmq
from labs import LIMIT, eventually
from outsiders import free_urls, joined

from zlab import patterns

# Freelance, RFC 10


def pinged(client, server):
    """Ping a server until it answers: a ROUTER sends only once the connection is up."""

    def answers():
        client.send_multipart([server, b"PING"])
        return client.poll(50)

    eventually(answers)
    assert client.recv_multipart() == [server, b"PONG"]
    while client.poll(50):
        assert client.recv_multipart() == [server, b"PONG"]


def test_a_freelance_client_asks_a_server_by_its_endpoint():
    urls = free_urls(2)
    with joined(patterns.freelance_three(clients=1, servers=2, endpoints=urls)) as (_, outsider):
        client = outsider.socket(zmq.ROUTER, urls[1])
        server = urls[1].encode()
        pinged(client, server)
        for malformed in ([b"PONG"], [b""], [b"\x00" * 5000], [b"PING!"]):
            client.send_multipart([server, *malformed])
        for control in (b"\x00\xff", b"", b"PING"):  # any purpose, says the RFC
            client.send_multipart([server, control, b"one", b"two"])
            assert client.recv_multipart()[:2] == [server, control]
        pinged(client, server)


def test_a_freelance_server_takes_over():
    urls = free_urls(2)
    with joined(patterns.freelance_three(clients=2, servers=2, rate=50, endpoints=urls)) as (lab, outsider):
        lab.wait(messages=10, timeout=LIMIT)
        lab.kill("server-1")
        lab.kill("server-2")
        server = outsider.socket(zmq.ROUTER, urls[0], bind=True, routing_id=urls[0].encode())
        server.send_multipart([b"nobody", b"PONG"])
        answered = {}
        end = time.monotonic() + LIMIT
        while len(answered) < 2 or min(map(len, answered.values())) < 3:  # of both clients, three requests
            assert time.monotonic() < end
            client, control, *body = server.recv_multipart()
            if not body:
                assert control == b"PING"
                server.send_multipart([client, b"garbage", b"more"])
                server.send_multipart([client, b"PONG"])
            else:
                assert control.isdigit()  # a number, each time another: the one before was answered
                answered.setdefault(client, set()).add(control)
                server.send_multipart([client, control, b"frames", b"as many as it likes"])


@pytest.mark.parametrize("endpoints", ["tcp://127.0.0.1:5555", ("tcp://127.0.0.1:5555",), ("a", "b", "c")])
def test_each_freelance_server_has_one_endpoint(endpoints):
    with pytest.raises(ValueError, match="give a tuple of 2, one for each server"):
        patterns.freelance_three(servers=2, endpoints=endpoints)


# Majordomo, RFC 7 and RFC 18

MDP = {  # what a client asks with, and is told the last reply with; what stands before a worker's command; the commands
    "0.1": ([b"", b"MDPC01"], [b"", b"MDPC01"], [b"", b"MDPW01"], [b"\x01", b"\x02", b"\x03", b"\x04", b"\x05"]),
    "0.2": ([b"MDPC02", b"\x01"], [b"MDPC02", b"\x03"], [b"MDPW02"], [b"\x01", b"\x02", b"\x04", b"\x05", b"\x06"]),
}


@pytest.mark.parametrize("version", MDP)
def test_our_clients_and_workers_take_to_a_foreign_broker(version):
    asks, tells, worker, (ready, request, reply, heartbeat, disconnect) = MDP[version]
    with joined(patterns.majordomo(clients=2, rate=50, version=version)) as (lab, outsider):
        lab.wait(messages=10, timeout=LIMIT)
        lab.kill("broker")
        router = outsider.socket(zmq.ROUTER, lab.endpoints["services"], bind=True)
        waiting, registered, answered = {}, set(), set()
        end = time.monotonic() + LIMIT
        while len({service for service, _ in answered}) < 2 or len({client for _, client in answered}) < 2:
            assert time.monotonic() < end
            peer, *frames = router.recv_multipart()
            if frames[: len(asks)] == asks:
                service, *body = frames[len(asks) :]
                if service == b"mmi.service":
                    router.send_multipart([peer, *tells, service, b"200" if body[0] in waiting else b"404"])
                elif service in waiting:
                    router.send_multipart([waiting[service], *worker, request, peer, b"", *body])
            else:
                assert frames[: len(worker)] == worker
                command, *rest = frames[len(worker) :]
                if command == ready:
                    (service,) = rest
                    waiting[service] = peer
                    registered.add(peer)
                elif peer not in registered:  # of before
                    assert command in {heartbeat, reply}
                    router.send_multipart([peer, *worker, disconnect])
                elif command == reply:
                    client, empty, *body = rest
                    assert not empty
                    (service,) = (name for name, one in waiting.items() if one == peer)
                    router.send_multipart([client, *tells, service, *body])
                    answered.add((service, client))
                else:
                    assert (command, rest) == (heartbeat, [])
                    router.send_multipart([peer, *worker, heartbeat])


@pytest.mark.parametrize("partials", [0, 3])
def test_majordomo_keeps_its_promise_in_the_new_version(partials):
    pattern = patterns.majordomo
    with joined(pattern(rate=50, version="0.2", partials=partials)) as (lab, outsider):
        lab.wait(messages=20, timeout=LIMIT)
        pattern.inject(lab)
        assert pattern.check(lab, within=LIMIT)
        client = outsider.socket(zmq.DEALER, lab.endpoints["services"])
        client.send_multipart([b"MDPC02", b"\x01", b"coffee", b"request 0 of outsider"])
        for part in range(1, 1 + partials):
            told = client.recv_multipart()
            assert told == [b"MDPC02", b"\x02", b"coffee", b"reply 0 part %d of outsider" % part]
        assert client.recv_multipart()[:3] == [b"MDPC02", b"\x03", b"coffee"]


# Who speaks no protocol at all

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL".ljust(56, b"\x00")  # RFC 23; NULL, 64 bytes with what stands before
READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
NOISE = random.Random(1)  # noqa: S311 - the same each time
BYTES = {
    "noise": NOISE.randbytes(100_000),
    "nothing": b"",
    "half a greeting": GREETING[:20],
    "noise after a greeting": GREETING + NOISE.randbytes(10_000),
    "a command without an end": GREETING + b"\x06" + b"\xff" * 8,
    "a frame without an end": GREETING
    + b"\x04\x29\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
    + b"\x02\x7f"
    + b"\xff" * 7,
    "another program": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}
MESSAGES = [
    [b""],
    [b"", b""],
    [b"\x00"],
    [NOISE.randbytes(300)] * 3,
    [b"", b"MDPC01"],
    [b"", b"MDPW01", b"\x01"],
    [b"x"] * 10_000,
    [b"\x01", b"\x02", b"\x03"],
    [bytes(20_000_000)],
]


SLOW = {"binary_star": {"heartbeat": 0.5, "timeout": 2.0}}
"""What is sent to a backup is a vote: a primary that has other things to do for a moment must not count as dead."""


@pytest.mark.parametrize("name", ["paranoid_pirate", "majordomo", "titanic", "binary_star", "freelance_three"])
def test_who_speaks_no_protocol_stops_nothing(name):
    pattern = getattr(patterns, name)
    with joined(pattern(rate=50, **SLOW.get(name, {}))) as (lab, outsider), ExitStack() as stack:
        lab.wait(messages=20, timeout=LIMIT)
        for url in lab.endpoints.values():
            port = int(url.rpartition(":")[2])
            for said in BYTES.values():
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=LIMIT))
                with suppress(OSError):  # it may have been turned away meanwhile
                    connection.sendall(said)
            dealer = outsider.socket(zmq.DEALER, url)
            for message in MESSAGES:
                with suppress(zmq.Again):  # a PUB takes nothing
                    dealer.send_multipart(message, zmq.NOBLOCK)
        lab.wait(messages=50, timeout=LIMIT)
        pattern.inject(lab)
        assert pattern.check(lab, within=LIMIT)


# Paranoid Pirate, RFC 6


def test_our_pirates_take_to_a_foreign_queue():
    with joined(patterns.paranoid_pirate(clients=1, workers=2, rate=50)) as (lab, outsider):
        lab.wait(messages=10, timeout=LIMIT)
        lab.kill("queue")
        frontend = outsider.socket(zmq.ROUTER, lab.endpoints["frontend"], bind=True)
        backend = outsider.socket(zmq.ROUTER, lab.endpoints["backend"], bind=True)
        ready, known, answered, beats = [], set(), set(), set()
        end = time.monotonic() + LIMIT
        while len(answered) < 2 or len(beats) < 2:
            assert time.monotonic() < end
            if backend.poll(20):
                worker, *message = backend.recv_multipart()
                if message == [b"\x01"]:
                    ready.append(worker)
                    known.add(worker)
                elif message == [b"\x02"]:
                    if worker in known:  # of others, it wants to hear READY
                        beats.add(worker)
                        backend.send_multipart([worker, b"\x02"])
                elif worker in known:
                    frontend.send_multipart(message)
                    answered.add(worker)
                    ready.append(worker)
            if ready and frontend.poll(0):
                worker = ready.pop(0)
                backend.send_multipart([worker, *frontend.recv_multipart()])
