"""The doctor: looks for each mistake in turn, and remembers at the end what stood until then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zlab.diagnosis import MISTAKES

if TYPE_CHECKING:
    from zlab.diagnosis.facts import Facts
    from zlab.ledger.finding import Finding

MOST = 20
"""Findings that are told at once: of more, the worst."""


class Doctor:
    """Finds what is wrong with one lab; what is mended goes, and comes no more."""

    def __init__(self) -> None:
        """Nothing has been seen yet."""
        self._standing: tuple[Finding, ...] = ()

    def look(self, facts: Facts) -> tuple[Finding, ...]:
        """All that is wrong now, the worst first; of what has stopped, what was wrong until then too."""
        found: list[Finding] = []
        for mistake in MISTAKES:
            found += mistake.find(replace(facts, found=tuple(found)))
        if facts.snapshot.state != "stopped":
            self._standing = tuple(found)
        else:  # which a lab that stands still no longer shows
            known = {(finding.mistake, finding.sockets) for finding in found}
            found += [f for f in self._standing if (f.mistake, f.sockets) not in known]
        found.sort(key=lambda finding: (-finding.weight, not finding.certain))
        return tuple(found[:MOST])
