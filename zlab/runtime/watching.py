"""A program that zlab did not build, as the clock sees it: its threads are the nodes, and it may grow."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from zlab.ledger.snapshot import NodeState
from zlab.probe import blocked_in, install_proxy, message_cost, unobserve
from zlab.recording import FULL_TRACE_LIMIT, TRACE_LIMIT, Direction, Event, Recording
from zlab.runtime.addresses import meets
from zlab.runtime.discovery import Discovered, Seen
from zlab.runtime.endpoints import Endpoints
from zlab.runtime.outside import outside_peers
from zlab.runtime.run import EVENT_LIMIT
from zlab.runtime.world import World
from zlab.sockets import Socket, SocketType
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    import zmq

    from zlab.recording import Key

SOCKET_LIMIT = 500
"""Sockets that are shown; what a program opens beyond them is not watched."""

ENDPOINTS = 20
"""Endpoints that the lives of one socket have bound before it is shown with one for all that follow."""

_PATIENCE = 0.5  # seconds after which a socket that nobody has used is shown in the thread that made it
_LOOK = 1.0  # seconds between two looks at the connections of the process
_UNNAMEABLE = re.compile(r"[^A-Za-z0-9_.\-]+")
_NUMBERED = re.compile(r"Thread-\d+(?: \((.+)\))?")
_FACING = {
    SocketType.PUB: SocketType.SUB,
    SocketType.SUB: SocketType.PUB,
    SocketType.XPUB: SocketType.SUB,
    SocketType.XSUB: SocketType.PUB,
    SocketType.PUSH: SocketType.PULL,
    SocketType.PULL: SocketType.PUSH,
    SocketType.REQ: SocketType.REP,
    SocketType.REP: SocketType.REQ,
    SocketType.ROUTER: SocketType.DEALER,
    SocketType.DEALER: SocketType.ROUTER,
    SocketType.PAIR: SocketType.PAIR,
}


class WatchedNode:
    """One thread of the program; or a peer outside of it."""

    def __init__(self, name: str, thread: threading.Thread | None, *, outside: bool = False) -> None:
        """Start without sockets."""
        self.name = name
        self.thread = thread
        self.outside = outside
        self.sockets: dict[str, Socket] = {}
        self.past: dict[str, Socket] = {}
        """What earlier lives of its sockets have bound and connected to."""
        self.recordings: tuple[Recording, ...] = ()
        self.rates: dict[tuple[str, Direction], float] = {}
        self.traceback = ""
        self.over = False
        """Whether its thread is done with the program, though it lives on."""

    @property
    def state(self) -> NodeState:
        """Running as long as its thread does."""
        alive = not self.over and (self.outside or self.thread is None or self.thread.is_alive())
        return NodeState.RUNNING if alive else NodeState.FINISHED

    def knobs(self) -> Mapping[str, float]:
        """None: it is not zlab's to tune."""
        return {}


