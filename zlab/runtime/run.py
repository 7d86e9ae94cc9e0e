"""A topology brought to life: every node started, watched over, and stopped again."""

from __future__ import annotations

import threading
import time
from collections import deque
from itertools import compress
from typing import TYPE_CHECKING, Any

import zmq

from zlab.installation import refuse
from zlab.ledger.snapshot import NodeState
from zlab.probe import install_proxy, message_cost
from zlab.recording import FULL_TRACE_LIMIT, TRACE_LIMIT, Event
from zlab.recordings import Facing, Recordings
from zlab.runtime.connections import Connections
from zlab.runtime.disturbances import Disturbances
from zlab.runtime.doing import Doing
from zlab.runtime.endpoints import Endpoints
from zlab.runtime.life import CONTEXT_LIMIT, GRACE, close_all, drop_unsent
from zlab.runtime.node import REBIND, RunningNode
from zlab.runtime.place import begins, points
from zlab.runtime.relay import Relay
from zlab.runtime.security import refuse_unsafe
from zlab.runtime.steering import Steering
from zlab.runtime.world import World
from zlab.sockets import PUBLISHERS, TopologyError, node_of

if TYPE_CHECKING:
    from zlab.recording import Key, Recording
    from zlab.runtime.chaos import Chaos
    from zlab.runtime.life import Life
    from zlab.topology import Topology

EVENT_LIMIT = 10_000
"""Events that a lab keeps; older ones are let go."""
STOP_LIMIT = 2.0
"""Seconds within which a lab has stopped."""

_OVER = {NodeState.KILLED, NodeState.FAILED, NodeState.STOPPED}


