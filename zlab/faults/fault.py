"""A fault, as those who bring it about know it: the gates of sockets, the relay, or the runtime of nodes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from zlab.recording import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zlab.faults.wire import Wire


class Fault:
    """What may befall a message at the sockets of a node: each fault does what its name says, and leaves the rest.

    Its methods are called in the node's thread, before a message is sent and after it was received.
    """

    __slots__ = ()

    direction: ClassVar[Direction | None] = None
    """Whether it befalls messages as they are sent, or as they are received; None: either."""
    lockstep: ClassVar[bool] = True
    """Whether it can befall a socket that sends and receives in turn, as REQ and REP do."""

    def at(self, socket: str) -> Fault:  # noqa: ARG002 - by default all are alike
        """What decides at one socket, ``node.socket``, for as long as the fault lasts: itself, if nothing is random."""
        return self

    def hold(self, direction: Direction, frames: Sequence[Any]) -> float:  # noqa: ARG002 - by default nothing
        """How long to hold this message back, in seconds, asked when it comes; ``math.inf`` is until the fault is over.

        Several faults add up. Once the fault is over, it holds nothing any more.
        """
        return 0.0

    def times(self, direction: Direction, frames: Sequence[Any]) -> int:  # noqa: ARG002 - by default once
        """How often this message is to pass, asked when it goes: of one that is sent 0 (it is dropped) or more."""
        return 1


@dataclass(frozen=True, slots=True)
class Chance(Fault):
    """A fault that befalls some of the messages that a node sends, and not the others."""

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
        return Seeded(
            self.seed, socket, Direction.SEND, times=lambda chance: self.often(chance.random() < self.probability)
        )

    def often(self, befallen: bool) -> int:  # noqa: FBT001 - it is all that there is to say
        """How often a message passes, if it befalls it and if not."""
        raise NotImplementedError


class Seeded(Fault):
    """A fault with a random part, as it is at one socket: the same seed makes the same decisions, in the same order.

    Args:
        seed: of the fault.
        socket: ``node.socket``; each has a sequence of its own.
        hold: how long to hold a message of the fault's direction back, in seconds.
        times: how often it is to pass.
    """

    __slots__ = ("_chance", "_direction", "_hold", "_times")

    def __init__(
        self,
        seed: int,
        socket: str,
        direction: Direction,
        *,
        hold: Callable[[Random], float] = lambda _: 0.0,
        times: Callable[[Random], int] = lambda _: 1,
    ) -> None:
        """Begin the sequence."""
        self._chance = Random(f"{seed} {socket}")  # noqa: S311 - it must be repeatable
        self._direction, self._hold, self._times = direction, hold, times

    def hold(self, direction: Direction, frames: Sequence[Any]) -> float:  # noqa: ARG002 - chance decides
        """How long to hold this message back, in seconds."""
        return max(0.0, self._hold(self._chance)) if direction is self._direction else 0.0

    def times(self, direction: Direction, frames: Sequence[Any]) -> int:  # noqa: ARG002 - chance decides
        """How often this message is to pass."""
        return self._times(self._chance) if direction is self._direction else 1


class Paced(Fault):
    """A fault that keeps messages apart, as it is at one socket.

    Args:
        rate: messages per second, at the most.
        direction: in which they are counted.
    """

    __slots__ = ("_apart", "_direction", "_free")

    def __init__(self, rate: float, direction: Direction) -> None:
        """Let the first message pass."""
        self._apart, self._direction, self._free = 1 / rate, direction, 0.0

    def hold(self, direction: Direction, frames: Sequence[Any]) -> float:  # noqa: ARG002 - all are alike
        """How long to hold this message back, in seconds."""
        if direction is not self._direction:
            return 0.0
        now = monotonic()
        wait = max(0.0, self._free - now)
        self._free = now + wait + self._apart
        return wait


class NetworkFault(Fault):
    """What may befall the bytes of a tcp connection; the lab needs a relay for it."""

    __slots__ = ()

    reason: ClassVar[str] = ""
    """What messages are called lost by that were under way."""
    once: ClassVar[bool] = False
    """Whether it has happened as soon as it has begun, so that nothing is left to end."""

    def wire(self) -> Wire:
        """How bytes are carried while it lasts."""
        raise NotImplementedError


class Victim(Protocol):
    """A node, as a fault sees it that befalls it as a whole."""

    def kill(self) -> None:
        """End it at once."""

    def restart(self, late: float = 0.0) -> None:
        """Start it anew; it connects so many seconds later."""


class NodeFault(Fault):
    """What may befall a node as a whole."""

    __slots__ = ()

    once: ClassVar[bool] = False
    """Whether it has happened as soon as it has begun, so that nothing is left to end."""
    connects: ClassVar[bool] = False
    """Whether only a node that connects somewhere has anything to fear."""

    def begin(self, victim: Victim) -> None:
        """Let it happen."""
        raise NotImplementedError

    def end(self, victim: Victim) -> None:
        """Undo it."""
