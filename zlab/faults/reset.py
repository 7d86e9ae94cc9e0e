"""Reset: connections are reset once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zlab.faults.fault import NetworkFault
from zlab.faults.wire import Wire


@dataclass(frozen=True, slots=True)
class Reset(NetworkFault):
    """Break each tcp connection once, as with an RST; ZeroMQ connects again at once.

    What was under way is lost. What the connecting side had not sent yet it keeps; the binding side does not.
    """

    reason: ClassVar[str] = "connection reset"
    once: ClassVar[bool] = True

    def wire(self) -> Wire:
        """How bytes are carried while it lasts."""
        return Wire(reset=True)
