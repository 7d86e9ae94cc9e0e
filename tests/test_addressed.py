"""What ROUTERs send to one another: each message names its peer, so it is known how many have gone to which."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
from labs import LIMIT, TRANSPORTS, eventually, leaving_nothing

import zlab
from zlab.ledger.addressed import Addressed
from zlab.ledger.lives import Lives
from zlab.ledger.sharing import exchanges
from zlab.ledger.ways import Ways

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import zmq


def answer(inbox: zmq.Socket[bytes]) -> None:
    """Take each question."""
    while True:
        inbox.recv_multipart()


PLANS: Sequence[Mapping[str, int]] = [{"one": 7, "two": 31, "three": 2}, {"one": 12, "two": 1, "three": 40}]
TO = [
    f"asker-{number}.out → {peer}.inbox: {count}" for number, plan in enumerate(PLANS) for peer, count in plan.items()
]


@pytest.mark.parametrize("body", [b"", b"the same"], ids=["bodies of their own", "equal bodies"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_routers_send_to_routers_is_known_by_the_peers_they_name(transport: str, body: bytes) -> None:
    go = threading.Event()

    def asks(out: zmq.Socket[bytes], plan: Mapping[str, int]) -> None:
        go.wait(LIMIT)
        for peer, count in plan.items():
            for number in range(count):
                out.send_multipart([peer.encode(), body or f"{id(plan)} {peer} {number}".encode()])

    topology = zlab.Topology(
        "mesh",
        [
            *(zlab.Node(name, answer, inbox=zlab.ROUTER.bind(name, routing_id=name)) for name in PLANS[0]),
            *(
                zlab.Node(f"asker-{number}", partial(asks, plan=plan), out=zlab.ROUTER.connect(*plan))
                for number, plan in enumerate(PLANS)
            ),
        ],
    )
    with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
        lab.wait_ready(timeout=LIMIT)
        go.set()

        def told() -> bool:
            table = lab.ledger()
            rows = {f"{link}: {n}" for link, n in table["delivered"].items() if str(link).startswith("asker")}
            return rows == set(TO) and not table["uncertain"].any() and (table["unaccounted"] == 0).all()

        eventually(told)
        lab.stop()
        assert told()


def test_routers_whose_messages_the_sums_account_for_are_not_looked_at() -> None:
    def counted(topology: zlab.Topology) -> set[str]:
        specs, links = dict(topology.sockets()), topology.links
        addressed = Addressed(Lives(Ways({})), specs)
        addressed.look_at(exchange.rays for exchange in exchanges(links, specs, ()))
        return set(addressed._routers)

    assert counted(zlab.patterns.broker()) == set()
    assert counted(zlab.patterns.router_to_dealer()) == set()
    assert "client-1.client" in counted(zlab.patterns.freelance_three())
