"""Where the nodes of a topology stand: layers from left to right along the flow of messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.sockets import DEALER, PAIR, REP, REQ, SocketType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import networkx as nx

    from zlab.sockets import Socket
    from zlab.topology import Link, Node, Topology

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
_SWEEPS = 6
_SHIFT = (_LOW_HEIGHT + _CLOSE_GAP) / 2


@dataclass(frozen=True, slots=True)
class Card:
    """A node as a rectangle, by its centre."""

    x: float
    y: float
    width: float
    height: float


def cards(topology: Topology) -> dict[str, Card]:
    """Place every node; the picture's centre is the origin, y grows downwards."""
    if not topology.nodes:
        return {}
    layers = ordered(topology)
    rank = {name: i for i, layer in enumerate(layers) for name in layer}
    letter = _LETTER if max(map(len, layers)) <= _MANY else _LARGE_LETTER
    size = {
        name: _size(topology, name, rank, _LOW_HEIGHT if len(layer) > _MANY else _LEAST_HEIGHT, letter)
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
    return {node.name: placed[node.name] for node in topology.nodes}


def topics(socket: Socket) -> list[str]:
    """What a SUB subscribes to from the start; "" is everything."""
    given = socket.options.get("subscribe", ())
    values = given if isinstance(given, tuple | list) else (given,)
    return [v.decode("utf-8", "backslashreplace") if isinstance(v, bytes) else str(v) for v in values]


def described(node: Node) -> str:
    """The types of a node's sockets, each with what it subscribes to: as they stand on its card."""
    told = []
    for socket in node.sockets.values():
        wanted = ", ".join(topic or "everything" for topic in topics(socket))
        told.append(f"{socket.type} {wanted}".rstrip())
    return " · ".join(dict.fromkeys(told))


def ordered(topology: Topology) -> list[list[str]]:
    """The layers from left to right, the nodes of each from top to bottom so that few lanes cross."""
    flow = _flow(topology)
    rank = _ranks(flow)
    layers: list[list[str]] = [[] for _ in range(max(rank.values()) + 1)]
    for name in flow:
        layers[rank[name]].append(name)
    layers = [layer for layer in layers if layer]
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for layer in layers[1:] if forward else layers[-2::-1]:
            place = {n: i / max(1, len(other) - 1) for other in layers for i, n in enumerate(other)}
            near = {n: list(flow.predecessors(n) if forward else flow.successors(n)) for n in layer}
            mean = {n: sum(place[m] for m in peers) / len(peers) if peers else place[n] for n, peers in near.items()}
            layer.sort(key=mean.__getitem__)
    return layers


def _flow(topology: Topology) -> nx.DiGraph[str]:
    # One edge for two lanes: a request's direction leads; of two equals, the one that was named first; or else from
    # the one that connects to the one that binds.
    import networkx as nx

    sockets = dict(topology.sockets())
    directions = {(link.sender, link.receiver, link.endpoint) for link in topology.links}
    flow: nx.DiGraph[str] = nx.DiGraph()
    flow.add_nodes_from(node.name for node in topology.nodes)
    place = {name: i for i, name in enumerate(flow)}
    for link in topology.links:
        both = (link.receiver, link.sender, link.endpoint) in directions
        first = place[link.source] < place[link.target]
        if link.source != link.target and not (both and not _leads(link, sockets[link.sender].type, sockets, first)):
            flow.add_edge(link.source, link.target)
    return flow


def _leads(link: Link, sender: SocketType, sockets: Mapping[str, object], first: bool) -> bool:  # noqa: FBT001
    receiver: SocketType = sockets[link.receiver].type  # type: ignore[attr-defined]
    if sender is receiver is PAIR:
        return first
    if sender is REQ or (sender is DEALER and receiver is REP):
        return True
    if receiver is REQ or (receiver is DEALER and sender is REP):
        return False
    return link.endpoint in sockets[link.sender].connects  # type: ignore[attr-defined]


def _ranks(flow: nx.DiGraph[str]) -> dict[str, int]:
    # Longest paths on the condensation; the nodes of a cycle follow one another from the first one named.
    import networkx as nx

    whole = nx.condensation(flow)
    position = {name: i for i, name in enumerate(flow)}
    rank: dict[str, int] = {}
    for component in nx.topological_sort(whole):
        members = whole.nodes[component]["members"]
        before = [rank[p] for m in members for p in flow.predecessors(m) if p not in members]
        start = max(before, default=-1) + 1
        entry = min(members, key=position.__getitem__)
        for name, depth in nx.single_source_shortest_path_length(flow.subgraph(members), entry).items():
            rank[name] = start + depth
    for name in flow:  # a source stands beside those that it feeds, not at the far left
        after = [rank[s] for s in flow.successors(name)]
        if after and not flow.in_degree(name):
            rank[name] = max(0, min(after) - 1)
    return rank


def _size(topology: Topology, name: str, rank: Mapping[str, int], least: float, letter: float) -> tuple[float, float]:
    # High enough for the lanes that end on its fuller side.
    types = described(topology[name])
    ends: dict[int, int] = {-1: 0, 1: 0}
    for link in topology.links:
        if name in (link.source, link.target):
            ends[1 if rank[link.source if name == link.target else link.target] > rank[name] else -1] += 1
    return (
        min(_MOST_WIDTH, max(_LEAST_WIDTH, letter * len(name) + 44, 6.6 * len(types) + 44)),
        max(least, max(ends.values()) * _SLOT + 14),
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
