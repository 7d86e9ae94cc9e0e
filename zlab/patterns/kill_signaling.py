"""The pipeline that knows its end: a start signal, a batch of tasks, and a kill signal to all workers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least, paced, work
from zlab.patterns.judging import called, nothing_gone, once
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.trying import slow
from zlab.sockets import PUB, PULL, PUSH, SUB
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Ventilator:
    """Tell the sink that a batch begins, then deal it out."""

    rate: float
    size: int
    seconds: float
    batch: int

    def __call__(self, sender: ZMQSocket, sink: ZMQSocket) -> None:
        """Send the start signal, then one task after the other."""
        sink.send_json({"start": self.batch})
        for i in paced(sender, lambda: self.rate):
            if i == self.batch:
                return
            task = {"task_id": i, "seconds": self.seconds, "payload": ""}
            sender.send_json(task | {"payload": "." * (self.size - len(json.dumps(task)))})


def worker(receiver: ZMQSocket, sender: ZMQSocket, controller: ZMQSocket) -> None:
    """Take tasks and pass them on as done, until the controller says that it is over."""
    poller = zmq.Poller()
    poller.register(receiver, zmq.POLLIN)
    poller.register(controller, zmq.POLLIN)
    while True:
        ready = dict(poller.poll())
        if receiver in ready:
            task = json.loads(receiver.recv())
            work(receiver, task["seconds"])
            sender.send_json(task)
        elif controller in ready:
            controller.recv()
            return


def sink(receiver: ZMQSocket, controller: ZMQSocket) -> None:
    """Wait for the start of the batch, collect it, and kill the workers."""
    batch = json.loads(receiver.recv())["start"]
    for _ in range(batch):
        receiver.recv()
    controller.send(b"KILL")


def all_ended(lab: Lab) -> str:
    """Judge that every task was done once, and that every worker has ended by itself."""
    batch = lab.topology["ventilator"].function.batch  # type: ignore[attr-defined] # `Ventilator`'s
    results = once(lab.passages(), "sink") - 1  # the start signal
    if results < batch:
        raise NotYet(f"{results} of {batch} results have come")
    workers = called(lab, "worker")
    states = {node.name: node.state for node in lab.snapshot().nodes}
    running = [worker for worker in workers if states[worker] != "finished"]
    if running:
        raise NotYet(f"the batch is done, and {', '.join(running)} still wait: no kill signal has reached them")
    nothing_gone(lab)
    return f"{results} results, each once, and then {len(workers)} workers ended by themselves."


def unheard() -> Topology:
    """Workers that forgot to subscribe to the controller: the kill signal reaches nobody."""
    topology = kill_signaling(rate=100)
    deaf = {"controller": SUB.connect("controller")}
    nodes = (
        Node(node.name, node.function, **{**node.sockets, **deaf}) if node.function is worker else node
        for node in topology.nodes
    )
    return Topology("unheard", nodes)


@pattern(
    Guide(
        title="Parallel pipeline with kill signaling",
        chapter=2,
        rfcs=(29, 30),
        see="a start signal, a batch, and a kill signal by which all workers end",
        promise="every task of the batch is done once, and then every worker ends by itself",
        failure="slow one worker down",
        inject=slow("worker-1", 0.05, messages=20),
        check=all_ended,
        naive=unheard,
    )
)
def kill_signaling(
    workers: int = 3, *, rate: float = 30.0, size: int = 100, hwm: int = 1000, seconds: float = 0.02, batch: int = 50
) -> Topology:
    """PUSH and PULL with PUB and SUB: a batch of tasks, and a signal that ends all workers.

    ::

                           +--- PULL worker-1 PUSH ---+
        ventilator PUSH ---+--- PULL worker-2 PUSH ---+--- PULL sink PUB
             PUSH          +--- PULL worker-3 PUSH ---+    |         |
              |                SUB SUB SUB                 |         |
              +---------------- start ---------------------+         |
                                +--------------- KILL ---------------+

    Look for the end: when the sink has the whole batch it publishes ``KILL``, and all workers are finished. Each
    waits for tasks and for the signal at once, with a Poller. Restart the workers, the sink and then the ventilator
    for another batch.

    Args:
        workers: how many work side by side.
        rate: tasks per second.
        size: bytes of a task, and of a result.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a task.
        batch: how many tasks there are.

    Returns:
        Nodes ``ventilator``, ``worker-1``, ``worker-2``, ... and ``sink``; the ventilator binds ``tasks``, the sink
        ``results`` and ``controller``.

    Raises:
        ValueError: no workers or tasks, a negative rate, hwm or time, fewer than 64 bytes.

    See the ZeroMQ Guide, chapter 2, "Handling Errors and ETERM", RFC 29/PUBSUB and RFC 30/PIPELINE.
    """
    at_least(1, workers=workers, batch=batch)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(64, size=size)
    takes, gives = PULL.connect("tasks", rcvhwm=hwm), PUSH.connect("results", sndhwm=hwm)
    told = SUB.connect("controller", rcvhwm=hwm, subscribe="")
    return Topology(
        "kill_signaling",
        [
            Node(
                "ventilator", Ventilator(rate, size, seconds, batch), sender=PUSH.bind("tasks", sndhwm=hwm), sink=gives
            ),
            *(
                Node(f"worker-{i}", worker, receiver=takes, sender=gives, controller=told)
                for i in range(1, workers + 1)
            ),
            Node(
                "sink",
                sink,
                receiver=PULL.bind("results", rcvhwm=hwm),
                controller=PUB.bind("controller", sndhwm=hwm),
            ),
        ],
    )
