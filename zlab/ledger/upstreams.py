"""Upstreams: the accounts of all XSUBs, and of which of them it can be told what they ask for."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from zlab.ledger.forwarding import whole
from zlab.ledger.row import Row
from zlab.ledger.sharing import capacity, high_water
from zlab.ledger.subscription import Ended
from zlab.ledger.upstream import Upstream, dealt
from zlab.recording import NOTHING, Counts
from zlab.sockets import PUBLISHERS, SocketType

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from zlab.ledger.columns import Ints
    from zlab.ledger.reading import Reading
    from zlab.recording import Filter
    from zlab.sockets import Socket
    from zlab.topology import Link

_PECULIAR = ("xpub_manual", "xpub_manual_last_value", "xpub_verbose", "xpub_verboser", "only_first_subscribe")
"""Options with which subscriptions go on otherwise than they come."""


class Upstreams:
    """The accounts of all XSUBs."""

    def __init__(self) -> None:
        """None yet."""
        self._by_name: dict[str, Upstream] = defaultdict(Upstream)
        self._told: set[str] = set()  # of which it is known what they ask for

    def enrol(self, wanted: Filter) -> None:
        """Take in a publisher that an XSUB has come to face."""
        self._by_name[wanted.receiver.name].feeds[wanted.publisher.name].filters.append(wanted)

    def learn(self, wanted: Filter, positions: Ints) -> None:
        """Learn of messages that were seen to come out behind a proxy."""
        self._by_name[wanted.receiver.name].feeds[wanted.publisher.name].note(wanted, positions)

    def promised(self, name: str) -> int:
        """How many messages of publishers that are watched an XSUB has asked for."""
        return self._by_name[name].promised if name in self._by_name else 0

    def update(
        self,
        reading: Reading,
        totals: Mapping[str, Counts],
        links: Sequence[Link],
        specs: Mapping[str, Socket],
        inproc: Collection[str],
    ) -> None:
        """Take one reading.

        Args:
            reading: what was read.
            totals: counts by socket.
            links: those of the topology.
            specs: its sockets, by their full names.
            inproc: its endpoints that are inproc.
        """
        struck = {strike.receiver: strike.reason for strike in reading.strikes}
        for link in links if self._by_name else ():
            upstream = self._by_name.get(link.receiver)
            if upstream is not None and link.sender in upstream.feeds:
                feed, within = upstream.feeds[link.sender], link.endpoint in inproc
                feed.keeps = link.endpoint in specs[link.sender].connects and not within
                feed.mark = capacity(link, specs, inproc) if within else high_water(specs[link.sender])
        for name, upstream in self._by_name.items():
            upstream.update(
                totals[name].received,
                reading.matched,
                at=reading.at,
                idle=name in reading.idle and not reading.steered,
                ended=name in reading.closed,
                bereft=not reading.closed.isdisjoint(upstream.feeds),
                reason=struck.get(name, ""),
            )

    def learn_who_is_told(
        self,
        totals: Mapping[str, Counts],
        links: Sequence[Link],
        specs: Mapping[str, Socket],
        unseen: Collection[str],
    ) -> set[str]:
        """See which XSUBs it is known of what they ask for; returns the publishers of those of which it is not.

        Args:
            totals: as above.
            links: as above.
            specs: as above.
            unseen: sockets whose messages nobody sees: those of strangers, and of proxies that tell of frames alone.
        """
        feeding: dict[str, list[Link]] = defaultdict(list)
        for link in links:
            if specs[link.receiver].type is SocketType.XSUB and specs[link.sender].type in PUBLISHERS:
                feeding[link.receiver].append(link)
        self._told = {
            name for name, into in feeding.items() if self._is_told(name, into, (totals, links, specs), unseen)
        }
        return {link.sender for name, into in feeding.items() if name not in self._told for link in into}

    def _is_told(
        self,
        name: str,
        feeding: Sequence[Link],
        known: tuple[Mapping[str, Counts], Sequence[Link], Mapping[str, Socket]],
        unseen: Collection[str],
    ) -> bool:
        totals, links, specs = known
        upstream = self._by_name.get(name)
        if upstream is None or upstream.vague or any(link.sender in unseen for link in feeding):
            return False
        behind = self._behind(upstream)
        facing = {link.receiver for link in links if link.sender in behind}
        if any(each in unseen and specs[each].type is not SocketType.XSUB for each in facing):
            return False
        if any(specs[each].options.get(option) for each in (name, *behind) for option in _PECULIAR):
            return False
        if len(feeding) != len(upstream.feeds):  # two sockets that meet at several endpoints
            return False
        return name not in unseen or whole(totals[link.sender] for link in feeding)

    @staticmethod
    def _behind(upstream: Upstream) -> set[str]:
        """The XPUBs whose subscribers' wishes an XSUB has passed on, by their full names."""
        filters = (f for feed in upstream.feeds.values() for f in feed.filters if not isinstance(f, Ended))
        return {f.receiver.beyond.name for f in filters if f.receiver.beyond is not None}

    def row(self, link: Link, links: Sequence[Link], totals: Mapping[str, Counts], *, stopped: bool) -> Row:
        """What the ledger says of a publisher's link to an XSUB.

        Args:
            link: which.
            links: as above.
            totals: as above.
            stopped: whether the lab is stopped.
        """
        upstream = self._by_name.get(link.receiver)
        if upstream is not None and link.sender in upstream.feeds and link.receiver in self._told:
            return upstream.row(link.sender, stopped=stopped)
        # Its subscriptions are messages of its own, which nobody has read: what has come was expected.
        sent = {k.sender: totals.get(k.sender, NOTHING).left for k in links if k.receiver == link.receiver}
        came, names = totals.get(link.receiver, NOTHING).received, list(sent)
        part = dealt(min(came, sum(sent.values())), list(sent.values()))[names.index(link.sender)]
        others = sent[link.sender] if len(sent) > 1 else max(0, sent[link.sender] - part)
        return Row(part, part, 0, {}, {}, uncertain=others)
