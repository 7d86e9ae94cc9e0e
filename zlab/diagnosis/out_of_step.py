"""REQ and REP out of step: they send and receive by turns, and refuse anything else (EFSM)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.diagnosis.facts import count
from zlab.diagnosis.mistake import Mistake, Sign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.diagnosis.facts import Facts

_TURNS = {"REQ": "send, then recv", "REP": "recv, then send"}


def look(facts: Facts) -> Iterator[Sign]:
    """Each socket that has refused a call because it was not its turn."""
    figures = facts.sockets()
    for use in facts.uses.values():
        if use.out_of_step and use.type in _TURNS and not facts.explained([use.name]):
            mine = figures.get(use.name)
            after = f" after it had sent {mine.sent:,} and received {mine.received:,}" if mine is not None else ""
            yield Sign(
                f"{use.name} is {use.type}, whose turns are {_TURNS[use.type]}: it has refused "
                f"{count(use.out_of_step, 'call')} out of turn with EFSM{after}",
                (use.name,),
            )


MISTAKE = Mistake(
    "REQ/REP out of step",
    "Keep to the turns; to send several requests, or several replies to one, take DEALER and ROUTER; to ask again "
    "after a time-out, close the REQ and open another, or set REQ_RELAXED and REQ_CORRELATE",
    1,
    "Ask and Ye Shall Receive",
    3,
    look,
)
