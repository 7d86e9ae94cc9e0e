"""Inter-broker routing: clusters that each have a broker, and lend each other the workers that are free."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from zlab.nodes import at_least
from zlab.patterns.judging import called, home, last_failure, received
from zlab.patterns.load_balancing_broker import Worker
from zlab.patterns.pattern import Guide, NotYet, pattern
from zlab.patterns.request_reply import Client
from zlab.patterns.trying import kill_all
from zlab.sockets import PUB, REQ, ROUTER, SUB, node_of
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Broker:
    """Give requests to local workers that are ready, or else to a peer that has some."""

    name: str
    peers: tuple[bytes, ...]

    def __call__(
        self,
        localfe: ZMQSocket,
        localbe: ZMQSocket,
        cloudfe: ZMQSocket,
        cloudbe: ZMQSocket,
        statefe: ZMQSocket,
        statebe: ZMQSocket,
    ) -> None:
        """Route replies as they come, and requests while there is a worker for them somewhere."""
        workers: deque[bytes] = deque()
        cloud = dict.fromkeys(self.peers, 0)  # how many workers are ready there, as far as is known
        request: list[bytes] = []
        told = -1
        frontends = [cloudfe, localfe]
        answers, all_ = polling(localbe, cloudbe, statefe), polling(localbe, cloudbe, statefe, *frontends)
        while True:
            free = bool(workers) or any(cloud.values())
            events = dict((all_ if free and not request else answers).poll(1000))  # milliseconds

            if localbe in events:
                worker, _, *message = localbe.recv_multipart()
                workers.append(worker)
                if message != [b"READY"]:
                    (cloudfe if message[0] in self.peers else localfe).send_multipart(message)
            if cloudbe in events:
                _peer, *message = cloudbe.recv_multipart()
                (cloudfe if message[0] in self.peers else localfe).send_multipart(message)
            if statefe in events:
                peer, capacity = statefe.recv_multipart()
                cloud[peer] = int(capacity)

            if frontend := next((each for each in frontends if each in events), None):
                request = frontend.recv_multipart()
                frontends.sort(key=lambda each: each is frontend)  # in turn, so that neither has to wait for ever
            if request and (to_worker(localbe, workers, request) or to_peer(cloudbe, cloud, request)):
                request = []

            if len(workers) != told or not events:  # also now and then, for a peer that has joined late
                told = len(workers)
                statebe.send_multipart([self.name.encode(), b"%d" % told])


def polling(*sockets: ZMQSocket) -> zmq.Poller:
    """A poller that waits until something can be received from one of these."""
    poller = zmq.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    return poller


def to_worker(localbe: ZMQSocket, workers: deque[bytes], request: list[bytes]) -> bool:
    """Send a request to the worker that was used least recently and is still there, if any is."""
    while workers:
        if reached(localbe, [workers.popleft(), b"", *request]):
            return True
    return False


def to_peer(cloudbe: ZMQSocket, cloud: dict[bytes, int], request: list[bytes]) -> bool:
    """Send a request to the peer that has most workers ready, if any has."""
    while any(cloud.values()):
        peer = max(cloud, key=cloud.__getitem__)
        if reached(cloudbe, [peer, *request]):
            cloud[peer] -= 1
            return True
        cloud[peer] = 0
    return False


def reached(router: ZMQSocket, message: list[bytes]) -> bool:
    """Send a message; returns whether its first frame is the address of somebody who is there."""
    try:
        router.send_multipart(message)
    except zmq.ZMQError as error:
        if error.errno != zmq.EHOSTUNREACH:
            raise
        return False
    return True


def lend_each_other(lab: Lab) -> str:
    """Judge that clients of all clusters are answered, but for who waits for a dead worker, and clusters help out."""
    passages, since = lab.passages(), last_failure(lab)
    clients, workers = list(_members(lab, "client")), set(_members(lab, "worker"))
    replies = home(passages, clients)
    answered = {node_of(p.receiver) for p in received(passages, *clients, since=since)}
    waiting = [client for client in clients if client not in answered]
    dead = workers - set(_members(lab, "worker", alive=True))
    if len(waiting) > len(dead):  # a worker has one request at a time
        raise NotYet(f"{', '.join(waiting)} wait since second {since:.1f}, and {len(dead)} requests died with workers")
    asked = [(p.body.rpartition(b" ")[2].decode(), node_of(p.receiver)) for p in received(passages, *workers)]
    lent = sum(_cluster(client) != _cluster(worker) for client, worker in asked if client in clients)
    if not lent:
        raise NotYet("no worker has had a request of another cluster's client")
    return f"{replies} replies, each to its client; {lent} requests were worked on in another cluster."


def _cluster(node: str) -> str:
    return node.partition("-")[0]


def _members(lab: Lab, what: str, *, alive: bool = False) -> Iterable[str]:
    """The clients or workers of all clusters."""
    return called(lab, *{f"{_cluster(node.name)}-{what}" for node in lab.topology.nodes}, alive=alive)


def without_state() -> Topology:
    """Brokers that forgot to subscribe to each other's state: they never hear of workers that are free elsewhere."""

    def deaf(node: Node) -> Node:
        heard = node.sockets["statefe"].connects
        return Node(node.name, node.function, **{**node.sockets, "statefe": SUB.connect(*heard)})

    nodes = inter_broker_routing(rate=100).nodes
    return Topology("without_state", [deaf(node) if "statefe" in node.sockets else node for node in nodes])


