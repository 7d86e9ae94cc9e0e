"""A topology is data: nodes, their sockets, and how these bind and connect."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from zlab.sockets import PEERS, Socket, SocketType, TopologyError, check_options, node_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import networkx as nx

TRANSPORTS = ("inproc", "ipc", "tcp")
"""The transports that an endpoint name can be resolved to."""
URLS = (*TRANSPORTS, "ws", "wss", "pgm", "epgm", "norm", "udp", "tipc", "vmci")
"""The transports that a full URL can name; whether this installation has them is known when it runs."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_URL = re.compile(r"(?P<transport>[a-z]+)://(?P<address>.+)")


@dataclass(frozen=True, slots=True)
class Link:
    """One direction in which messages can flow between two sockets that meet at an endpoint."""

    sender: str
    """The sending socket, as ``node.socket``."""
    receiver: str
    """The receiving socket, as ``node.socket``."""
    endpoint: str

    @property
    def source(self) -> str:
        """The name of the sending node."""
        return node_of(self.sender)

    @property
    def target(self) -> str:
        """The name of the receiving node."""
        return node_of(self.receiver)

    def __str__(self) -> str:
        """Read as ``source.out → sink.inbox``."""
        return f"{self.sender} → {self.receiver}"


class Node:
    """A named function and the sockets that it is given.

    Args:
        name: what the node is called: letters, digits, ``_``, ``-`` and ``.``.
        function: runs in a thread of its own; its parameters are its sockets, by name. Where it is a dataclass with a
            method ``close``, each lab calls that of its own copy once it has stopped: there, files that were to outlive
            a kill can be removed.
        sockets: one `Socket` for each parameter of the function, such as
            ``out=zlab.PUSH.bind("numbers")``.

    Raises:
        TopologyError: a parameter without a socket, a socket without a parameter, a bad name, no such
            socket option, or what cannot run in a thread: a class, a coroutine or a generator function.
    """

    __slots__ = ("function", "name", "sockets")

    def __init__(self, name: str, function: Callable[..., object], /, **sockets: Socket) -> None:
        """Check that the function's parameters and the sockets agree."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise TopologyError(
                f"a node cannot be called {name!r}: use letters, digits, '_', '-' and '.', such as 'worker-1'"
            )
        if not callable(function):
            raise TopologyError(
                f"node {name}: {function!r} is not a function; give a function whose parameters are its sockets"
            )
        _check_function(name, function)
        self.name = name
        self.function = function
        self.sockets: Mapping[str, Socket] = MappingProxyType(dict(sockets))
        for key, socket in sockets.items():
            if not isinstance(socket, Socket):
                raise TopologyError(
                    f"{name}.{key} is {_told(socket)}, not a socket: "
                    f"write {key}=zlab.PUSH.bind('endpoint') or {key}=zlab.PULL.connect('endpoint')"
                )
            if not socket.endpoints:
                raise TopologyError(
                    f"{name}.{key} has no endpoint: give {socket.type}.bind(...) or .connect(...) a name or a URL"
                )
            check_options(f"{name}.{key}", socket)
        self._check_parameters()

    def _check_parameters(self) -> None:
        try:
            parameters = inspect.signature(self.function).parameters.values()
        except (TypeError, ValueError):  # a compiled function without a signature
            return
        for parameter in parameters:
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise TopologyError(
                    f"node {self.name}: the parameter {parameter.name!r} stands before a '/' and cannot be given "
                    f"by name: remove the '/'"
                )
        given = set(self.sockets)
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
        accepted = {p.name for p in parameters if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}}
        needed = {
            p.name for p in parameters if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY} and p.default is p.empty
        }
        shown = getattr(self.function, "__name__", type(self.function).__name__)
        for missing in sorted(needed - given):
            raise TopologyError(
                f"node {self.name}: {shown}() has a parameter {missing!r} and no socket of that name: "
                f"add {missing}=zlab.PULL.connect(...), zlab.PUSH.bind(...) or whichever socket it is"
            )
        for extra in sorted(given - accepted):
            if not open_ended:
                raise TopologyError(
                    f"{self.name}.{extra}: {shown}() has no parameter {extra!r}; "
                    + (
                        f"its parameters are {', '.join(sorted(accepted))}"
                        if accepted
                        else f"add {extra!r} to its parameters"
                    )
                )

    def __repr__(self) -> str:
        """Show the name, the function and the sockets."""
        shown = getattr(self.function, "__name__", type(self.function).__name__)
        return f"Node({self.name!r}, {shown}, {', '.join(f'{k}={v.type}' for k, v in self.sockets.items())})"


class Topology:
    """Nodes and the links between them, checked when it is made; nothing runs yet.

    Args:
        name: what the topology is called, shown above its picture.
        nodes: the nodes; their names differ.
        io_threads: how many I/O threads each context has that a lab makes for it (man page ``zmq_ctx_set``).
        transports: what bare endpoint names may become, where its nodes rely on it; over another one it is not run.

    Raises:
        TopologyError: two nodes of one name, an endpoint that nobody binds or that two bind,
            socket types that cannot face each other, an endpoint that is no name and no URL.

    Example:
        >>> import zlab
        >>> topology = zlab.Topology("two", [
        ...     zlab.Node("source", zlab.nodes.source(), out=zlab.PUSH.bind("numbers")),
        ...     zlab.Node("sink", zlab.nodes.sink(), inbox=zlab.PULL.connect("numbers")),
        ... ])
        >>> [str(link) for link in topology.links]
        ['source.out → sink.inbox']
    """

    io_threads: int = 1
    transports: tuple[str, ...] = TRANSPORTS

    def __init__(
        self, name: str, nodes: Iterable[Node] = (), *, io_threads: int = 1, transports: tuple[str, ...] = TRANSPORTS
    ) -> None:
        """Check the nodes and derive the links."""
        _check_given(name, nodes)
        if isinstance(io_threads, bool) or not isinstance(io_threads, int) or io_threads < 0:
            raise TopologyError(f"topology {name!r}: io_threads={io_threads!r}: give zero or more threads")
        if not transports or not set(transports) <= set(TRANSPORTS):
            raise TopologyError(f"topology {name!r}: transports={transports!r}: give some of {', '.join(TRANSPORTS)}")
        self.io_threads, self.transports = io_threads, tuple(transports)
        self.name = name
        self.nodes: tuple[Node, ...] = tuple(nodes)
        if not self.nodes:
            raise TopologyError(f"topology {name!r} has no nodes: give it at least one zlab.Node")
        for node in self.nodes:
            if not isinstance(node, Node):
                raise TopologyError(f"topology {name!r}: {node!r} is not a zlab.Node")
        self._by_name = {node.name: node for node in self.nodes}
        if len(self._by_name) < len(self.nodes):
            names = [node.name for node in self.nodes]
            twice = next(n for n in names if names.count(n) > 1)
            raise TopologyError(f"two nodes are called {twice!r}: give each node a name of its own")
        self.links: tuple[Link, ...] = tuple(self._derive_links())

    @classmethod
    def observed(cls, name: str, nodes: Iterable[Node], before: Iterable[Link] = ()) -> Topology:
        """The topology of a program that zlab did not build: drawn as it is, be it right or wrong.

        Args:
            name: what it is called.
            nodes: its nodes so far; an endpoint may be bound by several in turn, or by none.
            before: the links of an earlier look, which keep their places.
        """
        topology = cls.__new__(cls)
        topology.name, topology.nodes = name, tuple(nodes)
        topology._by_name = {node.name: node for node in topology.nodes}  # noqa: SLF001 - its own
        known = tuple(before)
        topology.links = (*known, *(k for k in dict.fromkeys(topology._meetings()) if k not in known))  # noqa: SLF001
        return topology

    def _meetings(self) -> Iterator[Link]:
        binders: dict[str, list[tuple[str, Socket]]] = {}
        for name, socket in self.sockets():
            for endpoint in socket.binds:
                binders.setdefault(endpoint, []).append((name, socket))
        for name, socket in self.sockets():
            for endpoint in socket.connects:
                for other_name, other in binders.get(endpoint, ()):
                    if other_name != name and other.type in PEERS[socket.type]:
                        yield from _directions(name, socket, other_name, other, endpoint)

    def __getitem__(self, name: str) -> Node:
        """The node of that name.

        Raises:
            KeyError: there is none; the message lists those that there are.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise KeyError(f"no node {name!r} in {self.name!r}: it has {', '.join(self._by_name)}") from None

    def sockets(self) -> Iterator[tuple[str, Socket]]:
        """Every socket with its full name, ``node.socket``."""
        for node in self.nodes:
            for key, socket in node.sockets.items():
                yield f"{node.name}.{key}", socket

    def _binders(self) -> dict[str, tuple[str, Socket]]:
        binders: dict[str, tuple[str, Socket]] = {}
        for name, socket in self.sockets():
            for endpoint in socket.endpoints:
                _check_endpoint(name, endpoint)
                if socket.endpoints.count(endpoint) > 1:
                    raise TopologyError(
                        f"{name} has the endpoint {endpoint!r} more than once: once is enough, "
                        f"and a socket cannot talk to itself"
                    )
            for endpoint in socket.binds:
                if endpoint in binders:
                    raise TopologyError(
                        f"{name} and {binders[endpoint][0]} both bind {endpoint!r}: "
                        f"let one of them connect, or give each an endpoint of its own"
                    )
                binders[endpoint] = (name, socket)
        return binders

    def _derive_links(self) -> Iterator[Link]:
        binders = self._binders()
        for name, socket in self.sockets():
            for endpoint in socket.connects:
                if endpoint not in binders:
                    if is_url(endpoint):
                        continue  # the peer lives outside this topology
                    known = ", ".join(repr(e) for e in binders) or "none"
                    raise TopologyError(
                        f"{name} connects to {endpoint!r}, which nobody binds (bound: {known}): "
                        f"bind one socket to {endpoint!r}, or correct the name"
                    )
                other_name, other = binders[endpoint]
                if other.type not in PEERS[socket.type]:
                    can = " or ".join(sorted(PEERS[socket.type])) or "no ZeroMQ socket: its peers speak plain TCP"
                    raise TopologyError(
                        f"{name} is {socket.type} and cannot face {other_name}, which is {other.type}: "
                        f"{socket.type} faces {can}"
                    )
                yield from _directions(name, socket, other_name, other, endpoint)

    def graph(self) -> nx.MultiDiGraph[str]:
        """The topology as a networkx graph: a node a node, an edge a link.

        Nodes carry ``sockets`` (name to type); edges carry ``endpoint``, ``sender``, ``receiver``
        and ``types``, so that every networkx algorithm works on it.
        """
        import networkx as nx

        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=self.name)
        types = {name: socket.type for name, socket in self.sockets()}
        for node in self.nodes:
            graph.add_node(node.name, sockets={k: str(s.type) for k, s in node.sockets.items()})
        for link in self.links:
            graph.add_edge(
                link.source,
                link.target,
                endpoint=link.endpoint,
                sender=link.sender,
                receiver=link.receiver,
                types=(str(types[link.sender]), str(types[link.receiver])),
            )
        return graph

    def mermaid(self) -> str:
        """The topology as a Mermaid flowchart, which JupyterLab and GitHub draw themselves."""
        lines = ["flowchart LR"]
        quote = str.maketrans({'"': "#quot;"})
        place = {node.name: i for i, node in enumerate(self.nodes)}
        for node in self.nodes:
            types = " ".join(dict.fromkeys(str(s.type) for s in node.sockets.values()))
            lines.append(f'    n{place[node.name]}["{node.name}<br/><small>{types}</small>"]')
        directions = {(link.source, link.target, link.endpoint) for link in self.links}
        for link in self.links:
            both = (link.target, link.source, link.endpoint) in directions
            if both and place[link.source] > place[link.target]:
                continue  # one line for two ways, from the node that was named first: it stands at the left
            arrow = "<-->" if both else "-->"
            source, target = f"n{place[link.source]}", f"n{place[link.target]}"
            lines.append(f'    {source} {arrow}|"{link.endpoint.translate(quote)}"| {target}')
        return "\n".join(lines) + "\n"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/vnd.mermaid": self.mermaid(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        """Name the topology and list its links."""
        head = f"Topology {self.name!r}: {len(self.nodes)} nodes, {len(self.links)} links"
        return "\n".join([head, *(f"  {link}  ({link.endpoint})" for link in self.links)])


def _directions(name: str, socket: Socket, other_name: str, other: Socket, endpoint: str) -> Iterator[Link]:
    if socket.type.sends and other.type.receives:
        yield Link(name, other_name, endpoint)
    if other.type.sends and socket.type.receives:
        yield Link(other_name, name, endpoint)


def is_url(endpoint: str) -> bool:
    """Whether an endpoint is a full URL rather than a name to be resolved."""
    return "://" in endpoint


def _told(given: object) -> str:
    return f"{given} alone" if isinstance(given, SocketType) else repr(given)


def _check_given(name: object, nodes: object) -> None:
    if not isinstance(name, str):
        raise TopologyError(f"a topology's name comes first, not {name!r}: write Topology('name', [node, ...])")
    if isinstance(nodes, Node):
        raise TopologyError(f"topology {name!r}: one node is to be a list too: write Topology({name!r}, [node])")


def _check_function(node: str, function: Callable[..., object]) -> None:
    shown = getattr(function, "__name__", type(function).__name__)
    if inspect.isclass(function):
        raise TopologyError(f"node {node}: {shown} is a class: give what it makes, {shown}()")
    code = function if inspect.isroutine(function) else type(function).__call__
    if inspect.iscoroutinefunction(code) or inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
        raise TopologyError(
            f"node {node}: {shown} only makes a coroutine or a generator when it is called: "
            f"give a plain function that runs until it is done"
        )


def _check_endpoint(socket: str, endpoint: str) -> None:
    if not isinstance(endpoint, str):
        raise TopologyError(f"{socket}: an endpoint is a name or a URL, not {endpoint!r}")
    if is_url(endpoint):
        match = _URL.fullmatch(endpoint)
        if match is None or match["transport"] not in URLS:
            raise TopologyError(
                f"{socket}: {endpoint!r} is not an endpoint that zlab can use: "
                f"write tcp://127.0.0.1:5556, ipc:///tmp/name, inproc://name, or a bare name; "
                f"libzmq also knows {', '.join(URLS[3:])}"
            )
    elif not _NAME.fullmatch(endpoint):
        raise TopologyError(
            f"{socket}: an endpoint cannot be called {endpoint!r}: use a bare name such as 'numbers', or a full URL"
        )
