"""Arrows: the remembered hops as columns of numbers, for a view that draws many of them and asks for the new ones."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zlab.ledger.fates import DELIVERED, UNDER_WAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from zlab.ledger.fates import Fates
    from zlab.ledger.hops import Hop

ARROW = np.dtype(
    [
        ("number", "<u4"),  # of the hop: they are consecutive, in the order in which they were sent
        ("sent", "<f8"),  # seconds since the lab started
        ("received", "<f8"),  # the same; not a number where it has not been seen to arrive
        ("message", "<u4"),  # the number of its journey
        ("size", "<u4"),  # bytes, all frames together
        ("hop", "<u2"),  # the how-manieth of its journey, from 1
        ("sender", "<u2"),  # index into `Arrows.sockets`
        ("receiver", "<u2"),  # the same, or NOBODY
        ("fate", "<u2"),  # index into `Arrows.fates`
        ("kind", "u1"),  # index into `Snapshot.kinds`
        ("ambiguous", "u1"),
    ]
)
NOBODY = 0xFFFF
"""Instead of a receiver that is not known."""
_LARGEST = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Sheet:
    """Some hops, one after the other."""

    rows: NDArray[Any]
    """As `ARROW` describes them."""
    hops: Sequence[Hop]
    """What they were made of."""
    gone: int
    """How many that were asked for are no longer remembered."""
    rest: int
    """How many newer ones there are that were not asked for."""


class Remembered(Protocol):
    """What remembers hops, and numbers them in the order in which they were sent."""

    def span(self) -> range:
        """The numbers of those that are remembered."""

    def chosen(self, numbers: Iterable[int], *, arrived: bool = False) -> list[tuple[int, Hop]]:
        """Those of these numbers, ascending, that are remembered, and have arrived where that is asked for."""

    def numbers_of(self, message: int) -> list[int]:
        """The numbers of the hops of one message."""


class Arrows:
    """Numbers the hops of one lab.

    Args:
        journeys: what remembers them.
        fates: tells fates as of now; what it looks at costs more than the hops themselves, so it is asked seldom.
        began: when the lab began, in nanoseconds on the clock of the traces.
    """

    def __init__(self, journeys: Remembered, fates: Callable[[], Fates], began: int) -> None:
        """Nothing has been numbered yet."""
        self._journeys = journeys
        self._fates = fates
        self._began = began
        self._lock = Lock()
        self._known: dict[str, int] = {}
        self._words: dict[str, int] = {UNDER_WAY: 0, DELIVERED: 1}

    @property
    def sockets(self) -> list[str]:
        """The full names of sockets by their numbers; more may follow."""
        with self._lock:
            return list(self._known)

    @property
    def fates(self) -> list[str]:
        """Fates by their numbers; more may follow."""
        with self._lock:
            return list(self._words)

    @property
    def span(self) -> range:
        """The numbers of the hops that are remembered."""
        return self._journeys.span()

    def since(self, mark: int, most: int = _LARGEST) -> Sheet:
        """The hops from a number on.

        Args:
            mark: the first number that is wanted.
            most: how many at most; the oldest come first.
        """
        span = self.span
        begin = max(mark, span.start)
        chosen = self._journeys.chosen(range(begin, min(begin + most, span.stop)))
        first = chosen[0][0] if chosen else begin
        rows = self._rows(chosen, [(DELIVERED if h.received else h.fate or UNDER_WAY, h.receiver) for _, h in chosen])
        return Sheet(rows, [hop for _, hop in chosen], first - mark, span.stop - first - len(chosen))

    def now(self, numbers: Iterable[int], *, judged: bool) -> Sheet:
        """How hops stand that had not been seen to arrive; those that have been let go are left out.

        Args:
            numbers: of the hops, ascending.
            judged: whether to find out what became of those that have not come; else only who has is told.
        """
        chosen = self._journeys.chosen(numbers, arrived=not judged)
        fates = self._fates() if judged and chosen else None
        rows = self._rows(chosen, [(DELIVERED, h.receiver) if fates is None else fates.of(h) for _, h in chosen])
        return Sheet(rows, [hop for _, hop in chosen], 0, 0)

    def chosen(self, numbers: Iterable[int]) -> list[tuple[int, Hop]]:
        """The hops of these numbers, ascending, as far as they are remembered."""
        return self._journeys.chosen(numbers)

    def sent_by(self, seconds: float) -> int:
        """The number of the first hop that was sent after a moment, in seconds since the lab started."""
        span = self.span
        if not span or self._sent(span[-1]) <= seconds:
            return span.stop  # the present
        return span.start + bisect_right(span, seconds, key=self._sent)

    def _sent(self, number: int) -> float:
        found = self._journeys.chosen([number])  # none where it has been let go meanwhile: the oldest
        return (found[0][1].crossing.trace.time - self._began) * 1e-9 if found else -math.inf

    def way(self, number: int) -> list[int]:
        """The numbers of all hops of the message that this one is a hop of.

        Raises:
            LookupError: it is no longer remembered, or was never there.
        """
        return self._journeys.numbers_of(self.get(number).crossing.message)

    def get(self, number: int) -> Hop:
        """The hop of that number.

        Raises:
            LookupError: it is no longer remembered, or was never there.
        """
        span = self.span
        found = self._journeys.chosen([number]) if number in span else []
        if not found:
            raise LookupError(
                f"hop {number} is not remembered: the last {len(span):,} are, and {span.start:,} have been let go"
            )
        return found[0][1]

    def _rows(self, chosen: Sequence[tuple[int, Hop]], fates: Sequence[tuple[str, str]]) -> NDArray[Any]:
        rows = np.zeros(len(chosen), ARROW)
        for i, ((number, hop), fate) in enumerate(zip(chosen, fates, strict=True)):
            rows[i] = self._row(number, hop, fate)
        return rows

    def _row(self, number: int, hop: Hop, fate: tuple[str, str]) -> tuple[Any, ...]:
        crossing, (word, receiver) = hop.crossing, fate
        trace = crossing.trace
        return (
            number,
            (trace.time - self._began) * 1e-9,
            (hop.received - self._began) * 1e-9 if word == DELIVERED else np.nan,
            crossing.message,
            min(trace.size, _LARGEST),
            min(crossing.hop, NOBODY),
            self._number(self._known, crossing.sender),
            self._number(self._known, receiver) if receiver else NOBODY,
            self._number(self._words, word),
            hop.kind,
            crossing.ambiguous,
        )

    def _number(self, table: dict[str, int], word: str) -> int:
        if word not in table:
            with self._lock:
                table.setdefault(word, len(table))
        return table[word]
