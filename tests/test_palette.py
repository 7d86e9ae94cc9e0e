"""The colours of the views: told apart by every eye, legible on every page, the same in every view."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from test_views import Fake, snapshot

import zlab
from zlab.ledger.snapshot import Flight, NodeState
from zlab.views import charts, palette
from zlab.views.view import STYLE, script

# How a colour in linear light looks to eyes without green, or without red, cones: Machado, Oliveira and Fernandes,
# "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009.
EYES = {
    "most": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
PAGES = {"light": ("#ffffff",), "dark": ("#111111", "#212121")}  # JupyterLab's --jp-layout-color0 and 1
APART = 0.06  # in OKLab, where 0.02 is just noticeable


def linear(colour: str) -> np.ndarray:
    shares = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2: 3 for what is drawn, 4.5 for letters."""
    darker, lighter = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def oklab(light: np.ndarray) -> np.ndarray:
    cones = np.cbrt(
        [
            [0.41222147, 0.53633254, 0.05144599],
            [0.21190350, 0.68069955, 0.10739696],
            [0.08830246, 0.28171884, 0.62997870],
        ]
        @ np.clip(light, 0, 1)
    )
    return [
        [0.21045426, 0.79361779, -0.00407205],
        [1.97799850, -2.42859221, 0.45059371],
        [0.02590404, 0.78277177, -0.80867577],
    ] @ cones


@pytest.mark.parametrize("eye", EYES)
def test_any_two_kinds_stay_apart_for_every_eye(eye: str) -> None:
    for one, other in itertools.combinations(palette.KINDS, 2):
        apart = np.linalg.norm(oklab(EYES[eye] @ linear(one)) - oklab(EYES[eye] @ linear(other)))
        assert apart > APART, f"{one} and {other}"


@pytest.mark.parametrize("page", [page for pages in PAGES.values() for page in pages])
def test_every_kind_stands_out_from_every_page(page: str) -> None:
    for colour in palette.KINDS:
        assert contrast(colour, page) >= 3, colour
    assert contrast(palette.QUIET, page) >= 3


@pytest.mark.parametrize("name", PAGES)
def test_words_can_be_read_on_cards_and_pages(name: str) -> None:
    theme = {"light": palette.LIGHT, "dark": palette.DARK}[name]
    for ground in (*PAGES[name], theme.card, theme.page):
        for letters in (theme.ink, theme.soft, *theme.states.values()):
            assert contrast(letters, ground) >= 4.5, f"{letters} on {ground}"
    assert set(theme.states) == set(NodeState)


def test_no_view_has_a_colour_of_its_own_for_what_the_palette_names() -> None:
    assert script().startswith("const PALETTE = ")
    assert all(colour in STYLE for colour in palette.KINDS)
    for name in ("flow.js", "graph.js", "flight.js", "ledger.js", "log.js", "inspector.js"):
        own = script(name).removeprefix(script())
        assert not re.findall(r"#[0-9a-f]{6}\b", own), name


def test_a_chart_has_the_colours_of_the_messages_and_tells_lines_of_one_colour_apart() -> None:
    lab = Fake(zlab.patterns.pipeline(workers=3))
    history = charts.History(lab.topology)
    drawn = charts.figure(history, live=True)
    assert {trace.line.color for trace in drawn.data} == {palette.QUIET}  # nothing has been traced
    numbers = [link.source == "ventilator" for link in lab.topology.links]
    flights = tuple(Flight(i, 0 if number else 1, 0.9, 0.95, 1) for i, number in enumerate(numbers))
    history.add(replace(snapshot(lab.topology), flights=flights))
    charts.update(drawn, history)
    lines = [(trace.line.color, trace.line.dash) for trace in drawn.data[: len(numbers)]]
    assert [colour for colour, _ in lines] == [palette.KINDS[0 if number else 1] for number in numbers]
    assert len(set(lines)) == len(lines)
    history.add(replace(snapshot(lab.topology, at=2.0), flights=(Flight(0, 5, 1.9, 1.95, 1),)))
    assert history.strokes[0][0] == palette.QUIET  # of several kinds
