"""Bandwidth: a connection carries no more than so many bytes per second."""

from __future__ import annotations

from dataclasses import dataclass

from zlab.faults.fault import NetworkFault
from zlab.faults.wire import Wire


@dataclass(frozen=True, slots=True)
class Bandwidth(NetworkFault):
    """Limit each tcp connection, in each direction; what does not fit waits in ZeroMQ's queues.

    Args:
        bytes_per_second: of all that passes, ZMTP's own framing included.

    Raises:
        ValueError: a limit that is not above zero.
    """

    bytes_per_second: float

    def __post_init__(self) -> None:
        """Refuse what would be a standstill."""
        if not self.bytes_per_second > 0:
            raise ValueError(
                f"{self!r}: give a limit above 0, such as 100_000; for none there is zlab.faults.Partition()"
            )

    def wire(self) -> Wire:
        """How bytes are carried while it lasts."""
        return Wire(rate=self.bytes_per_second)
