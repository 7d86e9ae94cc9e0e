"""What this installation can do, and how to get the rest."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

import zmq

from zlab import installation
from zlab.installation import Ability
from zlab.probe.meter import COMPILED, STALE

if TYPE_CHECKING:
    from collections.abc import Iterable

_PLAIN = "until then Python counts, as exactly and more slowly; to compile it, "
_COMPILE = f"{_PLAIN}install a C compiler and Python's headers (apt install gcc python3-dev), then zlab again"
_RECOMPILE = (
    f"its source has changed since it was compiled; {_PLAIN}install zlab again, in a clone with pip install -e ."
)
_CONTROLS = "controls answer while a cell is busy"


def report() -> str:
    """What there is, what is missing, and the remedy for each thing that is."""
    sections = {
        "Transports": installation.transports(),
        "Security": installation.security(),
        "Socket types": (
            Ability("standard", "PAIR, REQ, REP, DEALER, ROUTER, PUB, SUB, XPUB, XSUB, PUSH, PULL, STREAM", there=True),
            installation.draft_sockets(),
        ),
        "zlab": (Ability("probe", "compiled", COMPILED, _RECOMPILE if STALE else _COMPILE), *_notebook()),
    }
    lines = [
        f"zlab {version('zlab')}, Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        f"pyzmq {zmq.pyzmq_version()} on libzmq {zmq.zmq_version()}",
    ]
    for title, abilities in sections.items():
        lines += ["", title, *_rows(abilities)]
    remedies: dict[str, list[str]] = {}
    for ability in (a for abilities in sections.values() for a in abilities if not a.there):
        remedies.setdefault(ability.remedy, []).append(ability.name)
    if remedies:
        pip = f"{sys.executable} -m pip" if find_spec("pip") else f"uv pip, with --python {sys.executable}"
        lines += ["", f"To get what is missing (pip is that of this environment: {pip})"]
        for remedy, names in remedies.items():
            lines += [f"  {', '.join(names)}:", f"    {remedy}"]
    if not installation.drafts():
        safe = ", ".join(sorted(installation.SAFE))
        lines += ["", f"Of the draft types, {safe} work over inproc all the same; the others are refused."]
    return "\n".join(lines)


def _rows(abilities: Iterable[Ability]) -> list[str]:
    abilities = list(abilities)
    width = max(len(ability.name) for ability in abilities)
    return [f"  {'yes' if a.there else 'no ':3}  {a.name:{width}}  {a.what}" for a in abilities]


def _notebook() -> tuple[Ability, ...]:
    kernel = _version("ipykernel")
    # The kernel runs a widget's callback beside a busy cell since 7.1; what 7.4 breaks of that, zlab mends.
    busy = _at_least(kernel, 7, 1)
    return (
        Ability(
            "jupyterlab", _version("jupyterlab") or "not installed", bool(_version("jupyterlab")), "pip install zlab"
        ),
        Ability(
            "ipykernel",
            f"{kernel or 'not installed'}: {_CONTROLS}" if busy else f"{kernel}: no {_CONTROLS}",
            busy,
            f"so that {_CONTROLS}: pip install 'ipykernel>=7.1'",
        ),
        Ability("anywidget", _version("anywidget") or "not installed", bool(_version("anywidget")), "pip install zlab"),
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _at_least(found: str, *wanted: int) -> bool:
    numbers = tuple(int(part) for part in found.split(".")[: len(wanted)] if part.isdecimal())
    return numbers >= wanted
