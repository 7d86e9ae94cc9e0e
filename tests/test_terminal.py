"""What `zlab run` shows: who and where stay legible in every terminal."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

import zlab
from zlab.ledger.cost import Cost
from zlab.ledger.snapshot import LinkFigures, NodeFigures, NodeState, Snapshot
from zlab.recording import Event
from zlab.views.terminal import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.topology import Topology

EVENTS = [Event(0.5 * i, "restarted", f"worker-{i}", "", "said so") for i in range(9)]


COST = Cost(1e-6, 0.7e-6, 1.1e-6, compiled=True, clock=0.01, sampling=1)


def _snapshot(topology: Topology) -> Snapshot:
    links = tuple(
        LinkFigures(str(link), 12_345, 12_340, 2, {"high-water mark": 3}, {}, 0, 0, 0, 123.4, 0, 20, None)
        for link in topology.links
    )
    nodes = tuple(NodeFigures(node.name, NodeState.RECV, 0.0, blocked_on="inbox") for node in topology.nodes)
    return Snapshot(1, 3.0, "running", 1.0, nodes, (), links, (), (), {}, 1, COST, ())


def _shown(
    topology: Topology, columns: int, rows: int, taken: Snapshot | None = None, events: Sequence[Event] = EVENTS
) -> list[str]:
    out = StringIO()
    console = Console(file=out, width=columns, height=rows, force_terminal=True, color_system=None)
    console.print(table(taken or _snapshot(topology), topology, events))
    return [line.strip() for line in out.getvalue().splitlines()]


TOPOLOGIES = [zlab.patterns.pub_sub(), zlab.patterns.broker(clients=8, workers=6), zlab.patterns.pipeline(workers=200)]


@pytest.mark.parametrize("size", [(80, 24), (120, 30), (60, 24), (80, 12)], ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda t: f"{t.name}-{len(t.nodes)}")
def test_names_queued_dropped_and_lost_are_always_there(topology, size):
    lines = _shown(topology, *size)
    assert len(lines) < size[1]
    assert lines[0].startswith(topology.name)
    heading = next(line.split() for line in lines if line.startswith("link"))
    assert {"queued", "dropped", "lost"} <= set(heading)
    first = topology.links[0]
    assert any(line.startswith(f"{first.source} → {first.target} ") for line in lines)


def test_a_narrow_terminal_tells_when_and_which_whole():
    long = [replace(event, socket="a-socket-of-a-long-name", detail=40 * "and so on ") for event in EVENTS]
    shown = _shown(TOPOLOGIES[0], 60, 24, replace(_snapshot(TOPOLOGIES[0]), events=tuple(long)), events=())
    assert len([line for line in shown if line.startswith(("3.50 s  restarted  ", "4.00 s  restarted  "))]) == 2


def test_what_there_is_no_row_for_is_counted():
    topology = TOPOLOGIES[2]
    lines = _shown(topology, 80, 24)
    assert sum("… " in line and "more" in line for line in lines) == 2
    nodes = [line for line in lines if "PU" in line]
    links = [line for line in lines if " → " in line]
    assert f"… {len(topology.nodes) - len(nodes)} more" in lines
    assert f"… {len(topology.links) - len(links)} more" in lines


def test_a_node_that_failed_is_shown_before_others():
    topology = TOPOLOGIES[2]
    taken = _snapshot(topology)
    failed = NodeFigures("worker-150", NodeState.FAILED, 0.0, traceback="Traceback\nValueError: no")
    nodes = tuple(failed if node.name == failed.name else node for node in taken.nodes)
    assert any("ValueError: no" in line for line in _shown(topology, 80, 24, replace(taken, nodes=nodes)))


def test_the_check_leaves_only_where_it_is_zero():
    topology = TOPOLOGIES[0]
    taken = _snapshot(topology)
    assert not any("unaccounted" in line for line in _shown(topology, 80, 24, taken))
    doubtful = tuple(replace(link, delivered=12_000) for link in taken.links)
    assert any("unaccounted" in line for line in _shown(topology, 80, 24, replace(taken, links=doubtful)))


def test_two_links_of_the_same_nodes_are_told_apart():
    def node(**sockets: object) -> None: ...

    topology = zlab.Topology(
        "twice",
        [
            zlab.Node("a", node, fast=zlab.PUSH.bind("f"), slow=zlab.PUSH.bind("s")),
            zlab.Node("b", node, fast=zlab.PULL.connect("f"), slow=zlab.PULL.connect("s")),
        ],
    )
    assert any(line.startswith("a.slow → b.slow ") for line in _shown(topology, 80, 24))


def test_a_wide_table_names_sockets_and_reasons():
    text = "\n".join(_shown(TOPOLOGIES[0], 150, 40))
    assert "publisher.updates → subscriber-1.updates" in text
    assert "3 high-water mark" in text


def test_a_link_through_a_proxy_says_why_it_has_no_latency():
    taken = _snapshot(TOPOLOGIES[0])
    links = tuple(replace(link, proxied=number == 0) for number, link in enumerate(taken.links))
    said = [line for line in _shown(TOPOLOGIES[0], 150, 40, replace(taken, links=links)) if "→" in line]
    assert [line.count("proxy") for line in said] == [2] + [0] * (len(links) - 1)
