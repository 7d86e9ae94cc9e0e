"""The curves along which messages move between cards; graph.js draws the same ones while a card is dragged."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zlab.views.folding import Bundle, Drawing
    from zlab.views.layout import Card

_SLOT = 13.0
_MARGIN = 14.0
_CLEAR = 11.0  # from the middle of a name to the next lane
_NARROW = 9.5  # as near as it may be: what has less room is not named
_ALONG = (16, 19, 13, 22, 10, 25, 7, 28, 4)  # of 32 steps from the socket that binds: in the middle, or a little aside
_ACROSS = tuple(side * far for far in (12, 17, 20, 24, 28, 32, 38, 44, 50, 56, 68, 80) for side in (-1, 1))
_ELSEWHERE = tuple(sorted({*range(2, 31)} - {*_ALONG}, key=lambda k: abs(k - 16)))  # where lanes are many
_BESIDE = (9, 24, 39, 54)  # beneath or above the card of the socket that binds, if all else is taken
_FURTHER = tuple(side * far for far in range(11, 101, 3) for side in (-1, 1))
_MOST_NAMES = 60
_WIDE = 60.0  # half of a sum, in letters as they are drawn
SUM = 12.0
"""How far from its lane the sum of many links stands."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Lane:
    """One bundle as a cubic Bezier curve from the sender's card to the receiver's."""

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


def lanes(drawing: Drawing, cards: Mapping[str, Card]) -> tuple[Lane, ...]:
    """A lane for each bundle, in their order: each has its own place on a card's side."""
    sides = _sides(drawing, cards)
    height = _slots(drawing, cards, sides)
    drawn = []
    for i, (bundle, (left, right)) in enumerate(zip(drawing.bundles, sides, strict=True)):
        source, target = cards[bundle.source], cards[bundle.target]
        start = (source.x + left * source.width / 2, source.y + height[i, "source"])
        end = (target.x + right * target.width / 2, target.y + height[i, "target"])
        reach = max(44.0, 0.46 * abs(end[0] - start[0]))
        drawn.append(Lane(start, (start[0] + left * reach, start[1]), (end[0] + right * reach, end[1]), end))
    return tuple(drawn)


def names(drawing: Drawing, cards: Mapping[str, Card], drawn: Sequence[Lane]) -> list[tuple[str, Point]]:
    """What the endpoints are called and where that is centred: amid their lanes, on none of them and on no card.

    Of very many endpoints none is named: their names would hide the lanes. Nor is one whose name has no room.
    """
    together: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, bundle in enumerate(drawing.bundles):
        together[bundle.endpoints].append(i)
    if len(together) > _MOST_NAMES:
        return []
    ways = np.array([[lane.at(k / 32) for k in range(33)] for lane in drawn])
    top = min(card.y - card.height / 2 for card in cards.values())
    bottom = max(card.y + card.height / 2 for card in cards.values())
    # The sums of lanes that are drawn as one have their places.
    sums = [("9,999 links, 999k /s", place) for place in places_of_sums(drawing, drawn).values()]
    placed: list[tuple[str, Point]] = []
    for own in together.values():
        bundle = drawing.bundles[own[0]]
        mean = np.mean([ways[i] if drawing.bundles[i].binds[0] else ways[i][::-1] for i in own], axis=0)
        amid = (
            (float(mean[k][0]), float(mean[k][1]) + across)
            for steps, far in ((_ALONG, _ACROSS), (_ALONG + _ELSEWHERE, _FURTHER))
            for k in steps
            for across in far
            if top - 6 <= mean[k][1] + across <= bottom + 6
        )
        home = cards[bundle.source if bundle.binds[0] else bundle.target]
        beside = ((home.x, home.y + side * (home.height / 2 + far)) for far in _BESIDE for side in (1, -1))
        places = chain(amid, beside)
        best, most = (0.0, 0.0), 0.0
        for place in places:  # the first of those that are good enough
            room = _room(place, half=_half(bundle.label), ways=ways, cards=cards, taken=[*sums, *placed])
            if room > most:
                best, most = place, room
            if most >= _CLEAR:
                break
        if most >= _NARROW:
            placed.append((bundle.label, best))
    return placed


