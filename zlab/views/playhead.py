"""The playhead: what the views see of a lab, now or at a moment of its past."""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass, fields, replace
from time import monotonic
from typing import TYPE_CHECKING

from zlab.ledger.snapshot import NodeState, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.ledger.arrows import Arrows
    from zlab.ledger.past import Past
    from zlab.ledger.where import Standing
    from zlab.recording import Event
    from zlab.topology import Topology
    from zlab.views.source import Source

PERIOD = 0.1
"""Seconds between two pictures of the past, at least."""
COVERS = 1.5
"""Seconds before a moment that stands of which the messages are shown with it."""
_SETTLES = 10  # times that a moment is told once it stands: each view takes it in when it is due


@dataclass(frozen=True, slots=True)
class Moment(Snapshot):
    """A tick of the past, as the views are shown it."""

    covers: float = 0.0
    """Seconds before it of which its `flights` are; 0 where they are those since the moment shown before."""
    pace: float = 0.0
    """How fast the past is played: 1.0 as it happened; 0.0 where it stands."""
    kept: tuple[int, int] = (0, 0)
    """How many ticks its `flights` are of, and how many there were: of the others, the messages have been let go."""


def moves(snapshot: Snapshot, before: Snapshot | None) -> bool:
    """Whether what is shown does not follow from what was shown before: to the past, within it, or back."""
    if isinstance(snapshot, Moment):
        return snapshot is not before and (snapshot.covers > 0 or not isinstance(before, Moment))
    return isinstance(before, Moment)


