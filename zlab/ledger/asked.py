"""Asked: which sockets answer behind a ROUTER or a proxy, where their type does not tell a worker from a client.

A REQ or a DEALER may ask or be asked. What tells is what comes to it: a message that began at another node, one that
asks, and that a broker has passed on unchanged, is a request. A node is known to ask if it sends at a rate of its own,
if a REQ of it has sent something before anything had come there, or if such a request of it was found before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.causes import NEVER
from zlab.ledger.kinds import REPLY, REQUEST

if TYPE_CHECKING:
    from zlab.ledger.columns import Flags, Ints
    from zlab.ledger.lives import Lives
    from zlab.ledger.pace import Pace
    from zlab.ledger.ways import Ways
    from zlab.ledger.worked import Matches


class Asked:
    """Which sockets are asked, as far as messages have told."""

    def __init__(self, lives: Lives, ways: Ways, pace: Pace) -> None:
        """Nothing has come yet.

        Args:
            lives: numbers the lives of sockets, and their nodes.
            ways: numbers the sockets, and knows which of them meet.
            pace: knows which nodes send at a rate.
        """
        self._lives, self._ways, self._pace = lives, ways, pace
        self._asks = np.zeros(0, np.bool_)  # by node
        self._heard = np.zeros(0, np.int64)  # by node: when the first message came there; or `NEVER`
        self.sockets = np.zeros(0, np.bool_)
        """By the number of a socket: whether it is asked."""
        self.aimed = np.zeros(0, np.bool_)
        """By the number of a socket: whether all that can come from it comes to such."""

    def part(self, socket: int) -> str:
        """What comes from a socket, by its number, as a kind; "" where nothing but its type tells."""
        if socket >= self.sockets.size:
            return ""
        return REPLY if self.sockets[socket] else REQUEST if self.aimed[socket] else ""

    def answers(self, lives: Ints, times: Ints) -> Flags:
        """Whether what these lives sent at these times may answer something: it was asked, and something had come."""
        asked: Flags = self.sockets[self._lives.socket[lives]] & (times > self._heard[self._lives.node[lives]])
        return asked

    def learn(self, matches: Matches, senders: Ints, hop: Ints, changed: Flags) -> None:
        """See what has come.

        Args:
            matches: what was seen at both ends.
            senders: the same: the life that sent it.
            hop: the same: its place in its journey, from 1.
            changed: the same: whether a node on its way has made it of another message.
        """
        lives = self._lives
        grown = self._make_room()
        origin, node, both = matches.origin, lives.node[matches.life], lives.both
        np.minimum.at(self._heard, node, matches.received)
        asks = self._asks | self._pace.nodes()
        plain = np.zeros(asks.size, np.bool_)
        plain[lives.node[lives.asks]] = True
        plain[lives.node[both & ~lives.asks]] = False  # a DEALER says what it likes before it is asked
        sure = asks[origin] | (plain[origin] & (matches.began < self._heard[origin]))
        through = (~changed & (hop > 1)) | ((hop == 1) & both[senders])  # a broker, or a proxy in C
        found = through & sure & both[matches.life] & (origin != node) & ~asks[node] & ~self.sockets[matches.receiver]
        if found.any():
            self.sockets[matches.receiver[found]] = True
            self._asks[origin[found]] = True
        if grown or found.any():
            self.aimed = self._aim()

    def _make_room(self) -> bool:
        nodes, sockets = len(self._lives.nodes) - self._asks.size, len(self._ways.names) - self.sockets.size
        self._asks = np.append(self._asks, np.zeros(nodes, np.bool_))
        self._heard = np.append(self._heard, np.full(nodes, NEVER))
        self.sockets = np.append(self.sockets, np.zeros(sockets, np.bool_))
        return sockets > 0

    def _aim(self) -> Flags:
        aimed = np.zeros(self.sockets.size, np.bool_)
        for sender, receivers in self._ways.receivers().items():
            aimed[sender] = self.sockets[list(receivers)].all()
        return aimed
