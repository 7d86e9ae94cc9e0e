"""The lab: a topology that runs, and all that can be asked of it and done to it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

from zlab.ledger import frames
from zlab.ledger.fates import Fates
from zlab.ledger.snapshot import Snapshot
from zlab.probe import identify
from zlab.runtime import registry
from zlab.runtime.clock import Clock
from zlab.runtime.run import Run
from zlab.topology import Topology, TopologyError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    import pandas as pd

    from zlab.ledger.journeys import Hop
    from zlab.recording import Event, Key
    from zlab.runtime.gates import Delays
    from zlab.views.dashboard import Dashboard
    from zlab.views.picture import Picture

_TRACES = ("adaptive", "full")
LARGEST = 10_000_000
"""Bytes of the largest message that a node can be tuned to."""
_WAIT = 10.0  # seconds: how long `wait` waits unless told otherwise


class Lab:
    """A running topology. Made by `zlab.run`; a context manager that stops it at the end.

    As the last expression of a cell in JupyterLab it shows its live dashboard. All methods may be
    called from any thread.
    """

    def __init__(self, topology: Topology, transport: str, *, key: Key | None = None, trace: str = "adaptive") -> None:
        """Start it; use `zlab.run`."""
        if trace not in _TRACES:
            raise ValueError(f"trace={trace!r}: give {' or '.join(map(repr, _TRACES))}")
        self._run = Run(topology, transport, key=key, full=trace == "full")
        try:
            self._clock = Clock(self._run)
        except BaseException:
            self._run.stop()
            raise
        self._speed = 1.0
        self._finished = False
        self._dashboard: Dashboard | None = None
        registry.enter(self)

    # --- what it is ----------------------------------------------------------------------------

    @property
    def topology(self) -> Topology:
        """What runs."""
        return self._run.topology

    @property
    def transport(self) -> str:
        """What bare endpoint names were resolved to: ``inproc``, ``ipc`` or ``tcp``."""
        return self._run.endpoints.transport

    @property
    def endpoints(self) -> dict[str, str]:
        """Endpoint name to the URL in use: over tcp and ipc, an outside program can join there."""
        return dict(self._run.endpoints.urls)

    @property
    def state(self) -> str:
        """``running``, ``paused`` or ``stopped``."""
        if self._run.stopped:
            return "stopped"
        return "paused" if self._run.world.paused else "running"

    # --- what can be done to it ----------------------------------------------------------------

    def pause(self) -> None:
        """Stop the world: no message is sent or delivered until `resume`, and none is lost.

        A call of send or recv that is under way in ZeroMQ ends there, and its node waits before
        the message goes further.
        """
        if not self._run.stopped:
            self._run.set_world(paused=True, speed=self._speed)
            self._run.report("pause", "", "", "")

    def resume(self, speed: float | None = None) -> None:
        """Go on after `pause`, or change the speed.

        Args:
            speed: 1.0 is full speed; 0.1 lets every source send a tenth as often, each in its
                order; None keeps the speed as it is. A message itself crosses as fast as ever, so
                latencies stay true.

        Raises:
            ValueError: a speed that is not above 0 and at most 1.
        """
        if speed is not None and not 0 < speed <= 1:
            raise ValueError(f"speed={speed!r}: give a number above 0 and up to 1, such as 0.1 for a tenth of the rate")
        if self._run.stopped:
            return
        self._speed = self._speed if speed is None else speed
        self._run.set_world(paused=False, speed=self._speed)
        self._run.report("resume", "", "", f"speed {self._speed:g}")

    def tune(self, *nodes: str, rate: float | None = None, size: int | None = None) -> None:
        """Change how fast and how large nodes send, while they run.

        Args:
            nodes: which; none means all that can be tuned.
            rate: messages per second.
            size: bytes a message, at most 10,000,000; a node never sends less than its message needs.

        Raises:
            KeyError: no such node.
            ValueError: a negative or too large figure, or none of the nodes can be tuned so.
        """
        if rate is not None and not rate >= 0:
            raise ValueError(f"rate={rate!r}: give zero or more messages per second")
        if size is not None and not 0 <= size <= LARGEST:
            raise ValueError(f"size={size!r}: give 0 to {LARGEST:,} bytes")
        for name in nodes:
            self._run.find(name)
        self._run.tune(nodes or tuple(self._run.nodes), rate=rate, size=size)

    def kill(self, node: str) -> None:
        """End a node at once, whatever it is blocked in; what is in its queues is lost.

        Raises:
            KeyError: no such node.
            TimeoutError: it did not end within 2 seconds; the message says where it stands.
        """
        self._run.kill(node)

    def restart(self, node: str) -> None:
        """Start a node again, with new sockets at the same endpoints; one that runs is killed first.

        Raises:
            KeyError: no such node.
            RuntimeError: the lab is stopped.
            TimeoutError: what ran before does not end within 2 seconds.
            TopologyError: its endpoint cannot be bound again.
        """
        self._run.restart(node)

    def fault(self, node: str, fault: Delays) -> AbstractContextManager[None]:
        """Disturb a node for as long as the ``with`` block lasts.

        Args:
            node: the node's name.
            fault: one of `zlab.faults`, such as ``zlab.faults.Delay(seconds=0.05)``.

        Raises:
            KeyError: no such node.
        """
        self._run.find(node)
        return self._run.fault(node, fault)

    def stop(self) -> None:
        """End every node and release everything; the figures stay. Safe to call again.

        A node that does not end within 2 seconds (in a long ``time.sleep``, say) is named in
        `events`; its thread ends as soon as that call returns.
        """
        if self._finished:
            return
        self._run.stop()
        self._clock.stop()
        registry.leave(self)
        self._finished = True

    def __enter__(self) -> Self:
        """Return the lab itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    # --- waiting -------------------------------------------------------------------------------

    def wait(
        self,
        messages: int | None = None,
        *,
        until: Callable[[Snapshot], bool] | None = None,
        timeout: float = _WAIT,
    ) -> None:
        """Wait until something has happened; never longer than the timeout.

        Args:
            messages: until this many more messages have been delivered, on all links together.
            until: until this is true of a snapshot; asked ten times a second.
            timeout: the longest wait, in seconds.

        Raises:
            TimeoutError: it did not happen in time; the message says how far it came.
            RuntimeError: the lab stopped meanwhile.
            ValueError: neither or both of ``messages`` and ``until``.
        """
        if (messages is None) == (until is None):
            raise ValueError("wait(messages=500) or wait(until=lambda snapshot: ...): give one of the two")
        start = _delivered(self._clock.look()) if messages is not None else 0
        goal = start + (messages or 0)
        done = until if until is not None else lambda snapshot: _delivered(snapshot) >= goal
        deadline = time.monotonic() + timeout
        latest = self._clock.latest
        while not done(latest):
            if self._run.stopped:
                raise RuntimeError("the lab stopped while waiting")
            if self._run.over() and not done(self._clock.look()):
                raise TimeoutError(f"no node runs any more: {self._came(latest, start, messages)}")
            seen = latest
            with self._clock.published:
                left = max(0.0, deadline - time.monotonic())
                if self._clock.latest is seen:
                    self._clock.published.wait(left)
            latest = self._clock.latest
            if latest is seen or (time.monotonic() > deadline and not done(latest)):
                raise TimeoutError(f"after {timeout:g} s: {self._came(latest, start, messages)}")

    def _came(self, snapshot: Snapshot, start: int, messages: int | None) -> str:
        """How far a wait came, and what may have held it up."""
        what = "the condition never held"
        if messages is not None:
            what = f"{_delivered(snapshot) - start:,} of {messages:,} messages"
            if start:
                what += f" (and {start:,} before the call)"
        failed = [
            f"{n.name} failed: {n.traceback.strip().rpartition(chr(10))[2]}" for n in snapshot.nodes if n.traceback
        ]
        notes = [f"{e.node}.{e.socket} {e.detail}" for e in self.history() if e.kind == "note" and e.socket]
        return "; ".join(
            [what, *failed, *notes] if failed or notes else [what, "lab.sockets() and lab.events() may tell why"]
        )

    async def run_for(self, seconds: float) -> None:
        """Let the lab run for a while without blocking the notebook: ``await lab.run_for(5)``."""
        await asyncio.sleep(seconds)

    # --- what can be asked of it ---------------------------------------------------------------

    def ledger(self) -> pd.DataFrame:
        """Where every message is: a row per link.

        Columns: expected = delivered + queued + dropped + lost + unaccounted, in messages; then
        ``filtered`` (not a loss: not subscribed to), ``uncertain`` (how many of the row's messages
        may belong to a neighbouring row or column; 0 is exact), and a column per reason.
        """
        return frames.ledger(self._fresh(), self.topology.links)

    def sockets(self) -> pd.DataFrame:
        """A row per socket: type, URLs, options, counts in messages and bytes, rates per second."""
        return frames.sockets(self._fresh())

    def latency(self) -> pd.DataFrame:
        """A row per link and per path from end to end: count, p50, p90, p99, p99.9 and max, in seconds.

        Of the messages that were traced since the lab started: from the call of send to the return
        of recv. Each value is kept to three significant digits, as in HdrHistogram.
        """
        snapshot = self._fresh()
        histograms = zip(snapshot.links, self._clock.book.histograms, strict=True)
        paths = {path: histogram.figures() for path, histogram in tuple(self._clock.book.paths.items())}
        return frames.latency({link.name: h.figures() for link, h in histograms if h.count}, paths)

    def messages(self) -> pd.DataFrame:
        """A row per traced message and hop, with its fate, in the order in which they were sent.

        Columns: ``message`` (its number: what follows from a message in another node bears the same
        one), ``hop`` (from 1), ``link``, ``via`` (the node whose ``zmq.proxy`` passed it on: what it
        spent there is not told apart), ``kind``, ``size`` in bytes, ``sent`` and ``received`` in seconds
        since the lab started; the stages in seconds: ``service`` (in the node, since it received what
        this follows from), ``send_call`` and ``queue_and_wire`` (until recv returned it), the last two
        together ``latency``; ``follows`` (by what the hop was joined to the one before: ``the same
        body``, which a node passed on, or ``the last received`` before it), ``fate`` (``delivered``,
        ``under way``, ``filtered``, ``dropped: ...`` or ``lost: ...`` where the ledger knows it, else
        ``unknown``), and ``ambiguous``: another message under way had the same body, or several had come
        that this hop may follow from.

        The last 2,000 hops are kept, with ``trace="full"`` 100,000: ``attrs["let_go"]`` counts the older
        ones, ``attrs["sampling"]`` is n where about one message in n is traced now.
        """
        snapshot = self._fresh()
        return self._messages(self._clock.book.journeys.hops(), snapshot)

    def journey(self, message: int | bytes | Sequence[bytes]) -> pd.DataFrame:
        """Follow one message over its hops: the rows of `messages` that bear its number.

        The stages ``service``, ``send_call`` and ``queue_and_wire`` of all its hops add up to
        ``attrs["end_to_end"]``, the seconds from its first send to its last recv; not so where it
        was sent on to several.

        Args:
            message: its number in `messages`; or its body, or its frames where the lab has a ``key``:
                then the last message that had it on any hop.

        Raises:
            LookupError: no such message is remembered; it may not have been traced.
        """
        snapshot = self._fresh()
        journeys = self._clock.book.journeys
        if not isinstance(message, int):
            parts = [bytes(message)] if isinstance(message, (bytes, bytearray, memoryview)) else list(message)
            known = journeys.known_by(identify(parts, self._run.key))
            number = known[-1] if known else 0
        else:
            number = message
        hops = journeys.of(number)
        if not hops:
            raise LookupError(
                f"{message!r}: no such message is remembered; lab.messages() has those that are, "
                'and zlab.run(..., trace="full") traces them all'
            )
        table = self._messages(hops, snapshot)
        table.attrs["end_to_end"] = table["received"].max() - table["sent"].min()
        return table

    def _messages(self, hops: Iterable[Hop], snapshot: Snapshot) -> pd.DataFrame:
        book = self._clock.book
        fates = Fates(
            book.journeys.hops(),
            self.topology.links,
            snapshot.links,
            dict(book.proxied),
            settled=book.settled(time.perf_counter_ns(), stopped=self._run.stopped),
            interrupted=book.journeys.interrupted,
        )
        table = frames.messages(hops, fates, tuple(book.kinds.names), round(self._run.began * 1e9))
        table.attrs.update(let_go=book.journeys.let_go, sampling=snapshot.sampling)
        return table

    def events(self) -> pd.DataFrame:
        """A row per event: bind, connect, start, kill, restart, fault, error, ... with its time in seconds."""
        return frames.events(self.history())

    def history(self) -> tuple[Event, ...]:
        """The events, as `zlab.recording.Event`: the last 10,000."""
        return tuple(self._run.events)

    def snapshot(self) -> Picture:
        """Everything as it stands now; at the end of a cell, a picture that needs no kernel."""
        from zlab.views.picture import Picture

        latest = self._fresh()
        return Picture(**{f.name: getattr(latest, f.name) for f in fields(Snapshot)}, topology=self.topology)

    def subscribe(self, listener: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have a function called with every snapshot, ten times a second, on the lab's own thread.

        Returns:
            A function that ends it. A listener that raises is let go, with an event.
        """
        return self._clock.subscribe(listener)

    def _fresh(self) -> Snapshot:
        return self._clock.latest if self._run.stopped else self._clock.look()

    # --- how it is shown -----------------------------------------------------------------------

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        from zlab.views.dashboard import Dashboard
        from zlab.views.picture import svg

        if self._dashboard is None:
            self._dashboard = Dashboard(self)
        shown = self._dashboard._repr_mimebundle_(**kwargs)
        data, metadata = shown if isinstance(shown, tuple) else (shown, {})
        picture = {"image/svg+xml": svg(self.topology, self._clock.latest), "text/plain": repr(self)}
        return {**(data or {}), **picture}, metadata

    def __repr__(self) -> str:
        """Say what runs, and how to see more."""
        return (
            f"Lab {self.topology.name!r} over {self.transport}: {self.state}, {len(self.topology.nodes)} nodes, "
            f"{_delivered(self._clock.latest):,} messages delivered. Run the cell to see it live."
        )


def run(
    topology: Topology,
    *,
    transport: str = "inproc",
    key: Callable[[list[bytes]], Hashable] | None = None,
    trace: str = "adaptive",
) -> Lab:
    """Bring a topology to life: a thread per node, real sockets.

    Everything is checked and every socket bound and connected before the first node starts.
    In a notebook, running a cell again first stops the lab that the same cell started before.

    Args:
        topology: what to run.
        transport: what bare endpoint names become: ``inproc``, ``ipc`` or ``tcp`` (127.0.0.1, on
            ports that the system chooses; see `Lab.endpoints`).
        key: what makes a message itself, so that it is found again at the other end: called in the
            node's thread with the frames as the application sees them, it returns anything hashable,
            such as ``lambda frames: frames[-1][:8]``. None: the last frame as a whole. Where it raises,
            the last frame is used, and an event says so.
        trace: ``adaptive`` traces every message at rates that a person can follow and a sample above;
            ``full`` traces every message at any rate, whatever it costs.

    Returns:
        The running lab.

    Raises:
        TopologyError: an option or address that ZeroMQ does not take; nothing is left open.
        ValueError: a ``trace`` that is neither.

    Example:
        >>> import zlab
        >>> with zlab.run(zlab.patterns.pipeline(workers=2)) as lab:
        ...     lab.wait(messages=10)
    """
    if not isinstance(topology, Topology):
        raise TopologyError(f"{topology!r} is not a topology: give zlab.patterns.pipeline() or zlab.Topology(...)")
    registry.make_room()
    return Lab(topology, transport, key=key, trace=trace)


def _delivered(snapshot: Snapshot) -> int:
    return sum(link.delivered for link in snapshot.links)