@pattern(
    Guide(
        title="Inter-Broker Routing",
        chapter=3,
        rfcs=(28, 29),
        see="brokers tell each other how many workers are free, and hand on what they have no worker for",
        promise="a client is answered while a worker of any cluster is free, but for who waits for a dead one",
        failure="kill all workers of a cluster",
        inject=kill_all("DC1-worker"),
        check=lend_each_other,
        naive=without_state,
    )
)
def inter_broker_routing(
    clusters: int = 2,
    clients: int = 3,
    workers: int = 2,
    *,
    rate: float = 10.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.03,
) -> Topology:
    """Clusters of clients, a broker and workers each; the brokers lend each other workers.

    ::

        DC1-client-1 REQ --- localfe +-----+ cloudfe --- cloudbe +-----+ localfe --- REQ DC2-client-1
              ...                    | DC1 | cloudbe --- cloudfe | DC2 |                   ...
                                     |     | statefe --- statebe |     |
        DC1-worker-1 REQ --- localbe +-----+ statebe --- statefe +-----+ localbe --- REQ DC2-worker-1

        local and cloud: ROUTER, state: PUB and SUB

    Look for the three flows of a broker: **local**, between its own clients and workers; **state**, by which it tells
    its peers how many of its workers are ready, whenever that changes; and **cloud**, requests to a peer that has
    workers ready while it has none, and their replies. A request that crosses has the name of its broker before that
    of its client, so that the reply finds its way back. Kill all workers of a cluster: the broker notices when it
    cannot reach them, and hands everything on; only who waited for one of the dead waits for ever, which chapter 4
    cures. The Guide's brokers keep what a peer has sent them; these hand that on, too.

    Args:
        clusters: how many there are, ``DC1``, ``DC2``, ...; at least 2.
        clients: how many ask in each cluster.
        workers: how many answer in each cluster, each one request at a time.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a worker takes over a request.

    Returns:
        For each cluster, nodes ``DC1-client-1``, ..., ``DC1``, ``DC1-worker-1``, ...; the broker binds
        ``DC1-localfe``, ``DC1-localbe``, ``DC1-cloud`` and ``DC1-state``.

    Raises:
        ValueError: fewer than two clusters, no clients or workers, a negative rate, hwm or time, fewer than 48 bytes.

    See the ZeroMQ Guide, chapter 3, "Worked Example: Inter-Broker Routing", RFC 28/REQREP and RFC 29/PUBSUB.
    """
    at_least(2, clusters=clusters)
    at_least(1, clients=clients, workers=workers)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds)
    at_least(48, size=size)
    marks = {"sndhwm": hwm, "rcvhwm": hwm}
    # What cannot be sent is to be told, not dropped; and who comes back under its name is to have it.
    known = {**marks, "router_mandatory": 1, "router_handover": 1}
    names = [f"DC{i}" for i in range(1, clusters + 1)]
    nodes: list[Node] = []
    for name in names:
        peers = [peer for peer in names if peer != name]
        asks = REQ.connect(f"{name}-localfe", **marks)
        asking = (f"{name}-client-{i}" for i in range(1, clients + 1))
        working = (f"{name}-worker-{i}" for i in range(1, workers + 1))
        members = [
            *(Node(one, Client(one, rate, size), requests=asks) for one in asking),
            *(
                Node(one, Worker(seconds), worker=REQ.connect(f"{name}-localbe", routing_id=one, **marks))
                for one in working
            ),
        ]
        broker = Node(
            name,
            Broker(name, tuple(peer.encode() for peer in peers)),
            localfe=ROUTER.bind(f"{name}-localfe", **marks),
            localbe=ROUTER.bind(f"{name}-localbe", **known),
            cloudfe=ROUTER.bind(f"{name}-cloud", routing_id=name, router_handover=1, **marks),
            cloudbe=ROUTER.connect(*(f"{peer}-cloud" for peer in peers), routing_id=name, **known),
            statefe=SUB.connect(*(f"{peer}-state" for peer in peers), rcvhwm=hwm, subscribe=""),
            statebe=PUB.bind(f"{name}-state", sndhwm=hwm),
        )
        nodes += [broker, *members] if nodes else [*members, broker]  # the first cluster is drawn left of its broker
    return Topology("inter_broker_routing", nodes)
