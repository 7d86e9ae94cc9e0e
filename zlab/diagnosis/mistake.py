"""A mistake: what is looked for, what to do about it, and where the ZeroMQ Guide tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.ledger.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zlab.diagnosis.facts import Facts


@dataclass(frozen=True, slots=True)
class Sign:
    """What has been seen of a mistake."""

    words: str
    """With figures; a sentence without its full stop."""
    sockets: tuple[str, ...]
    """The full names of the sockets that it concerns."""
    links: tuple[str, ...] = ()
    certain: bool = True
    """Whether what has been seen allows no other explanation."""
    remedy: str = ""
    """What to do about this one; "" is the mistake's own remedy."""
    lasting: bool = False
    """Whether it is read off figures that stay: where those of the end do not show it, they were ahead of the truth."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One of those that are looked for."""

    name: str
    remedy: str
    """What to do; a sentence without its full stop."""
    chapter: int
    """Of the ZeroMQ Guide."""
    section: str
    weight: int
    """How bad it is: see `Finding`."""
    look: Callable[[Facts], Iterable[Sign]]
    """Finds the signs of it."""

    def find(self, facts: Facts) -> list[Finding]:
        """What there is of it now."""
        return [
            Finding(
                self.name,
                sign.words,
                sign.remedy or self.remedy,
                f'chapter {self.chapter}, "{self.section}"',
                sign.sockets,
                sign.links,
                sign.certain,
                self.weight,
                sign.lasting,
            )
            for sign in self.look(facts)
        ]
