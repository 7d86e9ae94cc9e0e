"""The world of a lab: which points messages may pass, how fast, and which messages stand there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zlab.recording import Direction, Recording


class Point(NamedTuple):
    """Where a message can be held: before it is sent at a socket, or after it was received there."""

    socket: str
    """The socket's full name, ``node.socket``."""
    direction: Direction


class Passage:
    """One message that stands at a point."""

    __slots__ = ("frames", "let", "point", "recording")

    def __init__(self, point: Point, recording: Recording, frames: Sequence[Any]) -> None:
        """Stand until the point is open.

        Args:
            point: where.
            recording: of the socket.
            frames: what the message consists of.
        """
        self.point = point
        self.recording = recording
        self.frames = frames
        self.let = False
        """Whether it may pass though the point is shut, and at once."""


class World:
    """What holds for all nodes of a lab. Whoever reads more than one thing of it, or changes any, holds its lock."""

    def __init__(self, points: Iterable[Point] = (), begins: Iterable[Point] = ()) -> None:
        """Start open, at full speed.

        Args:
            points: all that there are.
            begins: those where messages begin, rather than follow from others.
        """
        # Taken by itself rather than through the condition: a thread that is ended meanwhile cannot leave it taken.
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.points = frozenset(points)
        self.begins = frozenset(begins)
        self.shut: frozenset[Point] = frozenset()
        self.speed = 1.0
        self.paused = False
        """Whether every point is shut."""
        self.watched: frozenset[str] = frozenset()
        """The sockets whose messages must come by: at all others nothing is to be decided."""
        self.standing: list[Passage] = []
        """The messages that are held, in the order in which they came."""

    def set_shut(self, shut: Iterable[Point]) -> None:
        """Shut these points and open all others."""
        with self.lock:
            self.shut = frozenset(shut)
            self._settle()

    def set_speed(self, speed: float) -> None:
        """Let messages begin at a part of their natural rate."""
        with self.lock:
            self.speed = speed
            self._settle()

    def pace(self, point: Point) -> float:
        """At which part of its natural rate messages pass a point; 1 is as fast as they come."""
        return self.speed if point in self.begins else 1.0

    def lets(self, passage: Passage) -> bool:
        """Whether a message may pass."""
        return passage.let or passage.point not in self.shut

    def notify(self) -> None:
        """Let every thread at a gate look again."""
        with self.lock:
            self.changed.notify_all()

    def _settle(self) -> None:
        self.paused = bool(self.points) and self.shut >= self.points
        slowed = self.begins if self.speed < 1 else ()
        self.watched = frozenset(point.socket for point in (*self.shut, *slowed))
        self.changed.notify_all()
