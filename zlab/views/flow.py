"""The flow graph: nodes, lanes, queues, and the messages that move between them."""

from __future__ import annotations

import json
import math
from time import monotonic
from typing import TYPE_CHECKING, Any

import traitlets

from zlab.views import batch
from zlab.views.lanes import binds
from zlab.views.layout import cards, topics
from zlab.views.playhead import COVERS, PERIOD, Moment
from zlab.views.view import View, script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.ledger.snapshot import Flight, LatencyFigures, Snapshot
    from zlab.topology import Topology
    from zlab.views.source import Source

_FIGURES_EVERY = 1.0  # seconds; rates, queues and states come with every tick
_OWED = 0.3  # seconds between two sets of figures while somebody goes through the past
_KEPT = 20 * batch.MOST  # messages kept for a tick that was skipped


class Flow(View):
    """The moving picture of a lab; pan, zoom, drag a node, click it to kill or restart it."""

    _esm = script("graph.js", "flight.js", "inspector.js", "flow.js")
    fixed = True

    graph = traitlets.Dict().tag(sync=True)
    """What stands where, and what is linked: it does not change while the lab runs."""
    moved = traitlets.Dict().tag(sync=True)
    """Nodes that a person dragged: name to [x, y]."""

    def __init__(self, source: Source, **rest: Any) -> None:
        """Lay the topology out."""
        self._flights: list[Flight] = []
        self._passed = 0
        self._burst = self._since = 1  # ticks from one sample to the next, and since the last
        self._delivered: int | None = None
        self._kinds_sent = -1
        self._figures_at = self._figures_sent = float("-inf")
        self._owes = False
        shown = {**graph(source.topology), "steerable": source.steerable}
        super().__init__(source, graph=shown, **rest)

    def collect(self, snapshot: Snapshot) -> None:
        """Keep the messages of ticks that are skipped, while somebody looks."""
        delivered = sum(link.delivered for link in snapshot.links)
        if not self.visible:
            self._flights.clear()
            self._passed = 0
        else:
            self._flights.extend(snapshot.flights[: _KEPT - len(self._flights)])
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
        packed = batch.encode(snapshot, self._dealt(snapshot))
        content = {
            "at": round(snapshot.at, 4),
            "state": snapshot.state,
            "speed": snapshot.speed,
            "shown": packed.shown,
            "of": self._passed,
            "pace": pace,
        }
        self._passed = 0
        buffers = [packed.data]
        if len(snapshot.kinds) != self._kinds_sent:
            content["kinds"] = list(snapshot.kinds)
            self._kinds_sent = len(snapshot.kinds)
        if snapshot.at - self._figures_at >= _FIGURES_EVERY * min(1.0, pace):
            self._figures_at = snapshot.at
            buffers.append(figures(snapshot))
        return content, buffers

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
        past = isinstance(snapshot, Moment)
        packed = batch.encode(snapshot, snapshot.flights if past else (), ticks=round(COVERS / PERIOD))
        self._kinds_sent = len(snapshot.kinds)
        self._figures_at = snapshot.at
        return {
            "at": round(snapshot.at, 4),
            "state": snapshot.state,
            "speed": snapshot.speed,
            "shown": packed.shown,
            "of": packed.shown,
            "past": isinstance(snapshot, Moment),
            "pace": snapshot.pace if isinstance(snapshot, Moment) else 1.0,
            "covers": COVERS,
            "kinds": list(snapshot.kinds),
        }, [packed.data, figures(snapshot)]


def graph(topology: Topology) -> dict[str, Any]:
    """The topology as the browser draws it: cards with their sockets, links by index."""
    index = {node.name: i for i, node in enumerate(topology.nodes)}
    place = cards(topology)
    return {
        "name": topology.name,
        "states": [str(state) for state in batch.STATES],
        "nodes": [
            {
                "name": node.name,
                "box": [place[node.name].x, place[node.name].y, place[node.name].width, place[node.name].height],
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


def figures(snapshot: Snapshot) -> bytes:
    """What a tooltip tells, as JSON: in bytes, for ipykernel walks through all that is not."""
    return json.dumps(
        {
            "sampling": snapshot.sampling,
            "nodes": [
                {
                    "since": round(node.since, 3),
                    "on": node.blocked_on,
                    "knobs": {k: v if abs(v) != float("inf") else "inf" for k, v in node.knobs.items()},
                    "traceback": node.traceback,
                }
                for node in snapshot.nodes
            ],
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
            },
            "links": [
                {
                    "expected": link.expected,
                    "delivered": link.delivered,
                    "capacity": link.capacity,
                    "dropped": {k: n for k, n in link.dropped.items() if n},
                    "lost": {k: n for k, n in link.lost.items() if n},
                    "filtered": link.filtered,
                    "unaccounted": link.unaccounted,
                    "uncertain": link.uncertain,
                    "latency": _quantiles(link.latency),
                }
                for link in snapshot.links
            ],
        },
        separators=(",", ":"),
    ).encode()


def _quantiles(latency: LatencyFigures | None) -> list[float] | None:
    return None if latency is None else [latency.p50, latency.p99]


def _shown(option: object) -> str:
    if isinstance(option, bytes):
        return option.decode("utf-8", "backslashreplace")
    if isinstance(option, (tuple, list)):
        return ", ".join(_shown(part) for part in option)
    return str(option)
