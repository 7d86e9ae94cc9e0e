"""What the checks of the Clone models have in common: the maps that clients hold, from what they have received."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.checks import CheckFailed
from zlab.patterns.chp import HUGZ, KTHXBAI, Hashmap, KVMsg
from zlab.patterns.judging import called, last_failure, received
from zlab.patterns.pattern import NotYet
from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zlab.followed import Passage
    from zlab.lab import Lab

_FRAMES = 5  # of an update, after the envelope if there is one


class Held:
    """What one client holds: what it has received since it was started, replayed."""

    def __init__(self, lab: Lab, passages: Iterable[Passage], client: str) -> None:
        """Replay it."""
        # Before its thread starts; "restart" may be written down after that has received something.
        started = max((e.at for e in lab.history() if e.kind == "connect" and e.node == client), default=0.0)
        self.map = Hashmap()
        self.first, self.server = 0, ""
        syncing = False
        for passage, message in messages(received(passages, client, since=started)):
            if passage.receiver.rpartition(".")[2].startswith("snapshot"):
                if not syncing:
                    self.map, syncing = Hashmap(), True
                if message.key == KTHXBAI:
                    # It bears the highest number of the pairs; which client's it is may be told by those alone.
                    self.map.sequence = max((pair.sequence for pair in self.map.pairs.values()), default=0)
                    syncing = False
                else:
                    self.map.store(message)
            elif self.map.apply(message):
                self.first, self.server = self.first or message.sequence, node_of(passage.sender)

    def value(self, key: bytes) -> bytes:
        """What it holds for this key, b"" if nothing."""
        return self.map.pairs[key].body if key in self.map.pairs else b""


def messages(passages: Iterable[Passage]) -> Iterator[tuple[Passage, KVMsg]]:
    """Those of them that are messages of the protocol, and not requests."""
    for passage in passages:
        try:
            yield passage, KVMsg.parse(passage.frames[-_FRAMES:])
        except ValueError:
            continue


def alike(lab: Lab, *, late: bool = True, subtrees: bool = False) -> str:
    """Judge that all clients that live hold the same map, and that it is the one that was published.

    Args:
        lab: one with nodes ``client-1``, ``client-2``, ..., whose snapshots come to sockets of such a name.
        late: whether a client must also hold what was published before it joined.
        subtrees: whether each client holds the subtree that it has for an attribute, and nothing else.

    Raises:
        CheckFailed: a client has received what is not of its subtree.
        NotYet: one of them has received nothing since the last failure, or what it holds is not what was published.
    """
    passages, clients, since = lab.passages(), called(lab, "client", alive=True), last_failure(lab)
    maps = {client: Held(lab, passages, client) for client in clients}
    servers = {held.server for held in maps.values()}
    if len(servers) != 1 or "" in servers:
        told = ", ".join(f"{client} of {held.server or 'none'}" for client, held in maps.items())
        raise NotYet(f"not all have heard of one server: {told}")
    publisher = f"{servers.pop()}.publisher"
    sent = [p for p in passages if p.sender == publisher]
    published = {message.sequence: message for _, message in messages(sent) if message.key != HUGZ}
    for client, held in maps.items():
        if not received(sent, client, since=since):
            raise NotYet(f"{client} has received no update since second {since:.1f}; see lab.messages()")
        subtree: bytes = getattr(lab.topology[client].function, "subtree", b"") if subtrees else b""
        strange = [key for key in held.map.pairs if not key.startswith(subtree)]
        if strange:
            raise CheckFailed(f"{client} holds {strange[0].decode()}, which is not in {subtree.decode()}")
        first, last = 0 if late else held.first, held.map.sequence
        wanted = {
            m.key: m.body for s, m in sorted(published.items()) if first <= s <= last and m.key.startswith(subtree)
        }
        holes = [key for key, body in wanted.items() if held.value(key) != body]
        if holes:
            raise NotYet(
                f"{client} does not hold what was published for {holes[0].decode()}, or {len(holes) - 1} others"
            )
    keys, last = len({k for held in maps.values() for k in held.map.pairs}), max(h.map.sequence for h in maps.values())
    return f"{len(clients)} clients hold what the server has published, {keys} keys after {last} updates."
