"""Steering: time as a control. Pause, step, slow motion and breakpoints of one run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from zlab.recording import Direction
from zlab.runtime.breakpoints import Breakpoint, breakpoint_on, told
from zlab.runtime.place import Place, place
from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.ledger.snapshot import Snapshot
    from zlab.runtime.doing import Doing
    from zlab.runtime.world import Passage, Point, World
    from zlab.topology import Topology

_SETTLING = 0.2  # seconds that a thread may take from its probe back to its program, where the machine is busy
_QUIET = 0.005  # seconds in which a program that was given a message begins to do something about it
_CROSSING = 0.03  # seconds in which a message that was sent comes to where it is received
_PATIENCE = 0.5  # seconds after which what is held is let through though a node may yet send something by itself
_LOOK = 0.001  # seconds between two looks


class Steering:
    """Holds, lets through and slows down the messages of one run; any thread may ask."""

    def __init__(
        self,
        topology: Topology,
        world: World,
        *,
        apply: Callable[[], None],
        report: Callable[[str, str, str, str], None],
        over: Callable[[], bool],
        doing: Doing,
    ) -> None:
        """Let everything pass.

        Args:
            topology: what runs.
            world: what its gates go by.
            apply: tells each probe whether its socket must come by the gate.
            report: writes an event down.
            over: whether the run has been stopped.
            doing: tells what the threads of its nodes do; one that is busy may yet send a message.
        """
        self._topology, self._world = topology, world
        self._apply, self._report, self._over = apply, report, over
        self._doing = doing
        self._everything = place(topology)
        self.breakpoints: tuple[Breakpoint, ...] = ()
        self._reason = ""
        self._paused: dict[str, Place] = {}
        world.breaks = self._breaks

    # --- pause and resume ----------------------------------------------------------------------

    def why(self) -> str:
        """Why messages stand, in words; "" where none is held, or a person has just paused them all."""
        if self._world.paused:
            return self._reason
        return "paused: " + ", ".join(self._paused) if self._paused else ""

    def paused_links(self) -> tuple[str, ...]:
        """The links that are paused by themselves."""
        return tuple(dict.fromkeys(link for held in tuple(self._paused.values()) for link in held.links))

    def pause(self, where: str | None = None) -> None:
        """Let no message pass at a place; all of them have come to stand when it returns."""
        here = place(self._topology, where)
        if self._over():
            return
        with self._world.lock:
            self._hold(here)
            self._reason = ""
        self._settle()
        self._report("pause", *self._where(here))

    def resume(self, where: str | None = None, speed: float | None = None) -> None:
        """Let messages pass again at a place, and at which part of their natural rate; None keeps it as it is."""
        here = place(self._topology, where)
        if speed is not None and not 0 < speed <= 1:
            raise ValueError(f"speed={speed!r}: give a number above 0 and up to 1, such as 0.1 for a tenth of the rate")
        if self._over():
            return
        world = self._world
        with world.lock:
            if speed is not None:
                world.set_speed(speed, here.moves if where else None)
            world.set_shut(world.shut - here.holds)
            self._paused = {name: held for name, held in self._paused.items() if held.holds <= world.shut}
            self._reason = ""
        self._apply()
        pace = world.speed if where is None else min(map(world.pace, here.moves), default=1.0)
        node, socket, what = self._where(here)
        self._report("resume", node, socket, f"{what} speed {pace:g}".strip())

    def _refuse_if_over(self) -> None:
        if self._over():
            raise RuntimeError("the lab is stopped, and no message moves any more: run the topology again")

    def _hold(self, here: Place) -> None:
        self._world.set_shut(self._world.shut | here.holds)
        if here.name:
            self._paused[here.name] = here
        self._apply()

    def _settle(self) -> None:
        """Wait until no thread is between a probe and its program: then nothing passes that had begun before."""
        deadline = time.monotonic() + _SETTLING
        while self._doing.passing() and time.monotonic() < deadline:
            time.sleep(_LOOK)

    def _where(self, here: Place) -> tuple[str, str, str]:
        if any(node.name == here.name for node in self._topology.nodes):
            return here.name, "", ""
        return "", "", here.name

    # --- step ----------------------------------------------------------------------------------

    def step(self, n: int = 1, where: str | None = None, *, timeout: float = 10.0) -> int:
        """Let exactly so many messages move at a place, which then stands; see `zlab.lab.Lab.step`."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"step({n!r}): give a whole number of messages, at least 1, such as lab.step(3)")
        here = place(self._topology, where)
        self._refuse_if_over()
        with self._world.lock:
            if not here.holds <= self._world.shut:
                self._hold(here)
            self._reason = ""
        self._settle()
        moved = 0
        while moved < n and self._step_one(here, moved, n, timeout):
            moved += 1
        node, socket, what = self._where(here)
        self._report("step", node, socket, f"{what} {moved:,} of {n:,} messages".strip())
        return moved

    def _step_one(self, here: Place, moved: int, n: int, timeout: float) -> bool:
        """Let one message move; False where a breakpoint stops it, or it goes on by itself again."""
        world = self._world
        # Anywhere, the next message is as good as another; at a place, one that comes by itself is the next.
        upstream = {_node(point) for level in here.feeds for point in level} if here.name else set[str]()
        since, quiet = time.monotonic(), _QUIET
        deadline = since + timeout
        while True:
            waited = time.monotonic() - since
            # Whether nothing comes by itself any more: what was let through has come as far as it can.
            still = waited > _PATIENCE or (waited > quiet and not self._doing.busy() & upstream)
            with world.lock:
                if not here.holds <= world.shut:
                    return False
                passage = self._first(here.moves)
                if passage is None and still:
                    passage = next(filter(None, map(self._first, here.feeds)), None)
                if passage is not None:
                    if passage.point in world.breaking and self._breaks(passage):
                        return False
                    passage.let = True
                    world.notify()
                else:
                    world.changed.wait(_LOOK)
            if passage is not None:
                self._wait_for(passage, deadline)
                if passage.point in here.moves:
                    return True
                since = time.monotonic()
                quiet = _CROSSING if passage.point.direction is Direction.SEND else _QUIET
            elif self._over():
                return False
            elif time.monotonic() > deadline:
                what = f"{here.name}: " if here.name else ""
                raise TimeoutError(
                    f"{what}{moved:,} of {n:,} messages moved in {timeout:g} s each: {self._doing.told()}"
                )

    def _first(self, points: frozenset[Point]) -> Passage | None:
        return next((each for each in self._world.standing if each.point in points and not each.let), None)

    def _wait_for(self, passage: Passage, deadline: float) -> None:
        """Wait until a message that was let through has passed, and is counted."""
        world = self._world
        while True:
            with world.lock:
                gone = passage not in world.standing
            if (gone and passage.thread not in self._doing.passing()) or time.monotonic() > deadline:
                return
            time.sleep(0)

    # --- breakpoints ---------------------------------------------------------------------------

    def break_on(self, snapshot: Snapshot, where: str | None, **asked: Any) -> Breakpoint:
        """Stop the world at a message, a queue or a drop; see `zlab.lab.Lab.break_on`."""
        self._refuse_if_over()
        failed = lambda why: self._report("error", "", "", why)  # noqa: E731
        made = breakpoint_on(self._topology, snapshot, where, failed=failed, **asked).kept_by(self._forget)
        with self._world.lock:
            self.breakpoints = (*self.breakpoints, made)
            self._look_out()
        return made

    def _forget(self, gone: Breakpoint) -> None:
        with self._world.lock:
            self.breakpoints = tuple(each for each in self.breakpoints if each is not gone)
            self._look_out()

    def _look_out(self) -> None:
        self._world.set_breaking(point for each in self.breakpoints for point in each.points)
        self._apply()

    def _breaks(self, passage: Passage) -> bool:
        if passage.met:
            return False
        for each in self.breakpoints:
            if each.matches(passage):
                passage.met = True
                node, _, socket = passage.point.socket.rpartition(".")
                self._stop_world(each, told(passage), node, socket)
                return True
        return False

    def check(self, snapshot: Snapshot) -> None:
        """Stop the world for what is known from counts: a queue, a drop."""
        for each in () if self._over() else self.breakpoints:
            happened = each.happened(snapshot)
            if happened:
                with self._world.lock:
                    self._stop_world(each, happened, "", "")

    def _stop_world(self, by: Breakpoint, why: str, node: str, socket: str) -> None:
        by.hits += 1
        self._reason = f"{why}: breakpoint {by}"
        self._hold(self._everything)
        self._report("breakpoint", node, socket, self._reason)


def _node(point: Point) -> str:
    return node_of(point.socket)
