"""Breakpoints: what a message, a queue or a drop must be like for the world to stop there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from zlab.recording import Direction
from zlab.runtime.place import links_of, place, points
from zlab.sockets import PUBLISHERS, SUBSCRIBERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from zlab.ledger.snapshot import Snapshot
    from zlab.runtime.world import Passage, Point
    from zlab.topology import Topology

_SHOWN = 40  # characters of a message in the word that tells why the world stands
_DIRECTIONS = {"recv": Direction.RECV, "send": Direction.SEND}


class Breakpoint:
    """Where the world stops; as a context manager it is removed at the end of the block.

    Made by `zlab.lab.Lab.break_on`.
    """

    points: frozenset[Point] = frozenset()
    """Where its messages pass."""

    def __init__(self, spelling: str) -> None:
        """Be named as it was asked for."""
        self._spelling = spelling
        self.hits = 0
        """How often it has stopped the world."""
        self.removed = False
        self._forget: Callable[[Breakpoint], None] = lambda _: None

    def kept_by(self, forget: Callable[[Breakpoint], None]) -> Self:
        """Be removed by this."""
        self._forget = forget
        return self

    def matches(self, passage: Passage) -> bool:  # noqa: ARG002 - by default no message concerns it
        """Whether the world is to stop at this message."""
        return False

    def happened(self, snapshot: Snapshot) -> str:  # noqa: ARG002 - by default no figure concerns it
        """What has happened by this tick for which the world is to stop, in words, or ""."""
        return ""

    def remove(self) -> None:
        """Stop the world here no more; safe to call again."""
        self.removed = True
        self._forget(self)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Remove it."""
        self.remove()

    def __repr__(self) -> str:
        """As it was asked for, and how often it was met."""
        return f"<Breakpoint {self._spelling}: {'removed, ' if self.removed else ''}hit {self.hits} times>"

    def __str__(self) -> str:
        """As it was asked for."""
        return self._spelling


class MessageBreakpoint(Breakpoint):
    """Stops the world exactly at a message: before it is sent, or after it was received and before its program has it.

    Args:
        spelling: as it was asked for.
        at: the points to look at.
        topic: what the first frame begins with.
        body: what the last frame contains.
        when: called with the frames, in the node's thread.
        failed: told once when that raises; the message then passes.
    """

    def __init__(
        self,
        spelling: str,
        at: Iterable[Point],
        *,
        topic: bytes | None,
        body: bytes | None,
        when: Callable[[list[bytes]], object] | None,
        failed: Callable[[str], None],
    ) -> None:
        """Look at the messages that pass these points."""
        super().__init__(spelling)
        self.points = frozenset(at)
        self._topic, self._body, self._when, self._failed = topic, body, when, failed
        self._broken = False

    def matches(self, passage: Passage) -> bool:
        """Whether it is all that was asked for."""
        if passage.point not in self.points:
            return False
        frames = passage.frames
        if self._topic is not None and not bytes(frames[0]).startswith(self._topic):
            return False
        if self._body is not None and self._body not in bytes(frames[-1]):
            return False
        if self._when is None:
            return True
        try:
            return bool(self._when([bytes(frame) for frame in frames]))
        except Exception as error:  # noqa: BLE001 - the user's function must not hurt the node
            if not self._broken:
                self._broken = True
                self._failed(f"{self}: its function raised {type(error).__name__}: {error}; such messages pass")
            return False


class QueueBreakpoint(Breakpoint):
    """Stops the world at the tick at which more than so many messages are queued on a link."""

    def __init__(self, spelling: str, links: Sequence[int], limit: int) -> None:
        """Watch these links, by their places in the topology."""
        super().__init__(spelling)
        self._links, self._limit = links, limit
        self._over: frozenset[int] = frozenset()

    def happened(self, snapshot: Snapshot) -> str:
        """Which queue has grown over the limit since the last tick."""
        over = frozenset(i for i in self._links if snapshot.links[i].queued > self._limit)
        fresh, self._over = over - self._over, over
        if not fresh:
            return ""
        link = snapshot.links[min(fresh)]
        return f"{link.queued:,} messages are queued on {link.name}"


