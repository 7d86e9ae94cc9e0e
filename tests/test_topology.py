"""A topology: what it derives, and what it refuses, always with the name and the remedy."""

from __future__ import annotations

import networkx as nx
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

import zlab
from zlab import sockets as module
from zlab.sockets import SocketType


def speaks(out):
    """A node function of one socket."""


def hears(inbox):
    """A node function of one socket."""


def both(inbox, out):
    """A node function of two sockets."""


def pair_of(sender, receiver):
    return zlab.Topology("two", [zlab.Node("a", speaks, out=sender), zlab.Node("b", hears, inbox=receiver)])


def test_links_are_derived_from_the_endpoints():
    topology = zlab.Topology(
        "mine",
        [
            zlab.Node("source", speaks, out=zlab.PUSH.bind("numbers")),
            zlab.Node("doubler", both, inbox=zlab.PULL.connect("numbers"), out=zlab.PUSH.connect("doubled")),
            zlab.Node("sink", hears, inbox=zlab.PULL.bind("doubled")),
        ],
    )
    assert [str(link) for link in topology.links] == ["source.out → doubler.inbox", "doubler.out → sink.inbox"]
    assert [(link.source, link.target, link.endpoint) for link in topology.links] == [
        ("source", "doubler", "numbers"),
        ("doubler", "sink", "doubled"),
    ]
    assert topology["doubler"].sockets["inbox"].type is zlab.PULL


def test_a_two_way_socket_has_a_link_each_way():
    topology = pair_of(zlab.REQ.connect("x"), zlab.REP.bind("x"))
    assert [str(link) for link in topology.links] == ["a.out → b.inbox", "b.inbox → a.out"]


def test_a_node_name_may_have_dots():
    topology = zlab.Topology(
        "dots",
        [
            zlab.Node("a.1", speaks, out=zlab.PUSH.bind("x")),
            zlab.Node("b.2", hears, inbox=zlab.PULL.connect("x")),
        ],
    )
    assert (topology.links[0].source, topology.links[0].target) == ("a.1", "b.2")


types = st.sampled_from(SocketType)


@given(types, types)
def test_facing_is_mutual_and_a_topology_agrees_with_it(one, other):
    faces = other in module.PEERS[one]
    assert faces == (one in module.PEERS[other])
    for ends in ((one.bind("x"), other.connect("x")), (one.connect("x"), other.bind("x"))):
        if faces:
            topology = pair_of(*ends)
            ways = {(link.source, link.target) for link in topology.links}
            assert (("a", "b") in ways) == (one.sends and other.receives)
            assert (("b", "a") in ways) == (other.sends and one.receives)
        else:
            with pytest.raises(zlab.TopologyError, match="cannot face"):
                pair_of(*ends)


@given(st.integers(1, 6), st.integers(1, 6), st.booleans())
def test_every_connecting_socket_is_one_link(pushers, pullers, pushers_bind):
    """Whoever binds, n ends that connect to each of m bound endpoints make n times m links."""
    bound, connecting = (pushers, pullers) if pushers_bind else (pullers, pushers)
    names = [f"e{i}" for i in range(bound)]
    binder, other = (zlab.PUSH, zlab.PULL) if pushers_bind else (zlab.PULL, zlab.PUSH)
    topology = zlab.Topology(
        "many",
        [
            *(zlab.Node(f"binder-{name}", speaks, out=binder.bind(name)) for name in names),
            *(zlab.Node(f"other-{i}", hears, inbox=other.connect(*names)) for i in range(connecting)),
        ],
    )
    assert len(topology.links) == pushers * pullers
    graph = topology.graph()
    assert graph.number_of_edges() == len(topology.links)
    assert nx.is_weakly_connected(graph) or bound > 1
    assert {data["endpoint"] for *_, data in graph.edges(data=True)} == set(names)


