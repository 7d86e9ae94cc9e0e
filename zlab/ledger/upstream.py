"""Upstream: what an XSUB was promised whose ``zmq.proxy`` passes subscriptions on, and what became of it.

Subscriptions go from XPUB to XSUB within libzmq, and messages the other way, unseen; but what an XSUB asks for is what
those ask for who face the XPUB, and their probes know. How many messages a publisher has sent that match it is
counted; how many have come, by the proxy. While a subscription is on its way, either may be ahead of the other by a
few. Whatever is not there once all has come had not been asked for yet, or not any more; unless somebody was killed
meanwhile, or more may have waited than the high-water mark lets wait: then the reason is uncertain.

Which of several publishers misses what, messages tell that are seen to come out behind the proxy: those of one
publisher keep their order, so what was sent before such a message has come, or never will.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zlab.ledger.row import SWALLOWED, Row
from zlab.ledger.subscription import HIGH_WATER, KILLED, LIVES, NOT_JOINED, Ended

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zlab.ledger.columns import Ints
    from zlab.recording import Filter

_APART = 0.05  # seconds between two looks that must agree on what is gone
_LOOKS = 4  # looks that must agree on it where messages come all the time
_MANY = 10  # the same where it is not seen which they are
_PATIENCE = 0.5  # seconds after which of several publishers each is said to miss a part of what is gone

Reason = tuple[str, str]
"""The word and the reason for it: ``dropped`` or ``lost``; or ``filtered``, which is no loss."""
_TAKEN_BACK: Reason = "filtered", ""


@dataclass(slots=True, eq=False)
class Feed:
    """What one publisher was to send to an XSUB, over all lives of both."""

    keeps: bool = False
    """Whether it keeps its queue for an XSUB that is gone."""
    mark: int = 0
    """How many messages may wait before one is dropped; 0 is any number."""
    filters: list[Filter | Ended] = field(default_factory=list)
    gone: dict[Reason, int] = field(default_factory=dict)
    uncertain: int = 0
    """Of these, how many may have another reason, or be another publisher's."""
    let_go: int = 0
    """Messages that had matched only what nobody asks for any more, and of which it is settled what became of them."""
    passed: int = 0
    """Messages that were seen to come out behind the proxy."""
    unseen: int = 0
    """Messages that have come, and of which that was not seen."""
    behind: int = 0
    """How many it was to send up to the last of those."""

    @property
    def promised(self) -> int:
        """Messages that matched."""
        return sum(f.matched for f in self.filters)

    @property
    def doubtful(self) -> int:
        """Messages that have matched only what was just let go of, and of which nothing is settled."""
        return max(0, sum(f.let_go for f in self.filters) - self.let_go)

    @property
    def missing(self) -> int:
        """Messages of which it is known that they will not come."""
        return sum(self.gone.values())

    @property
    def left(self) -> int:
        """Messages that are not known to be gone, and were not seen to come."""
        return max(0, self.promised - self.missing - self.passed - self.unseen)

    def note(self, wanted: Filter, positions: Ints) -> None:
        """Learn of messages that have come through; each by how many had matched when it was sent."""
        if wanted not in self.filters:
            return
        before = sum(f.matched for f in self.filters[: self.filters.index(wanted)])
        self.passed += positions.size
        self.behind = max(self.behind, before + int(positions.max()))

    def settle(self, matched: Mapping[Filter, int]) -> None:
        """All of so many has come that will: remember how much of it was not seen."""
        promised = sum(f.matched if isinstance(f, Ended) else matched.get(f, f.matched) for f in self.filters)
        self.unseen = promised - self.missing - self.passed
        self.let_go = sum(f.let_go for f in self.filters)

    def fold(self) -> None:
        """Add up what is long over."""
        if len(self.filters) > 2 * LIVES:
            total = Ended()
            while len(self.filters) > LIVES and (
                isinstance(self.filters[0], Ended) or self.filters[0].ended is not None
            ):
                total.add(self.filters.pop(0))
            self.filters.insert(0, total)


