"""Subscriptions: what a subscriber was promised and has not got is blamed on what can have taken it."""

from __future__ import annotations

import pytest

from zlab.ledger.subscription import HIGH_WATER, NOT_JOINED, Subscription
from zlab.recording import Ask, Filter, Recording

CAPACITY = 20


@pytest.mark.parametrize(("burst", "reason"), [(19, NOT_JOINED), (20, HIGH_WATER)])
def test_a_queue_that_was_never_full_has_dropped_nothing(burst: int, reason: str) -> None:
    publisher, subscriber = Recording("publisher", "out", "PUB"), Recording("subscriber", "inbox", "SUB")
    ask = Ask((b"",))
    life = Subscription(subscriber, filters={"publisher.out": [Filter(publisher, subscriber, 0, asks=(ask, 0))]})
    received, at = -1, 0.0  # one that was promised a moment before it could come
    for more in (burst, 0, 5, 0, 0):
        ask.count += more
        received, at = received + more, at + 0.1
        life.update(received=received, expected=ask.count, idle=not more, at=at)
    row = life.row(received=received, capacity=CAPACITY, exact_capacity=True, holds=CAPACITY, stopped=False)
    assert (row.expected, row.delivered, row.dropped) == (burst + 5, burst + 4, {reason: 1})
    row = life.row(received=received, capacity=0, exact_capacity=True, holds=0, stopped=False)  # it has no limit
    assert row.dropped == {NOT_JOINED: 1}
    row = life.row(received=received, capacity=CAPACITY, exact_capacity=True, holds=None, stopped=False)
    assert row.dropped == {HIGH_WATER: 1}  # which can be changed while it runs
