"""A lock within which nobody comes twice: what would come again from within is put off until the lock is free.

Python closes a socket that nobody holds any more wherever it happens to collect its garbage, also while the same thread
is in the midst of something that a closed socket changes.
"""

from __future__ import annotations

from collections import deque
from threading import RLock
from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Callable


class Later:
    """A lock, and the steps that were put off while it was held."""

    def __init__(self, around: Later | None = None) -> None:
        """Be free.

        Args:
            around: one that is entered before this, never after it: its steps are put off from within this one too.
        """
        # Entered and left in C: an exception that is raised for a thread finds no moment at which it would stay held.
        self.lock = RLock()
        """To be entered by ``with``; not from within."""
        self._steps: deque[Callable[[], object]] = deque()
        self._within: tuple[ref[Later], ...] = ()
        if around is not None:
            around.surround(self)

    def surround(self, inner: Later) -> None:
        """Be entered before another one from now on, never after it."""
        with self.lock:
            self._within = (*(each for each in self._within if each() is not None), ref(inner))

    def puts_off(self, step: Callable[[], object]) -> bool:
        """Whether this thread holds the lock, or one within it: then the step is kept for `take`."""
        if not self.is_mine():
            return False
        self._steps.append(step)
        return True

    def is_mine(self) -> bool:
        """Whether this thread holds the lock, or one within it."""
        if self.lock._is_owned():  # type: ignore[attr-defined] # noqa: SLF001 - threading.Condition asks the same
            return True
        return any(inner.is_mine() for each in self._within if (inner := each()) is not None)

    def take(self) -> None:
        """Take the steps that were put off; before the lock is entered."""
        for _ in range(len(self._steps)):
            try:
                step = self._steps.popleft()
            except IndexError:  # another thread has taken it
                return
            step()
