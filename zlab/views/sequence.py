"""The sequence diagram, live: time downwards, a line for each node, an arrow for each message."""

from __future__ import annotations

import json
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from zlab.ledger.arrows import ARROW
from zlab.views import diagram, message, way
from zlab.views.folding import described, whole
from zlab.views.layout import ordered
from zlab.views.view import View, script

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zlab.ledger.arrows import Sheet
    from zlab.ledger.hops import Hop
    from zlab.ledger.snapshot import Snapshot
    from zlab.recording import Event
    from zlab.views.source import Source

AT_ONCE = 400
"""Arrows that a tick brings at most: what is left comes when the browser asks for more."""
MORE = 2_000
"""Arrows that one answer brings at most."""
BEHIND = 4_000
"""Arrows by which the picture may lag while the lab runs: beyond, it leaps to the newest, and says how many it left."""
_MARKS = 2_000  # events that are shown; of more, the last
_JUDGED = 0.5  # seconds between two looks at what became of what has not come
_SHARE = 20  # that look takes at most one in so many seconds
_OPEN = 2_000  # arrows whose fate is looked at in one go: the newest
_PATIENCE = 35.0  # seconds after which the ledger no longer looks for a message either
_SEARCHED = 20_000  # hops whose frames are searched: the last
_DETAIL = 600  # letters of an event that are told here: the end of a traceback; the log has all of them
_CHANGED = np.dtype([(name, ARROW[name]) for name in ("number", "received", "receiver", "fate", "kind")])


