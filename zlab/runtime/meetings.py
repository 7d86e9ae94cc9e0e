"""Meetings: a socket that connects and the one that binds, and every connection that has come about between them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zlab.ledger.snapshot import Connection

if TYPE_CHECKING:
    import zmq

    from zlab.recording import Recording

KEPT = 50
"""Connections that are remembered of each meeting; older ones are let go."""


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
