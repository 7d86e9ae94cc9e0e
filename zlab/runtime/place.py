"""Places in a lab, where messages can be held, step or slow down: all of it, a node, a socket or a link."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from zlab.recording import Direction
from zlab.runtime.world import Point
from zlab.sockets import PUBLISHERS, Socket, SocketType, node_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zlab.topology import Link, Node, Topology

_ARROW = re.compile(r"\s*(?:→|->)\s*")
_ALWAYS_BEGINS = {SocketType.REQ, SocketType.PAIR, SocketType.DEALER}


class Place(NamedTuple):
    """A part of a lab, as its points."""

    name: str
    """As a person names it, or "" for the whole lab."""
    holds: frozenset[Point]
    """Where messages are held when it is paused."""
    moves: frozenset[Point]
    """Where one passes, one message has moved."""
    feeds: tuple[frozenset[Point], ...]
    """Where one must pass before a message can come to where it moves: the nearest first, then what feeds these."""
    links: tuple[str, ...] = ()
    """The links that it is, as ``source.out → sink.inbox``; none where it is a node, a socket or the lab."""


def place(topology: Topology, where: str | None = None) -> Place:
    """Find a place by its name.

    A message moves when the program that receives it gets it. Where nothing is received (a node that only sends,
    a link that is held at its sender), it moves when it is sent.

    Args:
        topology: what runs.
        where: a node (``worker-1``), a socket (``worker-1.tasks``), a link (``ventilator → worker-1``, or ``->``,
            each end a node or a socket), or None for all.

    Raises:
        KeyError: there is no such place; the message lists those that there are.
        ValueError: a link whose messages cannot be held apart from those of other links.
    """
    every = frozenset(points(topology))
    if where is None:
        moves = _received(every, topology) or every
        return Place("", every, moves, (every - moves,))
    if not isinstance(where, str):
        raise TypeError(f"{where!r} is no place: give a name, such as 'worker-1' or 'ventilator → worker-1'")
    if _ARROW.search(where):
        return _link_place(topology, where)
    sockets = dict(topology.sockets())
    if where in sockets:
        node, held = node_of(where), {where}
    else:
        node = topology[where].name if "." not in where else _node_or_advice(topology, where)
        held = {f"{node}.{key}" for key in topology[node].sockets}
    holds = frozenset(point for point in every if point.socket in held)
    moves = _received(holds, topology)
    if not moves:
        return Place(where, holds, holds, _feeds(topology, holds, (), {node}))
    feeding = {Point(link.sender, Direction.SEND) for link in topology.links if link.receiver in held}
    sources = {link.source for link in topology.links if link.receiver in held}
    own = frozenset(point for point in every if _node(point) == node)
    return Place(where, holds, moves, _feeds(topology, moves, (own - _received(own, topology)) | feeding, sources))


def _feeds(
    topology: Topology, moves: frozenset[Point], first: Iterable[Point], sources: Iterable[str]
) -> tuple[frozenset[Point], ...]:
    """Where something must pass for a message to come, from near to far.

    Args:
        topology: what runs.
        moves: where it is to pass in the end.
        first: what sends there.
        sources: the nodes that do; what these send and receive comes next, and so on up the stream.
    """
    levels, seen = [frozenset(first) - moves], set(moves)
    every, known, nodes = frozenset(points(topology)), set[str](), frozenset(sources)
    while nodes:
        known |= nodes
        near = [point for point in every if _node(point) in nodes]
        levels += [frozenset(p for p in near if p.direction is way) for way in (Direction.SEND, Direction.RECV)]
        nodes = frozenset(link.source for link in topology.links if link.target in nodes) - known
    fresh = []
    for level in levels:
        fresh.append(level - seen)
        seen |= level
    return tuple(filter(None, fresh))


def _node(point: Point) -> str:
    return node_of(point.socket)


def _received(held: Iterable[Point], topology: Topology) -> frozenset[Point]:
    """Where messages are received; what an XPUB receives are subscriptions."""
    types = {name: spec.type for name, spec in topology.sockets()}
    return frozenset(p for p in held if p.direction is Direction.RECV and types[p.socket] is not SocketType.XPUB)


def _node_or_advice(topology: Topology, where: str) -> str:
    if any(node.name == where for node in topology.nodes):
        return where
    sockets = [name for name, _ in topology.sockets()]
    near = [name for name in sockets if node_of(name) == node_of(where)]
    raise KeyError(f"no socket {where!r} in {topology.name!r}: it has {', '.join(near or sockets)}")


def links_of(topology: Topology, where: str) -> list[Link]:
    """The links that are named so: ``ventilator → worker-1``, or ``->``, each end a node or a socket.

    Raises:
        KeyError: there is none; the message lists those that there are.
    """
    sender, receiver = [*_ARROW.split(where.strip()), ""][:2]
    met = [
        link
        for link in topology.links
        if sender in {link.source, link.sender} and receiver in {link.target, link.receiver}
    ]
    if not met:
        known = ", ".join(dict.fromkeys(f"{link.source} → {link.target}" for link in topology.links)) or "none"
        raise KeyError(f"no link {where!r} in {topology.name!r}: it has {known}")
    return met


def _link_place(topology: Topology, where: str) -> Place:
    met = links_of(topology, where)
    held = frozenset(_end(topology, link, met) for link in met)
    fed = {link.receiver for link in met if Point(link.receiver, Direction.RECV) in held}
    feeds = {Point(link.sender, Direction.SEND) for link in met if link.receiver in fed}
    nodes = {node_of(name) for name in fed}
    feeds |= {p for p in points(topology) if p.direction is Direction.SEND and _node(p) in nodes}
    name = " → ".join(_ARROW.split(where.strip()))
    return Place(name, held, held, _feeds(topology, held, feeds, {link.source for link in met}), tuple(map(str, met)))


def _end(topology: Topology, link: Link, met: Iterable[Link]) -> Point:
    """The end at which a link can be held without holding another: its receiver, or else its sender."""
    others = [other for other in topology.links if other not in met]
    to_receiver = [other for other in others if other.receiver == link.receiver]
    beside = [other for other in others if other.target == link.target and other.receiver != link.receiver]
    from_sender = [other for other in others if other.sender == link.sender]
    if not to_receiver and not beside:
        return Point(link.receiver, Direction.RECV)
    if not from_sender:
        return Point(link.sender, Direction.SEND)
    also = to_receiver[0].source if to_receiver else f"{beside[0].source}, at another socket,"
    raise ValueError(
        f"{link.source} → {link.target} cannot be held alone: {link.sender} also sends to {from_sender[0].target}, "
        f"and {link.target} also receives from {also} in the same thread; "
        f"pause {link.source!r} or {link.target!r} instead"
    )


def points(topology: Topology) -> Iterator[Point]:
    """All points at which messages pass."""
    for name, spec in topology.sockets():
        if spec.type.sends:
            yield Point(name, Direction.SEND)
        if spec.type.receives:
            yield Point(name, Direction.RECV)


def begins(topology: Topology) -> Iterator[Point]:
    """The points at which messages begin, rather than follow from others that the node receives."""
    for node in topology.nodes:
        for key, spec in node.sockets.items():
            if _begins(node, spec):
                yield Point(f"{node.name}.{key}", Direction.SEND)


def _begins(node: Node, spec: Socket) -> bool:
    if spec.type in _ALWAYS_BEGINS:
        return len(node.sockets) == 1 or spec.type is SocketType.REQ
    receives = any(other.type.receives for other in node.sockets.values())
    return spec.type in PUBLISHERS | {SocketType.PUSH} and not receives
