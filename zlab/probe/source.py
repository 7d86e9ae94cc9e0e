"""What a C source is known by: what was compiled of another one than lies beside it is not used.

`hatch_build.py` runs this file by itself, before anything that zlab needs is installed: it imports nothing else.
"""

from __future__ import annotations

import zlib
from pathlib import Path


def checksum(source: Path) -> str:
    """What is compiled into the module of a source, as its ``SOURCE``."""
    return f"{zlib.crc32(source.read_bytes()):08x}"


def stale(compiled: object) -> bool:
    """Whether a compiled module is of another source than the one beside it; where there is none, it is as it came."""
    file = Path(str(getattr(compiled, "__file__", "")))
    source = file.with_name(file.name.partition(".")[0] + ".c")
    return source.exists() and checksum(source) != getattr(compiled, "SOURCE", "")
