"""A gated send: the frames of a message are held until it is whole; then it leaves as often as the gate says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import zmq
from zmq.backend import Socket as BackendSocket

from zlab.probe.meter import REFUSALS
from zlab.probe.parts import size_of
from zlab.recording import Direction

if TYPE_CHECKING:
    from zlab.probe.meter import PlainMeter

Gate = Callable[[Direction, Sequence[Any]], int]
"""Called while the socket is gated, before a message is sent and after it was received, with its frames.

It returns when the message may pass, and how often: 1, or of one that is sent 0 (it goes no further) or more.
"""


class Frame(NamedTuple):
    """A frame as ``send`` was called with it."""

    data: Any
    flags: int
    copy: bool
    track: bool


class GatedSend:
    """Sends for one socket, past its gate; as its tap, it holds nothing of that socket.

    Args:
        meter: of the socket.
        gate: called for each message.
        send: sends a frame as where there is no gate, with all arguments of ``send``.
        settle: called when the frames of a message are held no longer.
        befallen: told of the frames of a message that went no further, and 0; or of one that was sent once more,
            and which time that was.
    """

    def __init__(
        self,
        meter: PlainMeter,
        gate: Gate,
        send: Callable[..., Any],
        settle: Callable[[], None],
        befallen: Callable[[tuple[Frame, ...], int], None],
    ) -> None:
        """Hold nothing yet."""
        self._meter, self._gate, self._send, self._settle, self._befallen = meter, gate, send, settle, befallen
        self.held: list[Frame] = []
        """Frames that wait for the last one of their message."""

    def __call__(self, socket: Any, data: Any, flags: int, copy: bool, track: bool) -> Any:
        """Send a frame, or hold it; the last one of its message stands at the gate."""
        try:
            size_of(data)
        except TypeError:
            return zmq.Socket.send(socket, data, flags, copy, track)  # which says what to do about it
        self.held.append(Frame(data, flags, copy, track))
        if flags & zmq.SNDMORE:
            self._meter.fast = False
            return None
        frames = tuple(self.held)
        self.held.clear()
        self._settle()
        times = self._gate(Direction.SEND, [frame.data for frame in frames])
        if times == 0:
            self._swallow(frames)
            return None
        result = None
        for frame in frames:
            result = self._send(socket, *frame, None, None)
        for time in range(1, times):
            self._again(socket, frames, time + 1)
        return result

    def _swallow(self, frames: tuple[Frame, ...]) -> None:
        meter = self._meter
        meter.sent_bytes += sum(size_of(frame.data) for frame in frames)
        meter.more_sent += len(frames) - 1
        meter.sent += 1
        meter.swallowed += 1
        self._befallen(frames, 0)

    def _again(self, socket: Any, frames: tuple[Frame, ...], time: int) -> None:
        """Send once more what the program sent once; where there is no room for it, it is not."""
        try:
            for frame in frames:
                BackendSocket.send(socket, frame.data, frame.flags | zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in REFUSALS:
                raise
            return
        self._meter.copied += 1
        self._befallen(frames, time)
