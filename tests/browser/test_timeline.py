"""The timeline under a hand: the figures go back while the lab runs on, and return to live."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from browsing import visit
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from programs import Clean

pytestmark = pytest.mark.browser


def test_the_slider_takes_the_figures_back_and_escape_brings_them_to_live(clean: Clean, chromium: Browser) -> None:
    with visit(chromium, clean.zlab("--no-browser").wrote(r"http://\S+")[0]) as seen:
        seen.watch_figures_rise()
        seen.page.set_viewport_size({"width": 1280, "height": 1180})
        time = seen.page.get_by_role("group", name="Timeline")
        slider = time.get_by_role("slider", name="Time")
        live = time.get_by_role("button", name="Show the present")
        first = seen.ledger()
        seen.until(lambda: all(now > then + 10 for now, then in zip(seen.ledger(), first, strict=True)))

        box = slider.bounding_box()
        middle = box["y"] + box["height"] / 2
        seen.page.mouse.move(box["x"] + box["width"] - 8, middle)
        seen.page.mouse.down()
        seen.page.mouse.move(box["x"] + 0.7 * box["width"], middle, steps=5)
        seen.page.mouse.up()
        expect(time).to_contain_text(re.compile(r"\d s ago; the lab runs on"))
        seen.until(lambda: sum(seen.ledger()) < seen.delivered())
        slider.focus()
        seen.page.keyboard.press("Home")
        seen.until(lambda: sum(seen.ledger()) < sum(first) / 4)  # the first moment, when next to nothing had come
        oldest, toolbar = seen.ledger(), seen.delivered()
        for _ in range(5):
            seen.page.keyboard.press("ArrowRight")
        seen.until(lambda: sum(seen.ledger()) >= sum(oldest) and seen.delivered() > toolbar)
        seen.keep("past")

        subscriber = seen.node("subscriber-2")
        subscriber.focus()
        seen.page.keyboard.press("Enter")
        panel = seen.page.get_by_role("dialog", name="subscriber-2")
        panel.get_by_role("button", name="Kill").click()
        expect(seen.page.get_by_text(re.compile("kill: this is the past"))).to_be_visible()
        panel.get_by_role("button", name="Close").click()

        slider.focus()
        seen.page.keyboard.press("Escape")
        expect(live).to_have_attribute("aria-pressed", "true")
        expect(time).not_to_contain_text("ago")
        seen.until(lambda: sum(seen.ledger()) >= toolbar)
        seen.watch_figures_rise()
