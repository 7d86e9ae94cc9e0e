"""What happened, as it is written down: events, and one bounded buffer for each socket."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a lab, other than a message crossing a socket."""

    at: float
    """Seconds since the lab started."""
    kind: str
    """One word: ``bind``, ``connect``, ``start``, ``finish``, ``kill``, ``restart``, ``error``, ..."""
    node: str
    """The node's name, or "" where the event concerns the whole lab."""
    socket: str = ""
    """The socket's name within the node, or ""."""
    detail: str = ""
    """What a person needs to know: a URL, a reason, a traceback."""
