"""A pace, for a node that must not stand and wait for it, because it listens to others meanwhile."""

from __future__ import annotations

import math
import time

_SLICE = 0.05  # seconds: the longest wait before a changed rate is noticed
_CATCH_UP = 0.1  # seconds: the longest delay that is made up for by sending faster


class Pace:
    """When the next message is due; beside `zlab.nodes.paced`, which waits until it is.

    The mean rate is kept; what was missed in a long stall stays missed.
    """

    def __init__(self) -> None:
        """The first is due after one interval."""
        self._last = time.monotonic()

    def left(self, rate: float) -> int:
        """How long to wait at most for something else, in milliseconds: until it is due, or until a rate may change.

        Args:
            rate: messages per second; 0 stands still, ``math.inf`` does not wait.
        """
        left = self._last + 1 / rate - time.monotonic() if rate else _SLICE
        return math.ceil(1000 * min(_SLICE, max(0.0, left)))

    def due(self, rate: float) -> bool:
        """Whether it is due now; then the next one is not, for an interval."""
        now = time.monotonic()
        if not rate or now < self._last + 1 / rate:
            return False
        self._last = max(self._last + 1 / rate, now - _CATCH_UP)
        return True
