"""The colours of all views: a message has that of its kind, a node that of its state, nothing else has any."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from zlab.ledger.snapshot import NodeState

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("#1f77b4", "#e8590c", "#22a15d", "#a14f90", "#7c61e8", "#a15b38", "#c177d4", "#7d8794")
"""Of a message, by its kind's place in `Snapshot.kinds`: the same on light pages, on dark ones and on paper.

Chosen so that any two stay apart for every eye (deuteranopia and protanopia simulated) and each stands out from white
and from JupyterLab's dark grey.
"""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Tell lines of one colour apart, as plotly names them."""
QUIET = "#858d98"
"""Letters and axes that stand on a page of either theme."""
GRID = "rgba(133,141,152,0.22)"


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours that a light or a dark page asks for."""

    ink: str
    """Letters that matter."""
    soft: str
    """Letters that explain."""
    edge: str
    """Lanes."""
    card: str
    card_edge: str
    page: str
    queue: str
    """An empty queue."""
    blue: str
    green: str
    amber: str
    red: str
    violet: str
    grey: str

    @property
    def states(self) -> Mapping[NodeState, str]:
        """The colour of each state, which always has its sign beside it."""
        return {
            NodeState.STARTING: self.grey,
            NodeState.RUNNING: self.green,
            NodeState.RECV: self.blue,
            NodeState.SEND: self.amber,
            NodeState.PAUSED: self.violet,
            NodeState.KILLED: self.grey,
            NodeState.FAILED: self.red,
            NodeState.FINISHED: self.green,
            NodeState.STOPPED: self.grey,
        }


LIGHT = Theme(
    ink="#1f2933",
    soft="#5c6773",
    edge="#a3adba",
    card="#ffffff",
    card_edge="#d5dbe3",
    page="#ffffff",
    queue="#eef1f5",
    blue="#1f74b5",
    green="#12805b",
    amber="#9a5b00",
    red="#c9372c",
    violet="#6d5fd0",
    grey="#667180",
)
DARK = Theme(
    ink="#e6e9ee",
    soft="#a3adba",
    edge="#5b6675",
    card="#22272e",
    card_edge="#3d4651",
    page="#111111",
    queue="#2c333c",
    blue="#6cb4f0",
    green="#3ecf9b",
    amber="#f0a030",
    red="#ff7b70",
    violet="#a99cf5",
    grey="#9aa4b0",
)


def javascript() -> str:
    """The same for the browser: ``PALETTE.light``, ``PALETTE.dark``, each with ``states`` and ``kinds``."""
    themes = {name: {**asdict(theme), "states": theme.states, "kinds": KINDS} for name, theme in _THEMES.items()}
    return f"const PALETTE = {json.dumps(themes)};"


def css() -> str:
    """The same for style sheets: ``--z-blue`` and its like, ``--z-kind-0`` to ``--z-kind-7``."""
    kinds = "".join(f"--z-kind-{i}: {colour}; " for i, colour in enumerate(KINDS))
    light, dark = (
        "".join(f"--z-{name}: {getattr(theme, name)}; " for name in ("blue", "green", "amber", "red", "violet", "grey"))
        for theme in _THEMES.values()
    )
    return (
        f".zlab-view {{ {kinds}{light}}}\n"
        f'body[data-jp-theme-light="false"] .zlab-view, .zlab-view.zlab-dark {{ {dark}}}\n'
    )


_THEMES = {"light": LIGHT, "dark": DARK}
