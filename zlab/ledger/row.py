"""A row: what the ledger says of one link; rows add up, and one can be told in parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SWALLOWED = "fault (drop)"
"""Why a message is called dropped that a fault let go no further."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the ledger says of one link."""

    expected: int
    delivered: int
    queued: int
    dropped: Mapping[str, int]
    lost: Mapping[str, int]
    filtered: int = 0
    uncertain: int = 0
    duplicated: int = 0
    """How many of the expected are copies that a fault made."""


def split(row: Row, parts: int) -> list[Row]:
    """A row in equal parts, which add up to it."""

    def part(amount: int, number: int) -> int:
        return amount * (number + 1) // parts - amount * number // parts

    shares = []
    for number in range(parts):
        delivered, queued = part(row.delivered, number), part(row.queued, number)
        dropped = {k: part(v, number) for k, v in row.dropped.items()}
        lost = {k: part(v, number) for k, v in row.lost.items()}
        unexplained = row.expected - row.delivered - row.queued - sum(row.dropped.values()) - sum(row.lost.values())
        shares.append(
            Row(
                delivered + queued + sum(dropped.values()) + sum(lost.values()) + part(unexplained, number),
                delivered,
                queued,
                dropped,
                lost,
                part(row.filtered, number),
                row.expected,
                part(row.duplicated, number),
            )
        )
    return shares


def plus(one: Row, other: Row) -> Row:
    """The sum of two rows, reason by reason."""

    def merged(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
        return {k: a.get(k, 0) + b.get(k, 0) for k in (*a, *(x for x in b if x not in a))}

    return Row(
        one.expected + other.expected,
        one.delivered + other.delivered,
        one.queued + other.queued,
        merged(one.dropped, other.dropped),
        merged(one.lost, other.lost),
        filtered=one.filtered + other.filtered,
        uncertain=one.uncertain + other.uncertain,
        duplicated=one.duplicated + other.duplicated,
    )
