"""Pairing: which of the messages that came is which of those that were sent.

Among equal ones that can arrive at a socket, the one sent first is taken first: the k-th that came
is the k-th that was sent. All at once, on arrays; one by one only where equal bodies are under way
between sockets that do not all face each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.grouping import begins, grouped, lowest, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from zlab.ledger.ways import Ways

    Ints = NDArray[np.int64]

_NONE = np.zeros(0, np.int64)
ONE_BY_ONE = 20_000
"""Messages of one tick that are looked at one by one, at the most; older ones are let go."""
_MANY = 500  # that came on one lane: worth looking whether they came in the order in which they were sent


@dataclass(frozen=True, slots=True)
class Offers:
    """Messages sent, each once for every socket that is to have it; in the order in which they may be taken."""

    key: Ints
    time: Ints
    """When send was called, in nanoseconds."""
    socket: Ints
    """The sender's number."""
    rank: Ints
    """The how-manieth it was for its sender, from 1; -1 where that does not tell which one it is for the receiver."""
    target: Ints
    """The one life of a socket that it is for, by number; -1 where any may take it that faces the sender."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Messages received, in the order of time."""

    key: Ints
    time: Ints
    """When recv returned, in nanoseconds."""
    socket: Ints
    """The receiver's number."""
    life: Ints
    """The number of that life of it."""
    rank: Ints
    """The how-manieth it was for its receiver, from 1; -1 as above."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """What belongs together, by the places in offers and arrivals; and what is not sure."""

    offer: Ints
    arrival: Ints
    marked: Ints
    """Offers that were not the only ones that an arrival may have been: those taken and those left."""
    since: Ints
    """When each of these was marked first, in nanoseconds."""
    gone: Ints
    """Offers that have arrived untraced: nothing will take them any more."""
    certain: NDArray[np.bool_]
    """Of the pairs: whether it can be no other, though messages went untraced."""
    let_go: int = 0
    """Arrivals that were not looked at, because there were too many."""


_IN_TURN, _ALONE, _LEFT_OUT = 0, 1, 2  # how an offer or an arrival is dealt with


@dataclass(slots=True)
class _Sorted:
    """Offers and arrivals, each with its lane and how it is dealt with."""

    offers: Offers
    arrivals: Arrivals
    out: Ints
    into: Ints
    how_out: NDArray[np.int8]
    how_in: NDArray[np.int8]

    def codes(self, rows_out: Ints, rows_in: Ints) -> Ints:
        """What tells these offers and arrivals apart: their lanes and keys."""
        sent = self.offers.key[rows_out] ^ spread(self.out[rows_out])
        return np.concatenate([sent, self.arrivals.key[rows_in] ^ spread(self.into[rows_in])])


def pair(offers: Offers, arrivals: Arrivals, ways: Ways) -> Pairs:
    """Find for each arrival the offer that it took, if there is one."""
    if not offers.key.size or not arrivals.key.size:
        return _joined([])
    ways.settle()
    work = _Sorted(
        offers,
        arrivals,
        ways.lane_out[offers.socket],
        ways.lane_in[arrivals.socket],
        np.zeros(offers.key.size, np.int8),
        np.zeros(arrivals.key.size, np.int8),
    )
    work.how_in[work.into < 0] = _LEFT_OUT
    if (offers.target >= 0).any():
        _part_by_life(work, ways)
    if not ways.whole.all():
        _part_by_socket(work, ways)
    found: list[Pairs] = []
    if arrivals.key.size >= _MANY:
        found += _abreast(work, ways)
    if (work.how_in == _ALONE).any():
        found.append(_one_by_one(work, ways))
    found.append(_in_turn(work))
    return _joined(found)


def _part_by_life(work: _Sorted, ways: Ways) -> None:
    """A lane of its own for each life of a subscriber, but where an equal body is for anybody too."""
    offers, arrivals = work.offers, work.arrivals
    targeted = offers.target >= 0
    lives = np.zeros(1 + int(max(offers.target.max(), arrivals.life.max())), np.bool_)
    lives[offers.target[targeted]] = True
    own = lives[arrivals.life]
    work.out = np.where(targeted, ways.whole.size + offers.target, work.out)
    lanes = np.zeros(ways.whole.size + 1, np.bool_)  # one more for lane -1
    lanes[ways.lane_out[offers.socket[targeted]]] = True
    publishing = lanes[ways.lane_out[offers.socket]]
    anybody = np.unique(offers.key[~targeted & publishing])
    if anybody.size:
        common = np.isin(offers.key, anybody) & publishing
        both = np.unique(offers.key[targeted & common])
        work.how_out[common & np.isin(offers.key, both)] = _ALONE
        work.how_in[lanes[work.into] & np.isin(arrivals.key, both)] = _ALONE
        own &= ~np.isin(arrivals.key, anybody)
    work.into = np.where(own, ways.whole.size + arrivals.life, work.into)


def _part_by_socket(work: _Sorted, ways: Ways) -> None:
    """Where not every sender of a lane faces every receiver: equal bodies of several are looked at one by one."""
    partial = np.append(~ways.whole, False)
    lanes = ways.whole.size
    rows_out = np.flatnonzero(partial[np.minimum(work.out, lanes)] & (work.how_out == _IN_TURN))
    rows_in = np.flatnonzero(partial[np.minimum(work.into, lanes)] & (work.how_in == _IN_TURN))
    if not rows_out.size or not rows_in.size:
        return
    offers, arrivals = work.offers, work.arrivals
    code = work.codes(rows_out, rows_in)
    order = grouped(code)
    first = begins(code[order])
    starts, group = np.flatnonzero(first), np.cumsum(first) - 1
    came = order >= rows_out.size
    socket = np.concatenate([offers.socket[rows_out], arrivals.socket[rows_in]])[order]
    several = np.zeros(starts.size, np.bool_)
    ends: list[Ints] = []
    for mine in (~came, came):
        least = np.minimum.reduceat(np.where(mine, socket, np.iinfo(np.int64).max), starts)
        most = np.maximum.reduceat(np.where(mine, socket, -1), starts)
        several |= (most >= 0) & (least != most)
        ends.append(most)
    both = (ends[0] >= 0) & (ends[1] >= 0)
    strange = both & ~several & ~ways.joined(ends[0], ends[1])
    how = np.where(several & both, _ALONE, np.where(strange, _LEFT_OUT, _IN_TURN)).astype(np.int8)[group]
    work.how_out[rows_out[order[~came]]] = how[~came]
    work.how_in[rows_in[order[came] - rows_out.size]] = how[came]


def _abreast(work: _Sorted, ways: Ways) -> Iterator[Pairs]:
    """Lanes with one sender and one receiver, on which all came in the order in which it was sent."""
    offers, arrivals = work.offers, work.arrivals
    busy = np.bincount(work.into[work.how_in == _IN_TURN])
    for lane in np.flatnonzero(busy >= _MANY):
        rows_out = np.flatnonzero((work.out == lane) & (work.how_out == _IN_TURN))
        rows_in = np.flatnonzero((work.into == lane) & (work.how_in == _IN_TURN))
        if not rows_out.size:
            continue
        sent, came, key = offers.time[rows_out], arrivals.time[rows_in], offers.key[rows_out]
        alone = bool(lane < ways.alone.size and ways.alone[lane])
        if alone:
            taking, taken, gone = _by_rank(offers.rank[rows_out], arrivals.rank[rows_in])
        elif (
            (offers.socket[rows_out] == offers.socket[rows_out[0]]).all()
            and (arrivals.socket[rows_in] == arrivals.socket[rows_in[0]]).all()
            and rows_in.size <= rows_out.size
        ):
            taking = taken = np.arange(rows_in.size)
            gone = _NONE
        else:
            continue
        if (
            not taken.size
            or not np.array_equal(key[taken], arrivals.key[rows_in[taking]])
            or (sent[taken] >= came[taking]).any()
            or (sent[1:] < sent[:-1]).any()
        ):
            continue
        work.how_out[rows_out] = _LEFT_OUT
        work.how_in[rows_in] = _LEFT_OUT
        # Which of them had an equal one behind it, sent before it came?
        near = int(np.searchsorted(sent, came[taking[-1]]))
        order = grouped(key[:near])
        ranked = key.take(order)
        following = np.full(near, near)
        equal = np.flatnonzero(ranked[1:] == ranked[:-1])
        following[order[equal]] = order[equal + 1]
        doubtful = np.flatnonzero(following[taken] < np.searchsorted(sent, came[taking]))
        marked = rows_out[np.concatenate([taken[doubtful], following[taken[doubtful]]])]
        since = np.tile(came[taking[doubtful]], 2)
        yield Pairs(rows_out[taken], rows_in[taking], marked, since, rows_out[gone], np.full(taken.size, alone))


def _by_rank(sent: Ints, came: Ints) -> tuple[Ints, Ints, Ints]:
    """Where one socket sends to one other and nothing is lost, the k-th that came is the k-th that was sent.

    So it holds too when some of them went untraced.

    Returns:
        The arrivals, the offers that they took, and the offers that arrived untraced.
    """
    if (sent < 0).any() or (came < 0).any() or (sent[1:] <= sent[:-1]).any() or (came[1:] <= came[:-1]).any():
        return _NONE, _NONE, _NONE
    place = np.minimum(np.searchsorted(sent, came), sent.size - 1)
    taking = np.flatnonzero(sent[place] == came)
    over = np.ones(sent.size, np.bool_)
    over[place[taking]] = False
    return taking, place[taking], np.flatnonzero(over & (sent < came[-1]))


def _in_turn(work: _Sorted) -> Pairs:
    """All at once: within a lane, equal ones are taken in the order in which they were sent."""
    rows_out, rows_in = np.flatnonzero(work.how_out == _IN_TURN), np.flatnonzero(work.how_in == _IN_TURN)
    if not rows_out.size or not rows_in.size:
        return _joined([])
    offers, arrivals = work.offers, work.arrivals
    rows_out = rows_out[_wanted(offers.key[rows_out], arrivals.key[rows_in])]
    count = rows_out.size
    code = work.codes(rows_out, rows_in)
    order = np.argsort(np.concatenate([offers.time[rows_out], arrivals.time[rows_in]]), kind="stable")
    order = order.take(grouped(code.take(order)))
    first = begins(code.take(order))
    sent = order < count
    walk, missed = lowest(np.where(sent, 1, -1), first)
    # What came and found nothing takes nothing: there the walk reaches a new depth.
    fresh = missed.copy()
    fresh[1:] -= np.where(first[1:], 0, missed[:-1])
    hits = np.flatnonzero(~sent & (fresh == 0))
    waiting = (walk + missed)[hits] + 1  # this one and those behind it
    places = np.flatnonzero(sent)
    total = np.cumsum(sent)
    place = total[hits] - waiting  # the waiting ones are those sent last
    taken = rows_out[order[places[place]]]
    arrival = rows_in[order[hits] - count]
    double = waiting > 1
    behind = rows_out[order[places[place[double] + 1]]]
    marked = np.concatenate([taken[double], behind])
    return Pairs(
        taken, arrival, marked, np.tile(arrivals.time[arrival[double]], 2), _NONE, np.zeros(taken.size, np.bool_)
    )


def _wanted(key: Ints, by: Ints) -> NDArray[np.bool_]:
    """Which of these keys may be among those: what nobody takes can be much, and is not worth sorting."""
    size = 1 << max(10, (4 * by.size).bit_length())
    table = np.zeros(size, np.bool_)
    table[by & (size - 1)] = True
    found: NDArray[np.bool_] = table[key & (size - 1)]
    return found


def _one_by_one(work: _Sorted, ways: Ways) -> Pairs:
    """As long as there are not too many of them."""
    offers, arrivals = work.offers, work.arrivals
    rows_in = np.flatnonzero(work.how_in == _ALONE)
    let_go = max(0, rows_in.size - ONE_BY_ONE)
    rows_in = rows_in[let_go:]
    rows_out = np.flatnonzero((work.how_out == _ALONE) & np.isin(offers.key, np.unique(arrivals.key[rows_in])))
    waiting: dict[int, list[int]] = {}
    taken, found, marked, since = [], [], [], []
    left = iter(rows_out[np.argsort(offers.time[rows_out], kind="stable")].tolist())
    upcoming = next(left, None)
    for arrival in rows_in.tolist():
        time, receiver, life = (int(c[arrival]) for c in (arrivals.time, arrivals.socket, arrivals.life))
        while upcoming is not None and offers.time[upcoming] < time:
            waiting.setdefault(int(offers.key[upcoming]), []).append(upcoming)
            upcoming = next(left, None)
        same = waiting.get(int(arrivals.key[arrival]), [])
        fitting = (o for o in same if offers.target[o] in {-1, life} and ways.faces(int(offers.socket[o]), receiver))
        both = list(islice(fitting, 2))
        if both:
            taken.append(both[0])
            found.append(arrival)
            same.remove(both[0])
        if len(both) > 1:
            marked += both
            since += [time, time]
    columns = [np.array(column, np.int64) for column in (taken, found, marked, since)]
    return Pairs(columns[0], columns[1], columns[2], columns[3], _NONE, np.zeros(len(taken), np.bool_), let_go)


def _joined(found: list[Pairs]) -> Pairs:
    if len(found) == 1:
        return found[0]
    return Pairs(
        np.concatenate([_NONE, *(one.offer for one in found)]),
        np.concatenate([_NONE, *(one.arrival for one in found)]),
        np.concatenate([_NONE, *(one.marked for one in found)]),
        np.concatenate([_NONE, *(one.since for one in found)]),
        np.concatenate([_NONE, *(one.gone for one in found)]),
        np.concatenate([np.zeros(0, np.bool_), *(one.certain for one in found)]),
        sum(one.let_go for one in found),
    )
