"""The Majordomo protocol, RFC 7 with RFC 8: its commands, and a broker that holds to them by the letter."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import zmq

    ZMQSocket = zmq.Socket[bytes]

CLIENT, WORKER = b"MDPC01", b"MDPW01"
READY, REQUEST, REPLY, HEARTBEAT, DISCONNECT = b"\x01", b"\x02", b"\x03", b"\x04", b"\x05"
MOST = 10_000
"""Requests that wait at most, for all services together: beyond that they are dropped, and clients ask again."""
_SERVICE_FRAME, _BODY_FRAME = 2, 3


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

    def __call__(self, broker: ZMQSocket) -> None:
        """Begin with no worker and no request: nothing that matters is lost with a broker."""
        state = Services(broker, self.heartbeat * self.liveness, self.expiry)
        beat = time.monotonic() + self.heartbeat
        while True:
            if broker.poll(max(0, round((beat - time.monotonic()) * 1000))):
                sender, *frames = broker.recv_multipart()
                state.take(sender, frames)
            else:
                state.purge()
            if time.monotonic() >= beat:
                state.beat()
                beat = time.monotonic() + self.heartbeat


class Services:
    """What a broker knows: its workers, and the requests that wait for one."""

    def __init__(self, broker: ZMQSocket, life: float, expiry: float) -> None:
        """Begin.

        Args:
            broker: a ROUTER.
            life: how long a worker lives that is not heard, in seconds.
            expiry: how long a request waits for a worker, in seconds.
        """
        self.broker, self.life, self.expiry = broker, life, expiry
        self.workers: dict[bytes, Registered] = {}
        self.waiting: dict[bytes, deque[bytes]] = defaultdict(deque)
        self.requests: dict[bytes, deque[tuple[float, bytes, Sequence[bytes]]]] = defaultdict(deque)

    def take(self, sender: bytes, frames: Sequence[bytes]) -> None:
        """Do what a message asks for."""
        header, rest = frames[:_SERVICE_FRAME], frames[_SERVICE_FRAME:]
        if header == [b"", CLIENT] and len(rest) > 1 and _is_name(rest[0]):
            self.request(sender, rest[0], rest[1:])
        elif header == [b"", WORKER] and rest:
            self.command(sender, rest[0], rest[1:])
        else:
            self.forget(sender)

    def request(self, client: bytes, service: bytes, body: Sequence[bytes]) -> None:
        """Queue a client's request, or answer it, if it is for the broker itself."""
        if service.startswith(b"mmi."):
            known = any(worker.service == body[-1] for worker in self.workers.values())
            code = (b"200" if known else b"404") if service == b"mmi.service" else b"501"
            self.broker.send_multipart([client, b"", CLIENT, service, code])
        elif sum(map(len, self.requests.values())) < MOST:
            self.requests[service].append((time.monotonic() + self.expiry, client, body))
            self.dispatch(service)

    def command(self, sender: bytes, command: bytes, rest: Sequence[bytes]) -> None:
        """Do what a worker says."""
        worker = self.workers.get(sender)
        if command == READY and len(rest) == 1 and _is_name(rest[0]):
            if worker or rest[0].startswith(b"mmi."):
                self.disconnect(sender)
            else:
                self.workers[sender] = Registered(rest[0], time.monotonic() + self.life)
                self.ready(sender)
        elif command == HEARTBEAT and not rest:
            if worker:
                worker.until = time.monotonic() + self.life
            else:
                self.disconnect(sender)
        elif command in {REQUEST, REPLY} and len(rest) >= _BODY_FRAME and rest[0] and not rest[1]:
            if command == REPLY and worker and worker.client == rest[0]:
                self.broker.send_multipart([rest[0], b"", CLIENT, worker.service, *rest[2:]])
                worker.client, worker.until = b"", time.monotonic() + self.life
                self.ready(sender)
            else:
                self.disconnect(sender)
        else:  # DISCONNECT, or malformed
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
            if until > time.monotonic():
                sender = waiting.popleft()
                self.workers[sender].client = client
                self.broker.send_multipart([sender, b"", WORKER, REQUEST, client, b"", *body])
        for queue in (self.requests, self.waiting):
            if not queue[service]:
                del queue[service]

    def disconnect(self, sender: bytes) -> None:
        """Tell a worker to begin anew, and send it nothing more."""
        self.broker.send_multipart([sender, b"", WORKER, DISCONNECT])
        self.forget(sender)

    def forget(self, sender: bytes) -> None:
        """Send a peer no further commands."""
        worker = self.workers.pop(sender, None)
        if worker and not worker.client:
            self.waiting[worker.service].remove(sender)

    def purge(self) -> None:
        """Forget the workers that are dead, and the requests for which there was no worker in time."""
        now = time.monotonic()
        for sender in [sender for sender, worker in self.workers.items() if worker.until <= now]:
            self.forget(sender)
        for service in list(self.requests):
            while self.requests[service] and self.requests[service][0][0] <= now:
                self.requests[service].popleft()
            self.dispatch(service)

    def beat(self) -> None:
        """Tell all workers that the broker lives."""
        for sender in self.workers:
            self.broker.send_multipart([sender, b"", WORKER, HEARTBEAT])


def _is_name(service: bytes) -> bool:
    return service.isascii() and service.decode("latin-1").isprintable() and bool(service)
