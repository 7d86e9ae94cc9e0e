"""A subscription: what one SUB socket was promised by its publishers, and what became of it.

A publisher never waits and never tells: what cannot be delivered is dropped without a word. Its
probe counts how many messages match what each subscriber asked for. A message that is traced at
both ends carries its rank at both: how many had matched when it was sent, how many had come when
it arrived. The difference is what went missing before it, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.row import SWALLOWED, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zlab.ledger.columns import Ints
    from zlab.recording import Filter, Recording

NOT_JOINED = "not yet joined"
HIGH_WATER = "high-water mark"
KILLED = "peer killed"
CONFLATED = "conflated"

_APART = 0.05  # seconds between two looks that must agree on what is gone


LIVES = 20
"""Lives of a socket that are kept apart; of more than twice as many, those that are long over are added up."""


@dataclass(slots=True)
class Ended:
    """What the filters of a publisher's lives that are long over come to."""

    matched: int = 0
    filtered: int = 0
    swallowed: int = 0
    copied: int = 0
    let_go: int = 0
    returned: int = 0

    def add(self, other: Filter | Ended) -> None:
        """Add one of these."""
        self.matched += other.matched
        self.filtered += other.filtered
        self.swallowed += other.swallowed
        self.copied += other.copied
        self.let_go += other.let_go
        self.returned += other.returned


@dataclass(slots=True, eq=False)
class Subscription:
    """One life of one subscriber."""

    receiver: Recording
    overflow: str = HIGH_WATER
    """What is said of messages that its queue had no room for."""
    filters: dict[str, list[Filter | Ended]] = field(default_factory=dict)
    """By the publisher's full name: a filter for each of its lives, those long over as one."""
    received: int = 0
    """Messages that it has received, as of the last tick."""
    ended: bool = False
    publisher_ended: bool = False
    not_joined: int = 0
    high_water: int = 0
    killed: int = 0
    cut: dict[str, int] = field(default_factory=dict)
    """What was gone when its link was broken, by the reason."""
    blame: str = ""
    """The reason why its link was broken, until a message has come that was sent after."""
    joined: set[int] = field(default_factory=set)
    """The filters (by id) of publishers of which a message has come."""
    _least: int = 0
    _candidate: int = 0
    _expected_before: int = 0
    _asked: float = 0.0
    _whole: int | None = None
    """What it was promised when its link was whole again."""
    _received_whole: int = 0
    _received_before: int = 0
    _most_waiting: int = 0
    """More messages than so many can never have waited for it at the same time."""

    @property
    def expected(self) -> int:
        """Messages that matched, of all publishers."""
        return sum(f.matched for lives in self.filters.values() for f in lives)

    @property
    def known(self) -> int:
        """Messages of which it is known that they will never come."""
        return self.not_joined + self.high_water + self.killed + sum(self.cut.values())

    def fold(self) -> None:
        """Add up what is long over, so that little is kept however often a publisher comes anew."""
        for lives in self.filters.values():
            if len(lives) > 2 * LIVES:
                total = Ended()
                while len(lives) > LIVES and (isinstance(lives[0], Ended) or lives[0].publisher.over):
                    self.joined.discard(id(lives[0]))
                    total.add(lives.pop(0))
                lives.insert(0, total)

    def strike(self, reason: str) -> None:
        """Learn that its link is broken for a reason, or, for none, that it is whole."""
        if reason:
            self.blame, self._whole = reason, None
        elif self.blame and self._whole is None:
            self._whole, self._received_whole = self.expected, self.received

    def note_match(self, publisher: str, wanted: Filter, matched: int, rank: int) -> None:
        """Learn from a message that was traced at both ends.

        Args:
            publisher: the publisher's full name.
            wanted: the publisher's filter for this subscriber.
            matched: how many messages had matched that filter when this one was sent.
            rank: the how-manieth message it was for the subscriber.
        """
        if len(self.filters) > 1:
            return  # its ranks count the messages of several publishers
        lives = self.filters.get(publisher, [])
        if wanted not in lives:
            return
        before = sum(f.matched for f in lives[: lives.index(wanted)])
        missing = max(0, before + matched - rank)
        news = missing - self.known
        if self.blame and news > 0:
            self.cut[self.blame] = self.cut.get(self.blame, 0) + news
            news = 0
        if self._whole is not None and before + matched > self._whole:
            self.blame, self._whole = "", None
        if news <= 0:
            self.joined.add(id(wanted))
            return
        first = id(wanted) not in self.joined
        self.joined.add(id(wanted))
        # What a conflating subscriber reads first is the newest: how late it joined is not told.
        if first and self.overflow != CONFLATED:
            late = min(news, matched - 1)
            self.not_joined += late
            self.killed += news - late
        else:
            self.high_water += news

    def note_matches(self, publisher: str, wanted: Filter, matched: Ints, ranks: Ints) -> None:
        """Learn from many such messages, in the order in which they came; see `note_match`.

        Only where more is missing than ever before is there something to learn.
        """
        missing = matched - ranks
        most = np.maximum.accumulate(missing)
        news = np.flatnonzero(np.append(True, most[1:] > most[:-1]))
        for place in news.tolist():
            self.note_match(publisher, wanted, int(matched[place]), int(ranks[place]))

    def update(self, *, received: int, expected: int, idle: bool, at: float) -> None:
        """Take one reading.

        Args:
            received: messages that it has received.
            expected: messages that it was promised.
            idle: whether it waits at an empty queue.
            at: seconds since the lab started.
        """
        # What had come before the last reading had come at any time since, and no more was promised than is now.
        self._most_waiting = max(self._most_waiting, expected - self._received_before)
        self._received_before = received
        if idle and at - self._asked < _APART:
            self._least = max(0, min(self._least, expected - received))
            return
        self._asked = at
        candidate = max(0, self._expected_before - received) if idle else 0
        self._expected_before = expected
        if idle and min(candidate, self._candidate) > self._least:
            self._least = min(candidate, self._candidate)
        self._candidate = candidate
        self._least = max(0, min(self._least, expected - received))
        if self._whole is not None and idle and len(self.filters) > 1 and received > self._received_whole:
            # The ranks of several publishers do not tell which messages are gone: what is by now was gone then.
            self.cut[self.blame] = self.cut.get(self.blame, 0) + max(0, self._least - self.known)
            self.blame, self._whole = "", None

    def _was_never_full(self, holds: int | None) -> bool:
        return self.overflow == HIGH_WATER and holds is not None and (holds == 0 or self._most_waiting < holds)

    def of(
        self,
        publisher: str,
        *,
        alone: bool,
        capacity: int,
        exact_capacity: bool,
        holds: int | None,
        stopped: bool = False,
    ) -> Row:
        """What the ledger says of it and of one publisher."""
        row = self.row(
            received=self.received, capacity=capacity, exact_capacity=exact_capacity, holds=holds, stopped=stopped
        )
        mine = row if alone else portion(row, self, publisher)
        return replace(mine, filtered=sum(f.filtered for f in self.filters[publisher]))

    def row(self, *, received: int, capacity: int, exact_capacity: bool, holds: int | None, stopped: bool) -> Row:
        """What the ledger says of it.

        Args:
            received: messages that it has received.
            capacity: how many messages the link can hold; 0 is no limit.
            exact_capacity: whether that is known to the message.
            holds: how many must wait before one is dropped, at the least; 0 is no limit, None is not known.
            stopped: whether the lab is stopped.
        """
        expected = max(self.expected, received)
        gap = expected - received
        missing = min(gap, max(self.known, self._least))
        not_joined = min(self.not_joined, missing)
        high_water = min(self.high_water, missing - not_joined)
        killed = min(self.killed, missing - not_joined - high_water)
        cut = _within(self.cut, missing - not_joined - high_water - killed)
        # Seen to be missing by its absence alone: at a receiver that waits in vain.
        unseen = missing - not_joined - high_water - killed - sum(cut.values())
        waiting = gap - missing
        uncertain = 0
        if self.ended:
            if received or exact_capacity:
                killed += waiting
            else:  # it went before anything had come: most likely it had not joined
                not_joined += waiting
                uncertain = waiting
            waiting = 0
        if self.publisher_ended or self.ended:
            killed += unseen
        elif self.blame:
            cut[self.blame] = cut.get(self.blame, 0) + unseen
        elif not self.joined and not exact_capacity and self.overflow != CONFLATED:
            not_joined += unseen
        else:
            high_water += unseen
        if self._was_never_full(holds):
            not_joined, high_water = not_joined + high_water, 0
        if capacity and waiting > capacity and exact_capacity:
            high_water += waiting - capacity
            waiting = capacity
        elif waiting and (not capacity or waiting > capacity):
            uncertain = waiting
        lost = {reason: amount for reason, amount in ({KILLED: killed} | cut).items() if amount}
        if stopped and waiting:
            lost["lab stopped"] = waiting
            waiting = 0
        swallowed = sum(f.swallowed for lives in self.filters.values() for f in lives)
        dropped = {NOT_JOINED: not_joined, self.overflow: high_water, SWALLOWED: swallowed}
        return Row(
            expected=expected + swallowed,
            delivered=received,
            queued=waiting,
            dropped={k: v for k, v in dropped.items() if v},
            lost=lost,
            uncertain=uncertain,
            duplicated=sum(f.copied for lives in self.filters.values() for f in lives),
        )


