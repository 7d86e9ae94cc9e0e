"""The pipeline: a ventilator deals out tasks, workers do them, a sink collects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.nodes import at_least, paced, sink, work
from zlab.patterns.judging import all_hear, called, nothing_gone, once
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.trying import slow
from zlab.sockets import PUB, PULL, PUSH, SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    import zmq

    from zlab.lab import Lab


@dataclass
class Ventilator:
    """Deal out numbered tasks."""

    rate: float
    size: int
    seconds: float

    def __call__(self, tasks: zmq.Socket[bytes]) -> None:
        """Send one task after the other."""
        for i in paced(tasks, lambda: self.rate):
            task = {"task_id": i, "seconds": self.seconds, "payload": ""}
            tasks.send_json(task | {"payload": "." * (self.size - len(json.dumps(task)))})


def worker(tasks: zmq.Socket[bytes], results: zmq.Socket[bytes]) -> None:
    """Take a task, spend the time that it asks for, pass it on as done."""
    while True:
        task = json.loads(tasks.recv())
        work(tasks, task["seconds"])
        results.send_json(task)


def each_task_once(lab: Lab) -> str:
    """Judge that every worker works, that no task is done twice, and that none is gone."""
    passages, workers = lab.passages(), called(lab, "worker")
    tasks = all_hear(passages, workers)
    once(passages, *workers)
    results = once(passages, "sink")
    nothing_gone(lab)
    return f"{tasks} tasks dealt out to {len(workers)} workers, {results} results, none twice, none gone."


def published() -> Topology:
    """PUB in the place of PUSH: every worker does every task."""
    takes, gives = SUB.connect("tasks", subscribe=""), PUSH.connect("results")
    return Topology(
        "published",
        [
            Node("ventilator", Ventilator(100, 100, 0.005), tasks=PUB.bind("tasks")),
            *(Node(f"worker-{i}", worker, tasks=takes, results=gives) for i in range(1, 4)),
            Node("sink", sink(), inbox=PULL.bind("results")),
        ],
    )


@pattern(
    Guide(
        title="Parallel pipeline",
        chapter=1,
        rfcs=(30,),
        see="tasks dealt out and collected; queues fill, then the sender waits",
        promise="every task is done by one worker, and its result comes",
        failure="slow one worker down",
        inject=slow("worker-1"),
        check=each_task_once,
        naive=published,
    )
)
def pipeline(
    workers: int = 3, *, rate: float = 30.0, size: int = 100, hwm: int = 1000, seconds: float = 0.05
) -> Topology:
    """PUSH and PULL: a ventilator deals tasks out to workers, a sink collects the results.

    ::

                               +--- PULL worker-1 PUSH ---+
        ventilator PUSH -------+--- PULL worker-2 PUSH ---+------ PULL sink
                               +--- PULL worker-3 PUSH ---+

    Look for fan-out and fair queuing: each worker gets its turn, the sink takes from each in turn. Make the
    workers too slow for the rate: queues fill to the high-water mark, then the ventilator itself must wait,
    and nothing is lost. Over ``tcp`` the first worker to connect gets more than its share at first.

    Args:
        workers: how many work side by side.
        rate: tasks per second; the workers keep up with ``workers / seconds`` of them.
        size: bytes of a task, and of a result.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a task.

    Returns:
        Nodes ``ventilator``, ``worker-1``, ``worker-2``, ... and ``sink``; the ventilator binds ``tasks``,
        the sink ``results``.

    Raises:
        ValueError: no workers, a negative rate, hwm or time, fewer than 64 bytes.

    See the ZeroMQ Guide, chapter 1, "Divide and Conquer", and RFC 30/PIPELINE.
    """
    at_least(1, workers=workers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(64, size=size)
    takes, gives = PULL.connect("tasks", rcvhwm=hwm), PUSH.connect("results", sndhwm=hwm)
    return Topology(
        "pipeline",
        [
            Node("ventilator", Ventilator(rate, size, seconds), tasks=PUSH.bind("tasks", sndhwm=hwm)),
            *(Node(f"worker-{i}", worker, tasks=takes, results=gives) for i in range(1, workers + 1)),
            Node("sink", sink(), inbox=PULL.bind("results", rcvhwm=hwm)),
        ],
    )
