"""Dealing: how an amount that belongs to several links is dealt out to them, in whole numbers that add up to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def deal(amount: int, first: Mapping[int, int | None], room: Mapping[int, int | None]) -> dict[int, int]:
    """Deal an amount out to some links; what they have no room for goes to the others."""
    limits = list(first.values())
    able = amount if None in limits else min(amount, sum(limit or 0 for limit in limits))
    shares = share(able, first)
    others = {k: v for k, v in room.items() if k not in first} or (room if able < amount else {})
    for key, more in share(amount - able, others).items():
        shares[key] = shares.get(key, 0) + more
    return shares


def share(amount: int, room: Mapping[int, int | None]) -> dict[int, int]:
    """Deal an amount out evenly, to none more than it has room for; the last takes what is over."""
    shares = dict.fromkeys(room, 0)
    left = amount
    open_: list[int] = list(room)

    def limit(key: int) -> int:
        most = room[key]
        return amount if most is None else max(0, most)

    while left and open_:
        each, extra = divmod(left, len(open_))
        for position, key in enumerate(list(open_)):
            take = min(each + (position < extra), limit(key) - shares[key])
            shares[key] += take
            left -= take
            if shares[key] >= limit(key):
                open_.remove(key)
    if left and shares:
        shares[next(iter(shares))] += left
    return shares


def proportion(amount: int, weights: Mapping[int, int]) -> dict[int, int]:
    """Deal an amount out in proportion, in whole numbers that add up to it."""
    total = sum(weights.values())
    if total == 0:
        return share(amount, dict.fromkeys(weights, None))
    shares = {key: amount * weight // total for key, weight in weights.items()}
    for key in sorted(weights, key=lambda k: amount * weights[k] % total, reverse=True)[
        : amount - sum(shares.values())
    ]:
        shares[key] += 1
    return shares
