"""Doing: what the threads of a run's nodes do at this moment: pass a message on, wait, or run their own code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from zlab.probe import blocked_in, under_way
from zlab.recording import RECEIVING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from zlab.runtime.node import RunningNode
    from zlab.runtime.world import World


class Doing:
    """Looks at the threads; any thread may ask.

    Args:
        nodes: by their names; they may yet be made.
        world: tells which threads are held.
    """

    def __init__(self, nodes: Mapping[str, RunningNode], world: World) -> None:
        """Look at nothing yet."""
        self._nodes, self._world = nodes, world

    def passing(self) -> set[int]:
        """The threads that are between a probe and their program."""
        # Never in a variable: this frame is one of them, and would keep itself.
        return self._passing(sys._current_frames())  # noqa: SLF001 - the documented way to see where threads stand

    def _passing(self, frames: Mapping[int, FrameType]) -> set[int]:
        nodes = self._nodes.values()
        threads = ((node.thread.ident or 0, node.recordings) for node in nodes if node.thread is not None)
        return {
            ident
            for ident, recordings in threads
            if under_way(frames.get(ident), recordings) or any(r.forwarded and r.forwarded.unseen() for r in recordings)
        }

    def busy(self) -> set[str]:
        """The nodes whose threads neither wait for a message, or no more than some time, nor are held."""
        return self._busy(sys._current_frames())  # noqa: SLF001

    def _busy(self, frames: Mapping[int, FrameType]) -> set[str]:
        held = self._held()
        return {
            node.name
            for node in self._nodes.values()
            if node.thread is not None
            and node.thread.is_alive()
            and node.thread.ident not in held
            and not blocked_in(frames.get(node.thread.ident or 0), node.recordings).sockets
        }

    def told(self) -> str:
        """What the nodes do for which nothing moves, in words."""
        held = self._held()
        told: dict[str, list[str]] = {}
        for node in self._nodes.values():
            inside = {recording.meter.inside for recording in node.recordings} - {0}
            if node.thread is not None and node.thread.ident in held:
                what = "held"
            elif node.thread is None or not node.thread.is_alive():
                what = "over"
            elif RECEIVING in inside:
                what = "waiting in recv"
            else:
                what = "waiting in send" if inside else "busy in its own code"
            told.setdefault(what, []).append(node.name)
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in told.items())

    def _held(self) -> set[int]:
        return {passage.thread for passage in tuple(self._world.standing)}
