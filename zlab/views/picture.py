"""A lab or a topology as a still picture: SVG that a notebook keeps and reads without a kernel."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from zlab.ledger.snapshot import NodeState, Snapshot
from zlab.views import palette, units
from zlab.views.folding import folded
from zlab.views.lanes import lanes, names, places_of_sums
from zlab.views.layout import cards

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zlab.ledger.snapshot import LinkFigures, NodeFigures
    from zlab.topology import Topology
    from zlab.views.folding import Bundle, Drawing, Item
    from zlab.views.lanes import Lane, Point
    from zlab.views.layout import Card

SIGN = {
    NodeState.STARTING: "…",
    NodeState.RUNNING: "▶",
    NodeState.RECV: "◂",
    NodeState.SEND: "▸",
    NodeState.PAUSED: "‖",
    NodeState.KILLED: "✕",
    NodeState.FAILED: "!",
    NodeState.FINISHED: "✓",
    NodeState.STOPPED: "■",
}
_EDGE, _FAINT = palette.LIGHT.edge, palette.QUIET
_COLOUR = palette.LIGHT.states  # cards are white on any page
_MARGIN = 24
_GRAVE = (NodeState.FAILED, NodeState.KILLED)


@dataclass(frozen=True, slots=True)
class Picture(Snapshot):
    """A snapshot that can be looked at: the last expression of a cell, it is drawn and needs no kernel later."""

    topology: Topology

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"image/svg+xml": svg(self.topology, self), "text/plain": repr(self)}

    def __repr__(self) -> str:
        """Say what is happening on each link."""
        lines = [f"{self.topology.name}, {self.state}, {self.at:.1f} s after it started"]
        lines += [
            f"  {link.name}: {link.delivered:,} of {link.expected:,} delivered, {link.rate:,.0f} messages/s"
            for link in self.links
        ]
        return "\n".join(lines)


def svg(topology: Topology, snapshot: Snapshot | None = None) -> str:
    """Draw the nodes and links; with a snapshot, also states, queues and counts.

    Of a large topology, nodes that are alike are one card, with how many there are, their states and their sums.

    Args:
        topology: what to draw.
        snapshot: a tick of the lab that runs it.

    Returns:
        An ``<svg>`` element, legible on light and on dark pages.
    """
    drawing = folded(topology)
    place = cards(drawing)
    if not place:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="420" height="40" font-family="system-ui, sans-serif" '
            f'font-size="12"><text x="8" y="25" fill="{_FAINT}">{escape(topology.name)}: no socket yet</text></svg>'
        )
    left, right = min(c.x - c.width / 2 for c in place.values()), max(c.x + c.width / 2 for c in place.values())
    drawn = lanes(drawing, place)
    bends = [lane.at(k / 8)[0] for lane in drawn for k in range(9)]  # some lanes go round a card
    named = names(drawing, place, drawn)  # some of them beyond the cards
    left = min([left, *bends] + [x - _half(name) for name, (x, _) in named])
    right = max([right, *bends] + [x + _half(name) for name, (x, _) in named])
    lines = [y for _, (_, y) in named]
    top = min([c.y - c.height / 2 for c in place.values()] + [y - 7 for y in lines])
    bottom = max([c.y + c.height / 2 for c in place.values()] + [y + 9 for y in lines])
    x, y = left - _MARGIN, top - _MARGIN - 20
    width, height = right - x + _MARGIN, bottom - y + _MARGIN
    figures = {node.name: node for node in snapshot.nodes} if snapshot else {}
    return "".join(
        (
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{x:g} {y:g} {width:g} {height:g}" '
                f'width="{width:g}" height="{height:g}" style="max-width:100%;height:auto" role="img" '
                f'font-family="system-ui, -apple-system, \'Segoe UI\', sans-serif" font-size="12">'
            ),
            f"<title>{escape(_title(topology, snapshot))}</title>",
            f'<text x="{left:g}" y="{y + 18:g}" fill="{_FAINT}">{escape(_title(topology, snapshot))}</text>',
            *_links(drawing, drawn, named, snapshot),
            *(
                piece
                for item in drawing.items
                for piece in (
                    _card(item, place[item.name], figures.get(item.name))
                    if len(item.members) == 1
                    else _group(item, place[item.name], [figures[name] for name in item.members if figures])
                )
            ),
            "</svg>",
        )
    )


def _half(name: str) -> float:
    return 2.9 * len(name)


def _title(topology: Topology, snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return f"{topology.name}: {len(topology.nodes)} nodes, {len(topology.links)} links"
    delivered = sum(link.delivered for link in snapshot.links)
    return f"{topology.name}: {snapshot.state} after {snapshot.at:.1f} s, {units.count(delivered)} messages delivered"


def _links(
    drawing: Drawing, drawn: Sequence[Lane], named: Sequence[tuple[str, Point]], snapshot: Snapshot | None
) -> Iterator[str]:
    for bundle, lane in zip(drawing.bundles, drawn, strict=True):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = lane.start, lane.bend, lane.turn, lane.end
        width = "" if len(bundle.links) == 1 else ' stroke-width="3"'
        way = f"M{ax:g} {ay:g}C{bx:g} {by:g} {cx:g} {cy:g} {dx:g} {dy:g}"
        yield f'<path d="{way}" fill="none" stroke="{_EDGE}"{width}/>'
        yield _arrow(lane)
        yield from _ports(bundle, lane)
    sums = places_of_sums(drawing, drawn)
    for i, (bundle, lane) in enumerate(zip(drawing.bundles, drawn, strict=True)):
        figures = [snapshot.links[k] for k in bundle.links] if snapshot else []
        yield from _queue(bundle, lane, figures)
        if i in sums:
            yield _sum(bundle, sums[i], figures)
    for name, (x, y) in named:
        yield (
            f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle" fill="{_FAINT}" font-size="11" '
            f'font-style="italic">{escape(name)}</text>'
        )


def _sum(bundle: Bundle, place: Point, figures: Sequence[LinkFigures]) -> str:
    x, y = place
    rate = f", {units.rate(sum(link.rate for link in figures))}" if figures else ""
    return (
        f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle" fill="{_FAINT}" font-size="11" font-weight="600">'
        f"{len(bundle.links):,} links{rate}</text>"
    )


def _arrow(lane: Lane) -> str:
    x, y = lane.end
    way = 1 if lane.turn[0] < x else -1
    return f'<path d="M{x - way * 3:g} {y:g}l{-way * 7} -3.5v7z" fill="{_EDGE}"/>'


def _ports(bundle: Bundle, lane: Lane) -> Iterator[str]:
    for (x, y), bound in zip((lane.start, lane.end), bundle.binds, strict=True):
        fill = _EDGE if bound else "#fff"
        yield f'<circle cx="{x:g}" cy="{y:g}" r="3" fill="{fill}" stroke="{_EDGE}"/>'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _middle(name: str, most: int) -> str:
    # Both ends of a name tell it from its siblings.
    return name if len(name) <= most else f"{name[: most // 2]}…{name[len(name) - (most - 1) // 2 :]}"


def _queue(bundle: Bundle, lane: Lane, figures: Sequence[LinkFigures]) -> Iterator[str]:
    queued = sum(link.queued for link in figures)
    if not queued:
        return
    x, y = lane.end
    way = 1 if lane.turn[0] < x else -1
    capacity = sum(link.capacity for link in figures)
    share = min(1.0, queued / capacity) if capacity else 0.5
    left = x - 38 if way > 0 else x + 12
    colour = palette.LIGHT.red if share > 0.95 else palette.LIGHT.amber  # noqa: PLR2004 - all but full
    name = figures[0].name if len(figures) == 1 else f"{bundle.source} → {bundle.target}"
    yield f"<g><title>{escape(name)}: {units.count(queued)} queued</title>"
    yield f'<rect x="{left:g}" y="{y - 4:g}" width="26" height="8" rx="2" fill="#fff" stroke="{_EDGE}"/>'
    yield f'<rect x="{left:g}" y="{y - 4:g}" width="{max(2, 26 * share):g}" height="8" rx="2" fill="{colour}"/>'
    yield "</g>"


def _card(item: Item, card: Card, figures: NodeFigures | None) -> Iterator[str]:
    x, y = card.x - card.width / 2, card.y - card.height / 2
    gone = figures is not None and figures.state is NodeState.KILLED
    colour = _COLOUR[figures.state] if figures else _FAINT
    dashes = ' stroke-dasharray="4 3"' if gone else ""
    ink = palette.LIGHT.grey if gone else palette.LIGHT.ink
    yield "<g>"
    yield (
        f'<rect x="{x:g}" y="{y:g}" width="{card.width:g}" height="{card.height:g}" rx="8" '
        f'fill="#fff" stroke="{colour}" stroke-width="1.4"{dashes}/>'
    )
    shown = escape(_middle(item.name, int((card.width - 20) / 6.8)))
    yield _line(x + 12, card.y - 10, shown, ink, bold=True)
    yield _line(x + 12, card.y + 5, escape(_cut(item.types, int((card.width - 20) / 6.6))), palette.LIGHT.soft)
    if figures:
        yield _line(x + 12, card.y + 20, f"{SIGN[figures.state]} {figures.state}", colour)
    yield "</g>"


def _group(item: Item, card: Card, figures: Sequence[NodeFigures]) -> Iterator[str]:
    # A stack: there are more behind. What has gone wrong is told first.
    x, y = card.x - card.width / 2, card.y - card.height / 2
    states = Counter(node.state for node in figures)
    worst = next((state for state in _GRAVE if states[state]), None)
    edge = _COLOUR[worst] if worst else _FAINT
    for aside in (8, 4, 0):
        yield (
            f'<rect x="{x + aside:g}" y="{y + 8 - aside:g}" width="{card.width - 8:g}" height="{card.height - 8:g}" '
            f'rx="8" fill="#fff" stroke="{_FAINT if aside else edge}" stroke-width="1.4"/>'
        )
    yield _line(x + 12, y + 26, escape(_middle(item.name, int((card.width - 28) / 6.8))), palette.LIGHT.ink, bold=True)
    types = _cut(f"{len(item.members):,} nodes · {item.types}", int((card.width - 28) / 6.6))
    yield _line(x + 12, y + 42, escape(types), palette.LIGHT.soft)
    for k, state in enumerate([state for state in (*_GRAVE, *NodeState) if states[state]][:2]):
        shown = f"{SIGN[state]} {states[state]:,} {state}"
        yield _line(x + 12, y + 57 + 15 * k, shown, _COLOUR[state])
        states[state] = 0


def _line(x: float, y: float, text: str, colour: str, *, bold: bool = False) -> str:
    look = 'font-weight="600"' if bold else 'font-size="11"'
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" {look}>{text}</text>'
