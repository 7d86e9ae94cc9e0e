"""The Lazy Pirate: a client that does not wait for ever, but asks again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.nodes import at_least, paced, padded
from zlab.patterns.judging import all_hear, called, home, last_failure, received
from zlab.patterns.pattern import Guide, pattern
from zlab.patterns.request_reply import Client, Server
from zlab.patterns.trying import restart
from zlab.sockets import REP, REQ
from zlab.topology import Node, Topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    import zmq

    from zlab.followed import Passage
    from zlab.lab import Lab
    from zlab.sockets import Socket

    ZMQSocket = zmq.Socket[bytes]


@dataclass
class Pirate:
    """Ask; if no answer comes in time, ask the same again; after some retries, give up."""

    name: str
    rate: float
    size: int
    timeout: float
    retries: int

    def __call__(self, requests: ZMQSocket) -> None:
        """Send a request until it is answered, over and over."""
        for i in paced(requests, lambda: self.rate):
            request = padded(f"request {i} of {self.name}", self.size)
            for _ in range(1 + self.retries):
                requests.send(request)
                if requests.poll(round(self.timeout * 1000)):
                    requests.recv()
                    break
            else:
                return  # the server seems to be offline


def asking(endpoint: str, hwm: int) -> Socket:
    """A REQ that may ask again before it was answered, and then hears the answer to its last request alone."""
    return REQ.connect(endpoint, sndhwm=hwm, rcvhwm=hwm, req_relaxed=1, req_correlate=1)


def in_order(passages: Iterable[Passage], clients: Iterable[str]) -> None:
    """Check that no client has received a reply twice, or after the reply to a later request.

    Raises:
        CheckFailed: it names the client, and the reply.
    """
    passages = list(passages)
    for client in clients:
        found = (re.match(rb"reply (\d+) ", p.body) for p in received(passages, client))
        numbers = [int(match[1]) for match in found if match]
        for before, after in pairwise(numbers):
            if after <= before:
                raise CheckFailed(f"{client} has received reply {after} after reply {before}: it comes too late")


def answered_again(lab: Lab) -> str:
    """Judge that every client is answered after the failure as before, each request once."""
    passages, clients, since = lab.passages(), called(lab, "client"), last_failure(lab)
    replies = home(passages, clients)
    in_order(passages, clients)
    again = all_hear(passages, clients, since)
    return f"{replies} replies, each once and to its client; {again} of them since the last failure, to all clients."


def waiting_for_ever() -> Topology:
    """Hello World's client: whose request is gone with the server waits for ever."""
    names = [f"client-{i}" for i in range(1, 4)]
    return Topology(
        "waiting_for_ever",
        [
            *(Node(name, Client(name, 100, 100), requests=REQ.connect("requests")) for name in names),
            Node("server", Server(0.05), requests=REP.bind("requests")),
        ],
    )


@pattern(
    Guide(
        title="Lazy Pirate",
        chapter=4,
        rfcs=(28,),
        see="a request that is not answered in time is sent again; kill the server, and clients try, then give up",
        promise="who asks is answered again once the server is back, and receives no reply twice",
        failure="restart the server",
        inject=restart("server"),
        check=answered_again,
        naive=waiting_for_ever,
        transports=("ipc", "tcp"),
    )
)
def lazy_pirate(
    clients: int = 3,
    *,
    rate: float = 5.0,
    size: int = 100,
    hwm: int = 1000,
    seconds: float = 0.02,
    timeout: float = 0.5,
    retries: int = 3,
) -> Topology:
    """REQ and REP: clients that ask again when the answer does not come, and at last give up.

    ::

        client-1 REQ ---+
        client-2 REQ ---+--- REP server
        client-3 REQ ---+
          poll, retry

    Look for the retries: restart the server while it works, and the same request is sent a second time. Kill it and
    leave it dead: after the last retry each client gives up, and its node is finished.

    The Guide closes the REQ, which would refuse to send twice, and opens a new one for each retry. These sockets have
    the options that libzmq has had for it since version 4: REQ_RELAXED lets them send again, and REQ_CORRELATE puts
    a number before each request, so that the reply to an earlier one is thrown away and not taken for this one's.
    Over ``inproc`` a server that comes back is not found again: nobody reconnects.

    Args:
        clients: how many ask.
        rate: requests per second of each client, at most: it waits for each answer.
        size: bytes of a request, and of a reply.
        hwm: high-water mark of every socket, in messages; 0 is no limit.
        seconds: how long the server takes over a request.
        timeout: how long a client waits for an answer before it asks again, in seconds.
        retries: how often a client asks again before it gives up.

    Returns:
        Nodes ``client-1``, ``client-2``, ... and ``server``; the server binds ``requests``.

    Raises:
        ValueError: no clients, a negative rate, hwm, time or number, fewer than 32 bytes.

    See the ZeroMQ Guide, chapter 4, "Client-Side Reliability (Lazy Pirate Pattern)", and RFC 28/REQREP.
    """
    at_least(1, clients=clients)
    at_least(0, rate=rate, hwm=hwm, seconds=seconds, timeout=timeout, retries=retries)
    at_least(32, size=size)
    names = [f"client-{i}" for i in range(1, clients + 1)]
    return Topology(
        "lazy_pirate",
        [
            *(
                Node(name, Pirate(name, rate, size, timeout, retries), requests=asking("requests", hwm))
                for name in names
            ),
            Node("server", Server(seconds), requests=REP.bind("requests", sndhwm=hwm, rcvhwm=hwm)),
        ],
    )
