"""The clock of a lab: ten times a second it reads every probe, enters the ledger, and publishes a snapshot."""

from __future__ import annotations

import math
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from zlab.diagnosis.doctor import Doctor
from zlab.ledger.book import FLIGHTS, Book
from zlab.ledger.cost import Cost
from zlab.ledger.past import Past
from zlab.ledger.reading import Reading
from zlab.ledger.snapshot import Flight, NodeFigures, NodeState, Snapshot
from zlab.probe import NOWHERE, Wait, blocked_in
from zlab.recording import Counts, Direction, Event, Recording
from zlab.runtime.run import Run
from zlab.runtime.symptoms import Symptoms
from zlab.runtime.tracing import Tracing
from zlab.runtime.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from zlab.ledger.finding import Finding
    from zlab.runtime.node import RunningNode
    from zlab.runtime.watching import WatchedNode
    from zlab.runtime.world import Passage
    from zlab.topology import Topology

PERIOD = 0.1
"""Seconds between two ticks."""

_BETWEEN = 0.001  # seconds between the two rounds of one reading: what is on the wire arrives meanwhile
_LOOK = 0.45  # seconds between two looks at what may be wrong
_BLOCKED = 0.5  # seconds without a message after which a wait is shown as one
_LEARN = 5  # ticks between two looks at how fast messages pass each socket
# Where all is traced: patience for a sender that the system has set aside, and room for 10,000 requests of four hops.
_FULL = {"hold": 200 * 10**6, "hops": 100_000}

_STEERING = frozenset({"pause", "resume", "step", "breakpoint"})
"""Events of what a person does that holds sources up."""
_LARGE = 31 * 2**20  # bytes: just below what glibc takes as a sign

Listener = Callable[[Snapshot], None]
Runs = Run | Watching
"""What a clock can watch: a topology that zlab runs, or a program that runs by itself."""


