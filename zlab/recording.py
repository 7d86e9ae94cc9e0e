"""What happened, as it is written down: events, and one bounded buffer for each socket, with one writer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from operator import add, attrgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from zlab.secret import ZAP

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRACE_LIMIT = 400
"""Trace records that a socket writes between two visits of the clock; beyond, it counts on without tracing."""
FULL_TRACE_LIMIT = 250_000
"""The same where every message is to be traced, whatever it costs: at full rate, and 112 bytes each, 28 MB."""
RICH_LIMIT = 1_000
"""Of these, the ones that are written down with their frames; what comes after is written in short."""

Key = Callable[[list[bytes]], Hashable]
"""A user's function: takes the frames of a message as the application sees them, tells what makes it itself."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a lab, other than a message crossing a socket."""

    at: float
    """Seconds since the lab started."""
    kind: str
    """One word: ``bind``, ``connect``, ``start``, ``finish``, ``kill``, ``restart``, ``error``, ..."""
    node: str
    """The node's name, or "" where the event concerns the whole lab."""
    socket: str = ""
    """The socket's name within the node, or ""."""
    detail: str = ""
    """What a person needs to know: a URL, a reason, a traceback."""


AUDIENCES = 1_000
"""Times at which a publisher had an audience that are remembered, so that no gap between them is taken for one."""
SHOWN = 4096
"""Bytes of a frame that are kept so that a person can look at it."""
LEAN = np.dtype([(name, np.int64) for name in ("time", "done", "rank", "key", "size", "direction")] + [("head", "V64")])
"""A traced message as the compiled probe writes it at full rate: `Trace` in short, and how its last frame begins."""
_NO_ROWS = np.zeros(0, LEAN)


class Direction(IntEnum):
    """Which way a message crossed a socket."""

    SEND = 0
    RECV = 1


