"""Fates: what became of a traced message that has not been seen to arrive.

The ledger knows how many messages of a link are where; order tells which ones. Where it does
not, the fate is ``unknown``: nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zlab.ledger.row import SWALLOWED
from zlab.ledger.subscription import HIGH_WATER, KILLED, NOT_JOINED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zlab.ledger.hops import Hop
    from zlab.ledger.snapshot import LinkFigures
    from zlab.recording import Recording
    from zlab.topology import Link

DELIVERED = "delivered"
UNDER_WAY = "under way"
UNKNOWN = "unknown"
_STOPPED = "lost: lab stopped"
_LATE, _FULL, _KILLED = f"dropped: {NOT_JOINED}", f"dropped: {HIGH_WATER}", f"lost: {KILLED}"


class Fates:
    """Tells fates as of one snapshot."""

    def __init__(
        self,
        arrived: tuple[Mapping[tuple[str, str], int], Mapping[Recording, int]],
        links: Iterable[Link],
        figures: Sequence[LinkFigures],
        proxied: Mapping[str, str],
        *,
        settled: Sequence[int],
        interrupted: int,
    ) -> None:
        """Look at the links once.

        Args:
            arrived: of all hops that are remembered, as `Journeys.arrived` tells it.
            links: of the topology.
            figures: of each link, from one snapshot.
            proxied: each socket that a proxy serves, and the one at its other side.
            settled: for each link, until when all that was sent and has arrived is known to have, in
                nanoseconds on the clock of the traces.
            interrupted: when tracing last changed: what was sent before may have come untraced.
        """
        self._interrupted = interrupted
        self._proxied = proxied
        self._from: dict[str, list[tuple[Link, LinkFigures, int]]] = {}
        for row in zip(links, figures, settled, strict=True):
            self._from.setdefault(row[0].sender, []).append(row)
        self._last, self._first = arrived

    def of(self, hop: Hop) -> tuple[str, str]:
        """The fate of a hop, and the name of its receiver as far as that can be told."""
        if hop.received:
            return DELIVERED, hop.receiver
        if hop.fate:
            return hop.fate, hop.receiver
        sent, sender = hop.crossing.trace.time, hop.crossing.sender
        ways = [way for way in self._from.get(sender, ()) if hop.receiver in {"", way[0].receiver}]
        beyond = self._beyond(ways)
        place = _Place(
            queued=sum(figures.queued for _, figures, _ in (*ways, *beyond)),
            delivered=sum(figures.delivered for _, figures, _ in (*ways, *beyond)),
            overtaken=sent < self._last.get((sender, hop.receiver), 0),
            early=sent >= min((settled for *_, settled in (*ways, *beyond)), default=0),
        )
        for link, figures, _ in (*ways, *beyond):
            for word, counts in (("dropped", figures.dropped), ("lost", figures.lost)):
                for reason, count in counts.items():
                    if count and reason != SWALLOWED:  # of these each is known
                        place.reasons.setdefault(f"{word}: {reason}", set()).add(link.receiver)
        if place.delivered and sent < self._interrupted:
            fate = UNKNOWN
        elif hop.life is not None:
            fate = self._of_published(hop, place)
        elif len(ways) == 1 and not beyond:
            fate = _in_line(hop, place, ways[0][1].lost.get("lab stopped", 0))
        else:
            fate = _of_several(place)
        receivers = place.reasons.get(fate, set())
        return fate, hop.receiver or (next(iter(receivers)) if len(receivers) == 1 else "")

    def _beyond(self, ways: Sequence[tuple[Link, LinkFigures, int]]) -> list[tuple[Link, LinkFigures, int]]:
        """The links behind the proxies that these lead to, and behind those that they lead to in turn."""
        found: list[tuple[Link, LinkFigures, int]] = []
        fronts = list(dict.fromkeys(link.receiver for link, *_ in ways if link.receiver in self._proxied))
        for front in fronts:  # which grows meanwhile
            further = self._from.get(self._proxied[front], [])
            found += further
            into = dict.fromkeys(link.receiver for link, *_ in further if link.receiver in self._proxied)
            fronts += [each for each in into if each not in fronts]
        return found

    def _of_published(self, hop: Hop, place: _Place) -> str:
        """A publisher's message to one life of one subscriber: they come in the order of their sending."""
        first = self._first.get(hop.life) if hop.life is not None else None
        ended = hop.life is not None and hop.life.over
        if not place.overtaken and not ended:
            if not place.delivered and place.queued and set(place.reasons) == {_FULL}:
                # Nothing has been read yet, and a full queue drops what comes last.
                return UNDER_WAY if hop.position <= place.queued else _FULL
            if not place.reasons or not place.queued:
                if place.early or not place.reasons:
                    return place.waiting()
            else:
                return UNKNOWN
        left = set(place.reasons)
        if first is not None and hop.crossing.trace.time < first and _LATE in left:
            return _LATE
        if ended and not place.overtaken:
            return UNKNOWN if place.early or _KILLED not in left else _KILLED
        if len(left) > 1:
            left -= {_LATE, _KILLED}
        return left.pop() if len(left) == 1 else UNKNOWN


@dataclass(slots=True)
class _Place:
    """What the ledger says of the links that a hop may be on."""

    queued: int
    delivered: int
    overtaken: bool
    """Whether a message that was sent later has arrived by the same way: then this one will not."""
    early: bool
    """Whether it may have arrived without having been entered yet."""
    reasons: dict[str, set[str]] = field(default_factory=dict)
    """Why messages went missing there, and at which receivers."""

    def waiting(self) -> str:
        """An old one that the ledger misses nowhere has arrived, and that was not traced."""
        return UNDER_WAY if self.queued or self.early else UNKNOWN


def _in_line(hop: Hop, place: _Place, stopped: int) -> str:
    """A message on the only link of its sender: what is queued are those that were sent last."""
    behind = hop.crossing.recording.counts().sent - hop.crossing.trace.rank
    left = set(place.reasons)
    if not place.overtaken:
        if behind < place.queued or (place.early and not stopped):
            return UNDER_WAY
        if behind < stopped:
            return _STOPPED
    left.discard(_STOPPED)
    if not left:
        return place.waiting() if not place.overtaken else UNKNOWN
    return left.pop() if len(left) == 1 else UNKNOWN


def _of_several(place: _Place) -> str:
    """A message that any of several may have been dealt."""
    if not place.reasons or (not place.queued and place.early):
        return place.waiting()
    return next(iter(place.reasons)) if len(place.reasons) == 1 and not place.queued else UNKNOWN