def places_of_sums(drawing: Drawing, drawn: Sequence[Lane]) -> dict[int, Point]:
    """Where the sum of each bundle of many links is centred: above its lane or beneath it, where no other lane is."""
    middles = [lane.at(0.5) for lane in drawn]
    found = {}
    for i, (x, y) in enumerate(middles):
        near = [oy - y for ox, oy in middles if abs(ox - x) < _WIDE and 0 < abs(oy - y) < 2 * SUM]
        above, beneath = any(away < 0 for away in near), any(away > 0 for away in near)
        if len(drawing.bundles[i].links) > 1 and not (above and beneath):
            found[i] = x, y + (SUM if above else -SUM)
    return found


def _room(
    place: Point,
    *,
    half: float,
    ways: NDArray[np.float64],
    cards: Mapping[str, Card],
    taken: Sequence[tuple[str, Point]],
) -> float:
    # How far the next lane is, as far as that matters; 0 on a card or another name.
    x, y = place
    if any(abs(c.x - x) < c.width / 2 + half + 3 and abs(c.y - y) < c.height / 2 + 7 for c in cards.values()):
        return 0.0
    if any(abs(ox - x) < half + _half(other) and abs(oy - y) < 14 for other, (ox, oy) in taken):  # noqa: PLR2004
        return 0.0
    near = np.abs(ways[:, :, 1] - y)[np.abs(ways[:, :, 0] - x) < half]
    return min(_CLEAR, float(near.min())) if near.size else _CLEAR


def _half(name: str) -> float:
    return 2.9 * len(name) + 4


def _sides(drawing: Drawing, cards: Mapping[str, Card]) -> list[tuple[int, int]]:
    # +1 is a card's right side, -1 its left. Between cards above one another a lane goes round where fewer others end.
    straight = [_facing(cards[bundle.source], cards[bundle.target]) for bundle in drawing.bundles]
    ends: Counter[tuple[str, int]] = Counter()
    for bundle, side in zip(drawing.bundles, straight, strict=True):
        ends[bundle.source, side] += 1
        ends[bundle.target, -side] += 1

    def around(bundle: Bundle) -> int:
        at = {side: ends[bundle.source, side] + ends[bundle.target, side] for side in (-1, 1)}
        return -1 if at[-1] < at[1] else 1

    return [
        (side, -side) if side else (around(bundle),) * 2 for bundle, side in zip(drawing.bundles, straight, strict=True)
    ]


def _facing(source: Card, target: Card) -> int:
    # On which side of the source the target stands; 0 is above or beneath.
    apart = (source.width + target.width) / 2 - 10
    return 1 if target.x - source.x >= apart else -1 if source.x - target.x >= apart else 0


def _slots(drawing: Drawing, cards: Mapping[str, Card], sides: list[tuple[int, int]]) -> dict[tuple[int, str], float]:
    # How far below its card's centre each lane begins and ends: sorted by socket, then by where it goes.
    place = {(item.name, socket): i for item in drawing.items for i, socket in enumerate(item.sockets)}
    ends: dict[tuple[str, int], list[tuple[int, float, int, str]]] = defaultdict(list)
    for i, (bundle, (left, right)) in enumerate(zip(drawing.bundles, sides, strict=True)):
        for role, item, socket, side, peer in (
            ("source", bundle.source, bundle.sender, left, bundle.target),
            ("target", bundle.target, bundle.receiver, right, bundle.source),
        ):
            ends[item, side].append((place[item, socket], cards[peer].y, i, role))
    height = {}
    for (item, _), slots in ends.items():
        slots.sort()
        step = min(_SLOT, (cards[item].height - _MARGIN) / len(slots))
        for k, (_, _, i, role) in enumerate(slots):
            height[i, role] = (k - (len(slots) - 1) / 2) * step
    return height
