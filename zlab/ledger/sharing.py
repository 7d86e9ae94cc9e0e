"""Sharing: which links have sockets in common and must be accounted for together, and how much each can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.ledger.exchange import Exchange, Ray
from zlab.sockets import PUBLISHERS, SocketType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from zlab.sockets import Socket
    from zlab.topology import Link

_DEFAULT_HWM = 1000  # messages: libzmq's own


def exchanges(
    links: Sequence[Link], specs: Mapping[str, Socket], inproc: Collection[str], barred: Collection[int] = ()
) -> Iterator[Exchange]:
    """All links but those of publishers, in groups that share no socket.

    Args:
        links: those of the topology.
        specs: its sockets, by their full names.
        inproc: its endpoints that are inproc: their queues have exact limits.
        barred: the places of those that carry nothing, which are left out.
    """
    rays = [
        Ray(
            i,
            link.sender,
            link.receiver,
            keeps=link.endpoint in specs[link.sender].connects and link.endpoint not in inproc,
        )
        for i, link in enumerate(links)
        if specs[link.sender].type not in PUBLISHERS and i not in barred
    ]
    while rays:
        group = [rays.pop(0)]
        grown = True
        while grown:
            senders, receivers = {r.sender for r in group}, {r.receiver for r in group}
            touching = [r for r in rays if r.sender in senders or r.receiver in receivers]
            grown = bool(touching)
            group += touching
            rays = [r for r in rays if r not in touching]
        met = [links[ray.link] for ray in group]
        exact = all(conflates(link, specs, inproc) and link.endpoint in inproc for link in met)
        yield Exchange(
            sorted(group, key=lambda ray: ray.link),
            conflates=any(conflates(link, specs, inproc) for link in met),
            holds=len(met) if exact else None,
            unroutable=all(specs[r.sender].type in {SocketType.ROUTER, SocketType.REP} for r in group),
        )


def conflates(link: Link, specs: Mapping[str, Socket], inproc: Collection[str]) -> bool:
    """Whether only the last message is kept: over inproc the connecting socket alone has a say."""
    ends = [specs[link.sender], specs[link.receiver]]
    if link.endpoint in inproc:
        ends = [spec for spec in ends if link.endpoint in spec.connects]
    return any(spec.options.get("conflate") for spec in ends)


def high_water(publisher: Socket) -> int:
    """How many messages a publisher lets wait for one subscriber before it drops one; 0 is no limit."""
    mark = publisher.options.get("sndhwm", publisher.options.get("hwm", _DEFAULT_HWM))
    return mark if isinstance(mark, int) else _DEFAULT_HWM


def capacity(link: Link, specs: Mapping[str, Socket], inproc: Collection[str]) -> int:
    """How many messages the high-water marks of its two sockets let wait on a link; 0 is no limit."""
    if conflates(link, specs, inproc):
        return 1
    sender, receiver = specs[link.sender].options, specs[link.receiver].options
    marks = (
        sender.get("sndhwm", sender.get("hwm", _DEFAULT_HWM)),
        receiver.get("rcvhwm", receiver.get("hwm", _DEFAULT_HWM)),
    )
    both = [mark for mark in marks if isinstance(mark, int)]
    return 0 if 0 in both else sum(both)
