"""Where cards stand when there are many: in order, and with no link behind a card that is not its own."""

from __future__ import annotations

import re

import pytest

import zlab
from zlab.views.folding import folded, whole
from zlab.views.lanes import lanes, names, places_of_sums
from zlab.views.layout import cards
from zlab.views.picture import svg

PEERS = [zlab.patterns.binary_star(), zlab.patterns.clone_six(), zlab.patterns.zre()]
CROWDED = [zlab.patterns.pipeline(workers=18), zlab.patterns.broker(clients=8, workers=6)]


@pytest.mark.parametrize("topology", [*CROWDED, *PEERS], ids=lambda t: t.name)
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


def test_workers_that_are_told_when_to_end_stand_in_one_column():
    placed = cards(whole(zlab.patterns.kill_signaling(workers=4)))
    workers = {card.x for name, card in placed.items() if "worker" in name}
    assert len(workers) == 1, "a cycle through the sink sets none of them apart"
    assert placed["ventilator"].x < workers.pop() < placed["sink"].x


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


def test_the_sum_of_many_links_stands_on_no_lane_and_on_no_other():
    drawing = folded(zlab.patterns.broker(clients=120, workers=78))
    drawn = lanes(drawing, cards(drawing))
    sums = list(places_of_sums(drawing, drawn).values())
    assert len(sums) == len(drawing.bundles) == 4
    for i, (x, y) in enumerate(sums):
        assert all(abs(lane.at(0.5)[1] - y) > 9 for lane in drawn if abs(lane.at(0.5)[0] - x) < 60)
        assert all(abs(ox - x) > 100 or abs(oy - y) > 20 for ox, oy in sums[:i])


def test_of_two_equals_the_one_named_first_stands_at_the_left():
    placed = cards(whole(zlab.patterns.exclusive_pair()))
    assert placed["ping"].x < placed["pong"].x


def test_workers_that_ask_a_router_stand_behind_it_and_its_clients_before():
    placed = cards(whole(zlab.patterns.load_balancing_broker()))
    assert placed["client-1"].x < placed["broker"].x < placed["worker-1"].x


@pytest.mark.parametrize("topology", PEERS[:2], ids=lambda t: t.name)
def test_peers_that_serve_the_same_clients_stand_above_one_another(topology):
    placed = cards(whole(topology))
    primary, backup = placed["primary"], placed["backup"]
    assert primary.x == backup.x
    assert primary.y < backup.y
    assert placed["client-1"].x == placed["client-2"].x != primary.x
    drawn = lanes(whole(topology), placed)
    between = [
        lane
        for link, lane in zip(topology.links, drawn, strict=True)
        if {link.source, link.target} == {"primary", "backup"}
    ]
    clients = placed["client-1"].x - primary.x
    assert all((lane.at(0.5)[0] - primary.x) * clients < 0 for lane in between)  # round the side where no client is


def test_peers_among_themselves_face_each_other_in_two_halves():
    placed = cards(whole(zlab.patterns.zre(nodes=5)))
    left, right = sorted({card.x for card in placed.values()})
    assert [name for name, card in placed.items() if card.x == left] == ["node-1", "node-2", "node-3"]
    assert [name for name, card in placed.items() if card.x == right] == ["node-4", "node-5"]


def test_clusters_with_clients_of_their_own_stay_beside_each_other():
    placed = cards(whole(zlab.patterns.inter_broker_routing()))
    assert placed["DC1-client-1"].x < placed["DC1"].x < placed["DC2"].x < placed["DC2-client-1"].x


@pytest.mark.parametrize("name", zlab.patterns.__all__)
def test_a_still_picture_shows_all_names_of_endpoints_whole(name):
    drawn = svg(getattr(zlab.patterns, name)())
    left, top, width, high = map(float, re.search(r'viewBox="([^"]*)"', drawn)[1].split())
    for x, y, text in re.findall(r'<text x="([^"]*)" y="([^"]*)" text-anchor="middle"[^>]*>([^<]*)<', drawn):
        half = 2.9 * len(text)
        assert left <= float(x) - half < float(x) + half <= left + width
        assert top + 24 <= float(y) <= top + high  # beneath the title
