"""Symptoms: what a diagnosis is given to look at, read from probes and from where the threads stand."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import zmq

from zlab.diagnosis.facts import Aim, Facts, Termination, Use
from zlab.probe import blocked_in
from zlab.recording import Direction
from zlab.runtime.crowding import in_doubt
from zlab.runtime.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from zlab.ledger.snapshot import Snapshot
    from zlab.probe import Wait
    from zlab.recording import Batch, Filter, Recording
    from zlab.runtime.watching import Watching
    from zlab.topology import Topology

_TERM = zmq.Context.term.__code__
_ENVELOPED = {"REQ", "REP"}
"""They need an empty frame before the body."""
_NOBODY: tuple[Recording | None, float] = None, 0.0
_LOOKED = 10_000  # messages of one socket whose frames are looked at


class Symptoms:
    """Gathers the facts of one run.

    Args:
        run: what is watched.
    """

    def __init__(self, run: Run | Watching) -> None:
        """Nothing has been seen yet."""
        self._run = run
        self._lives: dict[str, tuple[Recording, float]] = {}  # of a lab: the last life of each socket, and since when
        self._ended: dict[str, tuple[Recording | None, float]] = {}  # and of those that are over, when
        self._looked: dict[str, tuple[int, int]] = {}
        self._needy: tuple[Topology | None, dict[str, bool]] = (None, {})
        self._terms: dict[int, tuple[int, float]] = {}
        self._peaks: dict[str, int] = {}
        self._answered: set[str] = set()
        self._aims: dict[tuple[str, str], Filter] = {}

    # --- at every tick -------------------------------------------------------------------------

    def note(self, traces: Mapping[Recording, Batch], topology: Topology, proxied: Mapping[str, str]) -> None:
        """Keep what passes by: envelopes, and who is in a socket.

        Args:
            traces: what was traced since the last tick.
            topology: what runs.
            proxied: each socket that a proxy serves, and the one at its other side.
        """
        for recording in traces:
            for wanted in recording.filters:
                if wanted.receiver.node:
                    self._aims[recording.name, wanted.receiver.name] = wanted
            if isinstance(self._run, Run) and self._lives.get(recording.name, _NOBODY)[0] is not recording:
                self._lives[recording.name] = recording, time.perf_counter() - self._run.began
        needy = self._enveloped(topology, proxied)
        for recording, batch in traces.items():
            addressed = needy.get(recording.name)
            if addressed is not None and batch.whole:
                self._look_at(recording, batch, addressed=addressed)
        if not isinstance(self._run, Run):
            self._note_threads(self._run)

    def _enveloped(self, topology: Topology, proxied: Mapping[str, str]) -> dict[str, bool]:
        """The sockets that send to none but REQ and REP, and whether their first frame is an address."""
        if self._needy[0] is not topology:
            specs = dict(topology.sockets())
            peers: dict[str, set[str]] = defaultdict(set)
            for link in topology.links:
                peers[link.sender].add(link.receiver)
            for link in topology.links:  # what passes a proxy reaches those behind it
                if link.receiver in proxied:
                    peers[link.sender].discard(link.receiver)
                    peers[link.sender] |= {k.receiver for k in topology.links if k.sender == proxied[link.receiver]}
            self._needy = (
                topology,
                {
                    name: specs[name].type == "ROUTER"
                    for name, facing in peers.items()
                    if specs[name].type in {"DEALER", "ROUTER"}
                    and name not in proxied
                    and all(specs[peer].type in _ENVELOPED for peer in facing)
                    and not any(specs[peer].options.get("req_correlate") for peer in facing)
                },
            )
        return self._needy[1]

    def _look_at(self, recording: Recording, batch: Batch, *, addressed: bool) -> None:
        looked, bare = self._looked.get(recording.name, (0, 0))
        sent = (t.frames for t in batch.whole if t.direction is Direction.SEND and t.frames)
        for frames in sent if looked < _LOOKED else ():
            looked += 1
            # An empty frame that has another behind it; REQ wants it to be the first after the address.
            bare += b"" not in frames[addressed:-1]
        self._looked[recording.name] = looked, bare

    def _note_threads(self, run: Watching) -> None:
        now, terms, polling = time.perf_counter(), {}, {}
        # Never in a variable of its own: this frame is one of them, and would keep itself.
        for thread, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way
            if frame.f_code is _TERM and (context := _context(frame)):
                known, since = self._terms.get(thread, (0, 0.0))
                terms[thread] = context, since if known == context else now
            if waits := blocked_in(frame, ()).sockets:
                polling[thread] = waits
        self._terms = terms
        doubtful = in_doubt(polling)
        if doubtful != run.recordings.doubtful:
            run.recordings.doubtful = doubtful
            run.apply()

    # --- at a look -----------------------------------------------------------------------------

    def facts(self, snapshot: Snapshot, topology: Topology, inside: Mapping[str, Wait]) -> Facts:
        """All that is known now.

        Args:
            snapshot: the figures.
            topology: what runs.
            inside: by node, where its thread is inside libzmq.
        """
        for row in snapshot.links:
            if row.queued > self._peaks.get(row.name, 0):
                self._peaks[row.name] = row.queued
        for event in snapshot.events:
            if event.kind == "handshake" and "a peer outside" in event.detail:
                self._answered.add(f"{event.node}.{event.socket}")
        run = self._run
        uses = {use.name: use for use in (self._of_lab(snapshot, topology) if isinstance(run, Run) else _of(run))}
        for name, (looked, bare) in self._looked.items():
            if name in uses:
                uses[name] = replace(uses[name], looked=looked, bare=bare)
        return Facts(
            snapshot=snapshot,
            topology=topology,
            uses=uses,
            aims=tuple(_aim(*names, wanted) for names, wanted in self._aims.items()),
            waits={node: tuple(r.name for r in wait.sockets) for node, wait in inside.items() if _is_open(wait, uses)},
            terminations=self._terminations(),
            peaks=self._peaks,
        )

    def _of_lab(self, snapshot: Snapshot, topology: Topology) -> Iterator[Use]:
        live = set(self._run.recordings.live)
        options = {figures.name: figures.options for figures in snapshot.sockets}
        urls = self._run.endpoints.urls
        for name, spec in topology.sockets():
            if name not in self._lives:
                continue
            recording, since = self._lives[name]
            if recording not in live and self._ended.get(name, _NOBODY)[0] is not recording:
                self._ended[name] = recording, snapshot.at
            ended = self._ended.get(name, _NOBODY)
            yield Use(
                name=name,
                type=str(spec.type),
                options=options.get(name, spec.options),
                opened=since,
                closed=ended[1] if ended[0] is recording and snapshot.state != "stopped" else math.inf,
                binds=spec.binds,
                connects=tuple(urls.get(endpoint, endpoint) for endpoint in spec.connects),
                answered=name in self._answered,
                subscriptions=recording.subscriptions,
                out_of_step=recording.meter.out_of_step,
                threads=recording.shared or (),
            )

    def _terminations(self) -> tuple[Termination, ...]:
        now = time.perf_counter()
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        return tuple(
            Termination(names.get(thread, "a thread"), context, now - since)
            for thread, (context, since) in self._terms.items()
        )


def _of(run: Watching) -> Iterator[Use]:
    """The sockets of a program that is watched; also those that have no place in its picture yet."""
    taken: dict[str, int] = defaultdict(int)
    for seen in tuple(run.recordings.seen.values()):
        recording = seen.recording
        name = recording.name if seen.placed else seen.called
        taken[name] += 1
        yield Use(
            name=name if seen.placed or taken[name] == 1 else f"{name}-{taken[name]}",
            type=recording.type,
            options=dict(seen.options),
            opened=seen.opened - run.began,
            closed=seen.ended - run.began,
            context=seen.context,
            binds=tuple(seen.binds),
            connects=tuple(seen.connects),
            unreachable=tuple(seen.unreachable),
            subscriptions=recording.subscriptions,
            out_of_step=recording.meter.out_of_step,
            threads=recording.shared or (),
        )


def _aim(publisher: str, subscriber: str, wanted: Filter) -> Aim:
    sent = wanted.publisher.counts().sent if wanted.ended is None else wanted.ended
    return Aim(publisher=publisher, subscriber=subscriber, before=wanted.began, sent=sent)


def _is_open(wait: Wait, uses: Mapping[str, Use]) -> bool:
    """Whether it waits to receive without a limit of time."""
    if wait.direction is not Direction.RECV or wait.limited or not wait.sockets:
        return False
    options = [uses[r.name].options for r in wait.sockets if r.name in uses]
    return not any(each.get("rcvtimeo", -1) != -1 for each in options)


def _context(frame: FrameType) -> int:
    context = frame.f_locals.get("self")
    return int(context.underlying) if isinstance(context, zmq.Context) and not context.closed else 0
