"""The built wheel, in a fresh environment without anything that only development needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from programs import ROOT, Clean, eventually

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
    """The Python of an environment into which the wheel was installed as any user does it."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=100)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", wheel]
    done = subprocess.run(install, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return python


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
