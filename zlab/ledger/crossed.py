"""Crossed: what messages that were seen at both ends tell of links and paths: how long they took, and how they flew."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.beyond import proxies_between
from zlab.ledger.grouping import runs
from zlab.ledger.histogram import buckets
from zlab.ledger.latencies import path_of
from zlab.ledger.snapshot import Flight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zlab.ledger.columns import Flags, Ints
    from zlab.ledger.latencies import Latencies
    from zlab.ledger.matching import Matcher
    from zlab.ledger.worked import Late, Matches
    from zlab.topology import Link, Topology

LITTLE = 1_000
"""Messages that are entered one by one: for so few, arrays take longer."""


class Crossed:
    """Enters matches where they belong."""

    def __init__(
        self,
        topology: Topology,
        matcher: Matcher,
        index: Mapping[tuple[str, str], Sequence[int]],
        proxied: Mapping[str, str],
        latencies: Latencies,
    ) -> None:
        """Start.

        Args:
            topology: what runs.
            matcher: whose work is entered; it numbers sockets and nodes.
            index: the links between two sockets, by their full names; it may grow.
            proxied: each socket that a proxy serves, and the one at its other side; it may grow.
            latencies: where they are entered.
        """
        self._lives, self._names = matcher.lives, matcher.ways.names
        self._index, self._proxied, self._latencies = index, proxied, latencies
        self._links: Sequence[Link] = ()
        self._between: dict[tuple[int, int], int] = {}  # by the numbers of two sockets: their link, or -1
        self._paths: dict[tuple[int, int, int], str] = {}
        self._proxies = 0
        self._parts: dict[tuple[int, int], tuple[int, ...]] = {}  # likewise, their links by way of proxies
        self._targets: dict[str, list[str]] = {}
        self.grow(topology)

    def grow(self, topology: Topology) -> None:
        """Learn of links that have been discovered."""
        self._links = topology.links
        self._between, self._parts = {}, {}
        self._targets.clear()
        for link in topology.links:
            self._targets.setdefault(link.sender, []).append(link.receiver)

    def put_back(self, matches: Matches, late: Late) -> None:
        """Put back what sources left out while they were held up: on their links, and from end to end."""
        names = self._names
        late = late[matches.sure[late.match]]
        for place, count, interval, first in zip(*late.tolists(), strict=True):
            sender, receiver = names[matches.sender[place]], names[matches.receiver[place]]
            sent, came = matches.sent[place], matches.received[place]
            direct = self._index.get((sender, receiver)) if first else None
            if direct:
                self._latencies.put_back(str(self._links[direct[0]]), came - sent, count, interval)
            if matches.ends[place] and not matches.ambiguous[place]:
                path = path_of(self._lives.nodes[matches.origin[place]], sender, receiver)
                if self._latencies.knows(path):
                    self._latencies.put_back(path, came - matches.began[place], count, interval)

    def enter(self, matches: Matches, began: int, at: float, most: int) -> list[Flight]:
        """Enter latencies; returns the flights to be shown, so many at the most.

        Args:
            matches: what was found to belong together, of which none is in doubt.
            began: when the lab began, on the clock of the traces.
            at: the time of the tick, in seconds since then.
            most: flights that are wanted.
        """
        links = self._enter_few(matches, at) if len(matches) <= LITTLE else self._enter_many(matches, at)
        step = max(1, math.ceil(len(matches) / most))
        shown = zip(links[::step], *(c.tolist() for c in _columns(matches, step)), strict=True)
        if len(self._proxied) != self._proxies:
            self._proxies, self._parts = len(self._proxied), {}
        flights: list[Flight] = []
        entered: set[tuple[int, float]] = set()  # what has come to a proxy, and may leave it several times
        for link, sender, receiver, kind, sent, received, size in shown:
            times = (sent - began) * 1e-9, (received - began) * 1e-9
            if link >= 0:
                flights.append(Flight(link, kind, *times, size))
            elif parts := self._through(sender, receiver):
                for number, part in enumerate(parts):
                    leaves, comes = (times[0] + (times[1] - times[0]) * n / len(parts) for n in (number, number + 1))
                    last = part == parts[-1]
                    if last or (part, times[0]) not in entered:
                        entered.add((part, times[0]))
                        flights.append(Flight(part, kind, leaves, times[1] if last else comes, size))
        return flights[:most]

    def _enter_few(self, matches: Matches, at: float) -> list[int]:
        """One by one; returns their links."""
        values, places = (c.tolist() for c in buckets(matches.received - matches.sent))
        took, theirs = (c.tolist() for c in buckets(matches.received - matches.began))
        columns = (matches.sender, matches.receiver, matches.origin, _arrived(matches))
        links: list[int] = []
        by_link: dict[int, tuple[list[int], list[int]]] = {}
        by_path: dict[str, tuple[list[int], list[int]]] = {}
        for row, (sender, receiver, origin, ends) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            link = self._link(sender, receiver)
            links.append(link)
            if link >= 0:
                mine = by_link.get(link) or by_link.setdefault(link, ([], []))
                mine[0].append(values[row])
                mine[1].append(places[row])
            if ends:
                path = self._path(origin, sender, receiver)
                mine = by_path.get(path) or by_path.setdefault(path, ([], []))
                mine[0].append(took[row])
                mine[1].append(theirs[row])
        for link, some in by_link.items():
            self._latencies.enter(link, *some, at)
        for path, some in by_path.items():
            self._latencies.enter_path(path, *some)
        return links

    def _enter_many(self, matches: Matches, at: float) -> list[int]:
        """All at once; returns their links."""
        width, latency, place = len(self._names), *buckets(matches.received - matches.sent)
        links = np.full(len(matches), -1)
        for way, rows in runs(matches.sender * width + matches.receiver):
            link = self._link(way // width, way % width)
            if link >= 0:
                links[rows] = link
                self._latencies.enter(link, latency[rows], place[rows], at)
        ends = np.flatnonzero(_arrived(matches))
        took, place = buckets((matches.received - matches.began)[ends])
        for way, rows in runs(((matches.origin * width + matches.sender) * width + matches.receiver)[ends]):
            rest, receiver = divmod(way, width)
            self._latencies.enter_path(self._path(rest // width, rest % width, receiver), took[rows], place[rows])
        found: list[int] = links.tolist()
        return found

    def _link(self, sender: int, receiver: int) -> int:
        """The first link between two sockets, by their numbers; -1 where there is none."""
        found = self._between.get((sender, receiver))
        if found is None:
            direct = self._index.get((self._names[sender], self._names[receiver]))
            found = self._between[sender, receiver] = direct[0] if direct else -1
        return found

    def _path(self, origin: int, sender: int, receiver: int) -> str:
        found = self._paths.get((origin, sender, receiver))
        if found is None:
            found = path_of(self._lives.nodes[origin], self._names[sender], self._names[receiver])
            self._paths[origin, sender, receiver] = found
        return found

    def _through(self, sender: int, receiver: int) -> tuple[int, ...]:
        """The links of a message with proxies between them, where no probe saw it; by the sockets' numbers."""
        found = self._parts.get((sender, receiver))
        if found is None:
            first, last = self._names[sender], self._names[receiver]
            fronts = proxies_between(first, last, self._targets, self._proxied) or ()
            ends = zip((first, *(self._proxied[front] for front in fronts)), (*fronts, last), strict=True)
            found = self._parts[sender, receiver] = tuple(self._index[way][0] for way in ends) if fronts else ()
        return found


def _arrived(matches: Matches) -> Flags:
    """Which are where they were to go, and are known to come from where their journey is said to have begun."""
    return matches.ends & ~matches.ambiguous


def _columns(matches: Matches, step: int) -> list[Ints]:
    """What is shown of every so-manieth match."""
    columns = (matches.sender, matches.receiver, matches.kind, matches.sent, matches.received, matches.size)
    return [column[::step] for column in columns]
