"""Where a node is now: the line of its own code, what it is blocked in, and what it has at hand."""

from __future__ import annotations

import functools
import linecache
import sys
import threading
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import zmq
from labs import LIMIT, eventually, idle, leaving_nothing, one_way, receiving, sending

import zlab
from zlab.runtime.standing import standing

if TYPE_CHECKING:
    from zlab.ledger.where import Where


def line(where: Where) -> str:
    """The text of the line at which it stands."""
    return dict(where.source).get(where.line, "").strip()


def asks(requests: zmq.Socket[bytes]) -> None:
    while True:
        requests.send(b"one")
        requests.recv()


def answers(requests: zmq.Socket[bytes], never: zmq.Socket[bytes]) -> None:
    while True:
        request = requests.recv()
        look_up(never)
        requests.send(request)


def look_up(never: zmq.Socket[bytes]) -> bytes:
    return never.recv()


@pytest.fixture
def deadlock() -> zlab.Topology:
    """A server that asks one who never answers before it answers: everybody stands still."""
    return zlab.Topology(
        "deadlock",
        [
            zlab.Node("client", asks, requests=zlab.REQ.connect("requests")),
            zlab.Node(
                "server", answers, requests=zlab.REP.bind("requests"), never=zlab.PULL.connect("backend", rcvhwm=7)
            ),
            zlab.Node("backend", idle, inbox=zlab.PUSH.bind("backend")),
        ],
    )


def test_a_deadlock_is_two_lines_that_stand_still(deadlock: zlab.Topology) -> None:
    with leaving_nothing(), zlab.run(deadlock) as lab:
        eventually(lambda: all(lab.where(name).state == "blocked in recv" for name in ("client", "server")))
        client, server = lab.where("client"), lab.where("server")
        assert (line(client), client.function, client.blocked_on) == ("requests.recv()", "asks", "requests")
        assert (line(server), server.function, server.blocked_on) == ("return never.recv()", "look_up", "never")
        assert client.file == server.file == __file__
        assert linecache.getline(__file__, client.line).strip() == "requests.recv()"
        eventually(lambda: lab.where("client").since > max(0.6, client.since))
        assert lab.where("client").line == client.line
        assert {s.name: s.options for s in server.sockets}["server.never"] == {"rcvhwm": 7}
        assert server.queued == {"client.requests → server.requests": 0, "server.requests → client.requests": 0} | {
            "backend.inbox → server.never": 0
        }
        assert "received from client.requests" in server.messages[0]


def test_it_reads_well_as_text_and_in_a_notebook(deadlock: zlab.Topology) -> None:
    with zlab.run(deadlock) as lab:
        eventually(lambda: lab.where("client").state == "blocked in recv")
        where = lab.where("client")
        text = repr(where)
        assert text.startswith("client: blocked in recv on requests for ")
        arrow = next(row for row in text.splitlines() if row.startswith("→"))
        assert arrow.split() == ["→", str(where.line), "requests.recv()"]
        page = ET.fromstring(where._repr_html_().replace("<br>", "<br/>"))  # noqa: S314 - our own
        marked = page.findall(".//*[@aria-current='true']")
        assert ["".join(one.itertext()).split() for one in marked] == [[str(where.line), "requests.recv()"]]


def test_of_a_ready_made_node_its_own_line_counts_and_not_what_zlab_does_beneath() -> None:
    with zlab.run(one_way(zlab.nodes.source(rate=1), zlab.nodes.sink())) as lab:
        eventually(lambda: line(lab.where("receiver")) == "inbox.recv()")
        assert lab.where("receiver").function.endswith("__call__")
        eventually(lambda: line(lab.where("sender")).startswith("for number in paced("))


def test_code_of_the_standard_library_is_not_the_nodes_own() -> None:
    go = threading.Event()

    def waits(inbox: zmq.Socket[bytes]) -> None:
        go.wait(LIMIT)  # in threading.py
        inbox.recv()

    with zlab.run(one_way(sending(b"one"), waits)) as lab:
        eventually(lambda: line(lab.where("receiver")) == "go.wait(LIMIT)  # in threading.py")
        assert lab.where("receiver").state == "running"
        go.set()


@pytest.mark.parametrize("wrap", [functools.partial, lambda function: function])
def test_a_node_that_is_over_or_has_raised_says_so(wrap) -> None:
    def trips(inbox: zmq.Socket[bytes]) -> None:
        inbox.recv()
        raise RuntimeError("the worker tripped")

    with zlab.run(one_way(sending(b"one"), wrap(trips))) as lab:
        eventually(lambda: lab.where("receiver").state == "failed")
        assert lab.where("receiver").note == "it has raised RuntimeError: the worker tripped"
        eventually(lambda: lab.where("sender").note == "its function is over")
        assert lab.where("sender").source == ()
    assert lab.where("receiver").line == 0
    with pytest.raises(KeyError, match="no node 'nobody'"):
        lab.where("nobody")


def test_code_without_source_says_so() -> None:
    made: dict[str, object] = {}
    exec("def hidden(inbox):\n    inbox.recv()\n    inbox.recv()\n", made)  # noqa: S102
    with zlab.run(one_way(sending(b"one"), made["hidden"])) as lab:
        eventually(lambda: lab.where("receiver").line == 3)
        where = lab.where("receiver")
        assert (where.function, where.source, where.note) == ("hidden", (), "its source is not available")
        assert "hidden() in <string>, line 3; its source is not available" in repr(where)


def test_a_function_that_is_not_python_says_so() -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, args=(LIMIT,))
    assert "not started" in standing("nobody", thread).note
    thread.start()
    told = standing("nobody", thread, ended.wait)
    assert told.note or told.source  # wherever it is caught
    ended.set()
    thread.join()
    assert standing("nobody", thread, len).note == "its function is over"


def test_a_long_function_is_shown_around_the_line(tmp_path) -> None:
    path = tmp_path / "long.py"
    rows = ["def long(inbox):", *(f"    number = {n}" for n in range(200)), "    while True: inbox.recv()"]
    path.write_text("\n".join(rows) + "\n", "utf-8")
    made: dict[str, object] = {}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), made)  # noqa: S102
    with zlab.run(one_way(zlab.nodes.source(rate=0), made["long"])) as lab:
        eventually(lambda: line(lab.where("receiver")) == "while True: inbox.recv()")
        source = lab.where("receiver").source
        assert len(source) == 41
        assert source[-1] == (202, "while True: inbox.recv()")


def test_a_thread_of_a_program_that_is_watched_stands_somewhere_too() -> None:
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.bind("inproc://numbers")

    def main() -> None:
        pull = context.socket(zmq.PULL)
        pull.connect("inproc://numbers")
        try:
            receiving(pull)
        except zmq.ContextTerminated:
            pull.close()

    thread = threading.Thread(target=main, name="reader")
    with zlab.watch(context) as lab:
        thread.start()
        push.send(b"one")
        eventually(lambda: "reader" in {node.name for node in lab.topology.nodes})
        eventually(lambda: line(lab.where("reader")) == "inbox.recv()")
        assert lab.where("reader").function == "receiving"
    push.close()
    context.term()
    thread.join()


def test_looking_keeps_nothing_of_what_it_saw() -> None:
    with zlab.run(one_way(zlab.nodes.source(rate=50))) as lab:
        for _ in range(20):
            lab.where("receiver")
        held = sys.getrefcount(lab._run.nodes["receiver"].life.sockets["inbox"])
        for _ in range(200):
            lab.standing("receiver")
        assert sys.getrefcount(lab._run.nodes["receiver"].life.sockets["inbox"]) <= held + 2
