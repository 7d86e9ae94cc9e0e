"""OneWay: no packet gets through in one direction."""

from __future__ import annotations

from dataclasses import dataclass

from zlab.faults.fault import NetworkFault
from zlab.faults.wire import Wire


@dataclass(frozen=True, slots=True)
class OneWay(NetworkFault):
    """Let the bytes of tcp connections wait in one direction only, while the other flows on.

    Which: from a node to all others, from the sender of a link to its receiver, or from the first group of nodes to
    the second.
    """

    def wire(self) -> Wire:
        """How bytes are carried while it lasts."""
        return Wire(held=True, both=False)
