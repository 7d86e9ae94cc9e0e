"""An exchange: sockets whose messages each go to one peer, accounted for together.

PUSH deals its messages out among its peers and libzmq does not tell to whom; PULL draws from all
of its peers and is not told from whom. What is exact is the sum: sent by all, received by all.
Where a star has one centre, each of its rays is known too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zlab.ledger.bare import NO_DELIMITER, Bare
from zlab.ledger.dealing import deal, proportion, share
from zlab.ledger.row import SWALLOWED, Row
from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zlab.ledger.addressed import Addressed
    from zlab.ledger.reading import Strike
    from zlab.recording import Counts

_BLAMED = 2.0  # seconds after a link is whole again for which it is blamed for what turns out to be missing
_BARE = "dropped", NO_DELIMITER
_SETTLED = 1.0  # seconds: how long a gap must stand, with every receiver waiting, before it is called unaccounted
_APART = 0.05  # seconds between two looks that must agree on what is gone


@dataclass(frozen=True, slots=True)
class Ray:
    """One link of an exchange."""

    link: int
    sender: str
    receiver: str
    keeps: bool = False
    """Whether the sender keeps its queue for a receiver that is gone: where it connects, and not over inproc."""


class Exchange:
    """One group of senders and receivers whose links touch."""

    def __init__(self, rays: Sequence[Ray], *, conflates: bool, unroutable: bool, holds: int | None = None) -> None:
        """Start with nothing sent.

        Args:
            rays: the links of the group.
            conflates: whether a socket of the group keeps only its last message.
            unroutable: whether a message to a peer that is gone is dropped by its sender.
            holds: how many messages can wait in all its queues, where that is exact and small.
        """
        self.rays = tuple(rays)
        self.senders = tuple(dict.fromkeys(ray.sender for ray in rays))
        self.receivers = tuple(dict.fromkeys(ray.receiver for ray in rays))
        self._reason = (
            ("dropped", "conflated")
            if conflates
            else ("dropped", "unroutable")
            if unroutable
            else ("lost", "peer killed")
        )
        self._conflates = conflates
        self._holds = holds
        self._touched: set[str] = set()  # sockets whose node was killed or failed, or whose link was broken
        self._blame, self._struck = self._reason, 0.0  # why what turns out to be missing is, and since when
        self._gone: dict[tuple[str, str], int] = {}  # what is certainly gone, by the word and the reason for it
        self._dead: set[str] = set()  # nodes that were killed and not started again
        self._keeps = any(ray.keeps for ray in rays)
        self._least = 0  # messages that are certainly gone
        self._most = 0  # messages that may be gone
        self._candidate, self._asked = 0, 0.0  # what seemed gone, and when
        self._stands, self._settled = 0.0, 0.0  # since when nothing moves, and for how long
        self._seen = (0, 0)
        self._live: frozenset[str] = frozenset()
        self._latest: tuple[list[Counts], dict[int, Row]] = [], {}  # the rows where all had come
        self._bare: dict[str, Bare] = {}  # by sender: messages that REQ and REP do not take
        self._vague = 0  # messages said to be such of which nobody has seen the frames

    def conflate(self) -> None:
        """From now on a socket of the group keeps only its last message."""
        if not self._conflates:
            self._conflates = True
            self._reason = self._blame = ("dropped", "conflated")

    def inherit(self, other: Exchange) -> None:
        """Take over what is known of links that are now part of this group."""
        self._touched |= other._touched
        self._dead |= other._dead
        self._least += other._least
        self._most += other._most
        for why, amount in other._gone.items():
            self._gone[why] = self._gone.get(why, 0) + amount
        self._live |= other._live

    def update(
        self,
        first: Mapping[str, Counts],
        second: Mapping[str, Counts],
        *,
        idle: frozenset[str],
        closed: frozenset[str],
        live: frozenset[str],
        at: float,
        strikes: Sequence[Strike] = (),
        bare: Mapping[str, Bare] | None = None,
    ) -> None:
        """Take one reading; ``at`` in seconds since the lab started."""
        self._bare = {sender: bare[sender] for sender in self.senders if sender in bare} if bare else {}
        self._live = live or self._live  # of a lab that has stopped, those that lived to its end
        sent_first = sum(first[s].left for s in self.senders)
        sent = sum(second[s].left for s in self.senders)
        received_first = sum(first[r].received for r in self.receivers)
        received = sum(second[r].received for r in self.receivers)
        struck = {s for s in (*self.senders, *self.receivers) if s in closed}
        gap = max(0, sent - received_first)
        if struck:
            self._touched |= struck
            self._most = gap
            self._blame = self._reason
        self._strike(strikes, gap, at)
        self._dead = {node for node in self._dead | set(map(node_of, closed)) if node not in live}
        if not self._keeps and all(node_of(r) in self._dead for r in self.receivers):
            self._least = gap  # a queue goes with its receiver
        self._most = min(self._most, gap) if self._touched or self._conflates else 0
        if self._conflates:
            self._most = gap
        reading = [r for r in self.receivers if node_of(r) in live]
        waiting = bool(reading) and all(r in idle for r in reading)
        # Every receiver stands at an empty queue: what was sent before and has not come will not come.
        candidate = max(0, sent_first - received) if waiting else 0
        if not waiting or at - self._asked >= _APART:
            self._least = max(self._least, min(candidate, self._candidate))
            self._candidate, self._asked = candidate, at
        if self._holds is not None:
            self._least = max(self._least, sent_first - received - self._holds)
        self._least = min(self._least, gap)
        self._attribute()
        if not waiting or self._seen != (sent, received):
            self._stands = at
        self._settled = at - self._stands
        self._seen = (sent, received)

    def _strike(self, strikes: Sequence[Strike], gap: int, at: float) -> None:
        """Learn that links of the group are broken, or were."""
        met = {(ray.sender, ray.receiver) for ray in self.rays}
        for strike in strikes:
            if (strike.sender, strike.receiver) in met:
                self._touched |= {strike.sender, strike.receiver}
                self._most = gap
                self._blame, self._struck = ("lost", strike.reason), at
        if self._reason[0] == "dropped" and at - self._struck > _BLAMED:
            self._blame = self._reason

    def _attribute(self) -> None:
        """Say of what is gone since the last look why; or take back what has come after all."""
        news = self._least - sum(self._gone.values())
        if news > 0 and self._bare:
            news -= self._undelimited(news)
        if news > 0:
            self._gone[self._blame] = self._gone.get(self._blame, 0) + news
        for why in reversed(tuple(self._gone)):
            back = min(self._gone[why], max(0, -news))
            self._gone[why] -= back
            news += back

    def _undelimited(self, news: int) -> int:
        """Say of some of what is gone that it had no delimiter; returns of how many."""
        known = self._gone.get(_BARE, 0)
        seen = max(0, sum(each.bare for each in self._bare.values()) - known + self._vague)
        unseen = sum(each.unseen for each in self._bare.values()) - self._vague
        part = min(news, seen)
        # Of what nobody has looked at, as much as nothing else explains.
        more = min(news - part, unseen) if not self._touched and self._reason[1] != "unroutable" else 0
        self._vague += max(0, more)
        part += max(0, more)
        self._gone[_BARE] = known + part
        return part

    def rows(
        self, totals: Mapping[str, Counts], *, stopped: bool, addressed: Addressed | None = None
    ) -> dict[int, Row]:
        """A row for each link; together they add up to what was sent, and sent again by a fault.

        Args:
            totals: counts by socket.
            stopped: whether the lab is stopped.
            addressed: what is known of messages that name their receiver.
        """
        sent = {s: totals[s].left for s in self.senders}
        received = {r: totals[r].received for r in self.receivers}
        total_sent = max(sum(sent.values()), sum(received.values()))
        gap = total_sent - sum(received.values())
        undelimited = self._gone.get(_BARE, 0) > 0
        explained = bool(self._touched) or self._conflates or self._reason[1] == "unroutable" or undelimited
        missing = min(self._least, gap) if explained or self._settled >= _SETTLED else 0
        queued = gap - missing
        doubtful = self._vague + (min(max(0, self._most - missing), queued) if explained else 0)
        star = len(self.senders) == 1 or len(self.receivers) == 1
        if star and not gap:
            return self._settled_rows(sent, received, totals)
        delivered, split = self._delivered(sent, received), None
        known = addressed.split(self.rays, sent, received) if addressed is not None and not star else None
        if known is not None and known[1] < max(delivered.values()):
            delivered, split = known
        room = {ray.link: self._room(ray, sent, delivered) for ray in self.rays}
        gone = deal(missing, {k: v for k, v in room.items() if self._is_touched(k)}, room)
        room = {k: None if v is None else v - gone.get(k, 0) for k, v in room.items()}
        holding = self._holding(room)
        waiting = deal(queued, holding, room)
        vague = queued if queued and len(holding) > 1 else 0
        causes = dict(self._gone)
        rows: dict[int, Row] = {}
        for ray in self.rays:
            lost, queue, came = gone.get(ray.link, 0), waiting.get(ray.link, 0), delivered[ray.link]
            if len(self.senders) > 1 and len(self.receivers) == 1:
                came = max(0, sent[ray.sender] - lost - queue)
            uncertain = max(doubtful, vague, 0 if star else came if split is None else split)
            final = {"lab stopped": queue} if stopped and queue else {}
            dropped, loss = self._reasons(causes, lost) if explained else ({}, {})
            rows[ray.link] = Row(
                expected=came + lost + queue,
                delivered=came,
                queued=0 if stopped else queue,
                dropped=dropped,
                lost=loss | final,
                uncertain=uncertain,
            )
        return self._with_faults(rows, totals)

    def _settled_rows(
        self, sent: Mapping[str, int], received: Mapping[str, int], totals: Mapping[str, Counts]
    ) -> dict[int, Row]:
        """A row for each link where all has come; as it was made last, if nothing has moved."""
        counts = [totals[name] for name in (*self.senders, *self.receivers)]
        known, rows = self._latest
        if counts != known:
            came = {r.link: sent[r.sender] if len(self.senders) > 1 else received[r.receiver] for r in self.rays}
            rows = self._with_faults({link: Row(number, number, 0, {}, {}) for link, number in came.items()}, totals)
            self._latest = counts, rows
        return rows

    @staticmethod
    def _reasons(causes: dict[tuple[str, str], int], lost: int) -> tuple[dict[str, int], dict[str, int]]:
        """Take so many of what is gone, with the reasons for it: dropped, and lost."""
        told: dict[str, dict[str, int]] = {"dropped": {}, "lost": {}}
        for (word, reason), amount in tuple(causes.items()):
            part = min(amount, lost)
            if part:
                told[word][reason] = part
                causes[word, reason] -= part
                lost -= part
        return told["dropped"], told["lost"]

    def _with_faults(self, rows: dict[int, Row], totals: Mapping[str, Counts]) -> dict[int, Row]:
        """Add what a fault kept, and mark what it sent again: to which of several peers, nobody can tell."""
        for sender in self.senders:
            swallowed, copied = totals[sender].swallowed, totals[sender].copied
            if not swallowed and not copied:
                continue
            mine: dict[int, int | None] = {ray.link: None for ray in self.rays if ray.sender == sender}
            kept, again = share(swallowed, mine), share(copied, mine)
            for link in mine:
                row, gone = rows[link], kept.get(link, 0)
                rows[link] = replace(
                    row,
                    expected=row.expected + gone,
                    dropped={**row.dropped, SWALLOWED: gone} if gone else row.dropped,
                    uncertain=max(row.uncertain, gone + again[link]) if len(mine) > 1 else row.uncertain,
                    duplicated=again[link],
                )
        return rows

    def _delivered(self, sent: Mapping[str, int], received: Mapping[str, int]) -> dict[int, int]:
        if len(self.senders) == 1:
            return {ray.link: received[ray.receiver] for ray in self.rays}
        shares: dict[int, int] = {}
        for receiver, count in received.items():
            facing = {ray.link: sent[ray.sender] for ray in self.rays if ray.receiver == receiver}
            shares |= proportion(count, facing)
        return shares

    def _room(self, ray: Ray, sent: Mapping[str, int], delivered: Mapping[int, int]) -> int | None:
        """How many messages of a gap can belong to this link; None is any number."""
        if len(self.receivers) == 1:
            return sent[ray.sender]
        if len(self.senders) == 1:
            return None
        return max(0, sent[ray.sender] - delivered[ray.link])

    def _holding(self, room: Mapping[int, int | None]) -> Mapping[int, int | None]:
        """The links that can hold a queue now, of those that have room."""
        able = {r.link for r in self.rays if node_of(r.receiver) in self._live or r.keeps}
        best = {r.link for r in self.rays if node_of(r.sender) in self._live} & able
        return {k: v for k, v in room.items() if k in best} or {k: v for k, v in room.items() if k in able} or room

    def _is_touched(self, link: int) -> bool:
        return any(ray.link == link and {ray.sender, ray.receiver} & self._touched for ray in self.rays)
