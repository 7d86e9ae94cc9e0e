"""Latencies: of each link and of each path from end to end, since the start and of the last seconds."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from zlab.ledger.histogram import Histogram, left_out
from zlab.ledger.snapshot import LatencyFigures

if TYPE_CHECKING:
    from zlab.ledger.columns import Ints

_RECENT = 5.0  # seconds over which a link's latency is shown
_SHOWN = 2_000  # messages of these, at the most
_FEW = 300  # of these: so many are sorted as fast without an array
_PATHS = 200  # end-to-end paths that are kept apart


class Latencies:
    """What messages took, of all that were traced; all times in nanoseconds."""

    def __init__(self, links: int) -> None:
        """Start with none, for so many links."""
        self.links: list[Histogram] = []
        """For each link, in the order of the topology."""
        self.paths: dict[str, Histogram] = {}
        """For each path, such as ``ventilator → sink``."""
        self.left_out: dict[str, Histogram] = {}
        """By link or path: those of messages that a source should have sent while it was held up."""
        self.latest: list[LatencyFigures | None] = []
        """Of each link, over the last seconds, as they were last taken."""
        self.end_to_end: dict[str, LatencyFigures] = {}
        """Of each path, as they were last taken."""
        self._recent: list[deque[tuple[float, Ints | list[int]]]] = []
        self._changed: set[int] = set()  # those whose latest figures are no longer right
        self.grow(links)

    def grow(self, links: int) -> None:
        """Make room for so many links in all."""
        while len(self.links) < links:
            self.links.append(Histogram())
            self.latest.append(None)
            self._recent.append(deque())

    def enter(self, link: int, latencies: Ints | list[int], places: Ints | list[int], at: float) -> None:
        """Count what crossed a link.

        Args:
            link: its index.
            latencies: of the messages, as `buckets` gives them.
            places: their buckets, likewise.
            at: the time of the tick, in seconds since the lab started.
        """
        self.links[link].put(latencies, places)
        self._changed.add(link)
        last = latencies[-_SHOWN:]
        self._recent[link].append((at, last if isinstance(last, list) else last.copy()))  # no view

    def enter_path(self, path: str, latencies: Ints | list[int], places: Ints | list[int]) -> None:
        """Count what came to its end: how long each message was under way, from end to end.

        Args:
            path: its name.
            latencies: as above.
            places: as above.
        """
        if self.knows(path):
            self.paths.setdefault(path, Histogram()).put(latencies, places)

    def knows(self, path: str) -> bool:
        """Whether a path is one of those that are kept apart; the first so many are."""
        return path in self.paths or len(self.paths) < _PATHS

    def put_back(self, what: str, latency: int, count: int, interval: int) -> None:
        """Count what a source left out before a message of this latency: so many, so far apart.

        Args:
            what: the name of the link, or of the path.
            latency: of the message that came late.
            count: how many should have been sent before it.
            interval: how far apart.
        """
        values = left_out(np.array([latency]), np.array([count]), np.array([interval]))
        self.left_out.setdefault(what, Histogram()).add(values)

    def take_quantiles(self, at: float) -> None:
        """Take the figures anew: they cost more than all else, and change slowly.

        Args:
            at: now, in seconds since the lab started.
        """
        for index, recent in enumerate(self._recent):
            while recent and recent[0][0] < at - _RECENT:
                recent.popleft()
                self._changed.add(index)
            if index not in self._changed:
                continue
            latest: list[int] = []
            for _, batch in reversed(recent):
                latest += batch if isinstance(batch, list) else batch.tolist()
                if len(latest) >= _SHOWN:
                    break
            self.latest[index] = _figures(latest[:_SHOWN]) if latest else None
        self._changed.clear()
        for path, histogram in self.paths.items():
            known = self.end_to_end.get(path)
            if known is None or known.count != histogram.count:
                self.end_to_end = {**self.end_to_end, path: histogram.figures()}


def _figures(latencies: list[int]) -> LatencyFigures:
    ordered: list[int] = sorted(latencies) if len(latencies) <= _FEW else np.sort(np.array(latencies)).tolist()
    last = len(ordered) - 1
    p50, p90, p99, p999 = (ordered[math.ceil(last * q)] * 1e-9 for q in (0.5, 0.9, 0.99, 0.999))
    return LatencyFigures(len(ordered), p50, p90, p99, p999, ordered[last] * 1e-9)


def path_of(origin: str, sender: str, receiver: str) -> str:
    """What a path is called: by the nodes where it begins and ends, and, where these are one, the one between."""
    last = receiver.rpartition(".")[0]
    if last != origin:
        return f"{origin} → {last}"
    return f"{origin} → {sender.rpartition('.')[0]} → {last}"
