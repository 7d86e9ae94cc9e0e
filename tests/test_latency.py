"""Latency: what was injected is what is read, and what a source could not send while it was held up is put back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from labs import eventually, one_way, receiving

import zlab

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


def test_a_source_that_a_person_holds_up_leaves_nothing_out() -> None:
    with zlab.run(one_way(zlab.nodes.source(rate=RATE))) as lab:
        lab.wait(messages=20)
        for _ in range(2):
            lab.pause()
            at = lab.snapshot().at
            lab.wait(until=lambda s: s.at > at + 0.3)  # noqa: B023 - asked at once
            lab.resume()
            lab.wait(messages=20)
        lab.tune("sender", rate=2)
        lab.wait(messages=2)
        lab.tune("sender", rate=RATE)
        lab.wait(messages=20)
        eventually(lambda: lab.latency().loc[LINK, "count"] >= 60)
        row = lab.latency().loc[LINK]
        # A loaded machine may hold it up as well, but not for as long.
        assert row["omitted"] < 0.3 * RATE
        assert row["count"] >= 60


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_ten_milliseconds_injected_read_ten_milliseconds(transport: str) -> None:
    with zlab.run(one_way(zlab.nodes.source(rate=RATE / 2)), transport=transport) as lab:
        lab.wait(messages=5)
        with lab.fault("receiver", zlab.faults.Delay(seconds=0.010)):
            begins = lab.snapshot().at + 0.1

            def late() -> pd.Series[float]:
                rows = lab.messages()
                return rows[rows["sent"] > begins]["latency"].dropna()

            # On a machine that is busy elsewhere a thread wakes late, and then the next messages are looked at.
            eventually(lambda: len(late()) >= 30 and abs(late()[-30:].median() - 0.010) <= 0.0005, limit=60)
            assert late().min() >= 0.010
