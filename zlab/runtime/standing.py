"""Standing: the innermost line of a node's own code, read from its thread's Python frames."""

from __future__ import annotations

import functools
import inspect
import linecache
import sys
import sysconfig
import tokenize
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq

from zlab.ledger.where import Standing
from zlab.runtime import life

if TYPE_CHECKING:
    import threading
    from types import CodeType, FrameType

_WHOLE = 41  # lines of a function that are shown whole; of a longer one, so many around the line
_OURS = tuple(str(Path(module).resolve().parent) for module in (Path(life.__file__).parent, zmq.__file__))
_LIBRARY = tuple(
    dict.fromkeys(
        str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")
    )
)


def standing(node: str, thread: threading.Thread | None, function: Any = None) -> Standing:
    """Where a thread stands in the code of its program: what pyzmq and zlab do beneath is left out.

    What the node's function calls is its own code too, but for the standard library and installed packages.

    Args:
        node: the node's name.
        thread: the one that runs it; None where it has not begun or there is none.
        function: the node's function, where it is known: a line of its own counts wherever it is kept.
    """
    if thread is None or thread.ident is None:
        return Standing(node, note="its thread has not started")
    own = code_of(function)
    # Never in a variable of its own: this frame is one of them, and would keep itself and all that it knows.
    frame = sys._current_frames().get(thread.ident)  # noqa: SLF001 - the documented way to see where threads stand
    if frame is None or not thread.is_alive():
        return Standing(node, note="its function is over")
    found = _innermost(frame, own)
    if found is None:
        named = getattr(function, "__name__", type(function).__name__)
        within = f"{named}() is not written in Python" if function is not None else "it is in no code of the program"
        return Standing(node, note=f"{within}: there is no line to show")
    frame, code, line = found
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    del frame
    name = code.co_qualname.rpartition("<locals>.")[2] if hasattr(code, "co_qualname") else code.co_name
    if not lines or line > len(lines):
        return Standing(node, name, code.co_filename, line, note="its source is not available")
    first, last = _extent(lines, code, line)
    return Standing(node, name, code.co_filename, line, tuple(_numbered(lines, first, last)))


def code_of(function: Any) -> CodeType | None:
    """The code that runs when this is called, where it is written in Python."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function) if callable(function) else function
    if not inspect.isroutine(function) and callable(function):
        function = type(function).__call__
    return getattr(getattr(function, "__func__", function), "__code__", None)


def _innermost(frame: FrameType | None, own: CodeType | None) -> tuple[FrameType, CodeType, int] | None:
    home = own.co_filename if own is not None else ""
    while frame is not None:
        code = frame.f_code
        if code.co_filename == life.__file__:
            return None
        if code is own or _is_the_programs(code.co_filename, home):
            return frame, code, frame.f_lineno
        frame = frame.f_back
    return None


def _is_the_programs(file: str, home: str) -> bool:
    if file.startswith("<frozen ") or _within(file, _OURS):
        return False
    return file == home or not _within(file, _LIBRARY)


@functools.lru_cache(maxsize=1000)
def _within(file: str, folders: tuple[str, ...]) -> bool:
    with suppress(OSError, ValueError):
        file = str(Path(file).resolve())
    return any(file.startswith(f"{folder}/") for folder in folders)


def _extent(lines: list[str], code: CodeType, line: int) -> tuple[int, int]:
    """The first and the last line to show."""
    first, last = code.co_firstlineno, line
    if code.co_name != "<module>":
        with suppress(tokenize.TokenError, SyntaxError, IndentationError):
            last = max(last, first + len(inspect.getblock(lines[first - 1 :])) - 1)
    else:
        first, last = 1, len(lines)
    if last - first >= _WHOLE:
        first = max(first, min(line - _WHOLE // 2, last - _WHOLE + 1))
        last = min(last, first + _WHOLE - 1)
    return first, last


def _numbered(lines: list[str], first: int, last: int) -> list[tuple[int, str]]:
    """These lines with their numbers, moved to the left as far as they all go."""
    shown = [line.rstrip("\n").expandtabs() for line in lines[first - 1 : last]]
    indent = min((len(line) - len(line.lstrip()) for line in shown if line.strip()), default=0)
    return [(number, line[indent:]) for number, line in enumerate(shown, first)]
