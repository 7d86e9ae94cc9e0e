"""The zlab command, as a person types it."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from programs import ROOT, eventually, get, page_settings

import zlab
from zlab.cli import main, opening
from zlab.cli.listing import lines
from zlab.cli.running import run
from zlab.topology import TRANSPORTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from programs import Clean

# --- What it says ----------------------------------------------------------------------------------------------------


def test_list_has_a_line_for_each_pattern(capsys) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == zlab.patterns.__all__
    assert all(len(line.split()) > 3 for line in lines)


def test_a_list_is_as_wide_as_the_terminal_and_its_second_column_stays_one() -> None:
    listed = lines(80).splitlines()
    assert max(map(len, listed)) <= 80
    assert [line.split()[0] for line in listed if not line.startswith(" ")] == zlab.patterns.__all__
    assert len(listed) > len(zlab.patterns.__all__), "some go on"
    assert len({len(line) - len(line.lstrip()) for line in listed}) == 2


def test_who_has_read_enough_hears_no_complaint() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "zlab", "list"]
    with open(writes, "w") as closed:  # noqa: PTH123 - a pipe has no path
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("name", zlab.patterns.__all__)
def test_each_knob_of_a_pattern_is_an_option_that_is_explained(name: str, capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["run", name, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for knob in inspect.signature(getattr(zlab.patterns, name)).parameters:
        assert re.search(rf"--{knob} [A-Z\[][A-Z .\]]* \w+", text), f"{knob} is not explained"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("frob", "there is no command 'frob': choose from list, doctor"),
        ("--frob", "unrecognized arguments: --frob"),
        ("--frob 3", "unrecognized arguments: --frob; see zlab --help"),
        ("--port 70000", "'70000' is not a port"),
        ("run", "PATTERN"),
        ("run frob", "there is no pattern 'frob'; see zlab run --help"),
        ("run pubsub", "there is no pattern 'pubsub': did you mean pub_sub? See zlab run --help"),
        ("run pipeline --frob 1", "unrecognized arguments: --frob 1; see zlab run pipeline --help"),
        ("run pipeline --workers many", "--workers: invalid int value: 'many'"),
        ("run pipeline --workers 0", "workers=0"),
        ("run pipeline --transport pigeon", "--transport cannot be 'pigeon': choose from inproc, ipc, tcp; see"),
        ("list --frob", "unrecognized arguments: --frob; see zlab list --help"),
        ("run pipeline --for ever", "'ever' is not a number of seconds"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zlab", *arguments.split()], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


# --- zlab run --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_run_prints_a_table_where_there_is_no_terminal(transport: str, clean: Clean) -> None:
    program = clean.zlab("run", "pub_sub", "--transport", transport, "--rate", "200", "--for", "1")
    assert program.ended() == 0
    assert "subscriber-3.updates" in program.output
    assert re.search(r"[1-9]\d* delivered", program.output)
    assert "\x1b" not in program.output
    assert "Traceback" not in program.output
    assert list(clean.temporary.iterdir()) == []


@pytest.mark.parametrize("asked", ["Ctrl-C", "SIGTERM"])
def test_run_lasts_until_it_is_asked_to_end(asked: str, clean: Clean) -> None:
    with _terminal(clean, "run", "pipeline", "--transport", "ipc") as (terminal, process):
        _read_until(terminal, r"[1-9]\d* delivered")
        if asked == "Ctrl-C":
            os.write(terminal, b"\x03")
        else:
            process.send_signal(signal.SIGTERM)
        rest = _read_until(terminal, None)
        assert process.wait(15) == 0
        assert "Traceback" not in rest
    assert list(clean.temporary.iterdir()) == []


@contextlib.contextmanager
def _terminal(clean: Clean, *argv: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The command at a terminal of its own, in which Ctrl-C is a key."""
    ours, theirs = pty.openpty()
    program = "import os, sys; os.login_tty(0); os.execv(sys.executable, [sys.executable, '-m', 'zlab', *sys.argv[1:]])"
    environment = clean.env | {"TERM": "xterm-256color", "COLUMNS": "160", "LINES": "50"}
    process = subprocess.Popen(
        [sys.executable, "-c", program, *argv],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=clean.home,
    )
    os.close(theirs)
    try:
        yield ours, process
    finally:
        process.kill()
        process.wait(15)
        os.close(ours)


