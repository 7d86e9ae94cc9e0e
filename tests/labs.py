"""What the tests of labs share: small topologies, and what must be left behind: nothing."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import zmq
from nbclient import NotebookClient
from traitlets.config import Config

import zlab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbformat import NotebookNode

TRANSPORTS = ("inproc", "ipc", "tcp")
LIMIT = 15.0


def eventually(condition: Callable[[], object], limit: float = LIMIT) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"it never came to be so within {limit:g} s"
        threading.Event().wait(0.01)


def belongings() -> tuple[list[str], set[str], set[str]]:
    """Open files, zlab's threads, and zlab's files."""
    threads = {t.name for t in threading.enumerate() if t.name.startswith("zlab")}
    paths = {path.name for path in Path(tempfile.gettempdir()).glob("zlab-*")}
    return sorted(map(_file, Path("/proc/self/fd").iterdir())), threads, paths


def _file(fd: Path) -> str:
    try:
        return str(fd.readlink()).partition(":[")[0]
    except FileNotFoundError:  # closed meanwhile, as the one that lists them is
        return "closed"


@contextmanager
def leaving_nothing() -> Iterator[None]:
    """Whatever is started within is gone after."""
    zmq.Context.instance()  # pyzmq's own, which it keeps
    files, threads, paths = belongings()
    yield
    left: dict[str, object] = {}

    def gone() -> bool:
        now = belongings()
        left["files"] = Counter(now[0]) - Counter(files) if len(now[0]) > len(files) else None
        left["threads"], left["paths"] = now[1] - threads, now[2] - paths
        return not any(left.values())

    try:
        eventually(gone)
    except AssertionError as error:
        raise AssertionError(f"left behind: {left}") from error


def sending(*bodies: bytes) -> Callable[..., None]:
    """A node that sends these and finishes."""

    def send(out: zmq.Socket[bytes]) -> None:
        for body in bodies:
            out.send(body)

    return send


def receiving(inbox: zmq.Socket[bytes]) -> None:
    """A node that receives for ever."""
    while True:
        inbox.recv()


def idle(inbox: zmq.Socket[bytes]) -> None:
    """A node that has a socket and does not read it."""
    inbox.poll(None, zmq.POLLERR)


def one_way(
    send: Callable[..., object],
    receive: Callable[..., object] = receiving,
    *,
    types: tuple[zlab.topology.SocketType, zlab.topology.SocketType] = (zlab.PUSH, zlab.PULL),
    hwm: int = 1000,
) -> zlab.Topology:
    """Two nodes and a link."""
    out, inbox = types
    extra = {"subscribe": ""} if inbox is zlab.SUB else {}
    return zlab.Topology(
        "one way",
        [
            zlab.Node("sender", send, out=out.bind("link", sndhwm=hwm)),
            zlab.Node("receiver", receive, inbox=inbox.connect("link", rcvhwm=hwm, **extra)),
        ],
    )


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run all cells of a notebook; over ipc, for whoever tests beside it may take the ports that a kernel was given."""
    with tempfile.TemporaryDirectory(prefix="k") as short:
        client = NotebookClient(
            notebook,
            timeout=60,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            config=Config(KernelManager={"transport": "ipc", "ip": f"{short}/k"}),
        )
        asyncio.run(client.async_execute())
