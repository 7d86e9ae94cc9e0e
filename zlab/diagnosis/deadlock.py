"""A deadlock of receivers: each waits in recv for another that waits too, and nobody will ever send."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from zlab.diagnosis.facts import listed
from zlab.diagnosis.mistake import Mistake, Sign
from zlab.ledger.snapshot import NodeState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.diagnosis.facts import Facts

_PATIENCE = 1.0  # seconds for which nothing has moved


def look(facts: Facts) -> Iterator[Sign]:
    """Each group of nodes that wait for each other, and for nobody else."""
    if not facts.running:
        return
    stuck = _stuck(facts)
    for group in _groups(facts, stuck):
        sockets = tuple(socket for node in group for socket in facts.waits[node])
        if len(group) < 2 or facts.explained(sockets):  # noqa: PLR2004 - one that waits for itself is none
            continue
        nodes = facts.nodes()
        lasted = min(facts.at - nodes[node].since for node in group)
        told = [f"{node} in recv on {', '.join(s.rpartition('.')[2] for s in facts.waits[node])}" for node in group]
        yield Sign(
            f"{listed(told)}: for {lasted:.1f} s each has waited for another of them to send first",
            sockets,
            tuple(str(link) for link in facts.topology.links if link.sender in sockets and link.receiver in sockets),
        )


def _stuck(facts: Facts) -> dict[str, set[str]]:
    """The nodes that can only be woken by others of them, each with those."""
    nodes = facts.nodes()
    senders: dict[str, set[str]] = defaultdict(set)
    for link in facts.topology.links:
        senders[link.receiver].add(link.source)
    waiting = {
        node: {sender for socket in sockets for sender in senders[socket]}
        for node, sockets in facts.waits.items()
        if sockets
        and nodes[node].state is NodeState.RECV
        and facts.at - nodes[node].since >= _PATIENCE
        and all(senders[socket] for socket in sockets)
    }
    while loose := [node for node, by in waiting.items() if not by <= waiting.keys()]:
        for node in loose:
            del waiting[node]
    return waiting


def _groups(facts: Facts, stuck: dict[str, set[str]]) -> Iterator[list[str]]:
    """Those that wait for each other, directly or not; in the order of the topology."""
    left = [node.name for node in facts.topology.nodes if node.name in stuck]
    while left:
        group, edge = [left[0]], [left[0]]
        while edge:
            here = edge.pop()
            near = [n for n in left if n not in group and (n in stuck[here] or here in stuck[n])]
            group += near
            edge += near
        yield [node for node in left if node in group]
        left = [node for node in left if node not in group]


MISTAKE = Mistake(
    "deadlock of receivers",
    "Let one of them send first; and where a message may get lost, never wait without a limit: poll with a time-out, "
    "then ask again",
    4,
    "Client-Side Reliability (Lazy Pirate Pattern)",
    3,
    look,
)
