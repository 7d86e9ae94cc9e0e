"""ZMQ_AFFINITY and ZMQ_IO_THREADS: which of the context's threads does the I/O of a socket."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from zlab.nodes import sink, source
from zlab.options.option import CheckFailed, NotYet, option, passing
from zlab.sockets import PULL, PUSH
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

_TASKS = Path("/proc/self/task")
_ENOUGH = 0.02  # seconds of processor time, from which on a share means something
_SHARE = 0.1


def worked() -> tuple[float, float]:
    """The processor time that the first and the second I/O thread of every context here have taken, in seconds.

    Raises:
        CheckFailed: this system does not tell.
    """
    if not _TASKS.exists():
        raise CheckFailed("only Linux tells what each thread has done (/proc/self/task)")
    spent = {"ZMQbg/IO/0": 0.0, "ZMQbg/IO/1": 0.0}
    for task in _TASKS.iterdir():
        try:
            name, nanoseconds = (task / "comm").read_text().strip(), (task / "schedstat").read_text().split()[0]
        except OSError:  # it has ended meanwhile
            continue
        if name in spent:
            spent[name] += int(nanoseconds) / 1e9
    return spent["ZMQbg/IO/0"], spent["ZMQbg/IO/1"]


def first_alone(_: Lab) -> str:
    """Judge that the first I/O thread does all the work."""
    first, second = worked()
    if first + second < _ENOUGH:
        raise NotYet("there was little to do yet")
    if second > _SHARE * (first + second):
        raise CheckFailed(f"the second I/O thread has worked too: {second:.3f} s, beside {first:.3f} s of the first")
    return f"The first I/O thread has worked for {first:.3f} s, the second for {second:.3f} s."


@option(
    "ZMQ_AFFINITY, ZMQ_IO_THREADS",
    without=0,
    see="two I/O threads in each context: both at work, or the one that was chosen",
    promise="the I/O of a socket is done by the threads that it names",
    trial="send as fast as it goes",
    inject=passing(5_000),
    check=first_alone,
    transports=("ipc", "tcp"),
    source="man pages zmq_setsockopt and zmq_ctx_set",
)
def affinity(value: int = 1) -> Topology:
    """Affinity: each context has two I/O threads, and the sockets name the first of them.

    ZMQ_IO_THREADS is the context's: ``zlab.Topology(..., io_threads=2)``. A connection is served by one thread, the
    least busy of those allowed; one thread is enough for about a gigabyte a second. What shows is who does the work;
    that more threads make it faster shows with many connections, on a machine with cores to spare. ``inproc`` has no
    I/O, and needs no thread. The figures are of all labs of this process that have two.

    Args:
        value: a bit for each thread, the first in the lowest: 1 is the first alone, 0 is any.

    Returns:
        Nodes ``source`` and ``sink``.

    See the man pages ``zmq_setsockopt`` and ``zmq_ctx_set``.
    """
    return Topology(
        "affinity",
        [
            Node("source", source(rate=math.inf, size=1000), out=PUSH.bind("work", affinity=value)),
            Node("sink", sink(), inbox=PULL.connect("work", affinity=value)),
        ],
        io_threads=2,
    )
