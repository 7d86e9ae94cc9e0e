"""Hops: a traced message on its way from one socket to another, a row of arrays until somebody looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np

from zlab.ledger.beyond import proxies_between
from zlab.ledger.columns import Columns, Flags, Heads, Ints, Things
from zlab.ledger.row import SWALLOWED
from zlab.recording import Direction, lean
from zlab.sockets import PUBLISHERS, node_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zlab.ledger.lives import Lives
    from zlab.ledger.matching import Matcher
    from zlab.ledger.worked import Worked
    from zlab.recording import Recording, Trace
    from zlab.topology import Topology


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
    """The node whose ``zmq.proxy`` passed it on, unseen; several with commas between, in the order of its way."""
    received: int = 0
    """When recv returned it, in nanoseconds; 0 if it has not."""
    fate: str = ""
    """What was plain when it was sent: that it was for nobody, or that a fault kept it; else ""."""


@dataclass(slots=True)
class Hops(Columns):
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


class Maker:
    """Makes objects of rows."""

    def __init__(self, topology: Topology, matcher: Matcher, proxied: Mapping[str, str]) -> None:
        """Know what the numbers in a row mean.

        Args:
            topology: what runs.
            matcher: numbers the sockets and nodes.
            proxied: each socket that a proxy serves, and the one at its other side; it may grow.
        """
        self._targets: dict[str, list[str]] = {}
        self.blind: set[str] = set()
        """Publishers that face an XSUB of which it is not known what it asks for."""
        self.grow(topology)
        self._lives: Lives = matcher.lives
        self._names = matcher.ways.names
        self._proxied = proxied

    def grow(self, topology: Topology) -> None:
        """Learn which sockets can reach which."""
        types = {name: str(spec.type) for name, spec in topology.sockets()}
        targets: dict[str, list[str]] = {}
        for link in topology.links:
            targets.setdefault(link.sender, []).append(link.receiver)
        self.blind = {s for s, into in targets.items() if any(types[r] == "XSUB" for r in into)}
        self._targets = targets

    def all(self, table: Hops) -> Sequence[Hop]:
        """Those of a table, each made when it is looked at."""
        return _Made(self, table, self._lives.recordings)

    def crossing(self, table: Hops, row: int, lives: Sequence[Recording]) -> Sent:
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

    def make(self, table: Hops, row: int, crossing: Sent, lives: Sequence[Recording]) -> Hop:
        """One row of a table, as an object; likewise."""
        sender, received, life = crossing.sender, table.received.item(row), None
        if table.receiver[row] >= 0:
            life = lives[table.receiver[row]]
        elif table.target[row] >= 0:
            life = lives[table.target[row]]
        targets, receiver, fate = self._targets.get(sender, []), "" if life is None else life.name, ""
        # What an XSUB of a proxy has asked for may come out at several.
        published = crossing.recording.type in PUBLISHERS and sender not in self.blind and not crossing.trace.matched
        if crossing.trace.times == 0:
            fate = KEPT
        elif life is None and published:
            fate = _for_nobody(crossing)
        if life is None and not published and len(targets) == 1:
            receiver = targets[0]
        via = self._proxy_between(sender, receiver) if received else ""
        return Hop(crossing, receiver, life, table.position.item(row), table.kind.item(row), via, received, fate)

    def _proxy_between(self, sender: str, receiver: str) -> str:
        passed = proxies_between(sender, receiver, self._targets, self._proxied)
        return ", ".join(map(node_of, passed or ()))


class _Made(Sequence[Hop]):
    """Hops of a table, each made when it is looked at."""

    def __init__(self, maker: Maker, table: Hops, lives: Sequence[Recording]) -> None:
        self._maker, self._table, self._lives = maker, table, lives
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
            crossing = self._maker.crossing(self._table, row, self._lives)
            return self._maker.make(self._table, row, crossing, self._lives)
        number = self._table.sent.item(row)
        if number not in self._crossings:
            self._crossings[number] = self._maker.crossing(self._table, row, self._lives)
        return self._maker.make(self._table, row, self._crossings[number], self._lives)


def hops_of(worked: Worked) -> Hops:
    """A row for each offer."""
    sends, offers, crossings, follows = worked.sends, worked.offers, worked.crossings, worked.follows
    if len(offers) != len(sends):  # else each was offered once
        sends, crossings, follows = sends[worked.of], crossings[worked.of], follows[worked.of]
    return Hops(
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
