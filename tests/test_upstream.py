"""What goes from a publisher to the XSUB of a proxy: what it asks for is what is asked for behind the proxy."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from labs import LIMIT, TRANSPORTS, eventually, receiving

import zlab
from zlab.ledger.upstream import Upstream
from zlab.probe.counted import COUNTED
from zlab.recording import Ask, Filter, Recording

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from zlab.lab import Lab

HEADS = (b"a", b"b", b"ab", b"c")


def passes(frontend: zmq.Socket[bytes], backend: zmq.Socket[bytes]) -> None:
    zmq.proxy(frontend, backend)


def passes_and_tells(frontend: zmq.Socket[bytes], backend: zmq.Socket[bytes], copies: zmq.Socket[bytes]) -> None:
    zmq.proxy(frontend, backend, copies)


@dataclass
class Network:
    """Publishers that speak of four things until they are told to be quiet, proxies, and subscribers."""

    quiet: threading.Event = field(default_factory=threading.Event)
    patient: bool = False
    """Whether they begin only once all is ready."""
    ready: threading.Event = field(default_factory=threading.Event)

    def publish(self, out: zmq.Socket[bytes]) -> None:
        if self.patient:
            self.ready.wait(LIMIT)
        for number in itertools.count():
            if self.quiet.is_set():
                return
            out.poll(4, zmq.POLLERR)
            out.send(b"%s %d" % (HEADS[number % len(HEADS)], number))

    def topology(
        self, *asked: str | tuple[str, ...], publishers: int = 1, proxies: int = 1, binds: bool = False, **options: Any
    ) -> zlab.Topology:
        """With a subscriber for each of what is asked for.

        Args:
            asked: what each subscriber asks for.
            publishers: how many there are.
            proxies: how many stand one behind the other.
            binds: whether it is the publishers, and not the proxies, that bind.
            options: of the last XPUB.
        """
        fronts = [f"news-{i}" for i in range(publishers)] if binds else ["front"]
        out, into = (zlab.PUB.bind, zlab.XSUB.connect) if binds else (zlab.PUB.connect, zlab.XSUB.bind)
        nodes = [zlab.Node(f"publisher-{i}", self.publish, out=out(fronts[i % len(fronts)])) for i in range(publishers)]
        for i in range(proxies):
            front = into(*fronts) if not i else zlab.XSUB.connect(f"back-{i - 1}")
            back = zlab.XPUB.bind(f"back-{i}", **(options if i == proxies - 1 else {}))
            nodes.append(zlab.Node(f"proxy-{i}", passes, frontend=front, backend=back))
        last = f"back-{proxies - 1}"
        nodes += [
            zlab.Node(f"subscriber-{i}", receiving, inbox=zlab.SUB.connect(last, subscribe=prefixes))
            for i, prefixes in enumerate(asked)
        ]
        return zlab.Topology("network", nodes)


def into(lab: Lab, proxy: str = "proxy-0") -> pd.DataFrame:
    """The links into a proxy."""
    table = lab.ledger()
    return table[table.index.str.endswith(f"→ {proxy}.frontend")]


def holds(table: pd.DataFrame) -> bool:
    parts = table[["delivered", "queued", "dropped", "lost"]].sum(axis=1)
    return bool((parts == table["expected"]).all() and (table["unaccounted"] == 0).all())


def exact(lab: Lab, proxy: str = "proxy-0") -> bool:
    """Whether all that was sent has its place, and nothing is uncertain."""
    table, sockets = into(lab, proxy), lab.sockets()
    came = table["delivered"].sum() == sockets.loc[f"{proxy}.frontend", "received"]
    return bool(holds(table) and came and (table[["queued", "uncertain"]] == 0).all().all())


def vague(lab: Lab) -> bool:
    """Whether what has come was expected, and all else that was sent is uncertain."""
    row, sockets = into(lab).iloc[0], lab.sockets()  # of two moments, until nothing moves any more
    came = row["delivered"] == row["expected"] == sockets.loc["proxy-0.frontend", "received"]
    return bool(came and row["uncertain"] == sockets.loc["publisher-0.out", "sent"] - row["delivered"])


def every(lab: Lab, table: pd.DataFrame) -> bool:
    """Whether each message that was sent was expected or filtered."""
    sent = [lab.sockets().loc[name.partition(" ")[0], "sent"] for name in table.index]
    return list(table["expected"] + table["filtered"]) == sent


@pytest.mark.parametrize("binds", [False, True], ids=["proxy binds", "publisher binds"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_nobody_behind_a_proxy_asks_for_is_filtered_before_it(transport: str, binds: bool) -> None:
    network = Network(patient=True)
    with zlab.run(network.topology("a", ("ab", "c"), publishers=2, binds=binds), transport=transport) as lab:
        lab.wait_ready()
        network.ready.set()
        eventually(lambda: into(lab)["delivered"].min() > 40)
        network.quiet.set()
        eventually(lambda: exact(lab) and every(lab, into(lab)))
        table, sockets = into(lab), lab.sockets()
        for name, filtered in table["filtered"].items():  # of four in turn, what begins with a b alone
            sent = sockets.loc[str(name).partition(" ")[0], "sent"]
            assert filtered == len([n for n in range(sent) if n % len(HEADS) == 1])
        fates = set(lab.messages().query("fate == 'filtered'")["kind"])
        assert fates == {"b"}
    assert exact(lab)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_is_the_same_through_two_proxies(transport: str) -> None:
    network = Network()
    with zlab.run(network.topology("a", "c", proxies=2), transport=transport) as lab:
        lab.wait_ready()
        eventually(lambda: into(lab, "proxy-1")["delivered"].sum() > 40)
        network.quiet.set()
        eventually(lambda: exact(lab) and every(lab, into(lab)))
        eventually(lambda: exact(lab, "proxy-1"))
        first, second = into(lab).iloc[0], into(lab, "proxy-1").iloc[0]
        assert first["filtered"] > 0
        assert second["expected"] <= first["delivered"]


@pytest.mark.skipif(not COUNTED, reason="no C compiler: only frames are told of what passes a proxy")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_between_two_proxies_it_is_exact_too_and_messages_are_seen_to_come_through_both(transport: str) -> None:
    network, flown = Network(patient=True), set[str]()
    with zlab.run(network.topology("a", "c", publishers=2, proxies=2), transport=transport) as lab:
        links = lab.topology.links
        lab.subscribe(lambda snapshot: flown.update(links[flight.link].receiver for flight in snapshot.flights))
        lab.wait_ready()
        network.ready.set()
        eventually(lambda: into(lab, "proxy-1")["delivered"].sum() > 40)
        lab.restart("subscriber-1" if transport == "inproc" else "proxy-1")  # over inproc nobody connects again
        before = into(lab, "proxy-1")["delivered"].sum()
        eventually(lambda: into(lab, "proxy-1")["delivered"].sum() > before + 20)
        network.quiet.set()
        eventually(lambda: exact(lab, "proxy-1"))
        came = lab.sockets().query("type == 'SUB'")["received"].sum()
        eventually(lambda: (lab.messages()["fate"] == "delivered").sum() == came)
        assert set(lab.messages().query("fate == 'delivered'")["via"]) == {"proxy-0, proxy-1"}
        assert set(lab.latency().index) == {f"publisher-{i} → subscriber-{j}" for i in range(2) for j in range(2)}
    assert flown == {"proxy-0.frontend", "proxy-1.frontend", "subscriber-0.inbox", "subscriber-1.inbox"}


@pytest.mark.parametrize(
    ("transport", "victims"),
    [
        ("inproc", ("subscriber-1", "subscriber-1")),
        ("ipc", ("proxy-0", "subscriber-1", "proxy-0")),
        ("tcp", ("proxy-0", "subscriber-1", "proxy-0")),
        ("tcp", ("subscriber-1", "subscriber-0")),
    ],
)
@pytest.mark.parametrize("binds", [False, True], ids=["proxy binds", "publisher binds"])
def test_it_is_exact_again_after_a_restart(transport: str, victims: tuple[str, ...], binds: bool) -> None:
    network = Network()
    with zlab.run(network.topology("a", "c", binds=binds), transport=transport) as lab:
        lab.wait_ready()
        for victim in victims:
            before = into(lab)["delivered"].sum()
            eventually(lambda before=before: into(lab)["delivered"].sum() > before + 20)
            eventually(lambda: into(lab)["queued"].sum() == 0)  # all that was asked for is known to have arrived
            lab.restart(victim)
            assert holds(into(lab))
        before = into(lab)["delivered"].sum()
        eventually(lambda: into(lab)["delivered"].sum() > before + 20)
        network.quiet.set()
        eventually(lambda: exact(lab))
    assert exact(lab)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_is_the_same_where_a_proxy_is_listened_to(transport: str) -> None:
    network = Network()
    nodes = list(network.topology("a", "c").nodes)
    listened = {**nodes[1].sockets, "copies": zlab.PAIR.bind("copies")}
    nodes[1] = zlab.Node("proxy-0", passes_and_tells, **listened)
    nodes.append(zlab.Node("listener", receiving, inbox=zlab.PAIR.connect("copies")))
    with zlab.run(zlab.Topology("listened", nodes), transport=transport) as lab:
        eventually(lambda: into(lab)["delivered"].sum() > 40)
        lab.restart("subscriber-1")
        eventually(lambda: lab.sockets().loc["subscriber-1.inbox", "received"] > 20)
        network.quiet.set()
        eventually(lambda: exact(lab) and every(lab, into(lab)))
        assert into(lab)["filtered"].sum() > 0


@pytest.mark.parametrize("option", ["xpub_verbose", "xpub_verboser", "xpub_manual"])
def test_where_it_cannot_be_told_it_is_an_interval(option: str) -> None:
    network = Network()
    with zlab.run(network.topology("a", **{option: 1})) as lab:
        eventually(lambda: lab.sockets().loc["publisher-0.out", "sent"] > 40)
        network.quiet.set()
        eventually(lambda: vague(lab))
        assert into(lab)["uncertain"].min() > 0


def test_who_asks_from_outside_makes_it_an_interval() -> None:
    network = Network()
    with zlab.run(network.topology("a"), transport="tcp") as lab, zmq.Context() as context:
        lab.wait_ready()
        with context.socket(zmq.SUB) as outside:
            outside.connect(lab.endpoints["back-0"])
            outside.subscribe("c")
            assert outside.recv().startswith(b"c")
            eventually(lambda: into(lab)["uncertain"].min() > 0)
        network.quiet.set()
        eventually(lambda: vague(lab))


def test_a_program_that_is_watched_is_counted_likewise() -> None:
    with zlab.watch(context := zmq.Context()) as lab:
        quiet = threading.Event()
        names: list[Callable[[], None]] = []

        def serve() -> None:
            with context.socket(zmq.XSUB) as frontend, context.socket(zmq.XPUB) as backend:
                frontend.bind("inproc://front")
                backend.bind("inproc://back")
                ready.set()
                try:
                    zmq.proxy(frontend, backend)
                except zmq.ContextTerminated:
                    return

        def publish() -> None:
            with context.socket(zmq.PUB) as out:
                out.connect("inproc://front")
                Network(quiet).publish(out)
                over.wait(20)

        def subscribe() -> None:
            with context.socket(zmq.SUB) as inbox:
                inbox.connect("inproc://back")
                inbox.subscribe("a")
                try:
                    receiving(inbox)
                except zmq.ContextTerminated:
                    return

        ready, over = threading.Event(), threading.Event()
        names += [serve, publish, subscribe]
        threads = [threading.Thread(target=each, name=each.__name__) for each in names]
        threads[0].start()
        ready.wait(10)
        for thread in threads[1:]:
            thread.start()
        eventually(lambda: (table := lab.ledger()).size and table["delivered"].sum() > 40)
        quiet.set()

        def told() -> bool:
            table = lab.ledger()
            row = table[table.index.str.contains("publish.out")].iloc[0]
            return bool(row["filtered"] > 0 and holds(table) and row["queued"] == row["uncertain"] == 0)

        eventually(told)
        over.set()
        threads[1].join()
        context.term()
        for thread in threads:
            thread.join()


# --- the law, on counts alone ---------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "fail", "come", "see", "tick", "end"]), st.integers(0, 2), st.integers(1, 20)),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(STEPS, st.integers(1, 3), st.booleans(), st.booleans())
def test_the_law_holds_of_any_sequence_of_counts(
    steps: list[tuple[str, int, int]], publishers: int, keeps: bool, stopped: bool
) -> None:
    receiver = Recording("proxy", "frontend", "XSUB")
    filters = [Filter(Recording(f"p{i}", "out", "PUB"), receiver, 0) for i in range(publishers)]
    ask = [Ask((b"",)) for _ in filters]
    upstream = Upstream()
    for each, mine in zip(filters, ask, strict=True):
        each.turn_to(mine)
        each.turn_core_to(mine)
        upstream.feeds[each.publisher.name].filters.append(each)
        upstream.feeds[each.publisher.name].keeps = keeps
    flying = [0] * publishers
    came = 0
    for position, (what, who, amount) in enumerate([*steps, *[("tick", 0, 1)] * 30]):
        who %= publishers  # noqa: PLW2901
        if what == "send":
            ask[who].count += amount
            flying[who] += amount
        elif what == "fail":  # it goes astray
            flying[who] -= min(amount, flying[who])
        elif what == "come":
            came += min(amount, flying[who])
            flying[who] -= min(amount, flying[who])
        else:
            upstream.update(
                came,
                {},
                at=position * 0.1,
                idle=not any(flying),
                ended=what == "end",
                bereft=False,
                reason="link cut" if what == "see" else "",
            )
            rows = [upstream.row(each.publisher.name, stopped=stopped) for each in filters]
            assert sum(row.expected + row.filtered for row in rows) >= sum(each.count for each in ask)
            assert sum(row.delivered for row in rows) == came
            for row in rows:
                parts = [row.delivered, row.queued, *row.dropped.values(), *row.lost.values()]
                assert min(parts) >= 0
                assert row.expected == sum(parts)
                assert not (stopped and row.queued)
    if not any(flying):
        assert sum(row.queued for row in rows) == 0
    assert not upstream.strange
