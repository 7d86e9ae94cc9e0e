"""What Binder would do with this repository, done here without docker."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from browsing import visit
from programs import ROOT, Clean, clean_environment, eventually, free_port, get, page_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

BINDER = ROOT / "binder"
# Of what repo2docker puts into its base image, that which zlab meets.
MET = {"ipykernel", "ipython", "ipywidgets", "jupyter_client", "jupyter_server", "jupyterlab", "jupyterlab_server"} | {
    "jupyterlab_widgets",
    "notebook",
    "pyzmq",
    "tornado",
    "traitlets",
}
RENEWED = {"ipykernel", "jupyter_client", "tornado"}  # ipykernel 7.0 will not do, and its successor needs newer ones
BADGE = "lab/tree/notebooks/00_start_here.ipynb?zlab=run"


def test_it_installs_what_the_package_needs() -> None:
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert [line for line in lines if line and not line.startswith("#")] == needed


def test_the_badge_opens_the_start_notebook_running() -> None:
    page = json.loads((BINDER / "page_config.json").read_text())
    assert page["zlabStart"] == BADGE.removeprefix("lab/tree/").partition("?")[0]
    assert (ROOT / page["zlabStart"]).exists()
    readme = (ROOT / "README.md").read_text()
    assert BADGE in [unquote(path) for path in re.findall(r"mybinder\.org/v2/[^)\s]*[?&]urlpath=([^)&\s]+)", readme)]


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    """The repository as Binder builds it."""
    with clean_environment() as clean:
        home, prefix = clean.folder / "repository", clean.folder / "prefix"
        _copy_what_git_sees(home)
        steps = _dockerfile(home)
        python = _python()
        subprocess.run([python, "-m", "venv", prefix], check=True, timeout=100)
        clean.env |= {
            "PATH": f"{prefix}/bin:{os.environ['PATH']}",
            "KERNEL_PYTHON_PREFIX": str(prefix),
            "NB_PYTHON_PREFIX": str(prefix),
            "REPO_DIR": str(home),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_COMPILE": "1",
        }
        pins = {name: version for name, version in _base_image().items() if name in MET}
        environment = clean.env | {"HOME": os.environ["HOME"]}  # for pip's cache
        _run(
            "pip install --quiet " + " ".join(f"{name}=={version}" for name, version in pins.items()), home, environment
        )
        for step in re.findall(r"^RUN (.*binder/.*)$", steps, re.MULTILINE):
            _run(step.replace("--no-cache-dir ", ""), home, environment)
        yield Built(clean, home, prefix, steps, pins)


@dataclass
class Built:
    clean: Clean
    home: Path
    prefix: Path
    dockerfile: str
    pins: dict[str, str]

    def serve(self) -> str:
        """Start the server through Binder's entry point; returns the address that the badge leads to."""
        entry = re.search(r'^ENV R2D_ENTRYPOINT="\$\{REPO_DIR\}/(.*)"$', self.dockerfile, re.MULTILINE)[1]
        port = free_port()
        server = [
            self.prefix / "bin" / "jupyter-lab",
            "--ip=127.0.0.1",
            f"--port={port}",
            "--no-browser",
            "--allow-root",
        ]
        program = self.clean.start(self.home / entry, *server, "--IdentityProvider.token=secret", cwd=self.home)
        base = f"http://127.0.0.1:{port}"
        eventually(lambda: get(f"{base}/api")[0] == 200, what=program.output)
        return f"{base}/{BADGE}&token=secret"


@pytest.mark.slow
@pytest.mark.timeout(500)
class TestBuilt:
    def test_it_keeps_what_the_base_image_brings(self, built: Built) -> None:
        assert "python=3.12" in built.dockerfile, "binder/runtime.txt decides"
        listed = json.loads(_run("pip list --format json", built.home, built.clean.env))
        installed = {package["name"].replace("-", "_"): package["version"] for package in listed}
        changed = {name for name in MET if built.pins[name] != installed[name]}
        assert changed <= RENEWED
        assert installed["zlab"]

    def test_the_badge_shows_messages_moving(self, built: Built, chromium: Browser) -> None:
        address = built.serve()
        status, page = get(address)
        assert status == 200
        settings = page_settings(page)
        assert settings["zlabStart"] == settings["treePath"]
        with visit(chromium, address) as seen:
            seen.watch_figures_rise()
            seen.keep("binder")


def _copy_what_git_sees(target: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def _dockerfile(repository: Path) -> str:
    """What repo2docker would have docker do."""
    command = Path(sys.executable).with_name("jupyter-repo2docker")
    done = subprocess.run(
        [command, "--no-build", "--debug", repository], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout + done.stderr


def _base_image() -> dict[str, str]:
    """Package to version, from the lock file that repo2docker brings along."""
    buildpack = Path(importlib.util.find_spec("repo2docker").origin).parent / "buildpacks" / "conda"
    lock = (buildpack / "environment.py-3.12-linux-64.lock").read_text()
    found = re.findall(r"/([\w.-]+)-([\w.]+)-\w+\.(?:conda|tar\.bz2)#", lock)
    return {name.replace("-", "_"): version for name, version in found}


def _python() -> str:
    """The Python that Binder has, or else the one that runs the tests."""
    elsewhere = Path.home().glob(".pyenv/versions/3.12*/bin/python")
    for python in (shutil.which("python3.12"), *elsewhere, sys.executable):
        if python is None:
            continue
        asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode == 0 and (done.stdout.strip() == "3.12" or python == sys.executable):
            return str(python)
    raise AssertionError


def _run(line: str, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["/bin/bash", "-c", line], cwd=cwd, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout
