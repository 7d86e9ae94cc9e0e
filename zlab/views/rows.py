"""The rows of the ledger as a person sees them: a link, or the sum of many, until their group is opened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zlab.views.folding import folded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from zlab.ledger.snapshot import LinkFigures
    from zlab.topology import Topology
    from zlab.views.folding import Bundle, Drawing


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a link, or all links of a lane that is drawn as one."""

    sender: str
    """The sending socket, ``node.socket``; the node may be a group."""
    receiver: str
    links: tuple[int, ...]
    """Places in `Topology.links`."""
    groups: tuple[str, ...] = ()
    """The groups to open for its single links; none where it is one link, or part of a row that is open."""
    opened: bool = False
    """Whether the rows that follow are its parts."""
    part: bool = False
    """Whether it is a part of the row before that is open."""


def rows_of(topology: Topology, opened: Collection[str] = ()) -> list[Row]:
    """A row for each lane of the closed drawing, and after one of which a group is open its parts.

    Args:
        topology: what runs.
        opened: the names of the groups that are open.
    """
    closed, drawn = folded(topology), folded(topology, opened)
    groups = {item.name for item in closed.groups}
    whole = {link: bundle for bundle in closed.bundles for link in bundle.links}
    parts: dict[int, list[Bundle]] = {}
    for bundle in drawn.bundles:
        parts.setdefault(id(whole[bundle.links[0]]), []).append(bundle)
    rows = []
    for bundle in closed.bundles:
        ends = tuple(name for name in dict.fromkeys((bundle.source, bundle.target)) if name in groups)
        if any(name in opened for name in ends):
            rows.append(_row(topology, bundle, closed, groups=ends, opened=True))
            rows += [_row(topology, each, drawn, part=True) for each in parts[id(bundle)]]
        else:
            rows.append(_row(topology, bundle, closed, groups=ends))
    return rows


def _row(topology: Topology, bundle: Bundle, drawing: Drawing, **rest: Any) -> Row:
    if len(bundle.links) == 1:
        link = topology.links[bundle.links[0]]
        crowds = {item.name for item in drawing.groups} & {bundle.source, bundle.target}
        if not crowds:
            return Row(link.sender, link.receiver, bundle.links, **rest)
    return Row(f"{bundle.source}.{bundle.sender}", f"{bundle.target}.{bundle.receiver}", bundle.links, **rest)


def figures(links: Sequence[LinkFigures], kinds: list[int]) -> list[Any]:
    """The figures of a row, in the order of the ledger's columns; latencies of several links do not add up."""
    latency = links[0].latency if len(links) == 1 else None
    return [
        sum(link.expected for link in links),
        sum(link.delivered for link in links),
        sum(link.queued for link in links),
        _added(link.dropped for link in links),
        _added(link.lost for link in links),
        sum(link.unaccounted for link in links),
        round(sum(link.rate for link in links), 2),
        float(f"{latency.p50:.3g}") if latency else None,
        float(f"{latency.p99:.3g}") if latency else None,
        sum(link.uncertain for link in links),
        sum(link.capacity for link in links) if all(link.capacity for link in links) else 0,
        sum(link.filtered for link in links),
        kinds,
        all(link.proxied for link in links),
    ]


def _added(reasons: Iterable[Any]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in reasons:
        total.update(each)
    return {str(reason): n for reason, n in total.items() if n}
