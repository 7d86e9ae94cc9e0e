"""Partition: no packet gets through, in neither direction."""

from __future__ import annotations

from dataclasses import dataclass

from zlab.faults.fault import NetworkFault
from zlab.faults.wire import Wire


@dataclass(frozen=True, slots=True)
class Partition(NetworkFault):
    """Let the bytes of tcp connections wait, while the connections stand: neither side hears anything from the other.

    Nothing is lost by it, unless a queue fills up that drops: when it is over, all that waited arrives. With
    ZeroMQ's heartbeats (option ``heartbeat_ivl``) a socket notices, and connects again.
    """

    def wire(self) -> Wire:
        """How bytes are carried while it lasts."""
        return Wire(held=True)
