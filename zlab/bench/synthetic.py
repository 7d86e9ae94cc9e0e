"""A lab that is made up: as many nodes, links and messages as the views are to be measured with, and no socket."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from string import ascii_lowercase
from typing import TYPE_CHECKING

from zlab.ledger.cost import Cost
from zlab.ledger.past import Past
from zlab.ledger.snapshot import Flight, LinkFigures, NodeFigures, NodeState, Snapshot
from zlab.nodes import sink, source
from zlab.sockets import PUB, SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.recording import Event

PERIOD = 0.1
"""Seconds between two ticks, as in a lab that runs."""
_FLYING = 0.62 / PERIOD  # ticks that a message is seen, see flight.js
_STATES = (NodeState.RECV, NodeState.RUNNING, NodeState.SEND)
_COST = Cost(plain=0.0, counted=0.0, traced=0.0, compiled=True, clock=0.0, sampling=1)
_CHANGING = 10  # one link in so many has another queue at each tick, and one node another state


class Synthetic:
    """A `Source` for the dashboard that publishes invented figures, ten times a second.

    Args:
        nodes: how many, half of them publishers; no two are alike, so that none is folded away.
        links: how many, a multiple of half the nodes.
        moving: messages in the air on the screen.
    """

    steerable = False

    def __init__(self, nodes: int, links: int, moving: int) -> None:
        """Publish nothing yet: `start` does."""
        half, seed = nodes // 2, random.Random(1)  # noqa: S311 - a picture
        names = ["".join(ascii_lowercase[i // 26**k % 26] for k in range(3)) for i in range(nodes)]
        first, second = names[:half], names[half:]
        news = [f"{name}-news" for name in first]
        self.topology = Topology(
            f"{nodes} nodes, {links} links",
            [
                *(Node(name, source(rate=1), out=PUB.bind(one)) for name, one in zip(first, news, strict=True)),
                *(
                    Node(
                        name,
                        sink(),
                        inbox=SUB.connect(*(news[(i + k) % half] for k in range(links // half))),
                    )
                    for i, name in enumerate(second)
                ),
            ],
        )
        self.past = Past()
        self._random = seed
        self._per_tick = round(moving / _FLYING)
        self._listeners: list[Callable[[Snapshot], None]] = []
        self._over = threading.Event()
        self._began = time.time()
        figures = [
            LinkFigures(str(link), 0, 0, 0, {}, {}, 0, 0, 0, 10.0, 1000.0, 1000, None) for link in self.topology.links
        ]
        states = [NodeFigures(node.name, NodeState.RECV, 0.0) for node in self.topology.nodes]
        self._latest = Snapshot(
            0, 0.0, "running", 1.0, tuple(states), (), tuple(figures), (), tuple("abcdef"), {}, 1, _COST, ()
        )

    def start(self) -> Synthetic:
        """Publish from now on, in a thread."""
        threading.Thread(target=self._publish, name="zlab synthetic", daemon=True).start()
        return self

    def snapshot(self) -> Snapshot:
        """The latest one."""
        return self._latest

    def subscribe(self, listener: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have every snapshot given to the listener."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def history(self) -> tuple[Event, ...]:
        """No events."""
        return ()

    def stop(self) -> None:
        """Publish no more."""
        self._over.set()

    def _publish(self) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            due += PERIOD
            self._latest = self._next()
            for listener in tuple(self._listeners):
                listener(self._latest)

    def _next(self) -> Snapshot:
        before, at, pick = self._latest, time.time() - self._began, self._random
        links, nodes = list(before.links), list(before.nodes)
        for i in pick.sample(range(len(links)), len(links) // _CHANGING):
            sent = links[i].delivered + 10
            links[i] = replace(links[i], expected=sent, delivered=sent, queued=pick.randrange(200))
        for i in pick.sample(range(len(nodes)), len(nodes) // _CHANGING):
            nodes[i] = replace(
                nodes[i], state=pick.choice((NodeState.RECV, NodeState.RUNNING, NodeState.SEND)), since=at
            )
        flights = tuple(
            Flight(i % len(links), i % len(before.kinds), received - 1e-4, received, 100)
            for i in (pick.randrange(len(links)) for _ in range(self._per_tick))
            for received in (at - PERIOD * pick.random(),)
        )
        return replace(
            before, sequence=before.sequence + 1, at=at, links=tuple(links), nodes=tuple(nodes), flights=flights
        )
