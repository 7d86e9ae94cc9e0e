"""PUSH stalled behind a slow worker: it deals out in turn, whoever is busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.diagnosis.facts import count, listed, node_of
from zlab.diagnosis.mistake import Mistake, Sign
from zlab.ledger.snapshot import NodeState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zlab.diagnosis.facts import Facts
    from zlab.ledger.snapshot import LinkFigures
    from zlab.topology import Link

_DEALERS = {"PUSH", "DEALER"}
_MANY = 5  # messages that wait, at the least
_CALM = 0.4  # seconds for which the idle ones have been so


def look(facts: Facts) -> Iterator[Sign]:
    """Each socket that deals out in turn, and whose messages wait for one peer while others have nothing to do."""
    if not facts.running:
        return
    figures = facts.sockets()
    for sender, links in facts.fed().items():
        if sender not in figures or figures[sender].type not in _DEALERS or facts.explained([sender]):
            continue
        waiting = sum(link.queued for _, link in links)
        idle = [link.receiver for link, _ in links if _is_idle(facts, link.receiver)]
        busy = [link.receiver for link, _ in links if link.receiver not in idle and _lives(facts, link.receiver)]
        if idle and busy and waiting >= _MANY:
            yield Sign(
                f"{count(waiting, 'message')} of {sender} ({figures[sender].type}) wait for {listed(busy)}, while "
                f"{listed(idle)} stand{'s' if len(idle) == 1 else ''} idle: it deals out in turn, whoever is busy",
                (sender, *busy),
                tuple(link.name for at, link in links if at.receiver in busy),
            )
        elif figures[sender].type == "PUSH" and busy and waiting and _is_stuck(facts, sender):
            yield _stuck(facts, sender, links, waiting)


def _stuck(facts: Facts, sender: str, links: Sequence[tuple[Link, LinkFigures]], waiting: int) -> Sign:
    stands = facts.at - facts.nodes()[node_of(sender)].since
    rate = sum(link.rate for _, link in links)
    receivers = tuple(dict.fromkeys(link.receiver for link, _ in links))
    return Sign(
        f"{sender} has stood in send for {stands:.1f} s behind {count(waiting, 'message')} that {listed(receivers)} "
        f"take{'s' if len(receivers) == 1 else ''} at {rate:.1f} a second",
        (sender, *receivers),
        tuple(link.name for _, link in links),
    )


def _is_stuck(facts: Facts, sender: str) -> bool:
    node, _, key = sender.rpartition(".")
    known = facts.nodes().get(node)
    return known is not None and known.state is NodeState.SEND and known.blocked_on == key


def _is_idle(facts: Facts, receiver: str) -> bool:
    known = facts.nodes().get(node_of(receiver))
    waits = receiver in facts.waits.get(node_of(receiver), ())
    return known is not None and waits and facts.at - known.since >= _CALM


def _lives(facts: Facts, receiver: str) -> bool:
    use, known = facts.uses.get(receiver), facts.nodes().get(node_of(receiver))
    paused = known is not None and known.state is NodeState.PAUSED
    return use is not None and use.open and not paused and not facts.is_over(node_of(receiver))


MISTAKE = Mistake(
    "PUSH stalled behind a slow worker",
    "Let workers ask for work, with READY messages to a ROUTER that sends to whoever is free; or keep their queues "
    "short with RCVHWM and SNDHWM of 1, so that what waits is not dealt out yet",
    3,
    "The Load Balancing Pattern",
    1,
    look,
)
