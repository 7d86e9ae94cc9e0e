"""A duplicate identity: of two peers with the same routing id, a ROUTER knows the first alone."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from zlab.diagnosis.facts import count, listed
from zlab.diagnosis.mistake import Mistake, Sign

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zlab.diagnosis.facts import Facts, Use

_ROUTERS = {"ROUTER", "REP"}
_LONG = 0.5  # seconds
_TOGETHER = 0.05  # seconds for which two must have been there at once: one may take the name of one that goes


def look(facts: Facts) -> Iterator[Sign]:
    """Each ROUTER (or REP, which is one within) that faces several sockets of one name, which were open at once."""
    figures = facts.sockets()
    facing: dict[str, dict[str, None]] = defaultdict(dict)
    for link in facts.topology.links:
        facing[link.receiver][link.sender] = None
        facing[link.sender][link.receiver] = None
    for router in facts.uses.values():
        if router.type not in _ROUTERS or router.options.get("router_handover") or not _counts(router, facts):
            continue
        called: dict[bytes, list[Use]] = defaultdict(list)
        for peer in facing.get(router.name, ()):
            use = facts.uses.get(peer)
            if use is not None and (name := _identity(use)):
                called[name].append(use)
        for name, all_ in called.items():
            peers = _at_once(all_, facts)
            if len(peers) > 1:
                told = [f"{p.name} (has sent {figures[p.name].sent:,})" for p in peers if p.name in figures]
                yield Sign(
                    f"{listed(told)} call themselves {_shown(name)} at {router.name}, which has received "
                    f"{count(figures[router.name].received, 'message')}: a {router.type} takes the first of that name "
                    "and ignores the others",
                    (*(p.name for p in peers), router.name),
                )


def _at_once(uses: Sequence[Use], facts: Facts) -> list[Use]:
    """Those that the ROUTER has refused and whom for: whoever comes while another is there is ignored until it goes."""
    refused = [
        (earlier, later)
        for earlier in uses
        for later in uses
        if earlier.opened
        < later.opened
        < min(earlier.closed, facts.at) - (0 if _starves(later, facts) or _stayed(earlier, facts) else _TOGETHER)
        and _counts(later, facts)
    ]
    return [use for use in uses if any(use in pair for pair in refused)]


def _stayed(use: Use, facts: Facts) -> bool:
    """Whether all has ended, and one was there to the end."""
    return not facts.running and facts.at - use.closed < _TOGETHER


def _starves(use: Use, facts: Facts) -> bool:
    """Whether one has sent several messages, and nothing has come back for long."""
    mine = facts.sockets().get(use.name)
    return mine is not None and mine.sent > 1 and not mine.received and min(use.closed, facts.at) - use.opened > _LONG


def _counts(use: Use, facts: Facts) -> bool:
    """Whether it is open; at the end all are told of."""
    return use.open or not facts.running


def _identity(use: Use) -> bytes:
    given = use.options.get("routing_id") or use.options.get("identity") or b""
    return given.encode() if isinstance(given, str) else bytes(given) if isinstance(given, bytes) else b""


def _shown(name: bytes) -> str:
    try:
        return repr(name.decode())
    except UnicodeDecodeError:
        return repr(name)


MISTAKE = Mistake(
    "duplicate identity",
    "Give each peer a ROUTING_ID of its own before it connects, or none, and the ROUTER makes one up; with "
    "ROUTER_HANDOVER the ROUTER lets the newcomer take the name over",
    3,
    "Identities and Addresses",
    2,
    look,
)
