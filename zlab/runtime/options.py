"""Socket options: set before a socket binds or connects, or by a fault later."""

from __future__ import annotations

from typing import Any

import zmq

from zlab.secret import Secret
from zlab.sockets import Socket, TopologyError

AT_ONCE = {
    *("linger", "sndhwm", "rcvtimeo", "sndtimeo", "router_handover", "router_mandatory", "probe_router"),
    *("xpub_nodrop", "xpub_verbose", "xpub_verboser", "req_correlate", "req_relaxed"),
}
"""What holds for connections that there are, too; all others for those that are made later (``zmq_setsockopt``)."""
WITHHELD = {"rcvhwm", "hwm"}
"""What must not be changed under a connection.

libzmq 4.3.5, over every transport: who reads tells who writes how far it has come every half a mark. Once the mark is
raised to more than twice what it was, a writer that stands at the old one waits for a word that does not come before
more is read than there is. A send high-water mark that becomes lower does the same: see `overrides.py`.
"""

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
                set_option(socket, option, one)
            except (zmq.ZMQError, TypeError, ValueError, OverflowError) as error:
                raise TopologyError(f"{name}: {spec.type} does not take {option}={one!r}: {error}") from error


def set_option(socket: zmq.Socket[Any], option: str, value: Any) -> None:
    """Set one option, spelt in lower case.

    Raises:
        ZMQError, TypeError, ValueError, OverflowError: libzmq does not take the value.
    """
    if isinstance(value, Secret):
        value = value.reveal()
    if option == "hwm":  # no option of libzmq's: pyzmq sets both marks
        socket.set_hwm(int(value))
    else:
        socket.set(zmq.SocketOption[option.upper()], value.encode() if isinstance(value, str) else value)
