"""A forgotten SUBSCRIBE: a SUB that asks for nothing gets nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.diagnosis.facts import count, listed, node_of
from zlab.diagnosis.mistake import Mistake, Sign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.diagnosis.facts import Facts, Use

_PATIENCE = 0.4  # seconds that a program has for it


def look(facts: Facts) -> Iterator[Sign]:
    """Each SUB that waits without having asked for anything, or has been passed by."""
    figures = facts.sockets()
    for use in facts.uses.values():
        if use.type != "SUB" or use.subscriptions or not (use.binds or use.connects):
            continue
        lasted = min(facts.at, use.closed) - use.opened
        mine = figures.get(use.name)
        if lasted < _PATIENCE or (mine is not None and mine.received):
            continue
        aims = [aim for aim in facts.aims if aim.subscriber == use.name]
        passed = sum(max(0, aim.sent - aim.before) for aim in aims)
        if passed:
            publishers = listed(sorted({aim.publisher for aim in aims}))
            yield Sign(
                f"{use.name} is SUB and subscribes to nothing: {count(passed, 'message')} of {publishers} "
                f"{'has' if passed == 1 else 'have'} passed it by",
                (use.name,),
            )
        elif _waits(facts, use):
            yield Sign(f"{use.name} is SUB, subscribes to nothing, and waits in recv: nothing can come", (use.name,))


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
