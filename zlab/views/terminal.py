"""A lab in a terminal: nodes, links and the last events, as one rich renderable for each snapshot."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.ledger.snapshot import NodeState
from zlab.views import units

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

    from zlab.ledger.finding import Finding
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

_HEADINGS = ("expected", "delivered", "queued", "dropped", "lost", "unaccounted", "rate", "p50", "p99")
_AMISS = {NodeState.FAILED, NodeState.KILLED, NodeState.PAUSED, NodeState.SEND}
_ANY = 1000
"""Columns enough for any table."""
_EVENTS = 6
_FEWEST_EVENTS = 2
_FRAME = 7
"""Lines that are no row: the head, the headings, the rules around the links, and the line of the cursor."""
_FIRST_TO_GO = (("p50", "p99", "unaccounted"), ("reasons",), ("rate",), ("expected",), ("delivered",))
"""What a table that is too wide leaves out, step by step; names, queued, dropped and lost always stay."""


def table(snapshot: Snapshot, topology: Topology, events: Iterable[Event] = ()) -> RenderableType:
    """Draw a lab at one tick, as wide and as high as the terminal lets it be.

    Args:
        snapshot: what to draw.
        topology: what runs.
        events: what happened so far, oldest first; the last few are shown. Without it, what the snapshot itself tells.

    Returns:
        A renderable for `rich.live.Live`.
    """
    return _Screen(snapshot, topology, (tuple(events) or snapshot.events)[-_EVENTS:])


def findings(found: Sequence[Finding]) -> RenderableType:
    """What a diagnosis has found, a paragraph each, the worst first; nothing where there is none.

    Args:
        found: as `Snapshot.findings`.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    return Group(
        *(
            Padding(
                Text.assemble(
                    (f"{finding.mistake}{'' if finding.certain else ' (likely)'}: ", "bold red"),
                    f"{finding.words}. {finding.remedy}. ",
                    (f"ZeroMQ Guide, {finding.guide}.", "dim"),
                ),
                (1, 0, 0, 0),
            )
            for finding in found
        )
    )


