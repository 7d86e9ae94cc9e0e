"""The event log: what happened, the newest first, errors with their traceback."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from zlab.views.playhead import Moment
from zlab.views.view import View, script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.ledger.snapshot import Snapshot
    from zlab.recording import Event
    from zlab.views.source import Source

_KEPT = 300
_AT_ONCE = 60  # a storm of events is cut to the newest ones, and says so


class Log(View):
    """What happened in the lab, and what went wrong with what a person asked for."""

    _esm = script("log.js")
    period = 0.3

    def __init__(self, source: Source, **rest: Any) -> None:
        """Start from what has happened already."""
        self._events: deque[Event] = deque(source.history(), maxlen=_KEPT)
        self._recalled: dict[int, Event] = {}
        self._noted: deque[Event] = deque(maxlen=_KEPT)
        self._fresh: list[Event] = []
        super().__init__(source, **rest)

    def note(self, event: Event) -> None:
        """Add an event that the lab does not know of, such as a command that failed."""
        with self._lock:
            self._noted.append(event)
            self._add([event])

    def collect(self, snapshot: Snapshot) -> None:
        """Keep every event, shown or not."""
        self._add([event for event in snapshot.events if id(event) not in self._recalled])

    def recall(self, snapshot: Snapshot) -> None:
        """Keep the events up to a moment of the past, or all, instead."""
        noted = (e for e in self._noted if e.at <= snapshot.at or not isinstance(snapshot, Moment))
        events = sorted((*self._source.history(), *noted), key=lambda event: event.at)
        self._events = deque(events, maxlen=_KEPT)
        self._recalled = {id(event): event for event in self._events}  # those of this very moment come again
        self._fresh.clear()

    def full(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """All events that are kept."""
        del snapshot
        self._fresh.clear()
        return {"again": True}, [_packed(self._events)]

    def tick(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]] | None:
        """The new events."""
        del snapshot
        if not self._fresh:
            return None
        fresh, self._fresh = self._fresh, []
        return {"again": False, "left": max(0, len(fresh) - _AT_ONCE)}, [_packed(fresh[-_AT_ONCE:])]

    def _add(self, events: Sequence[Event]) -> None:
        self._events.extend(events)
        self._fresh.extend(events)
        if not self.visible:
            self._fresh.clear()  # who looks again is given all of them


def _packed(events: Sequence[Event] | deque[Event]) -> bytes:
    rows = [[round(e.at, 3), e.kind, f"{e.node}.{e.socket}" if e.socket else e.node, e.detail] for e in events]
    return json.dumps(rows, separators=(",", ":")).encode()
