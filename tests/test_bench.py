"""The benchmark measures real labs, and says so in a table and in JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zlab import bench
from zlab.bench import jupyter

if TYPE_CHECKING:
    from pathlib import Path


def test_it_prints_ratios_and_writes_them_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "deep" / "bench.json"
    assert bench.main(["--pairs", "2", "--seconds", "0.02", "--transport", "inproc", "--json", str(target)]) == 0
    figures = json.loads(target.read_text())
    assert [(f["transport"], f["size"], f["pairs"]) for f in figures] == [("inproc", 100, 2), ("inproc", 10_000, 2)]
    for line in figures:
        assert line["plain"] > 0
        assert 0 < line["low"] <= line["ratio"] <= line["high"]
    assert "ratio = lab / plain pyzmq" in capsys.readouterr().out


def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--pairs", "0"])
    assert "--pairs is at least 1" in capsys.readouterr().err


def test_without_a_browser_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(jupyter.shutil, "which", lambda _: None)
    monkeypatch.setenv("ZLAB_CHROMIUM", "/nowhere/chromium")
    assert bench.main(["--ui"]) == 2
    assert "apt install chromium" in capsys.readouterr().err
