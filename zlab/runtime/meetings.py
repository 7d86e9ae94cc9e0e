"""Meetings: a socket that connects and the one that binds, and every connection that has come about between them."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zlab.ledger.snapshot import Connection
from zlab.sockets import PUBLISHERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import zmq

    from zlab.recording import Recording
    from zlab.runtime.endpoints import Endpoints
    from zlab.topology import Topology

KEPT = 50
"""Connections that are remembered of each meeting; older ones are let go."""

_LOOSE = {"udp", "pgm", "epgm", "norm"}  # transports without connections: both ends are there, or they are not


@dataclass(slots=True)
class Attempt:
    """One connection of two sockets, as it comes about; times in seconds since the lab started."""

    number: int
    connecting: float
    again: bool
    """Whether it was ZeroMQ that began it, by itself."""
    up: float | None = None
    handshake: float | None = None
    subscribed: float | None = None
    disconnected: float | None = None
    retries: int = 0
    reason: str = ""
    sure: bool = False
    """Whether it is known to the side that connects why its handshake failed."""
    verdict: str = ""
    """What the side that binds has told of its failed handshake, where the side that connects was told nothing."""
    fd: int = -1
    proven: tuple[bytes, ...] | None = None
    """The prefixes that are known to have arrived."""
    proving: tuple[bytes, ...] | None = None
    first: dict[int, float] = field(default_factory=dict)
    """By link: when its first message was received."""
    base: dict[int, int] = field(default_factory=dict)
    """By link: what had been delivered before."""

    @property
    def alive(self) -> bool:
        """Whether it may still carry something."""
        return self.disconnected is None

    def by(self, told: float | None) -> float | None:
        """When something was so, from when it was told: a message can have come while it was still being told."""
        came = min((at for at in self.first.values() if at >= self.connecting), default=told)
        return told if told is None or came is None else min(told, came)

    @property
    def why(self) -> str:
        """Why its handshake failed or it ended, as far as either side knows; or ""."""
        return self.reason if self.sure else self.verdict or self.reason


@dataclass(slots=True, eq=False)
class Meeting:
    """A socket that connects to an endpoint, and the socket of the lab that binds it, where there is one."""

    connector: str
    binder: str
    endpoint: str
    unheard: bool
    """Whether no monitor tells of it: over inproc, and where there are no connections."""
    links: tuple[int, ...]
    fed: int = -1
    """The link of a publisher among them, or -1."""
    loose: bool = False
    """Whether its transport has no connections, as udp and the multicast ones."""
    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=KEPT))
    begun: int = 0
    admitted: bool = False
    """Whether a handshake of theirs has ever succeeded."""
    refused: bool = False
    """Whether one has ever failed."""
    url: str = ""

    @property
    def last(self) -> Attempt | None:
        """The latest attempt."""
        return self.attempts[-1] if self.attempts else None

    def tell(self, attempt: Attempt, link: int) -> Connection:
        """One of its connections, as one of its links sees it."""
        # A message that has come is as good a proof of a subscription as any.
        first = attempt.first.get(link)
        known = [at for at in (attempt.subscribed, first) if at is not None] if link == self.fed else []
        return Connection(
            link=link,
            number=attempt.number,
            connecting=attempt.connecting,
            up=attempt.by(attempt.up),
            handshake=attempt.by(attempt.handshake),
            subscribed=min(known, default=None),
            first_message=first,
            disconnected=attempt.disconnected,
            retries=attempt.retries,
            reason=attempt.why,
        )


@dataclass(slots=True)
class End:
    """One socket of a life that is not over."""

    socket: zmq.Socket[Any]
    recording: Recording
    mailbox: int = -1
    """Its ``ZMQ_FD``, or -1 over inproc."""
    bound: set[str] = field(default_factory=set)
    accepted: set[int] = field(default_factory=set)
    """File descriptors of the connections that it has accepted."""
    pending: int = 0
    """How many of these have not finished their handshake."""
    failing: int = 0
    muddled: bool = False
    """Whether it cannot be told which of them has: one has left without a word."""


class Meetings:
    """Who of a lab meets whom, and the sockets of it that are open.

    Args:
        topology: what runs.
        endpoints: tells which of its endpoints are inproc.
        began: when the lab began, as ``time.perf_counter`` told.
    """

    def __init__(self, topology: Topology, endpoints: Endpoints, began: float) -> None:
        """Find out who will meet whom; nothing is open yet."""
        self.changed = threading.Condition()
        """Held by whoever reads or writes any of this; notified when a link has come farther."""
        self.links = topology.links
        self.specs = dict(topology.sockets())
        self.all = tuple(self._meet(topology, endpoints))
        self.connected = {name: [m for m in self.all if m.connector == name] for name in self.specs}
        self.bound = {name: [m for m in self.all if m.binder == name] for name in self.specs}
        self.of_link = {link: meeting for meeting in self.all for link in meeting.links}
        self.ends: dict[str, End] = {}
        """By its full name: each socket of a life that is not over."""
        self.delivered: tuple[int, ...] = (0,) * len(topology.links)
        """By link: the messages that have been received."""
        self._began = began

    def _meet(self, topology: Topology, endpoints: Endpoints) -> Iterator[Meeting]:
        binders = {endpoint: name for name, spec in topology.sockets() for endpoint in spec.binds}
        links = {(link.sender, link.receiver, link.endpoint): i for i, link in enumerate(topology.links)}
        for name, spec in topology.sockets():
            for endpoint in spec.connects:
                binder = binders.get(endpoint, "")
                ways = [w for w in ((name, binder, endpoint), (binder, name, endpoint)) if w in links]
                fed = [links[w] for w in ways if self.specs[w[0]].type in PUBLISHERS]
                inproc, loose = endpoints.uses_inproc(endpoint), endpoint.partition("://")[0] in _LOOSE
                met = tuple(links[w] for w in ways)
                yield Meeting(name, binder, endpoint, inproc or loose, met, fed[0] if fed else -1, loose)

    def now(self) -> float:
        """Seconds since the lab began."""
        return time.perf_counter() - self._began

    def begin(self, meeting: Meeting, *, again: bool) -> Attempt:
        """Remember one more connection of a meeting; again says whether ZeroMQ began it by itself."""
        meeting.begun += 1
        attempt = Attempt(meeting.begun, self.now(), again)
        attempt.base = {link: self.delivered[link] for link in meeting.links}
        meeting.attempts.append(attempt)
        return attempt
