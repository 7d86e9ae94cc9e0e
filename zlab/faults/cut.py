"""Cut: connections break, and none can be made until it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zlab.faults.fault import NetworkFault
from zlab.faults.wire import Wire


@dataclass(frozen=True, slots=True)
class Cut(NetworkFault):
    """Take the cable away: both ends of each tcp connection see it break, and ZeroMQ tries to connect again.

    What was under way is lost. What the connecting side had not sent yet it keeps, and sends when it is connected
    again; the binding side forgets the peer and all that was queued for it. A PUB drops what it sends meanwhile.
    """

    reason: ClassVar[str] = "link cut"

    def wire(self) -> Wire:
        """How bytes are carried while it lasts."""
        return Wire(broken=True)
