"""An option: a topology with it, the same without, and what tells the two apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.lab import run
from zlab.observed import delivered
from zlab.patterns.pattern import WITHIN, Guide, NotYet, Pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zlab.lab import Lab
    from zlab.ledger.snapshot import LinkFigures, SocketFigures
    from zlab.topology import Topology


class Option(Pattern[[int]]):
    """A pattern with a socket option, which can be compared with itself without it."""

    pictured = False  # two nodes or three: nothing to be told apart by

    def compare(self, transport: str = "", *, within: float = 1.0) -> dict[str, str]:
        """Run both, one after the other, and tell what was seen.

        Args:
            transport: over which; "" is the last of those over which it can be seen.
            within: how long to wait for what has not come yet, in seconds.

        Returns:
            A sentence ``with`` it, and one ``without``.

        Raises:
            TopologyError: it cannot run over this transport.
        """
        seen = {}
        build: Callable[..., Topology] = self.__wrapped__  # its value has a default
        for name, topology in (("with", build()), ("without", self.naive())):
            with run(topology, transport=transport or self.guide.transports[-1]) as lab:
                self.inject(lab)
                try:
                    seen[name] = self.check(lab, within=within)
                except CheckFailed as error:
                    seen[name] = str(error)
        return seen


MAN = "man page zmq_setsockopt"
"""Where most options are told of."""


def option(
    title: str,
    *,
    without: int,
    see: str,
    promise: str,
    trial: str,
    inject: Callable[[Lab], None],
    check: Callable[[Lab], str],
    transports: tuple[str, ...],
    source: str = MAN,
) -> Callable[[Callable[[int], Topology]], Option]:
    """Make a pattern of the function that builds the topology: its naive version goes without the option.

    Args:
        title: as ZeroMQ spells it.
        without: the value that is none.
        see: what to look for, in one line.
        promise: what holds with the option, in one line.
        trial: what is done so that it shows, in one line.
        inject: does that.
        check: judges whether it has shown.
        transports: over which it can be seen.
        source: where it is told.
    """

    def made(build: Callable[[int], Topology]) -> Option:
        return Option(
            build,
            Guide(
                title=title,
                rfcs=(),
                see=see,
                promise=promise,
                failure=trial,
                inject=inject,
                check=check,
                naive=lambda: build(without),
                transports=transports,
                source=source,
            ),
        )

    return made


def passing(messages: int) -> Callable[[Lab], None]:
    """Wait until so many messages have passed, on all links together."""

    def inject(lab: Lab) -> None:
        lab.wait(until=lambda snapshot: delivered(snapshot) >= messages, timeout=WITHIN)

    return inject


def lasting(lab: Lab, seconds: float) -> None:
    """Let the lab run for so many seconds."""
    until = lab.snapshot().at + seconds
    lab.wait(until=lambda snapshot: snapshot.at >= until, timeout=seconds + WITHIN)


def links(lab: Lab) -> Mapping[str, LinkFigures]:
    """The figures of each link now, by its name, as in ``source → sink``."""
    return {
        f"{link.source} → {link.target}": figures
        for link, figures in zip(lab.topology.links, lab.snapshot().links, strict=True)
    }


def sockets(lab: Lab) -> Mapping[str, SocketFigures]:
    """The figures of each socket now, by its full name."""
    return {socket.name: socket for socket in lab.snapshot().sockets}


__all__ = ["MAN", "CheckFailed", "NotYet", "Option", "lasting", "links", "option", "passing", "sockets"]
