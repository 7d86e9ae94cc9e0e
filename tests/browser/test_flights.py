"""Messages in flight: what was sent evenly moves evenly, wherever its ticks fall."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from zlab.ledger.matching import HOLD
from zlab.views.view import script

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

_PLAY = """async ([code, batches]) => {
    const { Flights } = await import("data:text/javascript," + encodeURIComponent(code));
    const flights = new Flights({ nodes: [{}, {}], links: [{ source: 0, target: 1 }] });
    batches.forEach(([now, received]) => {
        flights.shift(0.1);
        const none = received.map(() => 0), sent = received.map((at) => at - 1e-4);
        flights.add(now, 0.1, sent, received, none, none, 1, false, [0]);
    });
    return [...flights.start.subarray(0, flights.count)];
}"""
_APART = 0.05  # seconds


def test_what_was_sent_evenly_moves_evenly_wherever_its_ticks_fall(chromium: Browser) -> None:
    code = script("graph.js", "flight.js") + "\nexport { Flights };"
    held, off = HOLD * 1e-9, []
    with chromium.new_context() as context:
        page = context.new_page()
        for phase in (step / 100 for step in range(5)):
            # Each tick tells of what was received before `held`, of the tenth of a second before that.
            received = [-(held + phase + _APART), -(held + phase)]
            starts = page.evaluate(_PLAY, [code, [[tick / 10, received] for tick in range(6)]])
            assert len(starts) == 12
            off.append(max(abs(b - a - _APART) for a, b in pairwise(starts)))
    assert max(off) <= held  # what is told of latest
    assert sorted(off)[2] == pytest.approx(0, abs=1e-6)
