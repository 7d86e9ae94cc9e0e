"""Binary Star: its state machine is that of the Guide, and two active servers are an end."""

from __future__ import annotations

from itertools import product

import pytest
import zmq
from labs import LIMIT, leaving_nothing

import zlab
from zlab import patterns
from zlab.patterns.bstar import BinaryStar, SplitBrainError, State

PRIMARY, BACKUP, ACTIVE, PASSIVE = State
VOTE = 5  # a client's request, while the other is silent
GUIDE = {  # figure 54, and bstar.c where it says more
    (PRIMARY, BACKUP): ACTIVE,
    (PRIMARY, ACTIVE): PASSIVE,
    (PRIMARY, VOTE): ACTIVE,
    (BACKUP, ACTIVE): PASSIVE,
    (ACTIVE, ACTIVE): "error",
    (PASSIVE, PRIMARY): ACTIVE,
    (PASSIVE, BACKUP): ACTIVE,
    (PASSIVE, PASSIVE): "error",
    (PASSIVE, VOTE): ACTIVE,
}


def after(state, event):
    star = BinaryStar(state, heartbeat=0)
    if event == VOTE:
        served = star.vote()
        assert served == (star.state == ACTIVE)
    else:
        star.hear(b"%d" % event)
    return star.state


@pytest.mark.parametrize(("state", "event"), [*product(State, [*State, VOTE])])
def test_it_goes_from_state_to_state_as_in_the_guide(state, event):
    if GUIDE.get((state, event)) == "error":
        with pytest.raises(SplitBrainError, match="both servers are"):
            after(state, event)
    else:
        assert after(state, event) == GUIDE.get((state, event), state)


def failed(lab):
    return {node.name for node in lab.snapshot().nodes if node.state == "failed"}


def states(lab):
    """What each of the servers has said last."""
    said = [p for p in lab.passages() if p.sender.endswith(".statepub")]
    return {p.sender.split(".")[0]: p.body for p in said}


def test_a_split_brain_ends_both_and_not_the_lab():
    topology = patterns.binary_star(clients=1, rate=20, heartbeat=0.1)
    with leaving_nothing(), zlab.run(topology, transport="tcp") as lab, zmq.Context() as context:
        lab.wait(until=lambda _: states(lab) == {"primary": b"3", "backup": b"4"}, timeout=LIMIT)
        with context.socket(zmq.REQ) as islander:  # sees the backup alone
            islander.set(zmq.LINGER, 0)
            islander.connect(lab.endpoints["backup"])
            links = ("primary.statepub", "backup.statepub")
            cut = [lab.fault(link, zlab.faults.Drop(1.0)) for link in links]
            silent = lab.snapshot().at + 0.5  # seconds: five heartbeats
            lab.wait(until=lambda now: now.at > silent, timeout=LIMIT)
            islander.send(b"request 0 of islander")
            assert islander.poll(LIMIT * 1000)
            for one in cut:
                one.end()
            lab.wait(until=lambda _: failed(lab), timeout=LIMIT)
        with pytest.raises(zlab.checks.CheckFailed, match="a split brain"):
            patterns.binary_star.check(lab)
        assert any("both servers are active" in e.detail for e in lab.history() if e.kind == "error")
        assert lab.state == "running"


def test_a_primary_that_comes_back_is_passive_until_the_backup_dies():
    with leaving_nothing(), zlab.run(patterns.binary_star(rate=20, heartbeat=0.1, timeout=0.5), transport="tcp") as lab:
        lab.wait(messages=20, timeout=LIMIT)
        lab.kill("primary")
        lab.wait(until=lambda _: states(lab)["backup"] == b"3", timeout=LIMIT)
        lab.restart("primary")
        lab.wait(until=lambda _: states(lab) == {"primary": b"4", "backup": b"3"}, timeout=LIMIT)
        lab.kill("backup")
        assert "by the primary alone" in patterns.binary_star.check(lab, within=LIMIT)
