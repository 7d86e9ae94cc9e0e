"""The built wheel, in a fresh environment without anything that only development needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from programs import ROOT, Clean, eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as for a release: from the source distribution, which git decides upon."""
    folder = tmp_path_factory.mktemp("dist")
    with tarfile.open(_built("sdist", ROOT, folder)) as archive:
        archive.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    return _built("wheel", source, folder)


def _built(target: str, source: Path, folder: Path) -> Path:
    build = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder]
    subprocess.run(build, cwd=source, check=True, capture_output=True, timeout=100)
    (built,) = folder.glob({"sdist": "*.tar.gz", "wheel": "*.whl"}[target])
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel, what the wheel says that it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=100)
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        _lend(_needed(message_from_string(archive.read(name).decode()).get_all("Requires-Dist", [])), folder)
    python = folder / "bin" / "python"
    for step in (["install", "--quiet", "--no-compile", "--no-deps", "--no-index", wheel], ["check"]):
        pip = [python, "-m", "pip", "--disable-pip-version-check", *step]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return python


def _needed(requirements: list[str]) -> dict[str, set[str]]:
    """The distributions that these requirements lead to, each with its extras that are asked for."""
    found: dict[str, set[str]] = {}
    asked = [Requirement(line) for line in requirements]
    asked = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    while asked:
        one = asked.pop()
        name = canonicalize_name(one.name)
        if name in found and one.extras <= found[name]:
            continue
        extras = found.setdefault(name, set())
        extras |= one.extras
        for line in distribution(name).requires or ():
            other = Requirement(line)
            if other.marker is None or any(other.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                asked.append(other)
    return found


def _lend(names: Iterable[str], folder: Path) -> None:
    """Put files of distributions that the tests' own environment has into another, where they take no room."""
    for name in names:
        for file in distribution(name).files or ():
            path = Path(os.path.normpath(file.locate()))
            target = folder / path.relative_to(sys.prefix)
            if path.exists() and not target.exists() and target.parent != folder / "bin":  # those start another Python
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    target.hardlink_to(path)
                except OSError:  # another file system
                    shutil.copy2(path, target)


def test_it_brings_what_belongs_to_it_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    extension = {name for name in names if ".data/" in name}
    assert {name.partition(".data/data/")[2] for name in extension} == {
        "share/jupyter/labextensions/zlab/package.json",
        "share/jupyter/labextensions/zlab/static/remoteEntry.js",
    }
    package = names - extension
    assert {f"zlab/notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")} <= package
    assert "zlab/py.typed" in package
    assert sum(name.endswith(".so") for name in package) == 2 * (shutil.which("cc") is not None)
    strangers = {
        name
        for name in package
        if not name.startswith("zlab/")
        or Path(name).suffix not in {".py", ".pyi", ".c", ".so", ".js", ".css", ".ipynb", ".typed"}
        or ".ipynb_checkpoints" in name
    }
    assert not strangers


def test_it_lists_and_runs_patterns(installed: Path, clean: Clean) -> None:
    listing = clean.start(installed.parent / "zlab", "list")
    assert listing.ended() == 0
    assert "pub_sub" in listing.output
    program = clean.start(installed.parent / "zlab", "run", "pub_sub", "--for", "2")
    assert program.ended() == 0, program.output
    program.wrote(r"[1-9]\d* delivered")


def test_it_opens_a_copy_of_its_notebooks(installed: Path, clean: Clean) -> None:
    program = clean.start(installed.parent / "zlab", "--no-browser")
    program.wrote(r"http://127\.0\.0\.1:\d+/lab/tree/zlab-notebooks/00_start_here\.ipynb\?token=\S+&zlab=run")
    shipped = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    eventually(lambda: shipped == {path.name for path in (clean.home / "zlab-notebooks").glob("*.ipynb")})
