"""A meter is all that is counted on one socket; in Python where the compiled one could not be built."""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import EAGAIN, EHOSTUNREACH
from typing import Any

from zlab.probe.source import stale

REFUSALS = frozenset({EAGAIN, EHOSTUNREACH})
"""What libzmq says when it refuses a message."""


class PlainMeter:
    """The counters of one socket: one writer, the thread that owns it, and any reader."""

    __slots__ = (
        *("sent", "more_sent", "sent_bytes", "refused", "swallowed", "copied"),
        *("received", "more_received", "received_bytes", "size_sent", "size_received"),
        *("first", "thread", "inside", "fast", "asking", "announced", "more", "publishes", "tracing", "overflowed"),
        *("entered", "mask", "limit", "single", "several", "note", "steps", "out_of_step", "intruded"),
    )

    sent: int
    more_sent: int
    """Frames that had another behind them."""
    sent_bytes: int
    refused: int
    """Messages that libzmq refused."""
    swallowed: int
    """Messages that a fault let go no further, though ``send`` returned."""
    copied: int
    """Messages that a fault sent once more."""
    received: int
    more_received: int
    received_bytes: int
    size_sent: int
    """Bytes of the frames so far of a message that is being sent in parts."""
    size_received: int
    first: bytes | None
    """The first frame of a message that is being sent in parts."""
    thread: int
    """The thread that last sent or received, as ``threading.get_ident`` names it; 0 before the first time."""
    inside: int
    """0, or while it is inside libzmq `SENDING` or `RECEIVING`."""
    entered: int
    """When the send began that is traced and not written down yet, in nanoseconds; 0 where there is none."""
    fast: bool
    """Whether there is no reason to look closer than to count."""
    asking: bool
    """Whether a message may have several frames."""
    announced: bool
    """Whether all sockets that may receive such a message know of that."""
    more: bool
    """Whether the last frame received has another behind it."""
    publishes: bool
    tracing: bool
    overflowed: bool
    """Whether messages went untraced because there was no room."""
    mask: int
    limit: int
    """Records between two visits of the clock."""
    single: tuple[object, ...] | None
    several: tuple[object, ...] | None
    note: Callable[..., None] | None
    steps: bool
    """Whether it sends and receives by turns, as REQ and REP do."""
    out_of_step: int
    """Calls that libzmq refused because it was not their turn (EFSM)."""
    intruded: Callable[[], None] | None
    """Told of a second thread before it enters, while the first is inside; what it raises is raised there."""

    def __init__(self) -> None:
        """Start at zero."""
        for name in self.__slots__:
            setattr(self, name, 0)
        self.first = self.single = self.several = self.note = self.intruded = None
        for flag in ("fast", "asking", "announced", "more", "publishes", "tracing", "overflowed", "steps"):
            setattr(self, flag, False)

    def read(self) -> tuple[int, ...]:
        """All counts at one moment, in the order of `zlab.recording.Counts`."""
        # In one go, without a call that would let the owner in between.
        sent, more_sent, sent_bytes, refused = self.sent, self.more_sent, self.sent_bytes, self.refused
        received, more_received, received_bytes = self.received, self.more_received, self.received_bytes
        swallowed, copied = self.swallowed, self.copied
        frames = sent + more_sent, received + more_received
        return sent, frames[0], sent_bytes, refused, received, frames[1], received_bytes, swallowed, copied

    def drain(self) -> tuple[bytes, int]:
        """The compiled meter's records, and how many: here there are none."""
        return b"", 0


Keyed = Callable[[Any], int]
"""Tells what a body is known by."""

COMPILED = False
"""Whether the common message is counted in compiled form."""
Meter: Callable[[], PlainMeter] = PlainMeter
key_of_compiled: Keyed | None = None

STALE = False
"""Whether what was compiled is of another source than the one beside it: then it is not used."""

if not os.environ.get("ZLAB_PLAIN"):  # for tests, and to measure what it is worth
    try:
        from zlab.probe import _fast
    except ImportError:  # it could not be compiled where zlab was installed
        pass
    else:
        STALE = stale(_fast)
        COMPILED = not STALE
        if COMPILED:
            Meter, key_of_compiled = _fast.Meter, _fast.key_of
