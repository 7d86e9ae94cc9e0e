"""SlowConsumer: a node reads no faster than so many messages per second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zlab.faults.fault import Fault, Paced
from zlab.recording import Direction


@dataclass(frozen=True, slots=True)
class SlowConsumer(Fault):
    """Hold a message that the node receives back until the one before is long enough ago.

    Args:
        rate: messages per second that it reads at each of its sockets, at the most.

    Raises:
        ValueError: a rate that is not above zero.
    """

    rate: float
    direction: ClassVar[Direction | None] = Direction.RECV

    def __post_init__(self) -> None:
        """Refuse what would be a standstill."""
        if not self.rate > 0:
            raise ValueError(f"{self!r}: give a rate above 0, such as 10; for none there is zlab.faults.Freeze()")

    def at(self, socket: str) -> Fault:  # noqa: ARG002 - all are alike
        """The pace at one socket."""
        return Paced(self.rate, Direction.RECV)
