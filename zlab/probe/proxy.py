"""``zmq.proxy`` over probed sockets: counted where it runs in C, and in Python while it must pass by the gates.

What passes through a proxy never comes up to Python. `counted.py` is its loop, compiled here;
`steered.py` has libzmq run it and tell, where that could not be compiled, and where something is
captured. While one of its sockets is gated, the loop is ended and the same is done here, message by
message; and all the time where it has a probed socket to capture with, of whose messages neither tells.
"""

from __future__ import annotations

from functools import partial, wraps
from threading import get_ident
from typing import TYPE_CHECKING, Any, NoReturn, cast

import zmq

from zlab.probe.counted import COUNTED, CountedProxy
from zlab.probe.socket import ProbedSocket
from zlab.probe.steered import SteeredProxy
from zlab.recording import Counts, Forwarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.recording import Recording

_PATIENCE = 20  # milliseconds after which it is seen that the gates are open again


def install_proxy() -> None:
    """Let ``zmq.proxy`` count where it is given probed sockets; every other call goes to pyzmq's as before."""
    plain = zmq.proxy
    if getattr(plain, "__wrapped__", None) is not None:
        return

    @wraps(plain)
    def proxy(frontend: Any, backend: Any, capture: Any = None) -> Any:
        if not (isinstance(frontend, ProbedSocket) and isinstance(backend, ProbedSocket)):
            return plain(frontend, backend, capture)
        front, back = frontend._recording, backend._recording  # noqa: SLF001 - the probe's own
        if front is None or back is None:
            return plain(frontend, backend, capture)
        recordings = frontend._recordings  # noqa: SLF001 - likewise

        def begins() -> None:
            if recordings is not None:
                recordings.proxied(front, back)

        if isinstance(capture, ProbedSocket):
            begins()
            _forward({frontend: backend, backend: frontend}, capture)
        return _pass_on(frontend, backend, capture, front, back, begins)

    zmq.proxy = proxy


def _pass_on(
    frontend: ProbedSocket[Any],
    backend: ProbedSocket[Any],
    capture: Any,
    front: Recording,
    back: Recording,
    begins: Callable[[], None],
) -> NoReturn:
    """Move messages, in C and past the gates by turns, until the context ends."""
    alone = COUNTED and capture is None and front is not back
    around = None if frontend._recordings is None else frontend._recordings.later  # noqa: SLF001 - the probe's own
    loop = CountedProxy(frontend, backend, around) if alone else SteeredProxy(frontend, backend, capture)

    def gated() -> bool:
        return front.gated or back.gated

    try:
        front.meter.thread = back.meter.thread = get_ident()
        for near, far, moved in ((front, back, loop.front), (back, front, loop.back)):
            asked = partial(loop.asked, forth=near is back)
            # What has crossed it before, by an earlier proxy too: one that was interrupted, and is called again.
            read = partial(_in_all, moved, near.counts() if near.forwarded is None else near.forwarded.read())
            near.forwarded = Forwarded(far, read, loop.close, loop.turn, loop.unseen, loop.hold, asked, alone)
            if alone:
                near.counts = read
        begins()
        ends = {frontend: backend, backend: frontend}
        while True:
            if loop.begin(gated):
                loop.run()
            for end, other in ends.items():
                while gated() and not loop.clear(forth=end is frontend):
                    other.poll(_PATIENCE, zmq.POLLOUT)
            _forward(ends, capture, lambda frames, end: loop.add(frames, forth=end is frontend), gated)
    finally:
        loop.close()


def _in_all(moved: Callable[[], Counts], before: Counts) -> Counts:
    """What has crossed a socket before its proxy and by it."""
    return before.plus(moved())


def _forward(
    ends: dict[ProbedSocket[Any], ProbedSocket[Any]],
    capture: Any,
    note: Callable[[list[bytes], ProbedSocket[Any]], None] = lambda _frames, _end: None,
    gated: Callable[[], bool] = lambda: True,
) -> None:
    """What ``zmq_proxy`` does, past the gates, for as long as there are any.

    Args:
        ends: each of its two sockets, and the other.
        capture: the socket that is sent a copy of all that passes, if any.
        note: takes the frames of each message, and where it came in.
        gated: whether to go on.
    """
    poller = zmq.Poller()
    for end in ends:
        poller.register(end, zmq.POLLIN)
    while gated():
        for end, _ in poller.poll(_PATIENCE):
            to = ends[cast("ProbedSocket[Any]", end)]
            # As in libzmq: nothing is taken that cannot be handed on.
            if not to.poll(_PATIENCE, zmq.POLLOUT):
                continue
            frames = end.recv_multipart()
            note(frames, end)
            if capture is not None:
                capture.send_multipart(frames)
            to.send_multipart(frames)
