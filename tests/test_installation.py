"""What an installation has can be used, what it lacks is refused; `zlab doctor` says both."""

from __future__ import annotations

import sys
import urllib.request
from types import ModuleType

import pytest
import zmq
from labs import LIMIT, TRANSPORTS, leaving_nothing

import zlab
from zlab import installation
from zlab.cli import doctor, main
from zlab.probe.source import checksum, stale
from zlab.sockets import DRAFTS, PEERS

PAIRS = [(one, other) for one in PEERS for other in PEERS[one] if one <= other and one not in DRAFTS]


def asks(out):
    out.send(b"question")
    out.recv()


def encloses(out):
    while True:  # the empty frame is what REQ would send
        out.send_multipart([b"", b"question"])
        out.poll(5, zmq.POLLERR)


def addresses(out):
    while True:
        out.send_multipart([b"other", b"", b"question"])
        out.poll(5, zmq.POLLERR)


def speaks(out):
    while True:
        out.send(b"news")
        out.poll(5, zmq.POLLERR)


def subscribes(inbox):
    inbox.send(b"\1")
    hears(inbox)


def answers(inbox):
    while True:
        inbox.recv()
        inbox.send(b"answer")


def hears(inbox):
    while True:
        inbox.recv_multipart()


def pair_of(number, one, other):
    """Two nodes of these types; the first one speaks."""
    if not one.sends or one in {zlab.REP, zlab.XSUB} or (one is zlab.ROUTER and other is not zlab.ROUTER):
        one, other = other, one
    talk = {zlab.REQ: asks, zlab.ROUTER: addresses}.get(one, encloses if other is zlab.REP else speaks)
    listen = {zlab.XSUB: subscribes, zlab.REP: answers}.get(other, hears)
    options = {zlab.SUB: {"subscribe": ""}, zlab.ROUTER: {"routing_id": "other"}}.get(other, {})
    return [
        zlab.Node(f"{one}-{other}-{number}", talk, out=one.bind(f"e{number}")),
        zlab.Node(f"{other}-of-{one}-{number}", listen, inbox=other.connect(f"e{number}", **options)),
    ]


def everything(pairs):
    return zlab.Topology("all", [node for i, pair in enumerate(pairs) for node in pair_of(i, *pair)])


def all_came(lab):
    heard = [node.name for node in lab.topology.nodes if "-of-" in node.name]

    def came(snapshot):
        return {s.name.partition(".")[0] for s in snapshot.sockets if s.received} >= set(heard)

    return came


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_legal_pair_of_socket_types_talks(transport):
    assert len(PAIRS) == 12
    with leaving_nothing(), zlab.run(everything(PAIRS), transport=transport) as lab:
        lab.wait(until=all_came(lab), timeout=LIMIT)
        assert not [e for e in lab.history() if e.kind == "error"]


def test_what_drafts_are_safe_talk_over_inproc():
    pairs = [(zlab.SCATTER, zlab.GATHER), (zlab.CHANNEL, zlab.CHANNEL)]
    with leaving_nothing(), zlab.run(everything(pairs)) as lab:
        lab.wait(until=all_came(lab), timeout=LIMIT)
        lab.stop()
        assert "none unaccounted for" in zlab.checks.accounted(lab)


