"""Lives: every socket of which something is still known, by a number that arrays can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zlab.recording import Recording
from zlab.sockets import PUBLISHERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zlab.ledger.columns import Flags
    from zlab.ledger.ways import Ways

CROWD = 500
"""Sockets that get a number before it is worth looking whose numbers are free again."""
_NOBODY = Recording("", "", "")
_SEVERAL = -1  # instead of the number of a socket's only life


class Lives:
    """Sockets by number; that of one that has closed, and of which nothing is remembered, is given to another."""

    def __init__(self, ways: Ways) -> None:
        """None yet."""
        self.recordings: list[Recording] = []
        """By number; replaced as a whole where numbers become free, so that who holds the old one is not misled."""
        self.nodes: list[str] = []
        self._ways = ways
        self._numbers: dict[Recording, int] = {}
        self._node_numbers: dict[str, int] = {}
        self._unplaced: set[int] = set()  # those whose socket had no place in the topology yet
        self._free: list[int] = []
        self._known: dict[int, int] = {}  # by socket: its only life so far
        self._fresh = 0
        self.socket = self.node = np.zeros(0, np.int64)
        self.asks = self.publishes = self.both = np.zeros(0, np.bool_)
        """Whether it is a REQ, a publisher, and a REQ or a DEALER: of these the type does not tell who asks."""
        self.only = np.zeros(0, np.bool_)
        """Whether its socket has had no other life: else ranks begin anew."""

    def number(self, recording: Recording) -> int:
        """The number of one."""
        found = self._numbers.get(recording)
        if found is None:
            self._fresh += 1
            found = self._free.pop() if self._free else len(self.recordings)
            self._numbers[recording] = found
            if found == len(self.recordings):
                self.recordings.append(recording)
                self._make_room()
            else:
                self.recordings[found] = recording
            self._place(found, recording)
        elif found in self._unplaced and recording.node:
            self._place(found, recording)
        return found

    def _make_room(self) -> None:
        for column in ("socket", "node", "asks", "publishes", "both", "only"):
            array = getattr(self, column)
            setattr(self, column, np.append(array, np.zeros(1, array.dtype)))

    def _place(self, number: int, recording: Recording) -> None:
        if not recording.node:
            self._unplaced.add(number)
        else:
            self._unplaced.discard(number)
        socket = self._ways.number(recording.name)
        self.socket[number] = socket
        self.node[number] = self.number_of_node(recording.node)
        self.asks[number] = recording.type == "REQ"
        self.both[number] = recording.type in {"REQ", "DEALER"}
        self.publishes[number] = recording.type in PUBLISHERS
        before = self._known.get(socket)
        self.only[number] = before is None
        if before is None:
            self._known[socket] = number
        else:
            if before != _SEVERAL:
                self.only[before] = False
            self._known[socket] = _SEVERAL

    def number_of_node(self, name: str) -> int:
        """The number of a node."""
        if name not in self._node_numbers:
            self._node_numbers[name] = len(self.nodes)
            self.nodes.append(name)
        return self._node_numbers[name]

    @property
    def crowded(self) -> bool:
        """Whether so many have come since the last look that it is worth while to let some go."""
        return self._fresh >= CROWD

    def let_go(self, used: Flags, open_: Iterable[Recording]) -> list[int]:
        """Let go of those that have closed and of which nothing is known any more.

        Args:
            used: by number, those of which something is still known.
            open_: those that have not closed, or not been read to their end.

        Returns:
            Their numbers, which others may get now.
        """
        self._fresh = 0
        keep = {*open_}
        gone = [n for r, n in self._numbers.items() if not used[n] and r.over and r not in keep]
        if gone:
            self.recordings = self.recordings.copy()
        for number in gone:
            del self._numbers[self.recordings[number]]
            self.recordings[number] = _NOBODY
            self._unplaced.discard(number)
            socket = int(self.socket[number])
            if self._known.get(socket) == number:
                self._known[socket] = _SEVERAL  # whoever has its name next is not the only one
        self._free += gone
        return gone
