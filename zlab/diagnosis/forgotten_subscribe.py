"""A forgotten SUBSCRIBE: a SUB that asks for nothing gets nothing, nor does an XSUB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.diagnosis.facts import count, listed
from zlab.diagnosis.mistake import Mistake, Sign
from zlab.sockets import SUBSCRIBERS, node_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.diagnosis.facts import Facts, Use

_PATIENCE = 0.4  # seconds that a program has for it
_XSUB = (
    "Take SUB and socket.subscribe(''); an XSUB is for proxies and subscribes by what it sends: socket.send(b'\\x01') "
    "takes all, b'\\x01' and a prefix what begins with it"
)


def look(facts: Facts) -> Iterator[Sign]:
    """Each that waits without having asked for anything, or has been passed by."""
    figures = facts.sockets()
    for use in facts.uses.values():
        if use.type not in SUBSCRIBERS or use.subscriptions or not (use.binds or use.connects):
            continue
        if use.type == "XSUB" and _hands_on(facts, use):
            continue
        remedy = _XSUB if use.type == "XSUB" else ""
        lasted = min(facts.at, use.closed) - use.opened
        mine = figures.get(use.name)
        if lasted < _PATIENCE or (mine is not None and mine.received):
            continue
        aims = [aim for aim in facts.aims if aim.subscriber == use.name]
        passed = sum(max(0, aim.sent - aim.before) for aim in aims)
        if passed:
            publishers = listed(sorted({aim.publisher for aim in aims}))
            yield Sign(
                f"{use.name} is {use.type} and subscribes to nothing: {count(passed, 'message')} of {publishers} "
                f"{'has' if passed == 1 else 'have'} passed it by",
                (use.name,),
                remedy=remedy,
            )
        elif _waits(facts, use):
            words = f"{use.name} is {use.type}, subscribes to nothing, and waits in recv: nothing can come"
            yield Sign(words, (use.name,), remedy=remedy)


def _hands_on(facts: Facts, use: Use) -> bool:
    """Whether an XSUB is the back of a proxy: it asks for what the subscribers at the XPUB ask for, maybe nothing."""
    return any(u.type == "XPUB" and node_of(u.name) == node_of(use.name) for u in facts.uses.values())


def _waits(facts: Facts, use: Use) -> bool:
    return use.open and use.name in facts.waits.get(node_of(use.name), ())


MISTAKE = Mistake(
    "forgotten SUBSCRIBE",
    "Subscribe before you receive: socket.subscribe('') takes all, a prefix of the first frame takes what begins "
    "with it; in a topology, zlab.SUB.connect(..., subscribe='')",
    1,
    "Getting the Message Out",
    2,
    look,
)