def _within(amounts: Mapping[str, int], most: int) -> dict[str, int]:
    """As much of these amounts as does not exceed the most."""
    kept: dict[str, int] = {}
    for reason, amount in amounts.items():
        kept[reason] = min(amount, most - sum(kept.values()))
    return kept


def portion(row: Row, life: Subscription, publisher: str) -> Row:
    """One publisher's part of what a subscriber of several got, in proportion to what matched."""
    matched = {name: sum(f.matched + f.swallowed for f in lives) for name, lives in life.filters.items()}
    total = sum(matched.values())
    if not total:
        return Row(0, 0, 0, {}, {})
    order = list(matched)

    def part(amount: int) -> int:
        if not amount:
            return 0
        done = 0
        for name in order[: order.index(publisher) + 1]:
            before = done
            done = amount * sum(matched[n] for n in order[: order.index(name) + 1]) // total
        return done - before

    queued = part(row.queued)
    dropped = {k: part(v) for k, v in row.dropped.items()}
    lost = {k: part(v) for k, v in row.lost.items()}
    delivered = max(0, matched[publisher] - queued - sum(dropped.values()) - sum(lost.values()))
    gap = row.expected - row.delivered
    copied = sum(f.copied for f in life.filters[publisher])
    uncertain = row.uncertain + gap if gap else 0
    return Row(matched[publisher], delivered, queued, dropped, lost, uncertain=uncertain, duplicated=copied)
