"""How Titanic gets its answers: each request that waits on disk is tried with a worker, one after the other."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from zlab.patterns import mdp
from zlab.patterns.freelance_one import anew

if TYPE_CHECKING:
    from collections.abc import Sequence

    import zmq

    from zlab.patterns.titanic_disk import Disk

    ZMQSocket = zmq.Socket[bytes]

_THERE = b"200"  # what mmi.service answers where there is a worker (RFC 8)
_REST = 0.1  # seconds after all have had their turn


class Dispatcher:
    """Try one waiting request after the other, over and over, with a worker of the service that it names."""

    def __init__(self, client: ZMQSocket, disk: Disk, timeout: float) -> None:
        """Begin with those that were left waiting.

        Args:
            client: a DEALER that is connected to the broker.
            disk: where the requests are.
            timeout: how long to wait for an answer, in seconds.
        """
        self.client, self.disk, self.timeout = client, disk, timeout
        self.turn: deque[bytes] = deque()
        self.name = self.service = b""  # of the request that is being tried, and what was asked of whom
        self.until = 0.0  # when to go on

    def live(self) -> int:
        """Do what is due; returns the milliseconds until something is again."""
        if time.monotonic() >= self.until:
            if self.name:  # no answer came; nor must it come later, and be taken for another's
                anew(self.client)
                self.name = b""
            self.next()
        return max(0, round((self.until - time.monotonic()) * 1000))

    def next(self) -> None:
        """Ask whether there is a worker for the next one; rest for a while after all had their turn."""
        now = time.monotonic()
        while self.turn:
            name = self.turn.popleft()
            request = self.disk.request(name)
            if request and name in self.disk.waiting:
                self.name, self.body = name, request
                return self.ask(b"mmi.service", request[:1])
            if name in self.disk.waiting:  # the client has closed it
                self.disk.strike(name)
        self.turn.extend(self.disk.waiting)
        self.until = now + _REST
        return None

    def ask(self, service: bytes, body: Sequence[bytes]) -> None:
        """Send a request to a service."""
        self.client.send_multipart([*mdp.OLD.asks, service, *body])
        self.service, self.until = service, time.monotonic() + self.timeout

    def take(self) -> None:
        """Go on with what a service has answered."""
        _, told = mdp.OLD.told(self.client.recv_multipart())
        if not self.name or not told or told[0] != self.service:
            return
        service, *body = self.body
        if self.service == b"mmi.service" and told[1:] == [_THERE]:
            self.ask(service, body)
            return
        if self.service != b"mmi.service":
            self.disk.answer(self.name, told[1:])
        self.name = b""
        self.next()
