"""Waiting: on which sockets a thread stands inside libzmq, read from its innermost frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import zmq

import zlab.probe.tap as taps
from zlab.probe.socket import ProbedSocket
from zlab.recording import Direction, Recording

if TYPE_CHECKING:
    from types import FrameType

_POLL = zmq.Poller.poll.__code__
_CALLS = {"send", "publish", "other_send", "observed_send", "recv", "recv_into"}  # from which libzmq is called


class Wait(NamedTuple):
    """Where a thread is inside libzmq."""

    sockets: tuple[Recording, ...]
    """The socket of a send or recv; the sockets that a ``Poller`` waits to read from; or none."""
    direction: Direction
    limited: bool
    """Whether the wait ends by itself, as a poll with a time-out does."""


_NOWHERE = Wait((), Direction.RECV, limited=True)


def blocked_in(frame: FrameType | None) -> Wait:
    """The sockets on which a thread is inside libzmq, and in which direction.

    Args:
        frame: the innermost Python frame of the thread, from ``sys._current_frames``.
    """
    if frame is None:
        return _NOWHERE
    if frame.f_code is _POLL:
        registered = getattr(frame.f_locals.get("self"), "sockets", ())
        polled = [s for s, flags in registered if flags & zmq.POLLIN and isinstance(s, ProbedSocket)]
        probed = [s._recording for s in polled]  # noqa: SLF001 - the probe's own
        timeout = frame.f_locals.get("timeout")
        limited = timeout is not None and timeout >= 0
        return Wait(tuple(r for r in probed if r is not None), Direction.RECV, limited)
    if frame.f_code.co_filename != taps.__file__:
        return _NOWHERE
    name = frame.f_code.co_name
    if name not in _CALLS:
        return _NOWHERE
    recording = getattr(frame.f_locals.get("self"), "_recording", None)
    if not isinstance(recording, Recording):
        return _NOWHERE
    return Wait((recording,), Direction.RECV if name.startswith("recv") else Direction.SEND, limited=False)
