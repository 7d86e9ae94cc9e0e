"""What a proxy passes on to several subscribers is shown as so many hops, though no probe saw it leave."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import zmq
from labs import eventually, receiving

import zlab

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 100


def passing_on(front: zmq.Socket[bytes], back: zmq.Socket[bytes]) -> None:
    zmq.proxy(front, back)


def forwarder(
    types: tuple[zlab.topology.SocketType, ...], send: Callable[..., object], topics: tuple[str, ...]
) -> zlab.Topology:
    out, front, back = types
    return zlab.Topology(
        "copies",
        [
            zlab.Node("source", send, out=out.connect("in")),
            zlab.Node("proxy", passing_on, front=front.bind("in"), back=back.bind("out")),
            *(
                zlab.Node(f"listener-{i}", receiving, inbox=zlab.SUB.connect("out", subscribe=topic))
                for i, topic in enumerate(topics)
            ),
        ],
    )


def speaking(go: threading.Event, bodies: list[bytes]) -> Callable[..., None]:
    def speak(out: zmq.Socket[bytes]) -> None:
        while not go.is_set():
            out.poll(10, zmq.POLLERR)
        for body in bodies:
            out.send(body)
            out.poll(1, zmq.POLLERR)

    return speak


@pytest.mark.parametrize("trace", ["adaptive", "full"])
@pytest.mark.parametrize("transport", ["inproc", "tcp"])
@pytest.mark.parametrize(
    "types", [(zlab.PUSH, zlab.PULL, zlab.PUB), (zlab.PUB, zlab.XSUB, zlab.XPUB)], ids=["PULL to PUB", "XSUB to XPUB"]
)
def test_each_subscriber_behind_a_proxy_has_a_hop_of_its_own(
    types: tuple[zlab.topology.SocketType, ...], transport: str, trace: str
) -> None:
    go = threading.Event()
    bodies = [b"%s %d" % ((b"a", b"b")[number % 2], number) for number in range(COUNT)]
    topology = forwarder(types, speaking(go, bodies), ("", "a", "b", ""))
    with zlab.run(topology, transport=transport, trace=trace) as lab:
        lab.wait_ready()
        go.set()
        eventually(lambda: len(lab.messages()) == 3 * COUNT and set(lab.messages()["fate"]) == {"delivered"})
        table = lab.messages()
        assert set(table["via"]) == {"proxy"}
        assert not table["ambiguous"].any()
        assert set(table["hop"]) == {1}
        for number, count in enumerate([COUNT, COUNT // 2, COUNT // 2, COUNT]):
            mine = table[table["link"] == f"source.out → listener-{number}.inbox"]
            assert len(mine) == mine["message"].nunique() == count
            assert (mine["received"] > mine["sent"]).all()
        journey = lab.journey(b"a 0")
        assert sorted(journey["link"].str.extract(r"listener-(\d)")[0]) == ["0", "1", "3"]
        assert (journey["received"] <= journey["sent"].min() + journey.attrs["end_to_end"]).all()
        assert [h.crossing.message for _, h in lab.arrows.chosen(lab.arrows.span)] == list(table["message"])


def test_equal_bodies_behind_a_proxy_are_all_there_and_marked() -> None:
    go, count = threading.Event(), 40
    topology = forwarder((zlab.PUSH, zlab.PULL, zlab.PUB), speaking(go, [b"the same"] * count), ("", "", ""))
    with zlab.run(topology) as lab:
        lab.wait_ready()
        go.set()
        eventually(lambda: len(lab.messages()) == 3 * count and set(lab.messages()["fate"]) == {"delivered"})
        assert (lab.messages()["link"].value_counts() == count).all()


def test_what_a_gated_proxy_passes_on_is_followed_hop_by_hop_again() -> None:
    go = threading.Event()
    bodies = [b"%d" % number for number in range(20)]
    topology = forwarder((zlab.PUSH, zlab.PULL, zlab.PUB), speaking(go, bodies), ("", ""))
    with zlab.run(topology) as lab:
        lab.wait_ready()
        lab.break_on("proxy", body=b"never")
        eventually(lambda: lab._run.nodes["proxy"].recordings[0].gated)
        go.set()
        eventually(lambda: len(lab.messages()) == 3 * len(bodies) and set(lab.messages()["fate"]) == {"delivered"})
        assert set(lab.messages()["via"]) == {""}
        assert sorted(lab.journey(bodies[-1])["hop"]) == [1, 2, 2]
