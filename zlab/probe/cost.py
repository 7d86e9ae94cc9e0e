"""What the probe costs on this machine: measured once in a process, before its first lab starts."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import zmq

from zlab.probe.meter import COMPILED
from zlab.probe.socket import probe
from zlab.recording import Direction, Recording
from zlab.recordings import Recordings

if TYPE_CHECKING:
    from collections.abc import Sequence

_BATCH = 50  # messages: fewer than a high-water mark holds
_ROUNDS = 20
_BODY = b"x" * 100


class MessageCost(NamedTuple):
    """Seconds of the processor that a message of 100 bytes takes to be sent and received within one thread."""

    plain: float
    """With pyzmq alone."""
    counted: float
    traced: float
    compiled: bool
    """Whether the probe is compiled here; if not, it is Python."""


@cache
def message_cost() -> MessageCost:
    """Send and receive over inproc without the probe, counted, and traced as at full rate; some ten milliseconds."""
    context: zmq.Context[Any] = zmq.Context()
    recordings = Recordings({}, trace_limit=_BATCH)
    pairs = []
    try:
        for number, mask in enumerate((None, None, 0)):
            ends = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            ends[0].bind(f"inproc://{number}")
            ends[1].connect(f"inproc://{number}")
            recorded = [_probed(end, recordings, mask) for end in ends] if number else []
            pairs.append((ends, recorded, mask))
        least = [float("inf")] * len(pairs)
        for _ in range(_ROUNDS):  # in turn, so that what else the machine does falls on all alike
            for number, (ends, recorded, mask) in enumerate(pairs):
                for recording in recorded:
                    recording.drain()
                    recording.watch(mask, False, False)
                least[number] = min(least[number], _batch(ends))
    finally:
        for ends, _, _ in pairs:
            for end in ends:
                end.close(0)
        context.destroy(0)
    return MessageCost(least[0], least[1], least[2], COMPILED)


def _probed(end: Any, recordings: Recordings, mask: int | None) -> Recording:
    recording = Recording("cost", f"{mask}", "PAIR")
    probe(end, recording, recordings, _open)
    return recording


def _open(_direction: Direction, _frames: Sequence[Any]) -> int:
    return 1


def _batch(ends: tuple[Any, Any]) -> float:
    send, recv = ends[0].send, ends[1].recv
    began = perf_counter()
    for _ in range(_BATCH):
        send(_BODY)
    for _ in range(_BATCH):
        recv()
    return (perf_counter() - began) / _BATCH
