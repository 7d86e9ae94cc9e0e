"""Realtime exchange: nodes that nobody told of each other find each other, form groups, and notice who has gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

import zmq

from zlab.checks import CheckFailed
from zlab.nodes import at_least, padded
from zlab.patterns.judging import called, last_failure
from zlab.patterns.pacing import Pace
from zlab.patterns.pattern import WITHIN, Guide, NotYet, pattern
from zlab.patterns.zre_messages import Beacon, Kind, Message, free_port
from zlab.patterns.zre_peers import LOCAL, Peers
from zlab.sockets import DEALER, ROUTER, node_of
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]

GROUP, LOBBY = "CHAT", "LOBBY"


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
    trusts: ClassVar[bool] = False
    """Whether it takes a lost connection for one that comes back."""

    def __call__(self, inbox: ZMQSocket, **mailboxes: ZMQSocket) -> None:
        """Send beacons, greet who is new, shout to the group, and ask who is silent whether it still lives."""
        places = {box.getsockopt_string(zmq.LAST_ENDPOINT): box for box in mailboxes.values()}
        for endpoint, box in places.items():
            box.disconnect(endpoint)  # until the peer is discovered
        uuid = uuid4().bytes
        peers = Peers(uuid, self.name, inbox, places, lasting=self.trusts)
        if not LOCAL.fullmatch(peers.endpoint):
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
        trusts: ClassVar[bool] = True

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
        transports=("tcp",),  # a beacon tells a port
    )
