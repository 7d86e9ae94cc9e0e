"""The dashboard of a large lab under hands and keys: groups, a link, the full size, what is spoken, and calm."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import nbformat
import pytest
from browsing import visit
from playwright.sync_api import expect
from programs import ROOT, clean_environment, eventually, free_port, get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from browsing import Visit
    from playwright.sync_api import Browser, Locator

pytestmark = pytest.mark.browser

LAB = """
import zlab
lab = zlab.run(zlab.patterns.pipeline(workers=80, rate=80, seconds=0.001))
lab
"""
GROUP = "worker-1…80"


@pytest.fixture(scope="module")
def seen(chromium: Browser) -> Iterator[Visit]:
    """One notebook with a lab of 82 nodes; each test leaves it as it found it."""
    with clean_environment() as clean:
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LAB)], metadata=kernel)
        nbformat.write(notebook, clean.home / "lab.ipynb")
        clean.env["PYTHONPATH"] = str(ROOT)  # this tree, wherever it stands
        port = free_port()
        settings = ["--IdentityProvider.token=secret", f"--ServerApp.port={port}", f"--ServerApp.root_dir={clean.home}"]
        options = ["--no-browser", "--ServerApp.allow_root=True", "--LabApp.news_url=None"]
        clean.start(sys.executable, "-m", "jupyterlab", *options, *settings)
        base = f"http://127.0.0.1:{port}"
        eventually(lambda: get(f"{base}/api")[0] == 200)
        with visit(chromium, f"{base}/lab/tree/lab.ipynb?token=secret") as page:
            expect(page.page.get_by_text(re.compile(r"\| Idle$"))).to_be_visible()
            page.page.locator(".jp-CodeCell .cm-content").first.click()
            page.page.keyboard.press("Control+Enter")
            page.page.set_viewport_size({"width": 1280, "height": 1180})
            page.watch_figures_rise()
            yield page


def _rows(seen: Visit) -> Locator:
    return seen.page.get_by_role("table", name="Ledger").locator("tbody tr")


def _part(seen: Visit, sender: str, receiver: str) -> Locator:
    return _rows(seen).filter(has=seen.page.locator(f'th[title^="{sender}."][title*="→ {receiver}."]'))


def _look_through_all_rows(seen: Visit) -> None:
    """Of 162 rows those near what is in sight are on the page; the keyboard's are always."""
    table, panel = seen.page.get_by_role("table", name="Ledger"), seen.page.locator(".zlab-ledger")
    expect(table).to_have_attribute("aria-rowcount", "163")
    assert _rows(seen).count() < 60
    last = _part(seen, "worker-80", "sink")
    expect(last).not_to_be_attached()
    high = panel.evaluate("panel => panel.scrollHeight")
    panel.evaluate("panel => { panel.scrollTop = panel.scrollHeight; }")
    expect(last).to_be_in_viewport()
    expect(last).to_have_attribute("aria-rowindex", "163")
    assert _rows(seen).count() < 60
    assert panel.evaluate("panel => panel.scrollHeight") == pytest.approx(high, abs=60)
    expect(last.locator("td").nth(1)).to_have_text(re.compile(r"^[1-9]"))  # it goes on being counted
    expect(table.get_by_role("button")).to_have_count(2)
    table.get_by_role("button").nth(1).focus()  # the browser scrolls to it
    expect(_part(seen, "worker-1", "sink")).to_be_in_viewport()
    expect(last).not_to_be_attached()


def test_a_group_opens_in_the_graph_and_in_the_ledger_alike_and_closes(seen: Visit) -> None:
    group = seen.node(GROUP)
    expect(group).to_have_attribute("aria-label", re.compile("group of 80 nodes, .*"))
    expect(_rows(seen)).to_have_count(2)
    group.focus()
    seen.page.keyboard.press("Enter")
    expect(seen.node("worker-17")).to_be_attached()
    expect(_part(seen, "ventilator", "worker-1")).to_be_attached()
    seen.node("worker-17").focus()
    seen.page.keyboard.press("Escape")
    expect(group).to_be_attached()
    expect(_rows(seen)).to_have_count(2)

    unfold = seen.page.get_by_role("table", name="Ledger").get_by_role("button").first
    unfold.click()
    expect(unfold).to_have_attribute("aria-expanded", "true")
    expect(seen.node("worker-17")).to_be_attached()
    seen.until(lambda: sum(seen.ledger()[1:17]) > 0)
    seen.keep("opened")
    _look_through_all_rows(seen)
    seen.page.get_by_role("button", name=re.compile("close this group")).click()
    expect(unfold).to_have_attribute("aria-expanded", "false")


def test_a_link_is_paused_steps_and_resumes_by_button_and_by_key(seen: Visit) -> None:
    seen.node(GROUP).click(force=True)  # its button lets the pointer through to the card
    worker = seen.node("worker-7")
    worker.focus()
    seen.page.keyboard.press("Enter")
    panel = seen.page.get_by_role("dialog", name="worker-7")
    panel.get_by_role("combobox", name="Node or link").select_option("ventilator.tasks → worker-7.tasks")
    panel.get_by_role("button", name="Pause").click()
    resume = panel.get_by_role("button", name="Resume")
    expect(resume).to_be_visible()
    expect(panel).to_contain_text("paused: its messages stand")
    row = 1 + 6  # the sum of all workers is above them
    others, held = sum(seen.ledger()), seen.ledger()[row]
    seen.until(lambda: sum(seen.ledger()) > others + 40)  # the others go on
    assert seen.ledger()[row] <= held + 1
    held = seen.ledger()[row]
    resume.focus()
    for moved in (1, 2):
        seen.page.keyboard.press(".")
        seen.until(lambda moved=moved: seen.ledger()[row] == held + moved)
    seen.keep("link")
    panel.get_by_role("group", name="Figures").focus()
    seen.page.keyboard.press("Space")
    expect(panel.get_by_role("button", name="Pause")).to_be_visible()
    seen.until(lambda: seen.ledger()[row] > held + 2)

    # Its last messages open the message inspector, and the ledger follows.
    message = panel.get_by_role("list", name="Last messages").get_by_role("button").first
    message.click()
    told = seen.page.get_by_role("dialog", name=re.compile(r"Message [\d,]+, hop 1"))
    expect(told.get_by_role("group", name="Frames")).to_contain_text("task_id")
    expect(_rows(seen).nth(row)).to_have_attribute("aria-current", "true")
    seen.page.keyboard.press("Escape")
    expect(told).to_be_hidden()
    expect(seen.page.locator("tr[aria-current]")).to_have_count(0)
    seen.page.keyboard.press("Escape")
    seen.page.get_by_role("button", name=re.compile("close this group")).click()


