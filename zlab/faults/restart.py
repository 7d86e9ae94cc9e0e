"""Restart: a node ends, and starts anew at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zlab.faults.fault import NodeFault, Victim


@dataclass(frozen=True, slots=True)
class Restart(NodeFault):
    """End a node and start it again with new sockets; what was in its queues is lost. `Lab.restart` as a fault."""

    once: ClassVar[bool] = True

    def begin(self, victim: Victim) -> None:
        """End it and start it."""
        victim.restart()
