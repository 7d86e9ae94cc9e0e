"""Beyond: which sockets messages reach by way of proxies, one behind the other, where no probe sees them pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zlab.topology import Link


def origins(front: str, links: Iterable[Link], proxied: Mapping[str, str]) -> set[str]:
    """The sockets whose messages come to one end of a proxy, by their full names; those of other proxies too.

    Args:
        front: the full name of that end.
        links: those of the topology.
        proxied: each socket that a proxy serves, and the one at its other side.
    """
    senders: dict[str, set[str]] = {}
    for link in links:
        senders.setdefault(link.receiver, set()).add(link.sender)
    found, seen, ends = set[str](), {front}, [front]
    while ends:
        fresh = senders.get(ends.pop(), set()) - found
        found |= fresh
        further = {proxied[sender] for sender in fresh if sender in proxied} - seen
        seen |= further
        ends += further
    return found


def proxies_between(
    sender: str, receiver: str, targets: Mapping[str, Sequence[str]], proxied: Mapping[str, str]
) -> tuple[str, ...] | None:
    """The sockets at which messages from one to another come to proxies, on the shortest way; None: there is no way.

    Args:
        sender: its full name.
        receiver: its full name.
        targets: by socket, those that it can send to.
        proxied: as above.
    """
    ways: list[tuple[str, ...]] = [()]
    seen = set[str]()
    for way in ways:  # which grows meanwhile
        into = targets.get(proxied[way[-1]] if way else sender, ())
        if receiver in into:
            return way
        for front in into:
            if front in proxied and front not in seen:
                seen.add(front)
                ways.append((*way, front))
    return None