class Playhead:
    """A `Source` that passes a lab through while it is live, and shows its past when it is asked to.

    Args:
        source: the lab.
        failed: told of a view that raised, and was let go: what failed, "", and the traceback.
    """

    def __init__(self, source: Source, failed: Callable[[str, str, str], None]) -> None:
        """Stand at the present."""
        self._source = source
        self._failed = failed
        self._listeners: list[Callable[[Snapshot], None]] = []
        self._watchers: list[Callable[[Snapshot], None]] = []
        self._telling = threading.RLock()  # one at a time tells the views
        self._changed = threading.Condition()
        self._wanted: float | None = None
        self._pace = 0.0
        self._settling = 0
        self._busy = False
        self._moment: Moment | None = None
        self._moment_of = -1.0
        self._latest: Snapshot | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._unsubscribe = source.subscribe(self._on_snapshot)

    # --- as a source ---------------------------------------------------------------------------

    @property
    def steerable(self) -> bool:
        """Whether the lab takes commands."""
        return self._source.steerable

    @property
    def topology(self) -> Topology:
        """What runs now: the views are drawn for it, and what was not there yet has no figures."""
        return self._source.topology

    @property
    def past(self) -> Past:
        """What is remembered of the lab."""
        return self._source.past

    @property
    def arrows(self) -> Arrows:
        """What is remembered of its messages, up to the present: a view leaves out what had not been sent yet."""
        return self._source.arrows

    def snapshot(self) -> Snapshot:
        """What is shown."""
        return self._moment or self._source.snapshot()

    def subscribe(self, listener: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have all that is to be shown given to the listener: snapshots, or a `Moment` of the past."""
        return _enter(listener, self._listeners)

    def watch(self, listener: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have every snapshot of the present given to the listener, whatever is shown."""
        return _enter(listener, self._watchers)

    def standing(self, node: str) -> Standing:
        """The line at which a node stands now: what it was before is not kept."""
        return self._source.standing(node)

    def history(self) -> tuple[Event, ...]:
        """The events up to what is shown."""
        moment, events = self._moment, self._source.history()
        return events if moment is None else tuple(event for event in events if event.at <= moment.at)

    def stop(self) -> None:
        """End the lab."""
        self._source.stop()

    # --- moving it -----------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        """Whether the present is shown."""
        return self._wanted is None

    @property
    def pace(self) -> float:
        """How fast the past is played; 0.0 where it stands."""
        return self._pace

    @property
    def shown(self) -> Moment | None:
        """The moment of the past that is shown, or None."""
        return self._moment

    def held(self) -> str:
        """Why what is shown takes no commands, or ""."""
        return "" if self.live else "this is the past: back to live first, then it can be done"

    def go(self, seconds: float) -> None:
        """Show a moment of the past, as near as one is kept, and stand there.

        Args:
            seconds: since the lab started.
        """
        kept = self.past.kept
        self._move(min(max(kept.begin, seconds), kept.end), 0.0)

    def step(self, ticks: int) -> None:
        """Go so many kept ticks on, or back where they are negative, and stand there."""
        here = self.past.kept.end if self._wanted is None else self._wanted
        self._move(self.past.beside(here, ticks), 0.0)

    def play(self, pace: float = 1.0) -> None:
        """Play on from here; from the present, from the oldest moment that is kept.

        Args:
            pace: 1.0 as fast as it happened.

        Raises:
            ValueError: a pace that is not above 0.
        """
        if not pace > 0:
            raise ValueError(f"pace={pace!r}: give a number above 0, such as 0.1 for a tenth of the time's own pace")
        self._move(self.past.kept.begin if self._wanted is None else self._wanted, pace)

    def stand(self) -> None:
        """Play no more; where the present is shown, its last moment stands."""
        self._move(self.past.kept.end if self._wanted is None else self._wanted, 0.0)

    def go_live(self) -> None:
        """Show the present again."""
        self._move(None, 0.0)

    def again(self) -> None:
        """Tell once more what is shown of the past, to who has come late."""
        if self._wanted is not None:
            self._move(self._wanted, self._pace)

    def _move(self, wanted: float | None, pace: float) -> None:
        with self._changed:
            self._wanted, self._pace, self._settling = wanted, pace, _SETTLES
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._run, name="zlab playhead", daemon=True).start()

    # --- telling the views ---------------------------------------------------------------------

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        with self._telling:
            self._latest = snapshot
            self._tell(self._watchers, snapshot)
            if self._wanted is None:
                self._moment = None
                self._tell(self._listeners, snapshot)
        if snapshot.state == "stopped":
            self._unsubscribe()

    def _run(self) -> None:
        # This thread lives no longer than there is something of the past to tell.
        due = before = monotonic()
        while True:
            with self._changed:
                self._changed.wait(max(0.0, due - monotonic()))
                now = monotonic()
                if now < due:
                    continue
                elapsed, before, due = now - before, now, now + PERIOD
                self._play_on(elapsed)
                wanted, pace = self._wanted, self._pace
                self._settling -= 1
                if over := (wanted is None or (not pace and self._settling < 0)):
                    self._busy = False
            if not over or wanted is None:
                try:
                    self._show(wanted, pace)
                except Exception:  # noqa: BLE001 - the views stand still, and it is said why
                    self._failed("the past cannot be shown", "", traceback.format_exc())
            if over:
                return

    def _play_on(self, elapsed: float) -> None:
        if self._wanted is not None and self._pace:
            self._wanted += self._pace * elapsed
            if self._wanted >= self.past.kept.end:
                self._wanted, self._pace = None, 0.0

    def _show(self, wanted: float | None, pace: float) -> None:
        with self._telling:
            if (wanted is None) != (self._wanted is None):
                return  # somebody has moved it meanwhile, and what they asked for is on its way
            if wanted is None:
                self._moment = None
                if self._latest is not None and self._latest.state == "stopped":  # no other snapshot will come
                    self._tell(self._listeners, self._latest)
                return
            before = self._moment
            moment = self._moment_at(wanted, pace, before)
            if moment is before and pace:
                return  # the next one is not due
            self._moment, self._moment_of = moment, wanted
            self._tell(self._listeners, moment)

    def _moment_at(self, wanted: float, pace: float, before: Moment | None) -> Moment:
        if before is not None and before.pace == pace and wanted == self._moment_of:
            return before  # also where it has been let go meanwhile
        then, _ = self.past.at(max(wanted, self.past.kept.begin))
        if before is not None and before.pace == pace and before.at == then.at:
            return before
        played = pace and before is not None and before.at < then.at
        covers = 0.0 if played else COVERS
        begin = before.at if played and before is not None else then.at - COVERS
        latest = self._latest or self._source.snapshot()
        moment = Moment(
            **{f.name: getattr(_grown(then, latest), f.name) for f in fields(Snapshot)}, covers=covers, pace=pace
        )
        events = tuple(e for e in self._source.history() if begin < e.at <= then.at) if played else ()
        flights = tuple(self.past.flights(begin, then.at))
        return replace(moment, flights=flights, events=events, kept=self.past.ticks(begin, then.at))

    def _tell(self, listeners: list[Callable[[Snapshot], None]], snapshot: Snapshot) -> None:
        for listener in tuple(listeners):
            try:
                listener(snapshot)
            except Exception:  # noqa: BLE001 - a view that fails is let go, and said
                listeners.remove(listener)
                self._failed("a view failed and was let go", "", traceback.format_exc())


def _enter(listener: Callable[[Snapshot], None], listeners: list[Callable[[Snapshot], None]]) -> Callable[[], None]:
    listeners.append(listener)

    def leave() -> None:
        if listener in listeners:
            listeners.remove(listener)

    return leave


def _grown(then: Snapshot, now: Snapshot) -> Snapshot:
    """The same moment with all that has been discovered since: it was not there yet, and had no figures."""
    if len(then.nodes) == len(now.nodes) and len(then.links) == len(now.links):
        return then
    known = {socket.name for socket in then.sockets}
    nothing = {"expected": 0, "delivered": 0, "queued": 0, "filtered": 0, "uncertain": 0, "bytes": 0, "duplicated": 0}
    return replace(
        then,
        nodes=then.nodes
        + tuple(
            replace(node, state=NodeState.STARTING, since=then.at, blocked_on="", traceback="")
            for node in now.nodes[len(then.nodes) :]
        ),
        sockets=then.sockets
        + tuple(
            replace(
                socket, sent=0, received=0, refused=0, bytes_sent=0, bytes_received=0, send_rate=0.0, receive_rate=0.0
            )
            for socket in now.sockets
            if socket.name not in known
        ),
        links=then.links
        + tuple(
            replace(link, **nothing, dropped={}, lost={}, rate=0.0, byte_rate=0.0, latency=None)  # type: ignore[arg-type]
            for link in now.links[len(then.links) :]
        ),
    )