class Clock:
    """Watches one run, in a thread of its own."""

    def __init__(self, run: Runs) -> None:
        """Start ticking."""
        self._run = run
        if run.full:
            # Given back once, so much tells the C library not to hand back each array to the system in between: to
            # get the pages again would take longer than all that is done with them.
            np.empty(_LARGE, np.uint8)
        self.book = Book(run.topology, _inproc(run), **_FULL) if run.full else Book(run.topology, _inproc(run))
        self.past = Past()
        self.published = threading.Condition()
        self._tracing = Tracing(run, self.book, PERIOD)
        self.cost = 0.0
        self._listeners: list[Listener] = []
        self._quit = threading.Event()
        self._lock = threading.Lock()  # a tick may also be asked for
        self._altered: object = None
        self._sequence = 0
        self._events_seen = 0
        self._events: tuple[Event, ...] = ()  # seen, and not yet published
        self._flights: list[Flight] = []
        self._moved: dict[str, tuple[int, float]] = {}
        self._states: dict[str, tuple[NodeState, float]] = {}
        self._forwarded: dict[Recording, Counts] = {}
        self._counts: dict[Recording, Counts] = {}
        self._tuned: dict[str, Mapping[str, float]] = {}
        self._warned: set[Recording] = set()
        self._symptoms, self._doctor = Symptoms(run), Doctor()
        self._findings: tuple[Finding, ...] = ()
        self._looked = -math.inf
        self._spent = 0.0
        self._began_window = time.perf_counter()
        self.latest = self.tick()
        self._thread = threading.Thread(target=self._main, name="zlab clock", daemon=True)
        self._thread.start()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call a listener with every snapshot, on the clock's thread; returns what ends it."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def stop(self) -> None:
        """Publish the last snapshot and end the thread."""
        self._quit.set()
        if self._thread is not threading.current_thread():
            self._thread.join(2.0)
        self._publish(self.tick())

    # --- the thread ----------------------------------------------------------------------------

    def _main(self) -> None:
        due = time.perf_counter()
        while not self._quit.is_set():
            due = max(due, time.perf_counter() - PERIOD) + PERIOD
            used = time.thread_time()
            try:
                # While all is ended there is nothing to say: the last snapshot comes once it has, from `stop`.
                if not self._run.stopped and (snapshot := self.tick()).state != "stopped":
                    self._publish(snapshot)
            except Exception:  # noqa: BLE001 - a tick that fails must not end the figures
                self._run.report("error", "", "", traceback.format_exc())
            self._spent += time.thread_time() - used
            self._measure_cost()
            self._tracing.open_window(self._quit)
            self._quit.wait(max(0.0, due - time.perf_counter()))

    def _measure_cost(self) -> None:
        span = time.perf_counter() - self._began_window
        if span >= 1:
            self.cost = self._spent / span
            self._spent, self._began_window = 0.0, time.perf_counter()

    def _publish(self, snapshot: Snapshot) -> None:
        with self.published:
            self.latest = snapshot
            self.published.notify_all()
        for listener in tuple(self._listeners):
            try:
                listener(snapshot)
            except Exception:  # noqa: BLE001 - a view that fails is let go, and said
                self._listeners.remove(listener)
                self._run.report("error", "", "", "a view failed and was let go:\n" + traceback.format_exc())

    # --- one tick ------------------------------------------------------------------------------

    def look(self) -> Snapshot:
        """How all stands at this moment; what is new in it is still published at the next tick."""
        return self.look_around()[0]

    def look_around(self) -> tuple[Snapshot, Topology]:
        """The same, with the topology that it tells of: another look may find it grown."""
        with self._lock:
            snapshot = self._tick(look=True)
            self._flights = list(snapshot.flights[-FLIGHTS:])
            self._events = snapshot.events
            return snapshot, self.book.topology

    def tick(self) -> Snapshot:
        """Read all probes and enter the ledger; what is new since the last tick goes into the snapshot."""
        with self._lock:
            snapshot = self._tick()
            self.past.add(snapshot, self.book.topology)
            self._flights, self._events = [], ()
            self._learn_rates()
            self._warn(self._run.recordings.known)
            self._tracing.adapt(self._counts)
            return snapshot

    def _tick(self, *, look: bool = False) -> Snapshot:
        run = self._run
        over = run.stopped  # it may be stopped meanwhile
        if run.discover():
            self.book.grow(run.topology, _inproc(run), run.strangers)
        if isinstance(run, Run) and (options := run.disturbances.options) is not self._altered:
            self._altered = options
            self.book.alter(options)
        retired = run.recordings.take_retired()
        live = run.recordings.known
        # Never in a variable: this frame is one of them, and would keep itself and all that it knows.
        inside = self._inside(sys._current_frames())  # noqa: SLF001 - the documented way to see where threads stand
        waited = {r for wait in inside.values() if wait.direction is Direction.RECV for r in wait.sockets}
        first = {r: r.counts() for r in live}
        forwarded = {r: r.forwarded.read() for r in (*live, *retired) if r.forwarded is not None}
        matched = {f: f.matched for r in live for f in r.filters if f.receiver in forwarded}
        time.sleep(_BETWEEN)
        second = {r: r.counts() for r in live}
        inside = self._inside(sys._current_frames())  # noqa: SLF001
        idle = {
            r.name
            for wait in inside.values()
            for r in wait.sockets
            if wait.direction is Direction.RECV
            and r in waited
            and r in first
            and first[r].received == second[r].received
        }
        idle |= {r.name for r, moved in forwarded.items() if self._forwarded.get(r) == moved}
        self._forwarded = forwarded
        for recording, counts in forwarded.items():
            for table in (first, second, retired):
                if recording in table:
                    table[recording] = counts
        overflowed = [r for r in live if r.meter.overflowed]
        for recording in overflowed:
            recording.meter.overflowed = False
        # In this order: what comes while this thread waits between two of these lines must not seem to be whole.
        clock, entered = time.perf_counter_ns(), min(filter(None, (r.meter.entered for r in live)), default=0)
        traces = {r: r.drain() for r in (*live, *retired)}
        self._tracing.note(overflowed=bool(overflowed), hurried=any(batch.hurried for batch in traces.values()))
        now = time.perf_counter() - run.began
        fresh, world = self._fresh_events(), run.world
        self._tuned = {node.name: run.nodes[node.name].knobs() for node in self.book.topology.nodes}
        self.book.learn_proxies((*second, *retired))  # a short program may have closed its proxy by now
        self._symptoms.note(traces, self.book.topology, self.book.proxied)
        reading = Reading(
            at=now,
            first=first,
            second=second,
            idle=frozenset(idle),
            traces=traces,
            closed=frozenset() if over else frozenset(r.name for r in retired),
            live=frozenset(r.node for r in live),
            stopped=over,
            strikes=run.disturbances.strikes() if isinstance(run, Run) else (),
            full=self._tracing.whole(clock) and not overflowed,
            rates={n: knobs["rate"] for n, knobs in self._tuned.items() if 0 < knobs.get("rate", 0) < math.inf},
            steered=bool(world.shut or world.speeds or world.speed < 1 or any(e.kind in _STEERING for e in fresh)),
            barred=run.connections.barred() if isinstance(run, Run) else {},
            entered=entered,
            undelimited=self._symptoms.undelimited,
            matched=matched,
            gap=self._run.full and bool(overflowed),
        )
        flights = self.book.take(reading, retired, clock, round(run.began * 1e9))
        for recording in retired:
            recording.let_go()
        self._counts = second
        events = (*self._events, *fresh)
        held = {passage.recording: passage for passage in run.world.held()}
        self._sequence += 1
        snapshot = self.book.snapshot(
            sequence=self._sequence,
            at=now,
            state="stopped" if over else "paused" if run.world.paused else "running",
            speed=run.world.speed,
            nodes=tuple(
                self._node(run.nodes[node.name], inside.get(node.name, NOWHERE), second, now, held)
                for node in self.book.topology.nodes
            ),
            urls=run.endpoints.urls,
            flights=[*self._flights, *flights],
            sampling=self._tracing.sampling,
            cost=Cost(*self._run.message_cost, clock=self.cost, sampling=self._tracing.sampling),
            events=events,
        )
        if look or over or now - self._looked >= _LOOK:
            self._looked = now
            self._findings = self._doctor.look(self._symptoms.facts(snapshot, self.book.topology, inside))
        snapshot = replace(snapshot, findings=self._findings)
        if isinstance(run, Run):
            return replace(
                snapshot,
                connections=run.connections.latest(),
                why=run.steering.why(),
                paused_links=run.steering.paused_links(),
                faults=run.disturbances.figures(),
            )
        return snapshot

    def _inside(self, frames: dict[int, FrameType]) -> dict[str, Wait]:
        inside: dict[str, Wait] = {}
        nodes: tuple[RunningNode | WatchedNode, ...] = tuple(self._run.nodes.values())
        for node in nodes:
            if node.thread is not None and node.thread.ident:
                wait = blocked_in(frames.get(node.thread.ident), node.recordings)
                # One thread can be several nodes: it stands in the one whose socket it is.
                inside[node.name] = wait if set(wait.sockets) & set(node.recordings) else NOWHERE
        return inside

    def _node(
        self,
        node: RunningNode | WatchedNode,
        wait: Wait,
        counts: dict[Recording, Counts],
        now: float,
        held: Mapping[Recording, Passage],
    ) -> NodeFigures:
        moved = sum(counts[r].sent + counts[r].received for r in node.recordings if r in counts)
        before, since = self._moved.get(node.name, (-1, now))
        if moved != before:
            since = now
            self._moved[node.name] = moved, now
        state, socket = node.state, ""
        if state is NodeState.RUNNING:
            stands = next((r for r in node.recordings if r in held), None) if held else None
            if stands is not None or node.name in self._run.world.paused_nodes:
                state, socket = NodeState.PAUSED, "" if stands is None else stands.socket
            elif wait.sockets and not wait.limited and now - since >= _BLOCKED:
                state = NodeState.RECV if wait.direction is Direction.RECV else NodeState.SEND
                socket = wait.sockets[0].socket
        known, entered = self._states.get(node.name, (None, now))
        if known is not state:
            entered = since if state in {NodeState.RECV, NodeState.SEND} else now
            self._states[node.name] = state, entered
        return NodeFigures(node.name, state, entered, socket, self._tuned[node.name], node.traceback)

    def _warn(self, live: tuple[Recording, ...]) -> None:
        """Say once of a subscriber that receives nothing what it has forgotten, when that has cost it messages."""
        self._warned.intersection_update(live)
        for publisher in live:
            for wanted in publisher.filters:
                deaf = wanted.receiver
                if deaf in self._warned or wanted.prefixes or wanted.asks[0].inverted or not wanted.filtered:
                    continue
                self._warned.add(deaf)
                if deaf.type == "XSUB":
                    continue  # it asks for what those behind it ask for: of a proxy that has none yet, all is right
                why = "subscribes to nothing and receives nothing: add subscribe=''"
                if wanted.inverts is None:
                    why = f"and {publisher.name} do not agree on invert_matching, so nothing arrives: set it at both"
                self._run.report("note", deaf.node, deaf.socket, why)

    def _learn_rates(self) -> None:
        """Remember how fast messages pass each socket at full speed: slow motion is a part of that."""
        if self._run.world.hindered or self._sequence % _LEARN:
            return
        for name, both in self.book.recent.rates().items():
            node, _, key = name.rpartition(".")
            rates = self._run.nodes[node].rates
            for direction, rate in zip(Direction, both, strict=True):
                rates[key, direction] = max(rate, rates.get((key, direction), 0.0) * 0.95)

    def _fresh_events(self) -> tuple[Event, ...]:
        run = self._run
        fresh = run.counted_events - self._events_seen
        self._events_seen += fresh
        kept = list(run.events)
        return tuple(islice(kept, max(0, len(kept) - fresh), None))


def _inproc(run: Runs) -> frozenset[str]:
    return frozenset(e for _, s in run.topology.sockets() for e in s.endpoints if run.endpoints.uses_inproc(e))
