"""The labels of a sequence diagram: however dense its arrows, no label covers another, and none is lost count of."""

from __future__ import annotations

import json
import math
import random
from itertools import product
from typing import TYPE_CHECKING

import pytest

from zlab.views import diagram
from zlab.views.view import script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
LINES = (190, 390, 590, 790, 990)  # where the lines of the nodes are, in pixels


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    """A page with the scripts alone, and a pen."""
    with chromium.new_context() as context:
        made = context.new_page()
        signs = f"const SIGNS = {json.dumps(diagram.SIGNS)};"
        made.add_script_tag(content=signs + script("message.js", "arrows.js", "lifelines.js", "labels.js"))
        made.evaluate(
            "() => { window.g = document.createElement('canvas').getContext('2d'); window.kept = new Labels(); }"
        )
        yield made


def _arrows(many: int, seed: int) -> list[dict[str, object]]:
    chance = random.Random(seed)  # noqa: S311 - no secret
    arrows = []
    for number in range(many):
        start, end = chance.sample(range(len(LINES)), 2)
        came, y = chance.random() > 0.1, chance.uniform(0, 500)
        text = f'{{"task": {number}, "seconds": 0.5}}' if came else f"task {number}: dropped: high-water mark"
        arrows.append(
            {
                "number": number,
                "text": text,
                "lane": f"{start} {end}",
                "rank": 2 if came else 1,
                "sx": LINES[start],
                "sy": y,
                "ex": LINES[end] if came else LINES[start] + 60,
                "ey": y + chance.choice((1, 8, 90)) * chance.random(),
                "came": came,
            }
        )
    return arrows


_PLACED = """(wanted) => {
    g.font = `${LABELLED}px ${LETTERS}`;
    const { placed, merged, left } = kept.place(g, wanted, new Taken());
    return { merged, left, placed: placed.map(({ number, box, shown, more }) =>
        ({ number, shown, more, ...box, text: g.measureText(shown).width })) };
}"""


def _covers(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether a point of one box lies in the other, half a pixel from their edges."""
    for along, across in product((-0.5, -0.25, 0, 0.25, 0.5), (-0.5, 0, 0.5)):
        u, v = along * (one["wide"] - 1), across * (one["high"] - 1)
        x = one["x"] + u * math.cos(one["angle"]) - v * math.sin(one["angle"]) - other["x"]
        y = one["y"] + u * math.sin(one["angle"]) + v * math.cos(one["angle"]) - other["y"]
        cos, sin = math.cos(other["angle"]), math.sin(other["angle"])
        if abs(x * cos + y * sin) < other["wide"] / 2 and abs(y * cos - x * sin) < other["high"] / 2:
            return True
    return False


@pytest.mark.parametrize("many", [20, 60, 240, 2000])
def test_no_label_covers_another_and_each_is_placed_or_counted(page: Page, many: int) -> None:
    told = page.evaluate(_PLACED, _arrows(many, seed=many))
    placed = told["placed"]
    assert len(placed) >= min(many, 20) / 2
    assert [(a, b) for a in placed for b in placed if a is not b and _covers(a, b)] == []
    assert all(one["text"] <= one["wide"] for one in placed), "each stands within its own box"
    assert len(placed) + told["merged"] + told["left"] == many
    assert sum(one["more"] for one in placed) == told["merged"]
    assert all(one["shown"].endswith(f" +{one['more']}") for one in placed if one["more"])


def test_labels_keep_their_places_while_time_goes_on(page: Page) -> None:
    arrows = _arrows(150, seed=1)
    before = {one["number"]: one for one in page.evaluate(_PLACED, arrows)["placed"]}
    later = [{**one, "sy": one["sy"] - 40, "ey": one["ey"] - 40} for one in arrows]
    after = {one["number"]: one for one in page.evaluate(_PLACED, later)["placed"]}
    assert before.keys() <= after.keys()
    assert all(after[n]["y"] == pytest.approx(one["y"] - 40) for n, one in before.items() if not one["more"])


def test_marks_of_events_cover_neither_each_other_nor_a_label(page: Page) -> None:
    told = page.evaluate(
        """(arrows) => {
        const taken = new Taken();
        const kinds = ["bind", "start", "kill", "restart", "fault"];
        const at = (kind, k) => [190, 390, null].map((x) => ({ event: [1, kind, "a", "", ""], x, y: 100 + 2 * k }));
        const marks = kinds.flatMap(at);
        const { placed, left } = placeMarks(g, marks, 1100, taken);
        g.font = `${LABELLED}px ${LETTERS}`;
        const labels = new Labels().place(g, arrows, taken).placed;
        return { of: marks.length, left, labels: labels.map(({ box }) => box),
            marks: placed.map(({ box, more, event }) => ({ ...box, more, kind: event[1] })) };
    }""",
        _arrows(100, seed=2),
    )
    marks = told["marks"]
    assert {mark["kind"] for mark in marks} == {"kill"}, "what is loud comes first"
    assert sum(1 + mark["more"] for mark in marks) + told["left"] == told["of"]
    boxes = marks + told["labels"]
    assert [(a, b) for a in boxes for b in boxes if a is not b and _covers(a, b)] == []
