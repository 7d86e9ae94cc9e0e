"""Matching: which message that was received is which message that was sent.

Nothing on the wire tells. A message is known by its content and by its order: equal bodies hash
alike at every socket of the process, and among equal bodies the one sent first is taken first.
`pairing.py` finds the pairs, `causes.py` tells which message a node sent because of one that it had
received; here it is kept what is still under way. All of it works on arrays, a tick at a time: at
full rate there is no time to make an object of each message.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.causes import NEVER, Causes, Crossings, Followed, Received, Sends
from zlab.ledger.grouping import repeated
from zlab.ledger.lives import Lives
from zlab.ledger.pace import Pace
from zlab.ledger.pairing import Arrivals, Offers, Pairs, pair
from zlab.ledger.ways import Ways
from zlab.ledger.worked import Late, Matches, Offered, Traced, Worked
from zlab.recording import LEAN, Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from zlab.ledger.columns import Flags, Ints
    from zlab.ledger.kinds import Kinds
    from zlab.recording import Batch, Filter, Recording, Trace
    from zlab.topology import Link

PENDING_LIMIT = 100_000
"""Sent messages that are remembered while they wait for their match."""
HELD_LIMIT = 1_500_000
"""Traces that are kept before they are worked on: older ones are let go."""
_DOUBT = 10**9  # nanoseconds in which what was not traced arrives
LATE_LIMIT = 2_000
"""Journeys that began late and are remembered for that."""
PART = 50_000
"""Traces of one socket that are worked on at a time."""
PATIENCE = 30 * 10**9
"""Nanoseconds: what has not arrived by then is no longer looked for."""
_LITTLE = 1_000  # traces of a socket that are put together with those of others
HOLD = 20 * 10**6
"""Nanoseconds that a trace is kept before it is worked on: a sender writes it down after the message has left."""


class Matcher:
    """Pairs the traces of all sockets of a lab, in the order of time."""

    def __init__(
        self, senders: Mapping[str, Iterable[str]], relays: frozenset[str], kinds: Kinds, *, hold: int = HOLD
    ) -> None:
        """Start with nothing under way.

        Args:
            senders: for each receiving socket, the sockets whose messages can arrive there.
            relays: the nodes that send as well as receive, so that a journey can go on there.
            kinds: names the kinds of messages.
            hold: for how long a trace is kept before it is worked on, in nanoseconds.
        """
        self.ways = Ways(senders)
        self.lives = Lives(self.ways)
        self.filters: list[Filter] = []
        self._filter_numbers: dict[Filter, int] = {}
        self._hold = hold
        self._kinds = kinds
        self._causes = Causes()
        self.pace = Pace(self.lives)
        self._left_out: dict[int, tuple[int, int]] = {}  # by journey that began late: how many messages, how far apart
        self._relays = relays
        self._sources: set[str] = set()
        self._targets: set[str] = set()
        self._held: tuple[list[Traced], list[Traced]] = [], []  # sent, received
        self._offered = Offered.empty()  # what is under way
        self._crossings = Crossings.empty()  # the same
        self._hops = self._sent = self._doubt = 0

    def face(self, link: Link) -> None:
        """Learn of a link that has been discovered."""
        self.ways.face(link.sender, link.receiver)
        self._sources.add(link.source)
        self._targets.add(link.target)
        self._relays |= self._sources & self._targets

    def miss(self, now: int) -> None:
        """Learn that messages were sent or received that nobody traced.

        What comes within a second may be one of these: where its body is sent or received more than once, it is
        marked as ambiguous, and its latency does not count.
        """
        self._doubt = now + _DOUBT

    # --- what comes in -------------------------------------------------------------------------

    def match(
        self, batches: Mapping[Recording, Batch], now: int, *, full: bool, last: bool = False
    ) -> Iterator[Worked]:
        """Pair what came since the last call; at full rate in parts, so that it takes little memory at a time.

        Args:
            batches: the traces of each socket.
            now: the clock, in nanoseconds; the last moments are held back for the next call.
            full: whether every message is traced, so that a journey can be followed through a node.
            last: whether nothing will follow, so that nothing is to be held back.
        """
        whole: list[tuple[int, list[Trace]]] = []
        rows: list[tuple[int, NDArray[np.void]]] = []
        for recording, batch in batches.items():
            if batch.whole:
                whole.append((self.lives.number(recording), batch.whole))
            if len(batch.rows) > _LITTLE:
                self._hold_back_rows([(self.lives.number(recording), batch.rows)])
            elif len(batch.rows):
                rows.append((self.lives.number(recording), batch.rows))
        if rows:
            self._hold_back_rows(rows)
        if whole:
            self._hold_back_whole(whole)
        let_go = self._let_go()
        limit, once = now if last else now - self._hold, True
        while True:
            tables = [table for held in self._held for table in held]
            first = min((int(table.time[0]) for table in tables), default=limit)
            cut = min([limit, *(max(first + 1, int(table.time[PART])) for table in tables if len(table) > PART)])
            once &= cut == limit
            sends, came = (_due(held, cut) for held in self._held)
            worked = self._work(sends, came, now, let_go, full=full)
            yield replace(worked, whole=once)
            if cut == limit:
                return
            let_go = 0

    def _hold_back_rows(self, traced: list[tuple[int, NDArray[np.void]]]) -> None:
        """Copy what is needed of what some sockets have traced: the rows belong to their probes."""
        batches = [batch for _, batch in traced]
        rows = batches[0] if len(batches) == 1 else np.concatenate(batches, dtype=LEAN)
        life = np.repeat([number for number, _ in traced], [len(batch) for batch in batches])
        direction = rows["direction"]
        received = int(np.count_nonzero(direction))
        for way, count in ((Direction.SEND, len(rows) - received), (Direction.RECV, received)):
            if not count:
                continue
            mine = slice(None) if count == len(rows) else np.flatnonzero(direction == way)
            some = rows[mine]
            table = Traced(
                time=some["time"].copy(),
                life=life[mine],
                done=some["done"].copy(),
                rank=some["rank"].copy(),
                key=some["key"].copy(),
                size=some["size"].copy(),
                head=np.broadcast_to(_NO_HEAD, count) if way else some["head"].copy(),
                rich=np.broadcast_to(_NO_TRACE, count),
            )
            self._held[way].append(_in_order(table))

    def _hold_back_whole(self, traced: list[tuple[int, list[Trace]]]) -> None:
        """The same of what was written down with more."""
        traces = [trace for _, batch in traced for trace in batch]
        life = np.repeat([number for number, _ in traced], [len(batch) for _, batch in traced])
        time, direction, rank, key, size, _, _, done, _ = zip(*traces, strict=True)
        count, rich = len(traces), np.empty(len(traces), np.object_)
        rich[:] = traces
        table = Traced(
            time=np.fromiter(time, np.int64, count),
            life=life,
            done=np.fromiter(done, np.int64, count),
            rank=np.fromiter(rank, np.int64, count),
            key=np.fromiter(key, np.int64, count),
            size=np.fromiter(size, np.int64, count),
            head=np.broadcast_to(_NO_HEAD, count),
            rich=rich,
        )
        directions = np.fromiter(direction, np.int64, count)
        for way in Direction:
            mine = np.flatnonzero(directions == way)
            if mine.size:
                self._held[way].append(_in_order(table[mine]))

    def _let_go(self) -> int:
        gone = 0
        while sum(len(table) for held in self._held for table in held) > HELD_LIMIT:
            oldest = min((held for held in self._held if held), key=lambda held: int(held[0].time[0]))
            gone += len(oldest.pop(0))
        return gone

    def under_way(self) -> Flags:
        """By the number of each life, whether something of it is still under way."""
        used = np.zeros(len(self.lives.recordings), np.bool_)
        for table in (*self._held[0], *self._held[1]):
            used[table.life] = True
        used[self._offered.life] = True
        used[self._offered.target[self._offered.target >= 0]] = True
        return used

    def forget(self, lives: Iterable[int]) -> None:
        """Know no more of these lives, whose numbers others may get; nor of filters that nothing is under way by."""
        self.pace.forget(lives)
        number = self._offered.filter
        kept = np.unique(number[number >= 0])
        place = np.full(len(self.filters) + 1, -1)  # one more for -1
        place[kept] = np.arange(kept.size)
        self._offered.filter = place[number]
        self.filters = [self.filters[each] for each in kept.tolist()]
        self._filter_numbers = {each: n for n, each in enumerate(self.filters)}

    # --- what is worked on ---------------------------------------------------------------------

    def _work(self, sends: Traced, came: Traced, now: int, let_go: int, *, full: bool) -> Worked:
        before = len(self._offered)
        offers, of = self._offer(sends)
        every = Offered.joined([self._offered, offers])
        only = self.lives.only
        ranks = np.where(only[every.life], every.rank, -1), np.where(only[came.life], came.rank, -1)
        arrivals = Arrivals(came.key, came.time, self.lives.socket[came.life], came.life, ranks[1])
        pairs = pair(Offers(every.key, every.time, every.socket, ranks[0], every.target), arrivals, self.ways)
        place = np.append(np.arange(before), before + of)  # of each offer, among the crossings
        node = self.lives.node[sends.life]
        fresh = Crossings(
            *(np.zeros(len(sends), np.int64), np.ones(len(sends), np.int64), sends.time.copy(), node),
            np.zeros(len(sends), np.bool_),
        )
        crossings = Crossings.joined([self._crossings, fresh])
        marked = self._marks(every, pairs, place, len(crossings))
        if now < self._doubt or let_go or pairs.let_go:
            vague = repeated(every.key) | np.isin(every.key, came.key[repeated(came.key)])
            vague[pairs.offer[pairs.certain]] = False
            marked[place[vague]] = 0
        order = np.argsort(pairs.arrival, kind="stable")
        offer, arrival = pairs.offer[order], pairs.arrival[order]
        follows, ends = self._follow(sends, came[arrival], crossings, (marked, place[offer], before), full=full)
        origin = crossings.origin[place[offer]]
        matches = Matches(
            sender=every.socket[offer],
            receiver=arrivals.socket[arrival],
            life=came.life[arrival],
            hop=every.hop[offer],
            sent=every.time[offer],
            received=came.time[arrival],
            rank=came.rank[arrival],
            size=came.size[arrival],
            kind=every.kind[offer],
            filter=every.filter[offer],
            position=every.position[offer],
            began=crossings.began[place[offer]],
            origin=origin,
            ends=ends,
            sure=marked[place[offer]] > 0,
            ambiguous=crossings.ambiguous[place[offer]] | (marked[place[offer]] <= came.time[arrival]),
        )
        crossings.ambiguous |= marked < NEVER
        doubtful = every.hop[marked[place] < NEVER]
        self._remember(every, crossings, (place, np.append(offer, pairs.gone)), now)
        let_go += pairs.let_go
        self._note_late(sends, crossings[before:])
        late = self._late(crossings, place[offer]) if self._left_out else Late.empty()
        return Worked(sends, crossings[before:], follows, offers, of, matches, late, doubtful, let_go, whole=True)

    def _note_late(self, sends: Traced, crossings: Crossings) -> None:
        """Remember which journeys began late, and what was left out before."""
        places, counts, intervals = self.pace.omitted(sends)
        for place, count, interval in zip(places.tolist(), counts.tolist(), intervals.tolist(), strict=True):
            if crossings.hop[place] == 1:
                self._left_out[crossings.message.item(place)] = count, interval
        while len(self._left_out) > LATE_LIMIT:
            del self._left_out[next(iter(self._left_out))]

    def _late(self, crossings: Crossings, matched: Ints) -> Late:
        """Find the matches of these journeys."""
        message = crossings.message[matched]
        match = np.flatnonzero(np.isin(message, np.fromiter(self._left_out, np.int64)))
        told = [self._left_out[number] for number in message[match].tolist()]
        return Late(
            match=match,
            count=np.array([count for count, _ in told], np.int64),
            interval=np.array([interval for _, interval in told], np.int64),
            first=crossings.hop[matched[match]] == 1,
        )

    def _offer(self, sends: Traced) -> tuple[Offered, Ints]:
        """For whom each message is; and for each of these offers, the place of its message."""
        count = len(sends)
        kind, of = self._kinds_of(sends), np.arange(count)
        target, filter_, position = np.full(count, -1), np.full(count, -1), np.zeros(count, np.int64)
        published = np.flatnonzero(self.lives.publishes[sends.life])
        if published.size:
            matched: dict[int, tuple[tuple[Filter, int], ...]] = {}
            for place in published.tolist():
                trace: Trace | None = sends.rich[place]
                if trace is not None and trace.matched:
                    matched[place] = trace.matched
            times = np.ones(count, np.int64)
            times[list(matched)] = [len(m) for m in matched.values()]
            of = np.repeat(of, times)
            target, filter_, position = np.full(of.size, -1), np.full(of.size, -1), np.zeros(of.size, np.int64)
            theirs = np.isin(of, list(matched))
            target[theirs] = [self.lives.number(f.receiver) for m in matched.values() for f, _ in m]
            filter_[theirs] = [self._number_of_filter(f) for m in matched.values() for f, _ in m]
            position[theirs] = [number for m in matched.values() for _, number in m]
        offers = Offered(
            key=sends.key[of],
            time=sends.time[of],
            socket=self.lives.socket[sends.life[of]],
            target=target,
            life=sends.life[of],
            filter=filter_,
            position=position,
            hop=self._hops + np.arange(of.size),
            sent=self._sent + of,
            kind=kind[of],
            size=sends.size[of],
            rank=sends.rank[of],
        )
        self._hops += of.size
        self._sent += count
        return offers, of

    def _kinds_of(self, sends: Traced) -> Ints:
        lives, first = np.unique(sends.life, return_index=True)
        table = np.zeros(len(self.lives.recordings), np.int64)
        for place in np.sort(first).tolist():
            life = int(sends.life[place])
            if not self.lives.publishes[life]:
                table[life] = self._kinds.of(self.lives.recordings[life].name, b"")
        kind = table[sends.life]
        if self.lives.publishes[lives].any():
            for place in np.flatnonzero(self.lives.publishes[sends.life]).tolist():
                trace = sends.rich[place]
                head = trace.head if trace is not None else b""
                kind[place] = self._kinds.of(self.lives.recordings[int(sends.life[place])].name, head)
        return kind

    def _number_of_filter(self, wanted: Filter) -> int:
        found = self._filter_numbers.get(wanted)
        if found is None:
            found = self._filter_numbers[wanted] = len(self.filters)
            self.filters.append(wanted)
        return found

    @staticmethod
    def _marks(every: Offered, pairs: Pairs, place: Ints, count: int) -> Ints:
        """When each crossing was first found not to be the only one that may have come."""
        marked = np.full(count, NEVER)
        if pairs.marked.size:
            np.minimum.at(marked, place[pairs.marked], pairs.since)
            if (every.target[pairs.marked] >= 0).any():  # what one subscriber doubts of is doubtful to all
                sent, number = np.unique(every.sent, return_inverse=True)
                first = np.full(sent.size, NEVER)
                np.minimum.at(first, number, marked[place])
                np.minimum.at(marked, place, first[number])
        return marked

    def _follow(
        self, sends: Traced, came: Traced, crossings: Crossings, found: tuple[Ints, Ints, int], *, full: bool
    ) -> tuple[Followed, Flags]:
        marked, crossing, before = found
        lives = self.lives
        relays = np.zeros(len(lives.nodes), np.bool_)
        relays[[n for n, name in enumerate(lives.nodes) if name in self._relays]] = True
        follows, ends = Followed.empty(len(sends)), np.ones(len(came), np.bool_)
        theirs = np.flatnonzero(relays[lives.node[came.life]])
        mine = np.flatnonzero(relays[lives.node[sends.life]])
        if not theirs.size and not mine.size:
            self._causes.begin(crossings, before + np.arange(len(sends)))
            return follows, ends
        life, received = sends.life[mine], came.life[theirs]
        sent = Sends(
            key=sends.key[mine],
            time=sends.time[mine],
            node=lives.node[life],
            socket=lives.socket[life],
            asks=lives.asks[life],
            crossing=before + mine,
        )
        arrived = Received(
            key=came.key[theirs],
            time=came.time[theirs],
            node=lives.node[received],
            socket=lives.socket[received],
            crossing=crossing[theirs],
        )
        told, ending = self._causes.follow(sent, arrived, crossings, marked, len(lives.nodes), full=full)
        ends[theirs] = ending
        follows.time[mine], follows.socket[mine], follows.unchanged[mine] = told.time, told.socket, told.unchanged
        return follows, ends

    def _remember(self, every: Offered, crossings: Crossings, found: tuple[Ints, Ints], now: int) -> None:
        place, taken = found
        left = every.time >= now - PATIENCE
        left[taken] = False
        kept = np.flatnonzero(left)[-PENDING_LIMIT:]
        self._offered, self._crossings = every[kept], crossings[place[kept]]


_NO_HEAD = np.zeros((), "V64")
_NO_TRACE = np.array(None, np.object_)


def _in_order(table: Traced) -> Traced:
    """Sorted by time, if it is not."""
    unsorted = (table.time[1:] < table.time[:-1]).any()
    return table[np.argsort(table.time, kind="stable")] if unsorted else table


def _due(held: list[Traced], limit: int) -> Traced:
    """Take what was traced before a time, in the order of time."""
    ready, rest = [], []
    for table in held:
        cut = int(np.searchsorted(table.time, limit))
        if cut:
            ready.append(table[:cut])
        if cut < len(table):
            rest.append(table[cut:])
    held[:] = rest
    table = Traced.joined(ready)
    return _in_order(table) if len(ready) > 1 else table
