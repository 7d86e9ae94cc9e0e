"""Freeze: a node stands still, and stays connected."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zlab.faults.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.recording import Direction


@dataclass(frozen=True, slots=True)
class Freeze(Fault):
    """Let no message pass at the node's sockets, while ZeroMQ's own threads go on: its queues fill up.

    What a program looks like to its peers that hangs: connected, answering heartbeats, and reading nothing.
    """

    def hold(self, direction: Direction, frames: Sequence[Any]) -> float:  # noqa: ARG002 - all are alike
        """Until the fault is over."""
        return math.inf
