"""Targets: what a fault befalls, as a person names it: a node, a socket, a link, or two groups of nodes."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zlab.topology import Link, Topology

Group = str | tuple[str, ...] | list[str]
Given = str | tuple[Group, Group]
"""``"worker-1"``, ``"worker-1.tasks"``, ``"ventilator → worker-1"``, or ``(("a", "b"), "c")``."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a fault befalls."""

    name: str
    """As it is shown."""
    kind: str
    """``node``, ``socket``, ``link`` or ``groups``."""
    sockets: tuple[str, ...]
    """The sockets of the node, or the one; none of links and groups."""
    links: tuple[Link, ...]
    """Those that it touches."""
    nodes: frozenset[str]
    """From which one-way faults cut off."""

    @property
    def senders(self) -> tuple[str, ...]:
        """The sockets at which its messages are sent."""
        return self._ends("sender")

    @property
    def receivers(self) -> tuple[str, ...]:
        """The sockets at which its messages are received."""
        return self._ends("receiver")

    def _ends(self, end: str) -> tuple[str, ...]:
        ends = dict.fromkeys(getattr(link, end) for link in self.links)
        return tuple(name for name in ends if not self.sockets or name in self.sockets)


def target(topology: Topology, given: Given) -> Target:
    """Find what is meant.

    Raises:
        KeyError: no such node, socket or link; the message says which there are.
        TypeError: what is given names none of these.
    """
    if isinstance(given, str):
        for arrow in ("→", "->"):
            if arrow in given:
                first, second = (part.strip() for part in given.split(arrow, 1))
                return _link(topology, first, second)
        sockets = dict(topology.sockets())
        if given in sockets:
            touching = tuple(link for link in topology.links if given in {link.sender, link.receiver})
            return Target(given, "socket", (given,), touching, frozenset({node_of(given)}))
        node = topology[given]  # raises with advice
        mine = tuple(f"{given}.{key}" for key in node.sockets)
        touching = tuple(link for link in topology.links if given in {link.source, link.target})
        return Target(given, "node", mine, touching, frozenset({given}))
    if not isinstance(given, (tuple, list)) or len(given) != 2:  # noqa: PLR2004 - from one, to the other
        raise TypeError(
            f"{given!r} is no target: "
            "give a node 'a', a socket 'a.out', a link 'a → b', or two groups (('a', 'b'), 'c')"
        )
    return _groups(topology, *((side,) if isinstance(side, str) else tuple(side) for side in given))


def _link(topology: Topology, first: str, second: str) -> Target:
    links = tuple(
        link
        for link in topology.links
        if first in {link.source, link.sender} and second in {link.target, link.receiver}
    )
    if not links:
        known = [f"{link.source} → {link.target}" for link in topology.links]
        near = difflib.get_close_matches(f"{first} → {second}", known, n=3) or known[:8]
        raise KeyError(f"no link {first} → {second}: there are {', '.join(dict.fromkeys(near)) or 'none'}")
    name = str(links[0]) if len(links) == 1 else f"{first} → {second}"
    return Target(name, "link", (), links, frozenset(link.source for link in links))


def _groups(topology: Topology, first: tuple[str, ...], second: tuple[str, ...]) -> Target:
    for name in (*first, *second):
        topology[name]  # raises with advice
    one, other = frozenset(first), frozenset(second)
    if one & other:
        raise ValueError(f"{', '.join(sorted(one & other))} is on both sides: name each node once")
    links = tuple(
        link
        for link in topology.links
        if (link.source in one and link.target in other) or (link.source in other and link.target in one)
    )
    name = f"{_listed(first)} | {_listed(second)}"
    if not links:
        raise ValueError(f"{name}: no link goes from one side to the other")
    return Target(name, "groups", (), links, one)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
