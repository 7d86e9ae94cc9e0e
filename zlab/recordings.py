"""The recordings of one lab: which sockets are open, and which subscribers each publisher counts for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from threading import enumerate as enumerate_threads
from time import monotonic
from typing import TYPE_CHECKING, Any

from zlab.later import Later
from zlab.recording import TRACE_LIMIT, Ask, Asked, Filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zlab.recording import Counts, Key, Recording


_LEAVING = 1.0  # seconds within which a subscription that ends has been taken back at the publishers of an XSUB


def _same(counts: Counts) -> Counts:
    return counts


@dataclass(frozen=True, slots=True)
class Facing:
    """A subscriber that faces a publisher, by the topology."""

    receiver: str
    """The full name of the subscriber's socket."""
    binds: bool
    """Whether it is the publisher that binds."""
    reconnects: bool
    """Whether ZeroMQ connects again when the binding side comes back: not over inproc."""

    @property
    def keeps(self) -> bool:
        """Whether the publisher keeps its queue, and what it was asked for, until its subscriber is there again."""
        return self.reconnects and not self.binds

    def joins(self, publisher: Recording, receiver: Recording) -> bool:
        """Whether these two lives of theirs can meet."""
        binding, connecting = (publisher, receiver) if self.binds else (receiver, publisher)
        return self.reconnects or connecting.epoch >= binding.epoch


