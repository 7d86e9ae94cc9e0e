"""A topology brought to life: every node started, watched over, and stopped again."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import zmq

from zlab.ledger.snapshot import NodeState
from zlab.probe import install_proxy
from zlab.recording import FULL_TRACE_LIMIT, TRACE_LIMIT, Event, Facing, Recordings
from zlab.runtime.endpoints import Endpoints
from zlab.runtime.gates import Delays, World
from zlab.runtime.thread import GRACE, KNOBS, REBIND, NodeThread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.recording import Key, Recording
    from zlab.topology import Topology

EVENT_LIMIT = 10_000
"""Events that a lab keeps; older ones are let go."""
STOP_LIMIT = 2.0
"""Seconds within which a lab has stopped."""

_OVER = {NodeState.KILLED, NodeState.FAILED, NodeState.STOPPED}


class Run:
    """All nodes of one lab."""

    def __init__(self, topology: Topology, transport: str, *, key: Key | None = None, full: bool = False) -> None:
        """Check everything, open every socket, and only then start the nodes.

        Args:
            topology: what to run.
            transport: what bare endpoint names become.
            key: what makes a message itself; None for its last frame.
            full: whether every message is to be traced, at any rate.

        Raises:
            TopologyError: an option or an address that ZeroMQ does not take; nothing is left open.
        """
        install_proxy()
        self.topology = topology
        self.endpoints = Endpoints(transport)
        self.world = World()
        self.began = time.perf_counter()
        self.events: deque[Event] = deque(maxlen=EVENT_LIMIT)
        self.counted_events = 0
        self.incidents: deque[tuple[str, str]] = deque(maxlen=EVENT_LIMIT)
        """Nodes killed or failed, for the ledger: (kind, node), in order."""
        self.tracing = True
        self.mask = 0
        self._lock = threading.RLock()
        self._applying = threading.Lock()  # apart from the other: the clock must not wait for a node to end
        self._stopped = False
        self._go = threading.Event()
        self.full = full
        self.key = key
        self.recordings = Recordings(
            _publishers(topology, self.endpoints),
            key=key,
            trace_limit=FULL_TRACE_LIMIT if full else TRACE_LIMIT,
            complain=self._complain,
        )
        inproc = any(self.endpoints.uses_inproc(e) for _, spec in topology.sockets() for e in spec.endpoints)
        self._shared: zmq.Context[Any] | None = zmq.Context() if inproc else None
        self.nodes = {
            node.name: NodeThread(
                node,
                endpoints=self.endpoints,
                recordings=self.recordings,
                world=self.world,
                shared=self._shared,
                report=self.report,
            )
            for node in topology.nodes
        }
        try:
            for step in (NodeThread.open, NodeThread.bind, NodeThread.connect):
                for node in self.nodes.values():
                    step(node)
        except BaseException:
            self.stop()
            raise
        for node in self.nodes.values():
            node.start(self._go)
            self.report("start", node.name, "", "")
        self._go.set()

    def report(self, kind: str, node: str, socket: str, detail: str) -> None:
        """Write an event down; any thread may."""
        self.events.append(Event(time.perf_counter() - self.began, kind, node, socket, detail))
        self.counted_events += 1
        if kind in {"kill", "error"} and node:
            self.incidents.append((kind, node))

    def _complain(self, recording: Recording, what: str) -> None:
        detail = f"the key function raised {what}; this socket's messages are known by their last frame instead"
        self.report("key", recording.node, recording.socket, detail)

    def find(self, name: str) -> NodeThread:
        """The node of that name.

        Raises:
            KeyError: there is none; the message lists those that there are.
        """
        self.topology[name]  # raises with advice
        return self.nodes[name]

    @property
    def stopped(self) -> bool:
        """Whether the lab has been stopped."""
        return self._stopped

    # --- control -------------------------------------------------------------------------------

    def set_world(self, *, paused: bool, speed: float) -> None:
        """Pause, resume, or change the speed."""
        with self._lock:
            self.world.set(paused=paused, speed=speed)
            self.apply()

    def apply(self) -> None:
        """Tell each probe whether to trace and whether to come by its gate."""
        with self._applying:
            for node in self.nodes.values():
                gated = node.gate.needed()
                for recording in tuple(node.recordings_by_socket.values()):
                    recording.watch(self.mask if self.tracing else None, gated)

    @contextmanager
    def fault(self, name: str, fault: Delays) -> Iterator[None]:
        """Disturb a node for as long as the context lasts."""
        node = self.find(name)
        with self._lock:
            node.gate.faults = (*node.gate.faults, fault)
            self.apply()
        self.report("fault", name, "", repr(fault))
        try:
            yield
        finally:
            with self._lock:
                faults = list(node.gate.faults)
                faults.remove(fault)
                node.gate.faults = tuple(faults)
                self.apply()
            self.report("fault over", name, "", repr(fault))

    def tune(self, names: tuple[str, ...], **values: float | None) -> None:
        """Set knobs of nodes that have them.

        Raises:
            ValueError: no node has such a knob.
        """
        for knob, value in values.items():
            if value is None:
                continue
            tuned = [n for n in names if knob in self.nodes[n].knobs()]
            if not tuned:
                having = [n.name for n in self.nodes.values() if knob in n.knobs()]
                raise ValueError(
                    f"{', '.join(names)}: nothing to tune, no {knob!r}; "
                    f"nodes that have one: {', '.join(having) or 'none'}"
                )
            for name in tuned:
                setattr(self.nodes[name].function, knob, value)
            self.report("tune", tuned[0] if len(tuned) == 1 else "", "", f"{knob} = {value:g}")

    def kill(self, name: str) -> None:
        """End one node at once; what is in its queues is lost. A node that is over stays as it is.

        Raises:
            KeyError: no such node.
            TimeoutError: the node did not end; the message says where it stands.
        """
        node = self.find(name)
        with self._lock:
            if self._stopped or node.state in _OVER:
                return
            node.begin_end(NodeState.KILLED)
            ended = node.finish_end(STOP_LIMIT)
            self.report("kill", name, "", "")
            if not ended:
                raise TimeoutError(f"{name} did not end within {STOP_LIMIT:g} s: {node.where()}")

    def restart(self, name: str) -> None:
        """End a node if it still runs, and start it anew on the same endpoints.

        Raises:
            KeyError: no such node.
            RuntimeError: the lab is stopped.
            TimeoutError: what ran before does not end; the message says where it stands.
            TopologyError: its address cannot be bound again.
        """
        node = self.find(name)
        with self._lock:
            if self._stopped:
                raise RuntimeError(f"the lab is stopped and {name} cannot be restarted: run the topology again")
            if node.state not in _OVER:
                self.kill(name)
            node.begin_end(node.state)
            if not node.finish_end(STOP_LIMIT):
                raise TimeoutError(f"the last life of {name} has not ended: {node.where()}")
            node.reset()
            self.recordings.epoch += 1
            try:
                node.open()
                node.bind(limit=REBIND)
                node.connect()
            except BaseException:
                node.begin_end(NodeState.KILLED)
                node.finish_end(STOP_LIMIT)
                raise
            self.apply()
            node.start(self._go)
            self.report("restart", name, "", "")
            bound = {e for spec in node.node.sockets.values() for e in spec.binds if self.endpoints.uses_inproc(e)}
            met = [link for link in self.topology.links if link.endpoint in bound]
            peers = {peer for link in met for peer in (link.source, link.target)} - {name}
            if peers:
                self.report(
                    "note", name, "", f"inproc does not reconnect by itself: restart {', '.join(sorted(peers))} too"
                )

    def stop(self) -> bool:
        """End every node, then everything that was opened for them; safe to call again.

        Returns:
            Whether all has ended; if not, an event names what has not and where it stands.
        """
        with self._lock:
            if self._stopped:
                return True
            self._stopped = True
            deadline = time.monotonic() + STOP_LIMIT
            for node in self.nodes.values():
                node.begin_end(NodeState.STOPPED if node.state not in _OVER else node.state)
            self._go.set()
            terminate = None
            if self._shared is not None:
                terminate = threading.Thread(target=self._shared.term, name="zlab term", daemon=True)
                terminate.start()
            patience = time.monotonic() + GRACE  # for all together: 50 slow ones must not add up
            ended = True
            for node in self.nodes.values():
                left = max(0.1, deadline - time.monotonic())
                ended = node.finish_end(left, grace=max(0.0, patience - time.monotonic())) and ended
            if terminate is not None and ended:
                terminate.join(STOP_LIMIT)
            self.endpoints.close()
            self.report("stop", "", "", "")
            return ended


def _publishers(topology: Topology, endpoints: Endpoints) -> dict[str, tuple[Facing, ...]]:
    specs = dict(topology.sockets())
    facing: dict[str, tuple[Facing, ...]] = {}
    for link in topology.links:
        spec = specs[link.sender]
        if spec.type in {"PUB", "XPUB"}:
            met = Facing(link.receiver, link.endpoint in spec.binds, not endpoints.uses_inproc(link.endpoint))
            facing[link.sender] = (*facing.get(link.sender, ()), met)
    return facing


__all__ = ["EVENT_LIMIT", "KNOBS", "STOP_LIMIT", "Run"]
