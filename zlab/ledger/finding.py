"""A finding: one mistake in the use of ZeroMQ, as it is told to a person."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What has been seen, what it comes from, and what to do about it."""

    mistake: str
    """What it is called, such as ``slow joiner``."""
    words: str
    """What has been seen, with figures."""
    remedy: str
    guide: str
    """Where the ZeroMQ Guide tells of it: the chapter and its section."""
    sockets: tuple[str, ...]
    """The full names of the sockets that it concerns."""
    links: tuple[str, ...] = ()
    """The names of the links that it concerns."""
    certain: bool = True
    """Whether what has been seen allows no other explanation; else it is likely."""
    weight: int = 1
    """How bad it is: 3 where the program stands still or may crash, 2 where messages are lost, 1 where it is slowed."""
    lasting: bool = False
    """Whether the figures at the end show it too, if it was so."""

    @property
    def where(self) -> str:
        """The sockets, in one line."""
        return ", ".join(self.sockets)

    def __str__(self) -> str:
        """Read as a person would be told."""
        told = self.mistake if self.certain else f"{self.mistake} (likely)"
        return f"{told}: {self.words}. {self.remedy}. See the ZeroMQ Guide, {self.guide}."
