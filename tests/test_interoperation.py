"""Programs that know nothing of zlab but the RFCs join a lab over tcp, as client, worker, server and broker.

What they say stands here byte by byte, as the RFCs have it, and not in the words of the patterns.
"""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager

import pytest
import zmq
from labs import LIMIT, eventually, leaving_nothing

import zlab
from zlab import patterns


class Outsider:
    """A context of its own, as another program has, whose every wait has a limit."""

    def __init__(self):
        self.context = zmq.Context()

    def socket(self, kind, url, *, bind=False, identity=b""):
        one = self.context.socket(kind)
        one.set(zmq.LINGER, 0)
        one.set(zmq.RCVTIMEO, round(LIMIT * 1000))
        one.set(zmq.SNDTIMEO, round(LIMIT * 1000))
        if identity:
            one.set(zmq.ROUTING_ID, identity)
        (one.bind if bind else one.connect)(url)
        return one


@contextmanager
def joined(topology):
    """A lab over tcp, and a program that joins it; all is accounted for after, and no node has failed."""
    with leaving_nothing():
        outsider = Outsider()
        try:
            with zlab.run(topology, transport="tcp") as lab:
                yield lab, outsider
                assert not [e for e in lab.history() if e.kind == "error"]
        finally:
            outsider.context.destroy(0)


def free_urls(count):
    """Addresses that nobody uses now."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    urls = [f"tcp://127.0.0.1:{one.getsockname()[1]}" for one in taken]
    for one in taken:
        one.close()
    return tuple(urls)


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
        server = outsider.socket(zmq.ROUTER, urls[0], bind=True, identity=urls[0].encode())
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