def test_the_graph_carries_the_data():
    graph = zlab.patterns.pipeline(workers=2).graph()
    assert graph.nodes["worker-1"]["sockets"] == {"tasks": "PULL", "results": "PUSH"}
    data = graph.edges["ventilator", "worker-1", 0]
    assert data["types"] == ("PUSH", "PULL")
    assert (data["sender"], data["receiver"]) == ("ventilator.tasks", "worker-1.tasks")
    assert nx.descendants(graph, "ventilator") == {"worker-1", "worker-2", "sink"}


def test_the_mermaid_picture():
    assert zlab.patterns.request_reply(clients=1).mermaid() == (
        "flowchart LR\n"
        '    n0["client-1<br/><small>REQ</small>"]\n'
        '    n1["server<br/><small>REP</small>"]\n'
        '    n0 <-->|"requests"| n1\n'
    )
    assert 'n1 <-->|"backend"| n2' in zlab.patterns.broker(clients=1, workers=1).mermaid()  # workers at the right
    assert (
        '"ipc:///tmp/a#quot;b"'
        in pair_of(zlab.PUSH.bind('ipc:///tmp/a"b'), zlab.PULL.connect('ipc:///tmp/a"b')).mermaid()
    )


def test_what_jupyter_is_given():
    topology = pair_of(zlab.PUSH.bind("x"), zlab.PULL.connect("x"))
    assert set(topology._repr_mimebundle_()) == {"text/vnd.mermaid", "text/plain"}
    assert repr(topology) == "Topology 'two': 2 nodes, 1 links\n  a.out → b.inbox  (x)"


def test_a_socket_gathers_endpoints_and_options():
    socket = zlab.DEALER.bind("x", sndhwm=1).connect("y", "tcp://10.0.0.1:5555", rcvhwm=2)
    assert socket.endpoints == ("x", "y", "tcp://10.0.0.1:5555")
    assert dict(socket.options) == {"sndhwm": 1, "rcvhwm": 2}


def test_an_outside_peer_needs_no_binder():
    topology = pair_of(zlab.PUSH.connect("tcp://127.0.0.1:5555"), zlab.PULL.bind("x"))
    assert topology.links == ()


def test_the_options_are_those_that_pyzmq_knows():
    known = {option.name.lower() for option in zmq.SocketOption} | {"hwm", "identity"}
    assert known >= module._OPTIONS


async def coroutine(out):
    """Never awaited."""


def generator(out):
    yield out


class Callable:
    """An instance with `__call__` is a node function; the class is not."""

    def __call__(self, out):
        """Run."""


def by_position(out, /):
    """Takes its socket by position alone."""


def test_an_instance_that_can_be_called_is_a_node_function():
    assert zlab.Node("a", Callable(), out=zlab.PUSH.bind("x")).sockets["out"].type is zlab.PUSH


