"""Options worth teaching: each shows its effect on real sockets, and does not without."""

from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING

import pytest
import zmq
from labs import LIMIT, TRANSPORTS, leaving_nothing

import zlab
from zlab.bench import copying
from zlab.cli import listing

if TYPE_CHECKING:
    from zlab.options.option import Option

OPTIONS = [getattr(zlab.options, name) for name in zlab.options.__all__]
PROC = {"affinity", "tcp_keepalive"}
"""What the kernel alone can tell of."""
CASES = [
    pytest.param(option, transport, marks=() if transport == option.guide.transports[-1] else pytest.mark.slow)
    for option in OPTIONS
    for transport in option.guide.transports
    if sys.platform == "linux" or option.__name__ not in PROC
]
SAYS = {
    "hwm": {"high-water mark reached"},
    "naive probe_router": {"deadlock of receivers"},
    "naive router_handover": {"duplicate identity"},
    "naive req_relaxed": {"REQ/REP out of step"},
    "naive xpub_nodrop": {"high-water mark reached"},
}
"""What the doctor may say of those that show a mistake on purpose."""
every_option = pytest.mark.parametrize("option", OPTIONS, ids=zlab.options.__all__)


@pytest.fixture(scope="module", autouse=True)
def lender() -> None:
    """pyzmq keeps a thread and a socket from the first message on that it does not copy."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as one, context.socket(zmq.PAIR) as other:
        one.bind("inproc://lent")
        other.connect("inproc://lent")
        one.send(bytes(100_000), copy=False)
        other.recv()


@pytest.mark.parametrize(("option", "transport"), CASES)
def test_its_effect_is_seen_with_it_and_not_without(option: Option, transport: str) -> None:
    with leaving_nothing(), zlab.run(option(), transport=transport) as lab:
        option.inject(lab)
        assert option.check(lab, within=LIMIT).endswith(".")
        lab.stop()
        assert "none unaccounted for" in zlab.checks.accounted(lab), lab.ledger().to_string()
        assert not [e for e in lab.history() if e.kind == "error"]
        assert {f.mistake for f in lab.diagnose().findings} <= SAYS.get(option.__name__, set()), lab.diagnose()
    with leaving_nothing(), zlab.run(option.naive(), transport=transport) as lab:
        option.inject(lab)
        with pytest.raises(zlab.checks.CheckFailed):
            option.check(lab, within=0.3)
        assert not [e for e in lab.history() if e.kind == "error"]
        found = {f.mistake for f in lab.diagnose().findings}
        assert found <= SAYS.get(f"naive {option.__name__}", set()), lab.diagnose()


@every_option
def test_what_it_says_of_itself_agrees(option: Option) -> None:
    guide, text = option.guide, inspect.getdoc(option)
    assert repr(option).startswith(f"zlab.options.{option.__name__}(value: ")
    assert option.__module__ == f"zlab.options.{option.__name__}"
    assert option().name == option.__name__
    for part in ("Args:", "    value: ", "Returns:", "See the man page"):
        assert part in text
    for node in option().nodes:
        assert f"``{node.name}``" in text
    assert set(guide.transports) <= set(TRANSPORTS)
    assert "man page" in guide.where
    for line in (guide.see, guide.promise, guide.failure):
        assert line
        assert not line.endswith(".")


@every_option
def test_without_it_all_else_is_the_same(option: Option) -> None:
    """The two differ in the value of the option alone: of sockets, or else of what a node does."""
    own, other = option(), option.naive()
    assert [node.name for node in own.nodes] == [node.name for node in other.nodes]
    assert own.links == other.links
    assert own.io_threads == other.io_threads
    differing = {
        key
        for (_, one), (_, two) in zip(own.sockets(), other.sockets(), strict=True)
        for key in {*one.options, *two.options}
        if one.options.get(key) != two.options.get(key)
    }
    named = {word.lower().removeprefix("zmq_") for word in re.findall(r"ZMQ_\w+", option.guide.title)}
    if option.__name__ in {"multipart", "zero_copy"}:  # flags of a call
        assert not differing
    elif option.__name__ == "req_relaxed":  # which goes with the other
        assert differing == {"req_relaxed", "req_correlate"}
    else:
        assert differing
        assert differing <= named


def test_both_are_compared() -> None:
    said = zlab.options.router_mandatory.compare("inproc", within=0.2)
    assert "refused: there is nobody of that name" in said["with"]
    assert "none was refused" in said["without"]


def test_the_io_threads_are_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = zmq.Context.__init__

    def noted(self: zmq.Context[zmq.Socket[bytes]], *args: object, **kwargs: object) -> None:
        real(self, *args, **kwargs)
        made.append(self.get(zmq.IO_THREADS))

    monkeypatch.setattr(zmq.Context, "__init__", noted)
    for transport, contexts in (("inproc", 1), ("tcp", 2)):
        made.clear()
        topology = zlab.Topology("three", zlab.options.conflate().nodes, io_threads=3)
        with leaving_nothing(), zlab.run(topology, transport=transport) as lab:
            lab.wait(messages=1, timeout=LIMIT)
        assert made == [3] * contexts


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "2"])
def test_io_threads_are_a_number(wrong: object) -> None:
    with pytest.raises(zlab.TopologyError, match=r"'t': io_threads=.*: give zero or more"):
        zlab.Topology("t", zlab.options.conflate().nodes, io_threads=wrong)


def test_what_is_worth_copying_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    lines = copying.measure(["inproc", "tcp"], [100, 200_000], seconds=0.02, rounds=1)
    assert [(line.transport, line.size) for line in lines] == [
        (transport, size) for transport in ("inproc", "tcp") for size in (100, 200_000)
    ]
    assert all(line.copied > 0 and line.lent > 0 for line in lines)

    def line(size: int, ratio: float) -> copying.Line:
        return copying.Line("tcp", size, 100, 100 * ratio)

    assert copying.crossing([line(1, 0.5), line(2, 1.5), line(3, 0.9), line(4, 1.1), line(5, 2)], "tcp") == 4
    assert copying.crossing([line(1, 2), line(2, 0.5)], "tcp") is None
    assert copying.crossing([line(1, 2)], "inproc") is None
    copying.print_table(["inproc"], seconds=0.002, rounds=1)
    assert "copies what is below zmq.COPY_THRESHOLD" in capsys.readouterr().out


def test_each_has_a_row_in_the_list() -> None:
    assert len(listing.options().splitlines()) == 2 + len(zlab.options.__all__)
