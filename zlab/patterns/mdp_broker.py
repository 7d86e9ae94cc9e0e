"""A Majordomo broker that holds by the letter to RFC 7 or RFC 18, and to RFC 8, by which it is asked for services."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.patterns.mdp import OLD, Version, is_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import zmq

    ZMQSocket = zmq.Socket[bytes]

MOST = 10_000
"""Requests that wait at most, for all services together: beyond that they are dropped, and clients ask again."""


@dataclass
class Registered:
    """A worker that has said READY."""

    service: bytes
    until: float
    """When it is taken for dead, unless it is heard before."""
    client: bytes = b""
    """Whose request it has; b"" where it waits for one."""


@dataclass
class Broker:
    """Pass requests to workers of the service that they name, least recently used first, and replies back.

    What is valid but not expected is answered by DISCONNECT; what is malformed is dropped, and who sent it is a worker
    no more.
    """

    heartbeat: float
    liveness: int
    expiry: float
    version: Version = OLD

    def __call__(self, broker: ZMQSocket) -> None:
        """Begin with no worker and no request: nothing that matters is lost with a broker."""
        state = Services(broker, self.heartbeat * self.liveness, self.expiry, self.version)
        beat = time.monotonic() + self.heartbeat
        while True:
            if broker.poll(max(0, round((beat - time.monotonic()) * 1000))):
                sender, *frames = broker.recv_multipart()
                state.take(sender, frames)
            else:  # all heartbeats that have come are read
                state.purge()
            if time.monotonic() >= beat:
                state.expire()
                state.beat()
                beat = time.monotonic() + self.heartbeat


class Services:
    """What a broker knows: its workers, and the requests that wait for one."""

    def __init__(self, broker: ZMQSocket, life: float, expiry: float, version: Version = OLD) -> None:
        """Begin.

        Args:
            broker: a ROUTER.
            life: how long a worker lives that is not heard, in seconds.
            expiry: how long a request waits for a worker, in seconds.
            version: of the protocol.
        """
        self.broker, self.life, self.expiry, self.version = broker, life, expiry, version
        self.workers: dict[bytes, Registered] = {}
        self.offered: Counter[bytes] = Counter()
        self.waiting: dict[bytes, deque[bytes]] = defaultdict(deque)
        self.requests: dict[bytes, deque[tuple[float, bytes, Sequence[bytes]]]] = defaultdict(deque)
        self.queued = 0

    def take(self, sender: bytes, frames: Sequence[bytes]) -> None:
        """Do what a message asks for."""
        start = len(self.version.asks)
        if tuple(frames[:start]) == self.version.asks:
            service, *body = frames[start:] or [b""]
            if body and is_name(service):
                self.request(sender, service, body)
                return
        command, rest = self.version.command(frames)
        if command:
            self.command(sender, command, rest)
        else:  # malformed
            self.forget(sender)

    def request(self, client: bytes, service: bytes, body: Sequence[bytes]) -> None:
        """Queue a client's request, or answer it, if it is for the broker itself."""
        if service.startswith(b"mmi."):
            code = (b"200" if self.offered[body[-1]] else b"404") if service == b"mmi.service" else b"501"
            self.broker.send_multipart([client, *self.version.finally_, service, code])
        elif self.queued < MOST:
            self.requests[service].append((time.monotonic() + self.expiry, client, body))
            self.queued += 1
            self.dispatch(service)

    def command(self, sender: bytes, command: bytes, rest: Sequence[bytes]) -> None:
        """Do what a worker says."""
        version, worker = self.version, self.workers.get(sender)
        if command == version.disconnect:
            self.forget(sender)
        elif command == version.ready and not worker and not rest[0].startswith(b"mmi."):
            self.workers[sender] = Registered(rest[0], time.monotonic() + self.life)
            self.offered[rest[0]] += 1
            self.ready(sender)
        elif command == version.heartbeat and worker:
            worker.until = time.monotonic() + self.life
        elif command in {version.partial, version.final} and worker and worker.client == rest[0]:
            start = version.finally_ if command == version.final else version.partly
            self.broker.send_multipart([rest[0], *start, worker.service, *rest[2:]])
            worker.until = time.monotonic() + self.life
            if command == version.final:
                worker.client = b""
                self.ready(sender)
        else:  # not expected
            self.broker.send_multipart([sender, *version.worker, version.disconnect])
            self.forget(sender)

    def ready(self, sender: bytes) -> None:
        """Let a worker wait for a request."""
        service = self.workers[sender].service
        self.waiting[service].append(sender)
        self.dispatch(service)

    def dispatch(self, service: bytes) -> None:
        """Send requests that wait to workers that wait."""
        requests, waiting = self.requests[service], self.waiting[service]
        while requests and waiting:
            until, client, body = requests.popleft()
            self.queued -= 1
            if until > time.monotonic():
                sender = waiting.popleft()
                self.workers[sender].client = client
                command = [*self.version.worker, self.version.request]
                self.broker.send_multipart([sender, *command, client, b"", *body])
        for queue in (self.requests, self.waiting):
            if not queue[service]:
                del queue[service]

    def forget(self, sender: bytes) -> None:
        """Send a peer no further commands."""
        worker = self.workers.pop(sender, None)
        if worker:
            self.offered[worker.service] -= 1
            if not self.offered[worker.service]:
                del self.offered[worker.service]
            if not worker.client:
                self.waiting[worker.service].remove(sender)
                if not self.waiting[worker.service]:
                    del self.waiting[worker.service]

    def purge(self) -> None:
        """Forget the workers that are dead."""
        now = time.monotonic()
        for sender in [sender for sender, worker in self.workers.items() if worker.until <= now]:
            self.forget(sender)

    def expire(self) -> None:
        """Forget the requests for which there was no worker in time."""
        now = time.monotonic()
        for service in list(self.requests):
            while self.requests[service] and self.requests[service][0][0] <= now:
                self.requests[service].popleft()
                self.queued -= 1
            self.dispatch(service)

    def beat(self) -> None:
        """Tell all workers that the broker lives."""
        for sender in self.workers:
            self.broker.send_multipart([sender, *self.version.worker, self.version.heartbeat])
