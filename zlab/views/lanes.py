"""The curves along which messages move between cards; flow.js draws the same ones while a card is dragged."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zlab.topology import Link, Topology
    from zlab.views.layout import Card

_SLOT = 13.0
_MARGIN = 14.0
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Lane:
    """One link as a cubic Bezier curve from the sender's card to the receiver's."""

    start: Point
    bend: Point
    turn: Point
    end: Point

    def at(self, t: float) -> Point:
        """The point at a share of the way, from 0 to 1."""
        u = 1 - t
        a, b, c, d = u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t
        return (
            a * self.start[0] + b * self.bend[0] + c * self.turn[0] + d * self.end[0],
            a * self.start[1] + b * self.bend[1] + c * self.turn[1] + d * self.end[1],
        )


def lanes(topology: Topology, cards: Mapping[str, Card]) -> tuple[Lane, ...]:
    """A lane for each link, in the order of the links: each has its own place on a card's side."""
    sides = [_sides(cards[link.source], cards[link.target]) for link in topology.links]
    height = _slots(topology, cards, sides)
    drawn = []
    for i, (link, (left, right)) in enumerate(zip(topology.links, sides, strict=True)):
        source, target = cards[link.source], cards[link.target]
        start = (source.x + left * source.width / 2, source.y + height[i, "source"])
        end = (target.x + right * target.width / 2, target.y + height[i, "target"])
        reach = max(44.0, 0.46 * abs(end[0] - start[0]))
        drawn.append(Lane(start, (start[0] + left * reach, start[1]), (end[0] + right * reach, end[1]), end))
    return tuple(drawn)


def _sides(source: Card, target: Card) -> tuple[int, int]:
    # +1 is a card's right side, -1 its left.
    apart = (source.width + target.width) / 2 - 10
    if target.x - source.x >= apart:
        return 1, -1
    if source.x - target.x >= apart:
        return -1, 1
    return 1, 1


def _slots(topology: Topology, cards: Mapping[str, Card], sides: list[tuple[int, int]]) -> dict[tuple[int, str], float]:
    # How far below its card's centre each lane begins and ends: sorted by socket, then by where it goes.
    ends: dict[tuple[str, int], list[tuple[int, float, int, str]]] = defaultdict(list)
    for i, (link, (left, right)) in enumerate(zip(topology.links, sides, strict=True)):
        for role, node, socket, side, peer in (
            ("source", link.source, link.sender, left, link.target),
            ("target", link.target, link.receiver, right, link.source),
        ):
            ends[node, side].append((_place(topology, node, socket), cards[peer].y, i, role))
    height = {}
    for (node, _), slots in ends.items():
        slots.sort()
        step = min(_SLOT, (cards[node].height - _MARGIN) / len(slots))
        for k, (_, _, i, role) in enumerate(slots):
            height[i, role] = (k - (len(slots) - 1) / 2) * step
    return height


def _place(topology: Topology, node: str, socket: str) -> int:
    return list(topology[node].sockets).index(socket.removeprefix(f"{node}."))


def binds(topology: Topology, link: Link, *, sender: bool) -> bool:
    """Whether the sending, or the receiving, socket of a link is the one that binds."""
    node, socket = (link.source, link.sender) if sender else (link.target, link.receiver)
    return link.endpoint in topology[node].sockets[socket.removeprefix(f"{node}.")].binds
