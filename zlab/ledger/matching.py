"""Matching: which message that was received is which message that was sent.

Nothing on the wire tells. A message is known by its content and by its order: equal bodies hash
alike at every socket of the process, and among equal bodies the one sent first is taken first.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.recording import Direction, Filter, Recording, Trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PENDING_LIMIT = 50_000
"""Sent messages that are remembered while they wait for their match."""
_PATIENCE = 30 * 10**9  # nanoseconds: what has not arrived by then is no longer looked for
_HOLD = 20 * 10**6  # nanoseconds: a sender writes its trace down after the message has left


@dataclass(slots=True, eq=False)
class Sent:
    """A traced send that may still be received."""

    sender: str
    trace: Trace
    began: int
    """When the journey began that this message continues, in nanoseconds."""
    origin: str
    """The node at which that journey began."""


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

    def __init__(self, senders: Mapping[str, frozenset[str]], relays: frozenset[str]) -> None:
        """Start with nothing under way.

        Args:
            senders: for each receiving socket, the sockets whose messages can arrive there.
            relays: the nodes that send as well as receive, so that a journey can go on there.
        """
        self.senders = dict(senders)
        self._relays = relays
        self._pending: dict[int, deque[Sent]] = {}
        self._order: deque[Sent] = deque()
        self._held: list[tuple[int, int, Recording, Trace]] = []
        self._current: dict[str, tuple[int, str]] = {}
        self._number = 0

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
        limit = now if last else now - _HOLD
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

    def _send(self, recording: Recording, trace: Trace, *, full: bool) -> None:
        began, origin = trace.time, recording.node
        if full and recording.type != "REQ":  # a request begins a journey of its own
            began, origin = self._current.get(recording.node, (began, origin))
        sent = Sent(recording.name, trace, began, origin)
        self._pending.setdefault(trace.key, deque()).append(sent)
        self._order.append(sent)

    def _recv(self, recording: Recording, trace: Trace, *, full: bool) -> Match | None:
        facing = self.senders.get(recording.name, frozenset())
        waiting = self._pending.get(trace.key)
        if not waiting:
            return None
        fitting = [s for s in waiting if s.sender in facing and self._fits(s, recording)]
        if not fitting:
            return None
        sent = fitting[0]
        if sent.trace.matched:  # a publisher's message: each subscriber takes it once
            left = tuple(pair for pair in sent.trace.matched if pair[0].receiver is not recording)
            taken, sent_trace = sent.trace, sent.trace._replace(matched=left)
            sent.trace = sent_trace
            if not left:
                waiting.remove(sent)
        else:
            taken = sent.trace
            waiting.remove(sent)
        if not waiting:
            del self._pending[trace.key]
        ends = recording.node not in self._relays or sent.origin == recording.node
        if full:
            if ends:
                self._current.pop(recording.node, None)
            else:
                self._current[recording.node] = (sent.began, sent.origin)
        ambiguous = len(fitting) > 1
        return Match(sent.sender, recording.name, recording, taken, trace, ambiguous, sent.origin, sent.began, ends)

    @staticmethod
    def _fits(sent: Sent, receiver: Recording) -> bool:
        return not sent.trace.matched or any(wanted.receiver is receiver for wanted, _ in sent.trace.matched)

    def _forget(self, now: int) -> None:
        while self._order and (len(self._order) > PENDING_LIMIT or self._order[0].trace.time < now - _PATIENCE):
            old = self._order.popleft()
            waiting = self._pending.get(old.trace.key)
            if waiting is not None and old in waiting:
                waiting.remove(old)
                if not waiting:
                    del self._pending[old.trace.key]