def test_a_stream_socket_speaks_plain_tcp():
    def web(browsers):
        while True:
            address, request = browsers.recv_multipart()
            if request.startswith(b"GET "):
                browsers.send_multipart([address, b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"])

    topology = zlab.Topology("web", [zlab.Node("web", web, browsers=zlab.STREAM.bind("http"))])
    with leaving_nothing(), zlab.run(topology, transport="tcp") as lab:
        url = lab.endpoints["http"].replace("tcp://", "http://")
        with urllib.request.urlopen(url, timeout=LIMIT) as page:
            assert page.read() == b"hello"
        sockets = lab.sockets()
        assert sockets.loc["web.browsers", "sent"] == 1
    with leaving_nothing(), pytest.raises(zlab.TopologyError, match=r"web\.browsers is STREAM.*use tcp"):
        zlab.run(topology, transport="ipc")
    with pytest.raises(zlab.TopologyError, match="STREAM faces no ZeroMQ socket"):
        zlab.Topology("two", [*topology.nodes, zlab.Node("other", speaks, out=zlab.STREAM.connect("http"))])


@pytest.fixture
def bare(monkeypatch):
    """A libzmq that was built with nothing."""
    monkeypatch.setattr(zmq, "has", "ipc".__eq__)
    monkeypatch.setattr(zmq, "DRAFT_API", False)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("missing", ["ws", "wss", "pgm", "epgm", "norm", "udp", "tipc", "vmci"])
def test_a_missing_transport_is_refused_with_the_advice_of_the_doctor(missing, capsys):
    url = f"{missing}://127.0.0.1:5570"
    nodes = [zlab.Node("a", speaks, out=zlab.PUB.bind(url)), zlab.Node("b", hears, inbox=zlab.SUB.connect(url))]
    with leaving_nothing(), pytest.raises(zlab.TopologyError) as refused:
        zlab.run(zlab.Topology("x", nodes))
    assert f"has no {missing} (" in str(refused.value)
    assert main(["doctor"]) == 0
    advice = str(refused.value).partition("): ")[2].removesuffix("; zlab doctor tells what it has")
    assert len(advice) > 10
    assert advice in capsys.readouterr().out


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(("kind", "peer"), [(one, next(iter(PEERS[one]))) for one in sorted(DRAFTS)])
def test_a_draft_that_would_abort_the_process_is_refused(kind, peer):
    nodes = [zlab.Node("a", speaks, out=kind.bind("x")), zlab.Node("b", hears, inbox=peer.connect("x"))]
    topology = zlab.Topology("x", nodes)
    for transport in TRANSPORTS if kind not in installation.SAFE else ("ipc", "tcp"):
        with leaving_nothing(), pytest.raises(zlab.TopologyError, match=r"draft socket type.*ZMQ_DRAFT_API=1 pip"):
            zlab.run(topology, transport=transport)


def test_what_is_there_is_not_refused(monkeypatch):
    monkeypatch.setattr(zmq, "has", lambda _: True)
    monkeypatch.setattr(zmq, "DRAFT_API", True)
    url = "epgm://127.0.0.1;239.192.1.9:5570"
    node = zlab.Node("a", speaks, out=zlab.PUB.bind(url, "ws://127.0.0.1:5570/"))
    installation.refuse(zlab.Topology("x", [node, zlab.Node("b", speaks, out=zlab.SERVER.bind("x"))]), "tcp")
    with pytest.raises(zlab.TopologyError, match=r"a\.out is PUSH, which epgm does not carry: it carries PUB, SUB"):
        installation.refuse(zlab.Topology("x", [zlab.Node("a", speaks, out=zlab.PUSH.bind(url))]), "tcp")


def test_the_doctor_names_everything(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for name in ("inproc", "epgm", "vmci", "curve", "gssapi", "drafts", "probe", "ipykernel", "jupyterlab"):
        assert f" {name} " in said
    for ability in installation.transports():
        assert f"  {'yes' if ability.there else 'no '}  {ability.name} " in said
    assert zmq.zmq_version() in said


def test_what_was_compiled_of_another_source_is_not_used(tmp_path):
    source, module = tmp_path / "_loop.c", ModuleType("_loop")
    module.__file__ = str(tmp_path / "_loop.cpython-311-x86_64-linux-gnu.so")
    assert not stale(module)  # as it came: there is no source to compare
    source.write_text("int before;")
    assert stale(module)  # of a time when it did not say what it was compiled of
    module.SOURCE = checksum(source)
    assert not stale(module)
    source.write_text("int after;")
    assert stale(module)


@pytest.mark.parametrize(("outdated", "advice"), [(False, "apt install gcc python3-dev"), (True, "pip install -e .")])
def test_the_doctor_tells_how_the_probe_gets_compiled(outdated, advice, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "COMPILED", False)
    monkeypatch.setattr(doctor, "STALE", outdated)
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "  no   probe " in said
    assert advice in said.partition("  probe:")[2].partition("\n\n")[0]
    assert f"{sys.executable} -m pip" in said or f"uv pip, with --python {sys.executable}" in said
