"""One pattern in the terminal, with a live table, until it is told to end."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import zlab
from zlab.cli.signals import when_asked_to_end
from zlab.ledger.snapshot import NodeState

if TYPE_CHECKING:
    from zlab.ledger.snapshot import Snapshot
    from zlab.topology import Topology

_OVER = {NodeState.FINISHED, NodeState.FAILED, NodeState.KILLED, NodeState.STOPPED}
_WIDTH = 150
"""Columns of a table that no terminal sets a width for."""


def run(topology: Topology, *, transport: str, seconds: float | None = None) -> list[str]:
    """Run a topology until Ctrl-C, SIGTERM, `seconds` have passed or every node has ended.

    Returns:
        The nodes that failed.
    """
    from rich.console import Console
    from rich.live import Live

    from zlab.views.terminal import findings, table

    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    ended = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(when_asked_to_end(ended.set))
        live = stack.enter_context(Live(console=console, auto_refresh=False)) if console.is_terminal else None
        lab = stack.enter_context(zlab.run(topology, transport=transport))

        def show(snapshot: Snapshot) -> None:
            if live is not None:
                live.update(table(snapshot, topology, lab.history()), refresh=True)
            if all(node.state in _OVER for node in snapshot.nodes):
                ended.set()

        unsubscribe = lab.subscribe(show)
        ended.wait(seconds)
        unsubscribe()
    last = lab.snapshot()
    if live is None:
        console.print(table(last, topology, lab.history()))
    console.print(findings(last.findings))
    failed = [node for node in last.nodes if node.state is NodeState.FAILED]
    for node in failed:
        print(f"zlab: {node.name} failed: {node.traceback.strip().rpartition(chr(10))[2]}", file=sys.stderr)
    return [node.name for node in failed]
