"""Journeys: every traced message, hop by hop; the last of them are remembered.

They are kept as arrays, as they were worked on, and made into objects when somebody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, overload

import numpy as np

from zlab.ledger.columns import Columns, Flags, Heads, Ints, Things
from zlab.ledger.exchange import SWALLOWED
from zlab.recording import Direction, lean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zlab.ledger.lives import Lives
    from zlab.ledger.matching import Matcher
    from zlab.ledger.worked import Copied, Worked
    from zlab.recording import Recording, Trace
    from zlab.topology import Topology

HOP_LIMIT = 1_000
"""Hops that are remembered; older ones are let go."""
_TABLES = 50  # that they are kept in, at least: what the oldest has let go of is kept until the last of it goes
_LITTLE = 1_000  # hops below which the next tick's are written behind them, at the most
_PUBLISHERS = {"PUB", "XPUB"}
KEPT = f"dropped: {SWALLOWED}"
"""The fate of a message that a fault let go no further."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a message follows from: one that its node had received."""

    socket: str
    """The full name of the socket that had received it."""
    time: int
    """When recv returned it, in nanoseconds."""
    unchanged: bool
    """Whether its body is the same; else it was the last one received."""


@dataclass(frozen=True, slots=True, eq=False)
class Sent:
    """A traced send."""

    recording: Recording
    """Of the sender."""
    trace: Trace
    message: int
    """The number of the journey that this crossing is a part of."""
    hop: int
    """The how-manieth crossing of that journey, from 1."""
    began: int
    """When that journey began, in nanoseconds."""
    origin: str
    """The node at which that journey began."""
    cause: Cause | None
    """The message received that this one follows from."""
    ambiguous: bool
    """Whether it may be another journey's, or another message of the same body."""

    @property
    def sender(self) -> str:
        """The full name of the socket that sent it."""
        return self.recording.name


@dataclass(frozen=True, slots=True, eq=False)
class Hop:
    """One message on its way from one socket to another."""

    crossing: Sent
    """The send; one for all hops of a message that a publisher sent to several."""
    receiver: str
    """The full name of the socket, or "" where that is not known yet: several may take it."""
    life: Recording | None
    """Of the receiver, where a publisher sent it or once it has come."""
    position: int
    """The how-manieth message it was of those that the receiver was to get, from 1; 0 is unknown."""
    kind: int
    """Index into the names of the kinds."""
    via: str = ""
    """The node whose ``zmq.proxy`` passed it on, unseen."""
    received: int = 0
    """When recv returned it, in nanoseconds; 0 if it has not."""
    fate: str = ""
    """What was plain when it was sent: that it was for nobody, or that a fault kept it; else ""."""


@dataclass(slots=True)
class _Hops(Columns):
    """Hops of one tick or a few, in the order in which they were sent."""

    number: Ints
    sent: Ints
    """The number of the message among all that were sent."""
    life: Ints
    time: Ints
    done: Ints
    rank: Ints
    key: Ints
    size: Ints
    head: Heads
    rich: Things
    message: Ints
    hop: Ints
    began: Ints
    origin: Ints
    ambiguous: Flags
    follows: Ints
    """When what it follows from was received; 0 where it follows from nothing."""
    follows_at: Ints
    """By which socket."""
    unchanged: Flags
    target: Ints
    position: Ints
    kind: Ints
    received: Ints
    receiver: Ints
    """The life that received it, by number; -1."""