@dataclass(frozen=True, slots=True)
class _Screen:
    snapshot: Snapshot
    topology: Topology
    events: tuple[Event, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        height = console.size.height if console.is_terminal else None
        nodes, links, events = _shares(len(self.snapshot.nodes), len(self.snapshot.links), len(self.events), height)
        yield _head(self.snapshot, self.topology)
        yield _nodes(self.snapshot, self.topology, nodes)
        yield _links(self.snapshot, self.topology, links, console, options)
        yield _events(self.events[len(self.events) - events :])


def _shares(nodes: int, links: int, events: int, height: int | None) -> tuple[int, int, int]:
    # How many rows each part gets: old events go first, then links and nodes, of which nodes keep at least a third.
    if height is None:
        return nodes, links, events
    room = max(3, height - _FRAME)
    events = min(events, max(_FEWEST_EVENTS, room - nodes - links), room - 2)
    room -= events
    nodes = min(nodes, max(room // 3, room - links))
    return nodes, min(links, room - nodes), events


def _kept(rows: int, room: int, telling: Sequence[bool]) -> list[int]:
    # Which rows are shown where one of them has to say how many more there are: those that tell most, in their order.
    if rows <= room:
        return list(range(rows))
    return sorted(sorted(range(rows), key=lambda i: not telling[i])[: room - 1])


def _head(snapshot: Snapshot, topology: Topology) -> Text:
    from rich.text import Text

    delivered = sum(link.delivered for link in snapshot.links)
    flow = sum(link.rate for link in snapshot.links)
    head = Text.assemble(
        (topology.name, "bold"),
        f"  {snapshot.state}",
        f" at {snapshot.speed:g}x speed" if snapshot.speed != 1 else "",
        f"  {snapshot.at:.1f} s",
        f"  {units.count(delivered)} delivered",
        f"  {units.rate(flow)}",
        f"  1 in {snapshot.sampling} traced" if snapshot.sampling > 1 else "",
        f"  watching: {snapshot.cost.clock:.0%} of a core",
    )
    head.no_wrap, head.overflow = True, "ellipsis"
    return head


def _nodes(snapshot: Snapshot, topology: Topology, room: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("node", "sockets", "state"):
        shown.add_column(heading, no_wrap=True)
    kept = _kept(len(snapshot.nodes), room, [node.state in _AMISS for node in snapshot.nodes])
    for figures in (snapshot.nodes[i] for i in kept):
        sign, style = STATES[figures.state]
        sockets = ", ".join(f"{key} {socket.type}" for key, socket in topology[figures.name].sockets.items())
        shown.add_row(figures.name, Text(sockets, "dim"), Text(f"{sign} {_state(figures, snapshot.at)}", style))
    if len(kept) < len(snapshot.nodes):
        shown.add_row(Text(f"… {len(snapshot.nodes) - len(kept)} more", "dim"))
    return shown


def _state(figures: NodeFigures, now: float) -> str:
    where = f" ({figures.blocked_on})" if figures.blocked_on else ""
    if figures.state is NodeState.FAILED and figures.traceback:
        return f"failed: {figures.traceback.strip().splitlines()[-1]}"
    held = now - figures.since
    return f"{figures.state}{where}" + (f" for {held:.0f} s" if held >= 1 else "")


def _links(snapshot: Snapshot, topology: Topology, room: int, console: Console, options: ConsoleOptions) -> Table:
    kept = _kept(len(snapshot.links), room, [bool(_gone(link) or link.unaccounted) for link in snapshot.links])
    links = [snapshot.links[i] for i in kept]
    more = len(snapshot.links) - len(kept)
    full, short = [snapshot.links[i].name for i in kept], _short_names(topology)
    drawn = _table(links, full, more, frozenset())
    if console.measure(drawn, options=options.update(width=_ANY)).maximum <= options.max_width:
        return drawn
    names = [short[i] for i in kept]
    unexplained = {"unaccounted"} if any(link.unaccounted for link in links) else set()  # zero can go, a doubt not
    out: set[str] = set()
    for step in ((), *_FIRST_TO_GO):
        out |= set(step) - unexplained
        drawn = _table(links, names, more, frozenset(out))
        if console.measure(drawn, options=options.update(width=_ANY)).maximum <= options.max_width:
            break
    return drawn


def _short_names(topology: Topology) -> list[str]:
    # A node's name will do where no other link has the same two nodes.
    pairs = Counter((link.source, link.target) for link in topology.links)
    return [
        str(link) if pairs[link.source, link.target] > 1 else f"{link.source} → {link.target}"
        for link in topology.links
    ]


def _table(links: Sequence[LinkFigures], names: Sequence[str], more: int, out: frozenset[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim")
    shown.add_column("link", no_wrap=True)
    rows = [_row(link, reasons="reasons" not in out) for link in links]
    headings = [h for h in _HEADINGS if h not in out]
    for heading in headings:
        shown.add_column(heading, justify="right", no_wrap=True)
    for name, row in zip(names, rows, strict=True):
        shown.add_row(name, *(row[heading] for heading in headings))
    if more:
        shown.add_row(Text(f"… {more} more", "dim"))
    return shown


def _gone(link: LinkFigures) -> int:
    return sum(link.dropped.values()) + sum(link.lost.values())


def _row(link: LinkFigures, *, reasons: bool) -> dict[str, str | Text]:
    from rich.text import Text

    unaccounted = link.unaccounted
    latency, unseen = link.latency, Text("proxy" if link.proxied else "", "dim")  # which passes them on unseen
    queued = units.count(link.queued) + (f"/{units.count(link.capacity)}" if link.capacity else "")

    def why(fate: Mapping[str, int]) -> Text:
        told = units.reasons(dict(fate)) if reasons else units.count(sum(fate.values()))
        return Text(told or "0", "yellow" if any(fate.values()) else "dim")

    return {
        "expected": units.count(link.expected) + (f" ±{units.count(link.uncertain)}" if link.uncertain else ""),
        "delivered": units.count(link.delivered),
        "queued": Text(queued, "yellow" if link.capacity and link.queued >= link.capacity else ""),
        "dropped": why(link.dropped),
        "lost": why(link.lost),
        "unaccounted": Text("0 ✓", "green")
        if unaccounted == 0
        else Text(units.count(unaccounted), "bold white on red"),
        "rate": units.rate(link.rate),
        "p50": units.seconds(latency.p50) if latency else unseen,
        "p99": units.seconds(latency.p99) if latency else unseen,
    }


def _events(events: Sequence[Event]) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table.grid(padding=(0, 2))
    for whole in (True, True, False, False):  # a narrow terminal cuts where and what, and neither when nor which
        shown.add_column(no_wrap=whole)
    for event in events:
        where = f"{event.node}.{event.socket}" if event.socket else event.node
        lines = event.detail.strip().splitlines() or [""]
        detail = lines[-1]  # of a traceback, the line that names the error
        shown.add_row(
            Text(f"{event.at:8.2f} s", "dim"),
            Text(event.kind, "red" if event.kind == "error" else "cyan"),
            Text(where, no_wrap=True, overflow="ellipsis"),
            Text(detail, no_wrap=True, overflow="ellipsis"),
        )
    return shown
