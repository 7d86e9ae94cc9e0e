"""The labs that run in this process, and which run of which notebook cell started each."""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stoppable(Protocol):
    """A lab, as far as it must be ended."""

    def stop(self) -> None:
        """End it; safe to call again."""


# Strongly held: a lab whose name is used again goes on until it is stopped.
_running: set[Stoppable] = set()
_started: weakref.WeakKeyDictionary[Stoppable, tuple[str, str]] = weakref.WeakKeyDictionary()


def make_room() -> None:
    """Stop what an earlier run of the cell that is running now has started."""
    cell, execution = running_cell()
    for lab in tuple(_running):
        before = _started.get(lab)
        if cell and before is not None and before[0] == cell and before[1] != execution:
            lab.stop()


def enter(lab: Stoppable) -> None:
    """Note a lab that runs."""
    _running.add(lab)
    cell, execution = running_cell()
    if cell:
        _started[lab] = cell, execution


def leave(lab: Stoppable) -> None:
    """Note that a lab has been stopped."""
    _running.discard(lab)


@atexit.register
def _stop_all() -> None:
    with ExitStack() as all_of_them:  # also those after one that cannot be stopped
        for lab in tuple(_running):
            all_of_them.callback(lab.stop)


# The labs of a process are not its children's: there they have no threads, and their files are not theirs.
os.register_at_fork(after_in_child=_running.clear)


def running_cell() -> tuple[str, str]:
    """The notebook cell that is running, and this run of it; "" outside of notebooks."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "get_parent"):
        return "", ""
    parent: Mapping[str, Any] = shell.get_parent() or {}
    execution = str(parent.get("header", {}).get("msg_id", ""))
    cell = parent.get("metadata", {}).get("cellId")
    # A front end that does not name its cells: the code of the cell stands for it.
    return str(cell or parent.get("content", {}).get("code", "")), execution
