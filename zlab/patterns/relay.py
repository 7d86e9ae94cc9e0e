"""The relay: one thread signals the next that it is ready, and that one the one after."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded
from zlab.patterns.judging import received
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.trying import kill
from zlab.sockets import PAIR, PULL, PUSH
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab


@dataclass
class Step1:
    """Be ready again and again, and say so."""

    rate: float
    size: int

    def __call__(self, xmitter: zmq.Socket[bytes]) -> None:
        """Signal ``READY 0``, ``READY 1``, ..."""
        for i in paced(xmitter, lambda: self.rate):
            xmitter.send(padded(f"READY {i} ", self.size))


def step2(receiver: zmq.Socket[bytes], xmitter: zmq.Socket[bytes]) -> None:
    """Wait for the signal, and pass it on."""
    while True:
        xmitter.send(receiver.recv())


def step3(receiver: zmq.Socket[bytes]) -> None:
    """Wait for the signal."""
    while True:
        receiver.recv()


def in_order(lab: Lab) -> str:
    """Judge that the last step has heard what the first one said, from the first signal on, and none left out."""
    passages = lab.passages()
    said = [_number(p.body) for p in passages if p.sender == "step-1.xmitter" and p.frames]
    heard = [_number(p.body) for p in received(passages, "step-3") if p.frames]
    if not heard:
        raise NotYet("no signal has reached step-3")
    for expected, number in zip(count(min(said)), heard, strict=False):
        if number != expected:
            raise CheckFailed(f"step-3 has heard READY {number} where READY {expected} was due")
    return f"{len(heard)} signals have reached step-3 in their order, none left out."


def _number(body: bytes) -> int:
    found = re.match(rb"READY (\d+) ", body)
    return int(found[1]) if found else -1


def dealt() -> Topology:
    """PUSH and PULL in the place of PAIR: who comes along by mistake takes every other signal away."""
    return Topology(
        "dealt",
        [
            Node("step-1", Step1(100, 50), xmitter=PUSH.bind("step2")),
            Node("step-2", step2, receiver=PULL.connect("step2"), xmitter=PUSH.connect("step3")),
            Node("mistake", step3, receiver=PULL.connect("step2")),
            Node("step-3", step3, receiver=PULL.bind("step3")),
        ],
    )


@pattern(
    Guide(
        title="Signaling between threads",
        chapter=2,
        rfcs=(31,),
        see="a signal goes from thread to thread, and nothing else needs to be shared",
        promise="the last step hears every signal of the first in its order, up to where the chain breaks",
        failure="kill the step in the middle",
        inject=kill("step-2"),
        check=in_order,
        naive=dealt,
        transports=("inproc",),
    )
)
def relay(*, rate: float = 20.0, size: int = 50, hwm: int = 1000) -> Topology:
    """PAIR and PAIR over inproc: three threads, each ready when the one before it is.

    ::

        step-1 PAIR ------ PAIR step-2 PAIR ------ PAIR step-3

    Look for the order: step 3 hears each signal after step 2, and that after step 1. There is no lock and no
    shared variable. PAIR has one peer, so nobody else can take a signal away. Kill ``step-2``: ``step-1`` blocks
    in ``send``, and what was said before that has still arrived.

    Args:
        rate: signals per second.
        size: bytes of a signal.
        hwm: high-water mark of every socket, in messages; 0 is no limit.

    Returns:
        Nodes ``step-1``, ``step-2`` and ``step-3``; step 2 binds ``step2``, step 3 ``step3``.

    Raises:
        ValueError: a negative rate or hwm, fewer than 16 bytes.

    See the ZeroMQ Guide, chapter 2, "Signaling Between Threads (PAIR Sockets)", and RFC 31/EXPAIR.
    """
    at_least(0, rate=rate, hwm=hwm)
    at_least(16, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    return Topology(
        "relay",
        [
            Node("step-1", Step1(rate, size), xmitter=PAIR.connect("step2", **marks)),
            Node("step-2", step2, receiver=PAIR.bind("step2", **marks), xmitter=PAIR.connect("step3", **marks)),
            Node("step-3", step3, receiver=PAIR.bind("step3", **marks)),
        ],
    )
