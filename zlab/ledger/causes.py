"""Causes: which message a node sent because of which one that it had received.

A node does not say. What it passes on unchanged tells by its content; of what it makes anew, all
that can be said is that it followed the last message that the node had received, and that holds
only where every message is traced; and never of a source, which sends at a rate of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zlab.ledger.columns import Columns, Flags, Ints
from zlab.ledger.grouping import before, begins, grouped, lowest, spread

REMEMBERED = 2_000
"""Messages received that may yet be passed on; or as many as came in one tick, if these are more."""
NEVER = np.iinfo(np.int64).max
"""A time that does not come."""
_ROUNDS = 64  # in which it must be clear where each journey ends


@dataclass(slots=True)
class Crossings(Columns):
    """Messages sent, and the journeys that these crossings are a part of."""

    message: Ints
    """The number of the journey, from 1; 0 while it has none."""
    hop: Ints
    """The how-manieth crossing of that journey, from 1."""
    began: Ints
    """When that journey began, in nanoseconds."""
    origin: Ints
    """The number of the node at which that journey began."""
    ambiguous: Flags
    """Whether it may be another journey's, or another message of the same body."""
    changed: Flags
    """Whether a node on its way has made it of another: else each has passed it on as it came."""


@dataclass(slots=True)
class Received(Columns):
    """Messages received, as far as something may follow from them."""

    key: Ints
    time: Ints
    """When recv returned, in nanoseconds."""
    node: Ints
    socket: Ints
    crossing: Ints
    """Its place among the crossings of this tick; of no use afterwards."""


@dataclass(slots=True)
class Sends(Columns):
    """Messages sent by nodes that also receive, in the order of time."""

    key: Ints
    time: Ints
    """When send was called, in nanoseconds."""
    node: Ints
    socket: Ints
    asks: Flags
    """Whether a REQ sends it: what follows a reply on the same socket begins a journey of its own."""
    paced: Flags
    """Whether its node sends at a rate of its own: then only what it passes on unchanged follows from anything."""
    crossing: Ints
    """Its place among the crossings of this tick."""


@dataclass(slots=True)
class Followed(Columns):
    """What messages follow from."""

    time: Ints
    """When that had been received, in nanoseconds; 0 where they follow from nothing."""
    socket: Ints
    """Which socket had received it."""
    unchanged: Flags
    """Whether its body is the same."""


