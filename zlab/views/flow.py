"""The flow graph: nodes, lanes, queues, and the messages that move between them."""

from __future__ import annotations

import json
import math
from time import monotonic
from typing import TYPE_CHECKING, Any

import traitlets

from zlab.sockets import node_of
from zlab.views import batch, breaking, way
from zlab.views.folding import binds, folded, topics
from zlab.views.layout import cards, frame
from zlab.views.playhead import COVERS, PERIOD, Moment
from zlab.views.view import View, script

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from zlab.ledger.snapshot import Connection, FaultFigures, Flight, LatencyFigures, Snapshot
    from zlab.ledger.where import Standing
    from zlab.topology import Topology
    from zlab.views.layout import Card
    from zlab.views.source import Source

_FIGURES_EVERY = 1.0  # seconds; rates, queues and states come with every tick
_LAST_EVERY = 0.5  # seconds; the last messages of a node that is open
_OWED = 0.3  # seconds between two sets of figures while somebody goes through the past
_WHOLE = 0.8  # of its ticks: of less it is said that messages are missing from a moment of the past
_KEPT = 20  # batches' worth of messages, for a tick that was skipped
_FEW = 200  # links; of more, only what a person looks at is told in figures


class Flow(View):
    """The moving picture of a lab; pan, zoom, drag a node, click it to see and break it."""

    _esm = script(
        *("batch.js", "fold.js", "graph.js", "cards.js", "scene.js", "camera.js", "layers.js", "flight.js"),
        *("player.js", "buttons.js", "gestures.js", "tip.js", "announce.js", "message.js", "breaking.js"),
        *("latest.js", "inspector.js", "asking.js", "sum.js", "charts.js", "flow.js"),
    )
    fixed = True

    graph = traitlets.Dict().tag(sync=True)
    """What stands where, and what is linked: it does not change while the lab runs."""
    moved = traitlets.Dict().tag(sync=True)
    """Nodes that a person dragged: name to [x, y]."""
    opened: Any = traitlets.List().tag(sync=True)
    """The groups that a person opened, by name."""
    larger = traitlets.Bool(default_value=False).tag(sync=True)
    """Whether it is drawn to be read from the last row."""

    def __init__(self, source: Source, **rest: Any) -> None:
        """Lay the topology out."""
        self._flights: list[Flight] = []
        self._passed = 0
        self._burst = self._since = 1  # ticks from one sample to the next, and since the last
        self._delivered: int | None = None
        self._kinds_sent = -1
        self._faults_sent: tuple[FaultFigures, ...] = ()
        self._figures_at = self._figures_sent = float("-inf")
        self._owes = False
        self._queued: NDArray[np.uint32] | None = None
        self._capacities: list[int] | None = None
        self._asked: dict[str, tuple[set[int], set[int]]] = {}  # view to nodes and links
        self._looked: dict[str, tuple[str, int]] = {}  # view to the node, and the link of it or -1, that is shown
        self._stood: dict[str, Standing] = {}
        self._passed_at = float("-inf")
        self._told_last: dict[str, Any] = {}
        self._paused_sent: tuple[str, ...] = ()
        self._kept = _KEPT * batch.most(len(source.topology.links))
        shown = {**graph(source.topology), "steerable": source.steerable, "menu": breaking.menu()}
        super().__init__(source, graph=shown, **rest)

    def collect(self, snapshot: Snapshot) -> None:
        """Keep the messages of ticks that are skipped, while somebody looks."""
        delivered = sum(link.delivered for link in snapshot.links)
        if not self.visible:
            self._flights.clear()
            self._passed = 0
        else:
            self._flights.extend(snapshot.flights[: self._kept - len(self._flights)])
            self._passed += delivered - (delivered if self._delivered is None else self._delivered)
        self._delivered = delivered

    def recall(self, snapshot: Snapshot) -> None:
        """Forget the messages that moved where the playhead was before."""
        self._flights.clear()
        self._passed = 0
        self._delivered = sum(link.delivered for link in snapshot.links)

    def jump(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """A moment of the past: its messages stand where they were seen."""
        content, (data, figured) = self.full(snapshot)
        self._owes = monotonic() - self._figures_sent < _OWED
        if self._owes:
            self._capacities = None  # they are owed too
            return content, [data]
        self._figures_sent = monotonic()
        return content, [data, figured]

    def tick(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]] | None:
        """What moved since the last message."""
        pace = 1.0
        if isinstance(snapshot, Moment):
            if not snapshot.pace:
                return self.jump(snapshot) if self._owes else None
            pace = snapshot.pace
        due = snapshot.at - self._figures_at >= _FIGURES_EVERY * min(1.0, pace)
        packed = batch.encode(snapshot, self._dealt(snapshot), self._queued, rates=due)
        content = {**self._content(snapshot, packed), "of": self._passed, "pace": pace}
        self._passed = 0
        buffers = [packed.data]
        if len(snapshot.kinds) != self._kinds_sent:
            content["kinds"] = list(snapshot.kinds)
            self._kinds_sent = len(snapshot.kinds)
        if snapshot.faults != self._faults_sent:
            content["faults"] = breaking.marks(snapshot)
            self._faults_sent = snapshot.faults
        if due:
            self._figures_at = snapshot.at
            buffers.append(self._figures(snapshot))
        if snapshot.paused_links != self._paused_sent:
            content["paused"] = self._paused(snapshot)
        if where := self._where(snapshot):
            content["where"] = where
        if last := self._last(snapshot):
            content["last"] = last
        return content, buffers

    def _where(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        """Where the nodes stand whose source somebody looks at, as far as that has changed; their source, too."""
        told = []
        if not isinstance(snapshot, Moment):
            for node in {node for node, _ in self._looked.values()}:
                before, now = self._stood.get(node), self._source.standing(node)
                if now != before:
                    self._stood[node] = now
                    line = {name: getattr(now, name) for name in ("node", "function", "file", "line", "note")}
                    same = before is not None and before.source == now.source
                    told.append(line if same else {**line, "source": now.source})
        return told

    def _last(self, snapshot: Snapshot) -> dict[str, Any]:
        """The last messages of what somebody looks at, by ``node`` or ``node link``, as far as there are others now."""
        now = monotonic()
        if not self._looked or now - self._passed_at < _LAST_EVERY:
            return {}
        self._passed_at = now
        told = {}
        for node, link in set(self._looked.values()):
            here = self._topology.links[link] if link >= 0 else None
            ends = None if here is None else (here.sender, here.receiver)
            told[f"{node} {link}"] = way.latest(self._source.arrows, node, ends, snapshot.at)
        fresh = {key: value for key, value in told.items() if value != self._told_last.get(key)}
        self._told_last = told
        return fresh

    def _paused(self, snapshot: Snapshot) -> list[int]:
        """The links that are paused by themselves, by index."""
        self._paused_sent = snapshot.paused_links
        return [i for i, link in enumerate(snapshot.links) if link.name in snapshot.paused_links]

    def _content(self, snapshot: Snapshot, packed: batch.Batch) -> dict[str, Any]:
        self._queued = packed.queued
        kept, ticks = snapshot.kept if isinstance(snapshot, Moment) else (0, 0)
        return {
            **({"kept": [kept, ticks]} if kept < _WHOLE * ticks else {}),
            "at": round(snapshot.at, 4),
            "state": snapshot.state,
            "speed": snapshot.speed,
            "rates": packed.rates,
            "queues": packed.queues,
            "shown": packed.shown,
        }

    def _figures(self, snapshot: Snapshot) -> bytes:
        """What a tooltip tells; of a large lab, of what a person looks at."""
        capacities = [link.capacity for link in snapshot.links]
        changed, self._capacities = capacities != self._capacities, capacities
        if len(snapshot.links) <= _FEW:
            return figures(snapshot, capacities=changed)
        nodes = set().union(*(nodes for nodes, _ in self._asked.values()))
        links = set().union(*(links for _, links in self._asked.values()))
        return figures(snapshot, (nodes, links), capacities=changed)

    def _receive(self, widget: object, content: dict[str, Any], buffers: object) -> None:
        view = str(content.get("v", ""))
        if content.get("t") == "ask":  # somebody points at these
            with self._lock:
                nodes, links = ({int(i) for i in content[what]} for what in ("nodes", "links"))
                self._asked[view] = nodes, links
                self._figures_at = float("-inf")
        elif content.get("t") == "look":  # somebody opens a node, or a link of it, or closes it: then it is ""
            with self._lock:
                self._stood.pop(self._looked.pop(view, ("", -1))[0], None)
                link = int(content.get("link", -1))
                if content["node"] in {node.name for node in self._topology.nodes} and link < len(self._topology.links):
                    self._looked[view] = content["node"], link
                    self._stood.pop(content["node"], None)
                    self._told_last.pop(f"{content['node']} {link}", None)
                    self._passed_at = float("-inf")
                    if isinstance(shown := self._source.snapshot(), Moment):  # which is told no more while it stands
                        self._publish("full", self.full(shown))
        elif content.get("t") == "hop":  # somebody opens one of its messages
            answer = way.tell(self._source.arrows, int(content["number"]))
            self.send({"t": "looked", "v": content.get("v")}, buffers=[json.dumps(answer).encode()])
        elif content.get("t") == "gone":
            self._asked.pop(view, None)
            self._looked.pop(view, None)
        super()._receive(widget, content, buffers)

    def _dealt(self, snapshot: Snapshot) -> Sequence[Flight]:
        """The messages to draw now: a sample comes in bursts, and is dealt out until the next one is due."""
        if snapshot.flights:
            self._burst, self._since = self._since, 0
        self._since += 1
        left = self._burst - self._since + 1 if snapshot.sampling > 1 else 1
        share = math.ceil(len(self._flights) / max(1, left))
        dealt, self._flights = self._flights[:share], self._flights[share:]
        return dealt

    def full(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """The whole state, without the messages that have already arrived."""
        self._kinds_sent = len(snapshot.kinds)
        self._figures_at = snapshot.at
        self._capacities = None  # this view has not been told
        self._stood.clear()
        past = isinstance(snapshot, Moment)
        packed = batch.encode(snapshot, snapshot.flights if past else (), ticks=round(COVERS / PERIOD))
        content = {
            **self._content(snapshot, packed),
            "of": packed.shown,
            "past": past,
            "pace": snapshot.pace if isinstance(snapshot, Moment) else 1.0,
            "covers": COVERS,
            "kinds": list(snapshot.kinds),
            "faults": breaking.marks(snapshot),
            "paused": self._paused(snapshot),
        }
        self._faults_sent = snapshot.faults
        if where := self._where(snapshot):
            content["where"] = where
        self._told_last = {}
        if last := self._last(snapshot):
            content["last"] = last
        return content, [packed.data, self._figures(snapshot)]


def graph(topology: Topology) -> dict[str, Any]:
    """The topology as the browser draws it: cards with their sockets, links by index."""
    index = {node.name: i for i, node in enumerate(topology.nodes)}
    drawing = folded(topology)
    place = cards(drawing)
    frames = {group.name: frame(group) for group in drawing.groups}
    # A member of a group has its place in the frame that opens, from its centre.
    boxes = {name: card for opened in frames.values() for name, card in opened.members.items()} | place
    return {
        "name": topology.name,
        "sparse": len(topology.links) > _FEW,
        "states": [str(state) for state in batch.STATES],
        "nodes": [
            {
                "name": node.name,
                "box": _box(boxes[node.name]),
                "sockets": [
                    {
                        "name": key,
                        "type": str(socket.type),
                        "binds": socket.binds,
                        "connects": socket.connects,
                        "topics": topics(socket),
                    }
                    for key, socket in node.sockets.items()
                ],
            }
            for node in topology.nodes
        ],
        "groups": [
            {
                "name": group.name,
                "types": group.types,
                "members": [index[name] for name in group.members],
                "box": _box(place[group.name]),
                "opened": [frames[group.name].width, frames[group.name].height],
            }
            for group in drawing.groups
        ],
        "links": [
            {
                "name": str(link),
                "source": index[link.source],
                "target": index[link.target],
                "from": link.sender.removeprefix(f"{link.source}."),
                "to": link.receiver.removeprefix(f"{link.target}."),
                "endpoint": link.endpoint,
                "binds": [binds(topology, link, sender=True), binds(topology, link, sender=False)],
            }
            for link in topology.links
        ],
    }


def _box(card: Card) -> list[float]:
    return [card.x, card.y, card.width, card.height]


def figures(snapshot: Snapshot, of: tuple[set[int], set[int]] | None = None, *, capacities: bool = True) -> bytes:
    """What a tooltip tells, as JSON: in bytes, for ipykernel walks through all that is not.

    Args:
        snapshot: the tick.
        of: the nodes and the links that are asked for, by index; None is all.
        capacities: whether to tell how much can queue on each link.
    """
    connections = {each.link: each for each in snapshot.connections}
    nodes, links = of or (set(range(len(snapshot.nodes))), set(range(len(snapshot.links))))
    names = {snapshot.nodes[i].name for i in nodes}
    told: dict[str, Any] = {
        "sampling": snapshot.sampling,
        "nodes": {
            i: {
                "since": round(node.since, 3),
                "on": node.blocked_on,
                "knobs": {k: v if abs(v) != float("inf") else "inf" for k, v in node.knobs.items()},
                "traceback": node.traceback,
            }
            for i, node in enumerate(snapshot.nodes)
            if i in nodes
        },
        "sockets": {
            socket.name: {
                "sent": socket.sent,
                "received": socket.received,
                "refused": socket.refused,
                "out": round(socket.send_rate, 1),
                "in": round(socket.receive_rate, 1),
                "urls": socket.urls,
                "options": {k: _shown(v) for k, v in socket.options.items()},
            }
            for socket in snapshot.sockets
            if node_of(socket.name) in names
        },
        "links": {
            i: {
                "expected": link.expected,
                "delivered": link.delivered,
                "capacity": link.capacity,
                "dropped": {k: n for k, n in link.dropped.items() if n},
                "lost": {k: n for k, n in link.lost.items() if n},
                "filtered": link.filtered,
                "duplicated": link.duplicated,
                "unaccounted": link.unaccounted,
                "uncertain": link.uncertain,
                "latency": _quantiles(link.latency),
                "proxied": link.proxied,
                "connection": _stages(connections.get(i)),
            }
            for i, link in enumerate(snapshot.links)
            if i in links
        },
    }
    if capacities:
        told["capacities"] = [link.capacity for link in snapshot.links]
    return json.dumps(told, separators=(",", ":")).encode()


def _quantiles(latency: LatencyFigures | None) -> list[float] | None:
    return None if latency is None else [latency.p50, latency.p99]


def _stages(connection: Connection | None) -> dict[str, Any] | None:
    if connection is None:
        return None
    names = ("connecting", "up", "handshake", "subscribed", "first_message", "disconnected")
    times = {name.replace("_", " "): getattr(connection, name) for name in names}
    return {
        "stage": connection.stage,
        "number": connection.number,
        "times": {name: round(time, 5) for name, time in times.items() if time is not None},
        "retries": connection.retries,
        "reason": connection.reason,
    }


def _shown(option: object) -> str:
    if isinstance(option, bytes):
        return option.decode("utf-8", "backslashreplace")
    if isinstance(option, (tuple, list)):
        return ", ".join(_shown(part) for part in option)
    return str(option)
