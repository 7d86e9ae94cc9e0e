"""Overrides: socket options that faults have changed, set by the thread that owns the socket, and set back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import zmq

from zlab.runtime.options import AT_ONCE, WITHHELD, set_option
from zlab.sockets import OptionValue

if TYPE_CHECKING:
    from collections.abc import Mapping


class When(StrEnum):
    """From when on an option holds."""

    NOW = "now"
    LATER = "for connections made from now on"
    RESTART = "from the node's next restart on"
    NEVER = "never"


Altered = Callable[[str, str, OptionValue, When, str], None]
"""Takes the socket, the option, its value, from when on it holds, and ``again`` or why it was not set."""


class Overrides:
    """Those of one node, over all its lives."""

    def __init__(self, told: Altered) -> None:
        """Nothing is changed.

        Args:
            told: called in the thread that has set an option, or was to.
        """
        self._told = told
        self._lock = threading.Lock()
        self._wanted: dict[tuple[str, str], dict[object, OptionValue]] = {}
        self._own: dict[tuple[str, str], OptionValue] = {}  # what was there before
        self._due: dict[str, tuple[str, ...]] = {}  # by socket: the options that are to be set

    def put(self, socket: str, option: str, value: OptionValue, owner: object) -> None:
        """Want an option to have a value."""
        with self._lock:
            self._wanted.setdefault((socket, option), {})[owner] = value
            self._due[socket] = tuple({*self._due.get(socket, ()), option})

    def take(self, socket: str, option: str, owner: object) -> None:
        """Want it no longer: what another wants holds again, or what was there before."""
        with self._lock:
            self._wanted.get((socket, option), {}).pop(owner, None)
            self._due[socket] = tuple({*self._due.get(socket, ()), option})

    def due(self, socket: str) -> bool:
        """Whether the thread that owns the socket has something to set."""
        return bool(self._due.get(socket))

    def values(self, socket: str) -> Mapping[str, OptionValue]:
        """What is wanted of a socket now."""
        with self._lock:
            return {o: tuple(v.values())[-1] for (name, o), v in self._wanted.items() if name == socket and v}

    def renew(self, socket: str) -> None:
        """Begin with a new socket: all that is wanted is to be set on it, before it binds or connects."""
        with self._lock:
            self._own = {key: value for key, value in self._own.items() if key[0] != socket}
            self._due[socket] = tuple(o for (name, o), values in self._wanted.items() if name == socket and values)

    def apply(self, name: str, socket: zmq.Socket[Any], *, fresh: bool = False) -> None:
        """Set what is due, in the thread that owns the socket; a fresh one has no connection yet."""
        with self._lock:
            due = self._due.pop(name, ())
        for option in due:
            key = name, option
            with self._lock:
                values = tuple(self._wanted.get(key, {}).values())
            if not values and key not in self._own:
                continue  # it ended before it was set
            value = values[-1] if values else self._own[key]
            withheld = not fresh and (option in WITHHELD or (option == "sndhwm" and _lowers(socket, value)))
            if key not in self._own and not withheld:
                self._own[key] = _read(socket, option)
            if not values:
                del self._own[key]
            again = "" if values else "again"
            if withheld:
                self._told(name, option, value, When.RESTART, again)
                continue
            try:
                set_option(socket, option, value)
            except (zmq.ZMQError, TypeError, ValueError, OverflowError) as error:
                # Told, not raised: it is the fault's error and not the program's.
                self._told(name, option, value, When.NEVER, str(error))
            else:
                self._told(name, option, value, When.NOW if fresh or option in AT_ONCE else When.LATER, again)


def _lowers(socket: zmq.Socket[Any], mark: OptionValue) -> bool:
    """Whether a send high-water mark would be lower than it is; 0 is no mark at all."""
    now = int(socket.get(zmq.SNDHWM))
    return isinstance(mark, int) and mark > 0 and (now == 0 or mark < now)


def _read(socket: zmq.Socket[Any], option: str) -> OptionValue:
    """What an option is; a few, such as ZMQ_ROUTER_MANDATORY, can only be set, and are 0 unless somebody does."""
    name = "sndhwm" if option == "hwm" else option
    try:
        value: OptionValue = socket.get(zmq.SocketOption[name.upper()])
    except zmq.ZMQError:
        return 0
    return value
