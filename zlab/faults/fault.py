"""A fault, as the gates of the node that it disturbs know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.recording import Direction


class Fault:
    """What may befall a message at the sockets of a node: each fault does what its name says, and leaves the rest.

    Its methods are called in the node's thread, before a message is sent and after it was received.
    """

    __slots__ = ()

    def hold(self, direction: Direction, frames: Sequence[Any]) -> float:  # noqa: ARG002 - by default nothing
        """How long to hold this message back, in seconds, asked when it comes; ``math.inf`` is until the fault is over.

        Several faults add up. Once the fault is over, it holds nothing any more.
        """
        return 0.0

    def times(self, direction: Direction, frames: Sequence[Any]) -> int:  # noqa: ARG002 - by default once
        """How often this message is to pass, asked when it goes: of one that is sent 0 (it is dropped) or more."""
        return 1