class Run:
    """All nodes of one lab."""

    def __init__(
        self,
        topology: Topology,
        transport: str,
        *,
        key: Key | None = None,
        full: bool = False,
        relay: bool = False,
        exposed: bool = False,
    ) -> None:
        """Check everything, open every socket, and only then start the nodes.

        Args:
            topology: what to run.
            transport: what bare endpoint names become.
            key: what makes a message itself; None for its last frame.
            full: whether every message is to be traced, at any rate.
            relay: whether tcp connections are to pass through a relay, so that the network can be disturbed.
            exposed: whether a socket may listen beyond this machine without asking who comes.

        Raises:
            TopologyError: a transport that is not for it, what this installation lacks, or what is not safe, or an
                option or an address that ZeroMQ does not take; nothing is left open.
        """
        install_proxy()
        self.message_cost = message_cost()
        self.topology = topology
        self.endpoints = Endpoints(transport)
        if transport not in topology.transports:
            able = " or ".join(f"transport={each!r}" for each in topology.transports)
            raise TopologyError(f"{topology.name} does not work over {transport}: give {able}")
        refuse(topology, transport)
        refuse_unsafe(topology, transport, exposed=exposed)
        if relay and not any(self.endpoints.uses_tcp(e) for _, spec in topology.sockets() for e in spec.connects):
            raise TopologyError("relay=True carries tcp connections, and there are none here: give transport='tcp' too")
        self.world = World(points(topology), begins(topology))
        self.nodes: dict[str, RunningNode] = {}
        self.steering = Steering(
            topology,
            self.world,
            apply=self.apply,
            report=self.report,
            over=lambda: self._stopped,
            doing=Doing(self.nodes, self.world),
        )
        self.began = time.perf_counter()
        self.events: deque[Event] = deque(maxlen=EVENT_LIMIT)
        self.counted_events = 0
        self.tracing = self.rich = True
        self.mask = 0
        self._lock = threading.RLock()
        self._applying = threading.Lock()  # apart from the other: the clock must not wait for a node to end
        self._stopped = self._released = False
        self._terminator: threading.Thread | None = None
        self._go = threading.Event()
        self._ends = threading.Event()  # all contexts end at once: a node that goes on would hold up the others' end
        self.full = full
        self.key = key
        self.recordings = Recordings(
            _publishers(topology, self.endpoints),
            key=key,
            trace_limit=FULL_TRACE_LIMIT if full else TRACE_LIMIT,
            complain=self._complain,
        )
        self.specs = dict(topology.sockets())
        self.disturbances = Disturbances(self)
        self.chaoses: list[Chaos] = []
        self.connections = Connections(topology, self.endpoints, began=self.began, say=self._say, node=self._seen)
        inproc = any(self.endpoints.uses_inproc(e) for _, spec in topology.sockets() for e in spec.endpoints)
        self._shared: zmq.Context[Any] | None = zmq.Context(topology.io_threads) if inproc else None
        for node in topology.nodes:
            self.nodes[node.name] = RunningNode(
                node,
                endpoints=self.endpoints,
                recordings=self.recordings,
                world=self.world,
                connections=self.connections,
                shared=self._shared,
                io_threads=topology.io_threads,
                report=self.report,
                altered=self.disturbances.altered,
            )
        try:
            if relay:
                self.endpoints.relay = Relay(self.report)
            for step in (RunningNode.open, RunningNode.bind, RunningNode.connect):
                for running in self.nodes.values():
                    step(running)
            for running in self.nodes.values():
                running.start(self._go)
                self.report("start", running.name, "", "")
        except BaseException:
            self.stop()
            raise
        self._go.set()

    def report(self, kind: str, node: str, socket: str, detail: str) -> None:
        """Write an event down; any thread may."""
        self._say(time.perf_counter() - self.began, kind, node, socket, detail)

    def _say(self, at: float, kind: str, node: str, socket: str, detail: str) -> None:
        self.events.append(Event(at, kind, node, socket, detail))
        self.counted_events += 1

    def _complain(self, recording: Recording, what: str) -> None:
        self.report("key", recording.node, recording.socket, what)

    def find(self, name: str) -> RunningNode:
        """The node of that name.

        Raises:
            KeyError: there is none; the message lists those that there are.
        """
        self.topology[name]  # raises with advice
        return self.nodes[name]

    def _seen(self, name: str) -> tuple[NodeState, threading.Thread | None]:
        node = self.nodes[name]
        return node.fate, node.thread

    @property
    def strangers(self) -> frozenset[str]:
        """Sockets of the topology that nobody watches: none in a lab that zlab built."""
        return frozenset()

    def discover(self) -> bool:
        """Whether the topology has grown: that of a lab that zlab built does not."""
        return False

    @property
    def stopped(self) -> bool:
        """Whether the lab has been stopped."""
        return self._stopped

    def over(self) -> bool:
        """Whether no node's function runs any more."""
        return not any(node.thread is not None and node.thread.is_alive() for node in self.nodes.values())

    # --- control -------------------------------------------------------------------------------

    def apply(self) -> None:
        """Tell each probe whether to trace and whether to come by its gate."""
        with self._applying:
            for node in self.nodes.values():
                for recording in node.recordings:
                    recording.look(self.mask if self.tracing else None, gated=node.gated(recording), rich=self.rich)

    def is_proxied(self, socket: str) -> bool:
        """Whether a ``zmq.proxy`` moves this socket's messages."""
        recordings = self.nodes[node_of(socket)].recordings
        return any(recording.name == socket and recording.forwarded is not None for recording in recordings)

    def tune(self, names: tuple[str, ...], **values: float | None) -> None:
        """Set knobs of nodes that have them.

        Raises:
            RuntimeError: the lab is stopped.
            ValueError: no node has such a knob.
        """
        if self._stopped:
            raise RuntimeError("the lab is stopped, and sends nothing any more: run the topology again")
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
            self.world.notify()
            self.report("tune", tuned[0] if len(tuned) == 1 else "", "", f"{knob} = {value:g}")

    def kill(self, name: str) -> None:
        """End one node at once; what is in its queues is lost. A node that is over stays as it is.

        Raises:
            KeyError: no such node.
            RuntimeError: it is the node itself that asks.
            TimeoutError: the node did not end; the message says where it stands.
        """
        node = self.find(name)
        self._refuse_from_within("kill a node")
        with self._lock:
            if self._stopped or node.state in _OVER or node.life is None:
                return
            node.life.begin_end(NodeState.KILLED)
            ended = node.life.finish_end(STOP_LIMIT)
            self.report("kill", name, "", "")
            if not ended:
                raise TimeoutError(f"{name} did not end within {STOP_LIMIT:g} s: {node.life.where()}")

    def restart(self, name: str, late: float = 0.0) -> None:
        """End a node if it still runs, and start it anew on the same endpoints.

        Args:
            name: the node's.
            late: how many seconds later its sockets connect.

        Raises:
            KeyError: no such node.
            RuntimeError: the lab is stopped, or it is a node of its own that asks.
            TimeoutError: what ran before does not end; the message says where it stands.
            TopologyError: its address cannot be bound again.
        """
        node = self.find(name)
        self._refuse_from_within("restart a node")
        with self._lock:
            if self._stopped:
                raise RuntimeError(f"the lab is stopped and {name} cannot be restarted: run the topology again")
            if node.life is not None:
                node.life.begin_end(NodeState.KILLED)
                if not node.life.finish_end(STOP_LIMIT):
                    raise TimeoutError(f"the last life of {name} has not ended: {node.life.where()}")
            self.recordings.epoch += 1
            self.disturbances.renew(name)
            node.open()
            try:
                node.bind(limit=REBIND)
                node.connect(late)
                self.apply()
                at = time.perf_counter() - self.began  # before the first message that it may receive
                node.start(self._go)
            except BaseException:
                self._end(node)
                raise
            self._say(at, "restart", name, "", f"connects {late:g} s later" if late else "")
            bound = {e for spec in node.node.sockets.values() for e in spec.binds if self.endpoints.uses_inproc(e)}
            met = [link for link in self.topology.links if link.endpoint in bound]
            peers = {peer for link in met for peer in (link.source, link.target)} - {name}
            if peers:
                self.report(
                    "note", name, "", f"inproc does not reconnect by itself: restart {', '.join(sorted(peers))} too"
                )

    def stop(self) -> bool:
        """End every node, then everything that was opened for them; safe to call again, also after an interruption.

        Returns:
            Whether all has ended; if not, an event names what has not and where it stands.

        Raises:
            RuntimeError: it is a node of the lab that asks.
        """
        self._refuse_from_within("stop the lab")
        with self._lock:
            if self._released:
                return True
            self._stopped = True
            for chaos in tuple(self.chaoses):
                chaos.quit()
            self.connections.stopping()
            deadline = time.monotonic() + STOP_LIMIT
            lives = [node.life for node in self.nodes.values() if node.life is not None]
            try:
                for life in lives:
                    life.begin_end(NodeState.STOPPED if life.state not in _OVER else life.state, self._ends)
            finally:
                self._ends.set()
            self._go.set()
            if self._shared is not None and self._terminator is None:
                drop_unsent(tuple(getattr(self._shared, "_sockets", ())))
                self._terminator = self._terminate(self._shared)
            ended = self._close(lives, deadline)
            if self._shared is not None and all(ended):
                close_all(self._shared)
                if self._terminator is not None:
                    self._terminator.join(STOP_LIMIT)
                    if self._terminator.is_alive():
                        self.report("error", "", "", "the context did not end: a socket in it is still open")
                else:
                    self._shared.term()
            if not self.connections.stop() and all(ended):
                self.report("error", "", "", "the thread that hears the socket monitors did not end")
            self._keep_nothing()
            self.report("stop", "", "", "")
            self._released = True
            return all(ended)

    @staticmethod
    def _close(lives: list[Life], deadline: float) -> list[bool]:
        """End what has been asked to end, together: what one node takes must not add up fifty times."""
        patience = time.monotonic() + GRACE
        late = [life for life in lives if not life.leaves_within(patience - time.monotonic())]
        for life in late:
            life.interrupt(0.01)
        ended = [life.close(max(0.2, deadline - time.monotonic())) for life in lives]
        patience = max(deadline, time.monotonic() + CONTEXT_LIMIT)
        for life in compress(lives, ended):
            life.end_context(patience - time.monotonic())
        return ended

    def _keep_nothing(self) -> None:
        for node in self.nodes.values():
            node.close()
        self.endpoints.close()

    @staticmethod
    def _terminate(context: zmq.Context[Any]) -> threading.Thread | None:
        terminator = threading.Thread(target=context.term, name="zlab term", daemon=True)
        try:
            terminator.start()
        except RuntimeError:  # the interpreter ends and starts no threads
            return None
        return terminator

    @staticmethod
    def _end(node: RunningNode) -> None:
        if node.life is not None:
            node.life.begin_end(NodeState.KILLED)
            node.life.finish_end(STOP_LIMIT)

    def _refuse_from_within(self, what: str) -> None:
        if any(node.thread is threading.current_thread() for node in self.nodes.values()):
            raise RuntimeError(f"a node cannot {what} that it belongs to: let its function return or raise instead")


def _publishers(topology: Topology, endpoints: Endpoints) -> dict[str, tuple[Facing, ...]]:
    specs = dict(topology.sockets())
    facing: dict[str, tuple[Facing, ...]] = {}
    for link in topology.links:
        spec = specs[link.sender]
        if spec.type in PUBLISHERS:
            met = Facing(link.receiver, link.endpoint in spec.binds, not endpoints.uses_inproc(link.endpoint))
            facing[link.sender] = (*facing.get(link.sender, ()), met)
    return facing
