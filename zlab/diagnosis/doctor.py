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
        self._over: dict[tuple[str, tuple[str, ...]], Finding] = {}  # what was wrong until its sockets were closed

    def look(self, facts: Facts) -> tuple[Finding, ...]:
        """All that is wrong now, the worst first; of what has stopped, what was wrong until then too."""
        found: list[Finding] = []
        for mistake in MISTAKES:
            found += mistake.find(replace(facts, found=tuple(found)))
        known = {_key(finding) for finding in found}
        gone = [f for f in self._standing if _key(f) not in known and not f.lasting]
        if facts.snapshot.state != "stopped":
            # Closed is not mended. While all runs it is of no use to tell of what is closed; at the end it is.
            self._over |= {_key(finding): finding for finding in gone if _has_closed(finding, facts)}
            self._standing = tuple(found)
        else:  # which a lab that stands still no longer shows
            found += gone
            known |= {_key(finding) for finding in gone}
            found += [finding for key, finding in self._over.items() if key not in known]
        found.sort(key=lambda finding: (-finding.weight, not finding.certain))
        return tuple(found[:MOST])


def _key(finding: Finding) -> tuple[str, tuple[str, ...]]:
    return finding.mistake, finding.sockets


def _has_closed(finding: Finding, facts: Facts) -> bool:
    uses = [facts.uses.get(socket) for socket in finding.sockets]
    return any(use is None or not use.open for use in uses)
