"""Delay: every message that a node receives reaches it late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zlab.faults.fault import Fault
from zlab.recording import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Delay(Fault):
    """Hold each message that the node receives for a constant time.

    Args:
        seconds: how long, in seconds.

    Raises:
        ValueError: a negative time.

    Example:
        >>> import zlab
        >>> zlab.faults.Delay(seconds=0.05)
        Delay(seconds=0.05)
    """

    seconds: float

    def __post_init__(self) -> None:
        """Refuse what cannot be waited for."""
        if not self.seconds >= 0:
            raise ValueError(f"Delay(seconds={self.seconds!r}): give zero or more seconds, such as 0.05")

    def hold(self, direction: Direction, frames: Sequence[Any]) -> float:  # noqa: ARG002 - all are alike
        """How long to hold this message back, in seconds."""
        return self.seconds if direction is Direction.RECV else 0.0
