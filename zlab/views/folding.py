"""What is drawn of a large lab: nodes that are alike as one card, and the links between two cards as one lane."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from zlab.sockets import Socket, SocketType
    from zlab.topology import Link, Node, Topology

LARGE = 40
"""Nodes that are drawn one by one; of more, those that are alike are drawn as one."""
_FEWEST = 4  # fewer are no crowd
_NUMBERED = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Item:
    """A card: a node, or a group of nodes that are alike."""

    name: str
    members: tuple[str, ...]
    """The nodes that it stands for, in their order."""
    types: str
    """The types of its sockets, as they stand on the card."""
    sockets: tuple[str, ...]
    """The names of its sockets."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A lane: all links from one socket of an item to one socket of another."""

    source: str
    target: str
    sender: str
    """The sending socket's name within its node."""
    receiver: str
    types: tuple[SocketType, SocketType]
    """Of the sender and the receiver."""
    binds: tuple[bool, bool]
    """Whether the sender, and whether the receiver, binds."""
    endpoints: tuple[str, ...]
    links: tuple[int, ...]
    """Places in `Topology.links`."""

    @property
    def label(self) -> str:
        """What stands beside it."""
        if len(self.endpoints) > 1:
            return f"{len(self.endpoints)} endpoints"
        # Easily taken for a topic; a URL tells by itself what it is.
        return self.endpoints[0] if "://" in self.endpoints[0] else f"endpoint {self.endpoints[0]}"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Cards and lanes: every node stands on one card, every link in one lane."""

    items: tuple[Item, ...]
    bundles: tuple[Bundle, ...]

    @property
    def groups(self) -> tuple[Item, ...]:
        """The items that stand for several nodes."""
        return tuple(item for item in self.items if len(item.members) > 1)


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


def binds(topology: Topology, link: Link, *, sender: bool) -> bool:
    """Whether the sending, or the receiving, socket of a link is the one that binds."""
    node, socket = (link.source, link.sender) if sender else (link.target, link.receiver)
    return link.endpoint in topology[node].sockets[socket.removeprefix(f"{node}.")].binds


def whole(topology: Topology) -> Drawing:
    """A card for every node and a lane for every link."""
    return _drawing(topology, [(node.name, (node,)) for node in topology.nodes])


def folded(topology: Topology, opened: Collection[str] = ()) -> Drawing:
    """A large topology with all its groups closed but those that were opened, by name; any other as it is."""
    groups: list[tuple[str, tuple[Node, ...]]] = []
    for name, members in _groups(topology).items():
        groups += [(node.name, (node,)) for node in members] if name in opened else [(name, members)]
    return _drawing(topology, groups)


def _groups(topology: Topology) -> Mapping[str, tuple[Node, ...]]:
    if len(topology.nodes) <= LARGE:
        return {node.name: (node,) for node in topology.nodes}
    families: dict[object, list[Node]] = {}
    for node in topology.nodes:
        families.setdefault(_likeness(node), []).append(node)
    return {
        name: tuple(members)
        for family in families.values()
        for name, members in (
            [(_title(family), family)] if len(family) >= _FEWEST else [(node.name, [node]) for node in family]
        )
    }


def _likeness(node: Node) -> object:
    # Equal for nodes of one function, with sockets of the same kinds, whose names differ by a number.
    if not _NUMBERED.search(node.name):
        return node.name
    function = getattr(node.function, "func", node.function)  # of a functools.partial
    what = getattr(function, "__code__", None) or type(function)
    shape = tuple((key, s.type, bool(s.binds), bool(s.connects)) for key, s in node.sockets.items())
    before, _, after = _split(node.name)
    return before, after, what, shape


def _split(name: str) -> tuple[str, str, str]:
    # The last number is what counts: rack-3-node-17 is one of the nodes of rack 3.
    last = list(_NUMBERED.finditer(name))[-1]
    return name[: last.start()], last[0], name[last.end() :]


def _title(family: list[Node]) -> str:
    before, first, after = _split(family[0].name)
    return f"{before}{first}…{_split(family[-1].name)[1]}{after}"  # no node can be called so


def _drawing(topology: Topology, groups: list[tuple[str, tuple[Node, ...]]]) -> Drawing:
    items = []
    item_of: dict[str, str] = {}
    for name, members in groups:
        told = dict.fromkeys(described(node) for node in members)
        plain = " · ".join(dict.fromkeys(str(socket.type) for socket in members[0].sockets.values()))
        items.append(
            Item(
                name,
                tuple(node.name for node in members),
                next(iter(told)) if len(told) == 1 else plain,
                tuple(members[0].sockets),
            )
        )
        item_of |= dict.fromkeys((node.name for node in members), name)
    crowds = {item.name for item in items if len(item.members) > 1}
    types = {name: socket.type for name, socket in topology.sockets()}
    found: dict[object, list[int]] = {}
    for i, link in enumerate(topology.links):
        source, target = item_of[link.source], item_of[link.target]
        sender, receiver = link.sender.removeprefix(f"{link.source}."), link.receiver.removeprefix(f"{link.target}.")
        ways = binds(topology, link, sender=True), binds(topology, link, sender=False)
        one = "" if crowds & {source, target} else (link.endpoint, i)  # only a crowd's links share a lane
        found.setdefault((source, target, sender, receiver, ways, one), []).append(i)
    bundles = []
    for links in found.values():
        link = topology.links[links[0]]
        bundles.append(
            Bundle(
                source=item_of[link.source],
                target=item_of[link.target],
                sender=link.sender.removeprefix(f"{link.source}."),
                receiver=link.receiver.removeprefix(f"{link.target}."),
                types=(types[link.sender], types[link.receiver]),
                binds=(binds(topology, link, sender=True), binds(topology, link, sender=False)),
                endpoints=tuple(dict.fromkeys(topology.links[i].endpoint for i in links)),
                links=tuple(links),
            )
        )
    return Drawing(tuple(items), tuple(bundles))
