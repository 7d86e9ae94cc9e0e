"""Tally: what a socket has sent and received over all its lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.recording import NOTHING, Counts, Recording

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tally:
    """Counts by the socket's full name; the lives that are over are folded into one number each."""

    def __init__(self) -> None:
        """Start at zero."""
        self._past: dict[str, Counts] = {}

    def fold(self, recording: Recording, counts: Counts) -> None:
        """Add a life that is over."""
        self._past[recording.name] = self._past.get(recording.name, NOTHING).plus(counts)

    def totals(self, live: Mapping[Recording, Counts]) -> dict[str, Counts]:
        """The counts of each socket, those of its past lives included."""
        totals = dict(self._past)
        for recording, counts in live.items():
            name = recording.name
            past = totals.get(name)
            totals[name] = counts if past is None else past.plus(counts)
        return totals
