"""What can be asked of single messages: their hops and frames, and the picture of the last of them."""

from __future__ import annotations

import time
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

from zlab.ledger import frames
from zlab.ledger.arrows import Arrows
from zlab.ledger.fates import Fates
from zlab.probe import identify

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from zlab.ledger.hops import Hop
    from zlab.ledger.snapshot import Snapshot
    from zlab.recording import Event
    from zlab.runtime.clock import Clock, Runs
    from zlab.topology import Topology
    from zlab.views.diagram import Diagram
    from zlab.views.message import Message


class Passage(NamedTuple):
    """One traced message on its way from one socket to another: a row of `Followed.messages`, with what it said."""

    message: int
    """Its number; what follows from a message in another node bears the same one."""
    hop: int
    sender: str
    """The full name of the socket that sent it."""
    receiver: str
    """The full name of the socket that received it; "" where nobody has, and several may yet."""
    sent: float
    """When send was called, in seconds since the lab started."""
    received: float | None
    """When recv returned it, likewise; None if it has not."""
    frames: tuple[bytes, ...]
    """As the sender's application gave them, each cut after 4,096 bytes; () at full rate."""

    @property
    def body(self) -> bytes:
        """Its last frame, without the dots that fill it up."""
        return self.frames[-1].rstrip(b".") if self.frames else b""


