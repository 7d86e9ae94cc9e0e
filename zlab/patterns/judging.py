"""What the checks of the patterns have in common: each looks at what the lab has recorded, and at nothing else."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.patterns.pattern import NotYet
from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zlab.followed import Passage
    from zlab.lab import Lab

_FAILURES = {"kill", "restart", "fault", "fault over", "tune"}


def last_failure(lab: Lab) -> float:
    """When something was last done to the lab, in seconds since it started."""
    return max((event.at for event in lab.history() if event.kind in _FAILURES), default=0.0)


def called(lab: Lab, *names: str, alive: bool = False) -> list[str]:
    """The nodes of these names, numbered or not: ``worker`` stands for ``worker-1``, ``worker-2``, ...

    Args:
        lab: the lab.
        names: without their numbers.
        alive: leave out those that were killed.
    """
    gone = {node.name for node in lab.snapshot().nodes if alive and node.state == "killed"}
    plain = {node.name: re.sub(r"-\d+$", "", node.name) for node in lab.topology.nodes}
    return [node for node, name in plain.items() if name in names and node not in gone]


def received(passages: Iterable[Passage], *nodes: str, since: float = 0.0) -> list[Passage]:
    """What these nodes have received since then, in the order in which it came."""
    came = [p for p in passages if p.received is not None and p.received >= since and node_of(p.receiver) in nodes]
    return sorted(came, key=lambda p: p.received or 0.0)


def all_hear(passages: Iterable[Passage], nodes: Iterable[str], since: float = 0.0) -> int:
    """How many messages these nodes have received since then.

    Raises:
        NotYet: one of them has received none.
    """
    nodes = list(nodes)
    came = Counter(node_of(p.receiver) for p in received(passages, *nodes, since=since))
    deaf = [node for node in nodes if not came[node]]
    if deaf:
        raise NotYet(f"{', '.join(deaf)}: nothing received since second {since:.1f}; see lab.messages()")
    return came.total()


def home(passages: Iterable[Passage], clients: Iterable[str]) -> int:
    """How many replies have come to the client that asked: they bear its name.

    Raises:
        CheckFailed: one has come to another.
    """
    came = [p for p in received(passages, *clients) if p.frames]
    for reply in came:
        client = node_of(reply.receiver)
        if not reply.body.endswith(f" of {client}".encode()):
            raise CheckFailed(f"{client} has received {reply.body.decode(errors='replace')!r}, which is not for it")
    return len(came)


def once(passages: Iterable[Passage], *nodes: str) -> int:
    """How many messages these nodes have received together, none of them twice.

    Raises:
        CheckFailed: two of them have the same body.
    """
    seen = Counter(p.body for p in received(passages, *nodes) if p.frames)
    twice = [body for body, count in seen.items() if count > 1]
    if twice:
        raise CheckFailed(f"{twice[0].decode(errors='replace')[:60]!r} has come {seen[twice[0]]} times")
    return seen.total()


def nothing_gone(lab: Lab, *but: str) -> None:
    """Check that no message was dropped or lost on any link.

    Args:
        lab: the lab.
        but: reasons that are part of the bargain, such as ``not yet joined``; what stopping leaves is one.

    Raises:
        NotYet: it names the link, the number and the reason. What is long under way on a busy machine is told to be
            gone until it comes.
    """
    for link in lab.snapshot().links:
        for reason, count in {**link.dropped, **link.lost}.items():
            if count and reason not in {*but, "lab stopped"}:
                raise NotYet(f"{link.name}: {count} messages are gone, {reason}; see lab.ledger()")


def one_at_a_time(passages: Iterable[Passage], workers: Iterable[str]) -> None:
    """Check that none of these was sent a message before it had taken the one before.

    Raises:
        CheckFailed: it names the worker.
    """
    for worker in workers:
        came = received(passages, worker)
        for before, after in pairwise(came):
            if after.sent < (before.received or 0.0):
                waits = sum(1 for p in came if p.sent < (before.received or 0.0) <= (p.received or 0.0))
                raise CheckFailed(f"{waits} messages were waiting for {worker} at once, whatever the others did")
