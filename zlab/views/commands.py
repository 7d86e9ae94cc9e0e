"""What a person asks of a lab from a view: carried out in order, off the kernel's own thread."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zlab.views.source import Source, Steerable

COMMANDS: Mapping[str, Callable[[Steerable, Mapping[str, Any]], None]] = {
    "pause": lambda source, _: source.pause(),
    "resume": lambda source, given: source.resume(speed=_number(given.get("speed"))),
    "tune": lambda source, given: source.tune(rate=_rate(given.get("rate")), size=_size(given.get("size"))),
    "kill": lambda source, given: source.kill(str(given["node"])),
    "restart": lambda source, given: source.restart(str(given["node"])),
    "stop": lambda source, _: source.stop(),
}
"""Every command of a view, by name."""
LARGEST = 10_000_000
"""Bytes of a message that a view may ask for: with a thousand in a queue, more would fill a machine's memory."""


class RefusedError(ValueError):
    """What a person asked for makes no sense: they are told so, and nothing has happened."""


class Commands:
    """Runs commands one after the other in a thread that lives no longer than there is something to do.

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
        self._waiting: deque[tuple[str, Mapping[str, Any], Callable[[str], None]]] = deque()
        self._lock = threading.Lock()
        self._busy = False

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
        with self._lock:
            self._waiting.append((name, given, answer))
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._run, name="zlab-command", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._busy = False
                    return
                name, given, answer = self._waiting.popleft()
            answer(self._carry_out(name, given))

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
