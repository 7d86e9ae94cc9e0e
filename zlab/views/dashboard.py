"""The dashboard of a lab: all of its views in one box, from the toolbar and the diagnosis to the event log."""

from __future__ import annotations

import threading
import traceback
from time import monotonic
from typing import TYPE_CHECKING, Any

import ipywidgets

from zlab.recording import Event
from zlab.views import charts
from zlab.views.commands import Commands
from zlab.views.controls import Controls
from zlab.views.diagnosis import Diagnosis
from zlab.views.flow import Flow
from zlab.views.ledger import Ledger
from zlab.views.log import Log
from zlab.views.playhead import Playhead, moves
from zlab.views.sequence import SequenceDiagram
from zlab.views.timeline import Timeline

if TYPE_CHECKING:
    from zlab.ledger.snapshot import Snapshot
    from zlab.views.source import Source


_LOADING = (
    20.0  # seconds that a browser may take to load a view: one that is closed meanwhile is an error on its console
)


class Dashboard(ipywidgets.Box):  # type: ignore[misc]  # ipywidgets carries no types
    """All views of a lab, and its controls.

    Args:
        source: the lab. It is stopped when the last notebook that shows it is closed.
    """

    def __init__(self, source: Source) -> None:
        """Show all but the charts, which are heavy and come after the first picture."""
        self._source = source
        self.playhead = Playhead(source, self._failed)
        # The toolbar steers the lab that runs, whatever is shown; what is done to a node is done to the one in sight.
        self._commands = Commands(source, self._failed)
        self._commands_here = Commands(source, self._failed, self.playhead.held)
        self.history = charts.History(source.topology, grows=not source.steerable)
        self.flow = Flow(self.playhead, commands=self._commands_here, told=self._told)
        self.controls = Controls(source, commands=self._commands)
        self.diagnosis = Diagnosis(self.playhead)
        self.timeline = Timeline(self.playhead)
        self.ledger = Ledger(self.playhead)
        self._together = self._open_together()
        self.events = Log(self.playhead)
        self.sequence = SequenceDiagram(self.playhead)
        self._figure: Any = None
        self._drawing = threading.Lock()
        self._holder = ipywidgets.Box()
        self._holder.add_class("zlab-charts")
        self._charts_seen: dict[str, bool] = {}
        self._changed = self._owed = False
        self._charted_at = float("-inf")
        self._recalled_at = float("-inf")
        self._before: Snapshot | None = None
        self._replaced: list[tuple[float, Any]] = []
        self._grid = ipywidgets.Box(self._parts())
        self._grid.add_class("zlab-grid")
        super().__init__(children=(self._grid,))
        self.add_class("zlab-dashboard")  # its width decides how many columns the grid has
        self.playhead.subscribe(self._on_snapshot)

    def __repr__(self) -> str:
        """One line: a widget's own would list all traits."""
        return f"Dashboard of {self._source.topology.name!r}, {self._source.snapshot().state}"

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        if self.flow.outgrown:
            self._grow()
        seen = self._figure is not None and any(self._charts_seen.values())
        self._owed |= moves(snapshot, self._before)
        self._before = snapshot
        if not self._owed:
            self._changed |= self.history.add(snapshot)
        elif seen and monotonic() - self._recalled_at >= charts.PERIOD:
            begin = snapshot.at - charts.PERIOD * charts.POINTS
            self.history.recall(self._source.past.between(begin, snapshot.at, apart=charts.PERIOD))
            self._owed, self._changed, self._recalled_at = False, True, monotonic()
            self._charted_at = float("-inf")
        if self._changed and seen and monotonic() - self._charted_at > 0.8 * charts.DRAWN:
            self._changed, self._charted_at = False, monotonic()
            charts.update(self._figure, self.history)

    def _parts(self) -> tuple[Any, ...]:
        head = self.controls, self.diagnosis, self.timeline
        if not self._source.topology.links:  # of a program that has only begun there is not much to show
            return *head, self.flow, self.events, self.sequence
        return *head, self.flow, self.ledger, self.events, self._holder, self.sequence

    def _open_together(self) -> Any:
        """Let groups open and close in the graph and in the table alike, in the browser, whatever the kernel does."""
        return ipywidgets.jslink((self.flow, "opened"), (self.ledger, "opened"))

    def _grow(self) -> None:
        """Put views of all that there is by now in the place of those that were made for less."""
        old = self.flow, self.ledger, self._together
        kept = {"moved": self.flow.moved, "opened": self.flow.opened}
        self.flow = Flow(self.playhead, commands=self._commands_here, told=self._told, **kept)
        self.ledger = Ledger(self.playhead, opened=self.flow.opened)
        self._together = self._open_together()
        self.history.grow(self._source.topology)
        self._grid.children = self._parts()
        now = monotonic()
        self._replaced += [(now, view) for view in old]
        while self._replaced and self._replaced[0][0] < now - _LOADING:
            self._replaced.pop(0)[1].close()

    def _told(self, content: dict[str, Any]) -> None:
        view = str(content.get("v", ""))
        match content.get("t"):
            case "painted":
                threading.Thread(target=self._draw_charts, name="zlab-charts", daemon=True).start()
            case "charts":
                self._charts_seen[view] = bool(content["on"])
                self.playhead.again()
            case "gone":
                self._charts_seen.pop(view, None)
                if content.get("closed") and not self.flow.watched and self._source.snapshot().state != "stopped":
                    self._commands.post("stop", {}, lambda _: None)

    def _draw_charts(self) -> None:
        with self._drawing:
            if self._figure is not None:
                return
            try:
                figure = charts.figure(self.history, live=True)
                # A count of views would be written to the connection of a closed notebook, an error on the console;
                # for both, plotly has no public way.
                figure._view_count = None  # noqa: SLF001
                figure._config = {"displayModeBar": False, "responsive": True}  # noqa: SLF001
                self._holder.children = (figure,)
                self._figure = figure
                self._owed = True  # the minute before
            except Exception as error:  # noqa: BLE001 - the other views work without it; the log says why
                self._failed("charts", "", f"{traceback.format_exc()}\nThe charts cannot be drawn: {error}")

    def _failed(self, what: str, node: str, why: str) -> None:
        self.events.note(Event(self._source.snapshot().at, "error", node, "", f"{what}\n{why}"))
