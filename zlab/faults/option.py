"""Option: a socket option is changed while its socket is open."""

from __future__ import annotations

from dataclasses import dataclass

from zlab.faults.fault import Fault
from zlab.secret import SECRETS


@dataclass(frozen=True, slots=True)
class Option(Fault):
    """Set any socket option that can be set, such as a high-water mark; the old value comes back at the end.

    The thread that owns the socket sets it, before its next message. Most options hold only for connections that
    are made later (man page ``zmq_setsockopt``): to see them, restart the node meanwhile. The event says which it is.
    A receive high-water mark waits for the next restart too, and a send high-water mark that is to become lower, at
    the end of this fault as well: libzmq can stall a connection whose marks are changed so while messages wait at it.

    Args:
        name: as pyzmq spells it in lower case, such as ``sndhwm``, ``conflate`` or ``linger``.
        value: messages, milliseconds, or what the man page ``zmq_setsockopt`` says.

    Raises:
        ValueError: it is a secret key or a password: what a fault does is written down.
    """

    name: str
    value: int | str | bytes

    def __post_init__(self) -> None:
        """Refuse what must not be written down."""
        if self.name in SECRETS:
            raise ValueError(f"{self.name} is secret, and what a fault does is written down: set it in the topology")
