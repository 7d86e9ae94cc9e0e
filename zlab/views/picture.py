"""A lab or a topology as a still picture: SVG that a notebook keeps and reads without a kernel."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from zlab.ledger.snapshot import NodeState, Snapshot
from zlab.views import palette, units
from zlab.views.lanes import binds, lanes, names
from zlab.views.layout import cards, described

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zlab.ledger.snapshot import LinkFigures, NodeFigures
    from zlab.topology import Link, Topology
    from zlab.views.lanes import Lane
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

    Args:
        topology: what to draw.
        snapshot: a tick of the lab that runs it.

    Returns:
        An ``<svg>`` element, legible on light and on dark pages.
    """
    place = cards(topology)
    if not place:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="420" height="40" font-family="system-ui, sans-serif" '
            f'font-size="12"><text x="8" y="25" fill="{_FAINT}">{escape(topology.name)}: no socket yet</text></svg>'
        )
    left, right = min(c.x - c.width / 2 for c in place.values()), max(c.x + c.width / 2 for c in place.values())
    top, bottom = min(c.y - c.height / 2 for c in place.values()), max(c.y + c.height / 2 for c in place.values())
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
            *_links(topology, place, snapshot),
            *(piece for node in topology.nodes for piece in _card(topology, node.name, place, figures.get(node.name))),
            "</svg>",
        )
    )


def _title(topology: Topology, snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return f"{topology.name}: {len(topology.nodes)} nodes, {len(topology.links)} links"
    delivered = sum(link.delivered for link in snapshot.links)
    return f"{topology.name}: {snapshot.state} after {snapshot.at:.1f} s, {units.count(delivered)} messages delivered"


def _links(topology: Topology, place: Mapping[str, Card], snapshot: Snapshot | None) -> Iterator[str]:
    drawn = lanes(topology, place)
    for link, lane in zip(topology.links, drawn, strict=True):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = lane.start, lane.bend, lane.turn, lane.end
        yield f'<path d="M{ax:g} {ay:g}C{bx:g} {by:g} {cx:g} {cy:g} {dx:g} {dy:g}" fill="none" stroke="{_EDGE}"/>'
        yield _arrow(lane)
        yield from _ports(topology, link, lane)
    if snapshot is not None:
        for lane, figures in zip(drawn, snapshot.links, strict=True):
            yield from _queue(lane, figures)
    for name, (x, y) in names(topology, place, drawn).values():
        yield (
            f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle" fill="{_FAINT}" font-size="11" '
            f'font-style="italic">{escape(name)}</text>'
        )


def _arrow(lane: Lane) -> str:
    x, y = lane.end
    way = 1 if lane.turn[0] < x else -1
    return f'<path d="M{x - way * 3:g} {y:g}l{-way * 7} -3.5v7z" fill="{_EDGE}"/>'


def _ports(topology: Topology, link: Link, lane: Lane) -> Iterator[str]:
    for (x, y), sender in ((lane.start, True), (lane.end, False)):
        fill = _EDGE if binds(topology, link, sender=sender) else "#fff"
        yield f'<circle cx="{x:g}" cy="{y:g}" r="3" fill="{fill}" stroke="{_EDGE}"/>'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _middle(name: str, most: int) -> str:
    # Both ends of a name tell it from its siblings.
    return name if len(name) <= most else f"{name[: most // 2]}…{name[len(name) - (most - 1) // 2 :]}"


def _queue(lane: Lane, figures: LinkFigures) -> Iterator[str]:
    if not figures.queued:
        return
    x, y = lane.end
    way = 1 if lane.turn[0] < x else -1
    share = min(1.0, figures.queued / figures.capacity) if figures.capacity else 0.5
    left = x - 38 if way > 0 else x + 12
    colour = palette.LIGHT.red if share > 0.95 else palette.LIGHT.amber  # noqa: PLR2004 - all but full
    yield f"<g><title>{escape(figures.name)}: {units.count(figures.queued)} queued</title>"
    yield f'<rect x="{left:g}" y="{y - 4:g}" width="26" height="8" rx="2" fill="#fff" stroke="{_EDGE}"/>'
    yield f'<rect x="{left:g}" y="{y - 4:g}" width="{max(2, 26 * share):g}" height="8" rx="2" fill="{colour}"/>'
    yield "</g>"


def _card(topology: Topology, name: str, place: Mapping[str, Card], figures: NodeFigures | None) -> Iterator[str]:
    card = place[name]
    x, y = card.x - card.width / 2, card.y - card.height / 2
    gone = figures is not None and figures.state is NodeState.KILLED
    colour = _COLOUR[figures.state] if figures else _FAINT
    dashes = ' stroke-dasharray="4 3"' if gone else ""
    ink = palette.LIGHT.grey if gone else palette.LIGHT.ink
    yield f'<g opacity="{0.7 if gone else 1}">'
    yield (
        f'<rect x="{x:g}" y="{y:g}" width="{card.width:g}" height="{card.height:g}" rx="8" '
        f'fill="#fff" stroke="{colour}" stroke-width="1.4"{dashes}/>'
    )
    shown = escape(_middle(name, int((card.width - 20) / 6.8)))
    yield f'<text x="{x + 12:g}" y="{card.y - 10:g}" fill="{ink}" font-weight="600">{shown}</text>'
    types = escape(_cut(described(topology[name]), int((card.width - 20) / 5.6)))
    yield f'<text x="{x + 12:g}" y="{card.y + 5:g}" fill="{palette.LIGHT.soft}" font-size="11">{types}</text>'
    if figures:
        shown = f"{SIGN[figures.state]} {figures.state}"
        yield f'<text x="{x + 12:g}" y="{card.y + 20:g}" fill="{colour}" font-size="11">{shown}</text>'
    yield "</g>"
