"""A lab: started, watched, disturbed and stopped, on every transport."""

from __future__ import annotations

import contextlib
import gc
import signal
import subprocess
import sys
import threading
import time

import pytest
import zmq
from labs import LIMIT, TRANSPORTS, eventually, leaving_nothing, one_way, receiving, sending

import zlab
from zlab.runtime import interrupt, registry

# A node of each basic pattern that connects: over inproc a binding one is not found again by its peers.
CONNECTING = {
    "request_reply": "client-1",
    "pub_sub": "subscriber-1",
    "pipeline": "worker-1",
    "broker": "worker-1",
    "exclusive_pair": "pong",
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("pattern", CONNECTING)
def test_every_basic_pattern_lives_through_start_traffic_kill_restart_and_stop(pattern: str, transport: str) -> None:
    with leaving_nothing():
        lab = zlab.run(getattr(zlab.patterns, pattern)(rate=100), transport=transport)
        lab.wait(messages=20, timeout=LIMIT)
        victim = CONNECTING[pattern]
        lab.kill(victim)
        assert lab.snapshot().nodes  # the figures go on
        eventually(lambda: next(n for n in lab.snapshot().nodes if n.name == victim).state == "killed")
        lab.restart(victim)
        if pattern != "exclusive_pair":  # its partner waits for a message that is gone
            lab.wait(messages=20, timeout=LIMIT)
        lab.stop()
        table = lab.ledger()
        assert (table["unaccounted"] == 0).all(), table.to_string()
        assert (table["queued"] == 0).all()
        assert (table["delivered"] > 0).all(), table.to_string()
        assert not [e for e in lab.history() if e.kind == "error"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_fifty_nodes_blocked_in_anything_stop_within_two_seconds(transport: str) -> None:
    def recv(s: zmq.Socket[bytes]) -> None:
        s.recv()

    def recv_multipart(s: zmq.Socket[bytes]) -> None:
        s.recv_multipart()

    def poll(s: zmq.Socket[bytes]) -> None:
        s.poll()

    def poller(s: zmq.Socket[bytes]) -> None:
        waiting = zmq.Poller()
        waiting.register(s, zmq.POLLIN)
        waiting.poll()

    def send(s: zmq.Socket[bytes]) -> None:
        while True:
            s.send(b"x")

    def swallow(s: zmq.Socket[bytes]) -> None:
        while True:
            try:
                s.recv()
            except zmq.ZMQError:
                continue

    def proxy(s: zmq.Socket[bytes], other: zmq.Socket[bytes]) -> None:
        zmq.proxy(s, other)

    nodes = []
    for i in range(50):
        function = (recv, recv_multipart, poll, poller, send, swallow, proxy)[i % 7]
        if function is proxy:
            nodes.append(zlab.Node(f"n{i}", proxy, s=zlab.ROUTER.bind(f"a{i}"), other=zlab.DEALER.bind(f"b{i}")))
        else:
            socket = zlab.PUSH if function is send else zlab.PULL
            nodes.append(zlab.Node(f"n{i}", function, s=socket.bind(f"a{i}")))
    with leaving_nothing():
        lab = zlab.run(zlab.Topology("blocked", nodes), transport=transport)
        eventually(lambda: any(n.state == "blocked in recv" for n in lab.snapshot().nodes))
        began = time.monotonic()
        lab.stop()
        assert time.monotonic() - began < 2.5, [e for e in lab.history() if e.kind == "error"]
        assert not [e for e in lab.history() if e.kind == "error"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_one_node_is_killed_whatever_it_is_blocked_in(transport: str) -> None:
    def proxy(frontend: zmq.Socket[bytes], backend: zmq.Socket[bytes]) -> None:
        zmq.proxy(frontend, backend)

    def send(out: zmq.Socket[bytes]) -> None:
        while True:
            out.send(b"x")

    def poller(inbox: zmq.Socket[bytes]) -> None:
        waiting = zmq.Poller()
        waiting.register(inbox, zmq.POLLIN)
        waiting.poll()

    topology = zlab.Topology(
        "kill",
        [
            zlab.Node("proxy", proxy, frontend=zlab.ROUTER.bind("a"), backend=zlab.DEALER.bind("b")),
            zlab.Node("send", send, out=zlab.PUSH.bind("c")),
            zlab.Node("recv", receiving, inbox=zlab.PULL.bind("d")),
            zlab.Node("poller", poller, inbox=zlab.PULL.bind("e")),
        ],
    )
    with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
        for name in ("proxy", "send", "recv", "poller"):
            lab.kill(name)
            lab.kill(name)  # once more changes nothing
        assert {n.name: n.state for n in lab.snapshot().nodes} == dict.fromkeys(lab._run.nodes, "killed")
        for name in ("proxy", "send", "recv", "poller"):
            lab.restart(name)


def test_a_node_that_raises_stops_alone_and_shows_its_traceback() -> None:
    def failing(inbox: zmq.Socket[bytes]) -> None:
        inbox.recv()
        raise RuntimeError("the worker tripped")

    topology = zlab.Topology(
        "failing",
        [
            zlab.Node("source", zlab.nodes.source(rate=200), out=zlab.PUSH.bind("numbers")),
            zlab.Node("failing", failing, inbox=zlab.PULL.connect("numbers")),
            zlab.Node("sink", zlab.nodes.sink(), inbox=zlab.PULL.connect("numbers")),
        ],
    )
    with leaving_nothing(), zlab.run(topology, transport="tcp") as lab:
        eventually(lambda: any(n.state == "failed" for n in lab.snapshot().nodes))
        node = next(n for n in lab.snapshot().nodes if n.state == "failed")
        assert node.name == "failing"
        assert "the worker tripped" in node.traceback
        assert "test_lab.py" in node.traceback
        errors = lab.events().query("kind == 'error'")
        assert list(errors["node"]) == ["failing"]
        assert "the worker tripped" in errors["detail"].iloc[0]
        lab.wait(messages=20)  # the others go on
        lab.restart("failing")
        eventually(lambda: len(lab.events().query("kind == 'error'")) == 2)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_pause_stands_still_and_loses_nothing(transport: str) -> None:
    with leaving_nothing(), zlab.run(zlab.patterns.pipeline(workers=3, rate=500), transport=transport) as lab:
        lab.wait(messages=50)
        lab.pause()
        assert lab.state == "paused"
        # A message that was inside a call of send when the world stopped may still be entered.
        before = lab.sockets()
        later = lab.sockets()
        eventually(lambda: lab.snapshot().state == "paused")
        with pytest.raises(TimeoutError, match="0 of 1 messages"):
            lab.wait(messages=1, timeout=0.5)
        assert list(before["received"]) == list(later["received"]) == list(lab.sockets()["received"])
        assert {n.state for n in lab.snapshot().nodes} == {"paused"}
        lab.resume()
        lab.wait(messages=50)
        lab.stop()
        assert (lab.ledger()["unaccounted"] == 0).all()


def test_speed_slows_the_sources_and_is_undone() -> None:
    with zlab.run(zlab.patterns.pipeline(workers=2, rate=200)) as lab:
        lab.wait(messages=200)
        lab.resume(speed=0.05)  # 10 messages per second
        rate = lambda: lab.sockets().loc["ventilator.tasks", "send_rate"]  # noqa: E731
        eventually(lambda: 5 < rate() < 20)
        lab.resume(speed=1.0)
        eventually(lambda: rate() > 100)
    with pytest.raises(ValueError, match="speed=0"):
        lab.resume(speed=0)


def test_it_is_called_stopped_once_every_node_has_ended() -> None:
    """Who shows a lab takes that for the last picture."""
    leaving, seen = threading.Event(), list[tuple[str, set[str]]]()

    def lingers(inbox: zmq.Socket[bytes]) -> None:
        try:
            while True:
                inbox.recv()
        finally:
            leaving.set()
            threading.Event().wait(0.5)  # some ticks

    nodes = [
        zlab.Node("source", zlab.nodes.source(rate=50), out=zlab.PUSH.bind("link")),
        zlab.Node("sink", lingers, inbox=zlab.PULL.connect("link")),
    ]
    with leaving_nothing(), zlab.run(zlab.Topology("lingering", nodes)) as lab:
        lab.wait(messages=5, timeout=LIMIT)
        lab._clock.subscribe(lambda now: seen.append((now.state, {str(node.state) for node in now.nodes})))
        lab.stop()
        assert leaving.is_set()
    stopped = [states for state, states in seen if state == "stopped"]
    assert stopped == [{"stopped"}]
    assert seen[-1][0] == "stopped"


def test_rate_and_size_are_tuned_while_it_runs_and_the_topology_is_not_touched() -> None:
    topology = zlab.patterns.pipeline(workers=1, rate=20)
    with zlab.run(topology) as lab:
        lab.tune(rate=400, size=500)
        eventually(lambda: lab.sockets().loc["ventilator.tasks", "send_rate"] > 200)
        assert next(n for n in lab.snapshot().nodes if n.name == "ventilator").knobs == {"rate": 400, "size": 500}
        with pytest.raises(ValueError, match="ventilator"):
            lab.tune("sink", rate=1)
        with pytest.raises(KeyError, match="no node 'nobody'"):
            lab.tune("nobody", rate=1)
        for wrong in ({"size": 10**12}, {"size": -1}, {"rate": -1}, {"rate": float("nan")}):
            with pytest.raises(ValueError, match=next(iter(wrong))):
                lab.tune(**wrong)
    assert topology["ventilator"].function.rate == 20


def test_a_delay_holds_each_message_back_for_as_long_as_it_lasts() -> None:
    with zlab.run(zlab.patterns.pipeline(workers=1, rate=10)) as lab:
        lab.wait(messages=4)
        with lab.fault("sink", zlab.faults.Delay(seconds=0.2)):
            lab.wait(messages=8)
        assert lab.latency().loc["worker-1.results → sink.inbox", "max"] > 0.19
        kinds = list(lab.events()["kind"])
        assert "fault" in kinds
        assert "fault over" in kinds


def test_wait_says_how_far_it_came() -> None:
    with zlab.run(one_way(sending(b"1", b"2"))) as lab:
        with pytest.raises(TimeoutError, match=r"of 500 messages"):
            lab.wait(messages=500, timeout=0.3)
        with pytest.raises(ValueError, match="one of the two"):
            lab.wait()


def test_wait_tells_what_held_it_up() -> None:
    def trip(inbox: zmq.Socket[bytes]) -> None:
        inbox.recv()
        raise ValueError("cannot parse 0")

    with zlab.run(one_way(sending(b"1", b"2"), trip)) as lab, pytest.raises(TimeoutError, match="cannot parse 0"):
        lab.wait(messages=100, timeout=5)
    deaf = zlab.Topology(
        "deaf",
        [
            zlab.Node("source", zlab.nodes.source(rate=100), out=zlab.PUB.bind("news")),
            zlab.Node("deaf", receiving, inbox=zlab.SUB.connect("news")),
        ],
    )
    with zlab.run(deaf) as lab, pytest.raises(TimeoutError, match=r"deaf\.inbox subscribes to nothing.*subscribe=''"):
        lab.wait(messages=1, timeout=1)
    with zlab.run(one_way(sending(b"1", b"2"), lambda inbox: [inbox.recv(), inbox.recv()])) as lab:
        eventually(lambda: {n.state for n in lab.snapshot().nodes} == {"finished"})
        began = time.monotonic()
        with pytest.raises(TimeoutError, match=r"no node runs any more: 0 of 2 messages \(and 2 before the call\)"):
            lab.wait(messages=2, timeout=10)
        assert time.monotonic() - began < 5


def test_a_ledger_prints_all_its_columns() -> None:
    with zlab.run(zlab.patterns.pipeline()) as lab:
        lab.wait(messages=4)
    shown = repr(lab.ledger())
    assert all(column in shown for column in lab.ledger().columns)
    assert all(column in repr(lab.ledger().head(1)) for column in lab.ledger().columns)


def test_a_lab_can_be_joined_from_outside() -> None:
    topology = zlab.Topology("joined", [zlab.Node("sink", zlab.nodes.sink(), inbox=zlab.PULL.bind("numbers"))])
    with zlab.run(topology, transport="tcp") as lab, zmq.Context() as context:
        url = lab.endpoints["numbers"]
        assert url.startswith("tcp://127.0.0.1:")
        with context.socket(zmq.PUSH) as push:
            push.connect(url)
            for i in range(10):
                push.send(b"%d" % i)
            eventually(lambda: lab.sockets().loc["sink.inbox", "received"] == 10)


def test_a_port_that_is_taken_is_refused_before_anything_runs() -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as holder:
        port = holder.bind_to_random_port("tcp://127.0.0.1")
        topology = zlab.Topology(
            "taken",
            [
                zlab.Node("first", zlab.nodes.sink(), inbox=zlab.PULL.bind("free")),
                zlab.Node("second", zlab.nodes.sink(), inbox=zlab.PULL.bind(f"tcp://127.0.0.1:{port}")),
            ],
        )
        with leaving_nothing(), pytest.raises(zlab.TopologyError, match=r"second\.inbox cannot bind .*in use.*choose"):
            zlab.run(topology, transport="tcp")


def test_an_option_value_that_libzmq_refuses_is_named() -> None:
    topology = one_way(sending(b"1"))
    wrong = zlab.Topology(
        "wrong", [topology["sender"], zlab.Node("r", receiving, inbox=zlab.PULL.connect("link", rcvhwm=-5))]
    )
    with leaving_nothing(), pytest.raises(zlab.TopologyError, match=r"r\.inbox: PULL does not take rcvhwm=-5"):
        zlab.run(wrong)
    with pytest.raises(zlab.TopologyError, match="no transport 'udp'"):
        zlab.run(topology, transport="udp")
    with pytest.raises(zlab.TopologyError, match="not a topology"):
        zlab.run("pipeline")


def test_stop_is_idempotent_and_the_figures_stay() -> None:
    lab = zlab.run(zlab.patterns.pub_sub())
    lab.wait(messages=5)
    lab.stop()
    lab.stop()
    assert lab.state == "stopped"
    assert lab.ledger()["delivered"].sum() >= 5
    lab.pause()
    lab.resume()
    lab.kill("publisher")
    with pytest.raises(RuntimeError, match="stopped"):
        lab.restart("publisher")
    assert "stopped" in repr(lab)


def test_what_can_have_no_effect_on_a_stopped_lab_is_refused() -> None:
    with zlab.run(zlab.patterns.pub_sub()) as lab:
        pass
    with pytest.raises(RuntimeError, match="stopped, and no message moves"):
        lab.step(3)
    with pytest.raises(RuntimeError, match="stopped, and no message moves"):
        lab.break_on("publisher.send")
    with pytest.raises(RuntimeError, match="stopped, and sends nothing"):
        lab.tune("publisher", rate=5)


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_contexts_end_though_connections_break_while_they_are_closed(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What libzmq makes for a connection ends by the LINGER of when its socket was bound: seldom, it never did."""
    lingering: list[int] = []
    plain = zmq.Socket.bind

    def bind(self: zmq.Socket[bytes], url: str) -> object:
        lingering.append(self.getsockopt(zmq.LINGER))  # type: ignore[arg-type]
        return plain(self, url)

    def flood(out: zmq.Socket[bytes]) -> None:
        while True:
            out.send(bytes(1000))

    def poll(inbox: zmq.Socket[bytes]) -> None:
        inbox.poll()  # and takes nothing

    monkeypatch.setattr(zmq.Socket, "bind", bind)
    nodes = [zlab.Node(f"flood-{i}", flood, out=zlab.PUSH.bind(f"a{i}", linger=5000)) for i in range(10)]
    nodes += [zlab.Node(f"poll-{i}", poll, inbox=zlab.PULL.connect(f"a{i}")) for i in range(10)]
    with leaving_nothing(), zlab.run(zlab.Topology("flooded", nodes), transport=transport) as lab:
        eventually(lambda: sum(n.state == "blocked in send" for n in lab.snapshot().nodes) == 10)
        sockets = [node.life.sockets["out"] for node in lab._run.nodes.values() if "flood" in node.name and node.life]
        assert [socket.getsockopt(zmq.LINGER) for socket in sockets] == [5000] * 10
        lab.stop()
        assert "error" not in set(lab.events()["kind"])
    assert lingering == [0] * 10


def test_a_node_in_a_long_sleep_is_named_and_ends_when_it_wakes() -> None:
    woken = threading.Event()

    def sleeper(inbox: zmq.Socket[bytes]) -> None:
        woken.wait(30)
        inbox.recv()

    topology = zlab.Topology("sleep", [zlab.Node("sleeper", sleeper, inbox=zlab.PULL.bind("x"))])
    with leaving_nothing():
        lab = zlab.run(topology)
        began = time.monotonic()
        lab.stop()
        assert time.monotonic() - began < 5
        told = lab.events().query("kind == 'error'")["detail"].iloc[0]
        assert "did not end" in told
        assert "test_lab.py" in told or "threading.py" in told
        woken.set()


def test_a_lab_left_running_does_not_hold_up_the_end_of_the_program() -> None:
    code = "import zlab; lab = zlab.run(zlab.patterns.broker(), transport='tcp'); lab.wait(messages=10); print('over')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", "")


def test_import_is_light() -> None:
    code = (
        "import sys, zlab; heavy = {'pandas', 'plotly', 'ipywidgets', 'anywidget', 'networkx', 'IPython', 'rich'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n"


def test_a_listener_that_raises_is_let_go_and_said() -> None:
    with zlab.run(zlab.patterns.pub_sub()) as lab:
        seen: list[int] = []
        lab.subscribe(lambda _: 1 / 0)
        end = lab.subscribe(lambda snapshot: seen.append(snapshot.sequence))
        eventually(lambda: len(seen) >= 3)
        end()
        assert seen == sorted(seen)
        errors = lab.events().query("kind == 'error'")["detail"]
        assert len(errors) == 1
        assert "ZeroDivisionError" in errors.iloc[0]


def test_running_a_cell_again_leaves_one_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = ["cell-1", "run-1"]
    monkeypatch.setattr("zlab.runtime.registry.running_cell", lambda: tuple(cell))
    first = zlab.run(zlab.patterns.pub_sub())
    second = zlab.run(zlab.patterns.pub_sub())  # the same run of the cell may start two
    assert (first.state, second.state) == ("running", "running")
    cell[1] = "run-2"
    third = zlab.run(zlab.patterns.pub_sub())
    assert (first.state, second.state, third.state) == ("stopped", "stopped", "running")
    cell[0] = "cell-2"
    fourth = zlab.run(zlab.patterns.pub_sub())
    assert third.state == "running"
    third.stop()
    fourth.stop()


def test_looking_takes_nothing_from_those_who_listen() -> None:
    with zlab.run(zlab.patterns.pipeline(rate=100)) as lab:
        events: list[str] = []
        flights: list[int] = []
        lab.subscribe(
            lambda snapshot: (events.extend(e.kind for e in snapshot.events), flights.append(len(snapshot.flights)))
        )
        for number in range(20):
            lab.tune(rate=100 + number)
            lab.sockets()
        eventually(lambda: events.count("tune") == 20)
        assert sum(flights) > 0


def test_checks_tell_in_words() -> None:
    with zlab.run(zlab.patterns.pipeline()) as lab:
        lab.wait(messages=10)
    assert "none unaccounted for" in zlab.checks.accounted(lab)


# --- what must hold whatever a program does -------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_still_unsent_does_not_hold_up_the_end(transport: str) -> None:
    def send(out: zmq.Socket[bytes]) -> None:
        while True:
            out.send(b"x" * 1000)

    def deaf(inbox: zmq.Socket[bytes]) -> None:
        inbox.poll(None, zmq.POLLERR)

    with leaving_nothing():
        lab = zlab.run(one_way(send, deaf, hwm=5), transport=transport)
        eventually(lambda: any(n.state == "blocked in send" for n in lab.snapshot().nodes))
        lab.restart("receiver")
        eventually(lambda: any(n.state == "blocked in send" for n in lab.snapshot().nodes))
        lab.kill("receiver")
        lab.restart("sender")
        lab.stop()
        assert not [e for e in lab.history() if e.kind == "error"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_socket_that_a_node_opens_itself_is_closed_with_the_lab(transport: str) -> None:
    opened = threading.Semaphore(0)

    def stray(inbox: zmq.Socket[bytes]) -> None:
        own = inbox.context.socket(zmq.PULL)
        own.bind("inproc://own")
        opened.release()
        own.recv()

    topology = zlab.Topology("stray", [zlab.Node("stray", stray, inbox=zlab.PULL.bind("a"))])
    with leaving_nothing():
        lab = zlab.run(topology, transport=transport)
        assert opened.acquire(timeout=10)
        if transport != "inproc":  # there its own socket still holds the name
            lab.restart("stray")
            assert opened.acquire(timeout=10)
        lab.stop()
        assert not [e for e in lab.history() if e.kind == "error"]


def test_a_lab_that_cannot_be_stopped_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sound:
        stopped = False

        def stop(self) -> None:
            self.stopped = True

    class Broken:
        def stop(self) -> None:
            raise LookupError

    labs = [Sound(), Broken(), Sound()]
    monkeypatch.setattr(registry, "_running", labs)
    with pytest.raises(LookupError):
        registry._stop_all()
    assert all(lab.stopped for lab in labs if isinstance(lab, Sound))


def test_a_lab_whose_last_tick_fails_says_so_and_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> None:
        raise LookupError

    with leaving_nothing():
        lab = zlab.run(zlab.patterns.exclusive_pair())
        with monkeypatch.context() as broken:
            broken.setattr(lab._clock, "tick", failing)
            with pytest.raises(LookupError):
                lab.stop()
        assert lab not in registry._running
        lab.stop()
        assert lab.snapshot().state == "stopped"


def test_a_node_cannot_end_or_restart_what_it_belongs_to() -> None:
    held: list[zlab.Lab] = []
    ready = threading.Event()
    said: list[str] = []

    def reach(inbox: zmq.Socket[bytes]) -> None:
        ready.wait(10)
        for act in (held[0].stop, lambda: held[0].restart("reach"), lambda: held[0].kill("reach")):
            try:
                act()
            except RuntimeError as error:
                said.append(str(error))
        inbox.recv()

    topology = zlab.Topology("reach", [zlab.Node("reach", reach, inbox=zlab.PULL.bind("a"))])
    with leaving_nothing(), zlab.run(topology, transport="tcp") as lab:
        held.append(lab)
        ready.set()
        eventually(lambda: len(said) == 3)
        assert all("a node cannot" in each for each in said)
        assert lab.state == "running"


def test_a_node_that_swallows_everything_is_killed_all_the_same() -> None:
    def swallow(inbox: zmq.Socket[bytes]) -> None:
        for _ in range(3):
            with contextlib.suppress(BaseException):  # what no program should do
                inbox.recv()
        inbox.recv()

    topology = zlab.Topology("swallow", [zlab.Node("swallow", swallow, inbox=zlab.PULL.bind("a"))])
    with leaving_nothing(), zlab.run(topology) as lab:
        lab.kill("swallow")
        assert lab.snapshot().nodes[0].state == "killed"


def test_a_thread_cannot_end_while_it_is_signalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ident would be another thread's, perhaps one that ends a context."""
    with leaving_nothing(), zlab.run(one_way(sending())) as lab:
        leaving = lab._run.nodes["receiver"].life._over
        free: list[bool] = []
        kill = signal.pthread_kill

        def leave() -> None:
            free.append(leaving.acquire(blocking=False))
            if free[-1]:
                leaving.release()

        def signalled(ident: int, number: int) -> None:
            other = threading.Thread(target=leave)
            other.start()
            other.join()
            kill(ident, number)

        monkeypatch.setattr(signal, "pthread_kill", signalled)
        lab.kill("receiver")
        assert free
        assert not any(free)


def test_nothing_is_finalised_in_a_node_into_which_its_end_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    collecting: list[bool] = []
    strike = interrupt._strike

    def struck(ident: int, number: int | None) -> None:
        collecting.append(gc.isenabled())
        strike(ident, number)

    monkeypatch.setattr(interrupt, "_strike", struck)
    with leaving_nothing(), zlab.run(one_way(zlab.nodes.source(rate=50)), transport="inproc") as lab:
        lab.kill("receiver")
    assert collecting
    assert not any(collecting)
    assert gc.isenabled()


def test_an_interrupted_stop_can_be_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    with leaving_nothing():
        lab = zlab.run(zlab.patterns.pipeline(), transport="ipc")
        close = zlab.runtime.life.Life.close
        calls: list[int] = []

        def interrupted(self: zlab.runtime.life.Life, limit: float) -> bool:
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return close(self, limit)

        monkeypatch.setattr(zlab.runtime.life.Life, "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lab.stop()
        lab.stop()
        assert lab.snapshot().state == "stopped"


def test_nothing_passes_a_paused_lab_while_a_node_is_killed() -> None:
    def flood(out: zmq.Socket[bytes]) -> None:
        while True:
            out.send(b"x")

    for _ in range(5):
        with zlab.run(one_way(flood), transport="tcp") as lab:
            lab.wait(messages=1000)
            lab.pause()
            eventually(lambda: lab.snapshot().state == "paused")
            before = lab.sockets()[["sent", "received"]]
            lab.kill("receiver")
            lab.kill("sender")
            after = lab.sockets()[["sent", "received"]]
            assert (after - before).to_numpy().max() <= 1  # what was inside a call when the world stopped


def test_a_fault_that_is_taken_away_lets_go_of_what_it_held() -> None:
    with zlab.run(zlab.patterns.pipeline(workers=1, rate=20)) as lab:
        lab.wait(messages=4)
        with lab.fault("sink", zlab.faults.Delay(seconds=60)):
            eventually(lambda: lab.ledger()["queued"].sum() > 3)
        lab.wait(messages=10, timeout=5)


def test_a_forked_child_leaves_its_parents_lab_alone() -> None:
    code = (
        "import os, pathlib, zlab\n"
        "lab = zlab.run(zlab.patterns.pipeline(), transport='ipc')\n"
        "lab.wait(messages=4)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n    raise SystemExit\n"
        "os.waitpid(pid, 0)\n"
        "print(all(pathlib.Path(u.removeprefix('ipc://')).exists() for u in lab.endpoints.values()))\n"
        "lab.wait(messages=4)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_what_watching_costs_is_measured_and_told() -> None:
    with zlab.run(one_way(sending(b"1", b"2"))) as lab:
        lab.wait(until=lambda snapshot: snapshot.links[0].delivered == 2)
        cost = lab.cost()
    assert 0 < cost.plain < 1e-3
    assert 0 < cost.counted <= cost.traced < 1e-3
    assert cost.sampling == 1
    assert "every message is traced" in str(cost)
    with zmq.Context() as context, zlab.watch(context) as other:
        assert (other.cost().plain, other.cost().counted) == (cost.plain, cost.counted)  # once in a process
