"""Hearing: what the socket monitors of two ends tell is put together into what has become of their connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from zlab.ledger.snapshot import NodeState
from zlab.runtime.addresses import meets
from zlab.runtime.handshakes import reason_of
from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zlab.runtime.meetings import End, Meeting, Meetings
    from zlab.runtime.telling import Telling

ENDED = {
    NodeState.KILLED: "was killed",
    NodeState.FAILED: "has failed",
    NodeState.STOPPED: "was stopped",
}
"""What is said of a node whose sockets are closed."""

_CLOSE = 1.0  # seconds between a connection's end and its refusal, if the one tells of the other


class Hearing:
    """Hears what the monitors tell, on their thread.

    Args:
        meetings: who meets whom; `changed` is held by whoever calls.
        urls: those in use, by endpoint.
        state: tells that of a node.
        telling: what has been heard is told there.
    """

    def __init__(
        self, meetings: Meetings, urls: Mapping[str, str], state: Callable[[str], NodeState], telling: Telling
    ) -> None:
        """Have heard nothing yet."""
        self._meetings, self._urls, self._state, self._telling = meetings, urls, state, telling

    def heard(self, name: str, event: int, value: int, url: str) -> Meeting | None:
        """Hear an event of a socket's monitor; returns the meeting, where it is the side that connects which tells."""
        meeting = self._told_of(name, url)
        if meeting is not None:
            self._connecting(meeting, event, value)
        elif name in self._meetings.ends:
            self._binding(name, self._meetings.ends[name], event, value, url)
        return meeting

    def lost(self, name: str, address: int) -> None:
        """Hear that a socket's monitor tells no more, while the socket may still be open; by its address in libzmq."""
        end = self._meetings.ends.get(name)
        if end is None or end.socket.closed or self._telling.over or end.socket.context.closed:
            return
        if end.socket.underlying != address:  # it has a successor already
            return
        if self._state(node_of(name)) is NodeState.RUNNING:
            self._telling.tell("note", name, "its program monitors it by itself: no more is told of its connections")

    def _told_of(self, name: str, url: str) -> Meeting | None:
        """The meeting that a monitor of the connecting socket speaks of; None where it is one that binds."""
        mine = [m for m in self._meetings.connected[name] if not m.unheard]
        exact = [m for m in mine if m.url == url]
        bound = [m for m in self._meetings.bound[name] if m.url == url]
        if exact or bound or not mine:
            return exact[0] if exact else None
        # A host name: the monitor tells what it was resolved to.
        near = [m for m in mine if meets(m.url, url) or m.url.rpartition(":")[2] == url.rpartition(":")[2]]
        return near[0] if near else None

    def _connecting(self, meeting: Meeting, event: int, value: int) -> None:
        at, last = self._meetings.now(), meeting.last
        tell, who, peer = self._telling.tell, meeting.connector, meeting.binder or "a peer outside"
        if last is None or not last.alive:
            if event not in {zmq.EVENT_CONNECT_RETRIED, zmq.EVENT_CONNECTED} or who not in self._meetings.ends:
                return
            last = self._meetings.begin(meeting, again=True)
        if event == zmq.EVENT_CONNECT_RETRIED:
            last.retries += 1
            if last.retries == 2:  # noqa: PLR2004 - the first is the rule where all start at once
                tell("retry", who, f"nobody answers at {meeting.url}: ZeroMQ tries again and again")
        elif event == zmq.EVENT_CONNECTED:
            last.up, last.fd, last.reason = at, value, ""
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            last.handshake, last.verdict, meeting.admitted = at, "", True
            after = f" after {last.retries} {'retry' if last.retries == 1 else 'retries'}" if last.retries else ""
            tell("handshake", who, f"with {peer} at {meeting.url}{after}")
        elif event == zmq.EVENT_DISCONNECTED:
            last.disconnected = at
            last.reason = last.reason or self._end_of(meeting)
            tell("disconnect", who, f"from {peer} at {meeting.url}")
        elif reason := reason_of(event, value):
            meeting.refused = True
            last.reason, last.sure = reason, event != zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            tell("handshake failed", who, f"at {meeting.url}: {reason}")

    def _end_of(self, meeting: Meeting) -> str:
        node = node_of(meeting.binder)
        state = self._state(node) if node else NodeState.RUNNING
        return f"{node} {ENDED[state]}" if state in ENDED else "the peer closed it"

    def _binding(self, name: str, end: End, event: int, value: int, url: str) -> None:
        tell = self._telling.tell
        if event == zmq.EVENT_ACCEPTED:
            end.accepted.add(value)
            end.pending += 1
            tell("accept", name, f"a connection at {url}")
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
            tell("disconnect", name, f"a peer has left {url}")
        elif reason := reason_of(event, value):
            end.pending -= 1
            end.failing += 1
            tell("handshake failed", name, f"at {url}: {reason}")
            self._judge(name, url, reason)

    def _judge(self, name: str, url: str, reason: str) -> None:
        """Tell why a connection was refused at the side that was not told: where no other can be meant."""
        now = self._meetings.now()
        meant = [
            (meeting, last)
            for meeting in self._meetings.bound[name]
            if self._urls.get(meeting.endpoint) == url
            and (last := meeting.last) is not None
            and last.handshake is None  # of its being up, another monitor tells, perhaps later
            and now - (now if last.disconnected is None else last.disconnected) < _CLOSE
        ]
        if len(meant) == 1 and not meant[0][1].sure:
            meeting, last = meant[0]
            meeting.refused, last.verdict = True, f"{node_of(name)} has refused it: {reason}"
