"""The sequence diagram in the dashboard, as a person uses it: arrows appear, search finds, a click tells the frames."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from browsing import visit
from playwright.sync_api import expect
from programs import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from programs import Clean

pytestmark = pytest.mark.browser


def test_arrows_appear_search_finds_one_and_a_click_tells_its_frames(clean: Clean, chromium: Browser) -> None:
    clean.env["PYTHONPATH"] = str(ROOT)  # this tree, wherever it stands
    with visit(chromium, clean.zlab("--no-browser").wrote(r"http://\S+")[0]) as seen:
        seen.watch_figures_rise()
        stage = seen.page.get_by_role("application", name=re.compile("Sequence diagram"))
        stage.scroll_into_view_if_needed()
        view = seen.page.locator(".zlab-the-sequencediagram")
        drawn = "element => Number(element.dataset.drawn ?? 0)"
        seen.until(lambda: view.evaluate(drawn) > 5)
        expect(view.locator(".zlab-notes")).to_contain_text("true time")

        view.get_by_role("button", name=re.compile("In order")).click()
        view.get_by_role("searchbox").fill("weather NYC")
        expect(view.get_by_role("status")).to_have_text(re.compile(r"^[1-9][\d,]* found"))
        expect(view.locator(".zlab-notes")).to_contain_text("in order")

        view.get_by_role("searchbox").press("Enter")  # the first one that is found
        stage.focus()
        seen.page.keyboard.press("Enter")
        told = view.get_by_role("dialog", name=re.compile(r"Message \d+, hop 1"))
        expect(told.get_by_role("group", name="Frames")).to_contain_text("weather NYC")
        expect(told.get_by_role("list", name=re.compile("Journey"))).to_contain_text("publisher.updates →")
        seen.page.keyboard.press("Escape")
        expect(told).to_be_hidden()

        # What is found is in the middle of the picture: the pointer meets it between the lines of its nodes.
        box = stage.bounding_box()
        for y in 3 * [*range(60, int(box["height"]) - 30, 4)]:
            seen.page.mouse.move(box["x"] + box["width"] * 0.35, box["y"] + y)
            seen.page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
            if stage.get_by_role("tooltip").is_visible():
                seen.page.mouse.down()
                seen.page.mouse.up()
                break
        expect(told).to_be_visible()
        expect(told.get_by_role("group", name="Frames")).to_contain_text("body")
        seen.keep("sequence")

        view.get_by_role("button", name=re.compile("Sequence of the messages")).click()
        expect(stage).to_be_hidden()