class Causes:
    """What each node has received, as far as something may follow from it."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.journeys = 0
        """How many have begun."""
        self._known = Received.empty()
        self._of = Crossings.empty()  # by which these came
        self._passed = np.zeros(0, np.bool_)  # whether it has been passed on
        self._open = np.zeros(0, np.bool_)  # whether it may yet be passed on
        self._sure = np.zeros(0, np.bool_)  # whether it was known to be the last one received
        self._current = np.zeros(0, np.int64)  # by node: which of these it received last; -1
        self._unanswered = np.zeros(0, np.int64)  # by node: messages received since it last sent anything

    def begin(self, crossings: Crossings, which: Ints) -> None:
        """Number the journeys that begin with these crossings, in this order."""
        crossings.message[which] = self.journeys + 1 + np.arange(which.size)
        self.journeys += which.size

    def follow(
        self, sends: Sends, came: Received, crossings: Crossings, marked: Ints, nodes: int, *, full: bool
    ) -> tuple[Followed, Flags]:
        """Tell what follows from what.

        Args:
            sends: what was sent by nodes that also receive.
            came: what such nodes have received, of what is known to have been sent; in the order of time.
            crossings: by which these came, and those that are new. These have no number, and stand there as if
                each began a journey of its own; here they get what they are found to be.
            marked: for each of these, when it was found not to be the only one that may have come; or `NEVER`.
            nodes: how many there are.
            full: whether every message is traced, so that the last one received is known.

        Returns:
            What the sends follow from, and whether the journey ends with each of those that came.
        """
        more = max(0, nodes - self._current.size)
        self._current = np.append(self._current, np.full(more, -1))
        self._unanswered = np.append(self._unanswered, np.zeros(more, np.int64))
        old, count = len(self._known), len(crossings)
        new = np.flatnonzero(crossings.message == 0)
        tick = _Tick(
            sends,
            Received.joined([self._known, came]),
            Crossings.joined([crossings, self._of]),
            parent=np.concatenate([count + np.arange(old), came.crossing]),
            sure=np.append(self._sure, np.full(len(came), full)),
            old=old,
        )
        tick.look_back(self._open, self._current, full=full)
        tick.find()
        doubted = tick.judge(self._passed, self._unanswered, np.append(marked, np.full(old, NEVER)))
        every, beginning = tick.every, np.ones(count, np.bool_)
        beginning[sends.crossing[tick.follows]] = False
        self.begin(every, new[beginning[new]])
        root = tick.root[new]
        every.message[new], every.began[new], every.origin[new] = (
            every.message[root],
            every.began[root],
            every.origin[root],
        )
        for column in ("message", "hop", "began", "origin", "ambiguous", "changed"):
            getattr(crossings, column)[:] = getattr(every, column)[:count]
        self._keep(tick, doubted)
        return tick.followed(), tick.ends[old:]

    def _keep(self, tick: _Tick, doubted: Flags) -> None:
        """Remember what may yet be followed."""
        open_, node, latest = tick.last()
        open_ = open_[np.argsort(tick.known.time[open_], kind="stable")][-max(REMEMBERED, tick.ends.size - tick.old) :]
        self._current[node] = np.where(tick.ends[latest], -1, latest)
        which = np.zeros(tick.ends.size, np.bool_)
        which[open_] = which[self._current[self._current >= 0]] = True
        kept, place = np.flatnonzero(which), np.full(tick.ends.size + 1, -1)
        place[kept] = np.arange(kept.size)
        self._current = place[self._current]
        self._known, self._of = tick.known[kept], tick.every[tick.parent[kept]]
        self._of.ambiguous = doubted[kept]
        self._passed, self._sure = tick.passed[kept], tick.sure[kept]
        self._open = np.zeros(kept.size, np.bool_)
        self._open[place[open_]] = True


class _Tick:
    """What is worked on at one tick: what is known to have been received, and what was sent since."""

    def __init__(self, sends: Sends, known: Received, every: Crossings, *, parent: Ints, sure: Flags, old: int) -> None:
        self.sends, self.known, self.every, self.parent, self.sure, self.old = sends, known, every, parent, sure, old
        self.node = np.concatenate([known.node, sends.node])
        self.ends = np.zeros(len(known), np.bool_)
        """Of what was received: whether the journey ends there."""

    def look_back(self, open_: Flags, current: Ints, *, full: bool) -> None:
        """Find for each send what its node had received before: last of all, and last with the same body."""
        known, sends, count = self.known, self.sends, len(self.known)
        order = np.argsort(np.concatenate([known.time, sends.time]), kind="stable")
        taking = np.ones(self.node.size, np.bool_)
        taking[: self.old] = open_
        by_body = order[taking[order]]
        code = np.concatenate([known.key, sends.key]) ^ spread(self.node)
        self.by_body = by_body[grouped(code[by_body])]
        self.body_begins = begins(code[self.by_body])
        taking[: self.old] = False
        taking[current[current >= 0]] = True
        by_node = order[taking[order]]
        self.by_node = by_node[np.argsort(self.node[by_node].astype(np.uint16), kind="stable")]
        self.node_begins = begins(self.node[self.by_node])
        body, latest = (
            self._received_before(ranked, first)
            for ranked, first in ((self.by_body, self.body_begins), (self.by_node, self.node_begins))
        )
        self.prior, self.same, self.latest = body[:count], body[count:], latest[count:]
        self.may_be_same, self.may_be_latest = self._may_follow(self.same), self._may_follow(self.latest)
        self.may_be_latest &= np.append(self.sure, False)[self.latest] & full & ~sends.paced

    def _received_before(self, ranked: Ints, first: Flags) -> Ints:
        place = before(ranked < len(self.known), first)
        found = np.full(self.node.size, -1)
        found[ranked] = np.append(ranked, -1)[place]
        return found

    def _may_follow(self, what: Ints) -> Flags:
        socket = np.append(self.known.socket, -1)[what]
        may: Flags = (what >= 0) & ~(self.sends.asks & (socket == self.sends.socket))
        return may

    def find(self) -> None:
        """Find the causes, and where journeys end: each depends on the other, but only on what was before."""
        origin, mine = self.every.origin, self.sends.crossing
        before_that = np.full(len(self.sends), -2)
        for _ in range(_ROUNDS):
            going = np.append(~self.ends, False)
            self.unchanged = self.may_be_same & going[self.same]
            latest = np.where(self.may_be_latest & going[self.latest], self.latest, -1)
            self.cause = np.where(self.unchanged, self.same, latest)
            self.unsettled = self.cause != before_that
            before_that = self.cause
            self.follows = np.flatnonzero(self.cause >= 0)
            above = np.arange(origin.size)
            above[mine[self.follows]] = self.parent[self.cause[self.follows]]
            self.above = self.root = above
            while not np.array_equal(further := self.root[self.root], self.root):
                self.root = further
            ends = origin[self.root[self.parent]] == self.known.node
            ends[: self.old] = False
            if np.array_equal(ends, self.ends):
                self.unsettled[:] = False
                return
            self.ends = ends

    def judge(self, passed: Flags, unanswered: Ints, marked: Ints) -> Flags:
        """Tell what may be another journey's; returns that of what was received, for those that may follow."""
        known, sends, every, follows = self.known, self.sends, self.every, self.follows
        cause = self.cause[follows]
        self.passed = np.append(passed, np.zeros(len(known) - self.old, np.bool_))
        self.passed[self.same[self.unchanged]] = True
        # The same body came twice, and neither had been passed on yet.
        prior = self.prior
        twice = (prior >= 0) & ~self.ends & ~np.append(self.ends | self.passed, True)[prior]
        twice[: self.old] = False
        # Several had come since it last sent: it may follow from any of them, or from all.
        many = ~self.unchanged[follows] & (self._waiting(unanswered)[follows] > 1)
        since = np.full(len(known), NEVER)
        np.minimum.at(since, cause[many], sends.time[follows[many]])
        came_marked = marked[self.parent] <= known.time
        every.ambiguous[sends.crossing[follows]] = (
            twice[cause] | (since[cause] <= sends.time[follows]) | came_marked[cause] | self.unsettled[follows]
        )
        every.changed[sends.crossing[follows]] = ~self.unchanged[follows]
        above, depth = self.above, (self.above != np.arange(self.above.size)).astype(np.int64)
        doubt, changed = every.ambiguous, every.changed
        while True:
            depth, doubt, changed = depth + depth[above], doubt | doubt[above], changed | changed[above]
            further = above[above]
            if np.array_equal(further, above):
                break
            above = further
        every.hop, every.ambiguous, every.changed = every.hop[self.root] + depth, doubt, changed
        doubted: Flags = every.ambiguous[self.parent] | came_marked | twice | (since < NEVER)
        return doubted

    def _waiting(self, unanswered: Ints) -> Ints:
        """How many messages each node had received since it last sent anything, before each send; kept by node too."""
        count, order, first = len(self.known), self.by_node, self.node_begins
        step, reset = np.zeros(self.node.size, np.int64), np.zeros(self.node.size, np.bool_)
        step[self.old : count] = 1
        step[count:][self.unchanged] = -1
        reset[:count] = self.ends
        reset[count:] = (self.cause >= 0) & ~self.unchanged
        step[reset] = 0
        step, reset, node = step[order], reset[order], self.node[order]
        step[first & ~reset] += unanswered[node[first & ~reset]]
        walk, missed = lowest(step, first | reset)
        after = walk + missed
        found = np.zeros(self.node.size, np.int64)
        found[order] = np.where(first, unanswered[node], np.append(0, after[:-1])[: after.size])
        last = np.append(first[1:], True)[: order.size]
        unanswered[node[last]] = after[last]
        return found[count:]

    def last(self) -> tuple[Ints, Ints, Ints]:
        """What was received last of each body, if it may be passed on; and by which nodes which one last of all."""
        ends = np.append(self.ends, True)
        found = []
        for ranked, first in ((self.by_body, self.body_begins), (self.by_node, self.node_begins)):
            came = np.where(ranked < len(self.known), np.arange(ranked.size), -1)
            place = np.maximum.reduceat(came, np.flatnonzero(first)) if ranked.size else came
            found.append(ranked[place[place >= 0]])
        body, latest = found
        return body[~ends[body]], self.known.node[latest], latest

    def followed(self) -> Followed:
        """What the sends follow from."""
        table = Followed.empty(len(self.sends))
        cause = self.cause[self.follows]
        table.time[self.follows], table.socket[self.follows] = self.known.time[cause], self.known.socket[cause]
        table.unchanged = self.unchanged
        return table
