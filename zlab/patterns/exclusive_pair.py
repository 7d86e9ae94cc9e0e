"""The exclusive pair: two peers, one line between them, nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded
from zlab.patterns.judging import all_hear, last_failure
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import restart
from zlab.sockets import DEALER, PAIR, node_of
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab


@dataclass
class Ping:
    """Signal, and wait a second at most for the answer: PAIR knows no lockstep that would forbid to go on."""

    rate: float
    size: int

    def __call__(self, line: zmq.Socket[bytes]) -> None:
        """Send ``ping 0``, receive ``pong 0``, send ``ping 1``, ..."""
        for i in paced(line, lambda: self.rate):
            line.send(padded(f"ping {i} ", self.size))
            while line.poll(1000):
                if line.recv().startswith(b"pong %d " % i):
                    break


def pong(line: zmq.Socket[bytes]) -> None:
    """Answer each ``ping`` with its ``pong``."""
    while True:
        line.send(line.recv().replace(b"ping", b"pong", 1))


def nobody_else(lab: Lab) -> str:
    """Judge that the game goes on, and that two play it."""
    passages = lab.passages()
    players = {node_of(p.receiver) for p in passages if p.received is not None and node_of(p.sender) == "ping"}
    if len(players) > 1:
        raise CheckFailed(f"ping is heard by {' and '.join(sorted(players))}: that line is not exclusive")
    return f"{all_hear(passages, ['ping'], last_failure(lab))} pongs since the last failure, and two alone on the line."


def open_to_all() -> Topology:
    """DEALER in the place of PAIR: a third peer takes its share of what was said to the second."""
    line = DEALER.connect("line")
    nodes = [Node(name, pong, line=line) for name in ("pong", "pong-2")]
    return Topology("open_to_all", [Node("ping", Ping(100, 100), line=DEALER.bind("line")), *nodes])


@pattern(
    Guide(
        title="Exclusive pair",
        chapter=2,
        rfcs=(31,),
        see="two peers, and nobody else on the line",
        promise="whom a peer is paired with hears all of it, and nobody else does",
        failure="restart one of the two",
        inject=restart("ping"),
        check=nobody_else,
        naive=open_to_all,
    )
)
def exclusive_pair(*, rate: float = 20.0, size: int = 100, hwm: int = 1000) -> Topology:
    """PAIR and PAIR: two peers play ping-pong on a line of their own.

    ::

        ping PAIR --------- PAIR pong

    Look for what is missing: no lockstep, no filter, no routing, no third peer. Whoever else connects is
    turned away. Kill ``pong``: ``ping`` blocks in ``send`` until its peer is back, then goes on. The guide
    keeps PAIR for threads that signal each other over ``inproc``: over ``tcp`` it works, and is rarely right.

    Args:
        rate: pings per second, at most: each waits for its pong.
        size: bytes of a signal.
        hwm: high-water mark of both sockets, in messages; 0 is no limit.

    Returns:
        Nodes ``ping`` and ``pong``; ``ping`` binds ``line``.

    Raises:
        ValueError: a negative rate or hwm, fewer than 16 bytes.

    See the ZeroMQ Guide, chapter 2, "Signaling Between Threads (PAIR Sockets)", and RFC 31/EXPAIR.
    """
    at_least(0, rate=rate, hwm=hwm)
    at_least(16, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    return Topology(
        "exclusive_pair",
        [
            Node("ping", Ping(rate, size), line=PAIR.bind("line", **marks)),
            Node("pong", pong, line=PAIR.connect("line", **marks)),
        ],
    )
