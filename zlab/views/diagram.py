"""A sequence diagram that stays: the last messages as SVG, which a notebook keeps and reads without a kernel."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from zlab.ledger.arrows import NOBODY
from zlab.ledger.fates import DELIVERED, UNDER_WAY, UNKNOWN
from zlab.sockets import node_of
from zlab.views import message, palette, units
from zlab.views.folding import described, whole
from zlab.views.layout import ordered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zlab.ledger.arrows import Arrows
    from zlab.ledger.snapshot import Snapshot
    from zlab.recording import Event
    from zlab.topology import Topology

SCALES = ("auto", "time", "order")
SAID = {"time": "at their true times", "order": "in order: even distances, not even times"}
"""What each scale is called wherever it is on."""
SIGNS = {
    "start": "▶",
    "finish": "✓",
    "kill": "✕",
    "restart": "↻",
    "error": "!",
    "fault": "≈",
    "fault over": "=",
    "pause": "‖",
    "resume": "▸",
    "stop": "■",
}
"""The sign of each event that has one of its own; others have `OTHER`."""
OTHER = "·"
ENDS = frozenset({"finish", "kill", "error", "stop"})
"""After these a node does not run."""
BEGINS = frozenset({"start", "restart"})
_LOUD = {"kill", "error"}
_ALL = 12  # nodes up to which those that have no message are shown too
_GUTTER, _HEAD, _FOOT, _STEP, _APART = 92, 74, 26, 26, 5
_LEAST, _MOST = 150, 900  # pixels that the messages take from top to bottom, where times are true
_FEW = 0.1  # share of the neighbours that may be too near to be told apart
_NAME = 6.6  # pixels that a letter takes
_LETTER = 5.7


@dataclass(frozen=True, slots=True)
class Way:
    """One hop, as it is drawn."""

    source: str
    target: str
    """The node that it goes to, or "" where nobody is known."""
    sent: float
    received: float | None
    kind: int
    said: str
    """What stands beside it."""
    link: str
    fate: str

    @property
    def lost(self) -> bool:
        """Whether it is known not to arrive."""
        return self.fate not in {DELIVERED, UNDER_WAY, UNKNOWN}


@dataclass(frozen=True, slots=True, repr=False)
class Diagram:
    """A sequence diagram: the last expression of a cell, it is drawn and needs no kernel later."""

    svg: str
    """An ``<svg>`` element, legible on light and on dark pages."""
    scale: str
    """``time`` or ``order``: which one is on."""
    text: str
    """The same in words, a line for each message and hop."""

    def __repr__(self) -> str:
        """In words."""
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": self.text}


def diagram(
    topology: Topology, snapshot: Snapshot, arrows: Arrows, events: Iterable[Event], *, last: int, scale: str
) -> Diagram:
    """Draw the last hops of a lab.

    Args:
        topology: what runs.
        snapshot: the latest tick.
        arrows: what is remembered of its messages.
        events: what else happened.
        last: how many hops, at most.
        scale: one of `SCALES`.
    """
    span = arrows.span
    total, first = span.stop, max(span.start, span.stop - last)
    ways = _ways(arrows, range(first, total))
    begin = 0.0 if first == 0 or not ways else ways[0].sent
    marks = [e for e in events if e.at >= begin] if ways else list(events)
    title = f"{topology.name}: " + (f"the last {len(ways):,} of {total:,} hops" if first else f"{total:,} hops")
    if snapshot.sampling > 1:
        title += f", a sample of about one message in {snapshot.sampling:,}"
    return draw(topology, ways, marks, title=title, scale=scale)


def _ways(arrows: Arrows, numbers: range) -> list[Way]:
    sheet = arrows.now(numbers, judged=True)
    sockets, fates = arrows.sockets, arrows.fates
    ways = []
    for row, hop in zip(sheet.rows.tolist(), sheet.hops, strict=True):
        _, sent, received, _, _, _, sender, receiver, fate, kind, _ = row
        source, target = sockets[sender], "" if receiver == NOBODY else sockets[receiver]
        said = message.word(hop.crossing.recording.type, hop.crossing.trace.frames, hop.crossing.trace.head)
        came = received if fates[fate] == DELIVERED else None
        ways.append(
            Way(node_of(source), node_of(target), sent, came, kind, said, f"{source} → {target or '?'}", fates[fate])
        )
    return ways


def draw(topology: Topology, ways: Sequence[Way], events: Sequence[Event], *, title: str, scale: str) -> Diagram:
    """Draw hops and events.

    Args:
        topology: its nodes are the lifelines.
        ways: the hops, in the order in which they were sent.
        events: those that are drawn as marks.
        title: what it shows.
        scale: one of `SCALES`.
    """
    times = sorted({t for w in ways for t in (w.sent, w.received) if t is not None} | {e.at for e in events})
    scale = _chosen(times) if scale == "auto" else scale
    nodes, more = _shown(topology, ways, events)
    if more:
        title += f"; {more} nodes without messages are left out"
    title = f"{title}, {SAID[scale]}"
    axis = _Axis(times, scale)
    return Diagram(_Sketch(topology, nodes, axis).svg(ways, events, title), scale, _text(ways, events, title))


class _Axis:
    """Time, downwards."""

    def __init__(self, times: Sequence[float], scale: str) -> None:
        self.times, self.scale = times, scale
        self.begin = times[0] if times else 0.0
        span = times[-1] - self.begin if times else 0.0
        high = min(_MOST, max(_LEAST, _STEP * len(times)))
        self._per_second = high / span if span else 0.0
        self.height = (_STEP * max(1, len(times) - 1) if scale == "order" else high) if times else 0.0

    def at(self, time: float) -> float:
        if self.scale == "order":
            return _HEAD + _STEP * bisect_left(self.times, time)
        return _HEAD + (time - self.begin) * self._per_second


def _chosen(times: Sequence[float]) -> str:
    """True times, where all but a few neighbours are then far enough from each other to be told apart."""
    if len(times) < 2:  # noqa: PLR2004 - a distance takes two
        return "time"
    per_second = min(_MOST, max(_LEAST, _STEP * len(times))) / (times[-1] - times[0])
    near = sum((b - a) * per_second < _APART for a, b in pairwise(times))
    return "time" if near <= _FEW * (len(times) - 1) else "order"


def _shown(topology: Topology, ways: Sequence[Way], events: Sequence[Event]) -> tuple[list[str], int]:
    nodes = [name for layer in ordered(whole(topology)) for name in layer] if topology.nodes else []
    if len(nodes) <= _ALL:
        return nodes, 0
    busy = {w.source for w in ways} | {w.target for w in ways} | {e.node for e in events if e.kind in _LOUD}
    kept = [n for n in nodes if n in busy]
    return kept, len(nodes) - len(kept)


class _Sketch:
    """The pieces of one picture."""

    def __init__(self, topology: Topology, nodes: Sequence[str], axis: _Axis) -> None:
        self.topology, self.nodes, self.axis = topology, nodes, axis
        wanted = max((max(len(n) * _NAME, len(described(topology[n])) * _LETTER) for n in nodes), default=0.0) + 26
        self.apart = min(230.0, max(128.0, wanted))
        self.x = {n: _GUTTER + self.apart * (i + 0.5) for i, n in enumerate(nodes)}
        self.width = _GUTTER + self.apart * max(1, len(nodes))
        self.height = _HEAD + axis.height + _FOOT

    def svg(self, ways: Sequence[Way], events: Sequence[Event], title: str) -> str:
        self.width = max(self.width, 24 + len(title) * _LETTER, *(end + 12 for end in self._ends(ways, events)), 0)
        return "".join(
            (
                (
                    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
                    f'width="{self.width:g}" height="{self.height:g}" style="max-width:100%;height:auto" role="img" '
                    'font-family="system-ui, -apple-system, \'Segoe UI\', sans-serif" font-size="11">'
                ),
                f"<title>{escape(title)}</title>",
                f'<rect width="{self.width:g}" height="{self.height:g}" rx="8" fill="{palette.LIGHT.page}"/>',
                f'<text x="12" y="18" fill="{palette.LIGHT.soft}">{escape(title)}</text>',
                *self._lifelines(events),
                *self._ruler(),
                *(piece for way in ways for piece in self._arrow(way)),
                *(piece for event in events for piece in self._mark(event)),
                "</svg>",
            )
        )

    def _ends(self, ways: Sequence[Way], events: Sequence[Event]) -> Iterator[float]:
        """How far to the right the words reach that stand beside a line or a broken arrow."""
        for event in events:
            if event.node in self.x:
                yield self.x[event.node] + 5 + (len(event.kind) + 2) * _LETTER
        for way in ways:
            x, goal = self.x[way.source], self.x.get(way.target)
            if way.received is None and (goal is None or goal >= x):
                yield x + 0.42 * self.apart + 9 + len(_told(way)) * _LETTER

    def _lifelines(self, events: Sequence[Event]) -> Iterator[str]:
        top, bottom = _HEAD - 12, self.height - 8
        for name in self.nodes:
            x = self.x[name]
            yield (
                f'<g class="lifeline"><text x="{x:g}" y="38" text-anchor="middle" fill="{palette.LIGHT.ink}" '
                f'font-weight="600" font-size="12">{escape(_cut(name, int(self.apart / _NAME)))}</text>'
                f'<text x="{x:g}" y="52" text-anchor="middle" fill="{palette.LIGHT.soft}">'
                f"{escape(_cut(described(self.topology[name]), int(self.apart / _LETTER)))}</text>"
            )
            at, runs = float(top), True
            turns = [(e.at, e.kind) for e in events if e.node == name and e.kind in ENDS | BEGINS]
            for time, kind in [*turns, (None, "")]:
                y = bottom if time is None else min(bottom, self.axis.at(time))
                dashes = "" if runs else ' stroke-dasharray="2 5"'
                yield f'<path d="M{x:g} {at:g}V{y:g}" stroke="{palette.LIGHT.edge}"{dashes}/>'
                at, runs = y, kind in BEGINS
            yield "</g>"

    def _ruler(self) -> Iterator[str]:
        before, last = 0.0, float("-inf")
        for time in self.axis.times:
            y = self.axis.at(time)
            if y - last < 12:  # noqa: PLR2004 - the height of a line
                continue
            first = last == float("-inf")
            shown = f"{time:.6f} s" if first else f"+{units.seconds(time - before)}"
            before, last = time, y
            yield (
                f'<text x="{_GUTTER - 10}" y="{y + 4:g}" text-anchor="end" fill="{palette.LIGHT.soft}" '
                f'font-size="10">{shown}</text>'
            )

    def _arrow(self, way: Way) -> Iterator[str]:
        colour = palette.KINDS[way.kind % len(palette.KINDS)]
        x, y = self.x[way.source], self.axis.at(way.sent)
        goal = self.x.get(way.target)
        took = "" if way.received is None else f" after {units.seconds(way.received - way.sent)}"
        yield (
            f'<g class="arrow"><title>{escape(f"{way.link}: {way.said}, {way.fate}{took}")}</title>'
            f'<circle cx="{x:g}" cy="{y:g}" r="2.5" fill="{colour}"/>'
        )
        if goal is not None and way.received is not None:
            end = self.axis.at(way.received)
            yield f'<path d="M{x:g} {y:g}L{goal:g} {end:g}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
            yield _head(goal, end, goal - x, end - y, colour)
            yield _label(x, y, goal, end, way.said)
        else:
            left = goal is not None and goal < x
            reach = x + (-1 if left else 1) * 0.42 * self.apart
            lost = palette.LIGHT.red if way.lost and way.fate != "filtered" else palette.LIGHT.soft
            yield (
                f'<path class="broken" d="M{x:g} {y:g}L{reach:g} {y + 7:g}" fill="none" stroke="{colour}" '
                'stroke-width="1.6" stroke-dasharray="5 3"/>'
            )
            yield (
                f'<text x="{reach:g}" y="{y + 11:g}" text-anchor="middle" fill="{lost}" font-weight="700" '
                f'font-size="13">{"✕" if way.lost else "…"}</text>'
            )
            anchor = "end" if left else "start"
            yield (
                f'<text x="{reach + (-9 if left else 9):g}" y="{y + 11:g}" text-anchor="{anchor}" fill="{lost}" '
                f'font-size="10" paint-order="stroke" stroke="{palette.LIGHT.page}" stroke-width="3">'
                f"{escape(_told(way))}</text>"
            )
        yield "</g>"

    def _mark(self, event: Event) -> Iterator[str]:
        if event.node and event.node not in self.x:
            return
        y = self.axis.at(event.at)
        colour = palette.LIGHT.red if event.kind in _LOUD else palette.LIGHT.soft
        detail = event.detail.strip().rpartition("\n")[2]
        yield f'<g class="mark"><title>{escape(f"{event.kind} {event.node} {detail}".strip())}</title>'
        if not event.node:  # it concerns all
            yield f'<path d="M{_GUTTER} {y:g}H{self.width - 12:g}" stroke="{colour}" stroke-dasharray="1 4"/>'
        x = self.x[event.node] if event.node else self.width - 12
        sign = SIGNS.get(event.kind, OTHER)
        anchor, dx = ("start", 5) if event.node else ("end", -4)
        yield (
            f'<text x="{x + dx:g}" y="{y + 4:g}" text-anchor="{anchor}" fill="{colour}" font-size="10" '
            f'font-weight="600" paint-order="stroke" '
            f'stroke="{palette.LIGHT.page}" stroke-width="3">{sign} {escape(event.kind)}</text></g>'
        )


def _told(way: Way) -> str:
    return f"{way.said}: {way.fate}" if way.said else way.fate


def _label(x: float, y: float, goal: float, end: float, said: str) -> str:
    # Along its arrow: two that cross are then told apart.
    slope = math.degrees(math.atan2((end - y) * (1 if goal > x else -1), abs(goal - x)))
    mx, my = x + 0.42 * (goal - x), y + 0.42 * (end - y)
    return (
        f'<text x="{mx:g}" y="{my - 4:g}" transform="rotate({slope:.3g} {mx:g} {my:g})" text-anchor="middle" '
        f'fill="{palette.LIGHT.ink}" font-size="10" paint-order="stroke" stroke="{palette.LIGHT.page}" '
        f'stroke-width="3">{escape(said)}</text>'
    )


def _head(x: float, y: float, dx: float, dy: float, colour: str) -> str:
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    ux, uy = dx / length, dy / length
    points = [(x, y), (x - 8 * ux - 3.5 * uy, y - 8 * uy + 3.5 * ux), (x - 8 * ux + 3.5 * uy, y - 8 * uy - 3.5 * ux)]
    return f'<path d="M{"L".join(f"{px:.2f} {py:.2f}" for px, py in points)}z" fill="{colour}"/>'


def _text(ways: Sequence[Way], events: Sequence[Event], title: str) -> str:
    lines: list[tuple[float, str]] = []
    for way in ways:
        took = "" if way.received is None else f" after {units.seconds(way.received - way.sent)}"
        said = f" {way.said!r}" if way.said else ""
        lines.append((way.sent, f"{way.link}{said}: {way.fate}{took}"))
    for event in events:
        where = f"{event.node}.{event.socket}" if event.socket else event.node
        detail = event.detail.strip().rpartition("\n")[2]
        lines.append((event.at, " ".join(filter(None, (event.kind, where, detail)))))
    return "\n".join([title, *(f"  {at:10.6f} s  {line}" for at, line in sorted(lines))])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
