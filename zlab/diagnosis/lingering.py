"""A context that does not end: ``term`` waits for open sockets, and for what closed ones have not sent yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.diagnosis.facts import count, listed
from zlab.diagnosis.mistake import Mistake, Sign
from zlab.sockets import PUBLISHERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.diagnosis.facts import Facts, Use

_PATIENCE = 1.0  # seconds: to end takes a moment in any program


def look(facts: Facts) -> Iterator[Sign]:
    """Each thread that has stood in ``term`` for long."""
    for term in facts.terminations:
        if term.seconds < _PATIENCE:
            continue
        mine = [use for use in facts.uses.values() if use.context == term.context]
        stands = f"term() has stood in {term.thread} for {term.seconds:.1f} s"
        open_ = tuple(use.name for use in mine if use.open)
        if open_:
            verb = "is" if len(open_) == 1 else "are"
            yield Sign(
                f"{stands}: {listed(open_)} {verb} still open",
                open_,
                remedy="Close every socket before the context ends, each in the thread that uses it: with a with "
                "statement, or where that thread's recv raises ContextTerminated",
            )
            continue
        lingering = [use for use in mine if use.options.get("linger", -1) != 0 and not facts.explained([use.name])]
        unsent = [(use, left) for use in lingering if (left := _left(facts, use))]
        if unsent:
            told = [f"{count(left, 'message')} of {use.name} {_linger(use)}" for use, left in unsent]
            yield Sign(
                f"{stands}: it waits until somebody takes {listed(told)}",
                tuple(use.name for use, _ in unsent),
                certain=len(unsent) == 1,
            )


def _left(facts: Facts, use: Use) -> int:
    """Messages that it has sent and that are not known to have come."""
    figures = facts.sockets().get(use.name)
    if figures is None or use.type in PUBLISHERS:  # what nobody has subscribed to is gone
        return 0
    rows = [row for _, row in facts.fed().get(use.name, ())]
    gone = sum(row.delivered + sum(row.dropped.values()) + sum(row.lost.values()) for row in rows)
    return max(0, figures.sent - gone)


def _linger(use: Use) -> str:
    linger = use.options.get("linger", -1)
    return "(LINGER is without end)" if linger == -1 else f"(LINGER {linger} ms)"


MISTAKE = Mistake(
    "LINGER holds term",
    "Set LINGER before you close: socket.linger = 0 drops what has not been sent, 1000 gives it a second; "
    "context.destroy(linger=0) does so for all",
    1,
    "Making a Clean Exit",
    3,
    look,
)
