"""Record the README's moving picture: a lab in a real JupyterLab, paused, stepped, broken and mended by hand.

Run it with Playwright, a Chromium and Pillow at hand: ``python docs/record.py``. It takes half a minute on a machine
that does nothing else, and writes ``docs/dashboard.webp``, which loops. Each picture is shown as long as it stood.
"""

from __future__ import annotations

import base64
import io
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from zlab.bench.jupyter import open_notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zlab.bench.jupyter import Notebook

TARGET = Path(__file__).parent / "dashboard.webp"
SIZE = 1000, 860  # of the page, in pixels; what is recorded of it is the notebook
PERIOD = 1 / 14  # seconds from one picture to the next, at least
LASTS = 7.8  # seconds
REST = 560.0, 330.0  # where the pointer is in the beginning and at the end
GLIDE = 0.35  # seconds that the pointer takes from one place to the next

CELL = """
import zlab

lab = zlab.run(zlab.patterns.pub_sub(rate=36), transport="tcp")
lab"""

# A pointer, for a page that is photographed shows none; nothing that JupyterLab puts over a notebook; no blinking.
PREPARE = """() => {
    const { commands } = window.jupyterapp;
    for (const side of ["left", "right"]) {
        const area = `application:toggle-${side}-area`;
        if (commands.isToggled(area)) commands.execute(area);
    }
    const style = document.createElement("style");
    style.textContent = `.Toastify, .jp-cell-toolbar { display: none !important; } .cm-cursor { visibility: hidden; }
        #pointer { position: fixed; inset: 0 auto auto 0; z-index: 99999; width: 18px; pointer-events: none; }`;
    document.head.append(style);
    document.body.insertAdjacentHTML("beforeend", `<svg id="pointer" viewBox="0 0 18 24">
        <path fill="#111" stroke="#fff" stroke-width="1.5"
            d="M1.5 1.5 L1.5 18 L5.6 14.3 L8.4 21 L11.6 19.6 L8.8 13.1 L14.4 13.1 Z"/></svg>`);
    const pointer = document.querySelector("#pointer");
    window.point = (x, y) => { pointer.style.transform = `translate(${x - 2}px, ${y - 2}px)`; };
}"""


class Hand:
    """Moves the pointer that is seen, and does at its end what a person would."""

    def __init__(self, page: Any) -> None:
        """Rest above the graph."""
        self.page = page
        self.at = self.begin = self.end = REST
        self.began = 0.0

    def to(self, locator: Any, now: float) -> None:
        """Set out for the middle of what is found."""
        box = locator.bounding_box()
        self.begin, self.began = self.at, now
        self.end = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def back(self, now: float) -> None:
        """Set out for where it was in the beginning, which follows the end."""
        self.begin, self.began, self.end = self.at, now, REST

    def glide(self, now: float) -> None:
        """Be where a hand would be by now."""
        share = min(1.0, (now - self.began) / GLIDE)
        if share == 1.0 and self.at == self.end:
            return
        share = share * share * (3 - 2 * share)
        self.at = tuple(a + share * (b - a) for a, b in zip(self.begin, self.end, strict=True))  # type: ignore[assignment]
        self.page.evaluate("([x, y]) => window.point(x, y)", list(self.at))

    def press(self) -> None:
        """Click."""
        self.page.mouse.click(*self.end)


def scenes(page: Any, hand: Hand) -> Iterator[tuple[float, Callable[[float], None]]]:
    """What is done, and when, in seconds from the beginning."""
    controls = page.get_by_role("toolbar", name="Lab controls")
    node = page.locator(".zlab-node[aria-label^=subscriber-2]")

    def click(at: float, found: Callable[[], Any]) -> Iterator[tuple[float, Callable[[float], None]]]:
        yield at - GLIDE - 0.05, lambda now: hand.to(found(), now)
        yield at, lambda _: hand.press()

    yield from click(1.2, lambda: controls.get_by_role("button", name="Pause"))
    yield from click(2.0, lambda: controls.get_by_role("button", name="Step"))
    yield 2.5, lambda _: hand.press()
    yield from click(3.2, lambda: controls.get_by_role("button", name="Resume"))
    yield from click(4.2, lambda: node)
    yield from click(5.0, lambda: page.get_by_role("button", name="Kill", exact=True))
    yield 5.45, lambda _: _close(page)
    yield from click(6.3, lambda: node)
    yield from click(6.85, lambda: page.get_by_role("button", name="Restart", exact=True))
    yield 7.2, lambda _: _close(page)
    yield 7.25, hand.back


def _close(page: Any) -> None:
    page.keyboard.press("Escape")  # the panel
    page.keyboard.press("Escape")  # and its node is no longer lit


def record(notebook: Notebook) -> list[tuple[float, bytes]]:
    """Play the scenes; returns pictures with the seconds at which they were taken."""
    page = notebook.page
    page.evaluate(PREPARE)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector(".zlab-charts .main-svg", state="attached")
    page.evaluate("() => document.querySelector('.jp-Notebook .jp-WindowedPanel-outer, .jp-Notebook').scrollTo(0, 0)")
    page.wait_for_function("() => /delivered in 1[0-9] s/.test(document.querySelector('.zlab-told')?.textContent)")
    hand, pictures = Hand(page), []
    todo = sorted(scenes(page, hand), key=lambda scene: scene[0])
    clip = _sight(page)
    began = time.monotonic()
    while (now := time.monotonic() - began) < LASTS:
        while todo and todo[0][0] <= now:
            todo.pop(0)[1](now)
        hand.glide(now)
        at = time.monotonic() - began
        shot = notebook.metrics.send(
            "Page.captureScreenshot", {"format": "png", "clip": clip, "optimizeForSpeed": True}
        )
        pictures.append((at, base64.b64decode(shot["data"])))
        page.wait_for_timeout(max(0.0, 1000 * (PERIOD - (time.monotonic() - began - at))))
    return pictures


def _sight(page: Any) -> dict[str, float]:
    # From the first line of code to the last row of the ledger.
    box = page.evaluate("""() => {
        const cell = document.querySelector(".jp-CodeCell .jp-InputArea").getBoundingClientRect();
        const ledger = document.querySelector(".zlab-ledger").getBoundingClientRect();
        return { x: cell.x, y: cell.y - 4, right: ledger.right + 5, bottom: ledger.bottom + 8 };
    }""")
    return {
        "x": box["x"],
        "y": box["y"],
        "width": box["right"] - box["x"],
        "height": box["bottom"] - box["y"],
        "scale": 1,
    }


def main() -> None:
    """Record, and write the picture."""
    with open_notebook(CELL.strip(), *SIZE) as notebook:
        pictures = record(notebook)
        notebook.execute("lab.stop()")
    frames = [Image.open(io.BytesIO(data)).convert("RGB") for _, data in pictures]
    times = [at for at, _ in pictures] + [LASTS]
    lasting = [round(1000 * (after - at)) for at, after in pairwise(times)]
    first, *rest = frames
    first.save(TARGET, save_all=True, append_images=rest, duration=lasting, loop=0, lossless=True, quality=80, method=6)
    size = TARGET.stat().st_size / 1e6
    print(f"{TARGET}: {len(frames)} pictures of {first.size}, {size:.2f} MB, the longest {max(lasting)} ms")


if __name__ == "__main__":
    main()
