"""Every pattern, on every transport that it allows: start, traffic, its failure, its check, and a clean stop."""

from __future__ import annotations

import inspect
import re

import pytest
from labs import LIMIT, TRANSPORTS, leaving_nothing

import zlab

PATTERNS = [getattr(zlab.patterns, name) for name in zlab.patterns.__all__]
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


@pytest.mark.parametrize("pattern", PATTERNS, ids=zlab.patterns.__all__)
def test_its_naive_version_does_not(pattern) -> None:
    with leaving_nothing(), zlab.run(pattern.naive(), transport=pattern.guide.transports[-1]) as lab:
        lab.wait(messages=20, timeout=LIMIT)
        pattern.inject(lab)
        with pytest.raises(zlab.checks.CheckFailed):
            pattern.check(lab, within=1.5)
        assert not [e for e in lab.history() if e.kind == "error"]


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
