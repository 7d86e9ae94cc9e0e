"""The doctor: what is wrong is named, in every small program of the corpus; what is right raises no alarm."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import ExitStack, contextmanager

import corpus
import pytest
from corpus.right import RIGHT
from corpus.stage import WRONG, played, watched
from labs import eventually, leaving_nothing

import zlab
from zlab.diagnosis import MISTAKES

for module in pkgutil.iter_modules(corpus.__path__):
    importlib.import_module(f"corpus.{module.name}")

PATTERNS = [getattr(zlab.patterns, name) for name in zlab.patterns.__all__]
ENOUGH = 3.0  # seconds in which a false alarm would come
AT_ONCE = 8  # labs side by side
KNOWN = {mistake.name: mistake for mistake in MISTAKES}


def mistakes(lab):
    return {finding.mistake for finding in lab.diagnose().findings}


@contextmanager
def all_at_once(programs, begin):
    """Programs side by side, because all that a diagnosis needs is time."""
    with ExitStack() as stack:
        yield [(program, stack.enter_context(begin(program))) for program in programs]


# --- what is wrong ---------------------------------------------------------------------------------------------------


def test_the_corpus_is_whole():
    assert set(WRONG) == set(KNOWN)
    assert sum(map(len, WRONG.values())) >= 40
    assert len(RIGHT) >= 20


@pytest.mark.parametrize("mistake", KNOWN)
def test_it_is_found_and_nothing_else(mistake):
    with leaving_nothing(), all_at_once(WRONG[mistake], played) as programs:
        for program, lab in programs:
            eventually(lambda lab=lab: mistake in mistakes(lab))
            assert mistakes(lab) == {mistake}, (program.__name__, lab.diagnose())
    for program, lab in programs:  # it stands when all has stopped
        assert mistakes(lab) == {mistake}, (program.__name__, lab.diagnose())


# --- what is right ---------------------------------------------------------------------------------------------------


def _are_well(programs):
    for program, lab in programs:
        eventually(lambda lab=lab: len(lab.snapshot().sockets) > 1 and lab.snapshot().at > ENOUGH)
        assert not mistakes(lab), (program.__name__, lab.diagnose())


def test_what_is_right_raises_no_alarm():
    with leaving_nothing(), all_at_once(RIGHT, watched) as programs:
        _are_well(programs)
    for program, lab in programs:
        assert not mistakes(lab), (program.__name__, lab.diagnose())


@pytest.mark.parametrize("first", range(0, len(PATTERNS), AT_ONCE))
def test_the_guides_patterns_raise_no_alarm(first):
    def begin(pattern):
        return zlab.run(pattern(), transport=pattern.guide.transports[-1])

    with leaving_nothing(), all_at_once(PATTERNS[first : first + AT_ONCE], begin) as programs:
        _are_well(programs)
    for pattern, lab in programs:
        assert not mistakes(lab), (pattern.__name__, lab.diagnose())
