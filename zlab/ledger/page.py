"""A page of the past: one snapshot in little room, its figures as bytes and its words by reference."""

from __future__ import annotations

import zlib
from array import array
from dataclasses import dataclass, fields
from itertools import chain, islice
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any

import numpy as np

from zlab.ledger.snapshot import (
    Flight,
    LatencyFigures,
    LinkFigures,
    NodeFigures,
    NodeState,
    Snapshot,
    SocketFigures,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from zlab.topology import Topology

_STATES = tuple(NodeState)
_STATE = {state: i for i, state in enumerate(_STATES)}
_NO_LATENCY = (-1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_LATENCY = attrgetter("count", "p50", "p90", "p99", "p999", "max")
_ABSENT = -1  # a reason that a link does not name
_BIG = 16384  # bytes of figures from which on they are squeezed: for less it is not worth the time
_OBJECTS, _ROW, _EVENT = 800, 150, 200  # bytes that Python's own objects take, about


class _Kind:
    """How the figures of all links, sockets or nodes are written: columns of whole numbers, of others, and words.

    Args:
        made: the class of one row.
        whole: its fields that are whole numbers.
        broken: its fields that are other numbers.
        apart: its fields that are written in a way of their own; what is left seldom changes.
    """

    def __init__(
        self, made: type, whole: Sequence[str] = (), broken: Sequence[str] = (), apart: Sequence[str] = ()
    ) -> None:
        self.made: Callable[..., Any] = made
        self.names = [each.name for each in fields(made)]
        self.whole = {name: attrgetter(name) for name in whole}
        self.broken = {name: attrgetter(name) for name in broken}
        self.words = [n for n in self.names if n not in {*whole, *broken, *apart}]
        self.get_words = attrgetter(*self.words)

    def rows(self, columns: Mapping[str, Sequence[Any]]) -> tuple[Any, ...]:
        return tuple(map(self.made, *(columns.get(name, ()) for name in self.names)))


_LINKS = _Kind(
    LinkFigures,
    ("expected", "delivered", "queued", "filtered", "uncertain", "bytes", "duplicated"),
    ("rate", "byte_rate"),
    ("dropped", "lost", "latency"),
)
_SOCKETS = _Kind(
    SocketFigures,
    ("sent", "received", "refused", "bytes_sent", "bytes_received"),
    ("send_rate", "receive_rate"),
)
_NODES = _Kind(NodeFigures, broken=("since",), apart=("state", "blocked_on"))
_FLIGHTS = {"sent": "d", "received": "d", "size": "q", "link": "I", "kind": "B"}  # the widest first: all stay aligned
_APART = {"nodes", "sockets", "links", "flights", "end_to_end"}
_HEAD = [each.name for each in fields(Snapshot) if each.name not in _APART]
_GET_HEAD = attrgetter(*_HEAD)


@dataclass(frozen=True, slots=True)
class Words:
    """What seldom changes, and is shared by all pages for which it holds."""

    rows: tuple[tuple[tuple[Any, ...], ...], ...]
    """The words of each node, socket and link."""
    reasons: tuple[tuple[int, str, str], ...]
    """A column of the figures each: the link, whether ``dropped`` or ``lost``, and the reason."""
    topology: Topology

    @property
    def size(self) -> int:
        """Bytes, about."""
        return _ROW * (2 * sum(map(len, self.rows)) + len(self.reasons))


@dataclass(frozen=True, slots=True)
class Page:
    """One tick."""

    at: float
    """Seconds since the lab started."""
    head: tuple[Any, ...]
    words: Words
    figures: bytes
    squeezed: bool
    latencies: bytes
    paths: tuple[str, ...]
    end_to_end: bytes
    """The latencies of these paths."""
    states: bytes
    blocked: tuple[str, ...]
    flights: bytes
    size: int
    """Bytes that it takes, about, besides what it shares with the page before."""


class Writer:
    """Turns one snapshot after the other into pages."""

    def __init__(self) -> None:
        """Begin with an empty page."""
        self._last: Page | None = None
        self._latest: tuple[LatencyFigures | None, ...] = ()
        self._paths: tuple[str, ...] = ()
        self._end_to_end: tuple[object, bytes] = None, b""
        self._reasons: dict[tuple[int, str, str], int] = {}

    def write(self, snapshot: Snapshot, topology: Topology) -> Page:
        """Write down a tick, and what ran then."""
        last, nodes = self._last, snapshot.nodes
        counts, rates = array("q"), array("d")
        for kind, rows in ((_NODES, nodes), (_SOCKETS, snapshot.sockets), (_LINKS, snapshot.links)):
            for get in kind.whole.values():
                counts.extend(map(get, rows))
            for get in kind.broken.values():
                rates.extend(map(get, rows))
        counts.extend(self._gone(snapshot.links))
        figures = counts.tobytes() + rates.tobytes()
        squeezed = len(figures) > _BIG
        if squeezed:
            figures = zlib.compress(figures, 1)
        words, latencies, flights = self._words(snapshot, topology), self._latencies(snapshot.links), _packed(snapshot)
        blocked = tuple(map(attrgetter("blocked_on"), nodes))
        if last is not None and blocked == last.blocked:
            blocked = last.blocked
        size = _OBJECTS + len(figures) + len(flights) + len(nodes)
        size += sum(_EVENT + len(event.detail) for event in snapshot.events)
        size += 0 if last is not None and words is last.words else words.size
        size += 0 if last is not None and latencies is last.latencies else len(latencies)
        size += 0 if last is not None and blocked is last.blocked else 8 * len(blocked)
        end_to_end = self._paths_of(snapshot)
        size += 0 if last is not None and end_to_end is last.end_to_end else len(end_to_end)
        states = bytes([_STATE[node.state] for node in nodes])
        head = _GET_HEAD(snapshot)
        self._last = Page(
            at=snapshot.at,
            head=head,
            words=words,
            figures=figures,
            squeezed=squeezed,
            latencies=latencies,
            paths=self._paths,
            end_to_end=end_to_end,
            states=states,
            blocked=blocked,
            flights=flights,
            size=size,
        )
        return self._last

    def _gone(self, links: Sequence[LinkFigures]) -> list[int]:
        row = [_ABSENT] * len(self._reasons)
        for i, link in enumerate(links):
            if link.dropped or link.lost:
                for fate, why in (("dropped", link.dropped), ("lost", link.lost)):
                    for reason, count in why.items():
                        column = self._reasons.setdefault((i, fate, reason), len(row))
                        row[column : column + 1] = (count,)
        return row

    def _words(self, snapshot: Snapshot, topology: Topology) -> Words:
        rows = (
            tuple(map(_NODES.get_words, snapshot.nodes)),
            tuple(map(_SOCKETS.get_words, snapshot.sockets)),
            tuple(map(_LINKS.get_words, snapshot.links)),
        )
        if self._last is None:
            return Words(rows, tuple(self._reasons), topology)
        known = self._last.words
        same = [before == now for before, now in zip(known.rows, rows, strict=True)]
        if all(same) and known.topology is topology and len(known.reasons) == len(self._reasons):
            return known
        shared = tuple(b if s else n for b, n, s in zip(known.rows, rows, same, strict=True))
        return Words(shared, tuple(self._reasons), topology)

    def _latencies(self, links: Sequence[LinkFigures]) -> bytes:
        # They are taken twice a second: the ticks between share them.
        latest = tuple(map(attrgetter("latency"), links))
        if self._last is not None and len(latest) == len(self._latest) and all(map(is_, latest, self._latest)):
            return self._last.latencies
        self._latest = latest
        return _packed_latencies(latest)

    def _paths_of(self, snapshot: Snapshot) -> bytes:
        """Likewise those of the paths; as objects they would take the more, the fewer ticks there are between pages."""
        known, packed = self._end_to_end
        if snapshot.end_to_end is not known:
            paths = tuple(snapshot.end_to_end)
            self._paths = self._paths if paths == self._paths else paths
            packed = _packed_latencies(snapshot.end_to_end.values())
            self._end_to_end = snapshot.end_to_end, packed
        return packed


def _packed_latencies(latencies: Iterable[LatencyFigures | None]) -> bytes:
    rows = (_NO_LATENCY if one is None else _LATENCY(one) for one in latencies)
    return array("d", chain.from_iterable(rows)).tobytes()


def _unpacked_latencies(packed: bytes) -> list[LatencyFigures | None]:
    rows = np.frombuffer(packed, np.float64).reshape(-1, len(_NO_LATENCY)).tolist()
    return [None if count < 0 else LatencyFigures(int(count), *quantiles) for count, *quantiles in rows]


def read(page: Page) -> Snapshot:
    """The snapshot that a page was written of."""
    words, data = page.words, zlib.decompress(page.figures) if page.squeezed else page.figures
    kinds = tuple(zip((_NODES, _SOCKETS, _LINKS), words.rows, strict=True))
    widths = [len(rows) for kind, rows in kinds for _ in kind.whole] + [len(words.reasons)]
    counts = _columns(np.frombuffer(data, np.int64, sum(widths)), widths)
    begin, widths = 8 * sum(widths), [len(rows) for kind, rows in kinds for _ in kind.broken]
    rates = _columns(np.frombuffer(data, np.float64, -1, begin), widths)
    nodes, sockets, links = (
        dict(zip(kind.whole, counts, strict=False))  # what is left over is the next kind's
        | dict(zip(kind.broken, rates, strict=False))
        | dict(zip(kind.words, zip(*rows, strict=True), strict=False))
        for kind, rows in kinds
    )
    nodes["state"], nodes["blocked_on"] = [_STATES[i] for i in page.states], page.blocked
    links["latency"] = latencies = _unpacked_latencies(page.latencies)
    for fate in ("dropped", "lost"):
        links[fate] = [{} for _ in latencies]
    for (link, fate, reason), count in zip(words.reasons, next(counts), strict=True):
        if count != _ABSENT:
            links[fate][link][reason] = count
    return Snapshot(
        nodes=_NODES.rows(nodes),
        sockets=_SOCKETS.rows(sockets),
        links=_LINKS.rows(links),
        flights=tuple(flights(page)),
        end_to_end={
            path: one
            for path, one in zip(page.paths, _unpacked_latencies(page.end_to_end), strict=True)
            if one is not None
        },
        **dict(zip(_HEAD, page.head, strict=True)),
    )


def _columns(figures: NDArray[Any], widths: Iterable[int]) -> Iterator[list[Any]]:
    numbers = iter(figures.tolist())
    return (list(islice(numbers, width)) for width in widths)


def _packed(snapshot: Snapshot) -> bytes:
    return b"".join(array(code, map(attrgetter(name), snapshot.flights)).tobytes() for name, code in _FLIGHTS.items())


def flights(page: Page) -> list[Flight]:
    """The messages that were traced in that tick."""
    columns = {name: array(code) for name, code in _FLIGHTS.items()}
    number = len(page.flights) // sum(column.itemsize for column in columns.values())
    begin = 0
    for column in columns.values():
        end = begin + number * column.itemsize
        column.frombytes(page.flights[begin:end])
        begin = end
    return list(map(Flight, *(columns[each.name] for each in fields(Flight))))
