"""The benchmark measures real labs, and says so in a table and in JSON."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest
import zmq

import zlab
from zlab import bench
from zlab.bench import jupyter, throughput
from zlab.bench.plain import plain
from zlab.bench.programs import PushPull
from zlab.bench.synthetic import Synthetic
from zlab.views import batch
from zlab.views.folding import folded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zlab.bench.programs import Program
    from zlab.ledger.snapshot import Snapshot


def test_it_prints_every_table_and_writes_the_figures_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "deep" / "bench.json"
    tiny = ["--quick", "--pairs", "2", "--seconds", "0.01", "--transport", "inproc", "--nodes", "10"]
    assert bench.main([*tiny, "--json", str(target)]) == 0
    figures = json.loads(target.read_text())
    assert [(f["program"], f["size"], f["trace"], f["transport"]) for f in figures["throughput"]] == [
        ("push-pull", 100, "adaptive", "inproc"),
        ("push-pull", 10_000, "adaptive", "inproc"),
        ("push-pull", 100, "full", "inproc"),
        ("fan-out", 100, "adaptive", "inproc"),
        ("broker", 100, "adaptive", "inproc"),
    ]
    for line in figures["throughput"]:
        assert line["plain"] > 0
        assert 0 < line["low"] <= line["first_quartile"] <= line["ratio"] <= line["third_quartile"] <= line["high"]
        assert len(line["ratios"]) == line["pairs"] == 2
    assert [(f["nodes"], f["links"], f["transport"]) for f in figures["scale"]] == [(10, 9, "inproc")]
    printed = capsys.readouterr().out
    assert "ratio = lab / plain pyzmq" in printed
    assert "labs of many nodes" in printed


@pytest.mark.parametrize("program", ["push-pull", "fan-out", "broker"])
def test_one_line_can_be_had_alone_and_over_tcp(program: str, tmp_path: Path) -> None:
    target = tmp_path / "bench.json"
    tiny = ["--quick", "--pairs", "1", "--seconds", "0.01", "--transport", "tcp"]
    assert bench.main([*tiny, "--only", program, "--json", str(target)]) == 0
    figures = json.loads(target.read_text())
    assert list(figures) == ["throughput"]
    assert {(f["program"], f["transport"]) for f in figures["throughput"]} == {(program, "tcp")}


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
@pytest.mark.parametrize("make", throughput.PROGRAMS.values())
def test_both_forms_of_a_program_count_the_same_messages(make: Callable[[int, int], Program], transport: str) -> None:
    alone, watched = make(200, 100), make(200, 100)
    assert plain(alone, transport) > 0
    rate, _ = throughput.probed(watched, transport, "full")
    assert rate > 0
    assert alone.messages == watched.messages == 200
    assert watched.expected >= 200


def test_a_ledger_that_is_wrong_is_no_figure() -> None:
    class Wrong(PushPull):
        @property
        def expected(self) -> int:
            return self.messages + 1

    with pytest.raises(RuntimeError, match="the ledger of the benchmark is wrong, 11 expected"):
        throughput.probed(Wrong(10, 100), "inproc", "adaptive")


def test_plain_pyzmq_leaves_nothing_open_when_it_cannot_start() -> None:
    program = PushPull(10, 100)
    program.topology = zlab.Topology(
        "wrong", [zlab.Node("sender", program.topology["sender"].function, out=zlab.PUSH.bind("ipc:///no/such/place"))]
    )
    with pytest.raises(zmq.ZMQError):
        plain(program, "tcp")


def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--pairs", "0"])
    assert "--pairs is at least 1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        bench.main(["--nodes", "15"])
    assert "--nodes is 10, 20, 30" in capsys.readouterr().err


def test_without_a_browser_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(jupyter.shutil, "which", lambda _: None)
    monkeypatch.setenv("ZLAB_CHROMIUM", "/nowhere/chromium")
    assert bench.main(["--ui"]) == 2
    assert "apt install chromium" in capsys.readouterr().err


def test_a_lab_that_is_made_up_is_as_large_as_it_says_and_feeds_the_real_views() -> None:
    lab = Synthetic(200, 600, 5_000)
    assert (len(lab.topology.nodes), len(lab.topology.links)) == (200, 600)
    assert folded(lab.topology).groups == ()  # else a group would stand for what is to be measured
    taken: list[Snapshot] = []
    got = threading.Event()

    def listen(snapshot: Snapshot) -> None:
        taken.append(snapshot)
        if len(taken) == 2:
            got.set()

    unsubscribe = lab.subscribe(listen)
    try:
        lab.start()
        assert got.wait(10)
    finally:
        unsubscribe()
        lab.stop()
    first, second = taken[:2]
    assert second.at > first.at
    assert len(batch.encode(second, second.flights).data) > 10 * 600
    assert len(second.flights) == round(5_000 / 6.2)  # seen for 6.2 ticks each
    assert batch.encode(second, second.flights).shown > 0.98 * len(second.flights)  # but for more than 5 on one link
    assert sum(link.delivered for link in second.links) > sum(link.delivered for link in first.links)
