"""One pattern in the terminal, with a live table, until it is told to end."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import zlab
from zlab.cli.signals import when_asked_to_end
from zlab.ledger.snapshot import NodeState

if TYPE_CHECKING:
    from zlab.ledger.snapshot import Snapshot
    from zlab.topology import Topology

_OVER = {NodeState.FINISHED, NodeState.FAILED, NodeState.KILLED, NodeState.STOPPED}
_WIDTH = 120
"""Columns of a table that no terminal sets a width for."""


def run(topology: Topology, *, transport: str, seconds: float | None = None) -> list[str]:
    """Run a topology until Ctrl-C, SIGTERM, `seconds` have passed or every node has ended.

    Returns:
        The nodes that failed.
    """
    from rich.console import Console
    from rich.live import Live

    from zlab.views.terminal import table

    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    ended = threading.Event()
    with when_asked_to_end(ended.set), zlab.run(topology, transport=transport) as lab:

        def end_with_the_nodes(snapshot: Snapshot) -> None:
            if all(node.state in _OVER for node in snapshot.nodes):
                ended.set()

        unsubscribe = lab.subscribe(end_with_the_nodes)
        if console.is_terminal:
            with Live(table(lab.figures(), topology), console=console, auto_refresh=False) as live:
                forget = lab.subscribe(lambda snapshot: live.update(table(snapshot, topology), refresh=True))
                ended.wait(seconds)
                forget()
        else:
            ended.wait(seconds)
        unsubscribe()
        figures = lab.figures()
    if not console.is_terminal:
        console.print(table(figures, topology))
    failed = [node for node in figures.nodes if node.state is NodeState.FAILED]
    for node in failed:
        print(f"zlab: {node.name} failed: {node.traceback.strip().rpartition(chr(10))[2]}", file=sys.stderr)
    return [node.name for node in failed]
