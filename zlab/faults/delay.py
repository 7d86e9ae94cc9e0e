"""Delay: every message that a node receives reaches it late."""

from __future__ import annotations

from dataclasses import dataclass

from zlab.recording import Direction


@dataclass(frozen=True, slots=True)
class Delay:
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

    def hold(self, direction: Direction) -> float:
        """How long to hold the next message in this direction, in seconds."""
        return self.seconds if direction is Direction.RECV else 0.0