class Recordings:
    """All recordings of one lab: the live ones, and those whose socket has closed."""

    def __init__(
        self,
        facing: Mapping[str, tuple[Facing, ...]],
        *,
        key: Key | None = None,
        trace_limit: int = TRACE_LIMIT,
        complain: Callable[[Recording, str], None] = lambda _recording, _what: None,
    ) -> None:
        """Start empty.

        Args:
            facing: for each publisher's full name, the subscribers that face it.
            key: what makes a message itself; None for its last frame.
            trace_limit: records that a socket writes between two visits of the clock.
            complain: told in words that the key function has failed, once for each socket.
        """
        self.key = key
        self.trace_limit = trace_limit
        self.complain = complain
        self.epoch = 0
        """How many restarts there have been."""
        self._facing = facing
        self._faced: dict[str, list[str]] = {}
        for publisher, subscribers in facing.items():
            for subscriber in subscribers:
                self._faced.setdefault(subscriber.receiver, []).append(publisher)
        self._named: dict[str, Recording] = {}
        self._gone: dict[str, Recording] = {}  # the last life of an XSUB of a proxy that is not there now
        self._passing: tuple[Recording, ...] = ()  # XPUBs whose subscribers' wishes are passed on
        self.later = Later()
        """Held while any of this is changed; that of a proxy, which counts for its subscribers, is within it."""
        self.live: tuple[Recording, ...] = ()
        self.retired: tuple[Recording, ...] = ()
        self.multipart = False

    def add(self, recording: Recording) -> None:
        """Note a socket that has opened."""
        self.later.take()  # one of its name may have closed
        with self.later.lock:
            recording.epoch = self.epoch
            self.live = (*self.live, recording)
            self._named[recording.name] = recording
            self._gone.pop(recording.name, None)
            if self.multipart:
                recording.ask()
            self._aim_at(recording)
            self._pass_on()

    def closing(self, recording: Recording) -> None:
        """Hear that a socket is about to be closed; a lab closes those of its nodes itself."""

    def retire(self, recording: Recording) -> None:
        """Note a socket that has closed; its counts stay."""
        if self.later.puts_off(partial(self.retire, recording)):
            return
        with self.later.lock:
            if recording not in self.live:
                return
            recording.over = True
            self.live = tuple(r for r in self.live if r is not recording)
            self.retired = (*self.retired, recording)
            self._named.pop(recording.name, None)
            if recording.beyond is not None:
                self._gone[recording.name] = recording
            self._aim_at(recording)
            self._pass_on()
            self._passing = tuple(each for each in self._passing if not each.over)

    @property
    def known(self) -> tuple[Recording, ...]:
        """The live sockets that have a place in the topology."""
        return self.live

    def take_retired(self) -> dict[Recording, Counts]:
        """Sockets that have closed since the last call, with their last counts."""
        self.later.take()
        with self.later.lock:
            self._pass_on()
            waiting = {recording for recording in self.retired if self._waits(recording)}
            retired = [recording for recording in self.retired if recording not in waiting and recording.node]
            self.retired = tuple(recording for recording in self.retired if recording in waiting)
        final = {recording: recording.counts() for recording in retired}
        for recording, counts in final.items():
            recording.counts = partial(_same, counts)  # the probe's own closure holds the socket
        return final

    def _waits(self, recording: Recording) -> bool:  # noqa: ARG002 - none does, in a lab that made the socket
        """Whether what a closed socket has counted is to be told later."""
        return False

    def subscribe(self, recording: Recording, prefixes: tuple[bytes, ...]) -> None:
        """Note all that a subscriber now asks for."""
        with self.later.lock:
            recording.subscriptions = prefixes
            for publisher in self.live:
                if any(known.receiver is recording for known in publisher.filters):
                    _ask(publisher)
            self._pass_on()

    def invert(self, recording: Recording, inverts: bool) -> None:  # noqa: FBT001 - it is what is told
        """Note whether a publisher sends, or a subscriber takes, what was not asked for (ZMQ_INVERT_MATCHING)."""
        with self.later.lock:
            recording.inverts = inverts
            for publisher in self.live:
                if publisher is recording or any(known.receiver is recording for known in publisher.filters):
                    _ask(publisher)
            self._pass_on()

    def proxied(self, one: Recording, other: Recording) -> None:
        """Hear that a ``zmq.proxy`` serves two sockets: an XSUB asks for what those ask for who face its XPUB."""
        with self.later.lock:
            for each in (one, other):
                each.tell(each.asked)  # the proxy counts what matches, if it can
            for front, back in ((one, other), (other, one)):
                if (front.type, back.type) == ("XSUB", "XPUB"):
                    front.beyond, back.before = back, front
                    self._passing = (*(each for each in self._passing if each is not back), back)
                    self._pass_on()

    def _pass_on(self) -> None:
        """Let each XSUB of a proxy ask for what is asked for behind it; there may be a chain of them."""
        for _ in self._passing:
            changed = [self._pass_on_to(back.before, back) for back in self._passing if back.before is not None]
            if not any(changed):
                return

    def _pass_on_to(self, front: Recording, back: Recording) -> bool:
        """Returns whether that has changed."""
        if front.over or back.over:
            return False
        asked = _least({prefix for each in back.filters for prefix in each.prefixes})
        now = monotonic()
        left = {prefix: since for prefix, since in front.leaving if now - since < _LEAVING}
        left |= dict.fromkeys(set(front.subscriptions) - set(asked), now)
        leaving = tuple((prefix, since) for prefix, since in left.items() if not prefix.startswith(asked))
        front.vague = any(each.inverts is not False or _is_mute(each.receiver) for each in back.filters)
        if (asked, leaving) == (front.subscriptions, front.leaving):
            return False
        front.subscriptions, front.leaving = asked, leaving
        for publisher in self.live:
            facing = [known for known in publisher.filters if known.receiver is front]
            if facing:
                _ask(publisher)
            for each in facing if len(leaving) < len(left) else ():
                each.returned = each.let_go
        return True

    def option(self, recording: Recording, option: int, value: object) -> None:
        """Hear that a socket option was set; a lab that made the socket knows."""

    def meet(self, recording: Recording, inside: int, comes: int) -> None:
        """Hear of two threads in one socket, as ``threading.get_ident`` names them."""
        if recording.shared is None:
            names = {thread.ident: thread.name for thread in enumerate_threads()}
            recording.shared = names.get(inside, f"thread {inside}"), names.get(comes, f"thread {comes}")
        self.intruded(recording)

    def turned(self, recording: Recording, socket: Any, before: int) -> None:
        """Hear that a thread uses a socket after another one, as ``threading.get_ident`` names it."""

    def intruded(self, recording: Recording) -> None:
        """Hear that a thread is about to enter a socket in which another one is; see `Recording.shared`.

        Raises:
            RuntimeError: always: libzmq would end the whole process sooner or later, and the notebook with it.
        """
        raise RuntimeError(
            f"{recording.name} is used from two threads at once, which can crash the process at any moment: "
            "a ZeroMQ socket belongs to one thread, so give each thread a socket of its own"
        )

    def unreachable(self, recording: Recording, url: str) -> None:
        """Hear of an address that libzmq did not connect to; a lab that made the socket knows."""

    def bound(self, recording: Recording, url: str) -> None:
        """Hear that a socket has bound; a lab that made the socket knows."""

    def connected(self, recording: Recording, url: str) -> None:
        """Hear that a socket has connected; a lab that made the socket knows."""

    def hide(self, url: str) -> None:
        """Hear of an address that is no part of the topology."""

    def announce_multipart(self) -> None:
        """From now on some messages have several frames: every probe asks after each frame."""
        with self.later.lock:
            self.multipart = True
            for recording in self.live:
                recording.ask()

    def _aim_at(self, changed: Recording) -> None:
        for name in (changed.name, *self._faced.get(changed.name, ())):
            if name in self._named:
                publisher = self._named[name]
                receivers = (
                    r
                    for facing in self._facing.get(publisher.name, ())
                    if (r := self._named.get(facing.receiver) or self._kept(publisher, facing)) is not None
                    and facing.joins(publisher, r)
                )
                aim(publisher, receivers)

    def _kept(self, publisher: Recording, facing: Facing) -> Recording | None:
        """The XSUB of a proxy that is not there now, and for which this publisher keeps its queue."""
        gone = self._gone.get(facing.receiver) if facing.keeps else None
        return gone if any(known.receiver is gone for known in publisher.filters) else None


