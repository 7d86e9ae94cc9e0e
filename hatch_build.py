"""Compiles the probe's fast half and a proxy's loop; where there is no C compiler, the probe is Python alone."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = (Path("zlab", "probe", "_fast.c"), Path("zlab", "probe", "_proxy.c"))
LIMIT = 120  # seconds

# By its path: to import zlab takes what is not installed yet.
checksum = runpy.run_path(str(Path(__file__).with_name("zlab") / "probe" / "source.py"))["checksum"]


class FastProbe(BuildHookInterface):  # type: ignore[misc]  # hatchling's base is Any where it is not installed
    """Puts the compiled module beside its source, and into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Compile, before the files are gathered."""
        if self.target_name != "wheel":
            return
        made = [compiled(Path(self.root), source) for source in SOURCES]
        if None in made:
            self.app.display_warning("no C compiler or no Python headers: zlab's probe is slower, and as exact")
        there = [each.relative_to(self.root).as_posix() for each in made if each is not None]
        if not there:
            return
        build_data["artifacts"] += [f"/{each}" for each in there]
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compiled(root: Path, source: Path) -> Path | None:
    """Compile a module with what Python itself was compiled with.

    Args:
        root: of the source tree.
        source: the module's, from there.

    Returns:
        The module, or None where it cannot be had; what the compiler says is printed.
    """
    made = root / source.with_name(source.stem + str(sysconfig.get_config_var("EXT_SUFFIX")))
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if sys.implementation.name != "cpython" or os.name != "posix" or not headers.exists():
        return None
    shared = ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    for compiler in [os.environ["CC"]] if os.environ.get("CC") else ["cc", "gcc", "clang"]:
        # To a name of its own first: another process may be using the one that is there.
        fresh = made.with_suffix(f".{os.getpid()}")
        options = ["-O2", "-fPIC", *shared, f"-I{headers.parent}", f'-DSOURCE="{checksum(root / source)}"']
        command = [*compiler.split(), *options, str(root / source), "-o", str(fresh)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            fresh.replace(made)
            return made
        sys.stderr.write(done.stderr)
        fresh.unlink(missing_ok=True)
    return None


if __name__ == "__main__":
    modules = [compiled(Path(__file__).resolve().parent, each) for each in SOURCES]
    for each in modules:
        sys.stdout.write(f"{each or 'not compiled'}\n")
    sys.exit(None in modules)
