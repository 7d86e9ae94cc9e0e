"""The line that tells what is wrong: it comes by itself, opens to the list, and is said to who cannot see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browsing import visit
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from programs import Clean

pytestmark = pytest.mark.browser


def test_a_late_subscriber_is_told_of_in_one_line(clean: Clean, chromium: Browser) -> None:
    with visit(chromium, clean.zlab("--no-browser").wrote(r"http://\S+")[0]) as seen:
        seen.watch_figures_rise()
        diagnosis = seen.page.get_by_role("region", name="Diagnosis")
        line = diagnosis.get_by_role("button")
        expect(line).to_have_text("✓No mistake is seen")
        expect(line).to_be_disabled()

        seen.page.set_viewport_size({"width": 1280, "height": 1180})
        box = seen.node("subscriber-2").bounding_box()
        seen.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        panel = seen.page.get_by_role("dialog", name="subscriber-2")
        panel.get_by_role("combobox", name="Fault").select_option("SlowJoiner")
        panel.get_by_role("textbox", name="seconds").fill("5")  # so that it shows, however long it ran before
        panel.get_by_role("button", name="Break").click()
        expect(line).to_contain_text("1 mistakeslow joiner at publisher.")
        expect(line).to_have_attribute("aria-expanded", "false")
        expect(diagnosis.get_by_role("status")).to_contain_text("1 mistake; slow joiner: ")

        line.focus()
        seen.page.keyboard.press("Enter")
        every = diagnosis.get_by_role("list", name="Mistakes that are seen")
        expect(every).to_contain_text('ZeroMQ Guide, chapter 2, "Node Coordination".')
        expect(line).to_have_attribute("aria-expanded", "true")
        seen.keep("diagnosis")
        seen.page.keyboard.press("Escape")
        expect(every).to_be_hidden()
