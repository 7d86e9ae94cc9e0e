"""A node of a running lab, over all its lives: what stays when it is killed and restarted."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from zlab.ledger.snapshot import NodeState
from zlab.recording import Direction
from zlab.runtime.gates import NodeGate
from zlab.runtime.life import Life, Report
from zlab.runtime.overrides import Altered, Overrides

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    import zmq

    from zlab.faults.fault import Fault
    from zlab.recording import Recording
    from zlab.recordings import Recordings
    from zlab.runtime.connections import Connections
    from zlab.runtime.endpoints import Endpoints
    from zlab.runtime.world import World
    from zlab.topology import Node

KNOBS = ("rate", "size")
"""What can be tuned while a node runs, where its function has an attribute of that name."""
REBIND = 2.0
"""Seconds that a port of the node's last life has to become free again."""

_UNSEEN_RATE = 100.0  # messages per second: what slow motion takes for a socket that has not sent yet


class RunningNode:
    """A node of a running lab; it can be killed and restarted any number of times."""

    def __init__(
        self,
        node: Node,
        *,
        endpoints: Endpoints,
        recordings: Recordings,
        world: World,
        connections: Connections,
        shared: zmq.Context[Any] | None,
        io_threads: int,
        report: Report,
        altered: Altered,
    ) -> None:
        """Prepare the node; nothing is opened yet."""
        self.node = node
        self.name = node.name
        # Each lab tunes its own copy: the topology stays data.
        self.function = copy.copy(node.function) if is_dataclass(node.function) else node.function
        self.faults: dict[str, tuple[tuple[object, Fault], ...]] = {}
        """By socket: the faults that disturb its messages, each with the disturbance that it is a part of."""
        self.overrides = Overrides(altered)
        self.rates: dict[tuple[str, Direction], float] = {}
        """The highest rate seen of each socket and direction at full speed, in messages per second."""
        self.since = time.perf_counter()
        self.life: Life | None = None
        self._endpoints = endpoints
        self._recordings = recordings
        self._world = world
        self._connections = connections
        self._shared, self._io_threads = shared, io_threads
        self._report = report

    def open(self) -> None:
        """Begin a life: make the sockets."""
        names = {f"{self.name}.{key}": key for key in self.node.sockets}
        for name in names:
            self.overrides.renew(name)
        self.life = Life(
            self.node,
            function=self.function,
            gate=NodeGate(self._world, self._disturbing, pass_by=self._pass_by),
            natural=self._natural,
            recordings=self._recordings,
            connections=self._connections,
            shared=self._shared,
            io_threads=self._io_threads,
            report=self._report,
        )
        for name, key in names.items():
            self.overrides.apply(name, self.life.sockets[key], fresh=True)

    def bind(self, limit: float = 0.0) -> None:
        """Bind what is to be bound; tries again for so many seconds while an address is in use."""
        if self.life is not None:
            self.life.bind(self._endpoints, limit)

    def connect(self, late: float = 0.0) -> None:
        """Connect what is to be connected; late, so many seconds after its thread has started."""
        if self.life is not None and late:
            self.life.connect_late(self._endpoints, late)
        elif self.life is not None:
            self.life.connect(self._endpoints)

    def start(self, go: threading.Event) -> None:
        """Start the thread; the function runs once ``go`` is set."""
        if self.life is not None:
            self.life.start(go)

    @property
    def state(self) -> NodeState:
        """What it is doing, as far as the runtime knows."""
        return NodeState.STARTING if self.life is None else self.life.state

    @property
    def fate(self) -> NodeState:
        """The same, or how it is to end where that has been decided."""
        return (self.life.ending if self.life is not None else None) or self.state

    @property
    def traceback(self) -> str:
        """Why it failed, or ""."""
        return "" if self.life is None else self.life.traceback

    @property
    def thread(self) -> threading.Thread | None:
        """The thread of its present life."""
        return None if self.life is None else self.life.thread

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """Those of its present life."""
        return () if self.life is None else tuple(self.life.recordings.values())

    def gated(self, recording: Recording) -> bool:
        """Whether the messages of one of its sockets must come by the gate at all."""
        name = recording.name
        return name in self._world.watched or bool(self.faults.get(name)) or self.overrides.due(name)

    def close(self) -> None:
        """Let its function give up what it has kept over all its lives, such as files: the lab has stopped."""
        close = getattr(self.function, "close", None)
        if is_dataclass(self.function) and callable(close):
            try:
                close()
            except Exception as error:  # noqa: BLE001 - a failing node must not take the lab down
                self._report("error", self.name, "", f"{type(error).__name__} in close(): {error}")

    def add_fault(self, socket: str, owner: object, fault: Fault) -> None:
        """Have a fault disturb the messages of one of its sockets."""
        self.faults[socket] = (*self.faults.get(socket, ()), (owner, fault))

    def remove_faults(self, owner: object) -> None:
        """End what a disturbance does to its messages."""
        for socket, faults in self.faults.items():
            self.faults[socket] = tuple(entry for entry in faults if entry[0] is not owner)

    def set_options(self, socket: str) -> None:
        """Set what faults want of a socket, where that need not wait for the thread that owns it."""
        if self.life is not None and self.life.idle:
            self.overrides.apply(socket, self.life.sockets[socket.removeprefix(f"{self.name}.")])

    def _pass_by(self, socket: str) -> None:
        if self.life is not None and self.overrides.due(socket):
            self.overrides.apply(socket, self.life.sockets[socket.removeprefix(f"{self.name}.")])

    def _disturbing(self, socket: str) -> tuple[Fault, ...]:
        return tuple(fault for _, fault in self.faults.get(socket, ()))

    def knobs(self) -> Mapping[str, float]:
        """What can be tuned, and how it stands."""
        found = {knob: getattr(self.function, knob, None) for knob in KNOBS}
        return {k: float(v) for k, v in found.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}

    def _natural(self, key: str, direction: Direction) -> float:
        rate = self.knobs().get("rate", 0.0)
        if direction is Direction.SEND and rate > 0 and math.isfinite(rate):
            return rate
        return self.rates.get((key, direction)) or _UNSEEN_RATE
