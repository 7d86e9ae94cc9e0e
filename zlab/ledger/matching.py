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

from zlab.ledger.asked import Asked
from zlab.ledger.causes import NEVER, Causes, Crossings, Followed, Received, Sends
from zlab.ledger.copies import Copies
from zlab.ledger.grouping import repeated
from zlab.ledger.held import Held
from zlab.ledger.kinds import REPLY, REQUEST
from zlab.ledger.lives import Lives
from zlab.ledger.pace import Pace
from zlab.ledger.pairing import Arrivals, Offers, Pairs, pair
from zlab.ledger.ways import Ways
from zlab.ledger.worked import Copied, Late, Matches, Offered, Traced, Worked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zlab.ledger.columns import Flags, Ints
    from zlab.ledger.kinds import Kinds
    from zlab.recording import Batch, Filter, Recording, Trace
    from zlab.topology import Link

PENDING_LIMIT = 100_000
"""Sent messages that are remembered while they wait for their match."""
_DOUBT = 10**9  # nanoseconds in which what was not traced arrives
LATE_LIMIT = 2_000
"""Journeys that began late and are remembered for that."""
PATIENCE = 30 * 10**9
"""Nanoseconds: what has not arrived by then is no longer looked for."""
HOLD = 20 * 10**6
"""Nanoseconds that a trace is kept before it is worked on: a sender writes it down after the message has left."""
LONGEST_HOLD = 500 * 10**6
"""Nanoseconds that it is kept at the most, while what was received is still to be written down where it was sent."""


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
        self.asked = Asked(self.lives, self.ways, self.pace)
        self.copies = Copies(self.ways)
        # By journey that began late: how many messages were left out, how far apart, and when it began.
        self._left_out: dict[int, tuple[int, int, int]] = {}
        self._relays = relays
        self._sources: set[str] = set()
        self._targets: set[str] = set()
        self._held = Held(self.lives, self.ways)
        self._offered = Offered.empty()  # what is under way
        self._crossings = Crossings.empty()  # the same
        self._hops = self._sent = self._doubt = self._entered = 0

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

    def wait_for(self, entered: int) -> None:
        """Learn when the first send began that has not been written down yet, in nanoseconds; 0: there is none."""
        self._entered = entered

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
        let_go, limit = self._held.add(batches), now if last else now - self._hold
        if 0 < self._entered < limit and not last:
            limit = max(now - LONGEST_HOLD, self._held.first_unsent(self._entered, limit, self._offered))
        whole = True
        while True:
            sends, came, over = self._held.take(limit)
            whole &= over
            yield replace(self._work(sends, came, now, let_go, full=full), whole=whole)
            if over:
                return
            let_go = 0

    def under_way(self) -> Flags:
        """By the number of each life, whether something of it is still under way."""
        used = np.zeros(len(self.lives.recordings), np.bool_)
        self._held.mark(used)
        self.copies.mark(used)
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
        pairs = pair(self._left(every, ranks[0]), arrivals, self.ways)
        found = self.copies.find(every, before, arrivals, pairs) if self.copies else None
        earlier = Crossings.empty() if found is None else found.crossings
        start = before + len(earlier)
        place = np.append(np.arange(before), start + of)  # of each offer, among the crossings
        node = self.lives.node[sends.life]
        fresh = Crossings(
            *(np.zeros(len(sends), np.int64), np.ones(len(sends), np.int64), sends.time.copy(), node),
            *(np.zeros(len(sends), np.bool_), np.zeros(len(sends), np.bool_)),
        )
        crossings = Crossings.joined([self._crossings, earlier, fresh])
        marked = self._marks(every, pairs, place, len(crossings))
        pending, copies = (every, place), Copied.empty()
        if now < self._doubt or let_go or pairs.let_go:
            vague = repeated(every.key) | np.isin(every.key, came.key[repeated(came.key)])
            vague[pairs.offer[pairs.certain]] = False
            marked[place[vague]] = 0
        offer, arrival = pairs.offer, pairs.arrival
        if found is not None and found.arrival.size:
            where = found.place.copy()
            where[where >= 0] = place[where[where >= 0]]
            where[found.place < 0] = before + np.arange(len(earlier))
            np.minimum.at(marked, where[found.double], came.time[found.arrival[found.double]])
            hops, self._hops = self._hops + np.arange(where.size), self._hops + where.size
            copies = Copied(found.offered.hop, hops, came.life[found.arrival], came.time[found.arrival])
            found.offered.hop = hops
            offer = np.append(offer, len(every) + np.arange(where.size))
            every, place = Offered.joined([every, found.offered]), np.append(place, where)
            arrival = np.append(arrival, found.arrival)
        order = np.argsort(arrival, kind="stable")
        offer, arrival = offer[order], arrival[order]
        follows, ends = self._follow(sends, came[arrival], crossings, (marked, place[offer], start), full=full)
        if (sends.times > 1).any():
            _join_copies(sends, crossings, start)
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
        self._ask(offers, matches, every.life[offer], crossings[place[offer]])
        crossings.ambiguous |= marked < NEVER
        doubtful = every.hop[marked[place] < NEVER]
        if found is not None:
            self.copies.remember(pending[0], before, arrivals, pairs, found, crossings[pending[1]])
        self._remember(pending[0], crossings, (pending[1], np.append(pairs.offer, pairs.gone)), now)
        let_go += pairs.let_go
        self._note_late(sends, crossings[start:], now)
        late = self._late(crossings, place[offer]) if self._left_out else Late.empty()
        return Worked(
            *(sends, crossings[start:], follows, offers, of, matches, late, doubtful, let_go), copies, whole=True
        )

    def _ask(self, offers: Offered, matches: Matches, senders: Ints, crossings: Crossings) -> None:
        """Tell requests from replies where the types of sockets do not."""
        asked, make = self.asked, self._kinds.make
        asked.learn(matches, senders, crossings.hop, crossings.changed)
        make(REPLY, offers.kind, asked.answers(offers.life, offers.time))
        make(REPLY, matches.kind, asked.answers(senders, matches.sent))
        make(REQUEST, matches.kind, asked.sockets[matches.receiver])

    def _left(self, every: Offered, rank: Ints) -> Offers:
        """What may be taken: of what a fault let go no further, nothing may."""
        kept = every.times == 0
        if not kept.any():
            return Offers(every.key, every.time, every.socket, rank, every.target)
        nowhere = self.ways.number("")
        socket, target = np.where(kept, nowhere, every.socket), np.where(kept, -1, every.target)
        return Offers(every.key, every.time, socket, np.where(kept, -1, rank), target)

    def _note_late(self, sends: Traced, crossings: Crossings, now: int) -> None:
        """Remember which journeys began late, and what was left out before."""
        places, counts, intervals = self.pace.omitted(sends)
        for place, count, interval in zip(places.tolist(), counts.tolist(), intervals.tolist(), strict=True):
            if crossings.hop[place] == 1:
                self._left_out[crossings.message.item(place)] = count, interval, sends.time.item(place)
        while self._left_out:
            message, (_, _, began) = next(iter(self._left_out.items()))
            if len(self._left_out) <= LATE_LIMIT and began >= now - PATIENCE:
                break
            del self._left_out[message]

    def _late(self, crossings: Crossings, matched: Ints) -> Late:
        """Find the matches of these journeys."""
        message = crossings.message[matched]
        match = np.flatnonzero(np.isin(message, np.fromiter(self._left_out, np.int64)))
        told = [self._left_out[number] for number in message[match].tolist()]
        return Late(
            match=match,
            count=np.array([count for count, _, _ in told], np.int64),
            interval=np.array([interval for _, interval, _ in told], np.int64),
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
                    matched[place] = _apart(trace.matched)
            times = np.ones(count, np.int64)
            matched = {place: m for place, m in matched.items() if m}
            times[list(matched)] = [len(m) for m in matched.values()]
            of = np.repeat(of, times)
            target, filter_, position = np.full(of.size, -1), np.full(of.size, -1), np.zeros(of.size, np.int64)
            theirs = np.isin(of, list(matched))
            target[theirs] = [
                -1 if f.receiver.type == "XSUB" else self.lives.number(f.receiver)
                for m in matched.values()
                for f, _ in m
            ]
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
            times=sends.times[of],
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
                part = self.asked.part(int(self.lives.socket[life]))
                table[life] = self._kinds.of(self.lives.recordings[life].name, b"", part)
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
            paced=self.pace.paced(life),
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
        left = (every.time >= now - PATIENCE) & (every.times > 0)
        left[taken] = False
        kept = np.flatnonzero(left)[-PENDING_LIMIT:]
        self._offered, self._crossings = every[kept], crossings[place[kept]]


def _apart(matched: tuple[tuple[Filter, int], ...]) -> tuple[tuple[Filter, int], ...]:
    """Without XSUBs, unless one is the only one to have it: what a proxy passes on may come anywhere behind it."""
    return matched if len(matched) == 1 else tuple(each for each in matched if each[0].receiver.type != "XSUB")


def _join_copies(sends: Traced, crossings: Crossings, start: int) -> None:
    """Let what a fault sent once more be of the same journey as what it is a copy of."""
    first: dict[tuple[int, int], int] = {}
    for row in np.flatnonzero(np.isin(sends.rank, sends.rank[sends.times > 1])).tolist():
        code = int(sends.life[row]), int(sends.rank[row])
        original = first.setdefault(code, row)
        for column in ("message", "hop", "began", "origin") if original != row else ():
            values = getattr(crossings, column)
            values[start + row] = values[start + original]
