"""ZMQ_IMMEDIATE: queue only for peers that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.nodes import sink, source
from zlab.options.option import CheckFailed, NotYet, option, sockets
from zlab.patterns.judging import last_failure
from zlab.sockets import PULL, PUSH
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

_MANY = 20  # messages that wait for a worker who is dead


def kill(lab: Lab) -> None:
    """Kill a worker, and let its colleague go on."""
    lab.wait_ready()
    lab.kill("worker-2")
    lab.wait(messages=60)


def none_waits(lab: Lab) -> str:
    """Judge that nothing waits for a peer that is not there."""
    figures = sockets(lab)
    came = figures["worker-1.inbox"].received + figures["worker-2.inbox"].received
    waiting = max(0, figures["source.out"].sent - came)
    if waiting > _MANY:
        raise CheckFailed(f"{waiting} messages were put aside for worker-2, which is dead, while worker-1 is idle")
    if not last_failure(lab):
        raise NotYet("nobody was killed yet")
    return f"Since worker-2 is dead, worker-1 gets all; {waiting} messages were under way or are."


@option(
    "ZMQ_IMMEDIATE",
    without=0,
    see="kill a worker that binds: every other message waits for it, or none does",
    promise="messages go only to peers whose connection stands",
    trial="kill one of two workers",
    inject=kill,
    check=none_waits,
    transports=("ipc", "tcp"),
)
def immediate(value: int = 1) -> Topology:
    """Immediate: a PUSH that connects to two workers, of which one dies.

    A socket that connects has a queue for its peer at once, and deals messages to it whether anybody is there or
    not. With ZMQ_IMMEDIATE the queue comes with the connection, and goes with it. Over ``inproc`` there is no
    connection that could break.

    Args:
        value: 1 waits for the connection, 0 queues without.

    Returns:
        Nodes ``source``, ``worker-1`` and ``worker-2``.

    See the man page ``zmq_setsockopt``.
    """
    return Topology(
        "immediate",
        [
            Node("source", source(rate=200), out=PUSH.connect("one", "two", immediate=value)),
            Node("worker-1", sink(), inbox=PULL.bind("one")),
            Node("worker-2", sink(), inbox=PULL.bind("two")),
        ],
    )
