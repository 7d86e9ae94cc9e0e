"""Causes: which message a node sent because of which one that it had received.

A node does not say. What it passes on unchanged tells by its content; of what it makes anew, all
that can be said is that it followed the last message that the node had received, and that holds
only where every message is traced.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zlab.recording import Recording, Trace

_REMEMBERED = 2_000  # messages received that may yet be passed on


@dataclass(slots=True, eq=False)
class Cause:
    """A message that was received, and the journey that it is a part of."""

    socket: str
    """The full name of the socket that received it."""
    trace: Trace
    message: int
    hop: int
    began: int
    """When that journey began, in nanoseconds."""
    origin: str
    """The node at which that journey began."""
    ambiguous: bool


@dataclass(slots=True)
class _Node:
    """What one node received last."""

    current: Cause | None = None
    unanswered: int = 0
    """Messages received since it last sent anything."""


class Causes:
    """What each node has received, as far as something may follow from it."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._nodes: dict[str, _Node] = {}
        self._bodies: OrderedDict[tuple[str, int], tuple[Cause, bool]] = OrderedDict()

    def came(self, node: str, cause: Cause, *, ends: bool, full: bool) -> None:
        """Note a message received.

        Args:
            node: by whom.
            cause: the message.
            ends: whether its journey ends here.
            full: whether every message is traced, so that it is known to be the last one.
        """
        state = self._nodes.setdefault(node, _Node())
        place = node, cause.trace.key
        if ends:
            state.current = None
            state.unanswered = 0
            self._bodies.pop(place, None)
            return
        state.current = cause if full else None
        state.unanswered += 1
        before = self._bodies.pop(place, None)
        if before is not None and not before[1]:
            cause.ambiguous = True  # the same body twice, and neither has been passed on yet
        self._bodies[place] = cause, False
        if len(self._bodies) > _REMEMBERED:
            self._bodies.popitem(last=False)

    def of(self, sender: Recording, key: int, *, full: bool) -> Cause | None:
        """What a message that is sent now follows from; None where a journey begins.

        Args:
            sender: the socket that sends it.
            key: what it is known by.
            full: whether every message is traced, so that the last one received is known.
        """
        state = self._nodes.get(sender.node)
        if state is None:
            return None
        same = self._bodies.get((sender.node, key))
        if same is not None and self._may_follow(same[0], sender):
            self._bodies[sender.node, key] = same[0], True
            state.unanswered = max(0, state.unanswered - 1)
            return same[0]
        current = state.current
        if not full or current is None or not self._may_follow(current, sender):
            return None
        # Several have come since it last sent: it may follow from any of them, or from all.
        doubtful = current.ambiguous or state.unanswered > 1
        state.unanswered = 0
        current.ambiguous = doubtful
        return current

    @staticmethod
    def _may_follow(cause: Cause, sender: Recording) -> bool:
        """A request that follows a reply on the same socket begins a journey of its own."""
        return sender.type != "REQ" or cause.socket != sender.name
