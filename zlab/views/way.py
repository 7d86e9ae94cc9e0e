"""The way of a message, hop by hop, and the last hops at a node or a link, as the browser is told them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zlab.ledger.arrows import NOBODY
from zlab.sockets import node_of
from zlab.views import message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zlab.ledger.arrows import Arrows
    from zlab.ledger.hops import Hop

LAST = 8
"""Messages that are told of one node or link."""
_SEARCHED = 4_000  # hops among which they are looked for
_AT_ONCE = 200  # of these


def frames(hop: Hop) -> tuple[bytes, ...]:
    """What was sent, as far as it was kept."""
    return hop.crossing.trace.frames


def said(hop: Hop) -> str:
    """The word that stands for a message beside its arrow."""
    return message.word(hop.crossing.recording.type, frames(hop), hop.crossing.trace.head)


def tell(arrows: Arrows, number: int) -> dict[str, Any]:
    """A message with its frames, and all hops of its journey; or under ``error`` why there is none.

    Args:
        arrows: what is remembered.
        number: of one of its hops.
    """
    try:
        hop = arrows.get(number)
    except LookupError as error:
        return {"number": number, "error": str(error)}
    hops = _hops(arrows, arrows.way(number))
    here = next(each for each in hops if each["number"] == number)
    shown = message.Message(
        number=hop.crossing.message,
        hop=hop.crossing.hop,
        link=f"{here['from']} → {here['to'] or '?'}",
        socket=hop.crossing.recording.type,
        size=hop.crossing.trace.size,
        frames=frames(hop),
        fate=here["fate"],
        begins=hop.crossing.trace.head,
    )
    return {"number": number, **shown.told(), "ambiguous": hop.crossing.ambiguous, "way": hops}


def latest(arrows: Arrows, node: str, link: tuple[str, str] | None, until: float) -> dict[str, Any]:
    """The last hops that a node, or one link, has seen, the newest first.

    Args:
        arrows: what is remembered.
        node: its name.
        link: the sender and the receiver, as ``node.socket``; None is all that the node sends and receives.
        until: the moment for which they are told, in seconds since the lab started.

    Returns:
        ``hops``, and under ``note`` why there are not more of them, or "".
    """
    span = arrows.span
    end = arrows.sent_by(until)
    found: list[int] = []
    first = max(span.start, end - _SEARCHED)
    while end > first and len(found) < LAST:
        begin = max(first, end - _AT_ONCE)
        for number, hop in reversed(arrows.chosen(range(begin, end))):
            sender, receiver = hop.crossing.sender, hop.receiver if hop.received else ""
            ends = {node_of(sender), node_of(receiver)}
            if (sender, receiver) == link if link else node in ends:
                found.append(number)
        end = begin
    told = _hops(arrows, sorted(found[:LAST]))[::-1]
    for each in told:
        if each["received"] is not None and each["received"] > until:  # it had not come yet
            each.update(received=None, fate="under way")
    note = ""
    if len(told) < LAST and end <= span.start > 0:
        note = f"{span.start:,} hops of before have been let go"
    elif len(told) < LAST and end > span.start:
        note = f"of the last {_SEARCHED:,} hops"
    return {"hops": told, "note": note}


def _hops(arrows: Arrows, numbers: Iterable[int]) -> list[dict[str, Any]]:
    sheet = arrows.now(numbers, judged=True)
    sockets, fates = arrows.sockets, arrows.fates
    return [
        {
            "number": row[0],
            "message": row[3],
            "hop": row[5],
            "from": sockets[row[6]],
            "to": "" if row[7] == NOBODY else sockets[row[7]],
            "sent": row[1],
            "received": row[2] if row[2] == row[2] else None,
            "size": row[4],
            "fate": fates[row[8]],
            "kind": row[9],
            "said": said(hop),
        }
        for row, hop in zip(sheet.rows.tolist(), sheet.hops, strict=True)
    ]
