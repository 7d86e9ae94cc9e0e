"""Security: who comes in, who is turned away and why, and that no secret is shown or written down anywhere."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zmq
from labs import LIMIT, eventually, idle, leaving_nothing, receiving

import zlab
from zlab.patterns.zap import HANDLER, Authenticator
from zlab.runtime.security import reaches_out
from zlab.secret import HIDDEN, SECRETS, Secret
from zlab.views import flow
from zlab.views.picture import svg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIRED = ("ipc", "tcp")
PASSWORD = b"a-password-that-nobody-sees"


def secrets_of(topology: zlab.Topology) -> list[bytes]:
    """All that must stay hidden."""
    found = [spec.options[option].reveal() for _, spec in topology.sockets() for option in SECRETS & set(spec.options)]
    assert found
    return [each.encode() if isinstance(each, str) else each for each in found]


def shown(lab: zlab.Lab) -> Iterator[str]:
    """All that a person can be shown of a lab."""
    yield repr(lab.topology) + lab.topology.mermaid() + repr(lab)
    for node in lab.topology.nodes:
        yield repr(node) + repr(node.function) + repr(dict(node.sockets))
        where = lab.where(node.name)
        yield (
            repr(where) + where._repr_html_() + repr(vars(node.function) if hasattr(node.function, "__dict__") else "")
        )
    for table in (lab.sockets(), lab.connections(), lab.ledger(), lab.events(), lab.messages(), lab.latency()):
        yield table.to_string() + table._repr_html_() + table.to_csv()
    snapshot = lab.snapshot()
    yield repr(snapshot) + svg(lab.topology, snapshot) + flow.figures(snapshot).decode()
    yield repr(lab.history()) + repr(lab.passages()) + repr(lab.diagram()) + repr(lab.breakpoints)
    for number in sorted({passage.message for passage in lab.passages()})[:20]:
        yield repr(lab.frames(number))


def written_down(*roots: object) -> Iterator[bytes | str]:
    """Every string that can be reached from here; not by way of what is secret, nor of what runs."""
    skipped = (Secret, zmq.Socket, zmq.Context, threading.Thread, type, types.ModuleType, types.FrameType)
    seen: set[int] = set()
    todo, held = list(roots), []
    while todo:
        each = todo.pop()
        held.append(each)  # so that no other gets its place, and its id
        if id(each) in seen or isinstance(each, skipped):
            continue
        seen.add(id(each))
        if isinstance(each, bytes | str):
            yield each
        elif isinstance(each, np.ndarray):  # which the collector of garbage does not look into
            todo += each.ravel().tolist() if each.dtype.hasobject else [each.tobytes()]
        elif isinstance(each, types.FunctionType):
            todo += [*(each.__closure__ or ())]
        else:
            todo += gc.get_referents(each)
            todo += [vars(each)] if hasattr(each, "__dict__") else []


def nothing_told(lab: Any, secrets: list[bytes], *pages: str) -> None:
    for page in pages:
        for secret in secrets:
            assert secret not in page.encode(), page[:2000]
            assert secret.hex() not in page
    kept = [e if isinstance(e, bytes) else e.encode("utf-8", "replace") for e in written_down(lab._clock, lab._runs)]
    assert any(b"reply" in each or b"hello" in each for each in kept)  # the walk gets to where messages are kept
    for secret in secrets:
        assert not [each for each in kept if secret in each]


@pytest.mark.parametrize("trace", ["adaptive", "full"])
@pytest.mark.parametrize("name", ["woodhouse", "ironhouse"])
def test_no_secret_is_shown_or_written_down(name: str, trace: str) -> None:
    topology = getattr(zlab.patterns, name)(strangers=3, rate=50)
    secrets = secrets_of(topology)
    with leaving_nothing(), zlab.run(topology, transport="tcp", trace=trace) as lab:
        lab.wait(messages=30, timeout=LIMIT)
        eventually(lambda: len(lab.connections().query("reason != ''")) >= 2)
        lab.kill("authenticator")
        lab.restart("authenticator")
        pages = list(shown(lab))
        assert any(HIDDEN in page for page in pages)
        nothing_told(lab, secrets, *pages)
        lab.stop()
        nothing_told(lab, secrets, lab.events().to_string(), repr(lab.passages()))


def test_the_password_in_a_zap_request_is_in_no_record_and_no_reason() -> None:
    """Also where a node of the lab asks, whose messages would be traced with their frames."""

    def asking(zap: zmq.Socket[bytes]) -> None:
        for number in range(20):
            zap.send_multipart([b"1.0", b"%d" % number, b"", b"127.0.0.1", b"", b"PLAIN", b"client-1", PASSWORD])
            zap.recv_multipart()

    house = zlab.patterns.woodhouse(clients=1, rate=50)
    own = next(spec for name, spec in house.sockets() if name == "client-1.requests")
    known = Authenticator({"client-1": Secret(PASSWORD)})
    nodes = [
        zlab.Node("client-1", house["client-1"].function, requests=own.connect(plain_password=PASSWORD)),
        zlab.Node("server", house["server"].function, **house["server"].sockets),
        zlab.Node("authenticator", known, **house["authenticator"].sockets),
        house["logbook"],
        zlab.Node("other", asking, zap=zlab.REQ.connect(HANDLER)),
    ]
    with leaving_nothing(), zlab.run(zlab.Topology("asked", nodes), transport="tcp", trace="full") as lab:
        eventually(lambda: lab.sockets().loc["authenticator.zap", "sent"] >= 21)
        assert lab.ledger().loc["other.zap → authenticator.zap", "delivered"] >= 20
        eventually(lambda: any(passage.body.startswith(b"reply") for passage in lab.passages()))
        with lab.break_on("authenticator.recv"):
            lab.restart("client-1")
            lab.wait(until=lambda s: bool(s.why), timeout=LIMIT)
            assert "may bear a password, and is not shown" in lab.snapshot().why
            pages = list(shown(lab))  # while it stands there
        lab.resume()
        lab.wait(messages=10, timeout=LIMIT)
        nothing_told(lab, [PASSWORD], *pages)


def test_a_program_that_is_watched_keeps_its_secrets() -> None:
    context = zmq.Context()
    with leaving_nothing():
        try:
            with zlab.watch(context) as lab:
                kept = ask_for_a_password(context)
                eventually(lambda: any(passage.frames == (b"hello",) for passage in lab.passages()))
                pages = [lab.sockets().to_string(), lab.messages().to_string(), repr(lab.history())]
                nothing_told(lab, [PASSWORD], *pages, repr(lab.passages()))
                assert not any(socket.closed for socket in kept)
        finally:
            context.destroy(0)


def ask_for_a_password(context: zmq.Context[zmq.Socket[bytes]]) -> list[zmq.Socket[bytes]]:
    """A program whose ZAP handler is asked by libzmq, and then by the program itself."""
    handler, server, client, asker = (context.socket(kind) for kind in (zmq.REP, zmq.REP, zmq.REQ, zmq.REQ))
    handler.bind(HANDLER)
    asker.connect(HANDLER)
    server.plain_server = True
    client.plain_username, client.plain_password = b"joe", PASSWORD
    client.connect(f"tcp://127.0.0.1:{server.bind_to_random_port('tcp://127.0.0.1')}")
    client.send(b"hello")
    for own in (False, True):
        if own:
            asker.send_multipart([b"1.0", b"1", b"", b"127.0.0.1", b"", b"PLAIN", b"joe", PASSWORD])
        assert handler.poll(LIMIT * 1000)
        request = handler.recv_multipart()
        assert request[-1] == PASSWORD
        handler.send_multipart([b"1.0", request[1], b"200", b"OK", b"joe", b""])
    assert server.poll(LIMIT * 1000)
    server.recv()
    return [handler, server, client, asker]


def test_a_secret_hides_itself() -> None:
    hidden, same = Secret(PASSWORD), Secret(Secret(PASSWORD))
    assert str(hidden) == repr(hidden) == f"{hidden}" == HIDDEN
    assert hidden == same
    assert hidden != Secret(b"other")
    assert hash(hidden) == hash(Secret(b"other"))
    assert copy.deepcopy({"a": hidden})["a"] is copy.copy(hidden) is hidden
    with pytest.raises(TypeError, match="not written down"):
        pickle.dumps(hidden)
    for option in SECRETS:
        spec = zlab.DEALER.connect("x").bind("y", **{option: PASSWORD.decode()})
        assert PASSWORD.decode() not in repr(spec)
        assert spec.options[option].reveal() == PASSWORD.decode()


@pytest.mark.parametrize("value", [PASSWORD, 17.25, [PASSWORD.decode()], "not forty letters, " + PASSWORD.decode()])
def test_a_secret_that_is_refused_is_not_in_the_refusal(value: Any) -> None:
    def wrong() -> None:
        node = zlab.Node("a", receiving, inbox=zlab.PULL.bind("x", curve_server=1, curve_secretkey=value))
        zlab.run(zlab.Topology("t", [node]), transport="tcp")

    with pytest.raises(zlab.TopologyError, match=r"a\.inbox.*curve_secretkey") as refused:
        wrong()
    assert PASSWORD.decode() not in str(refused.value)
    assert "17.25" not in str(refused.value)


def test_a_fault_does_not_set_a_secret() -> None:
    with pytest.raises(ValueError, match="plain_password is secret") as refused:
        zlab.faults.Option("plain_password", PASSWORD)
    assert PASSWORD.decode() not in str(refused.value)


# Why a handshake failed


def handler(status: bytes, frames: int = 6) -> Callable[..., None]:
    """A ZAP handler that always says the same, in so many frames."""

    def answer(zap: zmq.Socket[bytes]) -> None:
        while True:
            version, request, *_ = zap.recv_multipart()
            zap.send_multipart([version, request, status, b"", b"somebody", b""][:frames])

    return answer


SERVER, CLIENT, OTHER = (zmq.curve_keypair() if zmq.has("curve") else (b"", b"") for _ in range(3))
CURVE = {"curve_server": 1, "curve_secretkey": SERVER[1], "zap_domain": "x", "zap_enforce_domain": 1}
KEYS = {"curve_serverkey": SERVER[0], "curve_publickey": CLIENT[0], "curve_secretkey": CLIENT[1]}
PLAIN = {"plain_server": 1}
NAME = {"plain_username": "joe", "plain_password": PASSWORD}
REASONS = {
    "unknown": (CURVE, KEYS, handler(b"400"), r"authentication: refused \(400\)"),
    "wrong password": (PLAIN, NAME, handler(b"400"), r"authentication: refused \(400\)"),
    "later": (CURVE, KEYS, handler(b"300"), r"a temporary error, says the authenticator \(300\)"),
    "broken": (CURVE, KEYS, handler(b"500"), r"the authenticator failed \(500\)"),
    "nonsense": (CURVE, KEYS, handler(b"999"), r"ZAP: invalid status code"),
    "too short": (CURVE, KEYS, handler(b"200", 3), r"ZAP: malformed reply"),
    "nobody to ask": (CURVE, KEYS, None, r"no ZAP handler is bound"),
    "nobody to ask of PLAIN": (PLAIN, NAME, None, r"no ZAP handler is bound"),
    "another server's key": (CURVE, {**KEYS, "curve_serverkey": OTHER[0]}, handler(b"200"), r"the keys do not fit"),
    "no keys": (CURVE, {}, handler(b"200"), r"different security mechanisms"),
    "PLAIN at CURVE": (CURVE, NAME, handler(b"200"), r"different security mechanisms"),
    "CURVE at NULL": ({}, KEYS, None, r"different security mechanisms"),
    "address": ({"zap_domain": "x"}, {}, handler(b"400"), r"authentication: refused \(400\)"),
}


@pytest.mark.parametrize("transport", WIRED)
@pytest.mark.parametrize("case", REASONS)
def test_a_failed_handshake_says_why(case: str, transport: str) -> None:
    server, client, zap, words = REASONS[case]
    nodes = [
        zlab.Node("server", receiving, inbox=zlab.PULL.bind("link", **server)),
        zlab.Node("client", zlab.nodes.source(count=1), out=zlab.PUSH.connect("link", reconnect_ivl=10, **client)),
    ]
    if zap is not None:
        nodes.append(zlab.Node("authenticator", zap, zap=zlab.REP.bind(HANDLER)))
    with leaving_nothing(), zlab.run(zlab.Topology("handshake", nodes), transport=transport) as lab:
        eventually(lambda: lab.connections()["reason"].str.contains(words).any())
        assert any(e.kind == "handshake failed" for e in lab.history())
        with pytest.raises(TimeoutError, match=r"client\.out → server\.inbox: "):
            lab.wait_ready(timeout=0.05)
        row = lab.ledger().iloc[0]  # one message at most: a socket that was told no has nobody to send to
        assert row["expected"] == row["queued"] + row["lost"] <= 1
        assert row["delivered"] == row["unaccounted"] == 0


@pytest.mark.parametrize("transport", WIRED)
def test_what_a_stranger_has_sent_is_nobody_elses(transport: str) -> None:
    """The server has one count for all: what is barred must not be counted as having come."""
    topology = zlab.patterns.ironhouse(clients=2, strangers=3, rate=50)
    with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
        lab.wait(messages=60, timeout=LIMIT)
        assert "refused (400)" in zlab.patterns.ironhouse.check(lab, within=LIMIT)
        eventually(lambda: {"the keys do not fit", "different security mechanisms", "refused"} <= told(lab))
        table = lab.ledger()
        strange = table[table.index.str.contains("stranger")]
        assert strange["delivered"].sum() == 0
        assert list(strange["expected"]) == list(strange["queued"] + strange["lost"]) == [1, 0] * 3
        assert strange["lost: turned away"].iloc[0] == 1
        friends = table[table.index.str.contains("client")]
        assert (friends["queued"] <= 1).all()
        assert (friends["delivered"] > 10).all()
        assert "none unaccounted for" in zlab.checks.accounted(lab)


def told(lab: zlab.Lab) -> set[str]:
    words = ("the keys do not fit", "different security mechanisms", "refused")
    return {word for word in words if lab.connections()["reason"].str.contains(word).any()}


@pytest.mark.parametrize("name", ["woodhouse", "ironhouse"])
def test_without_an_authenticator_nobody_new_comes_in(name: str) -> None:
    with leaving_nothing(), zlab.run(getattr(zlab.patterns, name)(rate=50), transport="tcp") as lab:
        lab.wait_ready(timeout=LIMIT)
        lab.kill("authenticator")
        lab.restart("client-1")
        eventually(lambda: lab.connections()["reason"].str.contains("no ZAP handler is bound").any())
        before = lab.sockets().loc["client-2.requests", "received"]
        eventually(lambda: lab.sockets().loc["client-2.requests", "received"] > before + 5)  # who is in stays in
        lab.restart("authenticator")
        lab.wait_ready(timeout=LIMIT)


def test_what_is_no_zap_request_is_answered_and_ends_nobody() -> None:
    context = zmq.Context()
    asker, zap, verdicts, log = (context.socket(kind) for kind in (zmq.REQ, zmq.REP, zmq.PUSH, zmq.PULL))
    zap.bind(HANDLER)
    asker.connect(HANDLER)
    verdicts.bind("inproc://verdicts")
    log.connect("inproc://verdicts")
    known = Authenticator({"joe": Secret(PASSWORD)}, {CLIENT[0]: "jill"})

    def run() -> None:
        try:
            known(zap, verdicts)
        except zmq.ContextTerminated:
            zap.close(0)
            verdicts.close(0)

    thread = threading.Thread(target=run)
    thread.start()
    head = [b"1.0", b"7", b"", b"127.0.0.1", b""]
    for request, status, user in (
        ([b""], b"500", b""),
        ([b"1.0", b"7"], b"500", b""),
        ([b"2.0", *head[1:], b"NULL"], b"500", b""),
        ([*head, b"NULL"], b"400", b""),
        ([*head, b"PLAIN", b"joe"], b"400", b""),
        ([*head, b"PLAIN", b"\xff\xfe", PASSWORD], b"400", b""),
        ([*head, b"PLAIN", b"joe", PASSWORD[:-1]], b"400", b""),
        ([*head, b"PLAIN", b"joe", PASSWORD], b"200", b"joe"),
        ([*head, b"CURVE", b"x" * 31], b"400", b""),
        ([*head, b"CURVE", b"x" * 32], b"400", b""),
    ):
        asker.send_multipart(request)
        assert asker.poll(LIMIT * 1000)
        version, number, code, _, name, _ = asker.recv_multipart()
        assert (version, code, name) == (b"1.0", status, user), request
        assert number == (b"7" if len(request) > 1 else b"")
    said = []
    while log.poll(100):
        said.append(log.recv())
    assert len(said) == 7
    assert not any(PASSWORD in each for each in said)
    asker.close(0)
    log.close(0)
    context.term()
    thread.join(LIMIT)
    assert not thread.is_alive()


# What is refused


def listening(url: str, **options: Any) -> zlab.Topology:
    node = zlab.Node("server", idle, inbox=zlab.PULL.bind(url, **options))
    return zlab.Topology("open", [node])


@pytest.mark.parametrize(
    "url", ["tcp://*:*", "tcp://0.0.0.0:*", "tcp://eth0:*", "tcp://[::]:*", "tcp://10.0.0.1:5556", "tcp://localhosts:1"]
)
def test_who_listens_beyond_this_machine_must_ask_who_comes(url: str) -> None:
    for options in ({}, {"plain_server": 1}, CURVE):
        with pytest.raises(zlab.TopologyError, match=r"server\.inbox binds .*: zlab\.run\(\.\.\., exposed=True\)"):
            zlab.run(listening(url, **options), transport="tcp")


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:*", "tcp://lo:*", "name", "ipc://@zlab-here", "inproc://x"])
def test_who_listens_on_this_machine_need_not(url: str) -> None:
    assert not reaches_out(url)
    with leaving_nothing(), zlab.run(listening(url), transport="tcp"):
        pass


def test_multicast_goes_by_its_interface() -> None:
    assert not reaches_out("epgm://127.0.0.1;239.192.1.9:5570")
    assert reaches_out("epgm://192.168.1.1;239.192.1.9:5570")
    assert reaches_out("epgm://239.192.1.9:5570")
    assert reaches_out("udp://*:5556")
    assert not reaches_out("ws://127.0.0.1:5556/path")


def test_with_keys_or_the_users_word_it_runs() -> None:
    guarded = zlab.Topology(
        "guarded",
        [
            zlab.Node("server", idle, inbox=zlab.PULL.bind("tcp://*:*", **CURVE)),
            zlab.Node("authenticator", handler(b"200"), zap=zlab.REP.bind(HANDLER)),
        ],
    )
    with leaving_nothing():
        zlab.run(guarded, transport="tcp").stop()
        zlab.run(listening("tcp://*:*"), transport="tcp", exposed=True).stop()


@pytest.mark.parametrize("options", [CURVE, PLAIN, NAME, KEYS])
def test_inproc_has_no_handshake(options: dict[str, Any]) -> None:
    with pytest.raises(zlab.TopologyError, match=r"server\.inbox asks for (CURVE|PLAIN), and inproc has no handshake"):
        zlab.run(listening("name", **options), transport="inproc")


def test_a_mechanism_that_is_not_there_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    has = zmq.has
    monkeypatch.setattr(zmq, "has", lambda what: what != "curve" and has(what))
    with pytest.raises(zlab.TopologyError, match=r"server\.inbox: .* has no curve: .*libsodium"):
        zlab.run(listening("name", **CURVE), transport="tcp")
