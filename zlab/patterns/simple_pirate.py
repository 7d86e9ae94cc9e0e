"""The Simple Pirate: clients that ask again, and a queue of workers that are ready, so that one may die."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.nodes import at_least
from zlab.patterns.judging import all_hear, called, home, last_failure
from zlab.patterns.lazy_pirate import Pirate, asking, in_order
from zlab.patterns.load_balancing_broker import Worker, balance, load_balancing_broker
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import kill
from zlab.sockets import REQ, ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab


def nobody_waits(lab: Lab) -> str:
    """Judge that every client is answered after a worker's death, also the one whose request died with it."""
    passages, clients, since = lab.passages(), called(lab, "client"), last_failure(lab)
    replies = home(passages, clients)
    in_order(passages, clients)
    again = all_hear(passages, clients, since)
    alive = called(lab, "worker", alive=True)
    return f"{replies} replies, each once and to its client; {again} since the last failure, by {len(alive)} workers."


def without_retries() -> Topology:
    """The load-balancing broker as it is: whose request dies with a worker waits for ever."""
    topology = load_balancing_broker(rate=100)
    nodes = [node if node.name != "broker" else Node("queue", node.function, **node.sockets) for node in topology.nodes]
    return Topology("without_retries", nodes)


@pattern(
    Guide(
        title="Simple Pirate",
        chapter=4,
        rfcs=(28,),
        see="kill a worker, and its request is sent again, to another; restart the queue, and all stands still",
        promise="a worker may die, and every client is answered, also the one whose request died with it",
        failure="kill a worker",
        inject=kill("worker-1"),
        check=nobody_waits,
        naive=without_retries,
    )
)
def simple_pirate(
    clients: int = 3,
    workers: int = 2,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.02,
    timeout: float = 0.4,
    retries: int = 3,
) -> Topology:
    """REQ, ROUTER, ROUTER, REQ: Lazy Pirates before a queue of workers, which may die.

    ::

        client-1 REQ ---+                                +--- REQ worker-1
        client-2 REQ ---+--- ROUTER queue ROUTER --------+
        client-3 REQ ---+     those that are ready       +--- REQ worker-2
          poll, retry

    Look for the retry: kill a worker, and one client waits in vain, asks again, and is answered by another worker.
    The queue does not learn of the death: what it sends to the dead is dropped. Restart the queue, and everything
    stands still: the workers have said READY once, to the queue before. ``paranoid_pirate`` has the remedy.

    Args:
        clients: how many ask.
        workers: how many answer, each one request at a time.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a request.
        timeout: how long a client waits for an answer before it asks again, in seconds.
        retries: how often a client asks again before it gives up.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``queue``, ``worker-1``, ``worker-2``, ...; the queue binds
        ``frontend`` and ``backend``.

    Raises:
        ValueError: no clients or workers, a negative rate, hwm, time or number, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 4, "Basic Reliable Queuing (Simple Pirate Pattern)", and RFC 28/REQREP.
    """
    at_least(1, clients=clients, workers=workers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds, timeout=timeout, retries=retries)
    at_least(32, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    names = [f"client-{i}" for i in range(1, clients + 1)]
    answers = REQ.connect("backend", **marks)
    return Topology(
        "simple_pirate",
        [
            *(
                Node(name, Pirate(name, rate, size, timeout, retries), requests=asking("frontend", hwm))
                for name in names
            ),
            Node("queue", balance, frontend=ROUTER.bind("frontend", **marks), backend=ROUTER.bind("backend", **marks)),
            *(Node(f"worker-{i}", Worker(seconds), worker=answers) for i in range(1, workers + 1)),
        ],
    )
