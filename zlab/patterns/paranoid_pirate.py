"""The Paranoid Pirate: workers and queue tell each other that they live, and start again when the other does not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least, work
from zlab.patterns.judging import all_hear, called, home, last_failure
from zlab.patterns.lazy_pirate import Pirate, asking, in_order
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.simple_pirate import simple_pirate
from zlab.patterns.trying import restart
from zlab.sockets import DEALER, ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

READY, HEARTBEAT = b"\x01", b"\x02"
LONGEST = 32
"""Heartbeats: the longest time that a worker waits before it connects again."""


@dataclass
class Worker:
    """Answer requests, send heartbeats, and connect again when the queue's do not come."""

    seconds: float
    heartbeat: float
    liveness: int

    def __call__(self, worker: ZMQSocket) -> None:
        """Say READY; after that, any message from the queue is a sign of life."""
        endpoint = worker.getsockopt_string(zmq.LAST_ENDPOINT)
        worker.send(READY)
        lives, pause = self.liveness, self.heartbeat
        beat = time.monotonic() + self.heartbeat
        while True:
            if worker.poll(round(self.heartbeat * 1000)):
                *envelope, request = worker.recv_multipart()
                lives, pause = self.liveness, self.heartbeat
                if envelope:  # else it is a heartbeat
                    work(worker, self.seconds)
                    reply = request.replace(b"request", b"reply", 1).ljust(len(request), b".")
                    worker.send_multipart([*envelope, reply])
            else:
                lives -= 1
                if lives == 0:  # the queue is gone: wait, each time longer, and start a new conversation
                    work(worker, pause)
                    worker.set(zmq.LINGER, 0)  # else what nobody takes would hold up the end of the context, for ever
                    worker.disconnect(endpoint)
                    worker.connect(endpoint)
                    worker.send(READY)
                    lives, pause = self.liveness, min(2 * pause, LONGEST * self.heartbeat)
            if time.monotonic() >= beat:
                worker.send(HEARTBEAT)
                beat = time.monotonic() + self.heartbeat


@dataclass
class Queue:
    """Give each request to the worker that was used least recently, of those that are known to live."""

    heartbeat: float
    liveness: int

    def __call__(self, frontend: ZMQSocket, backend: ZMQSocket) -> None:
        """Keep those that are free, and of all that are known the time until which they are taken to live."""
        alive: dict[bytes, float] = {}
        free: dict[bytes, None] = {}  # the one that was used least recently is the first
        beat = time.monotonic() + self.heartbeat
        poller = zmq.Poller()
        poller.register(backend, zmq.POLLIN)
        while True:
            poller.register(frontend, zmq.POLLIN if free else 0)
            ready = dict(poller.poll(max(0, round((beat - time.monotonic()) * 1000))))
            now = time.monotonic()
            if backend in ready:
                worker, *message = backend.recv_multipart()
                if message == [HEARTBEAT]:
                    if worker in alive:  # of one that has expired, READY is expected
                        alive[worker] = now + self.heartbeat * self.liveness
                elif message == [READY] or b"" in message[1:-1]:  # a reply has an envelope; all else is dropped
                    alive[worker] = now + self.heartbeat * self.liveness
                    free.pop(worker, None)
                    free[worker] = None
                    if message != [READY]:
                        frontend.send_multipart(message)
            else:
                alive = {worker: until for worker, until in alive.items() if until > now}
                free = {worker: None for worker in free if worker in alive}
            if frontend in ready and free and b"" in (request := frontend.recv_multipart())[1:-1]:  # else it is dropped
                worker = next(iter(free))
                del free[worker]
                backend.send_multipart([worker, *request])
            if now >= beat:
                for worker in alive:  # whoever works is told too: a queue that is busy lives
                    backend.send_multipart([worker, HEARTBEAT])
                beat = now + self.heartbeat