def _read_until(terminal: int, pattern: str | None, within: float = 30) -> str:
    """Read what the terminal shows, until this is there or, for None, until nobody writes to it any more."""
    limit, seen = time.monotonic() + within, ""
    while pattern is None or not re.search(pattern, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)):
        ready, _, _ = select.select([terminal], [], [], max(0, limit - time.monotonic()))
        assert ready, f"not within {within} s: {pattern}; it shows:\n{seen}"
        try:
            read = os.read(terminal, 1 << 16)
        except OSError:  # Linux says so where others report the end of a file
            read = b""
        if not read:
            assert pattern is None, f"it ended without {pattern}; it shows:\n{seen}"
            break
        seen += read.decode(errors="replace")
    return seen


def test_run_ends_with_its_nodes_and_names_those_that_failed(capsys) -> None:
    def quits(out) -> None:
        out.send(b"bye")

    def fails(inbox) -> None:
        inbox.recv()
        raise RuntimeError("no more")

    topology = zlab.Topology(
        "short",
        [
            zlab.Node("one", quits, out=zlab.PUSH.bind("words")),
            zlab.Node("other", fails, inbox=zlab.PULL.connect("words")),
        ],
    )
    assert run(topology, transport="inproc") == ["other"]
    printed = capsys.readouterr()
    assert "zlab: other failed: RuntimeError: no more" in printed.err
    assert "1 delivered" in printed.out


# --- zlab ------------------------------------------------------------------------------------------------------------


HANGUP = pytest.param(
    signal.SIGHUP, marks=pytest.mark.skipif(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="under nohup")
)


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, HANGUP])
def test_it_serves_the_start_notebook_until_it_is_asked_to_end(asked: signal.Signals, clean: Clean) -> None:
    program = clean.zlab("--no-browser")
    address = program.wrote(
        r"(http://127\.0\.0\.1:(\d+)/)lab/tree/notebooks/00_start_here\.ipynb\?token=(\S+)&zlab=run"
    )
    base, port, token = address.groups()
    program.wrote("Ctrl-C")
    assert len(program.written) == 2

    status, page = get(address[0])
    assert status == 200
    settings = page_settings(page)
    assert settings["zlabStart"] == "notebooks/00_start_here.ipynb"
    assert "zlab" in [extension["name"] for extension in settings["federated_extensions"]]
    assert get(f"{base}api/contents")[0] == 403, "it must not be open to those without the token"

    def listening() -> set[str]:
        connections = psutil.net_connections("tcp")  # on a busy machine some may be missing: the list changes meanwhile
        return {c.laddr.ip for c in connections if c.pid == program.pid and c.laddr.port == int(port)}

    assert eventually(listening) == {"127.0.0.1"}

    status, _ = get(f"{base}api/kernels?token={token}", data=b"{}", method="POST")
    assert status == 201
    kernels = eventually(program.descendants)
    program.signal(asked)
    assert program.ended() == 0
    eventually(lambda: not any(kernel.is_running() for kernel in kernels), what="the kernels end")
    assert program.written[2:] == ["zlab is stopped.\n"]
    assert list(clean.temporary.iterdir()) == []


def test_nothing_outlives_it_even_if_it_is_killed(clean: Clean) -> None:
    program = clean.zlab("--no-browser")
    base, token = program.wrote(r"(http://\S+?/)lab/\S+token=([^&\s]+)").groups()
    assert get(f"{base}api/kernels?token={token}", data=b"{}", method="POST")[0] == 201
    kernels = eventually(program.descendants)
    program.signal(signal.SIGKILL)
    program.ended()
    eventually(lambda: not any(kernel.is_running() for kernel in kernels), what="the kernels end")


def test_a_busy_port_is_told_in_one_line(clean: Clean) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        program = clean.zlab("--no-browser", "--port", str(port))
        assert program.ended() == 2
    assert program.output.startswith(f"zlab: port {port} cannot be had")
    assert len(program.written) == 1


def test_it_opens_a_browser(clean: Clean) -> None:
    """On a file that leads to the address: other users of the machine could read the token in a command line."""
    seen = clean.folder / "seen"
    browser = clean.folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {seen}.part\nmv {seen}.part {seen}\n')
    browser.chmod(0o755)
    clean.env["BROWSER"] = str(browser)
    program = clean.zlab()
    address = program.wrote(r"http://\S+")[0]
    eventually(seen.exists)
    opened = seen.read_text().strip()
    assert opened.startswith("file://")
    assert address.split("token=")[1].split("&")[0] not in opened
    page = Path(opened.removeprefix("file://")).read_text()
    target = re.search(r'url=([^"]+)"', page)[1].replace("&amp;", "&")
    assert set(re.split("[?&]", target)) == set(re.split("[?&]", address))


