"""Where cards stand when there are many: in order, and with no link behind a card that is not its own."""

from __future__ import annotations

import pytest

import zlab
from zlab.views.folding import whole
from zlab.views.lanes import lanes, names
from zlab.views.layout import cards
from zlab.views.picture import svg

CROWDED = [zlab.patterns.pipeline(workers=18), zlab.patterns.broker(clients=8, workers=6)]


@pytest.mark.parametrize("topology", CROWDED, ids=lambda t: t.name)
def test_no_link_runs_behind_the_card_of_another(topology):
    placed = cards(whole(topology))
    for link, lane in zip(topology.links, lanes(whole(topology), placed), strict=True):
        others = [card for name, card in placed.items() if name not in {link.source, link.target}]
        for x, y in (lane.at(i / 40) for i in range(41)):
            assert not any(abs(x - c.x) < c.width / 2 and abs(y - c.y) < c.height / 2 for c in others)


@pytest.mark.parametrize("topology", [*CROWDED, zlab.patterns.pub_sub(subscribers=60)], ids=lambda t: t.name)
def test_siblings_are_numbered_down_the_columns(topology):
    placed = cards(whole(topology))
    assert placed == cards(whole(topology))
    for family in ("worker", "client", "subscriber"):
        of = [card for name, card in placed.items() if name.startswith(family)]
        assert of == sorted(of, key=lambda card: (card.x, card.y))


def test_a_long_name_is_shortened_in_the_middle():
    def node(**sockets: object) -> None: ...

    long = [f"{'very-' * 10}long-{end}" for end in ("first", "second")]
    topology = zlab.Topology(
        "long",
        [
            zlab.Node(long[0], node, out=zlab.PUSH.bind("numbers")),
            zlab.Node(long[1], node, inbox=zlab.PULL.connect("numbers")),
        ],
    )
    drawn = svg(topology)
    assert "g-first</text>" in drawn
    assert "-second</text>" in drawn
    assert all(name not in drawn for name in long)
    assert 'role="img"' in drawn
    assert "<title>long: 2 nodes" in drawn


@pytest.mark.parametrize("name", zlab.patterns.__all__)
def test_the_name_of_an_endpoint_stands_on_no_lane_and_no_card(name):
    topology = getattr(zlab.patterns, name)()
    placed = cards(whole(topology))
    drawn = lanes(whole(topology), placed)
    for _, (x, y) in names(whole(topology), placed, drawn):
        assert not any(abs(x - c.x) < c.width / 2 + 30 and abs(y - c.y) < c.height / 2 for c in placed.values())
        passing = [py for lane in drawn for px, py in (lane.at(i / 40) for i in range(41)) if abs(px - x) < 30]
        assert all(abs(py - y) > 9 for py in passing)


def test_of_two_equals_the_one_named_first_stands_at_the_left():
    placed = cards(whole(zlab.patterns.exclusive_pair()))
    assert placed["ping"].x < placed["pong"].x


def test_workers_that_ask_a_router_stand_behind_it_and_its_clients_before():
    placed = cards(whole(zlab.patterns.load_balancing_broker()))
    assert placed["client-1"].x < placed["broker"].x < placed["worker-1"].x
