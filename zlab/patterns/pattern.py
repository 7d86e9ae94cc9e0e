"""A pattern: a topology of the ZeroMQ Guide, how it is tried, and what tells whether it kept its promise."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass
from functools import update_wrapper
from html import escape
from typing import TYPE_CHECKING, ClassVar, Generic, ParamSpec

from zlab.checks import CheckFailed
from zlab.topology import TRANSPORTS, Topology

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.lab import Lab

P = ParamSpec("P")

WITHIN = 5.0
"""Seconds that a promise has to be seen kept, unless told otherwise."""


class NotYet(CheckFailed):
    """What was promised has not come yet, and still may."""


@dataclass(frozen=True, slots=True)
class Guide:
    """What there is to know of a pattern beside its topology: a row of the table in README.md."""

    title: str
    """What the ZeroMQ Guide calls it, or the source."""
    rfcs: tuple[int, ...]
    """The numbers of the specifications at rfc.zeromq.org."""
    see: str
    """What to look for, in one line."""
    promise: str
    """What holds of it whatever the failure does, in one line."""
    failure: str
    """What `inject` does, in one line."""
    inject: Callable[[Lab], None]
    """Does that to a running lab; bounded in time."""
    check: Callable[[Lab], str]
    """Judges a lab: a sentence where the promise was kept, `CheckFailed` or `NotYet` where not."""
    naive: Callable[[], Topology]
    """What one might write instead, with the same names: under the same failure its promise is broken."""
    chapter: int = 0
    """Where the ZeroMQ Guide has it; 0 where it has not."""
    source: str = ""
    """Where it is told instead."""
    transports: tuple[str, ...] = TRANSPORTS
    """What its endpoints can be resolved to so that it does what it is for."""

    @property
    def where(self) -> str:
        """Where it is told, in words."""
        return f"chapter {self.chapter}" if self.chapter else self.source


class Pattern(Generic[P]):
    """A function that returns a topology, with what the ZeroMQ Guide says of it.

    Call it with its knobs, as in ``zlab.patterns.pipeline(workers=5)``; see ``zlab.patterns.pipeline?`` for them.
    """

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, Topology]
    pictured: ClassVar[bool] = True
    """Whether a notebook shows its picture, too."""

    def __init__(self, build: Callable[P, Topology], guide: Guide) -> None:
        """Stand in the place of the function that builds it."""
        update_wrapper(self, build)
        self.guide = guide

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Topology:
        """Build the topology."""
        return self.__wrapped__(*args, **kwargs)

    def __repr__(self) -> str:
        """Name it, with its knobs."""
        return f"{self.__module__.rpartition('.')[0]}.{self.__name__}{inspect.signature(self)}"

    def _repr_markdown_(self) -> str:
        """Show in a notebook what there is to know of it."""
        guide, name = self.guide, f"{self.__module__.rpartition('.')[0]}.{self.__name__}"
        told = {"look for": guide.see, "promise": guide.promise, "try": guide.failure}
        rows = (f"- {what}: {words}" for what, words in told.items())
        return "\n".join((f"**`{name}`** ({guide.where}: {guide.title})", "", *rows))

    def _repr_html_(self) -> str:
        """Show the same in a notebook, with its picture."""
        from zlab.views.picture import svg  # heavy

        build: Callable[..., Topology] = self.__wrapped__  # every knob has a default
        head, _, *rows = self._repr_markdown_().splitlines()
        _, name, where = head.split("**")
        told = "".join(f"<li>{escape(row.removeprefix('- '))}</li>" for row in rows)
        picture = svg(build()) if self.pictured else ""
        return f"<p><b><code>{name.strip('`')}</code></b>{escape(where)}</p><ul>{told}</ul>{picture}"

    @property
    def sockets(self) -> tuple[str, ...]:
        """The socket types that it is made of, in the order of its nodes."""
        build: Callable[..., Topology] = self.__wrapped__  # every knob has a default
        return tuple(dict.fromkeys(str(socket.type) for _, socket in build().sockets()))

    def naive(self) -> Topology:
        """What one might write instead: the same failure breaks it."""
        return self.guide.naive()

    def inject(self, lab: Lab) -> None:
        """Do to a running lab what tries its promise: see ``guide.failure``.

        Args:
            lab: one that runs this pattern, or its naive version.

        Raises:
            KeyError: it has no node of that name.
            TimeoutError: nothing came of it in time.
        """
        self.guide.inject(lab)

    def check(self, lab: Lab, *, within: float = WITHIN) -> str:
        """Judge whether the promise was kept, from what the lab has recorded.

        Args:
            lab: one that runs this pattern, or its naive version; it may have been stopped.
            within: how long to wait for what has not come yet, in seconds.

        Returns:
            A sentence that says what was seen.

        Raises:
            CheckFailed: the promise was broken; the message says where.
        """
        deadline = time.monotonic() + within
        while True:
            try:
                return self.guide.check(lab)
            except NotYet:
                if lab.state == "stopped" or time.monotonic() > deadline:
                    raise
            another_tick(lab)


def another_tick(lab: Lab) -> None:
    """Wait until the lab's figures are newer than they are now: a tenth of a second."""
    seen = lab.snapshot().sequence
    lab.wait(until=lambda snapshot: snapshot.sequence > seen, timeout=WITHIN)


def pattern(guide: Guide) -> Callable[[Callable[P, Topology]], Pattern[P]]:
    """Make a pattern of the function that builds it."""

    def made(build: Callable[P, Topology]) -> Pattern[P]:
        return Pattern(build, guide)

    return made