class Followed:
    """A program whose messages are followed over their hops.

    Args:
        runs: what runs.
        clock: what reads its probes.
    """

    def __init__(self, runs: Runs, clock: Clock) -> None:
        """Nothing has been asked yet."""
        self._runs = runs
        self._clock = clock
        self._arrows = Arrows(clock.book.journeys, lambda: self._fates(clock.latest), round(runs.began * 1e9))

    @property
    def topology(self) -> Topology:
        """Its nodes, sockets and links, as far as they are known."""
        return self._clock.book.topology

    def history(self) -> tuple[Event, ...]:
        """The events, as `zlab.recording.Event`: the last 10,000."""
        return tuple(sorted(self._runs.events, key=lambda event: event.at))

    def messages(self) -> pd.DataFrame:
        """A row per traced message and hop, with its fate, in the order in which they were sent.

        Columns: ``message`` (its number: what follows from a message in another node bears the same
        one), ``hop`` (from 1), ``link``, ``via`` (the node whose ``zmq.proxy`` passed it on, or several: what it
        spent there is not told apart), ``kind``, ``size`` in bytes, ``sent`` and ``received`` in seconds
        since the lab started; the stages in seconds: ``service`` (in the node, since it received what
        this follows from), ``send_call`` and ``queue_and_wire`` (until recv returned it), the last two
        together ``latency``; ``follows`` (by what the hop was joined to the one before: ``the same
        body``, which a node passed on, or ``the last received`` before it), ``fate`` (``delivered``,
        ``under way``, ``filtered``, ``dropped: ...`` or ``lost: ...`` where the ledger knows it, else
        ``unknown``), and ``ambiguous``: another message under way had the same body, or several had come
        that this hop may follow from. ``fault`` is ``drop`` where a fault let it go no further, and ``duplicate`` where
        a fault sent it once more: a row of its own, which bears the same number.

        The last 1,000 hops are kept, with ``trace="full"`` 100,000: ``attrs["let_go"]`` counts the older
        ones, ``attrs["sampling"]`` is n where about one message in n is traced now.
        """
        snapshot, _ = self._fresh()
        return self._messages(self._clock.book.journeys.hops(), snapshot)

    def passages(self) -> tuple[Passage, ...]:
        """What `messages` tells of, as plain values with the frames that were sent, in the order of sending."""
        self._fresh()
        began = round(self._runs.began * 1e9)
        return tuple(
            Passage(
                hop.crossing.message,
                hop.crossing.hop,
                hop.crossing.sender,
                hop.receiver,
                (hop.crossing.trace.time - began) * 1e-9,
                (hop.received - began) * 1e-9 if hop.received else None,
                hop.crossing.trace.frames,
            )
            for hop in self._clock.book.journeys.hops()
        )

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
        snapshot, _ = self._fresh()
        hops = self._hops_of(message)
        table = self._messages(hops, snapshot)
        table.attrs["end_to_end"] = table["received"].max() - table["sent"].min()
        return table

    def frames(self, message: int | bytes | Sequence[bytes], hop: int = 1) -> Message:
        """The frames of one message as its sender gave them to ZeroMQ, envelope and body told apart.

        Args:
            message: as for `journey`.
            hop: on which of its hops, from 1: a broker adds frames to a message, and takes them off again. Where
                it was sent on to several at once, the first of them.

        Raises:
            LookupError: no such message or hop is remembered; it may not have been traced.
        """
        from zlab.views.message import Message

        self._fresh()
        hops = self._hops_of(message)
        found = next((h for h in hops if h.crossing.hop == hop), None)
        if found is None:
            there = ", ".join(str(n) for n in sorted({h.crossing.hop for h in hops}))
            raise LookupError(f"hop {hop} of {message!r} is not remembered; these are: {there}")
        crossing, (fate, receiver) = found.crossing, self._fates(self._clock.latest).of(found)
        return Message(
            number=crossing.message,
            hop=crossing.hop,
            link=f"{crossing.sender} → {receiver or '?'}",
            socket=crossing.recording.type,
            size=crossing.trace.size,
            frames=crossing.trace.frames,
            fate=fate,
            begins=crossing.trace.head,
        )

    def diagram(self, last: int = 40, *, scale: str = "auto") -> Diagram:
        """The last messages as a sequence diagram; at the end of a cell, a picture that needs no kernel.

        Time runs downwards, a line is a node, an arrow a message from send to recv.

        Args:
            last: how many hops of messages at most; what is left out is said in the picture.
            scale: ``time`` draws them at their true times, ``order`` one after the other at even distances, and
                ``auto`` at their true times if they can then be told apart. The picture names which one it is.

        Raises:
            ValueError: a ``last`` below 1, or a ``scale`` that is none of these.
        """
        from zlab.views.diagram import SCALES, diagram

        if last < 1:
            raise ValueError(f"last={last!r}: give 1 or more")
        if scale not in SCALES:
            raise ValueError(f"scale={scale!r}: give {', '.join(map(repr, SCALES))}")
        snapshot, topology = self._fresh()
        return diagram(topology, snapshot, self._arrows, self.history(), last=last, scale=scale)

    @property
    def arrows(self) -> Arrows:
        """What is remembered of its messages, hop by hop, for the views; see `messages`."""
        return self._arrows

    def _hops_of(self, message: int | bytes | Sequence[bytes]) -> Sequence[Hop]:
        journeys = self._clock.book.journeys
        if not isinstance(message, (int, Integral)):  # numpy's own among them, as a table has them
            parts = [bytes(message)] if isinstance(message, (bytes, bytearray, memoryview)) else list(message)
            known = journeys.known_by(identify(parts, self._runs.key))
            number = known[-1] if known else 0
        else:
            number = int(message)
        hops = journeys.of(number)
        if not hops:
            raise LookupError(
                f"{message!r}: no such message is remembered; lab.messages() has those that are, "
                'and zlab.run(..., trace="full") traces them all'
            )
        return hops

    def _fates(self, snapshot: Snapshot) -> Fates:
        book = self._clock.book
        return Fates(
            book.journeys.arrived(),
            self.topology.links[: len(snapshot.links)],
            snapshot.links,
            dict(book.proxied),
            settled=book.emptied.settled(time.perf_counter_ns(), stopped=self._runs.stopped)[: len(snapshot.links)],
            interrupted=book.journeys.interrupted,
        )

    def _messages(self, hops: Iterable[Hop], snapshot: Snapshot) -> pd.DataFrame:
        book = self._clock.book
        table = frames.messages(hops, self._fates(snapshot), tuple(book.kinds.names), round(self._runs.began * 1e9))
        table.attrs.update(let_go=book.journeys.let_go, sampling=snapshot.sampling)
        return table

    def _fresh(self) -> tuple[Snapshot, Topology]:
        return (self._clock.latest, self.topology) if self._runs.stopped else self._clock.look_around()
