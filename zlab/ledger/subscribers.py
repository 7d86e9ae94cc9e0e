"""Subscribers: every life of every subscriber, and what became of the messages that it had asked for."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.grouping import runs
from zlab.ledger.row import Row, plus
from zlab.ledger.subscription import CONFLATED, HIGH_WATER, LIVES, Subscription
from zlab.ledger.upstreams import Upstreams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zlab.ledger.reading import Reading
    from zlab.ledger.worked import Matches
    from zlab.recording import Counts, Filter, Recording
    from zlab.topology import Link


class Subscribers:
    """The accounts of all that subscribe."""

    def __init__(self) -> None:
        """Nobody yet."""
        self.upstreams = Upstreams()
        """Of those of them that are XSUBs."""
        self._by_name: dict[str, list[Subscription]] = defaultdict(list)
        self._by_recording: dict[Recording, Subscription] = {}
        # What those come to that are long over: by subscriber and publisher, and what was asked for by subscriber.
        self._past: dict[tuple[str, str], Row] = {}
        self._matched: dict[str, int] = defaultdict(int)

    def enrol(self, recordings: Iterable[Recording], conflates: Callable[[str], bool]) -> None:
        """Take in who has come.

        Args:
            recordings: of publishers, or of any sockets.
            conflates: tells of a subscriber, by its full name, whether only the last message is kept for it.
        """
        for publisher in recordings:
            for wanted in publisher.take_aimed() if publisher.aimed else ():
                if wanted.receiver.type == "XSUB":
                    self.upstreams.enrol(wanted)
                    continue
                life = self._by_recording.get(wanted.receiver)
                if life is None:
                    overflow = CONFLATED if conflates(wanted.receiver.name) else HIGH_WATER
                    life = self._by_recording[wanted.receiver] = Subscription(wanted.receiver, overflow)
                    self._by_name[wanted.receiver.name].append(life)
                life.filters.setdefault(publisher.name, []).append(wanted)

    def conflate(self, name: str) -> None:
        """From now on only the last message is kept for this subscriber."""
        for life in self._by_name[name]:
            life.overflow = life.overflow if life.received else CONFLATED

    def strike(self, reading: Reading) -> None:
        """Take in what has befallen their links."""
        struck = {strike.receiver: strike.reason for strike in reading.strikes}
        for life in self._by_recording.values():
            life.strike(struck.get(life.receiver.name, ""))

    def learn(self, matches: Matches, filters: Sequence[Filter]) -> None:
        """Learn, from the ranks at both ends, what went missing before what came.

        Args:
            matches: messages that were seen at both ends.
            filters: those that they name by number.
        """
        theirs = np.flatnonzero(matches.filter >= 0)
        for wanted, which in runs(matches.filter[theirs]):
            found = filters[wanted]
            if found.receiver.type == "XSUB":
                self.upstreams.learn(found, matches.position[theirs[which]])
                continue
            life = self._by_recording.get(found.receiver)
            if life is not None:
                rows = theirs[which]
                life.note_matches(found.publisher.name, found, matches.position[rows], matches.rank[rows])

    def update(self, reading: Reading, retired: Mapping[Recording, Counts]) -> None:
        """Take in how many messages have come, who has gone, and who waits at an empty queue."""
        received = {r: c.received for r, c in {**reading.second, **retired}.items()}
        for life in self._by_recording.values():
            recording = life.receiver
            life.ended |= recording in retired and not reading.stopped
            life.publisher_ended |= any(p in reading.closed for p in life.filters)
            life.received = received.get(recording, life.received)
            life.update(
                received=life.received, expected=life.expected, idle=recording.name in reading.idle, at=reading.at
            )

    def fold(
        self,
        alone: Callable[[str], bool],
        exact: Callable[[str, str], bool],
        holds: Callable[[str, str], int | None],
    ) -> None:
        """Add up the lives that are long over, so that little is kept however many there have been.

        Args:
            alone: tells whether a subscriber, by its full name, faces no other publisher.
            exact: tells of a publisher and a subscriber whether what the link between them can hold is known.
            holds: tells of these how many messages must wait before one is dropped, at the least; see `row`.
        """
        for name, lives in self._by_name.items():
            while len(lives) > 2 * LIVES and lives[0].ended:
                life = lives.pop(0)
                del self._by_recording[life.receiver]
                self._matched[name] += life.expected
                for publisher in life.filters:
                    row = life.of(
                        publisher,
                        alone=alone(name),
                        capacity=0,
                        exact_capacity=exact(publisher, name),
                        holds=holds(publisher, name),
                    )
                    self._past[name, publisher] = plus(self._past.get((name, publisher), _NONE), row)
        for life in self._by_recording.values():
            life.fold()

    def matched(self, name: str) -> int:
        """How many messages of publishers that are watched a subscriber has asked for."""
        return self.upstreams.promised(name) + self._matched[name] + sum(life.expected for life in self._by_name[name])

    def row(
        self, link: Link, *, alone: bool, capacity: int, exact_capacity: bool, holds: int | None, stopped: bool
    ) -> Row:
        """What became of the messages of one publisher for one subscriber, over all lives of both.

        Args:
            link: from the one to the other.
            alone: whether the subscriber faces no other publisher.
            capacity: how many messages the link can hold; 0 is no limit.
            exact_capacity: whether that is known to the message.
            holds: how many must wait before one is dropped, at the least; 0 is no limit, None is not known.
            stopped: whether the lab is stopped.
        """
        total = self._past.get((link.receiver, link.sender), _NONE)
        for life in self._by_name[link.receiver]:
            if link.sender in life.filters:
                row = life.of(
                    link.sender,
                    alone=alone,
                    capacity=capacity,
                    exact_capacity=exact_capacity,
                    holds=holds,
                    stopped=stopped,
                )
                total = plus(total, row)
        return total


_NONE = Row(0, 0, 0, {}, {})
