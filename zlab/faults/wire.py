"""Wire: what a fault of the network does to the bytes of a tcp connection."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wire:
    """How the bytes between two sockets are carried; several faults on one connection add up.

    Args:
        held: bytes wait and are lost in no case: what TCP does while packets do not get through.
        broken: connections break, and none can be made.
        reset: the connections that there are break once; new ones can be made.
        rate: how many bytes pass in each direction, in bytes per second.
        latency: how much later they arrive, in seconds.
        both: whether the other direction is disturbed too.
    """

    held: bool = False
    broken: bool = False
    reset: bool = False
    rate: float = math.inf
    latency: float = 0.0
    both: bool = True

    def __add__(self, other: Wire) -> Wire:
        """Both together."""
        return Wire(
            held=self.held or other.held,
            broken=self.broken or other.broken,
            reset=self.reset or other.reset,
            rate=min(self.rate, other.rate),
            latency=self.latency + other.latency,
            both=self.both and other.both,
        )
