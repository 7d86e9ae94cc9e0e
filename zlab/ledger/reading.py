"""A reading is all that one tick of the clock brings to the ledger: counts, states and traces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zlab.recording import Batch, Counts, Filter, Recording


@dataclass(frozen=True, slots=True)
class Strike:
    """A link was broken since the last tick, or is broken now, and what was under way may be gone."""

    sender: str
    receiver: str
    reason: str
    """Such as ``link cut``: what a message is lost by that turns out to be missing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a lab at one tick.

    The counters of running threads cannot be read at one instant. They are read twice, one
    round right after the other: what is received by the first round was sent by the second, and
    what was sent a tick ago has arrived by now where its receiver stands waiting. Between these
    two lies the truth.
    """

    at: float
    """Seconds since the lab started."""
    first: Mapping[Recording, Counts]
    second: Mapping[Recording, Counts]
    idle: frozenset[str]
    """Sockets (``node.socket``) whose thread waits in recv on an empty queue."""
    traces: Mapping[Recording, Batch]
    closed: frozenset[str]
    """Sockets that were closed since the last tick, because their node was killed or failed, or by the node itself."""
    live: frozenset[str]
    """Nodes whose sockets are open."""
    stopped: bool
    full: bool
    """Whether every message was traced since the last tick."""
    strikes: tuple[Strike, ...] = ()
    """The links that are broken, or were since the last tick."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """By node: how many messages per second it is to send, of those that have a rate."""
    steered: bool = False
    """Whether a person has paused the lab or slowed it down since the last tick."""
    barred: Mapping[int, bool] = field(default_factory=dict)
    """The links, by their places, whose handshake has failed each time; whether for good, and with what was queued."""
    undelimited: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By sockets that send to none but REQ and REP: of how many messages the frames were seen, and how many of these
    had no empty frame before the body, all since the lab started."""
    entered: int = 0
    """When the first send began that may have left and was not written down, on the clock of the traces; 0: none."""
    matched: Mapping[Filter, int] = field(default_factory=dict)
    """What had matched for each XSUB of a proxy right after it was asked how much has come."""
    gap: bool = False
    """Whether messages went untraced though all were to be traced."""
