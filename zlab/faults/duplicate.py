"""Duplicate: some of the messages that a node sends are sent twice."""

from __future__ import annotations

from dataclasses import dataclass

from zlab.faults.fault import Chance


@dataclass(frozen=True, slots=True)
class Duplicate(Chance):
    """Send a message once more, if there is room in the queue; the ledger counts what are copies.

    Args:
        probability: of each message, from 0 to 1.
        seed: the same duplicates the same messages, counted at each socket from the beginning of the fault.

    Raises:
        ValueError: a probability that is none.
    """

    def often(self, befallen: bool) -> int:  # noqa: FBT001 - as it is asked
        """Twice where it befalls it."""
        return 2 if befallen else 1
