"""The patterns in a list: a line for each in the terminal, a row for each in README.md."""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING

from zlab.topology import TRANSPORTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.patterns.pattern import Pattern

HEAD = "| `zlab.patterns.` | in the Guide | sockets | what to see | what to try | RFC |\n|---|---|---|---|---|---|\n"

OPTIONS = "| `zlab.options.` | in ZeroMQ | what to see | what to try |\n|---|---|---|---|\n"


def patterns() -> dict[str, Pattern[...]]:
    """All patterns by name, in the order in which they are taught."""
    from zlab import patterns

    return {name: getattr(patterns, name) for name in patterns.__all__}


def summary(pattern: Callable[..., object]) -> str:
    """The first line of what it says of itself."""
    return (inspect.getdoc(pattern) or "").partition("\n")[0]


def lines(columns: int = 0) -> str:
    """A line for each pattern; where it is longer than so many columns, it goes on under its summary."""
    all_ = patterns()
    width = max(map(len, all_))
    listed = (f"{name:{width}}  {summary(pattern)}" for name, pattern in all_.items())
    if columns <= 2 * width:
        return "\n".join(listed)
    return "\n".join(textwrap.fill(line, columns, subsequent_indent=" " * (width + 2)) for line in listed)


def markdown() -> str:
    """The table of README.md."""
    return HEAD + "".join(_row(pattern) for pattern in patterns().values())


def options() -> str:
    """The table of options in README.md."""
    from zlab import options

    rows = []
    for name in options.__all__:
        guide = getattr(options, name).guide
        over = "" if guide.transports == TRANSPORTS else f" ({' and '.join(guide.transports)})"
        rows.append(f"| `{name}` | {guide.title}{over} | {guide.see} | {guide.failure} |\n")
    return OPTIONS + "".join(rows)


def _row(pattern: Pattern[...]) -> str:
    guide = pattern.guide
    rfcs = ", ".join(f"[{number}](https://rfc.zeromq.org/spec/{number}/)" for number in guide.rfcs)
    only = "" if guide.transports == TRANSPORTS else f" ({' and '.join(guide.transports)})"
    cells = (
        f"`{pattern.__name__}`",
        f"{guide.chapter or guide.source}: {guide.title}",
        ", ".join(pattern.sockets) + only,
        guide.see,
        guide.failure,
        rfcs,
    )
    return f"| {' | '.join(cells)} |\n"
