"""PUSH stalled behind a slow worker: it deals out in turn, whoever is busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.diagnosis.facts import count, listed
from zlab.diagnosis.mistake import Mistake, Sign
from zlab.ledger.snapshot import NodeState
from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.diagnosis.facts import Facts

_DEALERS = {"PUSH", "DEALER"}
_MANY = 5  # messages that wait, at the least
_CALM = 0.4  # seconds for which the idle ones have been so
_MOSTLY = 0.6  # of the last second
_LONG = 1.0  # seconds that what waits will take: the last tasks always end unevenly


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
        rate = sum(link.rate for at, link in links if at.receiver in busy)
        if idle and busy and waiting >= max(_MANY, _LONG * rate):
            yield Sign(
                f"{count(waiting, 'message')} of {sender} ({figures[sender].type}) wait for {listed(busy)}, while "
                f"{listed(idle)} stand{'s' if len(idle) == 1 else ''} idle: it deals out in turn, whoever is busy",
                (sender, *busy),
                tuple(link.name for at, link in links if at.receiver in busy),
            )
        elif (
            figures[sender].type == "PUSH"
            and busy
            and waiting
            and (stands := _stands(facts, sender, waiting, len(busy), rate))
        ):
            receivers = tuple(dict.fromkeys(link.receiver for link, _ in links))
            yield Sign(
                f"{sender} {stands} behind {count(waiting, 'message')} that {listed(receivers)} "
                f"take{'s' if len(receivers) == 1 else ''} at {rate:.1f} a second",
                (sender, *receivers),
                tuple(link.name for _, link in links),
            )


def _stands(facts: Facts, sender: str, waiting: int, taken: int, rate: float) -> str:
    """How it waits for room, in words; "" where it does not, or will have some soon."""
    node, _, key = sender.rpartition(".")
    known = facts.nodes().get(node)
    if known is not None and known.state is NodeState.SEND and known.blocked_on == key:
        return f"has stood in send for {facts.at - known.since:.1f} s"
    use = facts.uses.get(sender)
    if use is None or waiting + taken + 1 < _LONG * rate:  # with those in the receivers' hands, and the sender's own
        return ""
    if use.held:
        return f"holds {count(use.held, 'message')} back in await send"
    return f"stands in send {use.stands:.0%} of the time" if use.stands > _MOSTLY else ""


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
