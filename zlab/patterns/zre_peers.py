"""Whom a node of realtime exchange knows: connected to when they are heard of, and forgotten when they have gone."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import zmq

from zlab.patterns.zre_messages import Kind, Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    ZMQSocket = zmq.Socket[bytes]

MOST = 100
"""Peers that a node knows at most: beyond that, it takes no note of new ones."""
LOCAL = re.compile(r"tcp://127\.\d+\.\d+\.\d+:(\d+)")
"""Where a mailbox may be: on this machine."""
_IDENTITY = 17  # bytes: 1, and a UUID


@dataclass
class Peer:
    """Another node, as far as this one knows."""

    mailbox: ZMQSocket
    endpoint: str
    heard: float
    sent: int = 0
    """The sequence number of the last message to it."""
    came: int = 0
    """That of the last message from it; 0 before its HELLO."""
    groups: set[str] = field(default_factory=set)


class Peers:
    """The peers of a node, and what it says to them.

    Args:
        uuid: the node's own.
        name: likewise.
        inbox: a ROUTER, at which all peers' messages come.
        mailboxes: DEALERs by the endpoint that each is meant for; for others, it opens its own.
        lasting: whether a connection that was lost is made again, by ZeroMQ itself; else when the peer is heard of.
    """

    def __init__(
        self, uuid: bytes, name: str, inbox: ZMQSocket, mailboxes: Mapping[str, ZMQSocket], *, lasting: bool = False
    ) -> None:
        """Know nobody."""
        self.uuid, self.name, self.inbox = uuid, name, inbox
        self.endpoint = inbox.getsockopt_string(zmq.LAST_ENDPOINT)
        self.peers: dict[bytes, Peer] = {}
        self.groups: list[str] = []
        self.status = 0
        self._mailboxes = mailboxes
        self._lasting = lasting

    def meet(self, uuid: bytes, endpoint: str) -> None:
        """Somebody new: connect to its mailbox, and say HELLO first."""
        if uuid == self.uuid or endpoint == self.endpoint or not LOCAL.fullmatch(endpoint):
            return
        for other in [other for other, peer in self.peers.items() if peer.endpoint == endpoint]:
            self.part(other)  # whoever was there before
        if len(self.peers) >= MOST:
            return
        mailbox = self._mailboxes.get(endpoint) or self.inbox.context.socket(zmq.DEALER)
        mailbox.setsockopt(zmq.ROUTING_ID, b"\x01" + self.uuid)
        mailbox.setsockopt(zmq.LINGER, 0)
        if not self._lasting:  # else the old connection may come after a new one, whose identity it has
            mailbox.setsockopt(zmq.RECONNECT_IVL, -1)
        mailbox.connect(endpoint)
        self.peers[uuid] = Peer(mailbox, endpoint, time.monotonic())
        hello = Message(Kind.HELLO, endpoint=self.endpoint, name=self.name, groups=tuple(self.groups))
        hello.status = self.status
        self.send(uuid, hello)

    def part(self, uuid: bytes) -> None:
        """It has gone, or must be taken for gone."""
        peer = self.peers.pop(uuid, None)
        if peer and self._mailboxes.get(peer.endpoint) is peer.mailbox:
            with suppress(zmq.ZMQError):  # it is disconnected already where the connection was lost
                peer.mailbox.disconnect(peer.endpoint)
        elif peer:
            peer.mailbox.close()

    def send(self, uuid: bytes, message: Message) -> None:
        """Say something to one peer; one that takes nothing more does not respond."""
        peer = self.peers[uuid]
        peer.sent = message.sequence = (peer.sent + 1) % 65536
        try:
            peer.mailbox.send_multipart(message.frames, zmq.NOBLOCK)
        except zmq.Again:
            self.part(uuid)

    def tell(self, message: Message, group: str = "") -> None:
        """Say something to all peers, or to those that are in a group."""
        for uuid in [uuid for uuid, peer in self.peers.items() if not group or group in peer.groups]:
            self.send(uuid, message)

    def join(self, group: str) -> None:
        """Be in a group."""
        self.groups.append(group)
        self.status = (self.status + 1) % 256
        self.tell(Message(Kind.JOIN, group=group, status=self.status))

    def leave(self, group: str) -> None:
        """Be in it no more."""
        self.groups.remove(group)
        self.status = (self.status + 1) % 256
        self.tell(Message(Kind.LEAVE, group=group, status=self.status))

    def recv(self) -> tuple[bytes, Message] | None:
        """The next message and who sent it; None for what is to be discarded."""
        identity, *frames = self.inbox.recv_multipart()
        uuid = identity[1:]
        try:
            message = Message.parse(frames)
        except ValueError:
            return None
        if len(identity) != _IDENTITY or identity[0] != 1 or not self.expected(uuid, message):
            return None
        peer = self.peers[uuid]
        if message.kind == Kind.HELLO:
            peer.groups = set(message.groups)
        elif message.kind == Kind.JOIN:
            peer.groups.add(message.group)
        elif message.kind == Kind.LEAVE:
            peer.groups.discard(message.group)
        elif message.kind == Kind.PING:
            self.send(uuid, Message(Kind.PING_OK))
        return uuid, message

    def expected(self, uuid: bytes, message: Message) -> bool:
        """Whether this is the next message of a peer; HELLO is the first, and who leaves one out is disconnected."""
        known = self.peers.get(uuid)
        if message.kind == Kind.HELLO and not (known and known.came == 0 and known.endpoint == message.endpoint):
            self.part(uuid)  # it is new, or begins anew
            self.meet(uuid, message.endpoint)
        peer = self.peers.get(uuid)
        if peer is None or not (peer.came or message.kind == Kind.HELLO):
            return False  # it has not said HELLO
        if message.sequence != (peer.came + 1) % 65536:
            self.part(uuid)
            return False
        peer.came, peer.heard = message.sequence, time.monotonic()
        return True

    def hear(self, uuid: bytes, port: int) -> None:
        """A beacon has come."""
        if port == 0:
            self.part(uuid)
        elif uuid in self.peers:
            self.peers[uuid].heard = time.monotonic()
        else:
            self.meet(uuid, f"tcp://127.0.0.1:{port}")

    def silent(self, seconds: float) -> list[bytes]:
        """Those who have not been heard for so long."""
        now = time.monotonic()
        return [uuid for uuid, peer in self.peers.items() if now - peer.heard >= seconds]
