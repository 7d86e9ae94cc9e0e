"""The diagnosis: one line with the worst mistake that is seen and its remedy, which opens to the list of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zlab.views.playhead import Moment
from zlab.views.view import View, script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.ledger.finding import Finding
    from zlab.ledger.snapshot import Snapshot

_CALM = 3.0  # seconds for which a finding stays once it is no longer seen: what comes and goes must not flicker


class Diagnosis(View):
    """What is wrong with the way in which ZeroMQ is used, in words."""

    _esm = script("diagnosis.js")
    period = 1.0
    acknowledged = 3

    def __init__(self, *args: Any, **rest: Any) -> None:
        """Nothing has been seen yet."""
        self._held: dict[tuple[str, tuple[str, ...]], tuple[Finding, float]] = {}
        self._last: list[list[Any]] = []
        super().__init__(*args, **rest)

    def collect(self, snapshot: Snapshot) -> None:
        """Keep what is found, for a while after it is seen no more."""
        for finding in snapshot.findings:
            self._held[finding.mistake, finding.sockets] = finding, snapshot.at
        final = isinstance(snapshot, Moment) or snapshot.state == "stopped"
        limit = 0.0 if final else _CALM
        self._held = {key: told for key, told in self._held.items() if abs(snapshot.at - told[1]) <= limit}

    def recall(self, snapshot: Snapshot) -> None:
        """Keep what was found at that moment, and nothing else."""
        self._held.clear()
        self.collect(snapshot)

    def full(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """All that is found."""
        if not self._held:
            self.collect(snapshot)
        self._last = self._rows()
        return {"found": self._last, "past": isinstance(snapshot, Moment)}, []

    def tick(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]] | None:
        """The same, when it has changed."""
        return None if self._rows() == self._last else self.full(snapshot)

    def _rows(self) -> list[list[Any]]:
        found = sorted((finding for finding, _ in self._held.values()), key=lambda f: (-f.weight, not f.certain))
        return [[f.mistake, f.certain, list(f.sockets), f.words, f.remedy, f.guide] for f in found]
