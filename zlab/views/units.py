"""Figures as a person reads them: three significant digits, a unit, no surprise in width."""

from __future__ import annotations

import math

_THOUSAND = 1000


def count(number: float) -> str:
    """A number of messages: exact, so that rows can be compared and added up.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{round(number):,}"


def rate(per_second: float) -> str:
    """Messages per second.

    >>> rate(0), rate(12.34), rate(45678), rate(float("inf"))
    ('0 /s', '12.3 /s', '45.7k /s', 'no limit')
    """
    if math.isinf(per_second):
        return "no limit"
    if per_second < _THOUSAND:
        return f"{per_second:.3g} /s"
    if per_second < _THOUSAND**2:
        return f"{per_second / _THOUSAND:.3g}k /s"
    return f"{per_second / _THOUSAND**2:.3g}M /s"


def seconds(value: float) -> str:
    """A time, from nanoseconds to seconds.

    >>> seconds(0.0000354), seconds(0.0123), seconds(2)
    ('35.4 µs', '12.3 ms', '2 s')
    """
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns" if value > 0 else "0 s"


def reasons(why: dict[str, int]) -> str:
    """What was dropped or lost, with its reasons.

    >>> reasons({"high-water mark": 12})
    '12 high-water mark'
    """
    return ", ".join(f"{count(n)} {reason}" for reason, n in why.items() if n)
