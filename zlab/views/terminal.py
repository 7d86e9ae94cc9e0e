"""A lab in a terminal: nodes, links and the last events, as one rich renderable for each snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.ledger.snapshot import NodeState
from zlab.views import units

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from zlab.ledger.snapshot import LinkFigures, NodeFigures, Snapshot
    from zlab.recording import Event
    from zlab.topology import Topology

STATES = {
    NodeState.STARTING: ("…", "dim"),
    NodeState.RUNNING: ("▶", "green"),
    NodeState.RECV: ("◂", "cyan"),
    NodeState.SEND: ("▸", "yellow"),
    NodeState.PAUSED: ("⏸", "blue"),
    NodeState.KILLED: ("✕", "dim"),
    NodeState.FAILED: ("!", "bold red"),
    NodeState.FINISHED: ("✓", "green"),
    NodeState.STOPPED: ("■", "dim"),
}
"""A sign and a rich style for each state."""

_EVENTS = 6


def table(snapshot: Snapshot, topology: Topology, events: Iterable[Event] = ()) -> RenderableType:
    """Draw a lab at one tick.

    Args:
        snapshot: what to draw.
        topology: what runs.
        events: what happened so far, oldest first; the last few are shown. Without it, what the snapshot itself tells.

    Returns:
        A renderable for `rich.live.Live`.
    """
    from rich.console import Group

    recent = (tuple(events) or snapshot.events)[-_EVENTS:]
    return Group(_head(snapshot, topology), _nodes(snapshot, topology), _links(snapshot), _events(recent))


def _head(snapshot: Snapshot, topology: Topology) -> Text:
    from rich.text import Text

    delivered = sum(link.delivered for link in snapshot.links)
    flow = sum(link.rate for link in snapshot.links)
    return Text.assemble(
        (topology.name, "bold"),
        f"  {snapshot.state}",
        f" at {snapshot.speed:g}x speed" if snapshot.speed != 1 else "",
        f"  {snapshot.at:.1f} s",
        f"  {units.count(delivered)} delivered",
        f"  {units.rate(flow)}",
        f"  1 in {snapshot.sampling} traced" if snapshot.sampling > 1 else "",
    )


def _nodes(snapshot: Snapshot, topology: Topology) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("node", "sockets", "state"):
        shown.add_column(heading)
    for figures in snapshot.nodes:
        sign, style = STATES[figures.state]
        sockets = ", ".join(f"{key} {socket.type}" for key, socket in topology[figures.name].sockets.items())
        shown.add_row(figures.name, Text(sockets, "dim"), Text(f"{sign} {_state(figures, snapshot.at)}", style))
    return shown


def _state(figures: NodeFigures, now: float) -> str:
    where = f" ({figures.blocked_on})" if figures.blocked_on else ""
    if figures.state is NodeState.FAILED and figures.traceback:
        return f"failed: {figures.traceback.strip().splitlines()[-1]}"
    held = now - figures.since
    return f"{figures.state}{where}" + (f" for {held:.0f} s" if held >= 1 else "")


def _links(snapshot: Snapshot) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    shown = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim")
    shown.add_column("link", ratio=1)
    for heading in ("expected", "delivered", "queued", "dropped", "lost", "unaccounted", "rate", "p50", "p99"):
        shown.add_column(heading, justify="right", no_wrap=heading not in {"dropped", "lost"})
    for link in snapshot.links:
        shown.add_row(*_row(link))
    return shown


def _row(link: LinkFigures) -> list[str | Text]:
    from rich.text import Text

    unaccounted = link.unaccounted
    latency = link.latency
    queued = units.count(link.queued) + (f"/{units.count(link.capacity)}" if link.capacity else "")
    return [
        link.name,
        units.count(link.expected) + (f" ±{units.count(link.uncertain)}" if link.uncertain else ""),
        units.count(link.delivered),
        Text(queued, "yellow" if link.capacity and link.queued >= link.capacity else ""),
        Text(units.reasons(dict(link.dropped)) or "0", "yellow" if any(link.dropped.values()) else "dim"),
        Text(units.reasons(dict(link.lost)) or "0", "yellow" if any(link.lost.values()) else "dim"),
        Text("0 ✓", "green") if unaccounted == 0 else Text(units.count(unaccounted), "bold white on red"),
        units.rate(link.rate),
        units.seconds(latency.p50) if latency else "",
        units.seconds(latency.p99) if latency else "",
    ]


def _events(events: Iterable[Event]) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table.grid(padding=(0, 2))
    for event in events:
        where = f"{event.node}.{event.socket}" if event.socket else event.node
        lines = event.detail.strip().splitlines() or [""]
        detail = lines[-1]  # of a traceback, the line that names the error
        shown.add_row(
            Text(f"{event.at:8.2f} s", "dim"),
            Text(event.kind, "red" if event.kind == "error" else "cyan"),
            where,
            detail,
        )
    return shown
