"""Telling: what connections do becomes events of their lab; what comes several times at once is one with a count."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.runtime.meetings import Meetings

    Say = Callable[[float, str, str, str, str], None]
    """Takes the time of an event in seconds since the lab started, its kind, node, socket and detail."""


class Telling:
    """The events of a lab's connections."""

    def __init__(self, meetings: Meetings, say: Say) -> None:
        """Have nothing to tell yet."""
        self.over = False
        """Whether no more is told of what ends: all does."""
        self._meetings, self._say = meetings, say
        self._told: dict[tuple[str, str, str, str], tuple[float, int]] = {}

    def tell(self, kind: str, name: str, detail: str) -> None:
        """Tell of a socket, by its full name; with `changed` held."""
        if self.over:
            return
        node, _, socket = name.rpartition(".")
        at, times = self._told.get((kind, node, socket, detail), (self._meetings.now(), 0))
        self._told[kind, node, socket, detail] = at, times + 1

    def settle(self) -> None:
        """Write down what has been told since the last time."""
        with self._meetings.changed:
            told, self._told = self._told, {}
        for (kind, node, socket, detail), (at, times) in told.items():
            self._say(at, kind, node, socket, f"{detail} ({times} times)" if times > 1 else detail)
