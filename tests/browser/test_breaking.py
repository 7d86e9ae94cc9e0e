"""A fault by mouse: chosen in the panel of a node, marked while it is on, ended by a click, refused with a reason."""

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


def test_a_node_is_frozen_and_thawed_by_mouse(clean: Clean, chromium: Browser) -> None:
    with visit(chromium, clean.zlab("--no-browser").wrote(r"http://\S+")[0]) as seen:
        seen.watch_figures_rise()
        seen.page.set_viewport_size({"width": 1280, "height": 1180})
        box = seen.node("subscriber-2").bounding_box()
        seen.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        panel = seen.page.get_by_role("dialog", name="subscriber-2")
        on = panel.get_by_role("group", name="Faults that are on")
        fault = panel.get_by_role("combobox", name="Fault")

        fault.select_option("Freeze")
        panel.get_by_role("button", name="Break").click()
        expect(on).to_contain_text("Freeze() on subscriber-2")
        expect(seen.node("subscriber-2")).to_have_attribute("aria-label", re.compile("disturbed by a fault"))
        seen.watch_figures_rise()  # by then the ledger tells all that came before
        frozen = seen.ledger()[1]
        seen.until(lambda: seen.delivered() > 3 * frozen)  # the others go on
        assert seen.ledger()[1] == frozen
        seen.keep("broken")

        fault.select_option("Cut")
        panel.get_by_role("combobox", name="Node or link").select_option(index=1)
        panel.get_by_role("button", name="Break").click()
        expect(panel).to_contain_text(re.compile(r"Cut cannot befall .*relay=True"))

        on.get_by_role("button", name="End Freeze() on subscriber-2").click()
        expect(on).not_to_contain_text("Freeze")
        expect(seen.node("subscriber-2")).not_to_have_attribute("aria-label", re.compile("disturbed"))
        seen.until(lambda: seen.ledger()[1] > frozen + 5)
