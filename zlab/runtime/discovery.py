"""Discovery: the sockets that a program opens, what they are called, and whom they face."""

from __future__ import annotations

import linecache
import math
import re
import threading
import time
import traceback
import weakref
from collections import Counter
from collections.abc import Callable  # noqa: TC003 - a decorator's types are read
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from itertools import islice
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast

import zmq

from zlab.diagnosis import two_threads
from zlab.probe import ProbedSocket, probe, unprobe
from zlab.recording import Recording
from zlab.recordings import Recordings, aim
from zlab.runtime.addresses import meets
from zlab.runtime.crowding import gate_of, inside_of, warn
from zlab.runtime.sharing import Turns, turned
from zlab.sockets import PUBLISHERS, SUBSCRIBERS

if TYPE_CHECKING:
    from types import FrameType

    from zlab.recording import Key

P = ParamSpec("P")

SEEN_LIMIT = 1_000
"""Sockets that are remembered while nobody looks: of more, those that have closed are let go."""

_HUBS = {"PUB", "XPUB", "XSUB", "ROUTER", "REP", "PULL"}
_AS = re.compile(r"\s*as\s+(\w+)")  # what follows the call
_IS = re.compile(r"(\w+)\s*(?::[^=]+)?=\s*$")  # what stands before it
_ARE = re.compile(r"\s*\(?([\w\s,.]+?),?\)?\s*=[^=]")  # several at once
_OPTIONS = {
    *("sndhwm", "rcvhwm", "hwm", "conflate", "immediate", "linger", "rcvtimeo"),
    *("routing_id", "router_mandatory", "router_handover", "req_correlate"),
    *("xpub_manual", "xpub_manual_last_value", "xpub_verbose", "xpub_verboser", "only_first_subscribe"),
}


@dataclass(slots=True, eq=False)
class Seen:
    """One socket of a program that zlab did not build."""

    recording: Recording
    socket: weakref.ref[zmq.Socket[Any]]
    context: int
    """The address of its libzmq context: an inproc name means something within it alone."""
    called: str
    """What the program calls it, where the line that made it says so, else its type."""
    maker: threading.Thread
    """The thread that made it."""
    opened: float
    """Seconds of ``time.perf_counter``."""
    binds: list[str] = field(default_factory=list)
    connects: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)
    """Addresses that libzmq did not connect to."""
    options: dict[str, int | str | bytes] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)
    ended: float = math.inf
    """When it was closed, likewise; endless while it is open."""

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self.ended < math.inf

    @property
    def placed(self) -> bool:
        """Whether it has a place in the topology."""
        return bool(self.recording.node)

    def held(self) -> int:
        """Messages that asyncio holds back, because libzmq has no room for them."""
        return len(getattr(self.socket(), "_send_futures", None) or ())

    def faces(self, other: Seen) -> bool:
        """Whether the two meet at an endpoint."""
        pairs = [(b, c) for b in self.binds for c in other.connects]
        pairs += [(b, c) for b in other.binds for c in self.connects]
        return any((self.context == other.context or not b.startswith("inproc://")) and meets(b, c) for b, c in pairs)


