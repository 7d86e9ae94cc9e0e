"""A lock within which nobody comes twice: what calls again from within has its turn once the first has left.

Python closes a socket that nobody holds any more wherever it happens to collect its garbage, also while the same thread
is in the midst of something that a closed socket changes.
"""

from __future__ import annotations

from collections import deque
from threading import Lock, get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Later:
    """A lock, and the steps that were put off while it was held."""

    def __init__(self) -> None:
        """Be free."""
        self._lock = Lock()
        self._owner = 0
        self._steps: deque[Callable[[], object]] = deque()

    def __enter__(self) -> None:
        """Wait for it; not from within."""
        self._lock.acquire()
        self._owner = get_ident()

    def __exit__(self, *_: object) -> None:
        """Leave it, and take the steps that were put off."""
        self._owner = 0
        self._lock.release()
        while self._steps:
            try:
                step = self._steps.popleft()
            except IndexError:  # another thread has taken it
                return
            step()

    def puts_off(self, step: Callable[[], object]) -> bool:
        """Whether this thread is within it: then it takes the step once it leaves."""
        if self._owner != get_ident():
            return False
        self._steps.append(step)
        return True
