"""Matching: which message that was received is which message that was sent.

Nothing on the wire tells. A message is known by its content and by its order: equal bodies hash
alike at every socket of the process, and among equal bodies the one sent first is taken first.
`causes.py` tells which message a node sent because of one that it had received.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from zlab.ledger.causes import Cause, Causes
from zlab.recording import Direction, Filter, Recording, Trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zlab.topology import Link

PENDING_LIMIT = 50_000
"""Sent messages that are remembered while they wait for their match."""
_PATIENCE = 30 * 10**9  # nanoseconds: what has not arrived by then is no longer looked for
HOLD = 20 * 10**6
"""Nanoseconds that a trace is kept before it is worked on: a sender writes it down after the message has left."""


@dataclass(slots=True, eq=False)
class Sent:
    """A traced send that may still be received."""

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
    done: bool = False
    """Whether all that could receive it has."""

    @property
    def unchanged(self) -> bool:
        """Whether its body is that of the message that it follows from."""
        return self.cause is not None and self.cause.trace.key == self.trace.key

    @property
    def sender(self) -> str:
        """The full name of the socket that sent it."""
        return self.recording.name


@dataclass(frozen=True, slots=True)
class Match:
    """One message, seen at both ends."""

    sender: str
    receiver: str
    recording: Recording
    """Of the receiver."""
    sent: Trace
    received: Trace
    ambiguous: bool
    """Whether another message with an equal body was under way."""
    origin: str
    began: int
    ends: bool
    """Whether the journey ends here: the node sends nothing on, or the journey is back where it began."""
    crossing: Sent
    """The send that was found."""

    @property
    def latency(self) -> int:
        """From the call of send to the return of recv, in nanoseconds."""
        return self.received.time - self.sent.time

    @property
    def rank_sent(self) -> tuple[tuple[Filter, int], ...]:
        """How many messages had matched each filter when this one was sent."""
        return self.sent.matched


class Matcher:
    """Pairs the traces of all sockets of a lab, in the order of time."""

    def __init__(self, senders: Mapping[str, frozenset[str]], relays: frozenset[str], *, hold: int = HOLD) -> None:
        """Start with nothing under way.

        Args:
            senders: for each receiving socket, the sockets whose messages can arrive there.
            relays: the nodes that send as well as receive, so that a journey can go on there.
            hold: for how long a trace is kept before it is worked on, in nanoseconds.
        """
        self._hold = hold
        self._causes = Causes()
        self._journeys = 0
        self._fresh: list[Sent] = []
        self.senders = dict(senders)
        self._relays = relays
        self._sources: set[str] = set()
        self._targets: set[str] = set()
        self._pending: dict[int, deque[Sent]] = {}
        self._order: deque[Sent] = deque()
        self._held: list[tuple[int, int, Recording, Trace]] = []
        self._number = 0

    def face(self, link: Link) -> None:
        """Learn of a link that has been discovered."""
        self.senders[link.receiver] = self.senders.get(link.receiver, frozenset()) | {link.sender}
        self._sources.add(link.source)
        self._targets.add(link.target)
        self._relays |= self._sources & self._targets

    def match(
        self, batches: Mapping[Recording, Iterable[Trace]], now: int, *, full: bool, last: bool = False
    ) -> list[Match]:
        """Pair what came since the last call.

        Args:
            batches: the traces of each socket.
            now: the clock, in nanoseconds; the last moments are held back for the next call.
            full: whether every message is traced, so that a journey can be followed through a node.
            last: whether nothing will follow, so that nothing is to be held back.
        """
        limit = now if last else now - self._hold
        for recording, batch in batches.items():
            for trace in batch:
                self._number += 1
                heapq.heappush(self._held, (trace.time, self._number, recording, trace))
        matches: list[Match] = []
        while self._held and self._held[0][0] < limit:
            _, _, recording, trace = heapq.heappop(self._held)
            if trace.direction is Direction.SEND:
                self._send(recording, trace, full=full)
            else:
                found = self._recv(recording, trace, full=full)
                if found is not None:
                    matches.append(found)
        self._forget(now)
        return matches

    def take_sent(self) -> list[Sent]:
        """The sends that were worked on since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _send(self, recording: Recording, trace: Trace, *, full: bool) -> None:
        cause = self._causes.of(recording, trace.key, full=full)
        if cause is None:
            self._journeys += 1
            sent = Sent(recording, trace, self._journeys, 1, trace.time, recording.node, None, ambiguous=False)
        else:
            sent = Sent(
                recording, trace, cause.message, cause.hop + 1, cause.began, cause.origin, cause, cause.ambiguous
            )
        self._pending.setdefault(trace.key, deque()).append(sent)
        self._order.append(sent)
        self._fresh.append(sent)

    def _recv(self, recording: Recording, trace: Trace, *, full: bool) -> Match | None:
        facing = self.senders.get(recording.name, frozenset())
        waiting = self._pending.get(trace.key)
        if not waiting:
            return None
        fitting = list(islice((s for s in waiting if s.sender in facing and self._fits(s, recording)), 2))
        if not fitting:
            return None
        sent = fitting[0]
        for one in fitting if len(fitting) > 1 else ():
            one.ambiguous = True  # either may be the one that came, and the other one still to come
        if sent.trace.matched:  # a publisher's message: each subscriber takes it once
            left = tuple(pair for pair in sent.trace.matched if pair[0].receiver is not recording)
            taken, sent_trace = sent.trace, sent.trace._replace(matched=left)
            sent.trace = sent_trace
            sent.done = not left
        else:
            taken = sent.trace
            sent.done = True
        if sent.done:
            waiting.remove(sent)
        if not waiting:
            del self._pending[trace.key]
        ends = recording.node not in self._relays or sent.origin == recording.node
        cause = Cause(recording.name, trace, sent.message, sent.hop, sent.began, sent.origin, sent.ambiguous)
        self._causes.came(recording.node, cause, ends=ends, full=full)
        return Match(
            sent.sender, recording.name, recording, taken, trace, sent.ambiguous, sent.origin, sent.began, ends, sent
        )

    @staticmethod
    def _fits(sent: Sent, receiver: Recording) -> bool:
        return not sent.trace.matched or any(wanted.receiver is receiver for wanted, _ in sent.trace.matched)

    def _forget(self, now: int) -> None:
        while self._order and (
            self._order[0].done or len(self._order) > PENDING_LIMIT or self._order[0].trace.time < now - _PATIENCE
        ):
            old = self._order.popleft()
            waiting = self._pending.get(old.trace.key)
            if waiting is not None and old in waiting:
                waiting.remove(old)
                if not waiting:
                    del self._pending[old.trace.key]
