"""What a view needs of a lab: figures come out, commands go in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.faults.fault import Fault
    from zlab.ledger.arrows import Arrows
    from zlab.ledger.past import Past
    from zlab.ledger.snapshot import Snapshot
    from zlab.ledger.where import Standing
    from zlab.recording import Event
    from zlab.topology import Topology


class Source(Protocol):
    """A running lab, or a program that is watched, as the views see it."""

    @property
    def steerable(self) -> bool:
        """Whether it is a `Steerable`."""

    @property
    def topology(self) -> Topology:
        """What runs; another one as soon as a program that is watched has grown."""

    @property
    def past(self) -> Past:
        """What is remembered of it."""

    @property
    def arrows(self) -> Arrows:
        """What is remembered of its messages, hop by hop."""

    def snapshot(self) -> Snapshot:
        """The latest published snapshot; never blocks."""

    def subscribe(self, listener: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have every snapshot given to the listener, on the lab's publisher thread; returns how to end that."""

    def standing(self, node: str) -> Standing:
        """The line at which a node stands now, and its source."""

    def history(self) -> tuple[Event, ...]:
        """The events so far, as many as are kept."""

    def stop(self) -> None:
        """End the lab, or the watching."""


class Steerable(Source, Protocol):
    """A lab that takes commands.

    A command may come from any thread and may take as long as a second, and a step as long as messages take to come.
    A place is a node, a socket, a link, or None for all.
    """

    def pause(self, where: str | None = None) -> None:
        """Stop the world, or a place of it, between two messages."""

    def resume(self, where: str | None = None, *, speed: float | None = None) -> None:
        """Go on: 1.0 is full speed, 0.1 ten times slower, None the speed from before. It ends a step there."""

    def step(self, n: int = 1, where: str | None = None, *, timeout: float = 10.0) -> int:
        """Let so many messages move, then stand; `TimeoutError` where none comes within so many seconds."""

    def tune(self, *, rate: float | None = None, size: int | None = None) -> None:
        """Set messages per second, or bytes, of every node that has such a knob."""

    def kill(self, node: str) -> None:
        """End a node at once, whatever it is blocked in."""

    def restart(self, node: str) -> None:
        """Start a node again, with new sockets."""

    def fault(self, target: str, fault: Fault) -> object:
        """Break something; raises KeyError or ValueError where that cannot be."""

    @property
    def faults(self) -> tuple[On, ...]:
        """The faults that are on."""


class On(Protocol):
    """A fault that is on."""

    number: int

    def end(self) -> None:
        """Undo it."""
