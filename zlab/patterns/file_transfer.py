"""File transfer: a client asks for a file chunk by chunk, and for no more chunks at once than it has credit for."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from random import Random
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced
from zlab.patterns.judging import called, nothing_gone, received
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.trying import slow
from zlab.sockets import DEALER, ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    import zmq

    from zlab.followed import Passage
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

LARGEST = 1_000_000
"""Bytes of the largest chunk that is sent: who asks for more, or for what is no chunk, gets none."""
_TOLD = 4096  # bytes of a frame that a lab remembers


def contents(name: bytes, size: int) -> bytes:
    """What is in the file of that name, which is so many bytes long."""
    return Random(name).randbytes(size)  # noqa: S311 - it must be the same each time


@dataclass
class Server:
    """Send chunks of files to whoever asks for them."""

    names: Sequence[bytes]
    length: int

    def __call__(self, server: ZMQSocket) -> None:
        """Answer each request by one chunk: the server need not know who is slow, or how far each client is."""
        with ExitStack() as stack:
            files = {name: stack.enter_context(TemporaryFile()) for name in self.names}
            for name, file in files.items():
                file.write(contents(name, self.length))
            while True:
                client, *request = server.recv_multipart()
                with suppress(ValueError, KeyError, OverflowError):  # what is no request is not answered
                    command, name, offset, size = request
                    if command == b"fetch":
                        server.send_multipart([client, offset, chunk(files[name], int(offset), int(size))])


def chunk(file: BinaryIO, offset: int, size: int) -> bytes:
    """A part of a file, b"" beyond its end.

    Raises:
        ValueError: there can be no such part, or it is too large.
    """
    if offset < 0 or not 0 < size <= LARGEST:
        raise ValueError(f"{size} bytes at {offset} are no chunk: ask for 1 to {LARGEST:,}, at 0 or beyond")
    file.seek(offset)
    return file.read(size)


@dataclass
class Client:
    """Fetch a file in chunks, some of which are always under way."""

    name: bytes
    rate: float
    size: int
    credit: int

    def __call__(self, client: ZMQSocket) -> None:
        """Ask while there is credit; a chunk that has come gives one back. A short one was the last."""
        offset, credit, more = 0, self.credit, True
        with TemporaryFile() as file:
            for _ in paced(client, lambda: self.rate):
                while credit and more:
                    client.send_multipart([b"fetch", self.name, b"%d" % offset, b"%d" % self.size])
                    offset += self.size
                    credit -= 1
                at, data = client.recv_multipart()
                credit += 1
                file.seek(int(at))
                file.write(data)
                more = more and len(data) == self.size
                if credit == self.credit and not more:
                    return


def arrived_whole(lab: Lab) -> str:
    """Judge that every file has arrived, byte for byte, and was never further under way than its credit."""
    passages, clients = lab.passages(), called(lab, "client")
    length = lab.topology["server"].function.length  # type: ignore[attr-defined] # `Server`'s, or the naive one's
    nothing_gone(lab)
    chunks = 0
    for name in clients:
        client: Client = lab.topology[name].function  # type: ignore[assignment] # it is one
        came = [p for p in received(passages, name) if p.body]  # what lies beyond the end is empty
        most, file = crowd(came), contents(client.name, length)
        if most > client.credit:
            raise CheckFailed(f"{most} chunks were under way to {name} at once: it has credit for {client.credit}")
        parts = {int(p.frames[-2]): p.frames[-1] for p in came}
        for start in range(0, length, client.size):
            if start not in parts:
                raise NotYet(f"{name} has received {len(parts)} chunks, and not the one that begins at byte {start:,}")
            if parts[start] != file[start : start + client.size][:_TOLD]:
                raise CheckFailed(f"the chunk of {name} that begins at byte {start:,} is not what the file has there")
        chunks += len(parts)
    return f"{len(clients)} files of {length:,} bytes have arrived whole, in {chunks} chunks, never too many at once."


def crowd(chunks: Sequence[Passage]) -> int:
    """How many of these were under way at once, at most."""
    steps = sorted([(p.sent, 1) for p in chunks] + [(p.received or 0.0, -1) for p in chunks])
    under_way = most = 0
    for _, step in steps:
        under_way += step
        most = max(most, under_way)
    return most


def again(lab: Lab) -> None:
    """Slow one client down; those that have their files already fetch them once more."""
    for node in lab.snapshot().nodes:
        if node.state == "finished":
            lab.restart(node.name)
    slow("client-1", 0.05, messages=60)(lab)


def all_at_once() -> Topology:
    """A server that sends the whole file at the first request: a client that is slow has it all in its queue."""

    @dataclass
    class Eager(Server):
        def __call__(self, server: ZMQSocket) -> None:
            while True:
                client, _, name, offset, size = server.recv_multipart()
                file = contents(name, self.length)
                for start in range(0, self.length, int(size)) if offset == b"0" else ():
                    server.send_multipart([client, b"%d" % start, file[start : start + int(size)]])

    @dataclass
    class Patient(Client):
        def __call__(self, client: ZMQSocket) -> None:
            client.send_multipart([b"fetch", self.name, b"0", b"%d" % self.size])
            for _ in paced(client, lambda: self.rate):
                client.recv_multipart()

    def careless(node: Node) -> Node:
        function = node.function
        if isinstance(function, Server):
            return Node(node.name, Eager(function.names, function.length), **node.sockets)
        assert isinstance(function, Client)  # noqa: S101 - there are no others
        fetch = Patient(function.name, function.rate, function.size, function.credit)
        return Node(node.name, fetch, **node.sockets)

    return Topology("all_at_once", map(careless, file_transfer(rate=100).nodes))


@pattern(
    Guide(
        title="File transfer with credit-based flow control",
        chapter=7,
        rfcs=(28, 35),
        see="chunks come as fast as each client takes them, and never more than it has credit for are under way",
        promise="every file arrives whole, byte for byte, and no queue grows beyond the credit",
        failure="slow one client down",
        inject=again,
        check=arrived_whole,
        naive=all_at_once,
    )
)
def file_transfer(
    clients: int = 3, *, rate: float = 20.0, size: int = 1000, hwm: int = 1000, credit: int = 10, chunks: int = 100
) -> Topology:
    """DEALER and ROUTER: each client fetches a file in chunks, with credit for so many at once.

    ::

        client-1 DEALER ---+
        client-2 DEALER ---+--- ROUTER server       fetch, name, offset, size  -->
        client-3 DEALER ---+                                   <--  offset, chunk

    Look for the queues: a client asks for ten chunks at once and then for one more whenever one has come. So the
    connection is always busy, and never more than ten chunks of a client wait anywhere: a slow client costs the
    server no memory, and the others no time. A server that sends the whole file at once fills the queue of whoever is
    slow, and once that reaches the high-water mark, a ROUTER drops the rest of the file without a word.

    A client ends when it has its file, and fetches it again when it is restarted.

    Args:
        clients: how many fetch, each a file of its own.
        rate: chunks per second that each client takes, as a disk would.
        size: bytes of a chunk.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        credit: how many chunks a client may have under way.
        chunks: how many a file has.

    Returns:
        Nodes ``client-1``, ``client-2``, ... and ``server``; the server binds ``files``.

    Raises:
        ValueError: no clients, credit or chunks, a negative rate or hwm, fewer than 16 bytes.

    See the ZeroMQ Guide, chapter 7, "Transferring Files", and RFC 28/REQREP; RFC 35/FILEMQ has grown out of it.
    """
    at_least(1, clients=clients, credit=credit, chunks=chunks)
    at_least(0, rate=rate, hwm=hwm)
    at_least(16, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    names = {f"client-{i}": b"file-%d" % i for i in range(1, clients + 1)}
    peer = DEALER.connect("files", **marks)
    length = (chunks - 1) * size + size // 2  # the last chunk is a short one
    return Topology(
        "file_transfer",
        [
            *(Node(name, Client(file, rate, size, credit), client=peer) for name, file in names.items()),
            Node("server", Server(tuple(names.values()), length), server=ROUTER.bind("files", **marks)),
        ],
    )
