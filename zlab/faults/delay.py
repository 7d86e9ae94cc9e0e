"""Delay: every message that a node receives reaches it late."""

from dataclasses import dataclass
from typing import ClassVar

from zlab.faults.distribution import DISTRIBUTIONS
from zlab.faults.fault import Fault, Seeded
from zlab.recording import Direction


@dataclass(frozen=True, slots=True)
class Delay(Fault):
    """Hold each message that the node receives for a time, constant or drawn from a distribution.

    Args:
        seconds: how long, in seconds; of a distribution, its mean.
        distribution: ``constant``, ``uniform``, ``normal`` or ``exponential``; below zero is no time at all.
        spread: in seconds: half the width of ``uniform``, the standard deviation of ``normal``.
        seed: the same draws the same times, counted at each socket from the beginning of the fault.

    Raises:
        ValueError: a negative time, or no such distribution.
    """

    seconds: float
    distribution: str = "constant"
    spread: float = 0.0
    seed: int = 1
    direction: ClassVar[Direction | None] = Direction.RECV

    def __post_init__(self) -> None:
        """Refuse what cannot be waited for."""
        if not (self.seconds >= 0 and self.spread >= 0) or self.distribution not in DISTRIBUTIONS:
            raise ValueError(f"{self!r}: give zero or more seconds, and one of {', '.join(DISTRIBUTIONS)}")

    def at(self, socket: str) -> Fault:
        """The times drawn at one socket."""
        draw = DISTRIBUTIONS[self.distribution]
        return Seeded(self.seed, socket, Direction.RECV, hold=lambda chance: draw(chance, self.seconds, self.spread))
