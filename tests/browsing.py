"""A real browser on a real JupyterLab: what a person would see, and what they should not have to."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import expect, sync_playwright
from programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page, Route

ARTIFACTS = ROOT / "artifacts"
_PATIENCE = 30_000  # milliseconds that a person would never wait, and a loaded machine may need
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


class NoBrowserError(Exception):
    """No Chromium is to be found; the message says how to get one."""


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """The Chromium that ZLAB_CHROMIUM names, else one on the PATH, else Playwright's own."""
    named = os.environ.get("ZLAB_CHROMIUM")
    on_path = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    with sync_playwright() as playwright:
        path = named or next(filter(None, on_path), None) or playwright.chromium.executable_path
        if not Path(path).exists():
            raise NoBrowserError(
                f"no browser at {path}: apt install chromium, or set ZLAB_CHROMIUM, or run playwright install chromium"
            )
        browser = playwright.chromium.launch(executable_path=path, args=_QUIET)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One page, what it asked of the network and what it wrote on the console."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.strangers: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(_PATIENCE)
        expect.set_options(timeout=_PATIENCE)
        page.context.route("**/*", self._route)
        page.on("websocket", lambda socket: self._is_here(socket.url))
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _is_here(self, url: str) -> bool:
        here = urlsplit(url).hostname in {"127.0.0.1", None}  # None: data and blob
        if not here:
            self.strangers.append(url)
        return here

    def _route(self, route: Route) -> None:
        if self._is_here(route.request.url):
            route.continue_()
        else:
            route.abort()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url')})")

    # What a person sees of the dashboard, found as a screen reader finds it.

    @property
    def controls(self):
        return self.page.get_by_role("toolbar", name="Lab controls")

    @property
    def state(self):
        return self.controls.locator("[role=status]")

    @property
    def pause(self):
        return self.controls.get_by_role("button", name=re.compile("Pause|Resume"))

    def node(self, name: str):
        return self.page.get_by_role("button", name=re.compile(rf"^{name}, "))

    def delivered(self) -> int:
        """The figure in the toolbar."""
        text = self.controls.get_by_text("delivered in").text_content()
        return int(re.sub(r"\D", "", text.partition("delivered")[0]))

    def ledger(self) -> list[int]:
        """What each link has delivered, says the ledger."""
        table = self.page.get_by_role("table", name="Ledger")
        table.scroll_into_view_if_needed()  # what nobody looks at is not kept up to date
        heads = [head.strip() for head in table.locator("thead th").all_text_contents()]
        column = table.locator(f"tbody tr > :nth-child({heads.index('delivered') + 1})")
        return [int(re.sub(r"\D", "", text) or 0) for text in column.all_text_contents()]

    def watch_figures_rise(self) -> None:
        """See messages arrive, three looks in a row."""
        expect(self.controls).to_be_attached(timeout=2 * _PATIENCE)
        expect(self.state).to_have_text("running")
        for _ in range(3):
            before = self.delivered()
            self.until(lambda before=before: self.delivered() > before)

    def until(self, condition, within: float = _PATIENCE / 1000) -> None:
        """Wait for what is seen to change, frame by frame."""
        limit = within * 1000 + self.page.evaluate("performance.now()")
        while not condition():
            assert self.page.evaluate("new Promise(requestAnimationFrame)") is not None
            assert self.page.evaluate("performance.now()") < limit, f"not within {within} s"

    def keep(self, name: str) -> None:
        """Keep a picture for people to look at."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")


@contextmanager
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """Open an address; at the end, nobody but 127.0.0.1 was asked for anything and the console is empty."""
    with browser.new_context(viewport={"width": 1280, "height": 720}) as context:
        seen = Visit(context.new_page())
        try:
            seen.page.goto(address)
            yield seen
        finally:
            test = os.environ.get("PYTEST_CURRENT_TEST", "page").rpartition("::")[2]
            seen.keep(re.sub(r"\W+", "-", test.partition(" ")[0]))
        assert seen.strangers == [], seen.strangers
        assert seen.complaints == [], seen.complaints
