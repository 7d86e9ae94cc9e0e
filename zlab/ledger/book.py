"""The book of one lab: readings go in, a snapshot comes out, and every message has its place."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.addressed import Addressed
from zlab.ledger.bare import bare
from zlab.ledger.barred import of_barred
from zlab.ledger.beyond import origins
from zlab.ledger.crossed import Crossed
from zlab.ledger.emptied import Emptied
from zlab.ledger.figures import Figures
from zlab.ledger.forwarding import bounded, through_proxies
from zlab.ledger.journeys import HOP_LIMIT, Journeys
from zlab.ledger.kinds import Kinds
from zlab.ledger.latencies import Latencies
from zlab.ledger.matching import HOLD, Matcher
from zlab.ledger.recent import Recent
from zlab.ledger.row import Row, split
from zlab.ledger.sharing import capacity, conflates, exchanges, high_water
from zlab.ledger.snapshot import (
    Flight,
    LinkFigures,
    NodeFigures,
    Snapshot,
    SocketFigures,
)
from zlab.ledger.strangers import of_strangers, with_strangers
from zlab.ledger.subscribers import Subscribers
from zlab.ledger.tally import Tally
from zlab.recording import NOTHING, Counts, Event, Recording
from zlab.sockets import PUBLISHERS, Socket, SocketType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zlab.ledger.cost import Cost
    from zlab.ledger.reading import Reading
    from zlab.sockets import OptionValue
    from zlab.topology import Link, Topology

_REFRESH = 0.5  # seconds between two looks at the quantiles

FLIGHTS = 1_000
"""Flights that one tick brings."""


class Book:
    """Keeps the accounts of one lab."""

    def __init__(self, topology: Topology, inproc: frozenset[str], *, hold: int = HOLD, hops: int = HOP_LIMIT) -> None:
        """Open the accounts.

        Args:
            topology: what runs.
            inproc: its endpoints that are inproc: their queues have exact limits.
            hold: for how long a trace is kept before it is worked on, in nanoseconds.
            hops: how many hops of messages are remembered.
        """
        self.topology = topology
        self._specs: dict[str, Socket] = dict(topology.sockets())
        self._inproc = inproc
        self._strangers: frozenset[str] = frozenset()
        self._barred: dict[int, bool] = {}
        self._live: frozenset[str] = frozenset()
        self._before: dict[Link, int] = {}  # what a publisher had sent when a stranger was first seen
        self._tally = Tally()
        self._exchanges = list(exchanges(topology.links, self._specs, inproc))
        self._subscribers = Subscribers()
        self._capacities = [capacity(link, self._specs, inproc) for link in topology.links]
        self._publishers = Counter(link.receiver for link in topology.links)
        self._changed: set[int] = set()  # links whose sockets had other options before
        self._index: dict[tuple[str, str], list[int]] = defaultdict(list)
        for i, link in enumerate(topology.links):
            self._index[link.sender, link.receiver].append(i)
        facing: dict[str, set[str]] = defaultdict(set)
        for link in topology.links:
            facing[link.receiver].add(link.sender)
        relays = {link.source for link in topology.links} & {link.target for link in topology.links}
        self.proxied: dict[str, str] = {}
        """Each socket that a proxy serves, and the one at its other side."""
        self._faced: tuple[Topology, int] = topology, 0  # as of when it is known who faces whom through proxies
        self._unseen: set[str] = set()  # those of them of whose messages only frames are told
        self.kinds = Kinds(self._specs)
        self._matcher = Matcher(facing, frozenset(relays), self.kinds, hold=hold)
        self.journeys = Journeys(topology, self._matcher, self.proxied, hops)
        self._addressed = Addressed(self._matcher.lives, self._specs)
        self._addressed.look_at(exchange.rays for exchange in self._exchanges)
        self.latencies = Latencies(len(topology.links))
        self._figures = Figures()
        self._crossed = Crossed(topology, self._matcher, self._index, self.proxied, self.latencies)
        self._learnt = 0
        self._refresh = 0.0
        self.emptied = Emptied(len(topology.links), hold)
        self.recent = Recent()
        self._second: dict[str, Counts] = dict.fromkeys(self._specs, NOTHING)
        self.ambiguous = 0
        """Traced messages whose match was one of several equal bodies."""
        self.let_go = 0
        """Traces that were not worked on, because there were too many."""

    def grow(self, topology: Topology, inproc: frozenset[str], strangers: frozenset[str] = frozenset()) -> None:
        """Take in what has been discovered; all that was known keeps its place.

        Args:
            topology: the old one, with nodes, sockets and links added at its end.
            inproc: its endpoints that are inproc.
            strangers: sockets that nobody watches, by their full names.
        """
        known = len(self.topology.links)
        self.topology = topology
        self._inproc = inproc
        self._strangers = strangers
        self._specs.clear()
        self._specs.update(topology.sockets())
        fresh = topology.links[known:]
        self._capacities = [capacity(link, self._specs, inproc) for link in topology.links]
        self._publishers = Counter(link.receiver for link in topology.links)
        for i, link in enumerate(fresh, known):
            self._index[link.sender, link.receiver].append(i)
            self._before[link] = self._second.get(link.sender, NOTHING).sent if link.receiver in strangers else 0
            self._matcher.face(link)
        self.latencies.grow(len(topology.links))
        self.journeys.grow(topology)
        self._crossed.grow(topology)
        self._group()
        for name in self._specs:
            self._second.setdefault(name, NOTHING)
        self.emptied.grow(len(fresh))
        self.recent.grow(len(fresh))

    def _group(self) -> None:
        """Account together for what now has sockets in common."""
        before = {exchange.rays: exchange for exchange in self._exchanges}
        self._exchanges = []
        for exchange in exchanges(self.topology.links, self._specs, self._inproc, self._barred):
            same = before.pop(exchange.rays, None)
            self._exchanges.append(same or exchange)
            if same is None:
                for old in before.values():
                    if set(old.rays) & set(exchange.rays):
                        exchange.inherit(old)
        self._addressed.look_at(exchange.rays for exchange in self._exchanges)

    def alter(self, options: Mapping[str, Mapping[str, OptionValue]]) -> None:
        """Take in socket options that have changed; what a queue held before may be more than it would take now.

        Args:
            options: for each socket that was ever changed, all of its options.
        """
        for name, changed in options.items():
            if dict(self._specs[name].options) != dict(changed):
                self._specs[name] = replace(self._specs[name], options=changed)
                self._changed |= {i for i, k in enumerate(self.topology.links) if name in {k.sender, k.receiver}}
                if changed.get("conflate"):
                    self._subscribers.conflate(name)
        self._capacities = [capacity(link, self._specs, self._inproc) for link in self.topology.links]
        for exchange in self._exchanges:
            if any(self._conflates(self.topology.links[ray.link]) for ray in exchange.rays):
                exchange.conflate()

    # --- one tick ------------------------------------------------------------------------------

    def take(self, reading: Reading, retired: Mapping[Recording, Counts], now: int, began: int) -> list[Flight]:
        """Enter one reading.

        Args:
            reading: counts, states and traces.
            retired: sockets that have closed since the last tick, with their last counts.
            now: the clock of the traces, in nanoseconds.
            began: when the lab began, on the same clock.

        Returns:
            The messages that were matched.
        """
        for recording, counts in retired.items():
            self._tally.fold(recording, counts)
        first = self._totals(reading.first)
        second = self._totals(reading.second)
        self._live = reading.live
        links, before = self.topology.links, self._barred.keys()
        self._barred = {
            i: over for i, over in reading.barred.items() if self._specs[links[i].sender].type not in PUBLISHERS
        }
        if self._barred.keys() != before:
            self._group()
        undelimited = bare(reading.undelimited, second, self.topology.links, self.proxied)
        for exchange in self._exchanges:
            exchange.update(
                first,
                second,
                idle=reading.idle,
                closed=reading.closed,
                live=reading.live,
                at=reading.at,
                strikes=reading.strikes,
                bare=undelimited,
            )
        self._subscribers.enrol([*reading.second, *retired], self._conflated)
        self._subscribers.strike(reading)
        self._matcher.pace.learn(reading.rates, self._learnt, now, steered=reading.steered)
        self._learnt = now
        if reading.gap:
            self._matcher.miss(now)
        flights: list[Flight] = []
        self._matcher.wait_for(reading.entered)
        for worked in self._matcher.match(reading.traces, now, full=reading.full, last=reading.stopped):
            self.let_go += worked.let_go
            self._subscribers.learn(worked.matches, self._matcher.filters)
            self.journeys.take(worked)
            self._addressed.take(worked, self._matcher.ways.names)
            self.ambiguous += int(np.count_nonzero(worked.matches.ambiguous))
            self._crossed.put_back(worked.matches, worked.late)
            sure = worked.matches if worked.matches.sure.all() else worked.matches[worked.matches.sure]
            flights += self._crossed.enter(sure, began, reading.at, FLIGHTS if worked.whole else FLIGHTS // 4)
        self._subscribers.update(reading, retired)
        self._subscribers.upstreams.update(reading, second, self.topology.links, self._specs, self._inproc)
        unseen = self._strangers | self._unseen
        self.journeys.know(
            self._subscribers.upstreams.learn_who_is_told(second, self.topology.links, self._specs, unseen)
        )
        self._subscribers.fold(self._is_alone, self._is_exact, self._holds)
        if self._matcher.lives.crowded:
            self._matcher.forget(self.journeys.let_go_lives(self._matcher.under_way(), reading.second))
        self._second = second
        self.recent.add(reading.at, second, self.rows(stopped=reading.stopped))
        self.emptied.note(self.recent.rows, now)
        return flights[-FLIGHTS:]

    def snapshot(
        self,
        *,
        sequence: int,
        at: float,
        state: str,
        speed: float,
        nodes: tuple[NodeFigures, ...],
        urls: Mapping[str, str],
        flights: Iterable[Flight],
        sampling: int,
        cost: Cost,
        events: tuple[Event, ...],
    ) -> Snapshot:
        """All figures, as they stand after the last reading."""
        if at >= self._refresh or state == "stopped":
            self._refresh = at + _REFRESH
            self.latencies.take_quantiles(at)
        return Snapshot(
            sequence=sequence,
            at=at,
            state=state,
            speed=speed,
            nodes=nodes,
            sockets=tuple(self._socket(name, spec, urls) for name, spec in self._specs.items()),
            links=tuple(self._link(i, link) for i, link in enumerate(self.topology.links)),
            flights=tuple(flights),
            kinds=tuple(self.kinds.names),
            end_to_end=self.latencies.end_to_end,
            sampling=sampling,
            cost=cost,
            events=events,
        )

    # --- rows ----------------------------------------------------------------------------------

    def rows(self, *, stopped: bool) -> list[Row]:
        """A row for each link, in the order of the topology."""
        rows: dict[int, Row] = {}
        for exchange in self._exchanges:
            rows |= of_strangers(
                exchange.rows(self._second, stopped=stopped, addressed=self._addressed), exchange, self._strangers
            )
        rows |= of_barred(
            self.topology.links, self._barred, self._exchanges, self._second, live=self._live, stopped=stopped
        )
        for i, link in enumerate(self.topology.links):
            if i not in rows:
                rows[i] = self._subscription_row(i, link, stopped=stopped)
        for parallel in self._index.values():
            if len(parallel) > 1:  # two sockets that meet at several endpoints: by which one is not told
                rows |= zip(parallel, split(rows[parallel[0]], len(parallel)), strict=True)
        return [rows[i] for i in range(len(self.topology.links))]

    def _subscription_row(self, index: int, link: Link, *, stopped: bool) -> Row:
        if {link.sender, link.receiver} & self._strangers:
            return self._strange_row(link)
        if self._specs[link.receiver].type is SocketType.XSUB:
            return self._subscribers.upstreams.row(link, self.topology.links, self._second, stopped=stopped)
        row = self._subscribers.row(
            link,
            alone=self._is_alone(link.receiver),
            capacity=self._capacities[index],
            exact_capacity=self._is_exact(link.sender, link.receiver, index),
            holds=self._holds(link.sender, link.receiver, index),
            stopped=stopped,
        )
        return bounded(row, link, self.proxied, self._unseen, self.topology.links, self._second)

    def _is_alone(self, subscriber: str) -> bool:
        return self._publishers[subscriber] == 1

    def _is_exact(self, publisher: str, subscriber: str, index: int = -1) -> bool:
        """Whether it is known to the message what a link of these two can hold."""
        index = index if index >= 0 else next(iter(self._index[publisher, subscriber]), -1)
        return index >= 0 and self.topology.links[index].endpoint in self._inproc and index not in self._changed

    def _holds(self, publisher: str, subscriber: str, index: int = -1) -> int | None:
        """How many messages must wait between these two before one is dropped, at the least; 0 is no limit."""
        index = index if index >= 0 else next(iter(self._index[publisher, subscriber]), -1)
        if index < 0 or index in self._changed:
            return None
        exact = self._is_exact(publisher, subscriber, index)
        return self._capacities[index] if exact else high_water(self._specs[publisher])

    def _strange_row(self, link: Link) -> Row:
        if link.receiver in self._strangers:  # what it asked for, and what became of it, is not known
            sent = self._second.get(link.sender, NOTHING).sent - self._before.get(link, 0)
            return Row(sent, sent, 0, {}, {}, uncertain=sent)
        watched = self._subscribers.matched(link.receiver)
        came = max(0, self._second.get(link.receiver, NOTHING).received - watched)
        return Row(came, came, 0, {}, {}, uncertain=came if watched else 0)

    def _link(self, index: int, link: Link) -> LinkFigures:
        sender, receiver = self._second.get(link.sender, NOTHING), self._second.get(link.receiver, NOTHING)
        mean = sender.sent_bytes / sender.sent if sender.sent else 0.0
        return self._figures.link(
            index,
            link,
            self.recent.rows[index],
            moved=self.recent.moved(index),
            span=max(self.recent.span, 1e-9),
            mean=receiver.received_bytes / receiver.received if receiver.received else mean,
            capacity=self._capacities[index],
            latency=self.latencies.latest[index],
            proxied=not self.proxied.keys().isdisjoint((link.sender, link.receiver)),
        )

    def _socket(self, name: str, spec: Socket, urls: Mapping[str, str]) -> SocketFigures:
        counts, before = self._second.get(name, NOTHING), self.recent.before(name)
        return self._figures.socket(name, spec, urls, counts=counts, before=before, span=max(self.recent.span, 1e-9))

    def _conflates(self, link: Link) -> bool:
        return conflates(link, self._specs, self._inproc)

    def _conflated(self, name: str) -> bool:
        return any(self._conflates(link) for link in self.topology.links if link.receiver == name)

    # --- parts of a tick -----------------------------------------------------------------------

    def _totals(self, live: Mapping[Recording, Counts]) -> dict[str, Counts]:
        totals = self._tally.totals(live)
        for name in self._specs:
            totals.setdefault(name, NOTHING)
        totals = through_proxies(totals, self.proxied, self._unseen, self.topology.links, self._specs, self._strangers)
        return with_strangers(totals, self._strangers, self._exchanges)

    def learn_proxies(self, recordings: Iterable[Recording]) -> None:
        """See which sockets a proxy serves by now; before a reading is taken."""
        for recording in recordings:
            forwarded = recording.forwarded
            if forwarded is not None and forwarded.partner.name in self._specs:
                self.proxied.setdefault(recording.name, forwarded.partner.name)
                if not forwarded.sees:
                    self._unseen.add(recording.name)
        if self._faced == (self.topology, len(self.proxied)):
            return
        self._faced = self.topology, len(self.proxied)
        for front, back in self.proxied.items():
            before = origins(front, self.topology.links, self.proxied)
            for link in self.topology.links:
                if link.sender == back:
                    for sender in before:
                        self._matcher.ways.face(sender, link.receiver)
                        if self._specs[back].type in PUBLISHERS:
                            self._matcher.copies.face(sender, front, link.receiver)
