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
_ALONE = (
    "Send before you receive; or give each end a thread or a coroutine of its own, of which one sends first; and where "
    "a message may get lost, never wait without a limit"
)


def look(facts: Facts) -> Iterator[Sign]:
    """Each group of threads that wait for each other, and for nobody else; or one that waits for itself."""
    if not facts.running:
        return
    for group in _groups(facts, _stuck(facts)):
        nodes = [node for node in group if facts.waits.get(node)]
        sockets = tuple(socket for node in nodes for socket in facts.waits[node])
        if facts.explained(sockets) or any(_passes_by(facts, socket) for socket in sockets):
            continue
        known = facts.nodes()
        lasted = min(facts.at - known[node].since for node in nodes)
        told = [f"{node} in recv on {', '.join(s.rpartition('.')[2] for s in facts.waits[node])}" for node in nodes]
        alone = len({_thread(facts, node) for node in group}) == 1
        who = "it has waited for what only its own thread could send"
        if not alone:
            who = "each has waited for another of them to send first"
        elif len(nodes) > 1:
            who = "each has waited for another of the same thread to send first"
        yield Sign(
            f"{listed(told)}: for {lasted:.1f} s {who}",
            sockets,
            tuple(str(link) for link in facts.topology.links if link.source in group and link.receiver in sockets),
            remedy=_ALONE if alone else "",
        )


def _thread(facts: Facts, node: str) -> object:
    return facts.threads.get(node, node)


def _passes_by(facts: Facts, socket: str) -> bool:
    """Whether something was published for this subscriber, or past it: then it does not wait for the first word."""
    figures = facts.sockets()
    if socket not in figures or figures[socket].type != "SUB" or figures[socket].received:
        return False
    return any(figures[link.sender].sent for link in facts.topology.links if link.receiver == socket)


def _stuck(facts: Facts) -> dict[str, set[str]]:
    """The nodes whose threads can only be woken by others of them, each with those."""
    nodes = facts.nodes()
    senders: dict[str, set[str]] = defaultdict(set)
    for link in facts.topology.links:
        senders[link.receiver].add(link.source)
    together: dict[object, list[str]] = defaultdict(list)
    for name in nodes:
        together[_thread(facts, name)].append(name)
    waiting: dict[object, set[str]] = {}
    for thread, mine in together.items():
        waits = [node for node in mine if facts.waits.get(node)]
        if (
            waits
            and all(nodes[n].state is NodeState.RECV and facts.at - nodes[n].since >= _PATIENCE for n in waits)
            and all(senders[socket] for node in waits for socket in facts.waits[node])
        ):
            waiting[thread] = {sender for node in waits for socket in facts.waits[node] for sender in senders[socket]}
    while loose := [t for t, by in waiting.items() if not {_thread(facts, node) for node in by} <= waiting.keys()]:
        for thread in loose:
            del waiting[thread]
    return {node: by for thread, by in waiting.items() for node in together[thread]}


def _groups(facts: Facts, stuck: dict[str, set[str]]) -> Iterator[list[str]]:
    """Those that wait for each other, directly or not; in the order of the topology."""
    left = [node.name for node in facts.topology.nodes if node.name in stuck]
    while left:
        group, edge = [left[0]], [left[0]]
        while edge:
            here = edge.pop()
            near = [n for n in left if n not in group and _are_near(facts, here, n, stuck)]
            group += near
            edge += near
        yield [node for node in left if node in group]
        left = [node for node in left if node not in group]


def _are_near(facts: Facts, one: str, other: str, stuck: dict[str, set[str]]) -> bool:
    return other in stuck[one] or one in stuck[other] or _thread(facts, one) == _thread(facts, other)


MISTAKE = Mistake(
    "deadlock of receivers",
    "Let one of them send first; and where a message may get lost, never wait without a limit: poll with a time-out, "
    "then ask again",
    4,
    "Client-Side Reliability (Lazy Pirate Pattern)",
    3,
    look,
)
