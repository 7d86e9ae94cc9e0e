"""Chaos: a random schedule of faults that is the same for the same seed; it is data until it is played."""

from __future__ import annotations

import threading
import time
import traceback
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Self

from zlab.faults.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from zlab.runtime.disturbances import Disturbance
    from zlab.runtime.run import Run
    from zlab.runtime.targets import Given

Menu = Fault | tuple["Given", Fault]
"""A fault, for whatever it can befall; or a target and a fault, for that alone."""

_LOOK = 0.1  # seconds: the longest that it takes to see that the lab has stopped


class Step(NamedTuple):
    """One fault of a schedule."""

    at: float
    """When it begins, in seconds from the beginning of the schedule."""
    lasts: float
    """For how long, in seconds; one that happens once is over at once."""
    target: Given
    """What it befalls."""
    fault: Fault

    def __repr__(self) -> str:
        """Read as ``0.51 s to 1.23 s: Freeze() on worker-1``."""
        until = "" if getattr(self.fault, "once", False) else f" to {self.at + self.lasts:.2f} s"
        return f"{self.at:.2f} s{until}: {self.fault!r} on {self.target}"


def plan(
    run: Run, *, seed: int, faults: Sequence[Menu], seconds: float, every: float, lasts: float
) -> tuple[Step, ...]:
    """Draw a schedule; at no time do two of its faults befall the same target.

    Raises:
        KeyError, TypeError, ValueError: a fault can befall nothing here, or a figure makes no sense.
    """
    for name, value in (("seconds", seconds), ("every", every), ("lasts", lasts)):
        if not value > 0:
            raise ValueError(f"{name}={value!r}: give a number of seconds above 0")
    menu = [(each, *_candidates(run, each)) for each in faults]
    if not menu:
        raise ValueError("faults=[]: give at least one of zlab.faults, such as [zlab.faults.Kill()]")
    chance = Random(seed)  # noqa: S311 - it must be repeatable
    steps: list[Step] = []
    at = chance.expovariate(1 / every)
    while at < seconds:
        _, fault, targets = chance.choice(menu)
        long = min(seconds - at, lasts * chance.uniform(0.5, 1.5))
        found = chance.choice(targets)
        if not any(step.target == found and step.at + step.lasts >= at for step in steps):
            steps.append(Step(round(at, 3), round(long, 3), found, fault))
        at += chance.expovariate(1 / every)
    return tuple(steps)


def _candidates(run: Run, given: Menu) -> tuple[Fault, list[Given]]:
    """A fault, and the nodes and links that it can befall, in the order of the topology."""
    if isinstance(given, tuple):
        found, fault = given
        run.disturbances.check(found, fault, now=False)
        return fault, [found]
    targets: list[Given] = []
    why = ""
    for name in (*run.nodes, *dict.fromkeys(map(str, run.topology.links))):
        try:
            run.disturbances.check(name, given, now=False)
        except ValueError as error:
            why = why or str(error)
        else:
            targets.append(name)
    if not targets:
        raise ValueError(f"nothing in this lab that it can befall: {why}")
    return given, targets


class Chaos:
    """A schedule, and the thread that plays it: what `Lab.chaos` returns. Printed, it is the schedule."""

    def __init__(self, run: Run, schedule: tuple[Step, ...]) -> None:
        """Hold a schedule; nothing has happened."""
        self.schedule = schedule
        """What is to happen, in order: `Step` by `Step`."""
        self._run = run
        self._quit = threading.Event()
        self._thread: threading.Thread | None = None

    def play(self) -> Self:
        """Begin; returns at once.

        Raises:
            RuntimeError: it has been played, or the lab is stopped.
        """
        if self._thread is not None or self._run.stopped:
            raise RuntimeError("a schedule is played once, while its lab runs: ask lab.chaos(...) for another")
        self._thread = threading.Thread(target=self._main, name="zlab chaos", daemon=True)
        self._run.chaoses.append(self)
        self._thread.start()
        return self

    def wait(self, timeout: float) -> None:
        """Wait until all has happened and is undone.

        Raises:
            TimeoutError: it is not over within this time, in seconds.
        """
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"after {timeout:g} s the schedule is not over: it takes {self._length:g} s")

    def quit(self) -> None:
        """Ask it to end, without waiting for it."""
        self._quit.set()

    def stop(self) -> None:
        """End it now, and undo what it has done; safe to call again.

        Raises:
            TimeoutError: undoing takes longer than 10 seconds.
        """
        self._quit.set()
        self.wait(10.0)

    @property
    def over(self) -> bool:
        """Whether all has happened and is undone."""
        return self._thread is not None and not self._thread.is_alive()

    @property
    def _length(self) -> float:
        return max((step.at + step.lasts for step in self.schedule), default=0.0)

    def __enter__(self) -> Self:
        """Nothing more happens: it plays."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.stop()

    def __repr__(self) -> str:
        """One line for each fault."""
        return "\n".join(map(repr, self.schedule)) or "an empty schedule"

    # --- the thread ----------------------------------------------------------------------------

    def _main(self) -> None:
        began = time.monotonic()
        on: dict[int, Disturbance] = {}
        begins = [(step.at, 1, i) for i, step in enumerate(self.schedule)]
        ends = [(step.at + step.lasts, 0, i) for i, step in enumerate(self.schedule)]
        self._run.report("chaos", "", "", f"begins: {len(self.schedule)} faults in {self._length:g} s")
        for at, beginning, i in sorted([*begins, *ends]):
            if not self._reaches(began + at):
                break
            step = self.schedule[i]
            try:
                if beginning:
                    on[i] = self._run.disturbances.begin(step.target, step.fault)
                elif i in on:
                    on.pop(i).end()
            except Exception as error:  # noqa: BLE001 - what cannot be done is said, and the others follow
                self._failed(f"{step!r}: {error}")
        for made in reversed(on.values()):
            try:
                made.end()
            except Exception:  # noqa: BLE001 - the others are to end too
                self._failed(f"{made!r} could not be undone:\n{traceback.format_exc()}")
        if not self._run.stopped:
            self._run.report("chaos", "", "", "over")
        self._run.chaoses.remove(self)

    def _failed(self, why: str) -> None:
        if not self._run.stopped:
            self._run.report("error", "", "", why)

    def _reaches(self, until: float) -> bool:
        while (rest := until - time.monotonic()) > 0:
            if self._quit.wait(min(rest, _LOOK)) or self._run.stopped:
                return False
        return not self._quit.is_set() and not self._run.stopped
