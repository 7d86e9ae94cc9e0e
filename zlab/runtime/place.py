"""Places in a lab: the points at which messages pass, and those at which they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.recording import Direction
from zlab.runtime.world import Point
from zlab.sockets import Socket, SocketType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.topology import Node, Topology

_ALWAYS_BEGINS = {SocketType.REQ, SocketType.PAIR, SocketType.DEALER}


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
    return spec.type in {SocketType.PUSH, SocketType.PUB, SocketType.XPUB} and not receives
