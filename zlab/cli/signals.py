"""What Ctrl-C, SIGTERM and a closed terminal have in common: somebody wants this to end."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def when_asked_to_end(end: Callable[[], object]) -> Iterator[None]:
    """Call `end`, in the main thread, whenever this process is asked to end; then handle signals as before."""
    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if not hasattr(signal, name):  # Windows has no SIGHUP
            continue
        number = getattr(signal, name)
        if name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN:  # nohup
            continue
        before[number] = signal.signal(number, lambda *_: end())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
