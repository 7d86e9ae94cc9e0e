"""Drop: some of the messages that a node sends go nowhere."""

from __future__ import annotations

from dataclasses import dataclass

from zlab.faults.fault import Chance


@dataclass(frozen=True, slots=True)
class Drop(Chance):
    """Let a message go no further than the call of send, which returns as ever; the ledger calls it dropped.

    Args:
        probability: of each message, from 0 to 1.
        seed: the same drops the same messages, counted at each socket from the beginning of the fault.

    Raises:
        ValueError: a probability that is none.
    """

    def often(self, befallen: bool) -> int:  # noqa: FBT001 - as it is asked
        """Not at all where it befalls it."""
        return 0 if befallen else 1
