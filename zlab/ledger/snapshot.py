"""A snapshot is all that a view may see of a lab at one tick of its clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zlab.ledger.cost import Cost
    from zlab.ledger.finding import Finding
    from zlab.recording import Event


class NodeState(StrEnum):
    """What a node is doing, as far as a sample of its thread can tell."""

    STARTING = "starting"
    RUNNING = "running"
    RECV = "blocked in recv"
    SEND = "blocked in send"
    PAUSED = "paused"
    KILLED = "killed"
    FAILED = "failed"
    FINISHED = "finished"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """One node at one tick."""

    name: str
    state: NodeState
    since: float
    """When it entered this state, in seconds since the lab started."""
    blocked_on: str = ""
    """The socket (its name within the node) on which it is blocked, or ""."""
    knobs: Mapping[str, float] = field(default_factory=dict)
    """What can be tuned while it runs: ``rate`` (messages per second), ``size`` (bytes)."""
    traceback: str = ""
    """Why it failed, or ""."""


@dataclass(frozen=True, slots=True)
class SocketFigures:
    """One socket at one tick; counts are since the lab started, rates over the last second."""

    name: str
    """As ``node.socket``."""
    type: str
    urls: tuple[str, ...]
    options: Mapping[str, object]
    sent: int
    received: int
    refused: int
    """How often ``send`` raised EAGAIN or EHOSTUNREACH."""
    bytes_sent: int
    bytes_received: int
    send_rate: float
    """Messages per second."""
    receive_rate: float
    """Messages per second."""


@dataclass(frozen=True, slots=True)
class LatencyFigures:
    """Quantiles of a latency, in seconds, of the messages that were traced."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True, slots=True)
class LinkFigures:
    """Where the messages of one link are: expected = delivered + queued + dropped + lost + unaccounted."""

    name: str
    """As ``source.out → sink.inbox``."""
    expected: int
    """Deliveries that the socket type promises for what was sent."""
    delivered: int
    queued: int
    dropped: Mapping[str, int]
    """Reason to count: high-water mark, not yet joined, no subscriber, ..."""
    lost: Mapping[str, int]
    """Reason to count: peer killed, ..."""
    filtered: int
    """Not a loss: what the receiver did not subscribe to."""
    uncertain: int
    """How many of this row's messages may belong to a neighbouring row or column; 0 is exact."""
    bytes: int
    """Delivered, in bytes."""
    rate: float
    """Delivered messages per second, over the last second."""
    byte_rate: float
    capacity: int
    """Messages that the high-water marks let queue here; 0 where there is no limit."""
    latency: LatencyFigures | None
    """Of the last seconds, or None where nothing was traced."""
    duplicated: int = 0
    """How many of the expected are copies that a fault made."""
    proxied: bool = False
    """Whether one of its ends is served by a ``zmq.proxy``: what passes there is counted, and has no latency."""

    @property
    def unaccounted(self) -> int:
        """What no word explains: zero in a lab that zlab built."""
        gone = sum(self.dropped.values()) + sum(self.lost.values())
        return self.expected - self.delivered - self.queued - gone


@dataclass(frozen=True, slots=True)
class Flight:
    """One traced message that crossed a link."""

    link: int
    """Index into `Snapshot.links`."""
    kind: int
    """Index into `Snapshot.kinds`: its topic, or the type of message."""
    sent: float
    """When ``send`` was called, in seconds since the lab started."""
    received: float
    """When ``recv`` returned, in seconds since the lab started."""
    size: int
    """Bytes, all frames together."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection of a link, from its first attempt to its end.

    Times are in seconds since the lab started; None: it has not happened, or is none of this transport.
    """

    link: int
    """Index into the topology's links."""
    number: int
    """The how-manieth of this link it is, from 1: another begins when ZeroMQ reconnects or a node restarts."""
    connecting: float
    """When connect was called, or ZeroMQ began to try again."""
    up: float | None = None
    """When the transport had connected; over inproc, when both ends had bound and connected."""
    handshake: float | None = None
    """When the ZMTP handshake had succeeded, at the end that connects (RFC 23); none over inproc."""
    subscribed: float | None = None
    """When the subscription was known to have reached the publisher; only from PUB and XPUB."""
    first_message: float | None = None
    """When the first message over it was received."""
    disconnected: float | None = None
    """When it ended."""
    retries: int = 0
    """Attempts that found nobody, before it was up."""
    reason: str = ""
    """Why the handshake failed or the connection ended, or ""."""

    @property
    def stage(self) -> str:
        """How far it has come, in a word or two."""
        if self.disconnected is not None:
            return "disconnected"
        if self.reason:
            return "handshake failed"
        if self.up is None:
            return "retrying" if self.retries else "connecting"
        if self.first_message is not None:
            return "carries messages"
        return "subscribed" if self.subscribed is not None else "connected"


@dataclass(frozen=True, slots=True)
class FaultFigures:
    """A fault that is on."""

    number: int
    """The how-manieth of this lab it is, from 1."""
    fault: str
    """It and its settings, such as ``Delay(seconds=0.05)``."""
    target: str
    """What it befalls, as a person names it."""
    nodes: tuple[str, ...]
    """The nodes that it befalls."""
    links: tuple[str, ...]
    """The links that it befalls, by name."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A lab at one tick: nodes and links stand in the order of the topology's."""

    sequence: int
    at: float
    """Seconds since the lab started."""
    state: str
    """``running``, ``paused`` or ``stopped``."""
    speed: float
    """1.0 is full speed, 0.1 ten times slower."""
    nodes: tuple[NodeFigures, ...]
    sockets: tuple[SocketFigures, ...]
    links: tuple[LinkFigures, ...]
    flights: tuple[Flight, ...]
    """The messages traced since the last tick."""
    kinds: tuple[str, ...]
    """The names of the colours, in order of first appearance; it only grows, to at most 8."""
    end_to_end: Mapping[str, LatencyFigures]
    """Latency from first send to last receive, by path, such as ``ventilator → sink``."""
    sampling: int
    """1: every message is traced; n: about one message in n is."""
    cost: Cost
    """What watching costs."""
    events: tuple[Event, ...]
    """What happened since the last tick."""
    why: str = field(default="", kw_only=True)
    """Why messages are held, in words: a breakpoint that was met, what is paused by itself; or ""."""
    connections: tuple[Connection, ...] = field(default=(), kw_only=True)
    """The latest connection of each link, as far as any has begun; none of a program that is only watched."""
    faults: tuple[FaultFigures, ...] = field(default=(), kw_only=True)
    """Those that are on."""
    findings: tuple[Finding, ...] = field(default=(), kw_only=True)
    """Mistakes in the use of ZeroMQ that are seen, the worst first; looked for twice a second."""
    paused_links: tuple[str, ...] = field(default=(), kw_only=True)
    """The links that are paused by themselves, by name."""
