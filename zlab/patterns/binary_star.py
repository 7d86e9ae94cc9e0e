"""Binary Star: two servers, of which one is active, and a client's vote by which the other takes over."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import zmq

from zlab.checks import CheckFailed
from zlab.faults import Drop
from zlab.nodes import at_least, paced, padded, work
from zlab.patterns.bstar import BinaryStar, SplitBrainError, State
from zlab.patterns.freelance_one import ask
from zlab.patterns.judging import all_hear, called, home, last_failure, received
from zlab.patterns.lazy_pirate import asking, in_order
from zlab.patterns.pattern import WITHIN, Guide, NotYet, pattern
from zlab.sockets import PUB, ROUTER, SUB, node_of
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zlab.followed import Passage
    from zlab.lab import Lab

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Server:
    """One of the two; which one is told by the state that it begins in."""

    begin: State
    seconds: float
    heartbeat: float

    def __call__(self, frontend: ZMQSocket, statepub: ZMQSocket, statesub: ZMQSocket) -> None:
        """Tell the other what it is, hear what the other is, and answer clients while it is active."""
        star, beat = BinaryStar(self.begin, self.heartbeat), time.monotonic()
        poller = zmq.Poller()
        poller.register(frontend, zmq.POLLIN)
        poller.register(statesub, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(max(0, round((beat - time.monotonic()) * 1000))))
            if statesub in ready:  # before a client may vote
                star.hear(statesub.recv())
            elif frontend in ready:
                *envelope, request = frontend.recv_multipart()
                if star.vote():
                    work(frontend, self.seconds)
                    reply = request.replace(b"request", b"reply", 1).ljust(len(request), b".")
                    frontend.send_multipart([*envelope, reply])
            if time.monotonic() >= beat:
                statepub.send(b"%d" % star.state)
                beat = time.monotonic() + self.heartbeat


@dataclass
class Client:
    """Ask one server until it does not answer; then, when the other has had time to notice, ask that."""

    name: str
    rate: float
    size: int
    timeout: float
    settle: float

    def __call__(self, primary: ZMQSocket, backup: ZMQSocket) -> None:
        """Begin with the primary, once the two servers have found each other."""
        server, other = primary, backup
        work(server, self.settle)
        for i in paced(server, lambda: self.rate):
            request = padded(f"request {i} of {self.name}", self.size)
            while not ask(server, request, self.timeout):
                server, other = other, server
                work(server, self.settle)


_ACTIVE = b"%d" % State.ACTIVE


def part_and_kill(lab: Lab) -> None:
    """Let the backup hear nothing of the primary for five heartbeats; then kill the primary."""
    heartbeat: float = lab.topology["primary"].function.heartbeat  # type: ignore[attr-defined] # a Server
    with lab.fault("primary.statepub", Drop(1.0)):
        over = lab.snapshot().at + 5 * heartbeat
        lab.wait(until=lambda now: now.at >= over, timeout=5 * heartbeat + WITHIN)
    lab.kill("primary")


def one_is_active(lab: Lab) -> str:
    """Judge that clients are answered after the failure, and that never both servers were active."""
    passages, clients, since = lab.passages(), called(lab, "client"), last_failure(lab)
    for event in lab.history():
        if event.kind == "error" and SplitBrainError.__name__ in event.detail:
            raise CheckFailed(f"{event.node} has ended in second {event.at:.1f}, facing an active one: a split brain")
    gone = [(event.node, event.at) for event in lab.history() if event.kind in {"kill", "restart"}]
    never_two_active(passages, gone)
    replies = [p for p in passages if p.body.startswith(b"reply ")]
    home(replies, clients)
    in_order(replies, clients)
    since_then = [p for p in replies if p.sent >= since]  # what the dead one has sent may come yet
    again = all_hear(since_then, clients)
    by = {node_of(p.sender) for p in received(since_then, *clients)}
    states = [p for p in passages if p.sender.endswith(".statepub") and p.sent >= since and p.body == _ACTIVE]
    if {node_of(p.sender) for p in states} != by:
        raise NotYet("nobody has said since the failure that it is active")
    return f"{again} replies since the last failure, by the {by.pop()} alone, and never two servers active."


def never_two_active(passages: Iterable[Passage], gone: Iterable[tuple[str, float]]) -> None:
    """Check that no server says it is active while the other is.

    Args:
        passages: all messages.
        gone: the servers that have ended, and when, in seconds.

    Raises:
        CheckFailed: one does.
    """
    gone = list(gone)
    said = [p for p in passages if p.sender.endswith(".statepub") and p.body == _ACTIVE]
    for before, now in pairwise(sorted(said, key=lambda p: p.sent)):
        one, other = node_of(before.sender), node_of(now.sender)
        if one != other and not any(node == one and before.sent <= at <= now.sent for node, at in gone):
            raise CheckFailed(f"{one} and {other} were both active in second {now.sent:.1f}: a split brain")


def without_votes() -> Topology:
    """A backup that takes over as soon as it does not hear the primary, whether or not the clients still do."""

    @dataclass
    class Hasty(Server):
        def __call__(self, frontend: ZMQSocket, statepub: ZMQSocket, statesub: ZMQSocket) -> None:
            active = self.begin is State.PRIMARY
            while True:
                if statesub.poll(round(2 * self.heartbeat * 1000) if not active else 0):
                    statesub.recv()
                else:
                    active = True
                    statepub.send(_ACTIVE)
                if active and frontend.poll(round(self.heartbeat * 1000)):
                    *envelope, request = frontend.recv_multipart()
                    frontend.send_multipart([*envelope, request.replace(b"request", b"reply", 1)])

    return _pair("without_votes", Hasty, 3, rate=20, size=100, hwm=1000, seconds=0.0, timeout=1.0, heartbeat=0.1)


@pattern(
    Guide(
        title="Binary Star",
        chapter=4,
        rfcs=(28, 29),
        see="one of two servers is active; kill it, and the other takes over when the clients come to it, not before",
        promise="a backup answers when the primary is dead, and never are both active",
        failure="let the backup not hear the primary for a while, then kill the primary",
        inject=part_and_kill,
        check=one_is_active,
        naive=without_votes,
    )
)
def binary_star(
    clients: int = 3,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.02,
    timeout: float = 1.0,
    heartbeat: float = 0.15,
) -> Topology:
    """REQ and ROUTER, and PUB and SUB between two servers of which one is active.

    ::

        client-1 REQ REQ ---+
        client-2 REQ REQ ---+--------- ROUTER primary PUB ----+----+
        client-3 REQ REQ ---+                 SUB ---------+  |    |
          first the primary |                              |  | states
          then the backup   +--------- ROUTER backup  PUB -+  |    |
                                              SUB ------------+----+

    Look for the states that the two publish: 1 (primary) and 2 (backup) at first, then 3 (active) and 4 (passive).
    Kill the active one: clients wait in vain, go to the other, and it is their request that makes it active. That a
    server does not hear the other is not enough: the line between the two may be broken, and with two active servers
    each client would see its own. If it comes to that, both end with an error. Restart the primary: it becomes passive,
    for the backup is active now. To give the service back, kill the backup.

    The servers follow the state machine of the Guide's ``bstar`` class, as ``clone_six`` does. What the other says is
    read before any request: a server that was held up must not take its own delay for the other's silence.

    Args:
        clients: how many ask.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long a server takes over a request.
        timeout: how long a client waits for an answer before it goes to the other server, in seconds.
        heartbeat: how often a server says what it is, in seconds; after twice as long a silence it is taken for dead.

    Returns:
        Nodes ``client-1``, ``client-2``, ..., ``primary`` and ``backup``; these bind endpoints of their names, and
        ``primary-state`` and ``backup-state``.

    Raises:
        ValueError: no clients, a negative rate, hwm or time, a heartbeat of less than 0.01 seconds,
            fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 4, "High-Availability Pair (Binary Star Pattern)", RFC 28/REQREP and RFC 29/PUBSUB.
    """
    return _pair(
        "binary_star",
        Server,
        clients,
        rate=rate,
        size=size,
        hwm=hwm,
        seconds=seconds,
        timeout=timeout,
        heartbeat=heartbeat,
    )


def _pair(
    name: str,
    server: Callable[[State, float, float], Server],
    clients: int,
    *,
    rate: float,
    size: int,
    hwm: int,
    seconds: float,
    timeout: float,
    heartbeat: float,
) -> Topology:
    at_least(1, clients=clients)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds, timeout=timeout)
    at_least(0.01, heartbeat=heartbeat)
    at_least(32, size=size)
    names = [f"client-{i}" for i in range(1, clients + 1)]
    return Topology(
        name,
        [
            *(
                Node(
                    each,
                    Client(each, rate, size, timeout, 2 * heartbeat),
                    primary=asking("primary", hwm),
                    backup=asking("backup", hwm),
                )
                for each in names
            ),
            *(
                Node(
                    one,
                    server(state, seconds, heartbeat),
                    frontend=ROUTER.bind(one, sndhwm=hwm, rcvhwm=hwm),
                    statepub=PUB.bind(f"{one}-state", sndhwm=hwm),
                    statesub=SUB.connect(f"{other}-state", rcvhwm=hwm, subscribe=""),
                )
                for state, one, other in ((State.PRIMARY, "primary", "backup"), (State.BACKUP, "backup", "primary"))
            ),
        ],
    )