class SequenceDiagram(View):
    """Messages as arrows between the lines of their nodes; a click follows one over all its hops."""

    _esm = f"const SIGNS = {json.dumps(diagram.SIGNS)};\n" + script(
        *("message.js", "tip.js", "arrows.js", "lifelines.js", "labels.js", "stretch.js", "seeking.js", "pulling.js"),
        *("remarks.js", "sequence.js"),
    )

    folded = traitlets.Bool(default_value=False).tag(sync=True)
    """Whether only its heading is shown: then it costs nothing."""

    def __init__(self, source: Source, **rest: Any) -> None:
        """Start from what is remembered."""
        self._mark = 0  # the first hop that has not been sent
        self._open: dict[int, tuple[float, int]] = {}  # those on the picture that have not come: when sent, fate
        self._wanted = b""
        self._fresh: list[Event] = []
        self._judge_at = 0.0
        self._named: dict[str, Any] = {}
        self._order: tuple[object, list[str]] = (None, [])
        super().__init__(source, **rest)

    def collect(self, snapshot: Snapshot) -> None:
        """Keep the events of ticks that are skipped, while somebody looks."""
        if self.visible:
            self._fresh.extend(snapshot.events)
        else:
            self._fresh.clear()
            self._open.clear()

    def full(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """What is remembered, from its beginning; the rest of it is asked for."""
        self._mark = 0
        self._named = {}
        self._open.clear()
        self._fresh.clear()
        events = self._source.history()
        content, buffers = self._batch(snapshot, MORE, events[-_MARKS:])
        return {**content, "again": True, "unmarked": max(0, len(events) - _MARKS)}, buffers

    def tick(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """What was sent, and what has arrived, since the last message."""
        fresh, self._fresh = self._fresh, []
        return self._batch(snapshot, AT_ONCE, fresh)

    def _batch(self, snapshot: Snapshot, most: int, events: Iterable[Event]) -> tuple[dict[str, Any], Sequence[bytes]]:
        span, asked = self._source.arrows.span, self._mark
        self._mark = max(asked, span.start)
        if snapshot.state == "running" and span.stop - self._mark > BEHIND:
            self._mark = span.stop - AT_ONCE
        sheet = self._source.arrows.since(self._mark, most)
        first = self._mark + sheet.gone
        self._mark = first + len(sheet.rows)
        changed = self._changed(snapshot)
        for row in sheet.rows[np.isnan(sheet.rows["received"])].tolist():
            self._open[row[0]] = row[1], row[8]
        found = [first + i for i, hop in enumerate(sheet.hops) if self._wanted and self._holds(hop)]
        content = {
            "at": round(snapshot.at, 4),
            "state": snapshot.state,
            "sampling": snapshot.sampling,
            "first": first,
            "shown": len(sheet.rows),
            "changed": len(changed),
            "gone": first - asked,
            "rest": sheet.rest,
        }
        words = {
            "events": [[e.at, e.kind, e.node, e.socket, e.detail[-_DETAIL:]] for e in events],
            "found": found,
            "said": [way.said(hop) for hop in sheet.hops],
        }
        names = self._names(snapshot)
        if names != self._named:
            self._named = names
            words |= names
        return content, [pack(sheet.rows), _columns(changed), json.dumps(words, separators=(",", ":")).encode()]

    def _names(self, snapshot: Snapshot) -> dict[str, Any]:
        """What the numbers in a batch stand for; sent again when there are more."""
        arrows = self._source.arrows
        nodes = self._lifelines()
        return {
            "nodes": nodes,
            "types": [described(self._source.topology[name]) for name in nodes],
            "kinds": list(snapshot.kinds),
            "sockets": arrows.sockets,
            "fates": arrows.fates,
        }

    def _lifelines(self) -> list[str]:
        """The nodes from left to right, so that messages mostly go to the right."""
        topology = self._source.topology
        if self._order[0] is not topology:
            layers = ordered(whole(topology)) if topology.nodes else []
            self._order = topology, [name for layer in layers for name in layer]
        return self._order[1]

    def _changed(self, snapshot: Snapshot) -> Any:
        """What has become of arrows that are on the picture and had not come."""
        began = perf_counter()
        last = snapshot.state == "stopped"
        judged = last or began >= self._judge_at
        watched = list(self._open)
        sheet = self._source.arrows.now(watched, judged=False)
        if judged and watched:
            rest = [n for n in watched if n not in set(sheet.rows["number"].tolist())]
            sheet = _joined(sheet, self._source.arrows.now(rest if last else rest[-_OPEN:], judged=True))
            took = perf_counter() - began
            self._judge_at = began + max(_JUDGED, _SHARE * took)
        told = []
        for i, row in enumerate(sheet.rows.tolist()):
            number, sent, fate = row[0], row[1], row[8]
            known = self._open.get(number)
            if known is not None and known[1] != fate:
                told.append(i)
            if row[2] == row[2] or snapshot.at - sent > _PATIENCE:  # it has come, or nobody looks for it any more
                self._open.pop(number, None)
            elif known is not None:
                self._open[number] = sent, fate
        changed = np.zeros(len(told), _CHANGED)
        for name in _CHANGED.names or ():
            changed[name] = sheet.rows[name][told]
        return changed

    # --- what a person asks --------------------------------------------------------------------

    def _receive(self, of: object, content: dict[str, Any], buffers: object) -> None:
        match content.get("t"):
            case "more":
                with self._lock:
                    if self.visible:
                        self._publish("tick", self._batch(self._source.snapshot(), MORE, ()))
            case "find":
                self._find(content)
            case "look":
                self._look(content)
        super()._receive(of, content, buffers)

    def _find(self, content: dict[str, Any]) -> None:
        text = str(content["text"])
        wanted = _bytes_of(text)
        with self._lock:
            self._wanted = wanted
            end = self._mark
        seen = self._source.arrows.chosen(range(max(0, end - _SEARCHED), end))
        found = [number for number, hop in seen if wanted and message.holds(way.frames(hop), wanted)]
        bare = sum(1 for _, hop in seen if not way.frames(hop))
        answer = {"text": text, "found": found, "searched": len(seen) - bare, "bare": bare}
        self.send({"t": "found", "v": content.get("v")}, buffers=[json.dumps(answer).encode()])

    def _look(self, content: dict[str, Any]) -> None:
        answer = way.tell(self._source.arrows, int(content["number"]))
        self.send({"t": "looked", "v": content.get("v")}, buffers=[json.dumps(answer).encode()])

    def _holds(self, hop: Hop) -> bool:
        return message.holds(way.frames(hop), self._wanted)


def pack(rows: Any) -> bytes:
    """Arrows for the browser, little-endian, column by column.

    `sent` and `received` are f64 in seconds; `message` and `size` u32; `hop`, `sender`, `receiver` and `fate` u16;
    `kind` and `ambiguous` u8.
    """
    names = ("sent", "received", "message", "size", "hop", "sender", "receiver", "fate", "kind", "ambiguous")
    return b"".join(np.ascontiguousarray(rows[name]).tobytes() for name in names)


def _columns(changed: Any) -> bytes:
    # The widest first, so that all stay aligned.
    names = ("received", "number", "receiver", "fate", "kind")
    return b"".join(np.ascontiguousarray(changed[name]).tobytes() for name in names)


def _joined(one: Sheet, other: Sheet) -> Sheet:
    return replace(one, rows=np.concatenate([one.rows, other.rows]), hops=[*one.hops, *other.hops])


def _bytes_of(text: str) -> bytes:
    """What is searched for: text, or bytes in hexadecimal after ``0x``."""
    text = text.strip().lower()
    if text.startswith("0x"):
        try:
            return bytes.fromhex(text[2:]).lower()
        except ValueError:
            pass  # then it is text that begins so
    return text.encode()
