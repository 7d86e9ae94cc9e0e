"""Throughput of each link over the last minute, and latency over time: one plotly figure with two plots."""

from __future__ import annotations

import re
import threading
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from zlab.views import palette
from zlab.views.carried import Carried

if TYPE_CHECKING:
    from collections.abc import Iterable

    import plotly.graph_objects as go
    from numpy.typing import NDArray

    from zlab.ledger.snapshot import LatencyFigures, Snapshot
    from zlab.topology import Topology

PERIOD = 0.5
"""Seconds between two points."""
DRAWN = 1.0
"""Seconds between two drawings: each costs the page and the kernel more than all other views."""
POINTS = 121
"""A minute."""
LINES = 8
"""Lines of the throughput plot, at the most."""
_LONGEST = 46  # letters of a plot's title
_LATE = 4  # points: a snapshot so late stands for those that it missed, a longer gap is shown


class History:
    """The last minute of a lab, as arrays: a row a line, a column each half second, the newest last.

    Args:
        topology: what runs. Links are drawn one by one; of more than eight, those of an endpoint together.
        grows: whether there may be more links later.
    """

    def __init__(self, topology: Topology, *, grows: bool = False) -> None:
        """Empty: all values are missing."""
        self._groups = groups(topology)
        self._links = len(topology.links)
        self._carried = Carried(self._links)
        self.most = LINES if grows else len(self._groups)
        """Lines that the plot has room for."""
        self._lock = threading.Lock()
        self._rates: NDArray[np.float32] = np.full((len(self._groups), POINTS), np.nan, dtype=np.float32)
        self._latency: NDArray[np.float32] = np.full((2, POINTS), np.nan, dtype=np.float32)
        self._at = float("-inf")
        self.path = ""
        """Whose latency it is."""

    def grow(self, topology: Topology) -> None:
        """Draw the links of a topology that has grown; lines of the same name go on."""
        with self._lock:
            before, self._groups = self._groups, groups(topology)
            self._links = len(topology.links)
            self._carried.grow(self._links)
            rates: NDArray[np.float32] = np.full((len(self._groups), POINTS), np.nan, dtype=np.float32)
            old = list(before)
            for i, name in enumerate(self._groups):
                if name in before:
                    rates[i] = self._rates[old.index(name)]
            self._rates = rates

    @property
    def names(self) -> tuple[str, ...]:
        """What the rows of `rates` are."""
        return tuple(self._groups)

    @property
    def strokes(self) -> list[tuple[str, str]]:
        """Colour and dash of each line: the colour of its messages, grey where they are of several kinds or unknown."""
        with self._lock:
            kinds = [self._carried.kinds(links) for links in self._groups.values()]
        colours = [palette.KINDS[kind[0] % len(palette.KINDS)] if len(kind) == 1 else palette.QUIET for kind in kinds]
        return [
            (colour, palette.DASHES[colours[:i].count(colour) % len(palette.DASHES)])
            for i, colour in enumerate(colours)
        ]

    def add(self, snapshot: Snapshot) -> bool:
        """Take a snapshot in, if it is time for a point; says whether it was."""
        self._carried.add(snapshot)
        if snapshot.at - self._at < PERIOD - 0.01 or len(snapshot.links) < self._links:
            return False
        missed = 1 if self._at == float("-inf") else round((snapshot.at - self._at) / PERIOD)
        self._at = snapshot.at
        path, latency = _told(snapshot, self.path)
        with self._lock:
            self.path = path
            for array in (self._rates, self._latency):
                steps = min(max(1, missed), POINTS)
                array[:, :-steps] = array[:, steps:]
                array[:, -steps:] = np.nan
            late = max(1, missed) if missed <= _LATE else 1
            rates = [[sum(snapshot.links[i].rate for i in links)] for links in self._groups.values()]
            if rates:
                self._rates[:, -late:] = rates
            if latency is not None and snapshot.state == "running":
                self._latency[:, -late:] = [[latency.p50], [latency.p99]]
        return True

    def recall(self, snapshots: Iterable[Snapshot]) -> None:
        """Show another minute: these snapshots instead of all that was taken in before."""
        with self._lock:
            self._rates[:], self._latency[:], self._at = np.nan, np.nan, float("-inf")
        for snapshot in snapshots:
            self.add(snapshot)

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Copies of: seconds before now, messages per second of each line, seconds of latency (p50 and p99)."""
        with self._lock:
            seconds = (np.arange(1 - POINTS, 1) * PERIOD).astype(np.float32)
            return seconds, self._rates.copy(), self._latency.copy()


def groups(topology: Topology) -> dict[str, tuple[int, ...]]:
    """The lines of the throughput plot: a name, and the links whose rates it adds up."""
    pairs = Counter((link.source, link.target) for link in topology.links)
    single: dict[str, tuple[int, ...]] = {
        f"{link.source} → {link.target}" if pairs[link.source, link.target] == 1 else str(link): (i,)
        for i, link in enumerate(topology.links)
    }
    if len(single) <= LINES:
        return single
    types = {name: socket.type for name, socket in topology.sockets()}
    together: dict[str, tuple[int, ...]] = {}
    for i, link in enumerate(topology.links):
        name = f"{link.endpoint}: {types[link.sender]} → {types[link.receiver]}"
        together[name] = (*together.get(name, ()), i)
    if len(together) <= LINES:
        return together
    names = list(together)
    rest = tuple(i for name in names[LINES - 1 :] for i in together[name])
    return {name: together[name] for name in names[: LINES - 1]} | {"all others": rest}


def _told(snapshot: Snapshot, before: str) -> tuple[str, LatencyFigures | None]:
    # From end to end where that is known, else the busiest link; the same one as long as it has figures.
    known = dict(snapshot.end_to_end) or {link.name: link.latency for link in snapshot.links if link.latency}
    if before in known:
        return before, known[before]
    if not known:
        return before, None
    path = max(known, key=lambda name: known[name].count)
    return path, known[path]


def figure(history: History | Iterable[Snapshot], topology: Topology | None = None, *, live: bool = False) -> go.Figure:
    """Draw throughput and latency.

    Args:
        history: what to draw; or snapshots, with their topology.
        topology: what ran, where `history` is snapshots.
        live: a `plotly.graph_objects.FigureWidget` that `update` can keep up to date, small enough for a dashboard.

    Raises:
        ValueError: snapshots without a topology.
    """
    import pandas  # noqa: F401, ICN001 - plotly asks sys.modules for it, and fails while another thread imports it
    from plotly.subplots import make_subplots

    if not isinstance(history, History):
        if topology is None:
            raise ValueError("figure(snapshots) needs topology=, which names the lines")
        taken, history = history, History(topology)
        for snapshot in taken:
            history.add(snapshot)
    x, rates, latency = history.arrays()
    drawn = make_subplots(rows=1, cols=2, horizontal_spacing=0.09)
    names, strokes = history.names, history.strokes
    for i in range(history.most):
        name = names[i] if i < len(names) else ""
        colour, dash = strokes[i] if name else (palette.QUIET, "solid")
        line = {"color": colour, "dash": dash, "width": 1.8}
        hover = "%{y:.3s} /s<extra>" + name + "</extra>"
        y = rates[i] if name else np.full_like(x, np.nan)
        shown = bool(name)
        drawn.add_scatter(
            x=x, y=y, name=name, line=line, mode="lines", hovertemplate=hover, visible=shown, row=1, col=1
        )
    for i, (name, dash) in enumerate((("p50", "solid"), ("p99", "dot"))):
        line = {"color": palette.QUIET, "width": 1.8, "dash": dash}
        hover = "%{y:.3s}s<extra>" + name + "</extra>"
        drawn.add_scatter(
            x=x, y=latency[i], name=name, line=line, mode="lines", hovertemplate=hover, legend="legend2", row=1, col=2
        )
    drawn.update_layout(**_looks(history, live=live))
    drawn.update_xaxes(
        range=[x[0] + 0.1, 0],
        ticksuffix=" s",
        gridcolor=palette.GRID,
        zeroline=False,
        fixedrange=live,
        dtick=10,
        tick0=0,
    )
    drawn.update_yaxes(rangemode="tozero", nticks=5)
    for axes in (drawn.update_xaxes, drawn.update_yaxes):
        axes(gridcolor=palette.GRID, zeroline=False, fixedrange=live)
    drawn.update_yaxes(ticksuffix="/s", tickformat="~s", row=1, col=1)
    drawn.update_yaxes(ticksuffix="s", tickformat="~s", row=1, col=2)
    # A widget is made of all at once: what is added later is a message, and a page that is still loading may miss it.
    return _live()(drawn) if live else drawn


@cache
def _live() -> type[go.FigureWidget]:
    # plotly's widget goes on listening when its output is cleared, and fails at the next update: an error on the
    # console. After each update it also tells Python what it has made of it, which costs the kernel more than the
    # update itself and which nobody here asks for. It has no other way to be told.
    import plotly.graph_objects as go
    import traitlets

    plain: type[go.FigureWidget] = go.FigureWidget
    script = str(plain._esm)  # noqa: SLF001
    view = re.search(r"\bexport\s*\{[^}]*?([\w$]+) as FigureView\b[^}]*\}\s*;?\s*(?:/\*[\s\S]*)?\Z", script)
    if view is None:
        return plain
    quiet = {name: traitlets.Integer(0) for name in ("_last_layout_edit_id", "_last_trace_edit_id")}  # told to nobody
    forgetful: type[go.FigureWidget] = type(
        "FigureWidget", (plain,), {"_esm": script + _FORGET.replace("FigureView", view[1]), **quiet}
    )
    return forgetful


_FORGET = """
;{
  FigureView.prototype._sendTraceDeltas = FigureView.prototype._sendLayoutDelta = () => {};
  const leave = FigureView.prototype.remove;
  FigureView.prototype.remove = function () {
    const acts = Object.getOwnPropertyNames(FigureView.prototype).filter((name) => /^(do_|_send)/.test(name));
    for (const act of acts) this[act] = () => {};
    return leave.call(this);
  };
}
"""


def update(drawn: go.FigureWidget, history: History) -> None:
    """Replace the arrays of a live figure, in one message."""
    names = history.names
    _, rates, latency = history.arrays()
    with drawn.batch_update():
        for trace, name, y in zip(drawn.data, names, rates, strict=False):
            trace.y = y
            if trace.name != name:
                trace.update(name=name, visible=True, hovertemplate="%{y:.3s} /s<extra>" + name + "</extra>")
        for trace, (colour, dash) in zip(drawn.data, history.strokes, strict=False):
            if (trace.line.color, trace.line.dash) != (colour, dash):
                trace.line.update(color=colour, dash=dash)
        for trace, y in zip(drawn.data[-2:], latency, strict=True):
            trace.y = y
        title = _titles(history)[1]["text"]
        if drawn.layout.annotations[1].text != title:
            drawn.layout.annotations[1].text = title


def _titles(history: History) -> list[dict[str, Any]]:
    texts = ("Throughput, messages per second", f"Latency, {_cut(history.path) or 'nothing traced yet'}")
    common = {"y": 1.0, "yanchor": "bottom", "yshift": 22, "showarrow": False, "xanchor": "left", "yref": "paper"}
    return [
        {"text": text, "x": 0, "xref": domain, "font": {"size": 12.5, "color": palette.QUIET}, **common}
        for text, domain in zip(texts, ("x domain", "x2 domain"), strict=True)
    ]


def _cut(path: str) -> str:
    # As much of a long way as its plot is wide: where it begins, and where it ends.
    if len(path) <= _LONGEST:
        return path
    return f"{path[: _LONGEST // 2].rstrip()} … {path[-_LONGEST // 2 :].lstrip()}"


def _looks(history: History, *, live: bool) -> dict[str, Any]:
    legend = {"orientation": "h", "font": {"size": 11}, "bgcolor": "rgba(0,0,0,0)"}
    return {
        "template": "none",
        "height": 262 if live else 360,
        "margin": {"l": 52, "r": 14, "t": 46, "b": 24},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": palette.QUIET, "size": 11, "family": "system-ui, -apple-system, 'Segoe UI', sans-serif"},
        "hovermode": "x",
        "annotations": _titles(history),
        "legend": {**legend, "x": 0, "xanchor": "left", "y": -0.12, "yanchor": "top"},
        "legend2": {**legend, "x": 0.54, "xanchor": "left", "y": 1.0, "yanchor": "bottom"},
        "showlegend": True,
        "uirevision": "zlab",
        "autosize": True,
    }
