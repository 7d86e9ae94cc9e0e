"""Connections: how far each link of a lab has come, from connecting to its first message, and why not farther."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import zmq

from zlab.runtime.arrival import COMMANDS
from zlab.runtime.hearing import ENDED, Hearing
from zlab.runtime.meetings import Attempt, End, Meeting, Meetings
from zlab.runtime.monitors import Monitors
from zlab.runtime.subscriptions import Subscriptions
from zlab.runtime.telling import Telling
from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.ledger.snapshot import Connection, NodeState, Snapshot
    from zlab.recording import Recording
    from zlab.runtime.endpoints import Endpoints
    from zlab.runtime.telling import Say
    from zlab.topology import Topology

_SETTLING = 1.0  # seconds for which the time of a first message may still become more exact
_LOOK = 0.05  # seconds between two looks at what a program may change without a word, such as what it subscribes to


class Connections:
    """All connections of one lab.

    Args:
        topology: what runs.
        endpoints: tells which of its endpoints are inproc.
        began: when the lab began, as ``time.perf_counter`` told.
        say: writes an event down.
        node: tells the state and the thread of a node.
    """

    def __init__(
        self,
        topology: Topology,
        endpoints: Endpoints,
        *,
        began: float,
        say: Say,
        node: Callable[[str], tuple[NodeState, threading.Thread | None]],
    ) -> None:
        """Find out who will meet whom; nothing is open yet."""
        self._endpoints, self._node = endpoints, node
        self._settled = threading.Event()  # never set: to wait on
        self._meetings = meetings = Meetings(topology, endpoints, began)
        self._changed = meetings.changed
        self._telling = Telling(meetings, say)
        self._hearing = Hearing(meetings, endpoints.urls, lambda name: node(name)[0], self._telling)
        self._monitors = Monitors(
            self._heard, self._lost, self.settle, lambda why: say(meetings.now(), "error", "", "", why)
        )
        self._subscriptions = Subscriptions(
            meetings, self._monitors, endpoints, lambda name: node(name)[1], self._telling
        )

    # --- what the runtime tells ----------------------------------------------------------------

    def opened(self, name: str, socket: zmq.Socket[Any], recording: Recording) -> None:
        """Hear of a fresh socket, in the thread that made it, before it binds or connects."""
        end = End(socket, recording)
        if not all(map(self._endpoints.uses_inproc, self._meetings.specs[name].endpoints)):
            end.mailbox = int(socket.get(zmq.FD))
            self._monitors.watch(name, socket)
        with self._changed:
            self._meetings.ends[name] = end

    def bound(self, name: str, endpoint: str) -> None:
        """Hear that a socket has bound."""
        with self._changed:
            self._meetings.ends[name].bound.add(endpoint)
            for meeting in self._meetings.bound[name]:
                last = meeting.last
                if not meeting.unheard or meeting.endpoint != endpoint or last is None:
                    continue
                if meeting.loose and not last.alive and meeting.connector in self._meetings.ends:
                    last = self._meetings.begin(meeting, again=True)  # datagrams reach whoever is there
                if last.alive and last.up is None:
                    self._join(meeting, last)

    def connecting(self, name: str, endpoint: str, url: str) -> None:
        """Hear that a socket is about to connect."""
        with self._changed:
            meeting = next(m for m in self._meetings.connected[name] if m.endpoint == endpoint)
            meeting.url = url
            attempt = self._meetings.begin(meeting, again=False)
            binder = self._meetings.ends.get(meeting.binder)
            if meeting.unheard and binder is not None and endpoint in binder.bound:
                self._join(meeting, attempt)

    def _join(self, meeting: Meeting, attempt: Attempt) -> None:
        attempt.up = self._meetings.now()
        self._subscriptions.prove(meeting)
        self._changed.notify_all()

    def ended(self, node: str, state: NodeState) -> None:
        """Hear that all sockets of a node are closed."""
        of = self._meetings
        with self._changed:
            for name in [n for n in of.ends if node_of(n) == node]:
                del of.ends[name]
                # Of a peer that binds, the monitor of the one that is left tells; over inproc nobody does.
                for meeting in (*of.connected[name], *(m for m in of.bound[name] if m.unheard)):
                    last = meeting.last
                    if last is not None and last.alive:
                        last.disconnected = of.now()
                        last.reason = last.reason or f"{node} {ENDED.get(state, 'has ended')}"
            self._changed.notify_all()

    def stopping(self) -> None:
        """Say no more of what ends from now on: all does."""
        self._telling.over = True

    def stop(self) -> bool:
        """End the thread that hears the monitors; returns whether it has ended."""
        return self._monitors.stop()

    def settle(self) -> None:
        """Write down what has been heard."""
        self._telling.settle()

    def heard_of(self, snapshot: Snapshot) -> None:
        """Learn from a snapshot which links have carried their first message."""
        with self._changed:
            self._meetings.delivered = delivered = tuple(link.delivered for link in snapshot.links)
            unsettled: dict[int, Attempt] = {}
            for meeting in self._meetings.all:
                last = meeting.last
                if last is None or last.up is None:
                    continue
                for link in meeting.links:
                    if snapshot.at - last.first.get(link, snapshot.at) > _SETTLING:
                        continue
                    unsettled[link] = last
                    if link not in last.first and delivered[link] > last.base[link]:
                        last.first[link] = snapshot.at
                self._subscriptions.prove(meeting)
            if unsettled:
                for flight in snapshot.flights:
                    attempt = unsettled.get(flight.link)
                    if attempt is not None and flight.received >= (attempt.up or 0.0):
                        attempt.first[flight.link] = min(flight.received, attempt.first.get(flight.link, snapshot.at))

    # --- what the monitors tell, on their thread -----------------------------------------------

    def _heard(self, name: str, event: int, value: int, url: str) -> None:
        with self._changed:
            meeting = self._hearing.heard(name, event, value, url)
            if meeting is not None:
                self._subscriptions.prove(meeting)
            self._changed.notify_all()

    def _lost(self, name: str, address: int) -> None:
        with self._changed:
            self._hearing.lost(name, address)

    # --- what can be asked ---------------------------------------------------------------------

    def all(self) -> list[Connection]:
        """Every connection that is remembered, link by link."""
        with self._changed:
            return [
                meeting.tell(attempt, link)
                for link, meeting in sorted(self._meetings.of_link.items())
                for attempt in meeting.attempts
            ]

    def latest(self) -> tuple[Connection, ...]:
        """The latest connection of each link."""
        with self._changed:
            return tuple(
                meeting.tell(meeting.last, link)
                for link, meeting in sorted(self._meetings.of_link.items())
                if meeting.last is not None
            )

    def barred(self) -> dict[int, bool]:
        """The links whose handshake has failed, and has succeeded never, and whether that is the end of it.

        Nothing has crossed them. A socket that was told that it may not come in does not try again.
        """
        with self._changed:
            shut = [meeting for meeting in self._meetings.all if meeting.refused and not meeting.admitted]
            return {
                link: (last := meeting.last) is not None and last.sure and not last.alive
                for meeting in shut
                for link in meeting.links
            }

    def waiting(self) -> dict[int, str]:
        """The links that cannot carry messages yet, and why."""
        with self._changed:
            for meeting in self._meetings.all:
                self._subscriptions.prove(meeting)
            of_link = sorted(self._meetings.of_link.items())
            return {link: why for link, meeting in of_link if (why := self._why(meeting, link))}

    def wait(self, timeout: float, stopped: Callable[[], bool]) -> None:
        """Wait until no link is waiting any more.

        Args:
            timeout: the longest wait, in seconds.
            stopped: whether the lab has been stopped.

        Raises:
            TimeoutError: it names the links that cannot carry messages, and why.
            RuntimeError: the lab is stopped.
        """
        deadline = time.monotonic() + timeout
        while True:
            if stopped():
                raise RuntimeError("the lab is stopped: no link carries messages any more")
            with self._changed:
                waiting = self.waiting()
                left = deadline - time.monotonic()
                if not waiting:
                    break
                if left <= 0:
                    links = self._meetings.links
                    told = "; ".join(f"{links[link]}: {why}" for link, why in waiting.items())
                    raise TimeoutError(
                        f"after {timeout:g} s, {len(waiting)} of {len(links)} links are not ready: {told}"
                    )
                self._changed.wait(min(left, _LOOK))
        # What has come into a socket's queue is seen by a thread that sends all the time within this time.
        self._settled.wait(COMMANDS)

    def _why(self, meeting: Meeting, link: int) -> str:
        for name in (meeting.binder, meeting.connector):
            node = node_of(name)
            if name not in self._meetings.ends:
                state, _ = self._node(node)
                return f"{node} {ENDED.get(state, 'has not started')}: restart it"
        last = meeting.last
        if last is None or not last.alive:
            if meeting.unheard and not meeting.loose:
                node = node_of(meeting.connector)
                return f"inproc does not reconnect by itself: restart {node} too"
            return f"it was disconnected: {last.why or 'by the peer'}" if last is not None else "it has not begun"
        return self._not_connected(meeting, last, link) or (
            self._subscriptions.missing(meeting, last) if link == meeting.fed else ""
        )

    def _not_connected(self, meeting: Meeting, last: Attempt, link: int) -> str:
        if last.why:
            return f"the handshake failed: {last.why}"
        if last.up is None:
            return f"nobody has answered at {meeting.url}, {last.retries} {'retry' if last.retries == 1 else 'retries'}"
        if meeting.unheard:
            return ""
        binder = self._meetings.ends[meeting.binder]
        settled = not binder.pending and not binder.muddled
        if last.handshake is None or not (settled or link in last.first or link == meeting.fed):
            return "the connection is up, the ZMTP handshake is not done"
        return ""
