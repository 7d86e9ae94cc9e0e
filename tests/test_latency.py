"""Latency: what was injected is what is read, and what a source could not send while it was held up is put back."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from labs import eventually, one_way, receiving

import zlab
from zlab.nodes import paced

if TYPE_CHECKING:
    import pandas as pd
    import zmq

LINK = "sender.out → receiver.inbox"
RATE = 100


def stalling(go: threading.Event, after: int) -> object:
    """A receiver that stops reading after so many messages, until it is told to go on."""

    def receive(inbox: zmq.Socket[bytes]) -> None:
        for _ in range(after):
            inbox.recv()
        go.wait(20)
        receiving(inbox)

    return receive


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_what_a_source_left_out_while_its_send_blocked_is_put_back(transport: str) -> None:
    go = threading.Event()
    # A message of a megabyte over tcp, so that the kernel's buffers are full soon.
    source = zlab.nodes.source(rate=RATE, size=100 if transport == "inproc" else 4_000_000)
    topology = one_way(source, stalling(go, 20), hwm=1)
    with zlab.run(topology, transport=transport) as lab:
        lab.wait(until=lambda s: s.links[0].delivered >= 20)
        lab.wait(until=lambda s: next(n for n in s.nodes if n.name == "sender").state == "blocked in send")
        blocked = lab.snapshot().at
        lab.wait(until=lambda s: s.at > blocked + 0.5)
        go.set()
        # It was seen to be blocked for half a second, and blocked for half a second before that was seen.
        eventually(lambda: lab.latency().loc[LINK, "omitted"] >= 0.4 * RATE)
        table = lab.latency()  # once: the source goes on
        row = table.loc[LINK]
        assert row["omitted"] < (lab.snapshot().at - blocked + 10) * RATE
        assert row["p50"] < row["p50 corrected"]
        assert row["max corrected"] >= 0.5
        path = table.loc["sender → receiver"]
        assert path["omitted"] == row["omitted"]
        assert path["max corrected"] == pytest.approx(row["max corrected"], rel=0.01)


@dataclass
class Stamping:
    """A source that writes down when it sent each message, in seconds of the performance counter."""

    rate: float
    sent: list[float] = field(default_factory=list)

    def __call__(self, out: zmq.Socket[bytes]) -> None:
        for number in paced(out, lambda: self.rate):
            self.sent.append(time.perf_counter())
            out.send(b"%d" % number)

    def late(self, but: list[tuple[float, float]]) -> float:
        """Seconds by which it was late, all in all, from one message to the next outside of these times."""
        gaps = [(a, b) for a, b in pairwise(self.sent) if not any(begin < b and a < end for begin, end in but)]
        return sum(max(0.0, after - before - 1 / RATE) for before, after in gaps)


def test_a_source_that_a_person_holds_up_leaves_nothing_out() -> None:
    source, held = Stamping(RATE), list[tuple[float, float]]()
    with zlab.run(one_way(source)) as lab:
        lab.wait(messages=20)
        for _ in range(2):
            began = time.perf_counter()
            lab.pause()
            at = lab.snapshot().at
            lab.wait(until=lambda s: s.at > at + 0.3)  # noqa: B023 - asked at once
            lab.resume()
            held.append((began, time.perf_counter()))
            lab.wait(messages=20)
        began = time.perf_counter()
        lab.tune("sender", rate=2)
        lab.wait(messages=2)
        lab.tune("sender", rate=RATE)
        held.append((began, time.perf_counter()))
        lab.wait(messages=20)
        eventually(lambda: lab.latency().loc[LINK, "count"] >= 60)
        row = lab.latency().loc[LINK]
        # A loaded machine holds it up as well: that is left out.
        assert row["omitted"] < (0.3 + source.late(but=held)) * RATE
        assert row["count"] >= 60


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_ten_milliseconds_injected_read_ten_milliseconds(transport: str) -> None:
    source, came = Stamping(RATE / 2), list[float]()

    def receive(inbox: zmq.Socket[bytes]) -> None:
        while True:
            inbox.recv()
            came.append(time.perf_counter())

    with zlab.run(one_way(source, receive), transport=transport) as lab:
        lab.wait(messages=5)
        with lab.fault("receiver", zlab.faults.Delay(seconds=0.010)):
            begins = lab.snapshot().at + 0.1

            def late() -> pd.DataFrame:
                rows = lab.messages()
                return rows[rows["sent"] > begins].dropna(subset="latency")

            def ten() -> bool:
                woken = sorted(_overslept(0.010) for _ in range(30))
                read = late()["latency"][-30:]
                # A thread of ours tells how late threads wake on a machine that is busy elsewhere.
                return len(read) == 30 and abs(read.median() - 0.010) <= max(0.0005, woken[15])

            eventually(ten)
            rows = late()
            assert rows["latency"].min() >= 0.010
    # Message by message, what was read is what both ends have seen themselves.
    own = [came[number] - source.sent[number] for number in rows["message"] - 1]
    assert (rows["latency"] - own).abs().median() <= 0.0005


def _overslept(seconds: float) -> float:
    before = time.perf_counter()
    threading.Event().wait(seconds)
    return time.perf_counter() - before - seconds


@dataclass
class Asking:
    """A client that asks at a rate of its own, whatever has come meanwhile."""

    rate: float
    name: bytes

    def __call__(self, requests: zmq.Socket[bytes]) -> None:
        for number in paced(requests, lambda: self.rate):
            requests.send(b"question %d of %b" % (number, self.name))
            while requests.poll(0):
                requests.recv()


@dataclass
class Answering:
    """A server that answers, and tells everybody again and again that it is alive."""

    beats: float

    def __call__(self, requests: zmq.Socket[bytes]) -> None:
        peers, due = set[bytes](), time.monotonic()
        while True:
            if requests.poll(1000 * self.beats / 2):
                peer, question = requests.recv_multipart()
                peers.add(peer)
                requests.send_multipart([peer, question.replace(b"question", b"answer")])
            if time.monotonic() > due:
                due = time.monotonic() + self.beats
                for each in peers:
                    requests.send_multipart([each, b"alive"])


def test_what_a_source_sends_at_its_own_rate_follows_from_nothing_and_heartbeats_make_no_latency() -> None:
    topology = zlab.Topology(
        "heartbeats",
        [
            *(
                zlab.Node(name, Asking(50, name.encode()), requests=zlab.DEALER.connect("server"))
                for name in ("one", "two")
            ),
            zlab.Node("server", Answering(0.02), requests=zlab.ROUTER.bind("server")),
        ],
    )
    with zlab.run(topology, transport="tcp", trace="full") as lab:
        lab.wait(messages=200)
        lab.stop()
        table = lab.messages()
        asked = table[table["link"].str.endswith("→ server.requests")]
        assert len(asked) > 50
        assert (asked["hop"] == 1).all()
        paths = lab.latency()
        paths = paths[paths["scope"] == "end to end"]
        assert {"one → server → one", "two → server → two"} <= set(paths.index)
        # An answer is looked for at the next question; nothing takes as long as the lab has run.
        assert paths["max"].max() < 1
