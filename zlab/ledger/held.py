"""Held: what has been traced, until all that was traced before it at other sockets has been told too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.grouping import spread
from zlab.ledger.worked import Traced
from zlab.recording import LEAN, Direction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zlab.ledger.columns import Flags
    from zlab.ledger.lives import Lives
    from zlab.ledger.ways import Ways
    from zlab.ledger.worked import Offered
    from zlab.recording import Batch, Recording, Trace

HELD_LIMIT = 1_500_000
"""Traces that are kept before they are worked on: older ones are let go."""
PART = 50_000
"""Traces of one socket that are worked on at a time."""
_LITTLE = 1_000  # traces of a socket that are put together with those of others


class Held:
    """Traces by direction, in tables that are each in the order of time."""

    def __init__(self, lives: Lives, ways: Ways) -> None:
        """Hold nothing.

        Args:
            lives: numbers the sockets.
            ways: tells which of them face each other.
        """
        self._lives, self._ways = lives, ways
        self.tables: tuple[list[Traced], list[Traced]] = [], []
        """Of what was sent, and of what was received."""

    def add(self, batches: Mapping[Recording, Batch]) -> int:
        """Hold these too; returns how many older ones had to be let go, because there are too many."""
        whole: list[tuple[int, list[Trace]]] = []
        rows: list[tuple[int, NDArray[np.void]]] = []
        for recording, batch in batches.items():
            if batch.whole:
                whole.append((self._lives.number(recording), batch.whole))
            if len(batch.rows) > _LITTLE:
                self._copy([(self._lives.number(recording), batch.rows)])
            elif len(batch.rows):
                rows.append((self._lives.number(recording), batch.rows))
        if rows:
            self._copy(rows)
        if whole:
            self._spread(whole)
        gone = 0
        while sum(len(table) for held in self.tables for table in held) > HELD_LIMIT:
            oldest = min((held for held in self.tables if held), key=lambda held: int(held[0].time[0]))
            gone += len(oldest.pop(0))
        return gone

    def take(self, limit: int) -> tuple[Traced, Traced, bool]:
        """What was sent and what was received before a time, each in the order of time; at full rate a part of it.

        Args:
            limit: in nanoseconds.

        Returns:
            Both, and whether this is all of it.
        """
        tables = [table for held in self.tables for table in held]
        first = min((int(table.time[0]) for table in tables), default=limit)
        cut = min([limit, *(max(first + 1, int(table.time[PART])) for table in tables if len(table) > PART)])
        sent, came = (_due(held, cut) for held in self.tables)
        return sent, came, cut == limit

    def first_unsent(self, since: int, limit: int, under_way: Offered) -> int:
        """When the first message came that nobody has written down as sent, between two times in nanoseconds.

        Args:
            since: what came before is not looked at.
            limit: nor what came from then on; given back where there is none.
            under_way: what was written down before and has not come yet.
        """
        self._ways.settle()
        sent, received = self.tables
        out, into, socket = self._ways.lane_out, self._ways.lane_in, self._lives.socket
        known = [under_way.key ^ spread(out[under_way.socket])]
        known += [table.key ^ spread(out[socket[table.life]]) for table in sent]
        for table in received:
            rows = slice(*np.searchsorted(table.time, (since, limit)))
            came = table.key[rows] ^ spread(into[socket[table.life[rows]]])
            alone = np.flatnonzero(~np.isin(came, np.concatenate(known)))
            if alone.size:
                limit = int(table.time[rows][alone[0]])
        return limit

    def mark(self, used: Flags) -> None:
        """Mark the lives of which something is held, by number."""
        for table in (*self.tables[0], *self.tables[1]):
            used[table.life] = True

    def _copy(self, traced: list[tuple[int, NDArray[np.void]]]) -> None:
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
                times=np.broadcast_to(_ONCE, count),
                rich=np.broadcast_to(_NO_TRACE, count),
            )
            self.tables[way].append(_in_order(table))

    def _spread(self, traced: list[tuple[int, list[Trace]]]) -> None:
        """The same of what was written down with more."""
        traces = [trace for _, batch in traced for trace in batch]
        life = np.repeat([number for number, _ in traced], [len(batch) for _, batch in traced])
        time, direction, rank, key, size, _, _, done, _, times = zip(*traces, strict=True)
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
            times=np.fromiter(times, np.int64, count),
            rich=rich,
        )
        directions = np.fromiter(direction, np.int64, count)
        for way in Direction:
            mine = np.flatnonzero(directions == way)
            if mine.size:
                self.tables[way].append(_in_order(table[mine]))


_NO_HEAD = np.zeros((), "V64")
_NO_TRACE = np.array(None, np.object_)
_ONCE = np.array(1)


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
