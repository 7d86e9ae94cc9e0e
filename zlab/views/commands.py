"""What a person asks of a lab from a view: carried out in order, off the kernel's own thread."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from zlab.views import breaking

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zlab.views.source import Source, Steerable


class RefusedError(ValueError):
    """What a person asked for makes no sense: they are told so, and nothing has happened."""


def _break(source: Steerable, given: Mapping[str, Any]) -> None:
    try:
        source.fault(str(given["target"]), breaking.fault(str(given["fault"]), given.get("value")))
    except (KeyError, ValueError) as error:  # it cannot be, and the message says why
        raise RefusedError(str(error.args[0])) from error


def _end(source: Steerable, number: int) -> None:
    for fault in source.faults:
        if fault.number == number:
            fault.end()


COMMANDS: Mapping[str, Callable[[Steerable, Mapping[str, Any]], None]] = {
    "pause": lambda source, given: source.pause(given.get("where")),
    "resume": lambda source, given: source.resume(given.get("where"), speed=_number(given.get("speed"))),
    "step": lambda source, given: _step(source, given.get("n", 1), given.get("where")),
    "tune": lambda source, given: source.tune(rate=_rate(given.get("rate")), size=_size(given.get("size"))),
    "kill": lambda source, given: source.kill(str(given["node"])),
    "restart": lambda source, given: source.restart(str(given["node"])),
    "stop": lambda source, _: source.stop(),
    "fault": _break,
    "end": lambda source, given: _end(source, int(given["number"])),
}
"""Every command of a view, by name."""
LARGEST = 10_000_000
"""Bytes of a message that a view may ask for: with a thousand in a queue, more would fill a machine's memory."""
LONGEST = 1_000
"""Messages that a view may ask for in one step."""
_PATIENCE = 3.0  # seconds that a step waits for each message to come


class Commands:
    """Runs commands one after the other in a thread that lives no longer than there is something to do.

    Steps have such a thread of their own: one that waits for a message must not keep what would end it waiting.

    Args:
        source: the lab.
        failed: told of each command that raised: its name, its node or "", and the traceback.
        held: says why there can be no command now, or "".
    """

    def __init__(
        self, source: Source, failed: Callable[[str, str, str], None], held: Callable[[], str] = lambda: ""
    ) -> None:
        """Nothing runs yet."""
        self._source = source
        self._failed = failed
        self._held = held
        self._lock = threading.Lock()
        self._waiting: dict[bool, deque[tuple[str, Mapping[str, Any], Callable[[str], None]]]]
        self._waiting = {True: deque(), False: deque()}  # steps, and all others
        self._busy: set[bool] = set()

    def post(self, name: str, given: Mapping[str, Any], answer: Callable[[str], None]) -> None:
        """Carry a command out soon.

        Args:
            name: one of `COMMANDS`.
            given: its arguments, by name.
            answer: called when it is done, with "" or with what went wrong, in one line.
        """
        if why := self._held():
            answer(f"{name}: {why}")
            return
        step = name == "step"
        with self._lock:
            self._waiting[step].append((name, given, answer))
            if step in self._busy:
                return
            self._busy.add(step)
        threading.Thread(target=self._run, args=[step], name="zlab-command", daemon=True).start()

    def _run(self, step: bool) -> None:  # noqa: FBT001 - which of the two
        while True:
            with self._lock:
                if not self._waiting[step]:
                    self._busy.remove(step)
                    return
                name, given, answer = self._waiting[step].popleft()
            try:
                answer(self._carry_out(name, given))
            except Exception:  # noqa: BLE001 - who asked is gone perhaps; those who wait have their turn
                self._failed(name, "", traceback.format_exc())

    def _carry_out(self, name: str, given: Mapping[str, Any]) -> str:
        if name != "stop" and not self._source.steerable:
            return f"{name}: the program is its own master, it is only watched"
        try:
            COMMANDS[name](cast("Steerable", self._source), given)
        except RefusedError as refusal:
            return str(refusal)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person who pressed the button is told
            self._failed(name, str(given.get("node", "")), traceback.format_exc())
            return f"{name} {given.get('node', '')}".strip() + f" failed: {type(error).__name__}: {error}"
        return ""


def _step(source: Steerable, n: Any, where: str | None) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= LONGEST:
        raise RefusedError(f"step {n}: give whole messages, 1 to {LONGEST:,}")
    try:
        source.step(n, where, timeout=_PATIENCE)
    except TimeoutError as nothing:
        raise RefusedError(f"step: {nothing}") from None  # no fault of the lab's: there was nothing to move


def _number(value: Any) -> float | None:
    # JSON has no infinity: "inf" is a rate without limit.
    return None if value is None else float(value)


def _rate(value: Any) -> float | None:
    rate = _number(value)
    if rate is not None and not rate >= 0:
        raise RefusedError(f"rate {value}: give zero or more messages per second")
    return rate


def _size(value: Any) -> int | None:
    if value is None:
        return None
    if not 1 <= value <= LARGEST or int(value) != value:
        raise RefusedError(f"size {value}: give whole bytes, 1 to {LARGEST:,}")
    return int(value)