def _quietly(method: Callable[Concatenate[Any, P], None]) -> Callable[Concatenate[Any, P], None]:
    """Let a failure of the lab's own not reach the program: an event tells of it."""

    @wraps(method)
    def heard(self: Any, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception:  # noqa: BLE001 - whatever it is, the program is not to blame
            self.failed(traceback.format_exc())

    return cast("Callable[Concatenate[Any, P], None]", heard)


class Discovered(Recordings):
    """The recordings of a program, in the order in which it opened its sockets.

    Args:
        report: told of what happens to a socket: kind, recording, detail.
        failed: told of a failure of the lab's own, by its traceback.
    """

    def __init__(
        self,
        *,
        key: Key | None,
        trace_limit: int,
        complain: Callable[[Recording, str], None],
        report: Callable[[str, Recording, str], None],
        failed: Callable[[str], None],
    ) -> None:
        """Start with none."""
        super().__init__({}, key=key, trace_limit=trace_limit, complain=complain)
        self.seen: dict[Recording, Seen] = {}
        self.doubtful: frozenset[Recording] = frozenset()
        """Sockets that one thread waits on, and another has used last: each message of theirs is looked at."""
        self._hidden: set[str] = set()
        self._warned: set[Recording] = set()
        self._unsettled: list[tuple[Seen, str]] = []
        self._report = report
        self.failed = failed
        self._over = False

    # --- told by the probe ---------------------------------------------------------------------

    @_quietly
    def opened(self, socket: zmq.Socket[Any], context: zmq.Context[Any], maker: FrameType | None) -> None:
        """Put the probe under a socket; one that another lab watches is left to it."""
        if self._over or getattr(socket, "_recording", None) is not None:
            return
        if len(self.seen) >= SEEN_LIMIT:
            self._let_go()
        kind = zmq.SocketType(socket.type).name if socket.type in set(zmq.SocketType) else str(socket.type)
        recording = Recording("", "", kind)
        seen = Seen(
            recording,
            weakref.ref(socket),
            context.underlying,
            _name(maker) or kind.lower(),
            threading.current_thread(),
            time.perf_counter(),
        )
        for option, value in context.sockopts.items():
            self._note(seen, option, value)
        if recording.type in PUBLISHERS | SUBSCRIBERS:  # its context may have set it
            recording.inverts = bool(socket.getsockopt(zmq.INVERT_MATCHING))
        self.seen[recording] = seen
        probe(socket, recording, self, gate_of(recording, self.meet))
        if maker is None:  # it was open before anybody watched: where, and by which name, it must be asked
            with suppress(zmq.ZMQError):
                seen.options |= {"routing_id": named} if (named := socket.get(zmq.ROUTING_ID)) else {}
            url = socket.getsockopt_string(zmq.LAST_ENDPOINT)
            if url:
                recording.meets(url)
                self._unsettled.append((seen, url))

    def settle(self) -> None:
        """Tell which of the sockets that were open before bind and which connect: libzmq names the address alone."""
        waiting, self._unsettled = self._unsettled, []
        for seen, url in waiting:
            peers = [other for other, there in waiting if there == url]
            kinds = Counter(other.recording.type for other in peers)
            hub = min(peers, key=lambda other: (kinds[other.recording.type], other.recording.type not in _HUBS))
            (seen.binds if seen is hub and _is_here(url) else seen.connects).append(url)
        for seen, _ in waiting:
            self._meet(seen.recording)

    @_quietly
    def bound(self, recording: Recording, url: str) -> None:
        """Note where a socket has bound."""
        recording.meets(url)
        seen = self.seen.get(recording)
        if seen is not None and url not in seen.binds:
            seen.binds.append(url)
            self._report("bind", recording, url)
            self._meet(recording)

    @_quietly
    def connected(self, recording: Recording, url: str) -> None:
        """Note where a socket has connected to."""
        recording.meets(url)
        seen = self.seen.get(recording)
        if seen is not None and url not in seen.connects and url not in self._hidden:
            seen.connects.append(url)
            self._report("connect", recording, url)
            self._meet(recording)

    @_quietly
    def unreachable(self, recording: Recording, url: str) -> None:
        """Note where a socket could not connect to."""
        seen = self.seen.get(recording)
        if seen is not None and url not in seen.unreachable:
            seen.unreachable.append(url)

    def intruded(self, recording: Recording) -> None:
        """Warn of two threads in one socket, in the line of the second, which has not entered libzmq yet."""
        if recording in self._warned or recording not in self.seen:
            return
        self._warned.add(recording)
        name = recording.name if recording.node else self.seen[recording].called
        told = two_threads.words(name, recording.shared or ())
        self._report("error", recording, told)
        warn(f"{told}. {two_threads.MISTAKE.remedy}.")

    @_quietly
    def turned(self, recording: Recording, socket: zmq.Socket[Any], before: int) -> None:
        """Look whether threads share a socket."""
        seen = self.seen.get(recording)
        if seen is not None:
            turned(recording, seen.turns, socket, before, seen.maker.ident or 0)

    @_quietly
    def option(self, recording: Recording, option: int, value: object) -> None:
        """Note an option that decides what becomes of messages."""
        if recording in self.seen:
            self._note(self.seen[recording], option, value)

    def hide(self, url: str) -> None:
        """Leave out what connects to this address."""
        self._hidden.add(url)

    @_quietly
    def closing(self, recording: Recording) -> None:
        """Note a socket that is closed while another thread is inside it."""
        me, meter = threading.get_ident(), recording.meter
        inside = meter.thread if meter.inside and meter.thread != me else 0
        inside = inside or inside_of(recording, me) or 0
        if inside and recording in self.seen:
            self.meet(recording, inside, me)

    @_quietly
    def retire(self, recording: Recording) -> None:
        """Note a socket that has closed."""
        super().retire(recording)
        seen = self.seen.get(recording)
        if seen is not None and not seen.closed:  # it may be closed once more
            seen.ended = time.perf_counter()

    # --- asked by the runtime ------------------------------------------------------------------

    @property
    def known(self) -> tuple[Recording, ...]:
        """The live sockets that have a place in the topology."""
        return tuple(r for r in self.live if r.node)

    def _waits(self, recording: Recording) -> bool:
        """One without a place waits until it has got one, or has been forgotten."""
        return not recording.node and recording in self.seen

    def forget(self, recording: Recording) -> None:
        """Let go of a socket that has closed: it never had a place, or another has taken it over."""
        self.seen.pop(recording, None)
        self._warned.discard(recording)

    def _let_go(self) -> None:
        with self.later.lock:
            for seen in tuple(self.seen.values()):
                if seen.closed and not seen.placed:
                    del self.seen[seen.recording]
            self.retired = tuple(r for r in self.retired if r.node or r in self.seen)

    def end(self) -> None:
        """Watch no more; the sockets go on."""
        self._over = True
        for seen in tuple(self.seen.values()):
            socket = seen.socket()
            if isinstance(socket, ProbedSocket) and not seen.closed:
                unprobe(socket)

    def _aim_at(self, changed: Recording) -> None:
        mine = self.seen.get(changed)
        if mine is None:
            return
        peers = [s for r in self.live if (s := self.seen.get(r)) is not None and mine.faces(s)]
        for publisher in [mine] if changed.type in PUBLISHERS else peers:
            if publisher.recording.type in PUBLISHERS and publisher.recording in self.live:
                facing = [s for r in self.live if (s := self.seen.get(r)) is not None and s.faces(publisher)]
                aim(publisher.recording, [s.recording for s in facing if s.recording.type in SUBSCRIBERS])

    def _meet(self, recording: Recording) -> None:
        with self.later.lock:
            self._aim_at(recording)
            self._pass_on()

    @staticmethod
    def _note(seen: Seen, option: int, value: object) -> None:
        try:
            name = zmq.SocketOption(option).name.lower()
        except ValueError:
            return
        if name in _OPTIONS and isinstance(value, int | str | bytes):
            seen.options[name] = value


def _name(maker: FrameType | None) -> str:
    """What the program calls a socket: ``backend`` where its line reads ``backend = context.socket(zmq.DEALER)``."""
    if maker is None:
        return ""
    line = linecache.getline(maker.f_code.co_filename, maker.f_lineno, maker.f_globals)
    _, last, start, end = next(islice(maker.f_code.co_positions(), maker.f_lasti // 2, None), (None,) * 4)
    if last != maker.f_lineno or start is None or end is None:
        return ""
    coded = line.encode()
    before, after = coded[:start].decode(errors="ignore"), coded[end:].decode(errors="ignore")
    several = _ARE.match(line)
    names = [name.strip().rpartition(".")[2] for name in several[1].split(",")] if several else []
    place = before.count("socket(")
    if len(names) > 1 and place < len(names):
        return names[place].strip("_")
    found = _AS.match(after) or _IS.search(before)
    return found[1].strip("_") if found else ""


def _is_here(url: str) -> bool:
    """Whether somebody in this process may have bound it."""
    if not url.startswith("tcp://"):
        return True
    import psutil

    port = int(url.rpartition(":")[2])
    try:
        own = psutil.Process().net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return True
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in own)
