"""Every pattern, on every transport that it allows: start, traffic, its failure, its check, and a clean stop."""

from __future__ import annotations

import inspect
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from labs import LIMIT, TRANSPORTS, leaving_nothing

import zlab

PATTERNS = [getattr(zlab.patterns, name) for name in zlab.patterns.__all__]
AT_ONCE = 6  # naive versions side by side, because all that their failures need is time
CASES = [(pattern, transport) for pattern in PATTERNS for transport in pattern.guide.transports]


@pytest.mark.parametrize(("pattern", "transport"), CASES, ids=[f"{p.__name__}-{t}" for p, t in CASES])
def test_it_keeps_its_promise(pattern, transport) -> None:
    with leaving_nothing(), zlab.run(pattern(rate=100), transport=transport) as lab:
        lab.wait(messages=20, timeout=LIMIT)
        pattern.inject(lab)
        assert re.fullmatch(r"[A-Z0-9].*\.", pattern.check(lab, within=LIMIT))
        lab.stop()
        assert "none unaccounted for" in zlab.checks.accounted(lab), lab.ledger().to_string()
        assert not [e for e in lab.history() if e.kind == "error"]


@pytest.mark.parametrize("first", range(0, len(PATTERNS), AT_ONCE))
def test_their_naive_versions_do_not(first) -> None:
    tried = PATTERNS[first : first + AT_ONCE]
    with leaving_nothing(), ThreadPoolExecutor(AT_ONCE) as trials:
        assert not list(filter(None, trials.map(_naively, tried)))


def _naively(pattern) -> str:
    """Try the naive version of a pattern; returns what was not as it has to be."""
    with zlab.run(pattern.naive(), transport=pattern.guide.transports[-1]) as lab:
        lab.wait(messages=20, timeout=LIMIT)
        pattern.inject(lab)
        try:
            kept = pattern.check(lab, within=1.5)
        except zlab.checks.CheckFailed:
            errors = [e.detail for e in lab.history() if e.kind == "error"]
            return f"{pattern.__name__}: {errors}" if errors else ""
        return f"{pattern.__name__} keeps its promise: {kept}"


@pytest.mark.parametrize("pattern", PATTERNS, ids=zlab.patterns.__all__)
def test_what_it_says_of_itself_agrees(pattern) -> None:
    guide, text = pattern.guide, inspect.getdoc(pattern)
    assert bool(guide.chapter) != bool(guide.source)
    assert f"chapter {guide.chapter}" in text or all(word in text for word in guide.source.split(", "))
    assert {int(number) for number in re.findall(r"RFC (\d+)", text)} == set(guide.rfcs)
    assert set(guide.transports) <= set(TRANSPORTS)
    for line in (guide.see, guide.promise, guide.failure):
        assert line
        assert "\n" not in line
        assert not line.endswith(".")
    assert {node.name for node in pattern.naive().nodes} & {node.name for node in pattern().nodes}
    assert repr(pattern).startswith(f"zlab.patterns.{pattern.__name__}(")
