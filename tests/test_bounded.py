"""What is kept of a program does not grow with the sockets that it opens and closes, and no count is lost by that."""

from __future__ import annotations

import gc
from collections import Counter
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import pytest
import zmq
from labs import eventually

import zlab
from zlab.ledger import book, lives, matching
from zlab.ledger.journeys import HOP_LIMIT
from zlab.runtime import clock, crowding, doing, symptoms, watching
from zlab.runtime.watching import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.runtime.discovery import Seen

KEPT = {
    "Recording",
    "Filter",
    "Subscription",
    "Counts",
    "PlainMeter",
    "Meter",
    "_Unmetered",
    "Seen",
    "cell",
    "function",
}
LOOKING = (clock, crowding, doing, symptoms, watching)
HOPS = 100


def kept() -> Counter[str]:
    """Objects of the kinds that are made for a socket."""
    gc.collect()
    return Counter(name for each in gc.get_objects() if (name := type(each).__name__) in KEPT)


def pushers(context: zmq.Context[zmq.Socket[bytes]]) -> Callable[[int], None]:
    """A PUSH for each message."""
    hub = context.socket(zmq.PULL)
    hub.bind("inproc://hub")
    hub.rcvtimeo = 10_000

    def one(number: int) -> None:
        with context.socket(zmq.PUSH) as out:
            out.connect("inproc://hub")
            out.send(b"%d" % number)
        hub.recv()

    return one


def subscribers(context: zmq.Context[zmq.Socket[bytes]]) -> Callable[[int], None]:
    """A SUB for each message, and another message that it did not ask for."""
    hub = context.socket(zmq.XPUB)
    hub.setsockopt(zmq.XPUB_VERBOSE, 1)  # whoever asked for the same before may not have gone yet
    hub.bind("inproc://hub")
    hub.rcvtimeo = 10_000

    def one(number: int) -> None:
        with context.socket(zmq.SUB) as inbox:
            inbox.connect("inproc://hub")
            inbox.subscribe(b"a")
            inbox.rcvtimeo = 10_000
            while hub.recv() != b"\x01a":  # now it knows of the subscription
                pass
            hub.send(b"b %d" % number)
            hub.send(b"a %d" % number)
            inbox.recv()

    return one


def publishers(context: zmq.Context[zmq.Socket[bytes]]) -> Callable[[int], None]:
    """A PUB for each message, and another message that nobody asked for."""
    hub = context.socket(zmq.SUB)
    hub.subscribe(b"a")
    hub.bind("inproc://hub")
    hub.rcvtimeo = 10_000

    def one(number: int) -> None:
        with context.socket(zmq.XPUB) as out:
            out.connect("inproc://hub")
            while not out.poll(1):
                hub.getsockopt(zmq.EVENTS)  # what has just come to it may not have been announced yet
            assert out.recv() == b"\x01a"
            out.send(b"b %d" % number)
            out.send(b"a %d" % number)
            hub.recv()

    return one


def pairs(context: zmq.Context[zmq.Socket[bytes]]) -> Callable[[int], None]:
    """Two PAIRs and an endpoint for each message."""

    def one(number: int) -> None:
        with context.socket(zmq.PAIR) as out, context.socket(zmq.PAIR) as inbox:
            out.bind(f"inproc://{number}")
            inbox.connect(f"inproc://{number}")
            out.send(b"%d" % number)
            inbox.recv()

    return one


@pytest.mark.parametrize("churn", [pushers, subscribers, publishers, pairs])
def test_sockets_that_come_and_go_leave_their_counts_and_nothing_else(
    churn: Callable[[zmq.Context[zmq.Socket[bytes]]], Callable[[int], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "Book", partial(book.Book, hops=HOPS))  # fewer, so that they are soon as many as ever
    monkeypatch.setattr(lives, "CROWD", 50)
    monkeypatch.setattr(matching, "PATIENCE", 10**8)  # what nobody asked for is looked for no longer than that
    half, filtered = 600, 1 if churn in {subscribers, publishers} else 0
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with zlab.watch(context) as lab:
        one = churn(context)
        before = Counter[str]()
        for number in range(2 * half):
            one(number)
            if number % 50 == 49:
                lab.ledger()  # a look at the probes, as the clock takes one ten times a second
            if number == half:
                before = kept()
        eventually(lambda: lab.ledger()["delivered"].sum() == 2 * half)
        lab.ledger()
        grown = kept() - before
        numbered = len(lab._clock.book._matcher.lives.recordings)
        table, sockets, topology = lab.ledger(), lab.sockets(), lab.topology
        eventually(lambda: len(lab.messages()) == HOPS)
        fates = set(lab.messages()["fate"])
        context.destroy(0)
    assert max(grown.values(), default=0) < half / 4, grown
    assert numbered < half
    assert table["expected"].sum() == table["delivered"].sum() == 2 * half
    assert sockets["sent"].sum() == 2 * half * (1 + filtered)
    assert table["filtered"].sum() == 2 * half * filtered
    assert table["unaccounted"].sum() == table["lost"].sum() == table["dropped"].sum() == table["queued"].sum() == 0
    assert fates <= {"delivered", "filtered", "unknown"}  # of what came so fast that it was not all traced
    assert len(topology.links) <= 2 * (ENDPOINTS + 1)


@pytest.mark.slow
def test_of_twenty_thousand_sockets_only_the_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "PATIENCE", 10**9)  # what came untraced is looked for no longer than that
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with zlab.watch(context) as lab:
        one = pushers(context)
        before = kept()
        for number in range(20_000):
            one(number)
        eventually(lambda: lab.ledger()["delivered"].sum() == 20_000)

        def bounded() -> bool:
            grown = kept() - before
            # Those of which a hop is remembered, and those that came since it was last looked whose numbers are free.
            if grown["Recording"] < HOP_LIMIT + 2 * lives.CROWD + 1_000:
                return True
            for number in range(lives.CROWD):  # so that it is looked again
                one(number)
            return False

        eventually(bounded)  # on a busy machine what came untraced in the last second is many
        table = lab.ledger()
        context.destroy(0)
    assert table["unaccounted"].sum() == table["queued"].sum() == 0


def test_a_socket_that_is_used_and_closed_while_others_get_their_places_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with zlab.watch(context) as lab:
        out, inbox = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        out.bind("inproc://here")
        inbox.connect("inproc://here")
        watching = lab._runs
        is_due = watching._is_due

        def meanwhile(seen: Seen, now: float) -> bool:
            due = is_due(seen, now)
            if seen.recording.type == "PULL" and not inbox.closed:
                out.send(b"one")
                inbox.recv()
                inbox.close()
            return due

        monkeypatch.setattr(watching, "_is_due", meanwhile)
        eventually(lambda: list(lab.ledger().get("delivered", [])) == [1])
    context.destroy(0)


def test_looking_at_threads_leaves_no_frame_that_keeps_itself():
    topology = zlab.patterns.pipeline(workers=1, rate=300)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        with zmq.Context() as context, zlab.watch(context), zlab.run(topology) as lab:
            with context.socket(zmq.PULL) as idle:
                idle.bind("inproc://idle")
                lab.pause()
                lab.step(2)
                lab.resume()
                lab.wait(messages=20, timeout=10)
        gc.collect()
        codes = {each.f_code for each in gc.garbage if isinstance(each, FrameType)}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not {code.co_qualname for code in codes if code.co_filename in {each.__file__ for each in LOOKING}}
