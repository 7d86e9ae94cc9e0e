"""The curves along which messages move between cards; flow.js draws the same ones while a card is dragged."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zlab.topology import Link, Topology
    from zlab.views.layout import Card

_SLOT = 13.0
_MARGIN = 14.0
_CLEAR = 11.0  # from the middle of a name to the next lane
_ALONG = (16, 19, 13, 22, 10, 25, 7)  # of 32 steps from the socket that binds: in the middle, or a little aside
_ACROSS = (-12, 12, -17, 17, -24, 24, -32, 32, -44, 44, -56, 56)
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


def names(topology: Topology, cards: Mapping[str, Card], drawn: Sequence[Lane]) -> dict[str, tuple[str, Point]]:
    """What each endpoint is called and where that is centred: amid its lanes, on none of them and on no card."""
    ways = [[lane.at(k / 32) for k in range(33)] for lane in drawn]
    top = min(card.y - card.height / 2 for card in cards.values())
    bottom = max(card.y + card.height / 2 for card in cards.values())
    placed: dict[str, tuple[str, Point]] = {}
    for endpoint in dict.fromkeys(link.endpoint for link in topology.links):
        # Easily taken for a topic; a URL tells by itself what it is.
        name = endpoint if "://" in endpoint else f"endpoint {endpoint}"
        own = [
            way if binds(topology, link, sender=True) else way[::-1]
            for link, way in zip(topology.links, ways, strict=True)
            if link.endpoint == endpoint
        ]
        middle = [(sum(way[k][0] for way in own) / len(own), sum(way[k][1] for way in own) / len(own)) for k in _ALONG]
        places = [(x, y + across) for x, y in middle for across in _ACROSS if top - 6 <= y + across <= bottom + 6]
        room = partial(_room, half=_half(name), ways=ways, cards=cards, taken=list(placed.values()))
        placed[endpoint] = name, max(places or middle, key=room)  # the first of those that are good enough
    return placed


def _room(
    place: Point,
    *,
    half: float,
    ways: Sequence[Sequence[Point]],
    cards: Mapping[str, Card],
    taken: Sequence[tuple[str, Point]],
) -> float:
    # How far the next lane is, as far as that matters; 0 on a card or another name.
    x, y = place
    if any(abs(c.x - x) < c.width / 2 + half + 3 and abs(c.y - y) < c.height / 2 + 7 for c in cards.values()):
        return 0.0
    if any(abs(ox - x) < half + _half(other) and abs(oy - y) < 14 for other, (ox, oy) in taken):  # noqa: PLR2004
        return 0.0
    return min([_CLEAR, *(abs(py - y) for way in ways for px, py in way if abs(px - x) < half)])


def _half(name: str) -> float:
    return 2.9 * len(name) + 4


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
