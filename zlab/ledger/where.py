"""Where a node is now: the line of its own code that it executes, what it is blocked in, and what it has at hand."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zlab.ledger.hops import Hop
    from zlab.ledger.snapshot import NodeState, SocketFigures


@dataclass(frozen=True, slots=True)
class Standing:
    """The line of a node's own code that its thread executes."""

    node: str
    function: str = ""
    """The function that the line belongs to, or ""."""
    file: str = ""
    line: int = 0
    """The line in the file, from 1; 0 where there is none."""
    source: tuple[tuple[int, str], ...] = ()
    """The lines of the function, each with its number; of a long one, those around."""
    note: str = ""
    """Why there is no line, or no source, or ""."""


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Where(Standing):
    """What `lab.where` tells of one node; in a notebook, its source with the line marked."""

    state: NodeState
    since: float
    """For how long it has been in this state, in seconds."""
    blocked_on: str
    """The socket (its name within the node) on which it is blocked, or ""."""
    sockets: tuple[SocketFigures, ...]
    """Its sockets, with their options and counts."""
    queued: Mapping[str, int]
    """By link, from or to it: messages that wait there."""
    messages: tuple[str, ...]
    """Its last messages that were traced, a line each, the newest first."""

    @property
    def _head(self) -> str:
        on = f" on {self.blocked_on}" if self.blocked_on else ""
        return f"{self.node}: {self.state}{on} for {self.since:.1f} s"

    @property
    def _place(self) -> str:
        place = f"{self.function}() in {self.file}, line {self.line}" if self.line else ""
        return "; ".join(filter(None, (place, self.note)))

    def _facts(self) -> list[str]:
        facts = []
        for socket in self.sockets:
            options = "".join(f", {name}={value!r}" for name, value in socket.options.items())
            counts = f"{socket.sent:,} sent, {socket.received:,} received"
            facts.append(f"{socket.name} {socket.type}{options}: {counts}")
        facts += [f"{link}: {count:,} queued" for link, count in self.queued.items() if count]
        return [*facts, *self.messages]

    def __repr__(self) -> str:
        """The line between its neighbours, with an arrow."""
        lines = [self._head, self._place]
        width = len(str(self.source[-1][0])) if self.source else 0
        lines += [
            f"{'→' if number == self.line else ' '} {number:>{width}}  {text}".rstrip() for number, text in self.source
        ]
        return "\n".join([*filter(None, lines), *(f"  {fact}" for fact in self._facts())])

    def _repr_html_(self) -> str:
        code = "".join(
            f"<div {_MARKED if number == self.line else _PLAIN}>"
            f'<span style="opacity:.55;user-select:none">{number:>4}  </span>{escape(text) or " "}</div>'
            for number, text in self.source
        )
        shown = f'<pre style="margin:4px 0;line-height:1.4;overflow-x:auto">{code}</pre>' if code else ""
        facts = "".join(f"<li>{escape(fact)}</li>" for fact in self._facts())
        return (
            f"<div><b>{escape(self._head)}</b><br><small>{escape(self._place)}</small>{shown}"
            f'<ul style="margin:2px 0;font-size:11.5px">{facts}</ul></div>'
        )


def last_messages(node: str, hops: Sequence[Hop], kinds: Sequence[str], now: float) -> Iterator[str]:
    """A line for each of a node's last messages that were traced, the newest first.

    Args:
        node: its name.
        hops: the hops that are remembered, the oldest first.
        kinds: the names of the kinds.
        now: on the clock of the traces, in seconds.
    """
    told = 0
    for hop in reversed(hops):
        sender, receiver = hop.crossing.sender, hop.receiver
        sends = node_of(sender) == node
        if not sends and not (hop.received and node_of(receiver) == node):
            continue
        ago = now - (hop.crossing.trace.time if sends else hop.received) * 1e-9
        what = f"{kinds[hop.kind] or '(empty)'}, {hop.crossing.trace.size:,} bytes"
        way = f"sent to {receiver or '?'}" if sends else f"received from {sender}"
        yield f"{ago:.2f} s ago: {what}, {way}"
        told += 1
        if told == _MESSAGES:
            return


_MESSAGES = 5
"""Messages that are told of."""
_PLAIN = 'style="padding:0 8px"'
_MARKED = (
    'aria-current="true" style="padding:0 8px;background:rgba(201,138,28,.28);'
    'box-shadow:inset 3px 0 #c98a1c;font-weight:600"'
)
"""How the line is marked: legible on light and on dark, and not by its colour alone."""
