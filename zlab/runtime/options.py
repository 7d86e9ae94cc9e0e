"""Socket options: checked before any socket is opened, applied before it binds or connects."""

from __future__ import annotations

import difflib
from typing import Any

import zmq

from zlab.topology import Socket, TopologyError

_SEVERAL = {"subscribe", "unsubscribe"}


def check_options(name: str, socket: Socket) -> None:
    """Refuse an option that pyzmq does not know.

    Raises:
        TopologyError: it names the socket, the option and the nearest one that exists.
    """
    for option in socket.options:
        if option.upper() not in zmq.SocketOption.__members__:
            near = difflib.get_close_matches(option.upper(), zmq.SocketOption.__members__, n=1)
            hint = f"did you mean {near[0].lower()!r}?" if near else "see the man page zmq_setsockopt"
            raise TopologyError(f"{name}: {socket.type} has no socket option {option!r}; {hint}")
    if "subscribe" in socket.options and socket.type != "SUB":
        raise TopologyError(f"{name} is {socket.type} and cannot subscribe: only a SUB socket takes subscribe=")


def apply_options(name: str, spec: Socket, socket: zmq.Socket[Any]) -> None:
    """Set a socket's options.

    Raises:
        TopologyError: libzmq does not take the value.
    """
    for option, value in spec.options.items():
        number = zmq.SocketOption[option.upper()]
        values = value if isinstance(value, (tuple, list)) else (value,)
        if len(values) != 1 and option not in _SEVERAL:
            raise TopologyError(f"{name}: {option} takes one value, not {value!r}")
        for one in values:
            try:
                socket.set(number, one.encode() if isinstance(one, str) else one)
            except (zmq.ZMQError, TypeError, ValueError, OverflowError) as error:
                raise TopologyError(f"{name}: {spec.type} does not take {option}={one!r}: {error}") from error