class Trace(NamedTuple):
    """One message that crossed one socket, as its probe saw it."""

    time: int
    """Nanoseconds of ``time.perf_counter_ns``: when send was called, or when recv returned."""
    direction: Direction
    rank: int
    """The how-manieth message it is in this direction on this socket, from 1."""
    key: int
    """What the message is known by, at every socket of the process: its last frame, or what the user's key names."""
    size: int
    """Bytes, all frames together."""
    head: bytes
    """On sends of publishers, the first bytes of the first frame (a topic); on others at full rate, of the last."""
    matched: tuple[tuple[Filter, int], ...]
    """On sends of publishers: the filters that it matched, and how many each had matched, this one included."""
    done: int = 0
    """On sends: when send returned, on the same clock."""
    frames: tuple[bytes, ...] = ()
    """On sends: the frames as the application sent them, each cut after `SHOWN` bytes; () at full rate."""
    times: int = 1
    """On sends: the how-manieth time it left; more than once where a fault sent it again, 0 where one kept it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What was traced on one socket between two visits of the clock; each part of it in the order of time."""

    whole: list[Trace]
    """Where there was time for it: with frames, and what a publisher's messages matched."""
    rows: NDArray[np.void] = field(default_factory=lambda: _NO_ROWS)
    """The others, as `LEAN` describes them; they are the probe's own, and written over once nobody holds them."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.whole) + len(self.rows)

    @property
    def hurried(self) -> bool:
        """Whether there were more than are written down with their frames."""
        return len(self.whole) >= RICH_LIMIT

    def traces(self) -> list[Trace]:
        """All, as `Trace`, in the order of time."""
        return sorted([*self.whole, *(lean(*row) for row in self.rows.tolist())], key=attrgetter("time"))


def lean(time: int, done: int, rank: int, key: int, size: int, direction: int, head: bytes) -> Trace:
    """What was written in short, as a `Trace`."""
    return Trace(time, Direction(direction), rank, key, size, head[:size] if not direction else b"", (), done)


class Counts(NamedTuple):
    """What crossed a socket so far: messages, frames, and bytes."""

    sent: int
    sent_frames: int
    sent_bytes: int
    refused: int
    received: int
    received_frames: int
    received_bytes: int
    swallowed: int = 0
    """Messages that a fault let go no further, though ``send`` returned; they are in `sent`."""
    copied: int = 0
    """Messages that a fault sent once more; they are not in `sent`."""

    @property
    def left(self) -> int:
        """Messages that have left the socket: what was sent, without what a fault kept, with what it sent again."""
        return self.sent - self.swallowed + self.copied

    def plus(self, other: Counts) -> Counts:
        """The sum of two counts, field by field."""
        return Counts._make(map(add, self, other))


NOTHING = Counts(0, 0, 0, 0, 0, 0, 0)
"""What has crossed a socket before the first message."""


SENDING, RECEIVING = 1, 2
"""What `Meter.inside` tells; as the compiled probe has it."""


class Meter(Protocol):
    """What a probe counts with, as far as others look at it."""

    thread: int
    """The thread that last sent or received on it, as ``threading.get_ident`` names it; 0 before the first time."""
    inside: int
    """0, or while its thread is inside libzmq `SENDING` or `RECEIVING`."""
    entered: int
    """When the send began that is traced and not written down yet, in nanoseconds; 0 where there is none."""
    overflowed: bool
    """Whether messages went untraced because the buffer was full."""
    out_of_step: int
    """Calls that libzmq refused because it was not their turn (EFSM)."""

    def drain(self) -> tuple[bytes, int]:
        """Take the records, as `LEAN` describes them, that were written since the last call, and their number."""


@dataclass(slots=True)
class _Unmetered:
    """The meter of a socket that no probe has been put under yet."""

    thread: int = 0
    inside: int = 0
    entered: int = 0
    overflowed: bool = False
    out_of_step: int = 0

    def drain(self) -> tuple[bytes, int]:
        return b"", 0


def _unheard(*_: object) -> None:
    """Stand for what a probe is told whose socket has closed."""


@dataclass(slots=True, eq=False)
class Ask:
    """A set of prefixes that subscribers ask a publisher for: however many ask for it, it is counted once."""

    prefixes: tuple[bytes, ...]
    count: int = 0
    """Messages that matched it since somebody asked; written by the publisher's thread."""
    inverted: bool = False
    """Whether it asks for what begins with none of them (ZMQ_INVERT_MATCHING)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """All that a publisher is asked for, as its probe looks it up."""

    single: tuple[tuple[int, Mapping[bytes, Ask]], ...] = ()
    """Those of one prefix, by its length: a message has one beginning of each."""
    several: tuple[Ask, ...] = ()
    """Those of more than one prefix, which may overlap."""
    inverted: tuple[Ask, ...] = ()
    """Those that ask for what begins with none of their prefixes: then no message takes the fast path."""


@dataclass(slots=True, eq=False)
class Filter:
    """What one subscriber asked for, and how many messages of one publisher matched it."""

    publisher: Recording
    receiver: Recording
    began: int
    """What the publisher had sent when the subscriber came."""
    asks: tuple[Ask, int] = field(default_factory=lambda: (Ask(()), 0))
    """What it asks for now, and what its own count has more than that one's."""
    core: tuple[Ask, int] = field(default_factory=lambda: (Ask(()), 0))
    """Of an XSUB, the same of what is asked for now by those behind it, and not of what one of them has just let go."""
    returned: int = 0
    """What it had let go of when some of that was asked for again: then it counts as asked for all the time."""
    kept: tuple[bytes, ...] = ()
    """Of an XSUB, what its last life had asked for: a publisher that reconnects to it goes on sending that."""
    ended: int | None = None
    """What it had sent when the subscriber went."""
    swallowed: int = 0
    """Messages that would have matched, and that a fault let go no further; written by the publisher's thread."""
    copied: int = 0
    """Messages that matched once more, because a fault sent them again; written likewise."""

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """What it asks for now."""
        return self.asks[0].prefixes

    @property
    def matched(self) -> int:
        """Messages that have matched so far."""
        ask, more = self.asks
        return ask.count + more

    @property
    def inverts(self) -> bool | None:
        """Whether it is sent what it did not ask for; None where what it is sent is not what it takes.

        ZMQ_INVERT_MATCHING, which publisher and subscriber must agree on; XSUB takes all that it is sent.
        """
        if self.receiver.type == "SUB" and self.receiver.inverts is not self.publisher.inverts:
            return None
        return self.publisher.inverts

    def wants(self, head: bytes) -> bool:
        """Whether a message that begins so is for this subscriber."""
        ask, _ = self.asks
        return head.startswith(ask.prefixes) is not ask.inverted

    def turn_to(self, other: Ask) -> None:
        """Count by another set of prefixes from now on."""
        ask, more = self.asks
        # In one assignment, without a call: the publisher counts on meanwhile.
        self.asks = other, ask.count + more - other.count

    def turn_core_to(self, other: Ask) -> None:
        """Count what is asked for now by another set of prefixes."""
        ask, more = self.core
        self.core = other, ask.count + more - other.count

    @property
    def let_go(self) -> int:
        """Messages that have matched only what somebody behind an XSUB had just let go of."""
        ask, more = self.core
        return self.matched - ask.count - more

    @property
    def filtered(self) -> int:
        """Messages sent meanwhile that did not match."""
        ended = self.publisher.counts().sent if self.ended is None else self.ended
        return max(0, ended - self.began - self.swallowed - self.matched + self.copied)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """One side of a proxy, as the proxy itself counts it."""

    partner: Recording
    """The socket at the other side."""
    read: Callable[[], Counts]
    """Asks the proxy, and gives all that has crossed this socket; where it does not see messages, no number of them."""
    close: Callable[[], None]
    """Ends the asking; `read` then gives the last answer."""
    turn: Callable[[], None]
    """Tells the proxy to pass by the gates from now on."""
    unseen: Callable[[], bool]
    """Whether messages move that no gate sees, because it has not been told or has not heard yet."""
    hold: Callable[[], None]
    """Tells the proxy to move nothing more, because it is to end; `read` then gives what it has moved in all."""
    asked: Callable[[Asked], None]
    """Tells the proxy what is asked for of this side; where it can, it counts what matches."""
    sees: bool
    """Whether it sees messages, and what they match: libzmq's own loop tells of frames and bytes alone."""


