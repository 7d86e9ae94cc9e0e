"""Realtime exchange: nodes that nobody told of each other find each other, form groups, and notice who has gone."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

import zmq

from zlab.checks import CheckFailed
from zlab.nodes import at_least, padded
from zlab.patterns.judging import called, last_failure, node_of
from zlab.patterns.pacing import Pace
from zlab.patterns.pattern import WITHIN, Guide, NotYet, pattern
from zlab.patterns.zre_messages import Beacon, Kind, Message, free_port
from zlab.sockets import DEALER, ROUTER
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

GROUP, LOBBY = "CHAT", "LOBBY"
MOST = 100
"""Peers that a node knows at most: beyond that, it takes no note of new ones."""
_LOCAL = re.compile(r"tcp://127\.\d+\.\d+\.\d+:(\d+)")
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
    """

    def __init__(self, uuid: bytes, name: str, inbox: ZMQSocket, mailboxes: Mapping[str, ZMQSocket]) -> None:
        """Know nobody."""
        self.uuid, self.name, self.inbox = uuid, name, inbox
        self.endpoint = inbox.getsockopt_string(zmq.LAST_ENDPOINT)
        self.peers: dict[bytes, Peer] = {}
        self.groups: list[str] = []
        self.status = 0
        self._mailboxes = mailboxes

    def meet(self, uuid: bytes, endpoint: str) -> None:
        """Somebody new: connect to its mailbox, and say HELLO first."""
        if uuid == self.uuid or endpoint == self.endpoint or not _LOCAL.fullmatch(endpoint):
            return
        for other in [other for other, peer in self.peers.items() if peer.endpoint == endpoint]:
            self.part(other)  # whoever was there before
        if len(self.peers) >= MOST:
            return
        mailbox = self._mailboxes.get(endpoint) or self.inbox.context.socket(zmq.DEALER)
        mailbox.setsockopt(zmq.ROUTING_ID, b"\x01" + self.uuid)
        mailbox.setsockopt(zmq.LINGER, 0)
        mailbox.connect(endpoint)
        self.peers[uuid] = Peer(mailbox, endpoint, time.monotonic())
        hello = Message(Kind.HELLO, endpoint=self.endpoint, name=self.name, groups=tuple(self.groups))
        hello.status = self.status
        self.send(uuid, hello)

    def part(self, uuid: bytes) -> None:
        """It has gone, or must be taken for gone."""
        peer = self.peers.pop(uuid, None)
        if peer and self._mailboxes.get(peer.endpoint) is peer.mailbox:
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


@dataclass
class Member:
    """A node that talks to whoever is there."""

    name: str
    rate: float
    size: int
    beacon: int
    heartbeat: float
    evasive: float
    expiry: float

    def __call__(self, inbox: ZMQSocket, **mailboxes: ZMQSocket) -> None:
        """Send beacons, greet who is new, shout to the group, and ask who is silent whether it still lives."""
        places = {box.getsockopt_string(zmq.LAST_ENDPOINT): box for box in mailboxes.values()}
        for endpoint, box in places.items():
            box.disconnect(endpoint)  # until the peer is discovered
        uuid = uuid4().bytes
        peers = Peers(uuid, self.name, inbox, places)
        if not _LOCAL.fullmatch(peers.endpoint):
            raise ValueError(f"{self.name} is bound to {peers.endpoint}, and a beacon tells a port: run it over tcp")
        port = int(peers.endpoint.rpartition(":")[2])
        peers.join(LOBBY)
        beat, pace, shouts = Pace(), Pace(), 0
        with Beacon(self.beacon) as beacon:
            poller = zmq.Poller()
            poller.register(inbox, zmq.POLLIN)
            poller.register(beacon, zmq.POLLIN)
            while True:
                ready = dict(poller.poll(min(beat.left(1 / self.heartbeat), pace.left(self.rate))))
                if inbox in ready:
                    came = peers.recv()
                    if came and came[1].kind == Kind.HELLO:
                        welcome = padded(f"welcome {came[1].name}, says {self.name}", self.size)
                        peers.send(came[0], Message(Kind.WHISPER, content=(welcome,)))
                if beacon.fileno() in ready and (heard := beacon.recv()):
                    peers.hear(*heard)
                if pace.due(self.rate):
                    text = padded(f"shout {shouts} of {self.name}", self.size)
                    peers.tell(Message(Kind.SHOUT, group=GROUP, content=(text,)), GROUP)
                    shouts += 1
                if beat.due(1 / self.heartbeat):
                    beacon.send(uuid, port)
                    self.look_after(peers)

    def look_after(self, peers: Peers) -> None:
        """Move on from the lobby, once; ping who is silent, and take who is silent for long for dead."""
        if LOBBY in peers.groups:
            peers.leave(LOBBY)
            peers.join(GROUP)
        for uuid in peers.silent(self.expiry):
            peers.part(uuid)
        for uuid in peers.silent(self.evasive):
            peers.send(uuid, Message(Kind.PING))


