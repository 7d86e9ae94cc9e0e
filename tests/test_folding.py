"""A large lab is drawn by its groups, and nothing is lost in them: every node, every link, every figure."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from test_views import Fake, snapshot

import zlab
from zlab.ledger.snapshot import NodeState
from zlab.views.dashboard import Dashboard
from zlab.views.flow import Flow, figures, graph
from zlab.views.folding import LARGE, folded, whole
from zlab.views.layout import cards
from zlab.views.ledger import Ledger
from zlab.views.picture import svg
from zlab.views.rows import rows_of

LABS = [
    zlab.patterns.pipeline(workers=100),
    zlab.patterns.broker(clients=40, workers=30),
    zlab.patterns.pub_sub(subscribers=60),
    zlab.patterns.pipeline(workers=3),
]


def many(*, apart: bool = False) -> zlab.Topology:
    """Fifty readers of one publisher; `apart` makes no two alike."""

    def reader(inbox: object) -> None: ...

    names = [f"reader-{i}" for i in range(50)]
    if apart:
        names = [f"{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(50)]
    return zlab.Topology(
        "many",
        [
            zlab.Node("publisher", zlab.nodes.source(rate=1), out=zlab.PUB.bind("news")),
            *(zlab.Node(name, reader, inbox=zlab.SUB.connect("news", subscribe="")) for name in names),
        ],
    )


@pytest.mark.parametrize("topology", LABS, ids=lambda t: f"{t.name}-{len(t.nodes)}")
@pytest.mark.parametrize("draw", [whole, folded])
def test_every_node_is_on_one_card_and_every_link_in_one_lane(draw, topology):
    drawing = draw(topology)
    assert sorted(name for item in drawing.items for name in item.members) == sorted(n.name for n in topology.nodes)
    assert sorted(i for bundle in drawing.bundles for i in bundle.links) == list(range(len(topology.links)))
    home = {name: item.name for item in drawing.items for name in item.members}
    for bundle in drawing.bundles:
        for link in (topology.links[i] for i in bundle.links):
            assert (home[link.source], home[link.target]) == (bundle.source, bundle.target)
            assert link.endpoint in bundle.endpoints


def test_a_large_lab_has_a_card_for_each_group_and_a_small_one_for_each_node():
    drawing = folded(LABS[0])
    assert [item.name for item in drawing.items] == ["ventilator", "worker-1…100", "sink"]
    assert [len(bundle.links) for bundle in drawing.bundles] == [100, 100]
    small = zlab.patterns.pipeline(workers=LARGE - 2)
    assert folded(small) == whole(small)


def test_only_what_is_alike_is_one_group():
    assert [len(group.members) for group in folded(many()).groups] == [50]
    assert folded(many(apart=True)).groups == ()

    def other(inbox: object) -> None: ...

    nodes = list(many().nodes)
    nodes[7] = zlab.Node("reader-6", other, inbox=zlab.SUB.connect("news"))
    nodes[8] = zlab.Node("reader-7", nodes[9].function, inbox=zlab.XSUB.connect("news"))
    drawing = folded(zlab.Topology("unlike", nodes))
    assert [len(group.members) for group in drawing.groups] == [48]
    assert {"reader-6", "reader-7"} <= {item.name for item in drawing.items}


def test_many_endpoints_between_two_groups_are_one_lane_that_says_how_many():
    pairs = [
        node
        for i in range(30)
        for node in (
            zlab.Node(f"from-{i}", zlab.nodes.source(rate=1), out=zlab.PUSH.bind(f"e-{i}")),
            zlab.Node(f"to-{i}", zlab.nodes.sink(), inbox=zlab.PULL.connect(f"e-{i}")),
        )
    ]
    (bundle,) = folded(zlab.Topology("pairs", pairs)).bundles
    assert (len(bundle.links), bundle.label) == (30, "30 endpoints")


def test_the_still_picture_tells_the_sums_of_a_group_and_what_has_gone_wrong_in_it():
    topology = LABS[0]
    taken = snapshot(topology)
    nodes = tuple(replace(n, state=NodeState.FAILED) if n.name == "worker-7" else n for n in taken.nodes)
    drawn = svg(topology, replace(taken, nodes=nodes))
    for words in ("worker-1…100", "100 nodes", "1 failed", "99 blocked in recv", "100 links, 700 /s", "200 queued"):
        assert words in drawn
    assert "worker-7<" not in drawn


def test_the_cards_of_an_opened_group_lie_in_its_frame_and_not_over_each_other():
    told = graph(LABS[0])
    (group,) = told["groups"]
    wide, high = group["opened"]
    boxes = [told["nodes"][i]["box"] for i in group["members"]]
    assert all(abs(x) + w / 2 < wide / 2 and abs(y) + h / 2 < high / 2 for x, y, w, h in boxes)
    for i, (ax, ay, aw, ah) in enumerate(boxes):
        for bx, by, bw, bh in boxes[i + 1 :]:
            assert abs(ax - bx) >= (aw + bw) / 2 or abs(ay - by) >= (ah + bh) / 2


def test_a_thousand_nodes_that_are_not_alike_have_a_card_each():
    names = ["".join(chr(97 + i // 26**k % 26) for k in range(3)) for i in range(1000)]
    publishers, readers = names[:500], names[500:]
    topology = zlab.Topology(
        "thousand",
        [zlab.Node(n, zlab.nodes.source(rate=1), out=zlab.PUB.bind(n)) for n in publishers]
        + [
            zlab.Node(n, zlab.nodes.sink(), inbox=zlab.SUB.connect(*(publishers[(i + k) % 500] for k in range(10))))
            for i, n in enumerate(readers)
        ],
    )
    drawing = folded(topology)
    assert (len(drawing.items), len(drawing.bundles)) == (1000, 5000)
    placed = cards(drawing).values()
    assert len({(card.x, card.y) for card in placed}) == 1000


def test_of_a_large_lab_the_figures_are_told_of_what_somebody_looks_at():
    lab = Fake(zlab.patterns.pipeline(workers=150))
    flow = Flow(lab)
    flow._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    _, buffers = flow.tick(snapshot(lab.topology, at=5.0))
    assert json.loads(buffers[1])["links"] == {}
    flow._receive(None, {"t": "ask", "v": "a b c", "nodes": [3], "links": [4, 5]}, [])
    _, buffers = flow.tick(snapshot(lab.topology, at=5.1))
    told = json.loads(buffers[1])
    assert (set(told["nodes"]), set(told["links"])) == ({"3"}, {"4", "5"})
    assert {name.split(".")[0] for name in told["sockets"]} == {lab.topology.nodes[3].name}
    flow._receive(None, {"t": "gone", "v": "a b c"}, [])
    _, buffers = flow.tick(snapshot(lab.topology, at=9.0))
    assert json.loads(buffers[1])["links"] == {}
    small = json.loads(figures(snapshot(LABS[3])))
    assert len(small["links"]) == len(small["capacities"]) == len(LABS[3].links)


@pytest.mark.parametrize("topology", LABS, ids=lambda t: f"{t.name}-{len(t.nodes)}")
def test_every_link_has_its_row_or_is_part_of_one(topology):
    for opened in ([], *([group.name] for group in folded(topology).groups), [g.name for g in folded(topology).groups]):
        rows = rows_of(topology, opened)
        for shown in ([r for r in rows if not r.part], [r for r in rows if not r.opened]):
            assert sorted(i for row in shown for i in row.links) == list(range(len(topology.links)))
        assert all(not row.groups for row in rows if row.part)
    assert all(len(row.links) == 1 for row in rows if not row.opened), "all groups are open"


def test_the_rows_of_the_ledger_fold_with_the_groups_and_their_figures_add_up(monkeypatch):
    messages = []
    monkeypatch.setattr(Ledger, "send", lambda _, content, buffers: messages.append((content, buffers)))
    ledger = Ledger(Fake(LABS[0]))
    ledger._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    figures, named = map(json.loads, messages[-1][1])
    assert [(row["sender"], row["receiver"], len(row["links"])) for row in named] == [
        ("ventilator.tasks", "worker-1…100.tasks", 100),
        ("worker-1…100.results", "sink.inbox", 100),
    ]
    assert figures[0][:6] == [1200, 700, 200, {"high-water mark": 300}, {}, 0]
    assert figures[0][7:9] == [None, None], "latencies do not add up"

    ledger.opened = named[0]["groups"]  # as the browser does it
    figures, named = map(json.loads, messages[-1][1])
    assert len(named) == len(figures) == 202
    assert [row["opened"] for row in named if not row["part"]] == [True, True]
    assert [named[1]["sender"], named[1]["receiver"]] == ["ventilator.tasks", "worker-1.tasks"]
    assert figures[1][:6] == [12, 7, 2, {"high-water mark": 3}, {}, 0]
    assert figures[1][7] == 35e-6
    ledger.opened = []
    assert len(json.loads(messages[-1][1][1])) == 2


def test_groups_open_in_the_graph_and_in_the_ledger_alike():
    made = Dashboard(Fake(LABS[0]))
    link = made._together
    assert (link.source, link.target) == ((made.flow, "opened"), (made.ledger, "opened"))


def test_no_letters_of_the_resting_picture_are_smaller_than_can_be_read():
    sizes = re.findall(r'font-size="([\d.]+)"', svg(LABS[1], snapshot(LABS[1])))
    assert min(map(float, sizes)) >= 11