def test_the_sum_of_a_closed_groups_links_is_told_by_mouse_and_by_key(seen: Visit) -> None:
    panel = seen.page.get_by_role("dialog", name=f"ventilator → {GROUP}")
    figures = panel.get_by_role("group", name="Figures")
    lane = seen.page.get_by_role("button", name=re.compile(f"^80 links, ventilator → {GROUP}"))
    seen.node("ventilator").focus()
    seen.page.keyboard.press("ArrowRight")
    expect(lane).to_be_focused()
    seen.page.keyboard.press("Enter")
    expect(figures).to_contain_text("80 links over tasks")
    told = lambda: int(re.search(r"delivered([\d,]+)", figures.text_content())[1].replace(",", ""))  # noqa: E731
    first = told()
    seen.until(lambda: told() > first)  # it goes on while it is looked at
    assert first <= seen.ledger()[0]
    seen.keep("sum")
    seen.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(lane).to_be_focused()
    seen.page.keyboard.press("ArrowRight")
    expect(seen.node(GROUP)).to_be_focused()

    box = lane.bounding_box()
    seen.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(figures).to_contain_text("80 links over tasks")
    panel.get_by_role("combobox", name="One of these links").select_option("ventilator.tasks → worker-7.tasks")
    expect(panel).to_be_hidden()
    one = seen.page.get_by_role("dialog", name="ventilator", exact=True)
    expect(one.get_by_role("combobox", name="Node or link")).to_have_value("ventilator.tasks → worker-7.tasks")
    expect(one.get_by_role("group", name="Figures")).to_contain_text("delivered")
    seen.page.keyboard.press("Escape")
    expect(one).to_be_hidden()
    seen.page.keyboard.press("Escape")


def test_what_becomes_of_a_node_and_of_the_lab_is_spoken(seen: Visit) -> None:
    spoken = seen.page.locator(".zlab-the-flow [role=status][aria-live=polite]").first
    seen.node(GROUP).focus()
    seen.page.keyboard.press("Enter")
    worker = seen.node("worker-9")
    worker.focus()
    seen.page.keyboard.press("Enter")
    panel = seen.page.get_by_role("dialog", name="worker-9")
    panel.get_by_role("button", name="Kill").click()
    expect(spoken).to_contain_text("worker-9 killed")
    panel.get_by_role("button", name="Restart").click()
    expect(worker).not_to_have_attribute("aria-label", re.compile("killed"))
    seen.page.keyboard.press("Escape")
    seen.page.get_by_role("button", name=re.compile("close this group")).click()
    seen.pause.click()
    expect(spoken).to_contain_text("lab paused")
    seen.pause.click()
    expect(spoken).to_contain_text("lab running")


def test_the_dashboard_is_enlarged_by_key_and_button(seen: Visit) -> None:
    stage = seen.page.get_by_role("application", name=re.compile("nodes and messages"))
    word, row = seen.controls.get_by_text("delivered in"), _rows(seen).first
    size = lambda: (word.bounding_box()["height"], row.bounding_box()["height"])  # noqa: E731
    small = size()
    stage.focus()
    seen.page.keyboard.press("l")
    larger = seen.page.get_by_role("button", name=re.compile("^Larger"))
    expect(larger).to_have_attribute("aria-pressed", "true")
    seen.until(lambda: all(now > 1.1 * then for now, then in zip(size(), small, strict=True)))
    seen.keep("larger")
    larger.click()
    seen.until(lambda: size() == pytest.approx(small, abs=1))


_DOTS = """(view) => { // pixels of the colour that messages have, and nothing else on the stage
    const canvas = view.querySelector(".zlab-stage canvas");
    const colour = getComputedStyle(view.querySelector(".zlab-legend i")).backgroundColor.match(/\\d+/g).map(Number);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let dots = 0;
    for (let i = 0; i < data.length; i += 4) if (colour.every((part, k) => data[i + k] === part)) dots++;
    return dots;
}"""


def test_with_reduced_motion_nothing_moves_and_rates_are_told(seen: Visit) -> None:
    view = seen.page.locator(".zlab-the-flow")
    seen.until(lambda: view.evaluate(_DOTS) > 0)
    seen.page.emulate_media(reduced_motion="reduce")
    note = seen.page.get_by_text("motion is reduced: rates instead of messages")
    expect(note).to_be_visible()
    before = seen.delivered()
    seen.until(lambda: view.evaluate(_DOTS) == 0)
    for more in range(20, 120, 20):
        seen.until(lambda more=more: seen.delivered() > before + more)
        assert view.evaluate(_DOTS) == 0
    seen.keep("calm")
    seen.page.emulate_media(reduced_motion="no-preference")
    seen.until(lambda: view.evaluate(_DOTS) > 0)
    expect(note).to_be_hidden()
