"""A program in plain pyzmq: the threads, contexts and socket options that it has in a lab, and nothing else."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import zmq

from zlab.runtime.endpoints import Endpoints
from zlab.runtime.options import apply_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zlab.bench.programs import Program
    from zlab.sockets import Socket
    from zlab.topology import Topology

    ZMQSocket = zmq.Socket[bytes]


def plain(program: Program, transport: str) -> float:
    """Run a program to its end; returns messages per second.

    As in a lab, each node has a context of its own, or over inproc all have the same.
    """
    nodes = program.topology.nodes
    shared = zmq.Context() if transport == "inproc" else None
    contexts: list[zmq.Context[Any]] = [shared if shared is not None else zmq.Context() for _ in nodes]
    sockets: dict[str, dict[str, ZMQSocket]] = {node.name: {} for node in nodes}
    threads: list[threading.Thread] = []
    over = threading.Event()
    try:
        for node, context in zip(nodes, contexts, strict=True):
            for key, spec in node.sockets.items():
                sockets[node.name][key] = context.socket(getattr(zmq, spec.type))
        _meet(program.topology, sockets, Endpoints(transport))
        for node in nodes:
            given = (node.function, sockets[node.name], over)
            threads.append(threading.Thread(target=_main, args=given, name=node.name, daemon=True))
        for thread in threads:
            thread.start()
        return program.rate()
    finally:
        over.set()
        if not threads:
            for mine in sockets.values():
                _close(mine)
        for context in contexts:
            context.term()  # what is blocked ends, and closes its own
        for thread in threads:
            thread.join()


def _meet(topology: Topology, sockets: dict[str, dict[str, ZMQSocket]], endpoints: Endpoints) -> None:
    def each() -> Iterator[tuple[str, Socket, ZMQSocket]]:
        for node in topology.nodes:
            for key, spec in node.sockets.items():
                yield f"{node.name}.{key}", spec, sockets[node.name][key]

    for name, spec, socket in each():
        apply_options(name, spec, socket)
        for endpoint in spec.binds:
            socket.bind(endpoints.to_bind(endpoint))
            endpoints.bound(endpoint, socket.getsockopt_string(zmq.LAST_ENDPOINT))
    for _, spec, socket in each():
        for endpoint in spec.connects:
            socket.connect(endpoints.of(endpoint))


def _main(function: Callable[..., object], sockets: dict[str, ZMQSocket], over: threading.Event) -> None:
    try:
        with suppress(zmq.ContextTerminated):
            function(**sockets)
        over.wait()  # closed earlier, a socket would take with it what has not yet crossed
    finally:
        _close(sockets)


def _close(sockets: dict[str, ZMQSocket]) -> None:
    for socket in sockets.values():
        socket.close(0)
