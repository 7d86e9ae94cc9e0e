"""Clone, model six: two servers, of which one takes over with the whole map when the other dies."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count, cycle
from typing import TYPE_CHECKING
from uuid import uuid4

import zmq

from zlab.nodes import at_least, padded
from zlab.patterns import chp
from zlab.patterns.bstar import BinaryStar, State
from zlab.patterns.clone_three import HEARTBEAT
from zlab.patterns.judging import called
from zlab.patterns.maps import Held, alike, messages
from zlab.patterns.pacing import Pace
from zlab.patterns.pattern import WITHIN, Guide, NotYet, pattern
from zlab.patterns.standby import Standby
from zlab.sockets import DEALER, PUB, ROUTER, SUB, node_of
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.lab import Lab
    from zlab.sockets import Socket

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Server:
    """One of two servers: it serves like that of model five while it is active, and copies the other while not."""

    begins: State
    heartbeat: float

    def __call__(  # noqa: C901 - a reactor has a branch for each socket
        self,
        snapshot: ZMQSocket,
        publisher: ZMQSocket,
        collector: ZMQSocket,
        statepub: ZMQSocket,
        statesub: ZMQSocket,
        subscriber: ZMQSocket,
        peer: ZMQSocket,
    ) -> None:
        """Tell the peer what one is and hear what it is; a state that has changed is acted upon at once."""
        star, beat = BinaryStar(self.begins, self.heartbeat), Pace()
        copy = Standby(peer, patience=2 * self.heartbeat)
        poller = zmq.Poller()
        for socket in (snapshot, collector, statesub, subscriber, peer):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready, before = dict(poller.poll(beat.left(1 / self.heartbeat))), star.state
            updates: list[chp.KVMsg] = []
            if statesub in ready:
                star.hear(statesub.recv())
            if snapshot in ready:
                chp.answer(snapshot, copy.kvmap, willing=star.vote)
            active = star.state == State.ACTIVE
            if star.state != before:
                updates += copy.take_over() if active else copy.begin()
            if subscriber in ready:
                copy.published(chp.recv(subscriber))
            if peer in ready:
                copy.snapshot(chp.recv(peer))
            if collector in ready:
                updates += copy.asked(chp.recv(collector), active=active)
            updates += copy.kvmap.expired() if active else ()
            for update in updates:
                update.send(publisher)
            if beat.due(1 / self.heartbeat):
                statepub.send(b"%d" % star.state)
                chp.KVMsg(chp.HUGZ).send(publisher)


@dataclass
class Client:
    """Keep a copy of the map and set values in it, with one server after the other."""

    name: str
    rate: float
    size: int
    keys: int
    patience: float

    def __call__(
        self,
        snapshot_1: ZMQSocket,
        subscriber_1: ZMQSocket,
        snapshot_2: ZMQSocket,
        subscriber_2: ZMQSocket,
        publisher: ZMQSocket,
    ) -> None:
        """Go on to the other server when one is silent."""
        servers = cycle([(snapshot_1, subscriber_1, subscriber_2), (snapshot_2, subscriber_2, subscriber_1)])
        pace, numbers = Pace(), count(secrets.randbelow(1000))
        for snapshot, subscriber, other in servers:
            if subscriber.poll(round(self.patience * 1000)):
                with suppress(TimeoutError):
                    kvmap = chp.synchronise(snapshot, patience=self.patience)
                    self.follow(kvmap, subscriber, other, publisher, pace, numbers)

    def follow(
        self,
        kvmap: chp.Hashmap,
        subscriber: ZMQSocket,
        other: ZMQSocket,
        publisher: ZMQSocket,
        pace: Pace,
        numbers: Iterator[int],
    ) -> None:
        """Apply the updates of a server until it is silent; what one sets goes to both servers."""
        poller = zmq.Poller()
        poller.register(subscriber, zmq.POLLIN)
        poller.register(other, zmq.POLLIN)
        expiry = time.monotonic() + self.patience
        while time.monotonic() < expiry:
            ready = dict(poller.poll(pace.left(self.rate)))
            if other in ready:
                other.recv_multipart()  # its queue must not be full of the past when it is needed
            if subscriber in ready:
                kvmap.apply(chp.recv(subscriber))
                expiry = time.monotonic() + self.patience
            if pace.due(self.rate):
                i = next(numbers)
                key, value = f"/{self.name}/{i % self.keys}", padded(f"value {i} of {self.name}", self.size)
                chp.KVMsg(key.encode(), value, uuid=uuid4().bytes).send(publisher)


def nothing_lost(lab: Lab) -> str:
    """Judge that all clients hold the map of one server, and that what clients asked for was done."""
    kept = alike(lab)
    passages, clients = lab.passages(), called(lab, "client", alive=True)
    told = list(messages(passages))
    settled = max(p.sent for p in passages) - SETTLED
    asked = {m.uuid: p.sent for p, m in told if node_of(p.sender) in clients and p.received and p.sent < settled}
    done = {m.uuid for p, m in told if p.sender in {"primary.publisher", "backup.publisher"}}
    if asked.keys() - done:
        raise NotYet(f"{len(asked.keys() - done)} updates have reached a server, and none has published them")
    when = {m.body: p.sent for p, m in told if node_of(p.sender) in clients}
    for client in clients:
        held = Held(lab, passages, client)
        for _, message in (each for each in told if each[1].uuid in asked):
            if when.get(held.value(message.key), 0.0) < asked[message.uuid]:
                raise NotYet(f"{client} does not hold what was set for {message.key.decode(errors='replace')}")
    return f"No update of {len(asked)} was lost; {kept}"


def takeover(lab: Lab) -> None:
    """Once the backup has a copy, and clients have set values with both servers, kill the primary."""
    first = ("backup.peer", "backup.collector", "primary.collector")
    into = {str(link) for link in lab.topology.links if link.receiver in first}
    lab.wait(until=lambda now: all(link.delivered for link in now.links if link.name in into), timeout=WITHIN)
    lab.kill("primary")


SETTLED = 0.3
"""Seconds that an update has to come round to everybody."""


def one_address() -> Topology:
    """Clients that know one server alone: when it dies, that is that."""
    alone = {
        "snapshot_2": DEALER.connect("primary-snapshot"),
        "subscriber_2": SUB.connect("primary-updates", subscribe=""),
    }
    return Topology(
        "one_address",
        (
            Node(node.name, node.function, **{**node.sockets, **alone}) if "client" in node.name else node
            for node in clone_six(rate=30).nodes
        ),
    )


@pattern(
    Guide(
        title="Clone, model six: adding the Binary Star pattern for reliability",
        chapter=5,
        rfcs=(12,),
        see="kill the primary: the backup takes over with the whole map, and the clients go on with it",
        promise="no update is lost with the primary, and all clients hold the same map",
        failure="kill the primary server",
        inject=takeover,
        check=nothing_lost,
        naive=one_address,
    )
)
def clone_six(
    clients: int = 2,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    keys: int = 20,
    heartbeat: float = HEARTBEAT,
    liveness: int = 3,
) -> Topology:
    """Two servers with PUB, ROUTER and SUB: a map that survives the death of one.

    ::

                     +------ state, updates, snapshot ------+
                     |                                      |
          primary  PUB SUB                                PUB SUB  backup
                   PUB ROUTER SUB              PUB ROUTER SUB
                    |     |    |                |    |     |
                    +-----+----+-------+--------+----+-----+
                                       |
                         SUB DEALER  SUB DEALER  PUB
                             client-1, client-2, ...

    Look for the takeover: the two servers tell each other their states, clients set values with both (PUB to SUB),
    and the passive one holds what the active one has not published yet, told by UUID. Kill the primary: clients that
    hear no ``HUGZ`` go on to the backup, ask it for a snapshot, and it is this request that makes it active. It does
    what the primary has left undone, and nothing is lost. Restart the primary (over ipc or tcp): it copies the map and
    is passive, until the backup dies.

    If the two only do not see each other, both may become active once clients ask both: who hears that the other is
    active too ends with an error, because somebody has to decide whose map is right.

    Any client of RFC 12 can join. A snapshot tells of no time to live: what a passive server has from one lives, after
    a takeover, until it is set anew.

    Args:
        clients: how many keep a copy, and set values.
        rate: updates per second that each client sets.
        size: bytes of a value.
        hwm: high-water mark of every socket, in messages; 0 is no limit. A snapshot has to fit.
        keys: how many each client sets in turn.
        heartbeat: how often the servers say HUGZ, and tell each other their states, in seconds.
        liveness: after how many heartbeats that did not come a client goes on to the other server.

    Returns:
        Nodes ``primary``, ``backup``, ``client-1``, ``client-2``, ...; the servers bind ``primary-snapshot``,
        ``primary-updates``, ``primary-collect`` and ``primary-state``, and ``backup-snapshot`` and so on.

    Raises:
        ValueError: no clients, keys or liveness, a negative rate or hwm, a heartbeat of less than 0.01 seconds,
            fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 5, "Adding the Binary Star Pattern for Reliability", and RFC 12/CHP.
    """
    at_least(1, clients=clients, keys=keys, liveness=liveness)
    at_least(0, rate=rate, hwm=hwm)
    at_least(0.01, heartbeat=heartbeat)
    at_least(32, size=size)
    fetches = Client("", rate, size, keys, heartbeat * liveness)
    return Topology(
        "clone_six",
        [
            Node("primary", Server(State.PRIMARY, heartbeat), **server_sockets(hwm, "primary", "backup")),
            Node("backup", Server(State.BACKUP, heartbeat), **server_sockets(hwm, "backup", "primary")),
            *(
                Node(name, replace(fetches, name=name), **client_sockets(hwm))
                for name in (f"client-{i}" for i in range(1, clients + 1))
            ),
        ],
    )


def server_sockets(hwm: int, own: str, other: str) -> dict[str, Socket]:
    """Those of a server: it binds four, and connects to the other one by three."""
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    return {
        "snapshot": ROUTER.bind(f"{own}-snapshot", **marks),
        "publisher": PUB.bind(f"{own}-updates", sndhwm=hwm),
        "collector": SUB.bind(f"{own}-collect", rcvhwm=hwm, subscribe=""),
        "statepub": PUB.bind(f"{own}-state", sndhwm=hwm),
        "statesub": SUB.connect(f"{other}-state", rcvhwm=hwm, subscribe=""),
        "subscriber": SUB.connect(f"{other}-updates", rcvhwm=hwm, subscribe=""),
        "peer": DEALER.connect(f"{other}-snapshot", **marks),
    }


def client_sockets(hwm: int) -> dict[str, Socket]:
    """Those of a client: two for each server, and one by which it sets values with both."""
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    return {
        "snapshot_1": DEALER.connect("primary-snapshot", **marks),
        "subscriber_1": SUB.connect("primary-updates", rcvhwm=hwm, subscribe=""),
        "snapshot_2": DEALER.connect("backup-snapshot", **marks),
        "subscriber_2": SUB.connect("backup-updates", rcvhwm=hwm, subscribe=""),
        "publisher": PUB.connect("primary-collect", "backup-collect", sndhwm=hwm),
    }