class Upstream:
    """The account of one XSUB, over all of its lives."""

    def __init__(self) -> None:
        """Nothing was promised."""
        self.feeds: dict[str, Feed] = defaultdict(Feed)
        """By the publisher's full name."""
        self.strange = False
        """Whether more has come than was promised: somebody else asks, too."""
        self._received = self._promised = 0
        self._came: deque[tuple[float, int]] = deque()  # when so many had come
        self._peak = 0  # how many may have waited at most, since all had come
        self._cause: Reason = "lost", KILLED
        self._most = 0  # how many that may have cost, since all had come
        self._candidate, self._asked, self._stands = 0, 0.0, 0.0
        self._floor, self._looks = 0, 0  # how few have waited since something was settled, and for how many looks
        self._first = 0, 0  # what had come at the first of these, and what waited
        self._wishes: dict[Filter, tuple[bytes, ...]] = {}
        self._joining = False  # whether more was asked for since

    @property
    def vague(self) -> bool:
        """Whether what it asks for cannot be told."""
        filters = (f for feed in self.feeds.values() for f in feed.filters if not isinstance(f, Ended))
        return self.strange or any(f.receiver.vague or _is_mute(f) or f.inverts is not False for f in filters)

    @property
    def promised(self) -> int:
        """Messages that matched, of all publishers."""
        return sum(feed.promised for feed in self.feeds.values())

    def update(
        self,
        received: int,
        matched: Mapping[Filter, int],
        *,
        at: float,
        idle: bool,
        ended: bool,
        bereft: bool,
        reason: str,
    ) -> None:
        """Take one reading.

        Args:
            received: messages that it has received.
            matched: what had matched of each publisher right after; or has, where that is not told.
            at: seconds since the lab started.
            idle: whether nothing waits at it.
            ended: whether it has closed since the last reading.
            bereft: whether one of its publishers has.
            reason: why a link to it is broken, or "".
        """
        promised = sum(
            f.matched if isinstance(f, Ended) else matched.get(f, f.matched)
            for feed in self.feeds.values()
            for f in feed.filters
        )
        missing = sum(feed.missing for feed in self.feeds.values())
        waiting = promised - missing - received
        # A message may come before its sender has counted it: what had come a while ago has been counted by now.
        self._came.append((at, received))
        while len(self._came) > 1 and self._came[1][0] <= at - _APART:
            self._came.popleft()
        before = self._came[0][1] if self._came[0][0] <= at - _APART else 0
        self.strange |= self.promised < before
        self._peak = max(self._peak, self.promised - missing - self._received)
        if reason:
            self._cause, self._most = ("lost", reason), max(0, waiting)
        elif ended or bereft:
            self._cause, self._most = ("lost", KILLED), max(0, waiting)
            if not bereft and not any(feed.keeps for feed in self.feeds.values()):
                waiting -= self._lose(received + missing, waiting)
        self._learn_wishes()
        if promised - missing < before:
            self._take_back(before + missing - promised)
        if waiting == 0:
            self._settle(matched)
        elif waiting > 0:
            self._look(received, waiting, at, idle=idle)
        self._received, self._promised = received, promised

    def _learn_wishes(self) -> None:
        """See whether more is asked for than was: until that is known to have arrived, some of it may be missing."""
        for feed in self.feeds.values():
            returned = sum(f.returned for f in feed.filters)
            self._joining |= returned > feed.let_go
            feed.let_go = max(feed.let_go, returned)
        filters = [
            f for feed in self.feeds.values() for f in feed.filters if not isinstance(f, Ended) and f.ended is None
        ]
        wishes = {f: f.core[0].prefixes for f in filters}
        for f, prefixes in wishes.items():
            known = self._wishes.get(f, f.kept)
            self._joining |= any(not prefix.startswith(known) for prefix in prefixes)
        self._wishes = wishes

    def _lose(self, known: int, waiting: int) -> int:
        """All queues have gone with it; returns how many messages that has cost."""
        feeds = self.feeds.values()
        over = [sum(f.matched for f in feed.filters if _is_over(f)) for feed in feeds]
        cost = max(0, min(waiting, sum(over) - known))
        self._most, joining, self._joining = cost, self._joining, False
        # What had been asked for before, unless some of that had not arrived yet; and whose, where all is seen.
        left = [max(0, n - f.missing - f.passed - f.unseen) for n, f in zip(over, feeds, strict=True)]
        self._share(dealt(cost, left), doubt=joining or (len(left) > 1 and sum(left) != cost))
        self._most = 0
        return cost

    def _settle(self, matched: Mapping[Filter, int]) -> None:
        """All has come that will."""
        for feed in self.feeds.values():
            feed.settle(matched)
            feed.fold()
        self._peak = self._most = self._candidate = self._looks = 0
        self._joining = False

    def _look(self, received: int, waiting: int, at: float, *, idle: bool) -> None:
        """Find out what is gone of what has not come."""
        feeds = self.feeds.values()
        seen = sum(feed.passed + feed.unseen for feed in feeds) == received  # by whom each was sent that has come
        if not self._looks:
            self._floor, self._first = waiting, (received, waiting)
        self._floor = min(self._floor, waiting)
        self._looks += 1
        overtaken = [max(0, feed.behind - feed.passed - feed.unseen - feed.missing) for feed in feeds]
        # No more can be gone than ever waited: as many as were overtaken, and these are the ones.
        if any(overtaken) and (seen or (self._looks >= _LOOKS and sum(overtaken) == self._floor)):
            self._share(overtaken)
            return
        # What waited at first has come since, or never will; and as many still do not come.
        if self._looks >= _MANY and received - self._first[0] > self._first[1]:
            room = overtaken if sum(overtaken) >= self._floor else [feed.left for feed in feeds]
            self._share(dealt(self._floor, room), doubt=len(feeds) > 1)
            return
        gone = self._wait_in_vain(received, at, idle=idle)
        if not gone:
            return
        left = [feed.left for feed in feeds]
        if len(left) == 1 or (seen and gone == waiting):
            self._share(dealt(gone, left))
        elif at - self._stands >= _PATIENCE:
            self._share(dealt(gone, left), doubt=True)

    def _wait_in_vain(self, received: int, at: float, *, idle: bool) -> int:
        """How many were sent before, and do not come though nothing else does."""
        missing = sum(feed.missing for feed in self.feeds.values())
        candidate = max(0, self._promised - received - missing) if idle else 0
        if not candidate:
            self._candidate, self._stands = 0, at
        if not candidate or at - self._asked < _APART:
            return 0
        self._asked = at
        gone, self._candidate = min(candidate, self._candidate), candidate
        return gone

    def _share(self, amounts: Sequence[int], *, doubt: bool = False) -> None:
        """Say of each publisher's messages how many more are gone, and whether they may be another one's."""
        for feed, amount in zip(self.feeds.values(), amounts, strict=True):
            self._attribute(feed, amount)
            feed.uncertain += sum(amounts) if doubt else 0
        self._looks = 0

    def _attribute(self, feed: Feed, amount: int) -> None:
        """Say of what is gone of a publisher's messages why."""
        if amount <= 0:
            return
        full = bool(feed.mark) and self._peak >= feed.mark
        doubtful = feed.doubtful
        killed = min(amount, self._most)
        back = min(amount - killed, doubtful)
        if killed and (self._joining or doubtful or full):
            feed.uncertain += amount
        elif doubtful and (self._joining or full):
            feed.uncertain += min(amount, doubtful)
        elif full and self._joining:
            feed.uncertain += amount
        self._most -= killed
        feed.let_go += back
        late = "dropped", HIGH_WATER if full else NOT_JOINED
        for why, part in ((self._cause, killed), (_TAKEN_BACK, back), (late, amount - killed - back)):
            if part:
                feed.gone[why] = feed.gone.get(why, 0) + part

    def _take_back(self, amount: int) -> None:
        """What was called gone has come after all."""
        for feed in self.feeds.values():
            for why in reversed(tuple(feed.gone)):
                part = min(amount, feed.gone[why])
                feed.gone[why] -= part
                amount -= part

    def row(self, publisher: str, *, stopped: bool) -> Row:
        """What the ledger says of one publisher's link to it."""
        feeds = list(self.feeds.values())
        feed = self.feeds[publisher]
        promised, missing = self.promised, sum(each.missing for each in feeds)
        left = max(0, promised - missing - self._received)
        seen = left == sum(each.left for each in feeds)
        waiting = dealt(left, [each.left for each in feeds])[feeds.index(feed)]
        swallowed = sum(f.swallowed for f in feed.filters)
        told: dict[str, dict[str, int]] = {"dropped": {}, "lost": {}, "filtered": {}}
        for (word, reason), amount in feed.gone.items():
            if amount:
                told[word][reason] = amount
        if swallowed:
            told["dropped"][SWALLOWED] = swallowed
        if stopped and waiting:
            told["lost"]["lab stopped"] = waiting
        back = sum(told["filtered"].values())
        return Row(
            expected=feed.promised - back + swallowed,
            delivered=feed.promised - feed.missing - waiting,
            queued=0 if stopped else waiting,
            dropped=told["dropped"],
            lost=told["lost"],
            filtered=sum(f.filtered for f in feed.filters) + back,
            uncertain=feed.uncertain + (left if len(feeds) > 1 and not seen else 0),
            duplicated=sum(f.copied for f in feed.filters),
        )


def dealt(amount: int, room: Sequence[int]) -> list[int]:
    """An amount in parts, in proportion to the room there is, and none greater unless the amount is."""
    total, shares, before = sum(room), [], 0
    if not total:
        return [amount if not i else 0 for i in range(len(room))]
    for i in range(len(room)):
        upto = amount * sum(room[: i + 1]) // total
        shares.append(upto - before)
        before = upto
    return shares


def _is_mute(wanted: Filter) -> bool:
    """Whether its XSUB has asked for something by itself, which nobody has read."""
    return wanted.receiver.beyond is None and wanted.receiver.counts().sent > 0


def _is_over(wanted: Filter | Ended) -> bool:
    return isinstance(wanted, Ended) or wanted.ended is not None
