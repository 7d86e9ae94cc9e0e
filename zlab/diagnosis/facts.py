"""Facts: all that a diagnosis may look at; figures, threads and the uses of sockets, and no socket."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zlab.ledger.snapshot import NodeState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zlab.ledger.finding import Finding
    from zlab.ledger.snapshot import LinkFigures, NodeFigures, Snapshot, SocketFigures
    from zlab.topology import Link, Topology

_OVER = {NodeState.FINISHED, NodeState.KILLED, NodeState.FAILED, NodeState.STOPPED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How a program uses one socket, besides what it sends and receives; times in seconds since the lab started."""

    name: str
    """Its full name, as ``node.socket``."""
    type: str
    options: Mapping[str, object]
    opened: float
    closed: float = math.inf
    context: int = 0
    """Which context it belongs to; 0 where that makes no difference."""
    binds: tuple[str, ...] = ()
    """URLs as the program gives them, or names of endpoints."""
    connects: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    """Addresses that libzmq did not connect to."""
    answered: bool = False
    """Whether a peer outside has answered it."""
    subscriptions: tuple[bytes, ...] = ()
    out_of_step: int = 0
    """Calls that libzmq refused because it was not their turn (EFSM)."""
    threads: tuple[str, ...] = ()
    """The two threads that have used it at once, where that has happened."""
    by_turns: tuple[str, ...] = ()
    """Two threads that have used it by turns, with nothing that keeps them from using it at once."""
    stands: float = 0.0
    """The share of the last second in which it stood in send; of a PUSH alone."""
    held: int = 0
    """Messages that asyncio holds back, because libzmq has no room for them."""
    looked: int = 0
    """Messages to a peer that needs an empty delimiter frame, and of which the frames were seen."""
    bare: int = 0
    """How many of these were without one."""

    @property
    def open(self) -> bool:
        """Whether it has not been closed."""
        return self.closed == math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What one publisher has for one subscriber that faces it."""

    publisher: str
    subscriber: str
    before: int
    """Messages that it had sent when the subscriber came."""
    sent: int
    """Messages that it has sent by now."""
    matched: int = 0
    """How many of those that it has sent since were for this subscriber."""
    looked: int = 0
    """Messages that were not for it, and of which the frames were seen."""
    inside: int = 0
    """How many of these had what it asks for, not at their beginning."""
    early: int = 0
    """Of an XSUB: how many had what it has asked for since; a few are remembered."""


@dataclass(frozen=True, slots=True)
class Termination:
    """A thread that stands in ``term`` of a context."""

    thread: str
    context: int
    seconds: float
    """For how long it has stood there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at one look."""

    snapshot: Snapshot
    topology: Topology
    uses: Mapping[str, Use]
    """By the socket's full name; of a watched program also of sockets that are not drawn."""
    aims: Sequence[Aim] = ()
    waits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By node: the sockets that its thread, or its coroutines, wait to receive from, without a limit of time."""
    threads: Mapping[str, int] = field(default_factory=dict)
    """By node: its thread, which may be that of other nodes too."""
    terminations: Sequence[Termination] = ()
    published: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    """By publisher: how its last messages began, as far as they were looked at."""
    peaks: Mapping[str, int] = field(default_factory=dict)
    """By link: the most messages that have been seen to be queued on it."""
    found: Sequence[Finding] = ()
    """What has been found at this look already."""

    @property
    def at(self) -> float:
        """Seconds since the lab started."""
        return self.snapshot.at

    @property
    def running(self) -> bool:
        """Whether nobody holds it up: neither paused, nor stopped."""
        return self.snapshot.state == "running"

    def sockets(self) -> Mapping[str, SocketFigures]:
        """The figures of each socket, by its full name."""
        return {figures.name: figures for figures in self.snapshot.sockets}

    def nodes(self) -> Mapping[str, NodeFigures]:
        """The figures of each node, by its name."""
        return {figures.name: figures for figures in self.snapshot.nodes}

    def links(self) -> list[tuple[Link, LinkFigures]]:
        """Each link with its figures."""
        return list(zip(self.topology.links, self.snapshot.links, strict=False))

    def fed(self) -> Mapping[str, list[tuple[Link, LinkFigures]]]:
        """By the full name of a sending socket: its links."""
        fed: dict[str, list[tuple[Link, LinkFigures]]] = defaultdict(list)
        for link, figures in self.links():
            fed[link.sender].append((link, figures))
        return fed

    def is_over(self, node: str) -> bool:
        """Whether a node's function has ended."""
        known = self.nodes().get(node)
        return known is not None and known.state in _OVER

    def explained(self, sockets: Sequence[str]) -> bool:
        """Whether something that has been found already concerns one of these sockets."""
        return any(set(sockets) & set(finding.sockets) for finding in self.found)


def count(number: int, what: str) -> str:
    """A number of things, in words."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names in a sentence."""
    shown = list(names[:most])
    if len(names) > most:
        shown = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""
