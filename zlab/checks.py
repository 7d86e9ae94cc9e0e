"""Checks: what the notebooks' exercises call to learn whether something holds of a lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zlab.observed import Observed


class CheckFailed(AssertionError):  # noqa: N818 - it reads as what happened
    """A check that does not hold; the message says what was found and where to look."""


def accounted(lab: Observed) -> str:
    """Check that every message has its place: nothing is unaccounted for on any link.

    Args:
        lab: running or stopped, or a program that is watched.

    Returns:
        A sentence with the figures.

    Raises:
        CheckFailed: it names the links, and how many messages nothing explains.
    """
    table = lab.ledger()
    open_ = table[table["unaccounted"] != 0]
    if len(open_):
        found = ", ".join(f"{link}: {count}" for link, count in open_["unaccounted"].items())
        raise CheckFailed(f"messages that nothing explains: {found}; see lab.ledger() and lab.events()")
    total = table[["expected", "delivered", "queued", "dropped", "lost"]].sum()
    return (
        f"{total['expected']:,} messages expected: {total['delivered']:,} delivered, {total['queued']:,} queued, "
        f"{total['dropped']:,} dropped, {total['lost']:,} lost, and none unaccounted for."
    )