class Watching:
    """All that is watched of one program."""

    def __init__(self, name: str, *, key: Key | None = None, full: bool = False) -> None:
        """Start with nothing to see.

        Args:
            name: what the program is called.
            key: what makes a message itself; None for its last frame.
            full: whether every message is to be traced, at any rate.
        """
        install_proxy()
        self.message_cost = message_cost()
        self.endpoints = Endpoints("tcp")  # of a program every endpoint is a URL
        self.world = World()
        self.began = time.perf_counter()
        self.events: deque[Event] = deque(maxlen=EVENT_LIMIT)
        self.counted_events = 0
        self.tracing = self.rich = True
        self.mask = 0
        self.full = full
        self.key = key
        self.stopped = False
        self.at_end: Callable[[], None] = lambda: None
        """Called once nothing is to be watched any more."""
        self.claimed = False
        """Whether somebody looks; until then it only writes down."""
        self.whole = False
        """Whether it is watched to its end: then the main thread is done with it when it is watched no more."""
        self.topology = Topology.observed(name, ())
        self.nodes: dict[str, WatchedNode] = {}
        self.recordings = Discovered(
            key=key,
            trace_limit=FULL_TRACE_LIMIT if full else TRACE_LIMIT,
            complain=self._complain,
            report=self._happened,
            failed=lambda why: self.report("error", "", "", why),
        )
        self._applying = threading.Lock()
        self._homes: dict[Recording, WatchedNode] = {}
        self._places: list[Seen] = []
        self._contexts: list[int] = []
        self._outside: dict[str, int] = {}
        self._shown: dict[str, str] = {}  # by endpoint that is bound now: what it is shown as
        self._looked = 0.0
        self._shape = (0, 0)
        self._untold = False  # whether it has grown, and nobody has been told
        self._discovering = threading.Lock()
        self._told_limit = False
        self._early: deque[tuple[str, Recording, str, float]] = deque(
            maxlen=EVENT_LIMIT
        )  # events of sockets that have no name yet

    def opened(self, socket: zmq.Socket[Any], context: zmq.Context[Any], maker: FrameType | None) -> None:
        """Hear of an open socket, from the probe."""
        self.recordings.opened(socket, context, maker)

    def claim(self, name: str) -> Self:
        """Begin to be shown, under a name."""
        self.claimed = True
        self.recordings.settle()
        self.topology.name = name
        return self

    def report(self, kind: str, node: str, socket: str, detail: str) -> None:
        """Write an event down; any thread may."""
        self._write(Event(time.perf_counter() - self.began, kind, node, socket, detail))

    def _write(self, event: Event) -> None:
        self.events.append(event)
        self.counted_events += 1

    def _happened(self, kind: str, recording: Recording, detail: str) -> None:
        if recording.node:
            self.report(kind, recording.node, recording.socket, detail)
        else:
            self._early.append((kind, recording, detail, time.perf_counter() - self.began))

    def _complain(self, recording: Recording, what: str) -> None:
        self.report("key", recording.node, recording.socket, what)

    def apply(self) -> None:
        """Tell each probe whether to trace."""
        with self._applying:
            for recording in self.recordings.live:
                gated = recording in self.recordings.doubtful
                recording.look(self.mask if self.tracing else None, gated=gated, rich=self.rich)

    def over(self) -> bool:
        """Never: what the program does next is its own affair."""
        return False

    def stop(self) -> None:
        """Watch no more; the program goes on."""
        if self.stopped:
            return
        with self._discovering:
            self._untold |= self._discover()
        unobserve(self)
        self.at_end()
        self.recordings.end()
        if self.whole:
            for node in self.nodes.values():
                node.over = node.thread is threading.main_thread()
        self.stopped = True
        self.report("stop", "", "", "no longer watched")

    # --- what there is to see ------------------------------------------------------------------

    def discover(self) -> bool:
        """Give each new socket its place; says whether the topology has grown."""
        with self._discovering:
            grown = self._untold or (not self.stopped and self._discover())
            self._untold = False
            return grown

    def _discover(self) -> bool:
        waiting = [s for s in tuple(self.recordings.seen.values()) if not s.placed]
        if waiting:
            # Never in a variable: this frame is one of them, and would keep itself.
            polling = {thread: blocked_in(frame, ()) for thread, frame in sys._current_frames().items()}  # noqa: SLF001
            for thread, wait in polling.items():
                for recording in wait.sockets:
                    recording.meter.thread = recording.meter.thread or thread
        now = time.perf_counter()
        closed = [seen for seen in waiting if seen.closed]  # one that closes from now on has its turn at the next look
        grown = [self._place(seen) for seen in waiting if self._is_due(seen, now)]
        for seen in closed:
            if not seen.placed and not seen.unreachable:  # of an address that was refused its diagnosis tells
                self.recordings.forget(seen.recording)
        if now - self._looked >= _LOOK:
            self._looked = now
            self._look_outside()
        shape = sum(len(s.binds) + len(s.connects) for s in self._places), len(self._outside)
        if not any(grown) and shape == self._shape:
            return False
        self._shape = shape
        self._redraw()
        return True

    def _is_due(self, seen: Seen, now: float) -> bool:
        used = seen.recording.meter.thread or seen.closed or now - seen.opened > _PATIENCE
        return bool(used and (seen.binds or seen.connects) and seen.recording.type in set(SocketType))

    def _place(self, seen: Seen) -> bool:
        if len(self._places) >= SOCKET_LIMIT:
            if not self._told_limit:
                self._told_limit = True
                self.report(
                    "note", "", "", f"the program has opened more than {SOCKET_LIMIT} sockets: no more are shown"
                )
            return False
        recording = seen.recording
        node = self._home(seen)
        taken = {s.recording.socket for s in self._places if self._homes[s.recording] is node and s.ended > seen.opened}
        recording.socket = _free(seen.called, taken)
        self._succeed(node, recording.socket)
        recording.node = node.name  # from now on it has a place
        node.recordings = (*(r for r in node.recordings if r.socket != recording.socket), recording)
        self._homes[recording] = node
        self._places.append(seen)
        for entry in [e for e in tuple(self._early) if e[1] is recording]:
            kind, of, detail, at = entry
            self._write(Event(at, kind, of.node, of.socket, detail))
            self._early.remove(entry)
        return True

    def _succeed(self, node: WatchedNode, name: str) -> None:
        """Let go of the closed socket whose name is taken over, but for its endpoints."""
        for old in [s for s in self._places if self._homes[s.recording] is node and s.recording.socket == name]:
            node.past[name] = node.sockets.get(name, Socket(SocketType(old.recording.type)))
            self._places.remove(old)
            del self._homes[old.recording]
            self.recordings.forget(old.recording)

    def _home(self, seen: Seen) -> WatchedNode:
        """The node of the thread that uses a socket; another one where it would face itself."""
        ident = seen.recording.meter.thread or seen.maker.ident
        thread = seen.maker if ident == seen.maker.ident else None
        thread = thread or next((t for t in threading.enumerate() if t.ident == ident), None)
        base = _called(thread)
        number = 1
        while True:
            name = base if number == 1 else f"{base}-{number}"
            node = self.nodes.get(name)
            if node is None:
                node = self.nodes[name] = WatchedNode(name, thread)
                return node
            mine = node.thread is thread or self._has_left(node, seen.opened)
            if not node.outside and mine and not self._faces_itself(seen, node):
                node.thread = thread or node.thread
                return node
            number += 1

    def _has_left(self, node: WatchedNode, opened: float) -> bool:
        """Whether the thread of a node has ended, and had closed all that it opened when another opened a socket."""
        if node.thread is not None and node.thread.is_alive():
            return False
        return all(o.ended <= opened for o in self._places if self._homes.get(o.recording) is node)

    def _faces_itself(self, seen: Seen, node: WatchedNode) -> bool:
        return any(
            self._homes.get(o.recording) is node and o.faces(seen) for o in self._places if o.ended > seen.opened
        )

    def _redraw(self) -> None:
        """Draw the topology anew."""
        bound = [(s, url) for s in self._places for url in s.binds]
        self._shown = {endpoint: shown for s, url in bound for endpoint, shown in [self._show(s, url)]}
        for node in self.nodes.values():
            node.sockets = {} if not node.outside else node.sockets
        for seen in self._places:
            node = self._homes[seen.recording]
            known = node.past.get(seen.recording.socket)
            binds = [self._shown[self._endpoint(seen, url)] for url in seen.binds]
            connects = [self._endpoint(seen, self._met(seen, url, bound)) for url in seen.connects]
            connects = [self._shown.get(endpoint, endpoint) for endpoint in connects]
            if known is not None:
                binds, connects = [*known.binds, *binds], [*known.connects[-2 * ENDPOINTS :], *connects]
            node.sockets[seen.recording.socket] = Socket(
                SocketType(seen.recording.type),
                tuple(dict.fromkeys(binds)),
                tuple(dict.fromkeys(connects)),
                dict(seen.options),
            )
        for endpoint in self._outside:
            self._draw_outside(endpoint)
        nodes = [Node(n.name, _program, **n.sockets) for n in self.nodes.values() if n.sockets]
        self.topology = Topology.observed(self.topology.name, nodes, self.topology.links)
        self.endpoints.urls.update({e: e for n in nodes for s in n.sockets.values() for e in s.binds})

    def _show(self, seen: Seen, url: str) -> tuple[str, str]:
        """An endpoint that a socket binds, and what it is shown as: however many it binds in its lives, few are."""
        endpoint, node, key = self._endpoint(seen, url), self._homes[seen.recording], seen.recording.socket
        if endpoint in self._shown:
            return endpoint, self._shown[endpoint]
        known = node.past.get(key)
        if known is None or len(known.binds) < ENDPOINTS or endpoint in known.binds:
            return endpoint, endpoint
        return endpoint, f"{url.partition('://')[0]}://all-others-of-{node.name}.{key}"

    def _endpoint(self, seen: Seen, url: str) -> str:
        """The URL; that of an inproc endpoint in a second context is told apart."""
        if seen.context not in self._contexts:
            self._contexts.append(seen.context)
        number = self._contexts.index(seen.context)
        return f"{url}#{number + 1}" if number and url.startswith("inproc://") else url

    @staticmethod
    def _met(seen: Seen, url: str, bound: list[tuple[Seen, str]]) -> str:
        """What the peer calls the endpoint, where the peer is in this program."""
        inproc = url.startswith("inproc://")
        return next((b for s, b in bound if (s.context == seen.context or not inproc) and meets(b, url)), url)

    # --- outside -------------------------------------------------------------------------------

    def _look_outside(self) -> None:
        open_ = [s for s in self._places if not s.closed]
        bound = {u for s in open_ for u in s.binds if u.startswith("tcp://")}
        connected = {u for s in open_ for u in s.connects if u.startswith("tcp://")}
        if not bound and not connected:
            return
        for url, peers in outside_peers(bound, connected).items():
            before = self._outside.get(url, 0)
            self._outside[url] = max(before, peers)
            if peers > before:
                self.report("accept" if url in bound else "joined", "", "", f"{peers} outside this process at {url}")

    def _draw_outside(self, url: str) -> None:
        name = "outside-" + _UNNAMEABLE.sub("-", url.rpartition(":")[2])
        node = self.nodes.setdefault(name, WatchedNode(name, None, outside=True))
        for seen in self._places:
            kind = _FACING.get(SocketType(seen.recording.type))
            if kind is None:  # STREAM: whoever speaks plain TCP is no node
                continue
            key = kind.lower()
            known = node.sockets.get(key, Socket(kind))
            if url in seen.binds and url not in known.connects:
                node.sockets[key] = known.connect(url)
            elif url in seen.connects and url not in known.binds and not any(url in s.binds for s in self._places):
                node.sockets[key] = known.bind(url)

    @property
    def strangers(self) -> frozenset[str]:
        """The sockets, by their full names, that are outside."""
        return frozenset(f"{n.name}.{key}" for n in self.nodes.values() if n.outside for key in n.sockets)


def _called(thread: threading.Thread | None) -> str:
    """What a thread is called: as the program names it, else after the function that it runs, or its class."""
    if thread is None:
        return "ended"
    name = "main" if thread is threading.main_thread() else thread.name
    numbered = _NUMBERED.fullmatch(name)
    if numbered:
        name = numbered[1] or type(thread).__name__
    return _UNNAMEABLE.sub("-", name).strip("-.") or "thread"


def _free(name: str, taken: set[str]) -> str:
    number = 1
    wanted = name
    while wanted in taken:
        number += 1
        wanted = f"{name}-{number}"
    return wanted


def _program(**_: object) -> None:
    """Stand for the functions of a program that zlab did not build."""
