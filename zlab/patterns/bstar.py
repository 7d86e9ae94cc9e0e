"""The Binary Star: which of two servers is the active one, decided by what each hears of the other, and of clients."""

from __future__ import annotations

import time
from enum import IntEnum


class State(IntEnum):
    """What a server is, and tells its peer with each heartbeat."""

    PRIMARY = 1
    """The primary, which waits for its peer."""
    BACKUP = 2
    """The backup, which waits for its peer."""
    ACTIVE = 3
    """It serves clients."""
    PASSIVE = 4
    """It stands by."""


class SplitBrainError(RuntimeError):
    """Both servers are active, or both passive: neither can know whose state is right, so somebody has to decide."""


class BinaryStar:
    """One of the two.

    Args:
        state: `State.PRIMARY` or `State.BACKUP`, as it was set up.
        heartbeat: how often the two tell each other their states, in seconds.
    """

    def __init__(self, state: State, heartbeat: float) -> None:
        """Begin, and give the peer time to say something first."""
        self.state = state
        self._silence = 2 * heartbeat  # after which the peer is taken for dead
        self._expiry = time.monotonic() + self._silence

    def hear(self, said: bytes) -> None:
        """Take note of what the peer says of itself: the number of its state. What is none is not heard.

        Raises:
            SplitBrainError: it cannot be so.
        """
        try:
            peer = State(int(said))
        except ValueError:
            return
        self._expiry = time.monotonic() + self._silence
        if peer == self.state and peer in {State.ACTIVE, State.PASSIVE}:
            raise SplitBrainError(f"both servers are {peer.name.lower()}: end one of them, and start it again")
        if self.state == State.PRIMARY and peer == State.BACKUP:
            self.state = State.ACTIVE
        elif self.state in {State.PRIMARY, State.BACKUP} and peer == State.ACTIVE:
            self.state = State.PASSIVE
        elif self.state == State.PASSIVE and peer in {State.PRIMARY, State.BACKUP}:
            self.state = State.ACTIVE  # the peer was active, and begins anew

    def vote(self) -> bool:
        """A client has asked for something: whether this server is to serve it.

        It takes a client to make a server active whose peer is silent: so, if it is only the two that do not see each
        other, the clients decide, who see the one that they go on with.
        """
        if self.state in {State.PRIMARY, State.PASSIVE} and time.monotonic() >= self._expiry:
            self.state = State.ACTIVE
        return self.state == State.ACTIVE