def test_a_default_or_keywords_are_room_for_sockets():
    def roomy(out, pace=1.0, **others):
        """Take what comes."""

    node = zlab.Node("a", roomy, out=zlab.PUSH.bind("x"), control=zlab.SUB.connect("y"))
    assert set(node.sockets) == {"out", "control"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: zlab.Node("", speaks, out=zlab.PUSH.bind("x")), ["''", "letters"]),
        (lambda: zlab.Node("a b", speaks, out=zlab.PUSH.bind("x")), ["'a b'", "worker-1"]),
        (lambda: zlab.Node("a", "speaks", out=zlab.PUSH.bind("x")), ["node a", "not a function"]),
        (lambda: zlab.Node("a", Callable, out=zlab.PUSH.bind("x")), ["node a", "class", "Callable()"]),
        (lambda: zlab.Node("a", zlab.nodes.source, out=zlab.PUSH.bind("x")), ["class", "source()"]),
        (lambda: zlab.Node("a", coroutine, out=zlab.PUSH.bind("x")), ["node a", "coroutine", "plain function"]),
        (lambda: zlab.Node("a", generator, out=zlab.PUSH.bind("x")), ["node a", "generator", "plain function"]),
        (lambda: zlab.Node("a", by_position, out=zlab.PUSH.bind("x")), ["node a", "'out'", "'/'"]),
        (lambda: zlab.Node("a", speaks), ["node a", "'out'", "add out="]),
        (lambda: zlab.Node("a", speaks, out=zlab.PUSH.bind("x"), in_=zlab.PULL.bind("y")), ["a.in_", "out"]),
        (lambda: zlab.Node("a", speaks, out="tcp://127.0.0.1:5555"), ["a.out", "not a socket", "zlab.PUSH.bind"]),
        (lambda: zlab.Node("a", speaks, out=zlab.PUSH.bind()), ["a.out", "no endpoint"]),
        (lambda: zlab.Node("a", speaks, out=zlab.PUSH.bind("x", sndhvm=1)), ["a.out", "'sndhvm'", "'sndhwm'"]),
        (lambda: zlab.Node("a", speaks, out=zlab.PUSH.bind("x", qqq=1)), ["a.out", "'qqq'", "zmq_setsockopt"]),
        (lambda: zlab.Node("a", speaks, out=zlab.PUSH.bind("x", linger=[1])), ["a.out", "linger", "only subscribe"]),
        (lambda: zlab.Node("a", speaks, out=zlab.PUB.bind("x", subscribe="")), ["a.out", "PUB", "only SUB"]),
        (lambda: zlab.Node("a", hears, inbox=zlab.SUB.bind("x", subscribe=1)), ["a.inbox", "1", "str or bytes"]),
        (lambda: zlab.Topology("t", []), ["'t'", "no nodes"]),
        (lambda: zlab.Topology("t", [speaks]), ["'t'", "not a zlab.Node"]),
        (lambda: zlab.Topology("t", [zlab.Node("a", speaks, out=zlab.PUSH.bind("x"))] * 2), ["'a'", "two nodes"]),
        (lambda: pair_of(zlab.PUSH.bind("x"), zlab.PULL.bind("x")), ["b.inbox", "a.out", "'x'", "connect"]),
        (lambda: pair_of(zlab.PUSH.bind("x"), zlab.PULL.connect("y")), ["b.inbox", "'y'", "'x'", "nobody binds"]),
        (
            lambda: pair_of(zlab.PUSH.bind("x"), zlab.SUB.connect("x")),
            ["b.inbox", "SUB", "a.out", "PUSH", "PUB or XPUB"],
        ),
        (lambda: pair_of(zlab.PUSH.bind("x"), zlab.PULL.connect("x", "x")), ["b.inbox", "'x'", "more than once"]),
        (lambda: pair_of(zlab.PAIR.bind("x").connect("x"), zlab.PULL.bind("y")), ["a.out", "'x'", "itself"]),
        (lambda: pair_of(zlab.PUSH.bind("x y"), zlab.PULL.bind("z")), ["a.out", "'x y'", "bare name"]),
        (lambda: pair_of(zlab.PUSH.bind("http://1.2.3.4:5"), zlab.PULL.bind("z")), ["a.out", "http", "tcp://"]),
        (lambda: pair_of(zlab.PUSH.bind(5555), zlab.PULL.bind("z")), ["a.out", "5555", "a name or a URL"]),
    ],
)
def test_a_wrong_one_is_refused_by_name_and_with_the_remedy(make, words):
    with pytest.raises(zlab.TopologyError) as refused:
        make()
    for word in words:
        assert word in str(refused.value)


def test_no_such_node():
    with pytest.raises(KeyError, match=r"no node 'c' in 'two': it has a, b"):
        pair_of(zlab.PUSH.bind("x"), zlab.PULL.connect("x"))["c"]


@pytest.mark.parametrize("transports", [(), ("udp",), ("tcp", "shm")])
def test_a_topology_is_for_transports_that_there_are(transports):
    with pytest.raises(zlab.TopologyError, match="give some of inproc, ipc, tcp"):
        zlab.Topology("t", zlab.patterns.pipeline().nodes, transports=transports)
