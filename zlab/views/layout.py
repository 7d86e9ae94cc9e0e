"""Where the cards of a drawing stand: layers from left to right along the flow of messages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.sockets import DEALER, REP, REQ, ROUTER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import networkx as nx

    from zlab.views.folding import Bundle, Drawing, Item

GAP = 150.0
"""Between two layers: room for lanes, endpoint names and queues."""
_COLUMN_GAP = 84.0
_ROW_GAP, _CLOSE_GAP = 20.0, 7.0
_SLOT = 13.0
_LEAST_WIDTH, _MOST_WIDTH, _LEAST_HEIGHT, _LOW_HEIGHT = 136.0, 230.0, 60.0, 50.0
_MANY = 6  # a layer of more nodes than this has lower cards that stand closer
_LETTER, _LARGE_LETTER = 8.8, 11.0  # the width of a name's letter; larger ones where the whole is drawn small
_ONE_COLUMN = 24  # up to here no card hides a lane that belongs to others; of more, nobody follows a single one
_ASPECT = 1.25  # width by height that a picture should have at least: outputs are wide
_GROUP_HEIGHT = 86.0
_PADDING, _HEADING = 14.0, 26.0  # of an opened group
_OPEN_ASPECT = 1.6
_SWEEPS = 6
_SHIFT = (_LOW_HEIGHT + _CLOSE_GAP) / 2


@dataclass(frozen=True, slots=True)
class Card:
    """A node, or a group of nodes, as a rectangle, by its centre."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Frame:
    """An opened group: a rectangle with a card for each member, these by their centres from its own."""

    width: float
    height: float
    members: Mapping[str, Card]


def cards(drawing: Drawing) -> dict[str, Card]:
    """Place every item; the picture's centre is the origin, y grows downwards."""
    if not drawing.items:
        return {}
    layers = ordered(drawing)
    rank = {name: i for i, layer in enumerate(layers) for name in layer}
    letter = _LETTER if max(map(len, layers)) <= _MANY else _LARGE_LETTER
    ends = _ends(drawing, rank)
    items = {item.name: item for item in drawing.items}
    size = {
        name: _size(items[name], ends[name], _LOW_HEIGHT if len(layer) > _MANY else _LEAST_HEIGHT, letter)
        for layer in layers
        for name in layer
    }
    columns = _columns(layers, size)
    width = sum(max(size[n][0] for n in column) for column, *_ in columns) + sum(gap for _, gap, _ in columns[1:])
    placed: dict[str, Card] = {}
    x = -width / 2
    for column, gap, shift in columns:
        widest = max(size[n][0] for n in column)
        x += gap + widest / 2 if placed else widest / 2
        y = shift - _height(column, size) / 2
        for name in column:
            high = size[name][1]
            placed[name] = Card(round(x, 1), round(y + high / 2, 1), widest, high)
            y += high + _gap(column)
        x += widest / 2
    return {item.name: placed[item.name] for item in drawing.items}


