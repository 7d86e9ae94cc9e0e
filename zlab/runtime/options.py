"""Socket options: set before a socket binds or connects."""

from __future__ import annotations

from typing import Any

import zmq

from zlab.sockets import Socket, TopologyError

_SEVERAL = {"subscribe", "unsubscribe"}


def apply_options(name: str, spec: Socket, socket: zmq.Socket[Any]) -> None:
    """Set a socket's options.

    Raises:
        TopologyError: libzmq does not take the value.
    """
    for option, value in spec.options.items():
        values = value if isinstance(value, (tuple, list)) else (value,)
        if len(values) != 1 and option not in _SEVERAL:
            raise TopologyError(f"{name}: {option} takes one value, not {value!r}")
        for one in values:
            try:
                if option == "hwm":  # no option of libzmq's: pyzmq sets both marks
                    socket.set_hwm(int(one))
                else:
                    socket.set(zmq.SocketOption[option.upper()], one.encode() if isinstance(one, str) else one)
            except (zmq.ZMQError, TypeError, ValueError, OverflowError) as error:
                raise TopologyError(f"{name}: {spec.type} does not take {option}={one!r}: {error}") from error
