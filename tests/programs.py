"""Programs under test: started in a clean environment, ended on every path."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parent.parent


class Program:
    """A program under test, and what it has written so far."""

    def __init__(self, *argv: str | Path, env: Mapping[str, str], cwd: Path) -> None:
        self.argv = [str(each) for each in argv]
        self._process = subprocess.Popen(  # it is our own command
            self.argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # so that Ctrl-C reaches it and not pytest
        )
        self.pid = self._process.pid
        self.written: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._news:
                    self.written.append(line)
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def output(self) -> str:
        return "".join(self.written)

    def wrote(self, pattern: str, within: float = 60) -> re.Match[str]:
        """Wait until it has written this."""

        def found() -> re.Match[str] | None:
            return re.search(pattern, self.output)

        with self._news:
            self._news.wait_for(lambda: found() or not self._reader.is_alive(), within)
        match = found()
        assert match, f"{self.argv} did not write {pattern!r} but:\n{self.output}"
        return match

    def signal(self, number: signal.Signals) -> None:
        """As a terminal does: to the whole group."""
        os.killpg(self.pid, number)

    def ended(self, within: float = 30) -> int:
        """Wait for its end; returns its exit code."""
        try:
            code = self._process.wait(within)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.argv} did not end within {within} s; it wrote:\n{self.output}")
        self._reader.join(within)
        return code

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def close(self) -> None:
        try:
            left = [psutil.Process(self.pid), *self.descendants()]
        except psutil.NoSuchProcess:
            left = []
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._process.wait(30)
        self._reader.join(30)


class Clean:
    """A home, a temporary folder and Jupyter folders of their own, empty at first and gone at the end."""

    def __init__(self, folder: Path, programs: ExitStack) -> None:
        self._programs = programs
        self.folder = folder
        self.home = self._make("home")
        self.temporary = self._make("tmp")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "IPYTHON", "XDG_", "PYTHON"))}
        self.env = kept | {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "IPYTHONDIR": str(self._make("ipython")),
            "JUPYTER_CONFIG_DIR": str(self._make("config")),
            "JUPYTER_DATA_DIR": str(self._make("data")),
            "JUPYTER_RUNTIME_DIR": str(self._make("runtime")),
            "PYTHONUNBUFFERED": "1",
        }

    def _make(self, name: str) -> Path:
        made = self.folder / name
        made.mkdir()
        return made

    def start(self, *argv: str | Path, cwd: Path | None = None) -> Program:
        """Start a program; it is ended with the test at the latest."""
        program = Program(*argv, env=self.env, cwd=cwd or self.home)
        self._programs.callback(program.close)
        return program

    def zlab(self, *argv: str, cwd: Path | None = None) -> Program:
        return self.start(sys.executable, "-m", "zlab", *argv, cwd=cwd)


@contextmanager
def clean_environment() -> Iterator[Clean]:
    """A clean environment; its path is short, because those of sockets have to be."""
    with tempfile.TemporaryDirectory(prefix="z", ignore_cleanup_errors=True) as folder, ExitStack() as programs:
        yield Clean(Path(folder), programs)


def eventually(condition, within: float = 30, what: str = ""):
    """Wait until a condition holds that nobody announces; returns what it returned."""
    limit = time.monotonic() + within
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < limit, f"not within {within} s: {what or condition}"
        pause.wait(0.05)
    return value


def get(url: str, **request: object) -> tuple[int, str]:
    """Status and text of an answer; status 0 where nobody listens."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **request), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""
    except urllib.error.URLError:
        return 0, ""


def page_settings(page: str) -> dict[str, object]:
    """What the server tells a JupyterLab page."""
    return json.loads(re.search(r'<script id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
