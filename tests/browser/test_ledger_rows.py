"""The rows of a ledger: those of links that carry nothing are one line, until they carry something or it is opened."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

import zlab
from zlab.views.rows import rows_of
from zlab.views.view import script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

_OPEN = """async (code) => {
    const { default: view } = await import("data:text/javascript," + encodeURIComponent(code));
    const heard = {}, el = document.createElement("div"), none = () => {};
    const packed = (value) => new DataView(new TextEncoder().encode(JSON.stringify(value)).buffer);
    document.body.replaceChildren(el);
    const on = (name, call) => { heard[name] = call; };
    view.render({ model: { on, off: none, send: none, get: () => [], set: none, save_changes: none }, el });
    window.tell = ([content, figures, rows]) =>
        heard["msg:custom"](content, (rows ? [figures, rows] : [figures]).map(packed));
}"""
_SOON = "const SOON = 3000"
_LATE = 5_000.0  # seconds since the lab began


def _figures(sent: int) -> list[Any]:
    return [sent, sent, 0, {}, {}, 0, float(sent), None, None, 0, 0, 0, []]


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page with the ledger alone."""
    with chromium.new_context() as context:
        made = context.new_page()
        made.add_style_tag(content="[hidden] { display: none; }")
        code = script("sight.js", "ledger.js")
        assert _SOON in code
        made.evaluate(_OPEN, code.replace(_SOON, f"{_SOON}000"))  # however busy the machine is, it is soon until told
        yield made


def _tell(
    page: Page, kind: str, figures: list[list[Any]], rows: list[dict[str, Any]] | None = None, at: float = _LATE
) -> None:
    page.evaluate("(told) => tell(told)", [{"t": kind, "kinds": [], "at": at}, figures, rows])


def test_links_that_carry_nothing_are_one_line_that_opens(page: Page) -> None:
    rows = [asdict(row) for row in rows_of(zlab.patterns.zre())]
    silent = [row["sender"].endswith(".inbox") for row in rows]
    shown = page.locator("tbody tr:visible")
    _tell(page, "full", [_figures(0 if none else 7) for none in silent], rows)
    line = page.get_by_role("button", name="12 links have carried nothing so far")
    expect(line).to_have_attribute("aria-expanded", "false")
    expect(shown).to_have_count(12)

    line.focus()
    page.keyboard.press("Enter")
    expect(line).to_have_attribute("aria-expanded", "true")
    expect(shown).to_have_count(24)
    page.keyboard.press("Enter")
    expect(shown).to_have_count(12)

    first = silent.index(True)
    _tell(page, "tick", [_figures(0 if none and i != first else 8) for i, none in enumerate(silent)])
    expect(page.get_by_role("button", name="11 links have carried nothing so far")).to_be_visible()
    expect(shown.nth(first)).to_contain_text(rows[first]["sender"])  # in the place that is its own
    _tell(page, "tick", [_figures(0) for _ in rows])  # the beginning, gone back to
    expect(shown).to_have_count(13)


def test_a_short_ledger_and_one_of_a_lab_that_begins_show_all_rows(page: Page) -> None:
    rows = [asdict(row) for row in rows_of(zlab.patterns.zre())]
    _tell(page, "full", [_figures(i % 2) for i in range(24)], rows, at=0.5)
    expect(page.locator("tbody tr:visible")).to_have_count(24)
    _tell(page, "full", [_figures(i % 2) for i in range(8)], rows[:8])
    expect(page.locator("tbody tr:visible")).to_have_count(8)
    expect(page.locator("tfoot")).to_be_hidden()


def test_a_link_through_a_proxy_says_why_it_has_no_latency(page: Page) -> None:
    rows = [asdict(row) for row in rows_of(zlab.patterns.request_reply())]
    _tell(page, "full", [[*_figures(1), True], [*_figures(1), False]], rows)
    cells = page.locator("tbody tr").first.locator("td")
    expect(cells.nth(7)).to_have_text("proxy")
    expect(cells.nth(8)).to_have_attribute(
        "title", "zmq.proxy passes them on unseen: latency from end to end is told by lab.latency()"
    )
    expect(page.locator("tbody tr", has=page.locator("td")).nth(1).locator("td").nth(7)).to_have_text("\u2013")
    timed = _figures(1)
    timed[7] = timed[8] = 0.001  # while it is paused it is seen
    _tell(page, "full", [[*timed, True], _figures(1)], rows)
    expect(cells.nth(7)).to_have_text("1 ms")
    expect(cells.nth(8)).to_have_attribute("title", "")