def all_find_together(lab: Lab) -> str:
    """Judge that after the failure clients are answered, by all workers, and that heartbeats go both ways."""
    passages, clients, since = lab.passages(), called(lab, "client"), last_failure(lab)
    workers = called(lab, "worker", alive=True)
    home(passages, clients)
    in_order(passages, clients)
    answers = all_hear(passages, clients, since)
    all_hear([p for p in passages if p.body.startswith(b"request ")], workers, since)
    beats = [p for p in passages if p.body == HEARTBEAT and p.sent >= since]
    heard = all_hear(beats, workers, since)
    silent = [worker for worker in workers if not any(p.sender == f"{worker}.worker" for p in beats)]
    if silent:
        raise NotYet(f"no heartbeat of {', '.join(silent)} since second {since:.1f}")
    return f"{answers} replies since the last failure, by {len(workers)} workers, who have heard {heard} heartbeats."


@pattern(
    Guide(
        title="Paranoid Pirate",
        chapter=4,
        rfcs=(6, 28),
        see="heartbeats both ways; restart the queue, and the workers notice, wait a little, and say READY again",
        promise="when the queue comes back, every worker does too, and every client is answered",
        failure="restart the queue",
        inject=restart("queue"),
        check=all_find_together,
        naive=lambda: simple_pirate(rate=100),
        transports=("ipc", "tcp"),
    )
)
def paranoid_pirate(
    clients: int = 3,
    workers: int = 2,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.02,
    timeout: float = 0.5,
    retries: int = 5,
    heartbeat: float = 0.1,
    liveness: int = 3,
) -> Topology:
    """REQ, ROUTER, ROUTER, DEALER: queue and workers that tell each other that they live.

    ::

        client-1 REQ ---+                                +--- DEALER worker-1
        client-2 REQ ---+--- ROUTER queue ROUTER --------+
        client-3 REQ ---+    those that live             +--- DEALER worker-2
          poll, retry              <----- heartbeats ----->

    Look for the heartbeats: workers are DEALER, so that they may send one at any time. Kill a worker: the queue hears
    nothing of it, and sends it nothing more. Restart the queue: the workers hear nothing, connect again and say READY.
    Leave it dead: each waits twice as long as before, up to 32 heartbeats. A worker of RFC 6 that is not of this lab
    can connect to ``backend``. The Guide's opens a new socket for a new conversation; these disconnect and connect
    the same one, by which the queue's ROUTER knows it under a new identity, too.

    Args:
        clients: how many ask.
        workers: how many answer, each one request at a time.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a request.
        timeout: how long a client waits for an answer before it asks again, in seconds.
        retries: how often a client asks again before it gives up.
        heartbeat: how often queue and workers send heartbeats, in seconds.
        liveness: after how many heartbeats that did not come the other is taken for dead.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``queue``, ``worker-1``, ``worker-2``, ...; the queue binds
        ``frontend`` and ``backend``.

    Raises:
        ValueError: no clients, workers or liveness, a negative rate, hwm, time or number, a heartbeat of less than
            0.01 seconds, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 4, "Robust Reliable Queuing (Paranoid Pirate Pattern)", RFC 6/PPP and RFC 28/REQREP.
    """
    at_least(1, clients=clients, workers=workers, liveness=liveness)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds, timeout=timeout, retries=retries)
    at_least(0.01, heartbeat=heartbeat)
    at_least(32, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    names = [f"client-{i}" for i in range(1, clients + 1)]
    answers = DEALER.connect("backend", **marks)
    return Topology(
        "paranoid_pirate",
        [
            *(
                Node(name, Pirate(name, rate, size, timeout, retries), requests=asking("frontend", hwm))
                for name in names
            ),
            Node(
                "queue",
                Queue(heartbeat, liveness),
                frontend=ROUTER.bind("frontend", **marks),
                backend=ROUTER.bind("backend", **marks),
            ),
            *(Node(f"worker-{i}", Worker(seconds, heartbeat, liveness), worker=answers) for i in range(1, workers + 1)),
        ],
    )