def aim(publisher: Recording, receivers: Iterable[Recording]) -> None:
    """Let a publisher's probe count what matches each of these subscribers, and no others."""
    known: dict[Recording, list[Filter]] = {}  # several where they meet at several endpoints
    for each in publisher.filters:
        known.setdefault(each.receiver, []).append(each)
    # A subscriber whose socket has closed is matched no more; its filter lives on in the ledger.
    sent = publisher.counts().sent
    # What a publisher that has kept its queue was asked for before, it goes on sending.
    kept = {each.receiver.name: each.prefixes for each in publisher.filters if each.receiver.over}
    wanted = tuple(
        known[r].pop(0) if known.get(r) else Filter(publisher, r, sent, kept=kept.get(r.name, ())) for r in receivers
    )
    if set(wanted) != set(publisher.filters):
        for gone in set(publisher.filters) - set(wanted):
            gone.turn_to(Ask(gone.prefixes))  # which nobody counts
            gone.turn_core_to(Ask(gone.core[0].prefixes))
            gone.ended = sent
        publisher.aimed.extend(f for f in wanted if f not in publisher.filters)
        _note_audience(publisher, wanted, sent)
        publisher.filters = wanted
        _ask(publisher)


def _note_audience(publisher: Recording, wanted: tuple[Filter, ...], sent: int) -> None:
    if wanted and not publisher.filters:
        publisher.audience.append((sent, math.inf))
    elif publisher.filters and not wanted:
        began, _ = publisher.audience.pop()
        publisher.audience.append((began, sent))


def _ask(publisher: Recording) -> None:
    """Let a publisher's probe look up what its subscribers ask for now."""
    wanted = {each: _wanted(each) for each in publisher.filters}
    cores = {each: _core(each) for each in publisher.filters if each.receiver.type == "XSUB"}
    hands = [hand for each in publisher.filters for hand in (each.core, each.asks)]
    known = {(ask.prefixes, ask.inverted): ask for ask, _ in hands}
    asks = {
        key: known.get(key) or Ask(key[0], inverted=key[1])
        for key in (*wanted.values(), *cores.values())
        if key != _NOTHING
    }
    single: dict[int, dict[bytes, Ask]] = {}
    for (prefixes, inverted), ask in asks.items():
        if len(prefixes) == 1 and not inverted:
            single.setdefault(len(prefixes[0]), {})[prefixes[0]] = ask
    several = tuple(ask for (prefixes, inverted), ask in asks.items() if len(prefixes) > 1 and not inverted)
    publisher.asked = Asked(tuple(single.items()), several, tuple(ask for key, ask in asks.items() if key[1]))
    publisher.tell(publisher.asked)
    for turned, of in ((wanted, "asks"), (cores, "core")):
        for each, key in turned.items():
            ask = getattr(each, of)[0]
            if ask is not asks.get(key) and ((ask.prefixes, ask.inverted) != _NOTHING or key != _NOTHING):
                (each.turn_to if of == "asks" else each.turn_core_to)(asks.get(key) or Ask(()))


def _wanted(each: Filter) -> tuple[tuple[bytes, ...], bool]:
    """The prefixes that a subscriber asks for, and whether it is sent what begins with none of them."""
    inverts = each.inverts
    if inverts is None:
        return _NOTHING
    if each.receiver.type == "XSUB":
        left = [prefix for prefix, _ in each.receiver.leaving]
        return _least({*each.receiver.subscriptions, *each.kept, *left}), inverts
    return tuple(sorted(set(each.receiver.subscriptions))), inverts


def _core(each: Filter) -> tuple[tuple[bytes, ...], bool]:
    """The same of an XSUB, without what nobody behind it asks for any more."""
    return _least({*each.receiver.subscriptions, *each.kept}), bool(each.inverts)


def _least(prefixes: set[bytes]) -> tuple[bytes, ...]:
    """Of some prefixes, those that are not contained in another."""
    least: list[bytes] = []
    for prefix in sorted(prefixes):
        if not prefix.startswith(tuple(least)):
            least.append(prefix)
    return tuple(least)


def _is_mute(receiver: Recording) -> bool:
    """Whether it subscribes by messages of its own, which nobody reads."""
    return receiver.type == "XSUB" and receiver.beyond is None


_NOTHING: tuple[tuple[bytes, ...], bool] = (), False
