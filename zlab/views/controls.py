"""The toolbar: pause, step, speed, rate, message size, stop, and why the world stands."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import traitlets

from zlab.ledger.snapshot import NodeState
from zlab.views.view import View, script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.ledger.snapshot import Snapshot
    from zlab.views.source import Source


_FIGURES = {"at", "delivered"}
_FIGURES_EVERY = 0.9  # seconds; what can be set is told at once


class Controls(View):
    """What a person can do to the lab as a whole; a control that waits for a busy kernel says so."""

    _esm = script("controls.js")
    period = 0.4

    name = traitlets.Unicode().tag(sync=True)
    """The topology's name."""

    steerable = traitlets.Bool().tag(sync=True)
    """Whether there is more to do than to stop."""

    def __init__(self, source: Source, **rest: Any) -> None:
        """Name the lab."""
        self._last: dict[str, Any] = {}
        self._figures_at = float("-inf")
        super().__init__(source, name=source.topology.name, steerable=source.steerable, **rest)

    def full(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """The state and the knobs."""
        self._last, self._figures_at = _state(snapshot), snapshot.at
        return {}, [_packed(self._last)]

    def tick(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]] | None:
        """The same, when it has changed."""
        state = _state(snapshot)
        same = all(state[key] == value for key, value in self._last.items() if key not in _FIGURES)
        if same and (state == self._last or snapshot.at - self._figures_at < _FIGURES_EVERY):
            return None
        self._last, self._figures_at = state, snapshot.at
        return {}, [_packed(state)]


def _packed(state: dict[str, Any]) -> bytes:
    return json.dumps(state, separators=(",", ":")).encode()


def _state(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "state": snapshot.state,
        "why": snapshot.why,
        "speed": snapshot.speed,
        "at": int(snapshot.at),
        "sampling": snapshot.sampling,
        "clock": round(snapshot.cost.clock, 2),
        "cost": str(replace(snapshot.cost, clock=round(snapshot.cost.clock, 2))),
        "failed": [node.name for node in snapshot.nodes if node.state is NodeState.FAILED],
        "delivered": sum(link.delivered for link in snapshot.links),
        "rates": _knob(snapshot, "rate"),
        "sizes": _knob(snapshot, "size"),
    }


def _knob(snapshot: Snapshot, name: str) -> list[float | str]:
    # The different settings of a knob: none where no node has it, several where nodes disagree.
    values = sorted({node.knobs[name] for node in snapshot.nodes if name in node.knobs})
    return [value if math.isfinite(value) else "inf" for value in values]
