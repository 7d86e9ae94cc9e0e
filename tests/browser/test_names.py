"""The names of endpoints on the stage: each is there, whole, on no other and on no card."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import zlab
from zlab.views.flow import graph
from zlab.views.view import script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

_SETTLED = """([graph, width]) => {
    const scene = new Scene(graph), camera = new Camera(), style = { least: 11 };
    scene.refold(new Set());
    [camera.width, camera.low] = [width, camera.room(scene.own(), width, false)];
    scene.spread(camera, {});
    scene.fitNames(camera, style, true);
    scene.nameEndpoints(style, camera.scale); // as it is drawn
    g.font = `italic ${nameLetters(style, camera.scale) * camera.scale}px ${FONT}`;
    const names = scene.names.map(({ name, x, y }) => ({
        name, x: camera.x + x * camera.scale, y: camera.y + y * camera.scale, half: g.measureText(name).width / 2,
    }));
    const sums = scene.lanes.filter(({ sum }) => sum).map(({ points, sum }) => [points[32], points[33] + sum * SUM]);
    return { names, sums, cards: scene.boxes.map((box) => camera.place(box)), height: camera.height, low: camera.low };
}"""


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    """A page with the scripts alone, and a pen."""
    with chromium.new_context() as context:
        made = context.new_page()
        made.add_script_tag(content=script("fold.js", "graph.js", "cards.js", "scene.js", "camera.js", "inspector.js"))
        made.evaluate("() => { window.g = document.createElement('canvas').getContext('2d'); }")
        yield made


@pytest.mark.parametrize("width", [1090, 1720])
def test_all_names_of_endpoints_are_seen_whole(page: Page, width: int) -> None:
    for name in zlab.patterns.__all__:
        topology = getattr(zlab.patterns, name)()
        told = page.evaluate(_SETTLED, [json.loads(json.dumps(graph(topology))), width])
        named, high = told["names"], told["height"]
        assert len(named) == len({link.endpoint for link in topology.links}), name
        assert told["low"] <= high <= told["low"] + 120, name
        for i, one in enumerate(named):
            assert 6 <= one["y"] <= high - 6, (name, one, high)
            assert all(
                abs(one["x"] - other["x"]) >= one["half"] + other["half"] or abs(one["y"] - other["y"]) >= 11
                for other in named[:i]
            ), (name, one)
            assert not any(
                card["left"] < one["x"] < card["left"] + card["width"]
                and card["top"] < one["y"] < card["top"] + card["height"]
                for card in told["cards"]
            ), (name, one)


def test_the_sum_of_many_links_stands_on_no_lane_and_on_no_other(page: Page) -> None:
    topology = zlab.patterns.broker(clients=120, workers=78)
    told = page.evaluate(_SETTLED, [json.loads(json.dumps(graph(topology))), 1090])
    sums = told["sums"]
    assert len(sums) == 4
    for i, (x, y) in enumerate(sums):
        assert all(abs(ox - x) > 100 or abs(oy - y) > 40 for ox, oy in sums[:i]), "both lanes are between them"
    assert len(told["names"]) == 2
