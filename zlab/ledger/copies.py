"""Copies: what a ``zmq.proxy`` passes on to a publisher reaches each of its subscribers, though it was sent once.

The proxy runs in C, and no probe sees it publish. Whoever takes such a message first is found as any receiver is; here
it is found who else has received it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.causes import Crossings
from zlab.ledger.pairing import Arrivals, Offers, Pairs, pair
from zlab.ledger.worked import Offered

if TYPE_CHECKING:
    from zlab.ledger.columns import Flags, Ints
    from zlab.ledger.ways import Ways

LIMIT = 20_000
"""Messages of which copies may yet come, at the most; older ones are let go."""
_LIVES = 1 << 24  # more than there will be at a time


@dataclass(frozen=True, slots=True)
class Found:
    """Copies that have come."""

    offered: Offered
    """What they are copies of, a row for each: ``hop`` is still that of the first."""
    place: Ints
    """Where it stands among the offers of this tick; -1 where it was sent before."""
    crossings: Crossings
    """Of those that were sent before, in this order."""
    arrival: Ints
    double: Flags
    """Whether another message may have come instead."""


class Copies:
    """The last messages of sockets whose messages may reach several by way of a proxy."""

    def __init__(self, ways: Ways) -> None:
        """Know of no proxy.

        Args:
            ways: numbers the sockets.
        """
        self._ways = ways
        self._senders: dict[int, set[int]] = {}  # by receiver, beyond the proxy
        self._fronts: set[int] = set()
        self._sent, self._crossings = Offered.empty(), Crossings.empty()
        self._taken = np.zeros(0, np.int64)  # which life has had which message

    def face(self, sender: str, front: str, receiver: str) -> None:
        """Learn that what a socket sends may reach a subscriber through this front end of a proxy."""
        self._senders.setdefault(self._ways.number(receiver), set()).add(self._ways.number(sender))
        self._fronts.add(self._ways.number(front))

    def __bool__(self) -> bool:
        """Whether there is any such proxy."""
        return bool(self._senders)

    def mark(self, used: Flags) -> None:
        """Mark the lives of which something is known here, by number."""
        used[self._sent.life] = True

    def find(self, offers: Offered, first: int, arrivals: Arrivals, pairs: Pairs) -> Found:
        """Find what has come and found nothing, because another had taken it.

        Args:
            offers: all that were under way.
            first: where those begin that were sent since the last tick.
            arrivals: what has come.
            pairs: what belongs together of these.
        """
        left = np.ones(arrivals.key.size, np.bool_)
        left[pairs.arrival] = False
        left &= np.isin(arrivals.socket, list(self._senders))
        rows = np.flatnonzero(left)
        fresh = self._once(offers, first, self._unpublished(offers, arrivals, pairs))
        known = Offered.joined([self._sent, offers[fresh]])
        wanted = np.flatnonzero(np.isin(known.key, arrivals.key[rows]))
        taken = np.append(self._taken, _codes(offers.sent[pairs.offer], arrivals.life[pairs.arrival]))
        may: list[Ints] = []
        lives, where = np.unique(arrivals.life[rows], return_index=True)
        for life, socket in zip(lives.tolist(), arrivals.socket[rows[where]].tolist(), strict=True):
            facing = wanted[np.isin(known.socket[wanted], list(self._senders[socket]))]
            may.append(facing[~np.isin(_codes(known.sent[facing], np.full(facing.size, life)), taken)])
        of = np.concatenate([np.zeros(0, np.int64), *may])
        target = np.repeat(lives, [each.size for each in may])
        order = np.argsort(known.time[of], kind="stable")
        of, target = of[order], target[order]
        some = known[of]
        unknown = np.full(of.size, -1)
        came = Arrivals(*(getattr(arrivals, column)[rows] for column in ("key", "time", "socket", "life", "rank")))
        copies = pair(Offers(some.key, some.time, some.socket, unknown, target), came, self._ways)
        found = of[copies.offer]
        offered = known[found]
        offered.target = target[copies.offer]
        offered.filter, offered.position = np.full(found.size, -1), np.zeros(found.size, np.int64)
        before = found < len(self._sent)
        return Found(
            offered=offered,
            place=np.append(fresh, -1)[np.where(before, -1, found - len(self._sent))],
            crossings=self._crossings[found[before]],
            arrival=rows[copies.arrival],
            double=np.isin(copies.offer, copies.marked),
        )

    def remember(
        self, offers: Offered, first: int, arrivals: Arrivals, pairs: Pairs, found: Found, crossings: Crossings
    ) -> None:
        """Remember what was sent since the last tick, and who has had it.

        Args:
            offers: as above.
            first: as above.
            arrivals: as above.
            pairs: as above.
            found: what `find` has found of these.
            crossings: by which the offers came, a row for each.
        """
        seen = self._unpublished(offers, arrivals, pairs)
        fresh = self._once(offers, first, seen)
        kept = ~np.isin(self._sent.sent, seen)
        self._sent = Offered.joined([self._sent[kept], offers[fresh]])[-LIMIT:]
        self._crossings = Crossings.joined([self._crossings[kept], crossings[fresh]])[-LIMIT:]
        taken = [
            self._taken,
            _codes(offers.sent[pairs.offer], arrivals.life[pairs.arrival]),
            _codes(found.offered.sent, arrivals.life[found.arrival]),
        ]
        oldest = int(self._sent.sent.min(initial=np.iinfo(np.int64).max // _LIVES))
        self._taken = np.concatenate(taken)
        self._taken = self._taken[self._taken >= oldest * _LIVES]

    def _unpublished(self, offers: Offered, arrivals: Arrivals, pairs: Pairs) -> Ints:
        """The messages that the front end of a proxy was seen to receive: those its back end is seen to send on."""
        fronts = np.isin(arrivals.socket[pairs.arrival], list(self._fronts))
        return offers.sent[pairs.offer[fronts]]

    def _once(self, offers: Offered, first: int, seen: Ints) -> Ints:
        """Where each message stands that was sent since the last tick and may reach several; once, to however many."""
        senders = list(set().union(*self._senders.values()))
        rows = first + np.flatnonzero(np.isin(offers.socket[first:], senders) & ~np.isin(offers.sent[first:], seen))
        rows = rows[offers.times[rows] > 0]
        _, where = np.unique(offers.sent[rows], return_index=True)
        return rows[where]


def _codes(sent: Ints, life: Ints) -> Ints:
    """A number for each message and life of a receiver."""
    return sent * _LIVES + life