class Journeys:
    """The hops of the last messages that were traced."""

    def __init__(self, topology: Topology, matcher: Matcher, proxied: Mapping[str, str], limit: int) -> None:
        """Start with none.

        Args:
            topology: what runs.
            matcher: whose work is entered; it numbers sockets and nodes.
            proxied: each socket that a proxy serves, and the one at its other side; it may grow.
            limit: how many hops to remember.
        """
        self._targets: dict[str, list[str]] = {}
        self._blind: set[str] = set()
        self.grow(topology)
        self._lives: Lives = matcher.lives
        self._names = matcher.ways.names
        self._proxied = proxied
        self._limit = limit
        self._little = min(_LITTLE, limit // _TABLES)
        self._lock = Lock()
        self._tables: deque[_Hops] = deque()
        self._count = 0
        self.interrupted = 0
        """When tracing last changed, on the clock of the traces: what was sent before may have come untraced."""
        self.let_go = 0
        """Hops that are no longer remembered."""

    def grow(self, topology: Topology) -> None:
        """Learn which sockets can reach which."""
        types = {name: str(spec.type) for name, spec in topology.sockets()}
        targets: dict[str, list[str]] = {}
        for link in topology.links:
            targets.setdefault(link.sender, []).append(link.receiver)
        # A subscriber in C (a proxy's XSUB) does not show what it asks for.
        self._blind = {s for s, into in targets.items() if any(types[r] == "XSUB" for r in into)}
        self._targets = targets

    # --- what is entered -----------------------------------------------------------------------

    def take(self, worked: Worked) -> None:
        """Enter what was worked on in one tick."""
        matches = worked.matches
        with self._lock:
            if len(worked.offers):
                self._append(_hops(worked))
            if len(worked.copies):
                self._copy(worked.copies)
            for table, rows, _ in self._places(worked.doubtful):
                table.ambiguous[rows] = True
            for table, rows, which in self._places(matches.hop):
                table.received[rows], table.receiver[rows] = matches.received[which], matches.life[which]
            self._trim()

    def _append(self, table: _Hops) -> None:
        self._count += len(table)
        if self._tables and len(self._tables[-1]) + len(table) <= self._little:
            table = _Hops.joined([self._tables.pop(), table])
        self._tables.append(table)

    def _places(self, numbers: Ints) -> list[tuple[_Hops, Ints, Ints]]:
        """Where hops of these numbers stand: tables, the rows there, and the places among the numbers."""
        if not numbers.size or not self._tables:
            return []
        firsts = np.array([table.number[0] for table in self._tables])
        place = np.searchsorted(firsts, numbers, side="right") - 1
        found = []
        for number in np.flatnonzero(np.bincount(place[place >= 0], minlength=firsts.size)).tolist():
            which = np.flatnonzero(place == number)
            table = self._tables[number]
            rows = np.minimum(np.searchsorted(table.number, numbers[which]), len(table) - 1)
            here = table.number[rows] == numbers[which]
            found.append((table, rows[here], which[here]))
        return found

    def _copy(self, copies: Copied) -> None:
        """Enter the hops of messages of which another hop is remembered."""
        made = []
        for table, rows, which in self._places(copies.original):
            some = table[rows]
            some.number, some.received = copies.hop[which], copies.received[which]
            some.target = some.receiver = copies.life[which]
            made.append(some)
        if made:
            all_ = _Hops.joined(made)
            self._append(all_[np.argsort(all_.number, kind="stable")])

    def _trim(self) -> None:
        while self._count > self._limit:
            more, first = self._count - self._limit, self._tables[0]
            if len(first) <= more:
                self._tables.popleft()
                more = len(first)
            else:
                self._tables[0] = first[more:]
            self._count -= more
            self.let_go += more

    # --- what can be asked ---------------------------------------------------------------------

    def hops(self) -> Sequence[Hop]:
        """All that are remembered, in the order in which they were sent; each is made when it is looked at."""
        with self._lock:
            return _Made(self, _Hops.joined(list(self._tables)), self._lives.recordings)

    def of(self, message: int) -> Sequence[Hop]:
        """Those of one message, in the order in which they were sent."""
        with self._lock:
            table = _Hops.joined([table[table.message == message] for table in self._tables])
            return _Made(self, table, self._lives.recordings)

    def known_by(self, key: int) -> list[int]:
        """The messages of which a hop had this key, the oldest first."""
        with self._lock:
            known = [message for table in self._tables for message in table.message[table.key == key].tolist()]
        return list(dict.fromkeys(known))

    def span(self) -> range:
        """The numbers of the hops that are remembered: hops are numbered in the order in which they were sent."""
        with self._lock:
            if not self._tables:
                return range(self.let_go, self.let_go)
            return range(int(self._tables[0].number[0]), int(self._tables[-1].number[-1]) + 1)

    def chosen(self, numbers: Iterable[int], *, arrived: bool = False) -> list[tuple[int, Hop]]:
        """The hops of these numbers, ascending; those that are no longer remembered are left out.

        Args:
            numbers: which.
            arrived: whether those that have not arrived are left out too.
        """
        wanted = np.fromiter(numbers, np.int64)
        with self._lock:
            here = [table[rows] for table, rows, _ in self._places(wanted)]
            lives = self._lives.recordings
        chosen = _Hops.joined([each[each.received > 0] for each in here] if arrived else here)
        return list(zip(chosen.number.tolist(), _Made(self, chosen, lives), strict=True))

    def numbers_of(self, message: int) -> list[int]:
        """The numbers of the hops of one message."""
        with self._lock:
            return [n for table in self._tables for n in table.number[table.message == message].tolist()]

    def let_go_lives(self, under_way: Flags, open_: Iterable[Recording]) -> list[int]:
        """Let go of the sockets that have closed and of which no hop is remembered any more; returns their numbers.

        Args:
            under_way: by number, those that the matching still knows something of.
            open_: those that have not closed, or not been read to their end.
        """
        with self._lock:
            for table in self._tables:
                for column in (table.life, table.target, table.receiver):
                    under_way[column[column >= 0]] = True
            return self._lives.let_go(under_way, open_)

    def arrived(self) -> tuple[dict[tuple[str, str], int], dict[Recording, int]]:
        """When the last one that has arrived was sent, by sender and receiver; and the first, by life of the receiver.

        In nanoseconds, on the clock of the traces.
        """
        last: dict[tuple[str, str], int] = {}
        first: dict[Recording, int] = {}
        with self._lock:
            tables = [table[table.received > 0] for table in self._tables]
            lives = self._lives.recordings
        came = _Hops.joined(tables)
        if not len(came):
            return last, first
        width = len(lives)
        ways, number = np.unique(came.life * width + came.receiver, return_inverse=True)
        latest, earliest = np.zeros(ways.size, np.int64), np.full(ways.size, np.iinfo(np.int64).max)
        np.maximum.at(latest, number, came.time)
        np.minimum.at(earliest, number, came.time)
        for way, late, early in zip(ways.tolist(), latest.tolist(), earliest.tolist(), strict=True):
            sender, receiver = lives[way // width], lives[way % width]
            between = sender.name, receiver.name
            last[between] = max(late, last.get(between, late))
            first[receiver] = min(early, first.get(receiver, early))
        return last, first

    # --- what is made of it --------------------------------------------------------------------

    def crossing(self, table: _Hops, row: int, lives: Sequence[Recording]) -> Sent:
        """The send of one row of a table, as an object; with the sockets by number, as they were then."""
        trace = table.rich[row]
        if trace is None:
            trace = lean(
                table.time.item(row),
                table.done.item(row),
                table.rank.item(row),
                table.key.item(row),
                table.size.item(row),
                Direction.SEND,
                table.head[row].tobytes(),
            )
        follows = table.follows.item(row)
        cause = Cause(self._names[table.follows_at[row]], follows, table.unchanged.item(row)) if follows else None
        return Sent(
            recording=lives[table.life[row]],
            trace=trace,
            message=table.message.item(row),
            hop=table.hop.item(row),
            began=table.began.item(row),
            origin=self._lives.nodes[table.origin[row]],
            cause=cause,
            ambiguous=bool(table.ambiguous[table.sent == table.sent[row]].any())
            if table.target[row] >= 0
            else table.ambiguous.item(row),
        )

    def make(self, table: _Hops, row: int, crossing: Sent, lives: Sequence[Recording]) -> Hop:
        """One row of a table, as an object; likewise."""
        sender, received, life = crossing.sender, table.received.item(row), None
        if table.receiver[row] >= 0:
            life = lives[table.receiver[row]]
        elif table.target[row] >= 0:
            life = lives[table.target[row]]
        targets, receiver, fate = self._targets.get(sender, []), "" if life is None else life.name, ""
        published = crossing.recording.type in _PUBLISHERS and sender not in self._blind
        if crossing.trace.times == 0:
            fate = KEPT
        elif life is None and published:
            fate = _for_nobody(crossing)
        if life is None and not published and len(targets) == 1:
            receiver = targets[0]
        via = self._proxy_between(sender, receiver) if received else ""
        return Hop(crossing, receiver, life, table.position.item(row), table.kind.item(row), via, received, fate)

    def _proxy_between(self, sender: str, receiver: str) -> str:
        targets = self._targets.get(sender, ())
        if receiver in targets:
            return ""
        passing = (t for t in targets if receiver in self._targets.get(self._proxied.get(t, ""), ()))
        return next(passing, "").rpartition(".")[0]


class _Made(Sequence[Hop]):
    """Hops of a table, each made when it is looked at."""

    def __init__(self, journeys: Journeys, table: _Hops, lives: Sequence[Recording]) -> None:
        self._journeys, self._table, self._lives = journeys, table, lives
        self._crossings: dict[int, Sent] = {}  # one of what was sent to several

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, row: int) -> Hop: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Hop]: ...
    def __getitem__(self, row: int | slice) -> Hop | Sequence[Hop]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        row = range(len(self))[row]
        if self._table.target[row] < 0:
            crossing = self._journeys.crossing(self._table, row, self._lives)
            return self._journeys.make(self._table, row, crossing, self._lives)
        number = self._table.sent.item(row)
        if number not in self._crossings:
            self._crossings[number] = self._journeys.crossing(self._table, row, self._lives)
        return self._journeys.make(self._table, row, self._crossings[number], self._lives)


def _hops(worked: Worked) -> _Hops:
    """A row for each offer."""
    sends, offers, crossings, follows = worked.sends, worked.offers, worked.crossings, worked.follows
    if len(offers) != len(sends):  # else each was offered once
        sends, crossings, follows = sends[worked.of], crossings[worked.of], follows[worked.of]
    return _Hops(
        number=offers.hop,
        sent=offers.sent,
        life=sends.life,
        time=sends.time,
        done=sends.done,
        rank=sends.rank,
        key=sends.key,
        size=sends.size,
        head=sends.head,
        rich=sends.rich,
        message=crossings.message,
        hop=crossings.hop,
        began=crossings.began,
        origin=crossings.origin,
        ambiguous=crossings.ambiguous.copy(),
        follows=follows.time,
        follows_at=follows.socket,
        unchanged=follows.unchanged,
        target=offers.target,
        position=offers.position,
        kind=offers.kind,
        received=np.zeros(len(offers), np.int64),
        receiver=np.full(len(offers), -1),
    )


def _for_nobody(crossing: Sent) -> str:
    return "filtered" if crossing.recording.heard(crossing.trace.rank) else "dropped: no subscriber"
