"""Journeys: every traced message, hop by hop; the last of them are remembered.

They are kept as arrays, as they were worked on; `zlab.ledger.hops` makes objects of them when somebody asks.
"""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.hops import Hops, Maker, hops_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zlab.ledger.columns import Flags, Ints
    from zlab.ledger.hops import Hop
    from zlab.ledger.lives import Lives
    from zlab.ledger.matching import Matcher
    from zlab.ledger.worked import Copied, Worked
    from zlab.recording import Recording
    from zlab.topology import Topology

HOP_LIMIT = 1_000
"""Hops that are remembered; older ones are let go."""
_TABLES = 50  # that they are kept in, at least: what the oldest has let go of is kept until the last of it goes
_LITTLE = 1_000  # hops below which the next tick's are written behind them, at the most


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
        self._maker = Maker(topology, matcher, proxied)
        self._lives: Lives = matcher.lives
        self._limit = limit
        self._little = min(_LITTLE, limit // _TABLES)
        self._lock = Lock()
        self._tables: deque[Hops] = deque()
        self._count = 0
        self.interrupted = 0
        """When tracing last changed, on the clock of the traces: what was sent before may have come untraced."""
        self.let_go = 0
        """Hops that are no longer remembered."""

    def grow(self, topology: Topology) -> None:
        """Learn which sockets can reach which."""
        self._maker.grow(topology)

    def know(self, blind: set[str]) -> None:
        """Learn which publishers face an XSUB of which it is not known what it asks for."""
        self._maker.blind = blind

    # --- what is entered -----------------------------------------------------------------------

    def take(self, worked: Worked) -> None:
        """Enter what was worked on in one tick."""
        matches = worked.matches
        with self._lock:
            if len(worked.offers):
                self._append(hops_of(worked))
            if len(worked.copies):
                self._copy(worked.copies)
            for table, rows, _ in self._places(worked.doubtful):
                table.ambiguous[rows] = True
            for table, rows, which in self._places(matches.hop):
                table.received[rows], table.receiver[rows] = matches.received[which], matches.life[which]
                table.kind[rows] = matches.kind[which]
            self._trim()

    def _append(self, table: Hops) -> None:
        self._count += len(table)
        if self._tables and len(self._tables[-1]) + len(table) <= self._little:
            table = Hops.joined([self._tables.pop(), table])
        self._tables.append(table)

    def _places(self, numbers: Ints) -> list[tuple[Hops, Ints, Ints]]:
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
            all_ = Hops.joined(made)
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
            return self._maker.all(Hops.joined(list(self._tables)))

    def of(self, message: int) -> Sequence[Hop]:
        """Those of one message, in the order in which they were sent."""
        with self._lock:
            return self._maker.all(Hops.joined([table[table.message == message] for table in self._tables]))

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
            chosen = Hops.joined([each[each.received > 0] for each in here] if arrived else here)
            made = self._maker.all(chosen)
        return list(zip(chosen.number.tolist(), made, strict=True))

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
        came = Hops.joined(tables)
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
