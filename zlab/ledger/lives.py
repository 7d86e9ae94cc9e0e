"""Lives: every socket that has ever been open, by a number that arrays can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from zlab.ledger.ways import Ways
    from zlab.recording import Recording


class Lives:
    """Every socket that has ever been open, by number."""

    def __init__(self, ways: Ways) -> None:
        """None yet."""
        self.recordings: list[Recording] = []
        self.nodes: list[str] = []
        self._ways = ways
        self._numbers: dict[Recording, int] = {}
        self._node_numbers: dict[str, int] = {}
        self.socket = self.node = np.zeros(0, np.int64)
        self.asks = self.publishes = np.zeros(0, np.bool_)
        self.only = np.zeros(0, np.bool_)
        """Whether its socket has had no other life: else ranks begin anew."""

    def number(self, recording: Recording) -> int:
        """The number of one."""
        found = self._numbers.get(recording)
        if found is None:
            found = self._numbers[recording] = len(self.recordings)
            self.recordings.append(recording)
            self.socket = np.append(self.socket, self._ways.number(recording.name))
            others = self.socket == self.socket[-1]
            self.only = np.append(self.only, others.sum() == 1)
            self.only[others] = others.sum() == 1
            self.node = np.append(self.node, self.number_of_node(recording.node))
            self.asks = np.append(self.asks, recording.type == "REQ")
            self.publishes = np.append(self.publishes, recording.type in {"PUB", "XPUB"})
        return found

    def number_of_node(self, name: str) -> int:
        """The number of a node."""
        if name not in self._node_numbers:
            self._node_numbers[name] = len(self.nodes)
            self.nodes.append(name)
        return self._node_numbers[name]
