"""What can be asked of anything that is watched: figures, journeys, events, and its picture."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

from zlab.followed import Followed
from zlab.ledger import frames
from zlab.ledger.snapshot import Snapshot
from zlab.ledger.where import Standing, Where, last_messages
from zlab.runtime import registry
from zlab.runtime.clock import Clock
from zlab.runtime.standing import standing
from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import pandas as pd

    from zlab.ledger.cost import Cost
    from zlab.ledger.diagnosed import Diagnosed
    from zlab.ledger.past import Past
    from zlab.runtime.clock import Runs
    from zlab.topology import Topology
    from zlab.views.dashboard import Dashboard
    from zlab.views.picture import Picture

_TRACES = ("adaptive", "full")
_WAIT = 10.0  # seconds: how long `wait` waits unless told otherwise


class Observed(Followed):
    """A program whose sockets are probed, and all that can be asked of it.

    Args:
        runs: what runs; it is stopped when the clock cannot be started.
    """

    steerable = False
    """Whether it can be paused, tuned, killed and restarted."""

    def __init__(self, runs: Runs) -> None:
        """Start the clock."""
        try:
            clock = Clock(runs)
        except BaseException:
            runs.stop()
            raise
        super().__init__(runs, clock)
        self._finished = False
        self._dashboard: Dashboard | None = None
        registry.enter(self)

    @property
    def endpoints(self) -> dict[str, str]:
        """Endpoint name to the URL in use: over tcp and ipc, an outside program can join there."""
        return dict(self._runs.endpoints.urls)

    @property
    def state(self) -> str:
        """``running``, ``paused`` or ``stopped``."""
        if self._runs.stopped:
            return "stopped"
        return "paused" if self._runs.world.paused else "running"

    def stop(self) -> None:
        """End it; the figures stay. Safe to call again."""
        if self._finished:
            return
        self._runs.stop()
        try:
            self._clock.stop()
        finally:
            registry.leave(self)
        self._finished = True

    def __enter__(self) -> Self:
        """Return itself."""
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
        latest = self._clock.look()  # what was published before may be older than what was last asked for
        start = delivered(latest) if messages is not None else 0
        goal = start + (messages or 0)
        done = until if until is not None else lambda snapshot: delivered(snapshot) >= goal
        deadline = time.monotonic() + timeout
        while not done(latest):
            if self._runs.stopped:
                raise RuntimeError("the lab stopped while waiting")
            if self._runs.over() and not done(self._clock.look()):
                raise TimeoutError(f"no node runs any more: {self._came(latest, start, messages)}")
            seen = latest
            with self._clock.published:
                self._clock.published.wait_for(
                    lambda: self._clock.latest.sequence > seen.sequence,  # noqa: B023 - it is called here
                    max(0.0, deadline - time.monotonic()),
                )
                latest = max(self._clock.latest, seen, key=lambda snapshot: snapshot.sequence)
            if latest is seen or (time.monotonic() > deadline and not done(latest)):
                raise TimeoutError(f"after {timeout:g} s: {self._came(latest, start, messages)}")

    def _came(self, snapshot: Snapshot, start: int, messages: int | None) -> str:
        """How far a wait came, and what may have held it up."""
        what = "the condition never held"
        if messages is not None:
            what = f"{delivered(snapshot) - start:,} of {messages:,} messages"
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
        """Let the lab run for a while without blocking the notebook: ``await lab.run_for(5)``.

        Args:
            seconds: how long.
        """
        import asyncio

        await asyncio.sleep(seconds)

    # --- what can be asked of it ---------------------------------------------------------------

    def ledger(self) -> pd.DataFrame:
        """Where every message is: a row per link.

        Columns: expected = delivered + queued + dropped + lost + unaccounted, in messages; then
        ``filtered`` (not a loss: not subscribed to), ``uncertain`` (how many of the row's messages
        may belong to a neighbouring row or column; 0 is exact), and a column per reason.

        An XSUB subscribes by messages of its own. Where a ``zmq.proxy`` passes them on, it asks for what is asked for
        at the proxy's other side, and the link to it is counted as any subscriber's. While a subscription is on its
        way, and of several publishers, it may be ``uncertain`` which of them misses a message. Where nobody can tell
        what it asks for (it is no proxy's, somebody outside subscribes through it, its XPUB has XPUB_MANUAL or
        XPUB_VERBOSE, or it stands behind another proxy), what has come is expected, and what else its publisher has
        sent (it may have been filtered, dropped or lost) is ``uncertain``.
        """
        return _ledger(*self._fresh())

    def sockets(self) -> pd.DataFrame:
        """A row per socket: type, URLs, options, counts in messages and bytes, rates per second."""
        return frames.sockets(self._fresh()[0])

    def latency(self) -> pd.DataFrame:
        """A row per link and per path from end to end: count, p50, p90, p99, p99.9 and max, in seconds.

        Of the messages that were traced since the lab started: from the call of send to the return
        of recv, as measured. Each value is kept to three significant digits, as in HdrHistogram. From end to end
        those are left out of which it is not sure that they belong to one journey (``ambiguous`` in `messages`),
        such as heartbeats that all have one body. What a ``zmq.proxy`` passes on is seen before it and behind it: its
        links have no row here, and stand with the word ``proxy`` in the dashboard; the path from end to end has one.

        Where a source has a ``rate`` and could not keep it, because its send blocked or a fault held it, the messages
        that it should have sent meanwhile are missing from these, and they would have been the slow ones: Gil Tene's
        coordinated omission. ``omitted`` counts them, and the columns that end in ``corrected`` are with them put
        back, one at each interval of the rate, as HdrHistogram's ``recordValueWithExpectedInterval`` does. A source
        counts as held up when a message comes late by an interval and by 10 ms; not when you have paused it or slowed
        it down. Both are the same where nothing was omitted.
        """
        snapshot, _ = self._fresh()
        book = self._clock.book
        known = {link.name: h for link, h in zip(snapshot.links, book.latencies.links, strict=True) if h.count}
        return frames.latency(known, dict(book.latencies.paths), dict(book.latencies.left_out))

    def diagnose(self) -> Diagnosed:
        """What is wrong with the way in which ZeroMQ is used, in words, with the remedy and the Guide's chapter.

        Thirteen mistakes are looked for, in what is seen of sockets, threads and messages: slow joiner, forgotten
        SUBSCRIBE, a filter that matches nothing, REQ/REP out of step, deadlock of receivers, a socket used from two
        threads, duplicate identity, missing envelope delimiter, LINGER that holds term, connect facing connect, PUSH
        stalled behind a slow worker, high-water mark reached, and a wildcard taken for an address. Nothing is changed
        by looking. A finding goes once it is mended; of a lab that has stopped, what was wrong until then is told.
        What is under way for less than a second may not be seen yet.

        Returns:
            A row per finding, the worst first. Columns: ``mistake``, ``certain`` (whether what was seen allows no
            other explanation), ``where`` (the sockets), ``seen`` (with figures), ``remedy`` and ``guide``. Its
            ``findings`` are the same as `zlab.ledger.finding.Finding`.

        Example:
            >>> import zlab
            >>> with zlab.run(zlab.patterns.pipeline()) as lab:
            ...     lab.wait(messages=10)
            ...     print(lab.diagnose())
            No mistake is seen.
        """
        return frames.findings(self._fresh()[0].findings)

    def cost(self) -> Cost:
        """What watching costs, as `zlab.ledger.cost.Cost`; print it to read it in words."""
        return self._clock.latest.cost

    def events(self) -> pd.DataFrame:
        """A row per event: bind, connect, start, kill, restart, fault, error, ... with its time in seconds."""
        return frames.events(self.history())

    def snapshot(self) -> Picture:
        """Everything as it stands now; at the end of a cell, a picture that needs no kernel."""
        from zlab.views.picture import Picture

        latest, topology = self._fresh()
        return Picture(**{f.name: getattr(latest, f.name) for f in fields(Snapshot)}, topology=topology)

    def at(self, seconds: float) -> Picture:
        """Everything as it stood then: the last tick that is kept at or before that moment; its ``at`` tells which.

        The last 300 ticks (30 seconds) are all kept, and 100 of those before, the farther apart the older
        they are, back to the start; fewer where these would take more than 64 MB.

        Args:
            seconds: since the lab started; below zero, so many before now.

        Raises:
            LookupError: that moment has not come yet, or has been let go; the message says what is kept.
        """
        from zlab.views.picture import Picture

        then, topology = self.past.at(seconds if seconds >= 0 else self.past.kept.end + seconds)
        return Picture(**{f.name: getattr(then, f.name) for f in fields(Snapshot)}, topology=topology)

    @property
    def past(self) -> Past:
        """What is remembered of its ticks, for the views; see `at`."""
        return self._clock.past

    def where(self, node: str) -> Where:
        """Where a node is now: its source with the line that it executes, what it is blocked in and since when.

        Read from the Python frames of its thread, which are not slowed by it. The line is the innermost one that
        belongs to the node's own function, or to code that it calls other than pyzmq's, zlab's, the standard
        library's and installed packages'. At the end of a cell it shows the source with the line marked.

        Args:
            node: its name.

        Returns:
            The file, line and function, the source lines with their numbers, the state and for how many seconds it
            has lasted, the socket that it is blocked on, its sockets, what is queued on its links, and its last
            messages. It is of one moment: ask again to see it move.

        Raises:
            KeyError: no such node.
        """
        self.topology[node]  # raises with advice
        stands = self.standing(node)
        snapshot, topology = self._fresh()
        figures = next(n for n in snapshot.nodes if n.name == node)
        queued = {
            figures.name: figures.queued
            for link, figures in zip(topology.links, snapshot.links, strict=False)
            if node in {link.source, link.target}
        }
        names = tuple(self._clock.book.kinds.names)
        now = snapshot.at + self._runs.began
        told = {f.name: getattr(stands, f.name) for f in fields(Standing)}
        if figures.traceback:
            told["note"] = "it has raised " + figures.traceback.strip().rpartition("\n")[2]
        return Where(
            **told,
            state=figures.state,
            since=max(0.0, snapshot.at - figures.since),
            blocked_on=figures.blocked_on,
            sockets=tuple(s for s in snapshot.sockets if node_of(s.name) == node),
            queued=queued,
            messages=tuple(last_messages(node, self._clock.book.journeys.hops(), names, now)),
        )

    def standing(self, node: str) -> Standing:
        """Only the line at which a node stands, and its source: what can be asked ten times a second.

        Raises:
            KeyError: no such node.
        """
        self.topology[node]  # raises with advice
        running = self._runs.nodes[node]
        return standing(node, running.thread, getattr(running, "function", None))

    def subscribe(self, listener: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have a function called with every snapshot, ten times a second, on the lab's own thread.

        Returns:
            A function that ends it. A listener that raises is let go, with an event.
        """
        return self._clock.subscribe(listener)

    # --- how it is shown -----------------------------------------------------------------------

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        from zlab.views.dashboard import Dashboard
        from zlab.views.picture import svg

        if self._dashboard is None:
            self._dashboard = Dashboard(self)
        shown = self._dashboard._repr_mimebundle_(**kwargs)
        snapshot, topology = self._fresh()
        data, metadata = shown if isinstance(shown, tuple) else (shown, {})
        picture = {"image/svg+xml": svg(topology, snapshot), "text/plain": repr(self)}
        return {**(data or {}), **picture}, metadata


def _ledger(snapshot: Snapshot, topology: Topology) -> pd.DataFrame:
    return frames.ledger(snapshot, topology.links)


def check_trace(trace: str) -> bool:
    """Whether every message is to be traced.

    Raises:
        ValueError: it is neither ``adaptive`` nor ``full``.
    """
    if trace not in _TRACES:
        raise ValueError(f"trace={trace!r}: give {' or '.join(map(repr, _TRACES))}")
    return trace == "full"


def delivered(snapshot: Snapshot) -> int:
    """Messages delivered so far, on all links together."""
    return sum(link.delivered for link in snapshot.links)
