"""Kill: a node ends at once, and starts again when the fault is over."""

from __future__ import annotations

from dataclasses import dataclass

from zlab.faults.fault import NodeFault, Victim


@dataclass(frozen=True, slots=True)
class Kill(NodeFault):
    """End a node, whatever it is blocked in; what is in its queues is lost. `Lab.kill` as a fault."""

    def begin(self, victim: Victim) -> None:
        """End it."""
        victim.kill()

    def end(self, victim: Victim) -> None:
        """Start it again, with new sockets."""
        victim.restart()
