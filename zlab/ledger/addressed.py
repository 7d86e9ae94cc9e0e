"""Addressed: how many messages each ROUTER has sent to which peer, by the identity with which each of them begins.

Whose identity that is, its socket options tell, or messages that can be no others; the last one that is left is that of
the last peer. Where the sums do not agree with what the receivers have counted, it is an interval, as wide as that.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.dealing import proportion
from zlab.sockets import SocketType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zlab.ledger.exchange import Ray
    from zlab.ledger.lives import Lives
    from zlab.ledger.worked import Worked
    from zlab.sockets import Socket

_PEERS = 10_000  # identities that are known at the most, of one ROUTER: those of peers that come and go
_PENDING = 20_000  # messages of which it may yet be seen who receives them


class Addressed:
    """What ROUTERs have sent, by identity."""

    def __init__(self, lives: Lives, specs: Mapping[str, Socket]) -> None:
        """Nothing yet.

        Args:
            lives: numbers the sockets, and knows their names.
            specs: the sockets of the topology, by their full names; they may grow.
        """
        self._lives, self._specs = lives, specs
        self._routers: frozenset[str] = frozenset()
        self._sent: dict[str, Counter[bytes]] = defaultdict(Counter)  # by the full name of the ROUTER
        self._whose: dict[tuple[str, bytes], str] = {}  # the receiver's full name; "" where two seemed to be it
        self._pending: OrderedDict[int, bytes] = OrderedDict()  # by the number of the hop, its identity

    def look_at(self, groups: Iterable[Sequence[Ray]]) -> None:
        """Count from now on for those ROUTERs of whose messages the sums of their group do not tell where they went.

        Args:
            groups: the links of each.
        """
        meshes = [rays for rays in groups if min(len({r.sender for r in rays}), len({r.receiver for r in rays})) > 1]
        self._routers = frozenset(
            ray.sender for rays in meshes for ray in rays if self._specs[ray.sender].type is SocketType.ROUTER
        )

    def take(self, worked: Worked, names: Sequence[str]) -> None:
        """Learn from what was sent and what has come.

        Args:
            worked: of one tick.
            names: of the sockets, by number.
        """
        if not self._routers:
            return
        recordings, sends, offers = self._lives.recordings, worked.sends, worked.offers
        routers = [n for n in np.unique(sends.life).tolist() if recordings[n].name in self._routers]
        for offer in np.flatnonzero(np.isin(sends.life[worked.of], routers)).tolist() if routers else ():
            trace, sender = sends.rich[worked.of[offer]], names[offers.socket[offer]]
            if trace is None or not trace.frames or not trace.times:
                continue
            identity, sent = trace.frames[0], self._sent[sender]
            if identity in sent or len(sent) < _PEERS:
                sent[identity] += 1
                if (sender, identity) not in self._whose:
                    self._pending[offers.hop.item(offer)] = identity
        while len(self._pending) > _PENDING:
            self._pending.popitem(last=False)
        if self._pending:
            self._learn(worked, names)

    def _learn(self, worked: Worked, names: Sequence[str]) -> None:
        matches = worked.matches
        for row in np.flatnonzero(matches.sure & ~matches.ambiguous).tolist():
            identity = self._pending.pop(matches.hop.item(row), None)
            if identity is not None:
                peer, receiver = (names[matches.sender[row]], identity), names[matches.receiver[row]]
                if self._whose.setdefault(peer, receiver) != receiver:
                    self._whose[peer] = ""

    def split(
        self, rays: Sequence[Ray], sent: Mapping[str, int], received: Mapping[str, int]
    ) -> tuple[dict[int, int], int] | None:
        """What has come by each link of a group, and how much of that may have come by another; None: it is not known.

        Args:
            rays: the links of the group.
            sent: by sender.
            received: by receiver.
        """
        if not any(sender in self._sent for sender in sent):
            return None
        links = {(ray.sender, ray.receiver): ray.link for ray in rays}
        came, doubt = dict.fromkeys(links.values(), 0), 0
        for sender, total in sent.items():
            told = self._told(sender, [receiver for whose, receiver in links if whose == sender])
            for receiver, count in told.items():
                came[links[sender, receiver]] += count
            doubt += abs(total - sum(told.values()))
        for receiver, total in received.items():
            mine = {link: came[link] for (_, whose), link in links.items() if whose == receiver}
            doubt += abs(total - sum(mine.values()))
            came |= proportion(total, mine)
        return came, doubt

    def _told(self, sender: str, receivers: Sequence[str]) -> Counter[str]:
        """What a ROUTER has sent to each of its peers, of what names one that is known."""
        told, strange, without = Counter[str](), list[int](), set(receivers)
        options = {whose: _identity(self._specs[whose]) for whose in receivers}
        named = {identity: whose for whose, identity in options.items() if identity}
        for identity, count in self._sent.get(sender, Counter[bytes]()).items():
            whose = named.get(identity) or self._whose.get((sender, identity), "")
            if whose in options:
                told[whose] += count
                without.discard(whose)
            else:
                strange.append(count)
        if len(strange) == len(without) == 1:
            told[without.pop()] += strange[0]
        return told


def _identity(socket: Socket) -> bytes:
    """The identity that a socket was given; b"" where each of its peers gives it one."""
    given = socket.options.get("routing_id", socket.options.get("identity", b""))
    return given.encode() if isinstance(given, str) else given if isinstance(given, bytes) else b""
