"""The world of a lab: which points messages may pass, how fast, and which messages stand there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zlab.recording import Direction, Recording


class Point(NamedTuple):
    """Where a message can be held: before it is sent at a socket, or after it was received there."""

    socket: str
    """The socket's full name, ``node.socket``."""
    direction: Direction


class Passage:
    """One message that stands at a point."""

    __slots__ = ("frames", "let", "met", "point", "recording", "thread")

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
        self.met = False
        """Whether a breakpoint has stopped the world at it: it does so once."""
        self.thread = threading.get_ident()


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
        self.speeds: Mapping[Point, float] = {}
        """Parts of their natural rates at which messages pass these points."""
        self.breaking: frozenset[Point] = frozenset()
        """Where there are breakpoints."""
        self.breaks: Callable[[Passage], bool] = lambda _: False
        """Whether a breakpoint stops the world at this message; if so, it has."""
        self.paused = False
        """Whether every point is shut."""
        self.paused_nodes: frozenset[str] = frozenset()
        """The nodes of which every point is shut."""
        self.watched: frozenset[str] = frozenset()
        """The sockets whose messages must come by: at all others nothing is to be decided."""
        self.standing: list[Passage] = []
        """The messages that are held, in the order in which they came."""

    def set_shut(self, shut: Iterable[Point]) -> None:
        """Shut these points and open all others."""
        with self.lock:
            self.shut = frozenset(shut)
            self._settle()

    def set_speed(self, speed: float, points: Iterable[Point] | None = None) -> None:
        """Let messages pass at a part of their natural rate: at these points, or at all where they begin."""
        with self.lock:
            if points is None:
                self.speed = speed
            else:
                speeds = {**self.speeds, **dict.fromkeys(points, speed)}
                self.speeds = {point: each for point, each in speeds.items() if each < 1}
            self._settle()

    def set_breaking(self, points: Iterable[Point]) -> None:
        """Have messages looked at that pass these points, and no others."""
        with self.lock:
            self.breaking = frozenset(points)
            self._settle()

    @property
    def hindered(self) -> bool:
        """Whether messages pass anywhere more slowly than they would."""
        return bool(self.shut) or self.speed < 1 or bool(self.speeds)

    def pace(self, point: Point) -> float:
        """At which part of its natural rate messages pass a point; 1 is as fast as they come."""
        own = self.speeds.get(point, 1.0)
        return min(own, self.speed) if point in self.begins else own

    def lets(self, passage: Passage) -> bool:
        """Whether a message may pass."""
        if passage.let:
            return True
        return passage.point not in self.shut and not (passage.point in self.breaking and self.breaks(passage))

    def held(self) -> list[Passage]:
        """The messages that stand at a point that is shut, and are not let through."""
        with self.lock:
            return [passage for passage in self.standing if passage.point in self.shut and not passage.let]

    def notify(self) -> None:
        """Let every thread at a gate look again."""
        with self.lock:
            self.changed.notify_all()

    def _settle(self) -> None:
        self.paused = bool(self.points) and self.shut >= self.points
        going = {node_of(point.socket) for point in self.points - self.shut}
        self.paused_nodes = frozenset(node_of(point.socket) for point in self.points) - going
        slowed = self.begins if self.speed < 1 else ()
        self.watched = frozenset(point.socket for point in (*self.shut, *slowed, *self.speeds, *self.breaking))
        self.changed.notify_all()
