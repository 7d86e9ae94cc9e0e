"""Ways: which sockets' messages can arrive where, as arrays ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

_WIDTH = 1 << 31  # more sockets than there will ever be


class Ways:
    """Sockets by number, and the lanes that they make up.

    A lane is a set of sockets that face each other, directly or by way of others: no message ever
    crosses from one lane to another.
    """

    def __init__(self, senders: Mapping[str, Iterable[str]]) -> None:
        """Start.

        Args:
            senders: for each receiving socket, the sockets whose messages can arrive there.
        """
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._facing: dict[int, set[int]] = {}  # receiver to senders
        self._stale = True
        self.lane_out: NDArray[np.int64]
        """By socket: the lane that it sends into, or -1."""
        self.lane_in: NDArray[np.int64]
        """By socket: the lane that it receives from, or -1."""
        self.whole: NDArray[np.bool_]
        """By lane: whether each of its senders faces each of its receivers."""
        self.alone: NDArray[np.bool_]
        """By lane: whether there is one sender and one receiver."""
        self._codes: NDArray[np.int64]
        for receiver, facing in senders.items():
            for sender in facing:
                self.face(sender, receiver)

    def number(self, name: str) -> int:
        """A socket's number, by its full name."""
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = len(self.names)
            self.names.append(name)
            self._stale = True
        return found

    def face(self, sender: str, receiver: str) -> None:
        """Learn that messages of one socket can arrive at another."""
        facing = self._facing.setdefault(self.number(receiver), set())
        number = self.number(sender)
        if number not in facing:
            facing.add(number)
            self._stale = True

    def faces(self, sender: int, receiver: int) -> bool:
        """Whether messages of the one can arrive at the other."""
        return sender in self._facing.get(receiver, ())

    def receivers(self) -> dict[int, set[int]]:
        """By socket: those at which its messages can arrive."""
        found: dict[int, set[int]] = {}
        for receiver, facing in self._facing.items():
            for sender in facing:
                found.setdefault(sender, set()).add(receiver)
        return found

    def joined(self, sender: NDArray[np.int64], receiver: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the messages of each of these can arrive at each of those."""
        self.settle()
        code = sender * _WIDTH + receiver
        place = np.minimum(np.searchsorted(self._codes, code), self._codes.size - 1)
        return self._codes[place] == code if self._codes.size else np.zeros(code.size, dtype=np.bool_)

    def settle(self) -> None:
        """Bring the lanes up to date."""
        if not self._stale:
            return
        self._stale = False
        self._codes = np.sort(np.array([s * _WIDTH + r for r, all_ in self._facing.items() for s in all_], np.int64))
        self.lane_out = np.full(len(self.names), -1, np.int64)
        self.lane_in = np.full(len(self.names), -1, np.int64)
        receivers: dict[int, list[int]] = {}
        for receiver, facing in self._facing.items():
            for sender in facing:
                receivers.setdefault(sender, []).append(receiver)
        whole: list[bool] = []
        alone: list[bool] = []
        for start in self._facing:
            if self.lane_in[start] >= 0:
                continue
            lane, into, out, todo = len(whole), {start}, set[int](), [start]
            while todo:
                for sender in self._facing[todo.pop()] - out:
                    out.add(sender)
                    todo += (fresh := set(receivers[sender]) - into)
                    into |= fresh
            self.lane_in[list(into)] = lane
            self.lane_out[list(out)] = lane
            whole.append(sum(len(self._facing[r]) for r in into) == len(into) * len(out))
            alone.append(len(into) == len(out) == 1)
        self.alone = np.array(alone, dtype=np.bool_)
        self.whole = np.array(whole, dtype=np.bool_)