@dataclass(slots=True, eq=False)
class Recording:
    """All that is known of one live socket: written by the thread that owns it, read by the collector.

    A node that is restarted gets new sockets, and each a new recording.
    """

    node: str
    socket: str
    type: str
    epoch: int = 0
    """How many restarts there had been when it was opened."""
    trace: list[Trace] = field(default_factory=list)
    forwarded: Forwarded | None = None
    """Where a ``zmq.proxy`` moves this socket's messages: its counts instead of the probe's."""
    filters: tuple[Filter, ...] = ()
    """Of the subscribers that face this publisher now; replaced as a whole, never changed in place."""
    asked: Asked = field(default_factory=Asked)
    """What these ask for; replaced as a whole likewise."""
    aimed: list[Filter] = field(default_factory=list)
    """Filters that this publisher has been given and that the ledger has not heard of yet."""
    audience: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=AUDIENCES))
    """When anybody at all subscribed: what it had sent when the first came and when the last went, or inf; the last."""
    over: bool = False
    """Whether its socket has closed."""
    subscriptions: tuple[bytes, ...] = ()
    """What this subscriber asked for."""
    inverts: bool = False
    """Whether its ZMQ_INVERT_MATCHING is set."""
    beyond: Recording | None = None
    """Of an XSUB: the XPUB at the other side of a ``zmq.proxy``, whose subscribers' wishes it passes on."""
    before: Recording | None = None
    """Of such an XPUB: that XSUB."""
    leaving: tuple[tuple[bytes, float], ...] = ()
    """What nobody behind such an XSUB asks for any more, and since when: its publishers may not have heard yet."""
    vague: bool = False
    """Whether what such an XSUB asks for cannot be told."""
    counts: Callable[[], Counts] = field(default=lambda: NOTHING)
    """Reads the counters; set by the probe."""
    watch: Callable[[int | None, bool, bool], None] = field(default=lambda _mask, _gated, _rich: None)
    """Tells the probe what to trace, whether to pass by the gate, and whether to keep frames; set by the probe.

    A message is traced when ``hash(last frame) & mask == 0``: 0 traces every message, None none. Frames are kept
    where every message is traced and there is time for it.
    """
    meter: Meter = field(default_factory=_Unmetered)
    """What the probe counts with; set by the probe."""
    tell: Callable[[Asked], None] = field(default=lambda _asked: None)
    """Tells a publisher's probe what is asked for; set by the probe."""
    gated: bool = False
    """Whether its messages pass by a gate now."""
    ask: Callable[[], None] = field(default=lambda: None)
    """Tells the probe that a message may have several frames; set by the probe."""
    awaited: Callable[[], bool] = field(default=lambda: False)
    """Whether a coroutine waits for a message of it, where asyncio is used; set by the probe."""
    shared: tuple[str, str] | None = None
    """Two threads that have used it at once: the one that was inside libzmq, and the one that came."""
    by_turns: tuple[str, str] | None = None
    """Two threads that have used it by turns, though nothing keeps them from using it at once."""
    confidential: bool = False
    """Whether its messages are counted and never traced: they may bear a password."""

    def meets(self, url: str) -> None:
        """Hear of an address that it binds or connects to: what passes at a ZAP handler's is confidential (RFC 27)."""
        if url.startswith(ZAP):
            self.confidential = True
            self.watch(None, self.gated, False)  # noqa: FBT003 - its signature

    def look(self, mask: int | None, *, gated: bool, rich: bool) -> None:
        """Tell the probe what to trace, as `watch` does, where its messages may be traced at all."""
        self.watch(None if self.confidential else mask, gated, rich)

    @property
    def name(self) -> str:
        """The socket's full name, ``node.socket``."""
        return f"{self.node}.{self.socket}"

    def heard(self, rank: int) -> bool:
        """Whether anybody subscribed when this publisher sent its so-manieth message."""
        return any(began < rank <= ended for began, ended in tuple(self.audience))

    def take_aimed(self) -> list[Filter]:
        """Take the filters that have come since the last call, but those of subscribers that have no place yet."""
        aimed = self.aimed[:]
        del self.aimed[: len(aimed)]
        self.aimed.extend([each for each in aimed if not each.receiver.node][-AUDIENCES:])
        return [each for each in aimed if each.receiver.node]

    def let_go(self) -> None:
        """Let go of all that the probe has made, once the socket has closed and what it has traced has been taken."""
        self.watch, self.tell, self.ask = _unheard, _unheard, _unheard
        self.awaited = bool
        self.meter = _Unmetered(self.meter.thread, out_of_step=self.meter.out_of_step)
        self.trace, self.forwarded = [], None

    def drain(self) -> Batch:
        """Take what was traced since the last call; the writer may go on meanwhile."""
        traces = self.trace[:]
        del self.trace[: len(traces)]
        store, used = self.meter.drain()
        return Batch(traces, np.frombuffer(store, LEAN, used) if used else _NO_ROWS)