def frame(group: Item) -> Frame:
    """Lay the members of an opened group out, down the columns, as one reads."""
    width = min(_MOST_WIDTH, max(_LEAST_WIDTH, *(_LARGE_LETTER * len(name) + 44 for name in group.members)))
    across, down = width + _ROW_GAP, _LOW_HEIGHT + _CLOSE_GAP
    count = len(group.members)
    rows = max(1, min(count, round((count * across / down / _OPEN_ASPECT) ** 0.5)))
    columns = -(-count // rows)
    heading = max(_HEADING, 0.07 * rows * down)  # the larger the frame, the smaller it is drawn
    whole = (columns * across - _ROW_GAP + 2 * _PADDING, rows * down - _CLOSE_GAP + 2 * _PADDING + heading)
    left, top = -whole[0] / 2 + _PADDING + width / 2, -whole[1] / 2 + _PADDING + heading + _LOW_HEIGHT / 2
    return Frame(
        *whole,
        {
            name: Card(round(left + i // rows * across, 1), round(top + i % rows * down, 1), width, _LOW_HEIGHT)
            for i, name in enumerate(group.members)
        },
    )


def ordered(drawing: Drawing) -> list[list[str]]:
    """The layers from left to right, the items of each from top to bottom so that few lanes cross."""
    flow = _flow(drawing)
    rank = _ranks(flow, _abreast(drawing))
    layers: list[list[str]] = [[] for _ in range(max(rank.values()) + 1)]
    for name in flow:
        layers[rank[name]].append(name)
    layers = [layer for layer in layers if layer]
    flow.remove_edges_from([(a, b) for a, b in flow.edges if rank[a] == rank[b]])  # they say nothing of the order
    place = {n: i / max(1, len(layer) - 1) for layer in layers for i, n in enumerate(layer)}
    for sweep in range(_SWEEPS):
        near = flow.predecessors if sweep % 2 == 0 else flow.successors
        for layer in layers[1:] if sweep % 2 == 0 else layers[-2::-1]:
            mean = {n: _mean([place[m] for m in near(n)], place[n]) for n in layer}
            layer.sort(key=mean.__getitem__)
            place |= {n: i / max(1, len(layer) - 1) for i, n in enumerate(layer)}
    return layers


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _flow(drawing: Drawing) -> nx.DiGraph[str]:
    # One edge for two lanes: a request's direction leads; of two equals, the one that was named first; or else from
    # the one that connects to the one that binds.
    import networkx as nx

    directions = {(b.source, b.target, b.sender, b.receiver, b.endpoints) for b in drawing.bundles}
    flow: nx.DiGraph[str] = nx.DiGraph()
    flow.add_nodes_from(item.name for item in drawing.items)
    place = {name: i for i, name in enumerate(flow)}
    for b in drawing.bundles:
        both = (b.target, b.source, b.receiver, b.sender, b.endpoints) in directions
        first = place[b.source] < place[b.target]
        if b.source != b.target and not (both and not _leads(b, first)):
            flow.add_edge(b.source, b.target)
    return flow


def _leads(bundle: Bundle, first: bool) -> bool:  # noqa: FBT001
    sender, receiver = bundle.types
    if sender is receiver or ROUTER in {sender, receiver}:  # behind a ROUTER may be clients or workers
        return first
    if sender is REQ or (sender is DEALER and receiver is REP):
        return True
    if receiver is REQ or (receiver is DEALER and sender is REP):
        return False
    return not bundle.binds[0]


def _abreast(drawing: Drawing) -> dict[str, str]:
    # Which items stand beneath one another, by the first of them: peers, which are to each other as the other is to
    # them, and which have the same neighbours, as the two servers of a Binary Star; peers among themselves, as two
    # halves that face each other.
    import networkx as nx

    met = {(b.source, b.target, b.types, b.binds) for b in drawing.bundles if b.binds[0] != b.binds[1]}
    peers: nx.Graph[str] = nx.Graph((a, b) for a, b, *how in met if a != b and (b, a, *how) in met)
    near = {item.name: set[str]() for item in drawing.items}
    for b in drawing.bundles:
        near[b.source].add(b.target)
        near[b.target].add(b.source)
    leader = {item.name: item.name for item in drawing.items}
    for group in nx.connected_components(peers):
        others = [near[name] - group for name in group]
        if any(some != others[0] for some in others) or any(
            len(near[name] & group - {name}) < len(group) - 1 for name in group
        ):
            continue
        members = [item.name for item in drawing.items if item.name in group]
        half = len(members) if others[0] else (len(members) + 1) // 2
        leader |= {name: members[k // half * half] for k, name in enumerate(members)}
    return leader


def _ranks(flow: nx.DiGraph[str], leader: Mapping[str, str]) -> dict[str, int]:
    # Longest paths on the condensation; the nodes of a cycle follow one another from the first one named, and from all
    # that have the same neighbours: of three workers that a sink tells when to end, none stands apart.
    import networkx as nx

    led: nx.DiGraph[str] = nx.DiGraph()
    led.add_nodes_from(leader[name] for name in flow)
    led.add_edges_from((leader[a], leader[b]) for a, b in flow.edges if leader[a] != leader[b])
    whole = nx.condensation(led)
    position = {name: i for i, name in enumerate(led)}
    rank: dict[str, int] = {}
    for component in nx.topological_sort(whole):
        members = whole.nodes[component]["members"]
        before = [rank[p] for m in members for p in led.predecessors(m) if p not in members]
        start = max(before, default=-1) + 1
        first = min(members, key=position.__getitem__)
        entries = {m for m in members if led.pred[m].keys() == led.pred[first].keys() and led.adj[m] == led.adj[first]}
        for name, depth in nx.multi_source_dijkstra_path_length(led.subgraph(members), entries).items():
            rank[name] = start + round(depth)
    for name in led:  # a source stands beside those that it feeds, not at the far left
        after = [rank[s] for s in led.successors(name)]
        if after and not led.in_degree(name):
            rank[name] = max(0, min(after) - 1)
    return {name: rank[leader[name]] for name in flow}


def _ends(drawing: Drawing, rank: Mapping[str, int]) -> dict[str, int]:
    # How many lanes end on the fuller side of each item; those to its own layer go round its emptier side.
    sides: Counter[tuple[str, int]] = Counter()
    for b in drawing.bundles:
        ahead = (rank[b.target] > rank[b.source]) - (rank[b.target] < rank[b.source])
        sides[b.source, ahead] += 1
        sides[b.target, -ahead] += 1
    fuller, emptier = ({name: choose(sides[name, -1], sides[name, 1]) for name in rank} for choose in (max, min))
    return {name: max(fuller[name], emptier[name] + sides[name, 0]) for name in rank}


def _size(item: Item, ends: int, least: float, letter: float) -> tuple[float, float]:
    # High enough for the lanes that end on its fuller side; a group's has more to tell.
    if len(item.members) > 1:
        least = _GROUP_HEIGHT
    return (
        min(_MOST_WIDTH, max(_LEAST_WIDTH, letter * len(item.name) + 44, 6.6 * len(item.types) + 44))
        if len(item.members) == 1
        else _MOST_WIDTH,
        max(least, ends * _SLOT + 14),
    )


def _gap(column: Sequence[str]) -> float:
    return _CLOSE_GAP if len(column) > _MANY else _ROW_GAP


def _height(column: Sequence[str], size: Mapping[str, tuple[float, float]]) -> float:
    return sum(size[n][1] for n in column) + _gap(column) * (len(column) - 1)


def _columns(
    layers: Sequence[Sequence[str]], size: Mapping[str, tuple[float, float]]
) -> list[tuple[Sequence[str], float, float]]:
    # A layer too high for its picture is cut into several columns, one after the other: what stands in each, the gap
    # before it, and how far it is moved down, so that the lanes to one column pass between the cards of the other.
    split = [1] * len(layers)
    while True:
        cut = [_cut(layer, parts) for layer, parts in zip(layers, split, strict=True)]
        columns = [
            (column, GAP if k == 0 else _COLUMN_GAP, (k % 2 - 0.5) * _SHIFT if len(parts) > 1 else 0.0)
            for parts in cut
            for k, column in enumerate(parts)
        ]
        high = max(_height(column, size) for column, *_ in columns)
        wide = sum(max(size[n][0] for n in column) + gap for column, gap, _ in columns)
        tallest = max(range(len(layers)), key=lambda i: _height(cut[i][0], size))
        if wide >= _ASPECT * high or len(layers[tallest]) <= _ONE_COLUMN:
            return columns
        split[tallest] += 1


def _cut(layer: Sequence[str], parts: int) -> list[Sequence[str]]:
    # Down the first column, then down the second, as one reads.
    rows = -(-len(layer) // parts)
    return [layer[k : k + rows] for k in range(0, len(layer), rows)]
