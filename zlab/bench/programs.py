"""The programs that are measured: topologies whose functions run in a lab and in plain pyzmq alike, unchanged."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import zlab
from zlab.patterns.broker import queue

if TYPE_CHECKING:
    from collections.abc import Callable

    import zmq

    ZMQSocket = zmq.Socket[bytes]

LIMIT = 60.0
"""Seconds that one run may take."""

_DISTINCT = 1000  # bodies, so that tracing has something to tell apart
_SUBSCRIBERS = 10
_TOPICS = 5
_WARM = b"warm"
_CLIENTS = 4
_WORKERS = 4
_HOPS = 4  # of a request and its reply: client, broker, worker, broker, client


class Program:
    """One run of a topology that ends by itself, timed by its own functions."""

    def __init__(self, topology: zlab.Topology, messages: int, *, finish: int, join: int = 0) -> None:
        """Take what the functions of a topology have in common.

        Args:
            topology: what runs.
            messages: how many messages the rate counts.
            finish: how many nodes must have finished before the time is taken.
            join: how many nodes must have had a message before the timed part starts.
        """
        self.topology = topology
        self.messages = messages
        self.joined = threading.Event()
        self.began = self.ended = 0.0
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._to_finish, self._to_join = finish, join

    @property
    def expected(self) -> int:
        """Deliveries that the ledger must expect, on all links together."""
        return self.messages

    def rate(self) -> float:
        """Messages per second, from the first send of the timed part to its last recv.

        Raises:
            TimeoutError: they did not cross in time.
        """
        if not self._done.wait(LIMIT):
            raise TimeoutError(f"{self.messages:,} messages of {self.topology.name!r} did not cross within {LIMIT:g} s")
        return self.messages / (self.ended - self.began)

    def _begin(self) -> None:
        self.began = time.perf_counter()

    def _finish(self) -> None:
        with self._lock:
            self._to_finish -= 1
            if not self._to_finish:
                self.ended = time.perf_counter()
                self._done.set()

    def _join(self) -> None:
        with self._lock:
            self._to_join -= 1
            if not self._to_join:
                self.joined.set()


class PushPull(Program):
    """Two threads: one PUSH and one PULL."""

    def __init__(self, count: int, size: int) -> None:
        """Prepare distinct bodies."""
        distinct = min(count, _DISTINCT)
        self._bodies = [(b"%010d" % i).ljust(size, b"x") for i in range(distinct)]
        self._rounds = count // distinct
        topology = zlab.Topology(
            "push-pull",
            [
                zlab.Node("sender", self._sender, out=zlab.PUSH.bind("messages")),
                zlab.Node("receiver", self._receiver, inbox=zlab.PULL.connect("messages")),
            ],
        )
        super().__init__(topology, self._rounds * distinct, finish=1)

    def _sender(self, out: ZMQSocket) -> None:
        send = out.send
        self._begin()
        for _ in range(self._rounds):
            for body in self._bodies:
                send(body)

    def _receiver(self, inbox: ZMQSocket) -> None:
        recv = inbox.recv
        for _ in range(self.messages):
            recv()
        self._finish()


class FanOut(Program):
    """One PUB and ten SUB, each with one of five topics; nothing is dropped, as there are no high-water marks."""

    def __init__(self, count: int, size: int) -> None:
        """Prepare distinct bodies, the topics in turn; ``count`` is what all subscribers together receive."""
        published = max(_TOPICS, count * _TOPICS // _SUBSCRIBERS)
        distinct = min(published, _DISTINCT) // _TOPICS * _TOPICS
        self._bodies = [self._body(i % _TOPICS, b"news", i, size) for i in range(distinct)]
        self._rounds = published // distinct
        self._size = size
        self._each = self._rounds * distinct // _TOPICS
        self._heats = 0
        nodes = [zlab.Node("publisher", self._publisher, out=zlab.PUB.bind("news", sndhwm=0))]
        for i in range(_SUBSCRIBERS):
            inbox = zlab.SUB.connect("news", rcvhwm=0, subscribe=b"%d" % (i % _TOPICS))
            nodes.append(zlab.Node(f"subscriber-{i}", self._subscriber, inbox=inbox))
        everybody = _SUBSCRIBERS
        super().__init__(zlab.Topology("fan-out", nodes), self._each * everybody, finish=everybody, join=everybody)

    @property
    def expected(self) -> int:
        """Those of the warm-up too, the first of which may find nobody there."""
        return self.messages + self._heats * _SUBSCRIBERS

    @staticmethod
    def _body(topic: int, kind: bytes, number: int, size: int) -> bytes:
        return (b"%d %b %010d" % (topic, kind, number)).ljust(size, b"x")

    def _publisher(self, out: ZMQSocket) -> None:
        send = out.send
        while not self.joined.wait(0.001):
            self._publish_once(send, _WARM)
        self._publish_once(send, b"cold")  # from the next one on it counts
        self._begin()
        for _ in range(self._rounds):
            for body in self._bodies:
                send(body)

    def _publish_once(self, send: Callable[[bytes], object], kind: bytes) -> None:
        for topic in range(_TOPICS):
            send(self._body(topic, kind, self._heats, self._size))
        self._heats += 1

    def _subscriber(self, inbox: ZMQSocket) -> None:
        recv = inbox.recv
        recv()
        self._join()
        while _WARM in recv():
            pass
        for _ in range(self._each):
            recv()
        self._finish()


class Broker(Program):
    """Four REQ, a `zmq.proxy` between ROUTER and DEALER, and four REP: a message is a request with its reply."""

    def __init__(self, count: int, size: int) -> None:
        """Prepare distinct bodies for each client."""
        distinct = max(1, min(count, _DISTINCT) // _CLIENTS)
        self._rounds = max(1, count // _CLIENTS // distinct)
        self._asked = 0
        self._together = threading.Barrier(_CLIENTS, self._begin)
        asks, answers = zlab.REQ.connect("frontend"), zlab.REP.connect("backend")
        ends = {"frontend": zlab.ROUTER.bind("frontend"), "backend": zlab.DEALER.bind("backend")}
        nodes = [
            *(zlab.Node(f"client-{i}", self._client(i, distinct, size), requests=asks) for i in range(_CLIENTS)),
            zlab.Node("broker", queue, **ends),
            *(zlab.Node(f"worker-{i}", self._worker, requests=answers) for i in range(_WORKERS)),
        ]
        messages = _CLIENTS * self._rounds * distinct
        super().__init__(zlab.Topology("broker", nodes), messages, finish=_CLIENTS, join=_WORKERS)

    @property
    def expected(self) -> int:
        """Those of the warm-up too, each over all hops."""
        return _HOPS * (self.messages + self._asked)

    def _client(self, number: int, distinct: int, size: int) -> Callable[[ZMQSocket], None]:
        bodies = [(b"%d %010d" % (number, i)).ljust(size, b"x") for i in range(distinct)]

        def client(requests: ZMQSocket) -> None:
            send, recv = requests.send, requests.recv
            warm = 0
            while not self.joined.is_set():
                send(b"%b %d" % (bodies[0], warm))
                recv()
                warm += 1
            with self._lock:
                self._asked += warm
            self._together.wait(LIMIT)
            for _ in range(self._rounds):
                for body in bodies:
                    send(body)
                    recv()
            self._finish()

        return client

    def _worker(self, requests: ZMQSocket) -> None:
        send, recv = requests.send, requests.recv
        request = recv()
        self._join()
        while True:
            send(request)
            request = recv()
