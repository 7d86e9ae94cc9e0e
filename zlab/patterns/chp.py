"""The Clustered Hashmap Protocol, RFC 12: its messages, and the map that a server keeps and its clients copy."""

from __future__ import annotations

import math
import re
import struct
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import zmq

    ZMQSocket = zmq.Socket[bytes]

ICANHAZ, KTHXBAI, HUGZ = b"ICANHAZ?", b"KTHXBAI", b"HUGZ"
MOST = 10_000
"""Keys that a server keeps at most: beyond that, new ones are refused."""
_REQUEST, _UPDATE, _UUID = 2, 5, 16  # frames, frames, bytes
_SEQUENCE = struct.Struct("!Q")
_SUBTREE = re.compile(rb"(/[^/]+)+/")
_PROPERTIES = re.compile(rb"([^=\n]+=[^\n]*\n)*")


@dataclass
class KVMsg:
    """A key and its value, on their way: KVSYNC, KVPUB and KVSET alike, and KTHXBAI and HUGZ, which are so named."""

    key: bytes
    body: bytes = b""
    """b"" deletes the key."""
    sequence: int = 0
    uuid: bytes = b""
    properties: dict[bytes, bytes] = field(default_factory=dict)

    @classmethod
    def parse(cls, frames: Sequence[bytes]) -> KVMsg:
        """Read what has come.

        Raises:
            ValueError: it is malformed.
        """
        if len(frames) != _UPDATE:
            raise ValueError(f"{len(frames)} frames are no update: it has {_UPDATE}")
        key, sequence, uuid, properties, body = frames
        if not key or len(sequence) != _SEQUENCE.size or len(uuid) not in {0, _UUID}:
            raise ValueError(f"no key, or no sequence number of 8 bytes, or no UUID of {_UUID}: {frames[:3]}")
        if not _PROPERTIES.fullmatch(properties):
            raise ValueError(f"properties are lines of name=value, and not {properties!r}")
        pairs = dict(line.split(b"=", 1) for line in properties.splitlines())
        message = cls(key, body, int.from_bytes(sequence), uuid, pairs)
        if not 0 <= message.ttl < math.inf:
            raise ValueError(f"a time to live is in seconds, and not {pairs[b'ttl']!r}")
        return message

    def send(self, socket: ZMQSocket, *envelope: bytes) -> None:
        """Send it; a ROUTER has the identity of its peer as the envelope."""
        properties = b"".join(b"%s=%s\n" % pair for pair in self.properties.items())
        sequence = _SEQUENCE.pack(self.sequence)
        socket.send_multipart([*envelope, self.key, sequence, self.uuid, properties, self.body])

    @property
    def ttl(self) -> float:
        """How long the value is to live, in seconds; 0 is for ever."""
        return float(self.properties.get(b"ttl", 0))


def recv(socket: ZMQSocket) -> KVMsg | None:
    """The message that comes next; None if it is malformed, and to be discarded."""
    try:
        return KVMsg.parse(socket.recv_multipart())
    except ValueError:
        return None


class Hashmap:
    """Key-value pairs, as they are after so many updates."""

    def __init__(self) -> None:
        """Begin without any."""
        self.pairs: dict[bytes, KVMsg] = {}
        self.sequence = 0
        """That of the last update."""
        self._ends: dict[bytes, float] = {}  # when ephemeral values are to be deleted

    def store(self, message: KVMsg) -> None:
        """Set its key to its value, or delete it if there is none."""
        self._ends.pop(message.key, None)
        if message.body:
            self.pairs[message.key] = message
            if message.ttl:
                self._ends[message.key] = time.monotonic() + message.ttl
        else:
            self.pairs.pop(message.key, None)

    def apply(self, message: KVMsg | None) -> bool:
        """Store a KVPUB, unless it is older than what is known; whether it was newer."""
        if message is None or message.key == HUGZ or message.sequence <= self.sequence:
            return False
        self.sequence = message.sequence
        self.store(message)
        return True

    def accept(self, message: KVMsg | None) -> KVMsg | None:
        """Store a KVSET; the KVPUB that is to be published, or None if it is refused."""
        if message is None or message.key in {HUGZ, KTHXBAI, ICANHAZ}:
            return None
        if message.key not in self.pairs and len(self.pairs) >= MOST:
            return None
        update = replace(message, sequence=self.sequence + 1)
        self.apply(update)
        return update

    def expired(self) -> Iterator[KVMsg]:
        """Delete what has lived for longer than its TTL; the KVPUBs that are to be published."""
        now = time.monotonic()
        for key in [key for key, end in self._ends.items() if end <= now]:
            update = KVMsg(key, sequence=self.sequence + 1)
            self.apply(update)
            yield update


def answer(snapshot: ZMQSocket, kvmap: Hashmap, willing: Callable[[], bool] = lambda: True) -> None:
    """Answer an ICANHAZ on a ROUTER by KVSYNCs and KTHXBAI, if willing; what is no such request is not answered."""
    client, *request = snapshot.recv_multipart()
    if len(request) != _REQUEST or request[0] != ICANHAZ or not (request[1] == b"" or is_subtree(request[1])):
        return
    if not willing():
        return
    subtree, highest = request[1], 0
    for key, pair in kvmap.pairs.items():
        if key.startswith(subtree):
            KVMsg(key, pair.body, pair.sequence).send(snapshot, client)
            highest = max(highest, pair.sequence)
    KVMsg(KTHXBAI, subtree, highest).send(snapshot, client)


def synchronise(snapshot: ZMQSocket, subtree: bytes = b"", patience: float | None = None) -> Hashmap:
    """Ask on a DEALER for a snapshot of a subtree, and wait until it is whole.

    Args:
        snapshot: connected to a server.
        subtree: b"" is everything.
        patience: how long to wait for each message, in seconds; None is for ever.

    Raises:
        TimeoutError: patience has run out.
    """
    while snapshot.poll(0):
        snapshot.recv_multipart()  # it came too late for who asked before
    kvmap = Hashmap()
    snapshot.send_multipart([ICANHAZ, subtree])
    while snapshot.poll(None if patience is None else round(patience * 1000)):
        message = recv(snapshot)
        if message and message.key == KTHXBAI:
            kvmap.sequence = message.sequence
            return kvmap
        if message:
            kvmap.store(message)
    raise TimeoutError("no snapshot has come in time")


def is_subtree(name: bytes) -> bool:
    """Whether this names a subtree: a slash, and path segments that each end in one."""
    return bool(_SUBTREE.fullmatch(name))
