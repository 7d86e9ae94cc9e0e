"""The past of a lab: what is written down is read again, what is let go is said, and it never takes more room."""

from __future__ import annotations

from dataclasses import replace

import pytest
from labs import eventually, one_way, sending
from test_views import snapshot

import zlab
from zlab.ledger.page import Writer, read
from zlab.ledger.past import Past
from zlab.ledger.snapshot import Flight, LatencyFigures, NodeState
from zlab.recording import Event
from zlab.topology import Topology

PIPELINE = zlab.patterns.pipeline()


def past(times, **limits):
    made = Past(**limits)
    for at in times:
        made.add(snapshot(PIPELINE, at=at), PIPELINE)
    return made


def ticks(seconds, begin=0.0):
    return [begin + i / 10 for i in range(round(10 * seconds))]


@pytest.mark.parametrize("name", zlab.patterns.__all__)
def test_a_page_is_read_as_it_was_written(name):
    topology = getattr(zlab.patterns, name)()
    first = snapshot(topology, at=0.1)
    links = list(first.links)
    links[0] = replace(links[0], dropped={}, lost={"peer killed": 4}, latency=None, rate=float("inf"), expected=2**40)
    nodes = [replace(node, state=NodeState.FAILED, traceback="why", knobs={}) for node in first.nodes]
    later = [
        replace(first, at=0.2, links=tuple(links)),
        replace(first, at=0.3, nodes=tuple(nodes), events=(Event(0.25, "error", nodes[0].name, "", "why"),)),
        replace(first, at=0.4, links=tuple(replace(link, dropped={"unroutable": 1}) for link in links)),
        replace(first, at=0.5, end_to_end={"a → b": LatencyFigures(1, 1.0, 2.0, 3.0, 4.0, 5.0)}, kinds=("a", "b")),
        replace(first, at=0.6, flights=tuple(Flight(i % 2, i % 8, i / 7, i / 3, i) for i in range(1000))),
    ]
    writer = Writer()
    pages = [writer.write(taken, topology) for taken in (first, *later)]  # each shares with the one before
    assert [read(page) for page in pages] == [first, *later]


def test_a_large_tick_is_squeezed_and_read_alike():
    topology = zlab.patterns.pub_sub(subscribers=300)
    taken = snapshot(topology)
    page = Writer().write(taken, topology)
    assert page.size < 100 * (len(taken.nodes) + len(taken.links) + len(taken.sockets)) + page.words.size
    assert page.squeezed
    assert read(page) == taken


def test_nothing_is_lost_of_a_program_that_grows():
    small = Topology.observed("program", ())
    made = Past()
    made.add(snapshot(small, at=0.1), small)
    made.add(snapshot(PIPELINE, at=0.2), PIPELINE)
    assert made.at(0.15) == (snapshot(small, at=0.1), small)
    assert made.at(0.2) == (snapshot(PIPELINE, at=0.2), PIPELINE)


def test_the_last_ticks_are_all_kept_and_ever_fewer_back_to_the_start():
    made = past(ticks(800))
    kept = made.kept
    assert kept.end - kept.dense == pytest.approx(29.9)
    assert (kept.begin, kept.whole) == (0.0, True)
    assert made.at(770.34)[0].at == pytest.approx(770.3)
    assert 0 <= 700.0 - made.at(700.0)[0].at <= 5
    assert 0 <= 100.0 - made.at(100.0)[0].at <= 50
    assert len(made) == 400


def test_it_takes_no_more_room_after_its_first_minute():
    minute, hour = past(ticks(61)), past(ticks(1800))
    assert len(minute) == len(hour) == 400
    assert hour.size <= 1.02 * minute.size  # later figures have more digits


def test_it_never_takes_more_room_however_large_it_is():
    whole = past(ticks(20))
    made = past(ticks(60), most=whole.size)
    assert made.size <= whole.size
    assert not made.kept.whole
    assert made.kept.begin > 35
    assert made.at(59.0)[0] == snapshot(PIPELINE, at=59.0)


def test_what_is_out_of_range_is_named_with_what_is_kept():
    made = past(ticks(10))
    assert made.at(0.0)[0].at == 0.0
    with pytest.raises(LookupError, match=r"12 s after the start has not come yet: 0.0 s to 9.9 s .* are kept"):
        made.at(12)
    with pytest.raises(LookupError, match="not remembered"):
        made.at(-0.1)
    with pytest.raises(LookupError, match="not come"):
        made.at(float("nan"))
    short = past(ticks(10), most=past(ticks(5)).size)
    with pytest.raises(LookupError, match=r"1 s after the start is not remembered: 4\.8 s"):
        short.at(1)
    with pytest.raises(LookupError, match="nothing"):
        Past().at(0)


def test_its_ticks_are_stepped_through_and_its_messages_found():
    made = past(ticks(100))
    assert made.beside(99.0, -1) == pytest.approx(98.9)
    later = made.beside(20.0, 1)  # where it is thinned, to the next that is kept
    assert later > 20.1
    assert made.at(later)[0].at == later
    assert made.beside(0.0, -5) == 0.0
    assert made.beside(99.85, 7) == pytest.approx(99.9)
    moved = made.flights(98.0, 98.5)
    assert len(moved) == 5 * len(PIPELINE.links)
    assert sorted({f.received for f in moved}) == pytest.approx([98.0 + i / 10 - 0.005 for i in range(1, 6)])
    assert [taken.at for taken in made.between(90, 95, apart=0.5)] == pytest.approx([90 + i / 2 for i in range(11)])


def test_a_lab_can_be_asked_how_it_stood():
    bodies = [b"%d" % i for i in range(50)]
    with zlab.run(one_way(sending(*bodies))) as lab:
        lab.wait(until=lambda now: now.links[0].delivered == 50)
        seen = []
        stop = lab.subscribe(seen.append)
        eventually(lambda: len(seen) > 2)
        stop()
        for now in seen:
            then = lab.at(now.at)
            assert all(getattr(then, each) == getattr(now, each) for each in ("links", "nodes", "sockets", "sequence"))
        assert "sender.out → receiver.inbox: 50 of 50 delivered" in repr(lab.at(-0.01))
        assert "<svg" in lab.at(seen[0].at)._repr_mimebundle_()["image/svg+xml"]
        with pytest.raises(LookupError, match="are kept"):
            lab.at(1e6)
    assert lab.at(lab.past.kept.end).state == "stopped"


def test_it_is_told_of_how_many_ticks_a_moment_is_where_some_have_been_let_go():
    past, topology = Past(), zlab.patterns.pipeline()
    taken = snapshot(topology)
    for at in ticks(120):
        past.add(replace(taken, at=at), topology)
    dense = past.kept.dense
    assert past.ticks(dense, dense + 1.5) == (15, 15)
    kept, of = past.ticks(20.0, 21.5)
    assert (kept, of) == (sum(1 for _ in past.between(20.05, 21.5)), 15)
    assert kept < 15
    assert past.ticks(-1.5, 0.0) == (1, 1)
