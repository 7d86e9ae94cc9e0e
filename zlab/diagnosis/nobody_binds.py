"""Connect facing connect: both ends wait for the other to be there, and nobody binds."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from zlab.diagnosis.facts import listed
from zlab.diagnosis.mistake import Mistake, Sign
from zlab.diagnosis.wildcard import is_wildcard
from zlab.sockets import PEERS, SocketType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zlab.diagnosis.facts import Facts, Use

_PATIENCE, _LONG = 0.9, 2.5  # seconds: for two that face each other, and for one that may be early
_WITH_A_LISTENER = ("tcp", "ipc", "inproc", "ws", "wss")


def look(facts: Facts) -> Iterator[Sign]:
    """Each address that sockets connect to and that nobody has ever bound."""
    specs = dict(facts.topology.sockets())
    bound = {url for spec in specs.values() for url in spec.binds}
    callers: dict[str, list[Use]] = defaultdict(list)
    for name, spec in specs.items():
        use = facts.uses.get(name)
        for url in spec.connects if use is not None and _counts(use, facts) and not use.answered else ():
            if url not in bound and use is not None and not is_wildcard(url) and _listens(url):
                callers[url].append(use)
    figures = facts.sockets()
    for url, uses in callers.items():
        if any(figures[use.name].received for use in uses if use.name in figures):
            continue
        sent = sum(figures[use.name].sent for use in uses if use.name in figures)
        waiting = f"; {sent:,} sent and none received" if sent else ""
        names = tuple(use.name for use in uses)
        youngest = min(facts.at, *(use.closed for use in uses)) - max(use.opened for use in uses)
        if _face(uses):
            if youngest >= _PATIENCE or not facts.running:
                yield Sign(
                    f"{listed(names)} connect to {url}, and nobody binds it{waiting}",
                    names,
                    certain=not url.startswith("ipc"),  # of which it is not known who is there from outside
                )
        elif youngest >= _LONG:
            inproc = url.startswith("inproc")
            yield Sign(
                f"{listed(names)} {'connects' if len(names) == 1 else 'connect'} to {url}, where nobody has answered "
                f"for {youngest:.0f} s: no socket of this program binds it{' in the same context' * inproc}{waiting}",
                names,
                certain=False,
                remedy="Compare the address with the one that is bound, letter by letter"
                + "; inproc reaches only sockets of the same context" * inproc
                + "; where the peer is still to start, ZeroMQ connects by itself once it is there",
            )


def _counts(use: Use, facts: Facts) -> bool:
    """Whether it is open; at the end, when nobody can bind any more, all are told of."""
    return use.open or not facts.running


def _listens(url: str) -> bool:
    return url.partition("://")[0] in _WITH_A_LISTENER


def _face(uses: Sequence[Use]) -> bool:
    kinds = [SocketType(use.type) for use in uses]
    return any(b in PEERS[a] for i, a in enumerate(kinds) for b in kinds[i + 1 :])


MISTAKE = Mistake(
    "connect facing connect",
    "Let one of the two bind: the one that stays, whose address everybody knows; the other connects",
    2,
    "Plugging Sockets into the Topology",
    3,
    look,
)
