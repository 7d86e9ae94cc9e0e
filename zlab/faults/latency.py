"""Latency: bytes take longer on their way."""

from __future__ import annotations

from dataclasses import dataclass

from zlab.faults.fault import NetworkFault
from zlab.faults.wire import Wire


@dataclass(frozen=True, slots=True)
class Latency(NetworkFault):
    """Let everything arrive later, in both directions, without holding up what comes behind.

    Unlike `Delay`, which keeps the node busy, it leaves the rate as it is: up to 4 MB may be on the way.

    Args:
        seconds: how much later, in seconds.

    Raises:
        ValueError: a negative time.
    """

    seconds: float

    def __post_init__(self) -> None:
        """Refuse what cannot be waited for."""
        if not self.seconds >= 0:
            raise ValueError(f"{self!r}: give zero or more seconds, such as 0.05")

    def wire(self) -> Wire:
        """How bytes are carried while it lasts."""
        return Wire(latency=self.seconds)
