"""Gates: where a node's thread waits before its message may pass, for the world of its lab and for its faults."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from zlab.recording import Direction
from zlab.runtime.interrupt import NodeEnded
from zlab.runtime.world import Passage, Point, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zlab.faults.fault import Fault
    from zlab.recording import Recording

_TICK = 0.1  # seconds: the longest that anything takes to be seen of which nobody is notified
_FINE = 0.001  # seconds before its time that a thread stops waiting for a change, and sleeps to the point


class NodeGate:
    """What holds for one node: its faults, and whether it is let go because it must end."""

    def __init__(
        self, world: World, faults: Callable[[str], tuple[Fault, ...]], *, pass_by: Callable[[str], None]
    ) -> None:
        """Stand open.

        Args:
            world: what holds for the whole lab.
            faults: tells the faults that disturb a socket of the node now, in the order in which they came.
            pass_by: called in the node's thread before a message of a socket passes.
        """
        self.world = world
        self.faults = faults
        self.pass_by = pass_by
        self.released = False

    def rest(self, seconds: float) -> None:
        """Wait in the node's thread for so many seconds.

        Raises:
            NodeEnded: the node is being ended meanwhile.
        """
        until = time.monotonic() + seconds
        with self.world.lock:
            while True:
                if self.released:
                    raise NodeEnded
                rest = until - time.monotonic()
                if rest <= 0:
                    return
                self.world.changed.wait(min(_TICK, rest))

    def release(self) -> None:
        """Hold the node no longer: it is ending, and its next message goes no further."""
        self.released = True
        self.world.notify()


class SocketGate:
    """The gate of one socket; its probe calls it before a send and after a recv.

    In slow motion the sockets where messages begin are paced, and the rest follows: a message
    itself crosses the lab as fast as ever, so latencies stay true.
    """

    def __init__(self, node: NodeGate, recording: Recording, *, natural: Callable[[Direction], float]) -> None:
        """Make the gate of one socket.

        Args:
            node: the node's gate.
            recording: the socket's.
            natural: tells the rate of this socket in one direction at full speed, in messages per second.
        """
        self._node = node
        self._recording = recording
        self._natural = natural
        self._points = tuple(Point(recording.name, direction) for direction in Direction)
        self._passed = [0.0, 0.0]

    def __call__(self, direction: Direction, frames: Sequence[Any]) -> int:
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
        name = self._recording.name
        holds = [(fault, fault.hold(direction, frames)) for fault in node.faults(name)]
        passage = Passage(self._points[direction], self._recording, frames)
        with world.lock:
            world.standing.append(passage)
        try:
            while True:
                with world.lock:
                    if node.released:
                        raise NodeEnded
                    rest = self._due(passage, came, holds) - time.monotonic()
                    if rest <= 0 and world.lets(passage):
                        break
                    if rest <= 0 or rest > _FINE:
                        world.changed.wait(_TICK if rest <= 0 else min(_TICK, rest - _FINE))
                        continue
                time.sleep(rest)
        finally:
            with world.lock:
                world.standing.remove(passage)
        self._passed[direction] = time.monotonic()
        node.pass_by(name)
        times = math.prod(fault.times(direction, frames) for fault in node.faults(name))
        if times != 1 and direction is Direction.SEND and self._recording.filters:
            _note(self._recording, bytes(frames[0]), times)
        return times

    def _due(self, passage: Passage, came: float, holds: Sequence[tuple[Fault, float]]) -> float:
        """When a message may pass at the earliest, on the monotonic clock."""
        lasting = self._node.faults(self._recording.name)  # one that is taken away lets go of what it held
        due = came + sum(hold for fault, hold in holds if any(fault is one for one in lasting))
        pace = self._node.world.pace(passage.point)
        if pace < 1 and not passage.let:
            direction = passage.point.direction
            due = max(due, self._passed[direction] + 1 / (pace * max(self._natural(direction), 1e-3)))
        return due


def _note(publisher: Recording, head: bytes, times: int) -> None:
    """Count for whom a message was that a fault keeps, or sends again; in the publisher's thread, as its probe does."""
    for wanted in publisher.filters:
        if wanted.wants(head):
            wanted.swallowed += times == 0
            wanted.copied += max(0, times - 1)
