"""Connections: how far each link of a lab has come, from connecting to its first message, and why not farther."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import zmq

from zlab.ledger.snapshot import NodeState
from zlab.runtime.addresses import meets
from zlab.runtime.arrival import Arrivals, at_rest, facing, rounds
from zlab.runtime.handshakes import reason_of
from zlab.runtime.meetings import Attempt, End, Meeting
from zlab.runtime.monitors import Monitors
from zlab.sockets import SocketType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.ledger.snapshot import Connection, Snapshot
    from zlab.recording import Recording
    from zlab.runtime.endpoints import Endpoints
    from zlab.topology import Topology

_PUBLISHERS = {SocketType.PUB, SocketType.XPUB}
_SUBSCRIBERS = {SocketType.SUB, SocketType.XSUB}
_LOOSE = {"udp", "pgm", "epgm", "norm"}  # transports without connections: both ends are there, or they are not
_SETTLING = 1.0  # seconds for which the time of a first message may still become more exact
_ENDED = {
    NodeState.KILLED: "was killed",
    NodeState.FAILED: "has failed",
    NodeState.STOPPED: "was stopped",
}

Say = Callable[[float, str, str, str, str], None]
"""Takes the time of an event in seconds since the lab started, its kind, node, socket and detail."""


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
        self.changed = threading.Condition()
        self._topology, self._endpoints = topology, endpoints
        self._began, self._say, self._node = began, say, node
        self._specs = dict(topology.sockets())
        self._meetings = tuple(self._meet(topology, endpoints))
        self._connected = {name: [m for m in self._meetings if m.connector == name] for name in self._specs}
        self._bound = {name: [m for m in self._meetings if m.binder == name] for name in self._specs}
        self._of_link = {link: meeting for meeting in self._meetings for link in meeting.links}
        self._ends: dict[str, End] = {}
        self._delivered: tuple[int, ...] = (0,) * len(topology.links)
        self._said: dict[tuple[str, str, str, str], tuple[float, int]] = {}
        self._over = False
        self._monitors = Monitors(
            self._heard, self._lost, self.settle, lambda why: say(self._now(), "error", "", "", why)
        )
        self._arrivals = Arrivals(self._monitors)

    def _meet(self, topology: Topology, endpoints: Endpoints) -> Iterator[Meeting]:
        binders = {endpoint: name for name, spec in topology.sockets() for endpoint in spec.binds}
        links = {(link.sender, link.receiver, link.endpoint): i for i, link in enumerate(topology.links)}
        for name, spec in topology.sockets():
            for endpoint in spec.connects:
                binder = binders.get(endpoint, "")
                ways = [w for w in ((name, binder, endpoint), (binder, name, endpoint)) if w in links]
                fed = [links[w] for w in ways if self._specs[w[0]].type in _PUBLISHERS]
                inproc, loose = endpoints.uses_inproc(endpoint), endpoint.partition("://")[0] in _LOOSE
                met = tuple(links[w] for w in ways)
                yield Meeting(name, binder, endpoint, inproc or loose, met, fed[0] if fed else -1, loose)

    def _now(self) -> float:
        return time.perf_counter() - self._began

    # --- what the runtime tells ----------------------------------------------------------------

    def opened(self, name: str, socket: zmq.Socket[Any], recording: Recording) -> None:
        """Hear of a fresh socket, in the thread that made it, before it binds or connects."""
        end = End(socket, recording)
        if not all(map(self._endpoints.uses_inproc, self._specs[name].endpoints)):
            end.mailbox = int(socket.get(zmq.FD))
            self._monitors.watch(name, socket)
        with self.changed:
            self._ends[name] = end

    def bound(self, name: str, endpoint: str) -> None:
        """Hear that a socket has bound."""
        with self.changed:
            self._ends[name].bound.add(endpoint)
            for meeting in self._bound[name]:
                last = meeting.last
                if not meeting.unheard or meeting.endpoint != endpoint or last is None:
                    continue
                if meeting.loose and not last.alive and meeting.connector in self._ends:
                    last = self._begin(meeting, again=True)  # datagrams reach whoever is there
                if last.alive and last.up is None:
                    self._join(meeting, last)

    def connecting(self, name: str, endpoint: str, url: str) -> None:
        """Hear that a socket is about to connect."""
        with self.changed:
            meeting = next(m for m in self._connected[name] if m.endpoint == endpoint)
            meeting.url = url
            attempt = self._begin(meeting, again=False)
            binder = self._ends.get(meeting.binder)
            if meeting.unheard and binder is not None and endpoint in binder.bound:
                self._join(meeting, attempt)

    def ended(self, node: str, state: NodeState) -> None:
        """Hear that all sockets of a node are closed."""
        with self.changed:
            for name in [n for n in self._ends if n.rpartition(".")[0] == node]:
                del self._ends[name]
                # Of a peer that binds, the monitor of the one that is left tells; over inproc nobody does.
                for meeting in (*self._connected[name], *(m for m in self._bound[name] if m.unheard)):
                    last = meeting.last
                    if last is not None and last.alive:
                        last.disconnected = self._now()
                        last.reason = last.reason or f"{node} {_ENDED.get(state, 'has ended')}"
            self.changed.notify_all()

    def stopping(self) -> None:
        """Say no more of what ends from now on: all does."""
        self._over = True

    def stop(self) -> bool:
        """End the thread that hears the monitors; returns whether it has ended."""
        return self._monitors.stop()

    def heard_of(self, snapshot: Snapshot) -> None:
        """Learn from a snapshot which links have carried their first message."""
        with self.changed:
            self._delivered = tuple(link.delivered for link in snapshot.links)
            unsettled: dict[int, Attempt] = {}
            for meeting in self._meetings:
                last = meeting.last
                if last is None or last.up is None:
                    continue
                for link in meeting.links:
                    if snapshot.at - last.first.get(link, snapshot.at) > _SETTLING:
                        continue
                    unsettled[link] = last
                    if link not in last.first and self._delivered[link] > last.base[link]:
                        last.first[link] = snapshot.at
                self._prove(meeting)
            if unsettled:
                for flight in snapshot.flights:
                    attempt = unsettled.get(flight.link)
                    if attempt is not None and flight.received >= (attempt.up or 0.0):
                        attempt.first[flight.link] = min(flight.received, attempt.first.get(flight.link, snapshot.at))

    # --- what can be asked ---------------------------------------------------------------------

    def all(self) -> list[Connection]:
        """Every connection that is remembered, link by link."""
        with self.changed:
            return [
                meeting.tell(attempt, link)
                for link, meeting in sorted(self._of_link.items())
                for attempt in meeting.attempts
            ]

    def latest(self) -> tuple[Connection, ...]:
        """The latest connection of each link."""
        with self.changed:
            return tuple(
                meeting.tell(meeting.last, link)
                for link, meeting in sorted(self._of_link.items())
                if meeting.last is not None
            )

    def barred(self) -> dict[int, bool]:
        """The links whose handshake has failed, and has succeeded never, and whether that is the end of it.

        Nothing has crossed them. A socket that was told that it may not come in does not try again.
        """
        with self.changed:
            shut = [meeting for meeting in self._meetings if meeting.refused and not meeting.admitted]
            return {
                link: (last := meeting.last) is not None and last.sure and not last.alive
                for meeting in shut
                for link in meeting.links
            }

    def waiting(self) -> dict[int, str]:
        """The links that cannot carry messages yet, and why."""
        with self.changed:
            for meeting in self._meetings:
                self._prove(meeting)
            return {link: why for link, meeting in sorted(self._of_link.items()) if (why := self._why(meeting, link))}

    def _why(self, meeting: Meeting, link: int) -> str:
        for name in (meeting.binder, meeting.connector):
            node = name.rpartition(".")[0]
            if name not in self._ends:
                state, _ = self._node(node)
                return f"{node} {_ENDED.get(state, 'has not started')}: restart it"
        last = meeting.last
        if last is None or not last.alive:
            if meeting.unheard and not meeting.loose:
                node = meeting.connector.rpartition(".")[0]
                return f"inproc does not reconnect by itself: restart {node} too"
            return f"it was disconnected: {last.why or 'by the peer'}" if last is not None else "it has not begun"
        return self._not_connected(meeting, last, link) or (
            self._not_subscribed(meeting, last) if link == meeting.fed else ""
        )

    def _not_connected(self, meeting: Meeting, last: Attempt, link: int) -> str:
        if last.why:
            return f"the handshake failed: {last.why}"
        if last.up is None:
            return f"nobody has answered at {meeting.url}, {last.retries} retries"
        if meeting.unheard:
            return ""
        binder = self._ends[meeting.binder]
        settled = not binder.pending and not binder.muddled
        if last.handshake is None or not (settled or link in last.first or link == meeting.fed):
            return "the connection is up, the ZMTP handshake is not done"
        return ""

    def _not_subscribed(self, meeting: Meeting, last: Attempt) -> str:
        subscriber, _ = self._roles(meeting)
        wanted = self._wanted(subscriber)
        if wanted is None:
            if self._specs[subscriber].type is SocketType.SUB:
                return f"{subscriber} subscribes to nothing: add subscribe=''"
            return f"{subscriber} has not passed all subscriptions on"
        if not meeting.unheard and last.proven != wanted:
            return "the subscription has not been seen to arrive"
        return ""

    # --- what becomes of a connection ----------------------------------------------------------

    def _begin(self, meeting: Meeting, *, again: bool) -> Attempt:
        meeting.begun += 1
        attempt = Attempt(meeting.begun, self._now(), again)
        attempt.base = {link: self._delivered[link] for link in meeting.links}
        meeting.attempts.append(attempt)
        return attempt

    def _join(self, meeting: Meeting, attempt: Attempt) -> None:
        attempt.up = self._now()
        self._prove(meeting)
        self.changed.notify_all()

    def _heard(self, name: str, event: int, value: int, url: str) -> None:
        """Hear an event of a socket's monitor, on the monitors' thread."""
        with self.changed:
            meeting = self._told_of(name, url)
            if meeting is not None:
                self._heard_connecting(meeting, event, value)
            elif name in self._ends:
                self._heard_binding(name, self._ends[name], event, value, url)
            self.changed.notify_all()

    def _told_of(self, name: str, url: str) -> Meeting | None:
        """The meeting that a monitor of the connecting socket speaks of; None where it is one that binds."""
        mine = [m for m in self._connected[name] if not m.unheard]
        exact = [m for m in mine if m.url == url]
        bound = [m for m in self._bound[name] if m.url == url]
        if exact or bound or not mine:
            return exact[0] if exact else None
        # A host name: the monitor tells what it was resolved to.
        near = [m for m in mine if meets(m.url, url) or m.url.rpartition(":")[2] == url.rpartition(":")[2]]
        return near[0] if near else None

    def _heard_connecting(self, meeting: Meeting, event: int, value: int) -> None:
        at, last = self._now(), meeting.last
        if last is None or not last.alive:
            if event not in {zmq.EVENT_CONNECT_RETRIED, zmq.EVENT_CONNECTED} or meeting.connector not in self._ends:
                return
            last = self._begin(meeting, again=True)
        if event == zmq.EVENT_CONNECT_RETRIED:
            last.retries += 1
            if last.retries == 2:  # noqa: PLR2004 - the first is the rule where all start at once
                self._tell("retry", meeting.connector, f"nobody answers at {meeting.url}: ZeroMQ tries again and again")
        elif event == zmq.EVENT_CONNECTED:
            last.up, last.fd, last.reason = at, value, ""
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            last.handshake, last.verdict, meeting.admitted = at, "", True
            after = f" after {last.retries} retries" if last.retries else ""
            self._tell(
                "handshake", meeting.connector, f"with {meeting.binder or 'a peer outside'} at {meeting.url}{after}"
            )
            self._prove(meeting)
        elif event == zmq.EVENT_DISCONNECTED:
            last.disconnected = at
            last.reason = last.reason or self._end_of(meeting)
            self._tell("disconnect", meeting.connector, f"from {meeting.binder or 'a peer outside'} at {meeting.url}")
        elif reason := reason_of(event, value):
            meeting.refused = True
            last.reason, last.sure = reason, event != zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            self._tell("handshake failed", meeting.connector, f"at {meeting.url}: {reason}")

    def _end_of(self, meeting: Meeting) -> str:
        node = meeting.binder.rpartition(".")[0]
        state = self._node(node)[0] if node else NodeState.RUNNING
        return f"{node} {_ENDED[state]}" if state in _ENDED else "the peer closed it"

    def _heard_binding(self, name: str, end: End, event: int, value: int, url: str) -> None:
        if event == zmq.EVENT_ACCEPTED:
            end.accepted.add(value)
            end.pending += 1
            self._tell("accept", name, f"a connection at {url}")
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            end.pending -= 1
        elif event == zmq.EVENT_DISCONNECTED:
            end.accepted.discard(value)
            if end.failing:
                end.failing -= 1
            elif end.pending:
                end.muddled = True
            if not end.accepted:
                end.pending, end.muddled = 0, False
            self._tell("disconnect", name, f"a peer has left {url}")
        elif reason := reason_of(event, value):
            end.pending -= 1
            end.failing += 1
            self._tell("handshake failed", name, f"at {url}: {reason}")
            self._judge(name, url, reason)

    def _judge(self, name: str, url: str, reason: str) -> None:
        """Tell why a connection was refused at the side that was not told: where no other can be meant."""
        now = self._now()
        meant = [
            (meeting, last)
            for meeting in self._bound[name]
            if self._endpoints.urls.get(meeting.endpoint) == url
            and (last := meeting.last) is not None
            and last.handshake is None  # of its being up, another monitor tells, perhaps later
            and now - (now if last.disconnected is None else last.disconnected) < _SETTLING
        ]
        if len(meant) == 1 and not meant[0][1].sure:
            meeting, last = meant[0]
            meeting.refused, last.verdict = True, f"{name.rpartition('.')[0]} has refused it: {reason}"

    def _lost(self, name: str) -> None:
        """Hear that a socket's monitor tells no more, while the socket may still be open."""
        with self.changed:
            end = self._ends.get(name)
            if end is not None and not end.socket.closed and not self._over and not end.socket.context.closed:
                state, _ = self._node(name.rpartition(".")[0])
                if state is NodeState.RUNNING:
                    why = "its program monitors it by itself: no more is told of its connections"
                    self._tell("note", name, why)

    # --- events --------------------------------------------------------------------------------

    def _tell(self, kind: str, name: str, detail: str) -> None:
        if self._over:
            return
        node, _, socket = name.rpartition(".")
        at, times = self._said.get((kind, node, socket, detail), (self._now(), 0))
        self._said[kind, node, socket, detail] = at, times + 1

    def settle(self) -> None:
        """Write down what has been heard: what has come several times at once is one event with a count."""
        with self.changed:
            said, self._said = self._said, {}
        for (kind, node, socket, detail), (at, times) in said.items():
            self._say(at, kind, node, socket, f"{detail} ({times} times)" if times > 1 else detail)

    # --- that a subscription has arrived -------------------------------------------------------

    def _roles(self, meeting: Meeting) -> tuple[str, str]:
        """The subscriber and the publisher of a meeting."""
        link = self._topology.links[meeting.fed]
        return link.receiver, link.sender

    def _wanted(self, subscriber: str) -> tuple[bytes, ...] | None:
        """What a subscriber asks for now; None where that is nothing yet."""
        end = self._ends.get(subscriber)
        if end is None:
            return None
        if self._specs[subscriber].type is SocketType.SUB:
            # One that inverts its matching and asks for nothing is sent everything.
            return end.recording.subscriptions or (() if end.recording.inverts else None)
        # XSUB: subscriptions are messages that its program sends; those of a proxy come from the other side.
        forwarded = end.recording.forwarded
        if forwarded is None:
            sent = end.recording.counts().sent
            return (b"%d" % sent,) if sent else None
        asked = {prefix for each in forwarded.partner.filters for prefix in each.prefixes}
        sent = forwarded.read()[1]
        return tuple(sorted(asked)) if asked and sent >= len(asked) else None

    def _prove(self, meeting: Meeting) -> None:
        """Begin to find out whether what is asked for now has arrived, where that is not known."""
        last = meeting.last
        if meeting.fed < 0 or last is None or not last.alive or last.up is None:
            return
        wanted = self._wanted(self._roles(meeting)[0])
        if wanted is None or wanted in {last.proven, last.proving}:
            return
        if meeting.unheard:  # what a subscriber asks for is in the publisher's queue when its call returns
            self._arrived(meeting, last, wanted)
        elif last.handshake is not None:
            last.proving = wanted
            self._monitors.begin(self._find_out(meeting, last, wanted))

    def _arrived(self, meeting: Meeting, last: Attempt, wanted: tuple[bytes, ...]) -> None:
        last.proven, last.proving = wanted, None
        if last.subscribed is None:
            last.subscribed = self._now()
            subscriber, publisher = self._roles(meeting)
            if not meeting.unheard:
                self._tell("subscribe", subscriber, f"the subscription has arrived at {publisher}")
        self.changed.notify_all()

    def _find_out(self, meeting: Meeting, last: Attempt, wanted: tuple[bytes, ...]) -> Iterator[None]:
        """The steps of `zlab.runtime.arrival`, on the monitors' thread."""
        subscriber, publisher = self._roles(meeting)
        sub, pub = self._ends.get(subscriber), self._ends.get(publisher)
        try:
            if sub is None or pub is None:
                return
            mailbox = sub.mailbox
            by_its_thread = (
                meeting.binder == subscriber or last.again or self._specs[subscriber].options.get("immediate")
            )
            node = subscriber.rpartition(".")[0]
            told = yield from self._arrivals.find_out(
                subscriber,
                publisher,
                handed_over=lambda: not by_its_thread or at_rest(mailbox, self._node(node)[1]),
                crossings=rounds(wanted, len(sub.accepted)),
                between=lambda: self._between(meeting, last, subscriber),
                carried=lambda: self._endpoints.carried(meeting.connector, meeting.endpoint),
            )
            with self.changed:
                same = self._ends.get(subscriber) is sub and self._ends.get(publisher) is pub
                if told and same and last.alive and last is meeting.last and not last.reason:
                    self._arrived(meeting, last, wanted)
        except zmq.ZMQError:  # a context ends
            return
        finally:
            last.proving = None

    def _between(self, meeting: Meeting, last: Attempt, subscriber: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The descriptors on the subscriber's side and on the publisher's."""
        binder = self._ends.get(meeting.binder)
        accepted = facing(last.fd, binder.accepted if binder is not None else ())
        return ((last.fd,), accepted) if meeting.connector == subscriber else (accepted, (last.fd,))
