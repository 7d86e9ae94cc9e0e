"""Which kinds of message each link has carried: a line or a row about a link has the colour of its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zlab.ledger.snapshot import Snapshot


class Carried:
    """Learns from the messages that were traced.

    Args:
        links: how many links there are.
    """

    def __init__(self, links: int) -> None:
        """Nothing has been carried yet."""
        self._masks = [0] * links

    def add(self, snapshot: Snapshot) -> None:
        """Take a tick in."""
        for flight in snapshot.flights:
            if flight.link < len(self._masks):
                self._masks[flight.link] |= 1 << flight.kind

    def grow(self, links: int) -> None:
        """There are more links now; those from before keep their places."""
        self._masks += [0] * (links - len(self._masks))

    def kinds(self, links: Iterable[int]) -> list[int]:
        """All that these links have carried, as indices into `Snapshot.kinds`."""
        mask = 0
        for link in links:
            mask |= self._masks[link]
        return [kind for kind in range(mask.bit_length()) if mask >> kind & 1]
