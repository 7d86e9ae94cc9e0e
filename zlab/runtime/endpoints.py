"""Endpoints: from the bare names of a topology to the URLs that sockets bind and connect."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from zlab.sockets import TopologyError
from zlab.topology import TRANSPORTS, is_url

if TYPE_CHECKING:
    from zlab.runtime.relay import Relay


class Endpoints:
    """The URLs of one running topology; a name keeps its URL for as long as the lab lives."""

    def __init__(self, transport: str) -> None:
        """Take the transport that bare names resolve to.

        Raises:
            TopologyError: there is no such transport.
        """
        if transport not in TRANSPORTS:
            raise TopologyError(f"no transport {transport!r}: choose one of {', '.join(TRANSPORTS)}")
        self.transport = transport
        self.urls: dict[str, str] = {}
        self.relay: Relay | None = None
        """What carries the bytes of tcp connections, if anything does."""
        self._folder: str | None = None

    def to_bind(self, endpoint: str) -> str:
        """The URL to bind: for tcp, one that lets the system choose a port the first time."""
        if endpoint in self.urls:
            return self.urls[endpoint]
        if is_url(endpoint):
            return endpoint
        if self.transport == "tcp":
            return "tcp://127.0.0.1:*"
        return self.of(endpoint)

    def of(self, endpoint: str) -> str:
        """The URL to connect to.

        Raises:
            KeyError: a tcp name that nobody has bound yet.
        """
        if endpoint in self.urls:  # also that of a URL with a wildcard
            return self.urls[endpoint]
        if is_url(endpoint):
            return endpoint
        if self.transport == "tcp":
            raise KeyError(endpoint)
        if self.transport == "ipc":
            if self._folder is None:
                self._folder = tempfile.mkdtemp(prefix="zlab-")
            return f"ipc://{self._folder}/{endpoint}"
        return f"inproc://{endpoint}"

    def to_connect(self, socket: str, endpoint: str) -> str:
        """The URL that a socket, named ``node.socket``, is to connect to: that of the relay where there is one.

        Raises:
            KeyError: a tcp name that nobody has bound yet.
        """
        url = self.of(endpoint)
        if self.relay is None or not url.startswith("tcp://"):
            return url
        return self.relay.route((socket, endpoint), url)

    def carried(self, socket: str, endpoint: str) -> bool:
        """Whether the relay, where there is one, has passed on all that it has taken of a socket's connection."""
        return self.relay is None or self.relay.empty((socket, endpoint))

    def bound(self, endpoint: str, url: str) -> None:
        """Remember the URL that a bind gave."""
        self.urls[endpoint] = url

    def uses_inproc(self, endpoint: str) -> bool:
        """Whether this endpoint lives within one context."""
        return endpoint.startswith("inproc://") if is_url(endpoint) else self.transport == "inproc"

    def uses_tcp(self, endpoint: str) -> bool:
        """Whether connections to this endpoint are made by tcp."""
        return endpoint.startswith("tcp://") if is_url(endpoint) else self.transport == "tcp"

    def close(self) -> None:
        """End the relay, and remove the files of ipc endpoints."""
        if self.relay is not None:
            self.relay.close()
        for url in self.urls.values():
            if url.startswith("ipc://") and self._folder is not None and url.startswith(f"ipc://{self._folder}"):
                Path(url.removeprefix("ipc://")).unlink(missing_ok=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
