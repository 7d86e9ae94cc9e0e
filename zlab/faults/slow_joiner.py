"""SlowJoiner: a node starts anew and connects late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zlab.faults.fault import NodeFault, Victim


@dataclass(frozen=True, slots=True)
class SlowJoiner(NodeFault):
    """Restart a node, and let it connect only after a while: what is published meanwhile has no way to it.

    The Guide's chapter 5 names the syndrome: a subscriber that joins late has missed what was sent before.

    Args:
        seconds: how much later it connects, in seconds.

    Raises:
        ValueError: a negative time.
    """

    seconds: float = 0.5
    once: ClassVar[bool] = True
    connects: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse what cannot be waited for."""
        if not self.seconds >= 0:
            raise ValueError(f"{self!r}: give zero or more seconds, such as 0.5")

    def begin(self, victim: Victim) -> None:
        """Start it anew."""
        victim.restart(late=self.seconds)
