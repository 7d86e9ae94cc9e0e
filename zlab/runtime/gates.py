"""Gates: where a node's thread waits while the lab is paused, slowed down or disturbed by a fault."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from zlab.recording import Direction
from zlab.runtime.interrupt import NodeEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TICK = 0.1  # seconds: the longest that a changed speed, fault or release takes to be seen


class Delays(Protocol):
    """A fault that holds messages back."""

    def hold(self, direction: Direction) -> float:
        """How long to hold the next message in this direction, in seconds."""


class World:
    """What holds for all nodes of a lab: paused or not, and how fast."""

    def __init__(self) -> None:
        """Start running, at full speed."""
        self.changed = threading.Condition()
        self.paused = False
        self.speed = 1.0

    def set(self, *, paused: bool, speed: float) -> None:
        """Pause, resume or change the speed."""
        with self.changed:
            self.paused, self.speed = paused, speed
            self.changed.notify_all()

    def notify(self) -> None:
        """Let every thread at a gate look again."""
        with self.changed:
            self.changed.notify_all()


class NodeGate:
    """What holds for one node: its faults, and whether it is let go because it must end."""

    def __init__(self, world: World, faults: Callable[[], tuple[Delays, ...]]) -> None:
        """Stand open.

        Args:
            world: what holds for the whole lab.
            faults: tells the faults that disturb the node now.
        """
        self.world = world
        self.faults = faults
        self.released = False

    def release(self) -> None:
        """Hold the node no longer: it is ending, and its next message goes no further."""
        self.released = True
        self.world.notify()


class SocketGate:
    """The gate of one socket; its probe calls it before a send and after a recv.

    In slow motion the sockets where messages begin are paced, and the rest follows: a message
    itself crosses the lab as fast as ever, so latencies stay true.
    """

    def __init__(self, node: NodeGate, *, begins: bool, natural: Callable[[], float]) -> None:
        """Make the gate of one socket.

        Args:
            node: the node's gate.
            begins: whether messages begin at this socket rather than follow from others.
            natural: tells the rate of this socket at full speed, in messages per second.
        """
        self._node = node
        self._begins = begins
        self._natural = natural
        self._passed = 0.0

    def __call__(self, direction: Direction, frames: Sequence[Any]) -> int:  # noqa: ARG002 - the probe's signature
        """Wait until the message may pass.

        Args:
            direction: before it is sent, or after it was received.
            frames: what it consists of.

        Returns:
            How often it is to pass.

        Raises:
            NodeEnded: the node is being ended meanwhile; the message does not pass.
        """
        node, world = self._node, self._node.world
        came = time.monotonic()
        holds = [(fault, fault.hold(direction)) for fault in node.faults()]
        with world.changed:
            while True:
                if node.released:
                    raise NodeEnded
                now = time.monotonic()
                lasting = node.faults()  # one that is taken away lets go of what it held
                due = came + sum(hold for fault, hold in holds if any(fault is one for one in lasting))
                if self._begins and direction is Direction.SEND and world.speed < 1:
                    due = max(due, self._passed + 1 / (world.speed * max(self._natural(), 1e-3)))
                if not world.paused and now >= due:
                    break
                world.changed.wait(_TICK if world.paused else min(_TICK, due - now))
        self._passed = time.monotonic()
        return 1