class DropBreakpoint(Breakpoint):
    """Stops the world at the tick at which a message was dropped."""

    def __init__(self, spelling: str, snapshot: Snapshot) -> None:
        """Begin with what has been dropped before."""
        super().__init__(spelling)
        self._before = [sum(link.dropped.values()) for link in snapshot.links]

    def happened(self, snapshot: Snapshot) -> str:
        """Where a message was dropped since the last tick, and why."""
        now = [sum(link.dropped.values()) for link in snapshot.links]
        before, self._before = self._before, now
        for link, dropped, known in zip(snapshot.links, now, before, strict=False):
            if dropped > known:
                reasons = ", ".join(reason for reason, number in link.dropped.items() if number)
                return f"{dropped - known:,} dropped on {link.name}: {reasons}"
        return ""


def breakpoint_on(
    topology: Topology,
    snapshot: Snapshot,
    where: str | None,
    *,
    topic: str | bytes | None,
    body: str | bytes | None,
    when: Callable[[list[bytes]], object] | None,
    queue: tuple[str, int] | None,
    drop: bool,
    failed: Callable[[str], None],
) -> Breakpoint:
    """Make the breakpoint that was asked for; see `zlab.lab.Lab.break_on`.

    Raises:
        KeyError: no such place.
        ValueError: nothing was asked for, or what does not go together.
    """
    asked = {"topic": topic, "body": body, "when": when, "queue": queue, "drop": drop or None}
    given = {name: value for name, value in asked.items() if value is not None}
    spelling = ", ".join([*([repr(where)] if where else []), *(f"{name}={_told(v)}" for name, v in given.items())])
    if not spelling:
        raise ValueError(
            "break on what? Such as break_on('worker-1.recv'), break_on(topic='weather'), break_on(body=b'17'), "
            "break_on(when=lambda frames: ...), break_on(queue=('ventilator → worker-1', 100)) or break_on(drop=True)"
        )
    if queue is not None or drop:
        if where or len(given) > 1:
            raise ValueError(
                f"break_on({spelling}): a queue or a drop is no message; give each a breakpoint of its own"
            )
        return DropBreakpoint(spelling, snapshot) if queue is None else _on_queue(topology, spelling, queue)
    if when is not None and not callable(when):
        raise ValueError(f"when={when!r} is no function: give one that takes the frames, such as lambda frames: ...")
    at = _points(topology, where, publishing=topic is not None)
    if not at:
        raise ValueError(f"break_on({spelling}): no PUB or SUB socket is there, and no other has topics; give body=")
    return MessageBreakpoint(spelling, at, topic=_bytes(topic), body=_bytes(body), when=when, failed=failed)


def _on_queue(topology: Topology, spelling: str, queue: tuple[str, int]) -> Breakpoint:
    try:
        where, limit = queue
    except (TypeError, ValueError):
        raise ValueError(f"queue={queue!r}: give a link and a number, such as ('ventilator → worker-1', 100)") from None
    if not isinstance(limit, int) or limit < 0:
        raise ValueError(f"queue={queue!r}: give zero or more messages, such as ('ventilator → worker-1', 100)")
    named = links_of(topology, where)
    return QueueBreakpoint(spelling, [i for i, link in enumerate(topology.links) if link in named], limit)


def _points(topology: Topology, where: str | None, *, publishing: bool) -> set[Point]:
    types = {name: spec.type for name, spec in topology.sockets()}
    if where is None:
        # Where a message is first seen, so that each stops the world once a hop: what comes from outside is received.
        fed = {link.receiver for link in topology.links}
        found = {p for p in points(topology) if p.direction is Direction.SEND or p.socket not in fed}
    else:
        node, _, word = where.rpartition(".")
        if word in _DIRECTIONS and node:
            found = {p for p in place(topology, node).holds if p.direction is _DIRECTIONS[word]}
            if not found:
                raise ValueError(f"{where}: {node} has no socket on which it could {word}")
        else:
            found = set(place(topology, where).holds)
    if publishing:
        found = {p for p in found if types[p.socket] in (SUBSCRIBERS if p.direction else PUBLISHERS)}
    return found


def told(passage: Passage) -> str:
    """What a message does where it stands, in words: ``worker-1 receives '17'``."""
    node, _, _ = passage.point.socket.rpartition(".")
    does = "receives" if passage.point.direction else "sends"
    if passage.recording.confidential:
        return f"{node} {does} what may bear a password, and is not shown"
    body = bytes(passage.frames[-1])
    try:
        text = body.decode()
        shown = repr(text) if text.isprintable() else repr(body)
    except UnicodeDecodeError:
        shown = repr(body)
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
    return f"{node} {does} {shown}"


def _told(value: Any) -> str:
    return getattr(value, "__name__", repr(value)) if callable(value) else repr(value)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
