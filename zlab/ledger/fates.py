"""Fates: what became of a traced message that has not been seen to arrive.

The ledger knows how many messages of a link are where; order tells which ones. Where it does
not, the fate is ``unknown``: nothing is guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.ledger.subscription import HIGH_WATER, KILLED, NOT_JOINED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zlab.ledger.journeys import Hop
    from zlab.ledger.snapshot import LinkFigures
    from zlab.topology import Link

DELIVERED = "delivered"
UNDER_WAY = "under way"
UNKNOWN = "unknown"
_YOUNG = 500 * 10**6  # nanoseconds: what was sent since may have arrived without having been entered yet
_STOPPED = "lost: lab stopped"
_LATE, _FULL, _KILLED = f"dropped: {NOT_JOINED}", f"dropped: {HIGH_WATER}", f"lost: {KILLED}"


class Fates:
    """Tells fates as of one snapshot."""

    def __init__(
        self,
        hops: Iterable[Hop],
        links: Sequence[Link],
        figures: Sequence[LinkFigures],
        proxied: Mapping[str, str],
        *,
        now: int,
        interrupted: int,
    ) -> None:
        """Look at all hops once.

        Args:
            hops: all that are remembered.
            links: of the topology.
            figures: of each link, from one snapshot.
            proxied: each socket that a proxy serves, and the one at its other side.
            now: the clock of the traces, in nanoseconds.
            interrupted: when tracing last changed: what was sent before may have come untraced.
        """
        self._now = now
        self._interrupted = interrupted
        self._proxied = proxied
        self._from: dict[str, list[tuple[Link, LinkFigures]]] = {}
        for link, figure in zip(links, figures, strict=True):
            self._from.setdefault(link.sender, []).append((link, figure))
        self._last: dict[tuple[str, str], int] = {}  # when the last one that arrived was sent
        self._first: dict[object, int] = {}  # the same of the first, by life of the receiver
        for hop in hops:
            if hop.received:
                sent, way = hop.crossing.trace.time, (hop.crossing.sender, hop.receiver)
                self._last[way] = max(sent, self._last.get(way, sent))
                self._first[hop.life] = min(sent, self._first.get(hop.life, sent))

    def of(self, hop: Hop) -> tuple[str, str]:
        """The fate of a hop, and the name of its receiver as far as that can be told."""
        if hop.received:
            return DELIVERED, hop.receiver
        if hop.fate:
            return hop.fate, ""
        sender = hop.crossing.sender
        ways = [(k, f) for k, f in self._from.get(sender, ()) if hop.receiver in {"", k.receiver}]
        beyond = [way for link, _ in ways for way in self._from.get(self._proxied.get(link.receiver, ""), ())]
        direct = len(ways) == 1 and not beyond
        reasons: dict[str, set[str]] = {}
        queued = delivered = 0
        for link, figures in (*ways, *beyond):
            queued += figures.queued
            delivered += figures.delivered
            for word, counts in (("dropped", figures.dropped), ("lost", figures.lost)):
                for reason, count in counts.items():
                    if count:
                        reasons.setdefault(f"{word}: {reason}", set()).add(link.receiver)
        overtaken = hop.crossing.trace.time < self._last.get((sender, hop.receiver), 0)
        if delivered and hop.crossing.trace.time < self._interrupted:
            fate = UNKNOWN
        elif hop.life is not None:
            fate = self._of_published(hop, reasons, queued, overtaken=overtaken)
        elif direct:
            fate = self._in_line(hop, reasons, ways[0][1], overtaken=overtaken)
        else:
            fate = self._of_several(hop, reasons, queued)
        receivers = reasons.get(fate, set())
        return fate, hop.receiver or (next(iter(receivers)) if len(receivers) == 1 else "")

    def _of_published(self, hop: Hop, reasons: Mapping[str, object], queued: int, *, overtaken: bool) -> str:
        """A publisher's message to one life of one subscriber: they come in the order of their sending."""
        life, sent = hop.life, hop.crossing.trace.time
        ended = any(f.receiver is life and f.ended is not None for f in hop.crossing.recording.aimed)
        first = self._first.get(life)
        if not overtaken and not ended:
            if first is None and queued and _FULL in reasons and hop.position <= queued:
                return UNDER_WAY  # nothing has been read yet, and a full queue drops what comes last
            if not reasons or (not queued and self._young(hop)):
                return self._waiting(hop, queued)
            if queued and not (first is None and len(reasons) == 1 and _FULL in reasons):
                return UNKNOWN
        left = dict(reasons)
        late = first is not None and sent < first
        if late and _LATE in left:
            return _LATE
        if ended and not overtaken and _KILLED in left:
            return _KILLED
        if len(left) > 1:
            left.pop(_LATE, None)
            left.pop(_KILLED, None)
        return next(iter(left)) if len(left) == 1 else UNKNOWN

    def _in_line(self, hop: Hop, reasons: Mapping[str, object], figures: LinkFigures, *, overtaken: bool) -> str:
        """A message on the only link of its sender: what is queued are those that were sent last."""
        behind = hop.crossing.recording.counts().sent - hop.crossing.trace.rank
        left = dict(reasons)
        if not overtaken and behind < figures.queued:
            return UNDER_WAY
        if not overtaken and behind < figures.lost.get("lab stopped", 0):
            return _STOPPED
        left.pop(_STOPPED, None)
        if not left:
            return self._waiting(hop, figures.queued)
        return next(iter(left)) if len(left) == 1 else UNKNOWN

    def _of_several(self, hop: Hop, reasons: Mapping[str, object], queued: int) -> str:
        """A message that any of several may have been dealt."""
        if not reasons or (not queued and self._young(hop)):
            return self._waiting(hop, queued)
        return next(iter(reasons)) if len(reasons) == 1 and not queued else UNKNOWN

    def _waiting(self, hop: Hop, queued: int) -> str:
        # An old one that the ledger misses nowhere has arrived, and that was not traced.
        return UNDER_WAY if queued or self._young(hop) else UNKNOWN

    def _young(self, hop: Hop) -> bool:
        return self._now - hop.crossing.trace.time < _YOUNG
