"""The services that Titanic offers: to take a request, to give the reply, and to forget both (RFC 9)."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import zmq

from zlab.patterns import mdp
from zlab.patterns.titanic_disk import Disk
from zlab.patterns.titanic_dispatcher import Dispatcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    ZMQSocket = zmq.Socket[bytes]

OK, PENDING, UNKNOWN, ERROR = b"200", b"300", b"400", b"500"
MOST = 10_000
"""Requests that wait at most: beyond that Titanic accepts none, and clients are told to try again later."""


@dataclass
class Titanic:
    """Three services as a worker, and a client of all others; what it has accepted is on disk."""

    heartbeat: float
    liveness: int
    timeout: float
    folder: Path | None = field(default=None, init=False)

    def __call__(self, request: ZMQSocket, reply: ZMQSocket, close: ZMQSocket, dispatch: ZMQSocket) -> None:
        """Serve, and see to what waits; the Guide has a thread for each, here they share one."""
        self.folder = self.folder or Path(tempfile.gettempdir(), f"zlab-titanic-{uuid.uuid4().hex}")
        disk = Disk(self.folder)
        dispatcher = Dispatcher(dispatch, disk, self.timeout)
        services = {
            mdp.Session(request, b"titanic.request", self.heartbeat, self.liveness): titanic_request,
            mdp.Session(reply, b"titanic.reply", self.heartbeat, self.liveness): titanic_reply,
            mdp.Session(close, b"titanic.close", self.heartbeat, self.liveness): titanic_close,
        }
        poller = zmq.Poller()
        for socket in (request, reply, close, dispatch):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(min(dispatcher.live(), *(session.live() for session in services))))
            for session, serve in services.items():
                received = session.receive() if session.worker in ready else None
                if received:
                    client, body = received
                    session.reply(client, serve(disk, body))
            if dispatch in ready:
                dispatcher.take()

    def close(self) -> None:
        """Remove what is on disk: the lab has ended."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def titanic_request(disk: Disk, body: Sequence[bytes]) -> list[bytes]:
    """Keep a request, a service and what to ask of it; tell its UUID."""
    if len(body) < 2 or not mdp.is_name(body[0]):  # noqa: PLR2004 - RFC 9: two or more frames
        return [UNKNOWN]
    if len(disk.waiting) >= MOST:
        return [ERROR]
    try:
        return [OK, disk.accept(body)]
    except OSError:  # the disk is full, or gone
        return [ERROR]


def titanic_reply(disk: Disk, body: Sequence[bytes]) -> list[bytes]:
    """Give the reply to a request, as often as it is asked for, once it is there."""
    reply = disk.reply(body[0]) if len(body) == 1 else None
    if reply is not None:
        return [OK, *reply]
    return [PENDING if len(body) == 1 and disk.request(body[0]) else UNKNOWN]


def titanic_close(disk: Disk, body: Sequence[bytes]) -> list[bytes]:
    """Forget a request and its reply; one that is not known is forgotten already."""
    if len(body) != 1:
        return [UNKNOWN]
    disk.close(body[0])
    return [OK]