def all_noticed(lab: Lab) -> str:
    """Judge that nobody talks to the dead for longer than it may, and that all who live hear all that is shouted."""
    passages, nodes = lab.passages(), called(lab, "node", alive=True)
    dead, since = set(called(lab, "node")) - set(nodes), last_failure(lab)
    if not dead:
        raise NotYet("no node was killed: nothing was tried")
    now = max((p.sent for p in passages), default=0.0)
    over = since + max(getattr(lab.topology[node].function, "expiry", EXPIRY) for node in nodes) + DOUBT
    if now < over:
        raise NotYet(f"{', '.join(sorted(dead))} may be taken for alive for another {over - now:.1f} seconds")
    boxes = {node.replace("-", "_"): node for node in called(lab, "node")}
    for p in passages:
        if node_of(p.sender) in nodes and boxes.get(p.sender.rpartition(".")[2]) in dead and p.sent > over:
            raise CheckFailed(f"{node_of(p.sender)} talks to a node that was killed {p.sent - since:.1f} seconds ago")
    hear: dict[bytes, set[str]] = {}
    for p in passages:
        if p.body.startswith(b"shout ") and node_of(p.sender) in nodes and since < p.sent < now - DOUBT:
            hear.setdefault(p.body, {node_of(p.sender)}).update({node_of(p.receiver)} if p.received else ())
    for shout, heard in hear.items():
        if set(nodes) - heard:
            raise NotYet(f"{', '.join(sorted(set(nodes) - heard))} have not heard {shout.decode(errors='replace')!r}")
    quiet = [node for node in nodes if not any(shout.endswith(f" of {node}".encode()) for shout in hear)]
    if quiet:
        raise NotYet(f"{', '.join(quiet)} have said nothing since second {since:.1f}")
    return f"All miss {', '.join(sorted(dead))}; {len(hear)} shouts have reached all of {len(nodes)} others."


EXPIRY = 1.0
"""Seconds after which a silent node is taken for dead, unless told otherwise."""
DOUBT = 0.4
"""Seconds that may pass until something shows."""


def depart(lab: Lab) -> None:
    """Once everybody has been heard by everybody, kill one."""
    enough = 5  # HELLO, WHISPER, LEAVE, JOIN, and at least one SHOUT
    into = {str(link) for link in lab.topology.links if link.receiver.endswith(".inbox")}
    lab.wait(until=lambda now: all(k.delivered >= enough for k in now.links if k.name in into), timeout=2 * WITHIN)
    lab.kill("node-1")


def trusting() -> Topology:
    """Nodes that believe for ever that who was there once is there still."""

    @dataclass
    class Trusting(Member):
        def look_after(self, peers: Peers) -> None:
            if LOBBY in peers.groups:
                peers.leave(LOBBY)
                peers.join(GROUP)

    def like(node: Node) -> Node:
        member = node.function
        assert isinstance(member, Member)  # noqa: S101 - there are no others
        return Node(node.name, Trusting(**vars(member)), **node.sockets)

    return Topology("trusting", map(like, zre(rate=30).nodes))


@pattern(
    Guide(
        title="Realtime exchange: peer discovery and groups",
        chapter=8,
        rfcs=(36,),
        see="nodes find each other by UDP beacons, greet, and shout to their group; kill one, and the others notice",
        promise="whoever dies is missed within a second, and all who live hear all that is shouted",
        failure="kill a node",
        inject=depart,
        check=all_noticed,
        naive=trusting,
        transports=("tcp",),
    )
)
def zre(
    nodes: int = 4,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    beacon: int = 0,
    heartbeat: float = 0.1,
    evasive: float = 0.3,
    expiry: float = EXPIRY,
) -> Topology:
    """ROUTER and a DEALER for each peer: nodes that find each other, with nobody in the middle.

    ::

             . . . . . UDP beacons: here I am, this is my mailbox . . . . .

        node-1 ROUTER <---+--- DEALER node-2          node-2 ROUTER <--- ...
                          +--- DEALER node-3
                          +--- DEALER node-4

    Look for the beginning: each node says who it is ten times a second, by a UDP broadcast that does not leave this
    machine. Who hears of somebody new connects to its mailbox and says HELLO; then both WHISPER to each other, LEAVE
    the lobby, JOIN a group, and SHOUT, which goes to each member over a connection of its own. Kill a node: its
    beacons end, the others PING it, and a second after they last heard it they forget it. Restart it: it is somebody
    new.

    Beacons are no ZeroMQ and are not shown. A link is one that may come to be: a node connects once it has discovered
    its peer. Any node of RFC 36 on this machine can join, if it sends beacons to port ``beacon`` of 127.255.255.255;
    what is malformed is discarded, and who leaves out a message is disconnected. The mailboxes' ports are those that
    the system gives, which need not be above 49,151.

    Args:
        nodes: how many there are.
        rate: SHOUTs per second of each node.
        size: bytes of what is shouted and whispered.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        beacon: UDP port of the beacons; the RFC's is 5670; 0 is one that is free, so that labs do not meet.
        heartbeat: how often a node sends its beacon, in seconds.
        evasive: after how many seconds a node that is silent is asked whether it lives.
        expiry: after how many it is taken for dead.

    Returns:
        Nodes ``node-1``, ``node-2``, ...; each binds an endpoint of its own name.

    Raises:
        ValueError: fewer than one node, a negative rate, hwm or time, no UDP port, a heartbeat of less than 0.01
            seconds, or fewer than 40 bytes.

    See the ZeroMQ Guide, chapter 8, "A Framework for Distributed Computing", and RFC 36/ZRE.
    """
    at_least(1, nodes=nodes)
    at_least(0, rate=rate, hwm=hwm, beacon=beacon, evasive=evasive, expiry=expiry)
    at_least(0.01, heartbeat=heartbeat)
    at_least(40, size=size)
    names = [f"node-{i}" for i in range(1, nodes + 1)]
    marks, port = {"sndhwm": hwm, "rcvhwm": hwm}, beacon or free_port()
    return Topology(
        "zre",
        [
            Node(
                name,
                Member(name, rate, size, port, heartbeat, evasive, expiry),
                inbox=ROUTER.bind(name, router_handover=1, **marks),
                **{other.replace("-", "_"): DEALER.connect(other, **marks) for other in names if other != name},
            )
            for name in names
        ],
    )
