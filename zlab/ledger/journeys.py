"""Journeys: every traced message, hop by hop; the last of them are remembered."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zlab.ledger.kinds import Kinds
    from zlab.ledger.matching import Match, Sent
    from zlab.recording import Recording
    from zlab.topology import Topology

HOP_LIMIT = 2_000
"""Hops that are remembered; older ones are let go."""
_PUBLISHERS = {"PUB", "XPUB"}


@dataclass(slots=True, eq=False)
class Hop:
    """One message on its way from one socket to another."""

    crossing: Sent
    receiver: str
    """The full name of the socket, or "" where that is not known yet: several may take it."""
    life: Recording | None
    """Of the receiver, where a publisher sent it or once it has come."""
    position: int
    """The how-manieth message it was of those that the receiver was to get, from 1; 0 is unknown."""
    kind: int
    """Index into the names of the kinds."""
    via: str = ""
    """The node whose ``zmq.proxy`` passed it on, unseen."""
    received: int = 0
    """When recv returned it, in nanoseconds; 0 if it has not."""
    fate: str = ""
    """What was plain when it was sent: that it was for nobody; else ""."""


class Journeys:
    """The hops of the last messages that were traced."""

    def __init__(self, topology: Topology, kinds: Kinds, proxied: Mapping[str, str], limit: int) -> None:
        """Start with none.

        Args:
            topology: what runs.
            kinds: names the kinds of messages.
            proxied: each socket that a proxy serves, and the one at its other side; it may grow.
            limit: how many hops to remember.
        """
        self._targets: dict[str, list[str]] = {}
        self._blind: set[str] = set()
        self.grow(topology)
        self._kinds = kinds
        self._proxied = proxied
        self._limit = limit
        self._lock = Lock()
        self._hops: deque[Hop] = deque()
        self._open: dict[Sent, list[Hop]] = {}
        self._messages: dict[int, list[Hop]] = {}
        self.interrupted = 0
        """When tracing last changed, on the clock of the traces: what was sent before may have come untraced."""
        self.let_go = 0
        """Hops that are no longer remembered."""

    def grow(self, topology: Topology) -> None:
        """Learn which sockets can reach which."""
        types = {name: str(spec.type) for name, spec in topology.sockets()}
        targets: dict[str, list[str]] = {}
        for link in topology.links:
            targets.setdefault(link.sender, []).append(link.receiver)
        # A subscriber in C (a proxy's XSUB) does not show what it asks for.
        self._blind = {s for s, into in targets.items() if any(types[r] == "XSUB" for r in into)}
        self._targets = targets

    def take(self, sent: Iterable[Sent], matches: Iterable[Match]) -> None:
        """Enter what was worked on in one tick."""
        with self._lock:
            for crossing in sent:
                self._begin(crossing)
            for match in matches:
                self._end(match)
            while len(self._hops) > self._limit:
                self._forget(self._hops.popleft())

    def hops(self) -> list[Hop]:
        """All that are remembered, in the order in which they were sent."""
        with self._lock:
            return list(self._hops)

    def of(self, message: int) -> list[Hop]:
        """Those of one message, in the order in which they were sent."""
        with self._lock:
            return list(self._messages.get(message, ()))

    def known_by(self, key: int) -> list[int]:
        """The messages of which a hop had this key, the oldest first."""
        with self._lock:
            return list(dict.fromkeys(h.crossing.message for h in self._hops if h.crossing.trace.key == key))

    def _begin(self, crossing: Sent) -> None:
        trace, sender = crossing.trace, crossing.sender
        kind = self._kinds.of(sender, trace.head)
        publishes = crossing.recording.type in _PUBLISHERS and sender not in self._blind
        if publishes and trace.matched:
            hops = [Hop(crossing, f.receiver.name, f.receiver, n, kind) for f, n in trace.matched]
        else:
            targets = self._targets.get(sender, [])
            hop = Hop(crossing, targets[0] if len(targets) == 1 else "", None, 0, kind)
            if publishes:
                hop.fate, hop.receiver = _for_nobody(crossing), ""
            hops = [hop]
        self._open[crossing] = hops
        for hop in hops:
            self._hops.append(hop)
            self._messages.setdefault(crossing.message, []).append(hop)

    def _end(self, match: Match) -> None:
        hops = self._open.get(match.crossing, [])
        for hop in hops:
            if hop.life is None or hop.life is match.recording:
                hop.receiver, hop.life, hop.received = match.receiver, match.recording, match.received.time
                hop.via = self._proxy_between(match.sender, match.receiver)
                hops.remove(hop)
                break
        if not hops:
            self._open.pop(match.crossing, None)

    def _proxy_between(self, sender: str, receiver: str) -> str:
        targets = self._targets.get(sender, ())
        if receiver in targets:
            return ""
        passing = (t for t in targets if receiver in self._targets.get(self._proxied.get(t, ""), ()))
        return next(passing, "").rpartition(".")[0]

    def _forget(self, hop: Hop) -> None:
        self.let_go += 1
        self._open.pop(hop.crossing, None)
        rest = self._messages[hop.crossing.message]
        rest.remove(hop)
        if not rest:
            del self._messages[hop.crossing.message]


def _for_nobody(crossing: Sent) -> str:
    rank = crossing.trace.rank
    heard = any(f.began < rank and (f.ended is None or rank <= f.ended) for f in crossing.recording.aimed)
    return "filtered" if heard else "dropped: no subscriber"
