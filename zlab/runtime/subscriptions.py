"""Subscriptions: what each subscriber asks for now, and whether that is known to have reached its publisher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from zlab.runtime.arrival import Arrivals, at_rest, facing, rounds
from zlab.sockets import SocketType, node_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from zlab.runtime.endpoints import Endpoints
    from zlab.runtime.meetings import Attempt, Meeting, Meetings
    from zlab.runtime.monitors import Monitors
    from zlab.runtime.telling import Telling


class Subscriptions:
    """Proves for each connection that what is asked for has arrived; `Meetings.changed` is held by whoever calls.

    Args:
        meetings: who meets whom.
        monitors: the thread on which it is found out.
        endpoints: tells what the network still carries.
        thread: that of a node.
        telling: what has arrived is told there.
    """

    def __init__(
        self,
        meetings: Meetings,
        monitors: Monitors,
        endpoints: Endpoints,
        thread: Callable[[str], threading.Thread | None],
        telling: Telling,
    ) -> None:
        """Have proven nothing yet."""
        self._meetings, self._monitors, self._endpoints = meetings, monitors, endpoints
        self._thread, self._telling = thread, telling
        self._arrivals = Arrivals(monitors)

    def prove(self, meeting: Meeting) -> None:
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

    def missing(self, meeting: Meeting, last: Attempt) -> str:
        """Why the latest connection of a meeting does not carry what its subscriber wants; "" where it does."""
        subscriber, _ = self._roles(meeting)
        wanted = self._wanted(subscriber)
        if wanted is None:
            if self._meetings.specs[subscriber].type is SocketType.SUB:
                return f"{subscriber} subscribes to nothing: add subscribe=''"
            return f"{subscriber} has not passed all subscriptions on"
        if not meeting.unheard and last.proven != wanted:
            return "the subscription has not been seen to arrive"
        return ""

    def _roles(self, meeting: Meeting) -> tuple[str, str]:
        """The subscriber and the publisher of a meeting."""
        link = self._meetings.links[meeting.fed]
        return link.receiver, link.sender

    def _wanted(self, subscriber: str) -> tuple[bytes, ...] | None:
        """What a subscriber asks for now; None where that is nothing yet."""
        end = self._meetings.ends.get(subscriber)
        if end is None:
            return None
        if self._meetings.specs[subscriber].type is SocketType.SUB:
            # One that inverts its matching and asks for nothing is sent everything.
            return end.recording.subscriptions or (() if end.recording.inverts else None)
        # XSUB: subscriptions are messages that its program sends; those of a proxy come from the other side.
        forwarded = end.recording.forwarded
        if forwarded is None:
            sent = end.recording.counts().sent
            return (b"%d" % sent,) if sent else None
        asked = {prefix for each in forwarded.partner.filters for prefix in each.prefixes}
        sent = forwarded.read().sent_frames
        return tuple(sorted(asked)) if asked and sent >= len(asked) else None

    def _arrived(self, meeting: Meeting, last: Attempt, wanted: tuple[bytes, ...]) -> None:
        last.proven, last.proving = wanted, None
        if last.subscribed is None:
            last.subscribed = self._meetings.now()
            subscriber, publisher = self._roles(meeting)
            if not meeting.unheard:
                self._telling.tell("subscribe", subscriber, f"the subscription has arrived at {publisher}")
        self._meetings.changed.notify_all()

    def _find_out(self, meeting: Meeting, last: Attempt, wanted: tuple[bytes, ...]) -> Iterator[None]:
        """The steps of `zlab.runtime.arrival`, on the monitors' thread, which takes `Meetings.changed` for the last."""
        subscriber, publisher = self._roles(meeting)
        ends = self._meetings.ends
        sub, pub = ends.get(subscriber), ends.get(publisher)
        try:
            if sub is None or pub is None:
                return
            mailbox = sub.mailbox
            immediate = self._meetings.specs[subscriber].options.get("immediate")
            by_its_thread = meeting.binder == subscriber or last.again or immediate
            node = node_of(subscriber)
            told = yield from self._arrivals.find_out(
                subscriber,
                publisher,
                handed_over=lambda: not by_its_thread or at_rest(mailbox, self._thread(node)),
                crossings=rounds(wanted, len(sub.accepted)),
                between=lambda: self._between(meeting, last, subscriber),
                carried=lambda: self._endpoints.carried(meeting.connector, meeting.endpoint),
            )
            with self._meetings.changed:
                same = ends.get(subscriber) is sub and ends.get(publisher) is pub
                if told and same and last.alive and last is meeting.last and not last.reason:
                    self._arrived(meeting, last, wanted)
        except zmq.ZMQError:  # a context ends
            return
        finally:
            last.proving = None

    def _between(self, meeting: Meeting, last: Attempt, subscriber: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The descriptors on the subscriber's side and on the publisher's."""
        binder = self._meetings.ends.get(meeting.binder)
        accepted = facing(last.fd, binder.accepted if binder is not None else ())
        return ((last.fd,), accepted) if meeting.connector == subscriber else (accepted, (last.fd,))
