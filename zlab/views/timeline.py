"""The timeline: a slider over what is remembered, with marks where something happened, and the way back to live."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import traitlets

from zlab.views.playhead import Moment, Playhead
from zlab.views.view import View, script

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zlab.ledger.snapshot import Snapshot
    from zlab.recording import Event

MARKED = frozenset({"kill", "restart", "error", "fault", "pause", "breakpoint", "finish", "stop", "handshake failed"})
"""The kinds of events that have a mark."""
_KEPT = 200  # marks; more could not be told apart
_WORDS = 120  # letters of what a mark tells


class Timeline(View):
    """Moves the playhead, and tells where it stands."""

    _esm = script("timeline.js")
    period = 1.0

    steerable = traitlets.Bool().tag(sync=True)
    """Whether it is a lab, and no program that is only watched."""

    def __init__(self, playhead: Playhead, **rest: Any) -> None:
        """Mark what has happened already."""
        self._playhead = playhead
        self._refused: set[tuple[str, str, str]] = set()  # handshakes: who is turned away tries again and again
        self._marks: deque[Event] = deque(self._marked(playhead.history()), maxlen=_KEPT)
        self._known = set(map(id, self._marks))
        self._fresh: list[Event] = []
        self._present: Snapshot | None = None
        super().__init__(playhead, told=self._steer, steerable=playhead.steerable, **rest)
        playhead.watch(self._on_present)

    def full(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """All that is told, with all marks."""
        self._fresh.clear()
        return {**self._told_of(snapshot), "marks": _packed(self._marks), "again": True}, []

    def tick(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """What is kept, where the playhead stands, and the marks that are new."""
        fresh, self._fresh = self._fresh, []
        return {**self._told_of(snapshot), "marks": _packed(fresh), "again": False}, []

    def _told_of(self, shown: Snapshot) -> dict[str, Any]:
        kept, now = self._playhead.past.kept, self._present or shown
        past = isinstance(shown, Moment)
        return {
            "begin": round(kept.begin, 3),
            "dense": round(kept.dense, 3),
            "now": round(max(kept.end, shown.at), 3),
            "whole": kept.whole,
            "state": now.state,
            "at": round(shown.at, 3) if past else None,
            "pace": self._playhead.pace if past else 0.0,
        }

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        """Tell where the playhead stands as often as it moves; the present is told more seldom."""
        with self._lock:
            before, self._before = self._before, snapshot
            moved = snapshot is not before and (isinstance(snapshot, Moment) or isinstance(before, Moment))
            if self.visible and moved:
                self._publish("tick", self.tick(snapshot))

    def _on_present(self, snapshot: Snapshot) -> None:
        with self._lock:
            self._present = snapshot
            fresh = [event for event in self._marked(snapshot.events) if id(event) not in self._known]
            self._known.clear()  # those of the beginning come once more, and no later
            self._marks.extend(fresh)
            self._fresh += fresh if self.visible else ()
            if self.visible and (self._due() or fresh or snapshot.state == "stopped"):
                self._publish("tick", self.tick(self._playhead.shown or snapshot))

    def _marked(self, events: Iterable[Event]) -> list[Event]:
        marked = []
        for event in events:
            if event.kind == "handshake failed":
                who = event.node, event.socket, event.detail
                if who in self._refused:
                    continue
                self._refused.add(who)
            if event.kind in MARKED:
                marked.append(event)
        return marked

    def _steer(self, content: dict[str, Any]) -> None:
        match content.get("t"):
            case "go":
                self._playhead.go(float(content["at"]))
            case "after":  # the first moment that knows of it
                self._playhead.go(self._playhead.past.beside(float(content["at"]), 1))
            case "step":
                self._playhead.step(int(content["by"]))
            case "play":
                self._playhead.play(float(content["pace"]))
            case "stand":
                self._playhead.stand()
            case "live":
                self._playhead.go_live()


def _packed(events: Iterable[Event]) -> list[list[Any]]:
    return [
        [
            round(event.at, 3),
            event.kind,
            f"{event.node}.{event.socket}" if event.socket else event.node,
            (event.detail.strip().splitlines() or [""])[-1][:_WORDS],
        ]
        for event in events
    ]
