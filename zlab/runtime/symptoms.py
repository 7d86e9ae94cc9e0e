"""Symptoms: what a diagnosis is given to look at, read from probes and from where the threads stand."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import defaultdict, deque
from dataclasses import replace
from typing import TYPE_CHECKING

import zmq

from zlab.diagnosis.facts import Aim, Facts, Termination, Use
from zlab.probe import blocked_in
from zlab.recording import SENDING, Direction
from zlab.runtime.crowding import in_doubt
from zlab.runtime.run import Run
from zlab.sockets import PUBLISHERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

    from zlab.ledger.snapshot import Snapshot
    from zlab.probe import Wait
    from zlab.recording import Batch, Filter, Recording
    from zlab.runtime.watching import Watching
    from zlab.topology import Topology

_TERM = zmq.Context.term.__code__
_ADDRESSED = {"DEALER": 0, "ROUTER": 1}
"""Sockets that write envelopes, and how many frames before these only they see."""
_ENVELOPED = {"REQ", "REP"}
"""They need an empty frame before the body."""
_NOBODY: tuple[Recording | None, float] = None, 0.0
_LOOKED = 10_000  # messages of one socket whose frames are looked at
_NONE = 0, 0
_SMOOTH = 0.15  # the part of one look in a share of time
_REMEMBERED = 100  # messages of a publisher, and prefixes of a proxy that asks for them too late
_ASKS, _ASKS_NO_MORE = b"\x01", b"\x00"  # what a message of an XSUB begins with
_TELLING = 3  # bytes: shorter ones stand in any message by chance


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
        self._looked: dict[str, tuple[int, int, int]] = {}
        self._learned: tuple[Topology | None, int] = None, 0
        self._needy: dict[str, bool] = {}
        self._refused: dict[str, int] = {}
        self._stands: dict[str, float] = {}
        self._terms: dict[int, tuple[int, float]] = {}
        self._peaks: dict[str, int] = {}
        self._answered: set[str] = set()
        self._aims: dict[tuple[str, str], Filter] = {}
        self._inside: dict[tuple[str, str], tuple[int, int]] = {}
        self._published: dict[str, deque[bytes]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._asked: dict[str, set[bytes]] = defaultdict(set)

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
        self._enveloped(topology, proxied)
        for recording, batch in traces.items():
            if batch.whole:
                self._look_at(recording, batch)
        self._note_sockets()
        if not isinstance(self._run, Run):
            self._note_threads(self._run)

    def _note_sockets(self) -> None:
        for recording in self._run.recordings.known:
            if recording.type == "XSUB":
                asked = self._asked[recording.name]
                asked.update(recording.subscriptions[: max(0, _REMEMBERED - len(asked))])
            if recording.type == "PUSH":
                before = self._stands.get(recording.name, 0.0)
                self._stands[recording.name] = before + _SMOOTH * ((recording.meter.inside == SENDING) - before)

    def _look_at(self, recording: Recording, batch: Batch) -> None:
        if recording.type in _ADDRESSED:
            self._count_envelopes(recording, batch)
        if recording.type == "XSUB":
            self._note_subscriptions(recording, batch)
        elif recording.type in PUBLISHERS:
            sent = (t.frames[0] for t in batch.whole if t.direction is Direction.SEND and t.frames)
            self._published[recording.name].extend(sent)
        for wanted in recording.filters:
            if wanted.receiver.node and not wanted.matched and not wanted.inverts:
                self._look_for(wanted, batch)

    def _enveloped(self, topology: Topology, proxied: Mapping[str, str]) -> None:
        """Learn which sockets send to none but REQ and REP, and whether to REQ alone."""
        if self._learned[0] is topology and self._learned[1] == len(proxied):
            return
        specs = dict(topology.sockets())
        peers: dict[str, set[str]] = defaultdict(set)
        for link in topology.links:
            peers[link.sender].add(link.receiver)
        for link in topology.links:  # what passes a proxy reaches those behind it
            if link.receiver in proxied:
                peers[link.sender].discard(link.receiver)
                peers[link.sender] |= {k.receiver for k in topology.links if k.sender == proxied[link.receiver]}
        self._learned = topology, len(proxied)
        self._needy = {
            name: all(specs[peer].type == "REQ" for peer in facing)
            for name, facing in peers.items()
            if specs[name].type in _ADDRESSED
            and name not in proxied
            and all(specs[peer].type in _ENVELOPED for peer in facing)
            and not any(specs[peer].options.get("req_correlate") for peer in facing)
        }

    def _count_envelopes(self, recording: Recording, batch: Batch) -> None:
        """Count where the empty frame is missing; who it is sent to may be known later than what is sent."""
        looked, bare, not_first = self._looked.get(recording.name, (0, 0, 0))
        sent = (t.frames for t in batch.whole if t.direction is Direction.SEND and t.frames and t.times)
        for frames in sent:
            looked += 1
            before = frames[_ADDRESSED[recording.type] : -1]  # an empty frame is one that has another behind it
            bare += b"" not in before
            not_first += before[:1] != (b"",)
        self._looked[recording.name] = looked, bare, not_first

    def _note_subscriptions(self, recording: Recording, batch: Batch) -> None:
        """What an XSUB asks for by messages of its own, as a proxy does that is written by hand."""
        asked = self._asked[recording.name]
        for frames in (t.frames for t in batch.whole if t.direction is Direction.SEND and t.frames):
            if frames[0].startswith(_ASKS) and len(asked) < _REMEMBERED:
                asked.add(frames[0][1:])
            elif frames[0].startswith(_ASKS_NO_MORE):
                asked.discard(frames[0][1:])

    def _look_for(self, wanted: Filter, batch: Batch) -> None:
        """Whether what a subscriber asks for stands where no filter looks."""
        names = wanted.publisher.name, wanted.receiver.name
        looked, inside = self._inside.get(names, _NONE)
        sent = (t.frames for t in batch.whole if t.direction is Direction.SEND and t.frames)
        for frames in sent if looked < _LOOKED else ():
            if not wanted.wants(frames[0]):
                looked += 1
                inside += _has_inside(frames, wanted.prefixes)
        self._inside[names] = looked, inside

    @property
    def undelimited(self) -> Mapping[str, tuple[int, int]]:
        """By socket: of how many messages the frames were seen, and how many of these lack what its peers need."""
        looked = {name: (self._looked[name], first) for name, first in self._needy.items() if name in self._looked}
        return {name: (seen, not_first if first else bare) for name, ((seen, bare, not_first), first) in looked.items()}

    def _note_threads(self, run: Watching) -> None:
        now, terms, polling = time.perf_counter(), {}, {}
        # This frame is one of them: none stays in a variable, or it would keep itself.
        for thread, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way
            if frame.f_code is _TERM and (context := _context(frame)):
                known, since = self._terms.get(thread, (0, 0.0))
                terms[thread] = context, since if known == context else now
            if waits := blocked_in(frame, ()).sockets:
                polling[thread] = waits
        del frame
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
        refused = {figures.name: figures.refused for figures in snapshot.sockets}
        for link, row in zip(topology.links, snapshot.links, strict=False):
            news = refused.get(link.sender, 0) > self._refused.get(link.sender, 0)
            # Full is seen for a moment only: then nothing is taken until half of it has gone.
            queued = row.capacity if news and row.queued >= row.capacity / 2 else row.queued
            self._peaks[row.name] = max(queued, self._peaks.get(row.name, 0))
        self._refused = refused
        for event in snapshot.events:
            if event.kind == "handshake" and "a peer outside" in event.detail:
                self._answered.add(f"{event.node}.{event.socket}")
        run = self._run
        uses = {use.name: use for use in (self._of_lab(snapshot, topology) if isinstance(run, Run) else _of(run))}
        for name, (looked, bare, not_first) in self._looked.items():
            if name in uses and name in self._needy:
                # REQ wants it to be the first frame; before that of a REP there may be more addresses.
                uses[name] = replace(uses[name], looked=looked, bare=not_first if self._needy[name] else bare)
        for name, share in self._stands.items():
            if name in uses:
                uses[name] = replace(uses[name], stands=share)
        return Facts(
            snapshot=snapshot,
            topology=topology,
            uses=uses,
            aims=tuple(self._aim(*names, wanted) for names, wanted in self._aims.items()),
            waits={node: tuple(r.name for r in wait.sockets) for node, wait in inside.items() if _is_open(wait, uses)},
            threads={name: t.ident for name, n in run.nodes.items() if (t := n.thread) is not None and t.ident},
            terminations=self._terminations(),
            published={name: tuple(heads) for name, heads in self._published.items()},
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
                by_turns=recording.by_turns or (),
            )

    def _aim(self, publisher: str, subscriber: str, wanted: Filter) -> Aim:
        looked, inside = self._inside.get((publisher, subscriber), _NONE)
        asked = () if wanted.matched else tuple(self._asked.get(subscriber, ()))
        published = self._published.get(publisher, ()) if asked else ()
        return Aim(
            publisher=publisher,
            subscriber=subscriber,
            before=wanted.began,
            sent=wanted.publisher.counts().sent if wanted.ended is None else wanted.ended,
            matched=wanted.matched,
            looked=looked,
            inside=inside,
            early=sum(head.startswith(asked) for head in published),
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
            held=seen.held(),
            opened=seen.opened - run.began,
            closed=seen.ended - run.began,
            context=seen.context,
            binds=tuple(seen.binds),
            connects=tuple(seen.connects),
            unreachable=tuple(seen.unreachable),
            subscriptions=recording.subscriptions,
            out_of_step=recording.meter.out_of_step,
            threads=recording.shared or (),
            by_turns=recording.by_turns or (),
        )


def _has_inside(frames: Sequence[bytes], prefixes: Sequence[bytes]) -> bool:
    """Whether something that was asked for stands in a message, though not at its beginning."""
    return any(prefix in frame for prefix in prefixes if len(prefix) >= _TELLING for frame in frames)


def _is_open(wait: Wait, uses: Mapping[str, Use]) -> bool:
    """Whether it waits to receive without a limit of time."""
    if wait.direction is not Direction.RECV or wait.limited or not wait.sockets:
        return False
    options = [uses[r.name].options for r in wait.sockets if r.name in uses]
    return not any(each.get("rcvtimeo", -1) != -1 for each in options)


def _context(frame: FrameType) -> int:
    context = frame.f_locals.get("self")
    return int(context.underlying) if isinstance(context, zmq.Context) and not context.closed else 0
