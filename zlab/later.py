"""A lock within which nobody comes twice: what would come again from within is put off until the lock is free.

Python closes a socket that nobody holds any more wherever it happens to collect its garbage, also while the same thread
is in the midst of something that a closed socket changes.
"""

from __future__ import annotations

from collections import deque
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Later:
    """A lock, and the steps that were put off while it was held."""

    def __init__(self) -> None:
        """Be free."""
        # Entered and left in C: an exception that is raised for a thread finds no moment at which it would stay held.
        self.lock = RLock()
        """To be entered by ``with``; not from within."""
        self._steps: deque[Callable[[], object]] = deque()

    def puts_off(self, step: Callable[[], object]) -> bool:
        """Whether this thread holds the lock: then the step is kept for `take`."""
        if not self.lock._is_owned():  # type: ignore[attr-defined] # noqa: SLF001 - threading.Condition asks the same
            return False
        self._steps.append(step)
        return True

    def take(self) -> None:
        """Take the steps that were put off; before the lock is entered."""
        for _ in range(len(self._steps)):
            try:
                step = self._steps.popleft()
            except IndexError:  # another thread has taken it
                return
            step()
