"""Drop: some of the messages that a node sends go nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zlab.faults.fault import Fault, Seeded
from zlab.recording import Direction


@dataclass(frozen=True, slots=True)
class Drop(Fault):
    """Let a message go no further than the call of send, which returns as ever; the ledger calls it dropped.

    Args:
        probability: of each message, from 0 to 1.
        seed: the same drops the same messages, counted at each socket from the beginning of the fault.

    Raises:
        ValueError: a probability that is none.
    """

    probability: float
    seed: int = 1
    direction: ClassVar[Direction | None] = Direction.SEND
    lockstep: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        if not 0 <= self.probability <= 1:
            raise ValueError(f"{self!r}: give a probability from 0 to 1, such as 0.1")

    def at(self, socket: str) -> Fault:
        """The decisions at one socket."""
        return Seeded(self.seed, socket, Direction.SEND, times=lambda chance: int(chance.random() >= self.probability))
