"""What a server of a Clustered Hashmap knows while the other one serves: enough to take over at any moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zlab.patterns import chp

if TYPE_CHECKING:
    from collections.abc import Iterator

    import zmq

    ZMQSocket = zmq.Socket[bytes]


class Standby:
    """A copy of the peer's map, and what clients have asked of both servers and the peer has not done yet.

    Args:
        peer: a DEALER that is connected to where the peer gives snapshots.
        patience: how long to wait for a snapshot before one asks again, in seconds.
    """

    def __init__(self, peer: ZMQSocket, patience: float) -> None:
        """Begin with an empty map."""
        self.kvmap = chp.Hashmap()
        self._peer, self._patience = peer, patience
        self._pending: dict[bytes, chp.KVMsg] = {}  # by UUID
        self._done: dict[bytes, None] = {}  # what the peer did before it was heard of from the client
        self._wanted: float | None = None  # when to ask for a snapshot, or again; None once it has come
        self._since: list[chp.KVMsg] = []  # what the peer has published while the snapshot is under way

    def begin(self) -> tuple[()]:
        """The peer serves: forget one's own map, and copy that of the peer; there is nothing to be published."""
        self.kvmap, self._wanted = chp.Hashmap(), 0.0
        return ()

    def published(self, update: chp.KVMsg | None) -> None:
        """The peer has published this; once something has come, the subscription stands, and a snapshot is complete."""
        if update is None:
            return
        if self._wanted is not None and time.monotonic() >= self._wanted:
            self._wanted = time.monotonic() + self._patience
            self._peer.send_multipart([chp.ICANHAZ, b""])
        if self._wanted is not None:
            self._since.append(update)
        else:
            self.kvmap.apply(update)
        if update.uuid and not self._pending.pop(update.uuid, None):
            self._done[update.uuid] = None
            if len(self._done) > chp.MOST:
                del self._done[next(iter(self._done))]

    def snapshot(self, pair: chp.KVMsg | None) -> None:
        """A part of the snapshot has come."""
        if pair is None or self._wanted is None:
            return
        if pair.key != chp.KTHXBAI:
            self.kvmap.store(pair)
            return
        self.kvmap.sequence, self._wanted = pair.sequence, None
        for update in self._since:
            self.kvmap.apply(update)
        self._since.clear()

    def asked(self, update: chp.KVMsg | None, *, active: bool) -> Iterator[chp.KVMsg]:
        """A client has sent this to both servers: do it, or hold it until the peer has; what is to be published.

        Without a UUID nobody could tell whether the peer has done it: then it is not held.
        """
        if update is None or self._done.pop(update.uuid, self) is None:
            return
        if active:
            yield from filter(None, [self.kvmap.accept(update)])
        elif update.uuid and len(self._pending) < chp.MOST:
            self._pending[update.uuid] = update

    def take_over(self) -> Iterator[chp.KVMsg]:
        """The peer is dead: do what it has left undone; the updates that are to be published."""
        for update in self._since:  # the snapshot never came
            self.kvmap.apply(update)
        self._since.clear()
        self._wanted = None
        pending, self._pending = self._pending, {}
        for update in pending.values():
            yield from self.asked(update, active=True)