# --- Where the notebooks are -----------------------------------------------------------------------------------------


def _notebook(text: str, **more: object) -> str:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
    return json.dumps({"cells": [cell | more], "metadata": {"zlab": {}}, "nbformat": 4, "nbformat_minor": 5})


def _said(notebook: Path) -> str:
    return json.loads(notebook.read_text())["cells"][0]["source"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of notebooks of an installed zlab, and an empty current folder."""
    shipped = tmp_path / "site-packages" / "zlab" / "notebooks"
    shipped.mkdir(parents=True)
    for name in (opening.START, "01.ipynb"):
        (shipped / name).write_text(_notebook("as shipped"))
    monkeypatch.setattr(zlab, "__file__", str(shipped.parent / "__init__.py"))
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    return shipped


def test_a_clone_opens_its_own_notebooks() -> None:
    assert opening.notebooks() == (ROOT / "notebooks", True)


@pytest.mark.usefixtures("installed")
def test_an_installed_zlab_copies_its_notebooks() -> None:
    folder, own = opening.notebooks()
    assert folder == Path.cwd() / "zlab-notebooks"
    assert own
    assert sorted(path.name for path in folder.glob("*.ipynb")) == [opening.START, "01.ipynb"]


@pytest.mark.usefixtures("installed")
def test_a_notebook_that_was_run_is_still_zlabs_own() -> None:
    folder, _ = opening.notebooks()
    ran = _notebook("as shipped", outputs=[{"output_type": "stream", "name": "stdout", "text": "x"}], execution_count=1)
    (folder / opening.START).write_text(ran)
    assert opening.notebooks() == (folder, True)
    assert (folder / opening.START).read_text() == ran


def test_what_the_user_changed_stays_and_does_not_run_by_itself(installed: Path) -> None:
    folder, _ = opening.notebooks()
    (folder / opening.START).write_text(_notebook("mine"))
    (installed / opening.START).write_text(_notebook("newer"))
    assert opening.notebooks() == (folder, False)
    assert _said(folder / opening.START) == "mine"


def test_a_newer_zlab_renews_what_the_user_left_alone(installed: Path) -> None:
    folder, _ = opening.notebooks()
    (installed / opening.START).write_text(_notebook("newer"))
    (installed / "02.ipynb").write_text(_notebook("new"))
    assert opening.notebooks() == (folder, True)
    assert _said(folder / opening.START) == "newer"
    assert _said(folder / "02.ipynb") == "new"


@pytest.mark.usefixtures("installed")
def test_a_strangers_notebook_does_not_run_by_itself() -> None:
    """A folder from elsewhere may hold a notebook of that name, and claim that zlab copied it."""
    folder = Path("zlab-notebooks")
    folder.mkdir()
    (folder / opening.START).write_text(_notebook("evil"))
    assert opening.notebooks()[1] is False
    assert _said(folder / opening.START) == "evil"


@pytest.mark.usefixtures("installed")
def test_a_folder_that_takes_no_copy_is_told_in_one_line(capsys) -> None:
    Path("zlab-notebooks").touch()
    assert main(["--no-browser"]) == 2
    assert capsys.readouterr().err.startswith("zlab: no place for the notebooks here")


def test_a_clone_saves_its_notebooks_as_git_has_them(tmp_path: Path) -> None:
    saved = tmp_path / "a.ipynb"
    saved.write_text(_notebook("before"))
    content = json.loads(
        _notebook("after", outputs=["x"], execution_count=3, metadata={"execution": {}, "tags": ["t"]})
    )
    content["metadata"]["language_info"] = {"version": "3.99"}

    class Manager:
        root_dir = str(tmp_path)

    opening.keep_source_only(model={"type": "notebook", "content": content}, path="a.ipynb", contents_manager=Manager())
    assert content == json.loads(_notebook("after", metadata={"tags": ["t"]}))


def test_a_clone_saves_other_notebooks_as_they_are() -> None:
    content = json.loads(_notebook("x", outputs=["y"])) | {"metadata": {}}
    opening.keep_source_only(model={"type": "notebook", "content": content}, path="a.ipynb", contents_manager=None)
    assert content["cells"][0]["outputs"] == ["y"]
