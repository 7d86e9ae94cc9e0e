"""The dashboard in a real JupyterLab: when it paints, what it costs the kernel, and how smoothly it moves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.bench.jupyter import open_notebook

if TYPE_CHECKING:
    from zlab.bench.jupyter import Notebook

_SETTLE = 8.0  # seconds for the charts to come up, which is heavy
_SPAN = 10.0  # seconds over which is measured

# 20 nodes and 40 links that a person could follow: some 500 messages under way on the screen.
_FORTY_LINKS = """
import zlab
nodes = [zlab.Node(f"publisher-{i}", zlab.nodes.source(rate=20), out=zlab.PUB.bind(f"news-{i}")) for i in range(10)]
nodes += [
    zlab.Node(
        f"reader-{i}",
        zlab.nodes.sink(),
        inbox=zlab.SUB.connect(*(f"news-{(i + k) % 10}" for k in range(4)), subscribe=""),
    )
    for i in range(10)
]
lab = zlab.run(zlab.Topology("forty links", nodes))
lab"""

_AT_REST = """
import zlab
lab = zlab.run(zlab.patterns.pub_sub(), transport="tcp")
lab"""

_FLOOD = """
import math, zlab
lab = zlab.run(zlab.patterns.pipeline(workers=1, rate=100_000, seconds=0), transport="inproc")
lab"""

# What Python's threads have used, nodes apart: the clock, the views, the kernel's own; libzmq's are left out.
_KERNEL_SECONDS = """
import threading as _threading
def _seconds():
    total = 0.0
    names = set(lab._run.nodes)
    for thread in _threading.enumerate():
        if thread.name.removeprefix("zlab ") not in names and thread.native_id:
            with open(f"/proc/self/task/{thread.native_id}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / 100
    return total
print(_seconds(), sum(s.sent + s.received for s in lab.snapshot().sockets), lab.cost().clock)
"""


@dataclass(frozen=True)
class Shown:
    """One line of the table."""

    scene: str
    paint: float
    """Seconds from running the cell to the first picture, imports included."""
    frames: float
    """Frames per second, mean."""
    moving: float
    """Messages on the screen, mean."""
    main_thread: float
    """Share of the page's main thread."""
    batches: float
    """Messages per second over the kernel's websockets."""
    bytes: float
    """Bytes per second over them."""
    kernel: float
    """Share of a core that the kernel spends besides the nodes themselves."""
    clock: float
    """Share of a core that the lab's clock takes of that."""
    crossings: float
    """Messages sent or received per second underneath."""


def measure(scene: str, cell: str) -> Shown:
    """Show a lab and measure it.

    Raises:
        NotMeasurableError: there is no Playwright or no Chromium.
    """
    with open_notebook(cell) as notebook:
        page = notebook.page
        notebook.execute("import zlab, zlab.views.dashboard")  # what a second lab of the day finds
        page.evaluate(
            """() => {
                const watch = () => {
                    const canvas = document.querySelector(".zlab-stage canvas");
                    if (canvas && canvas.width > 300) window.__painted ??= performance.now();
                    else requestAnimationFrame(watch);
                };
                watch();
                window.__asked = performance.now();
                window.jupyterapp.commands.execute("notebook:run-all-cells");
            }"""
        )
        page.wait_for_function("() => window.__painted")
        paint = page.evaluate("() => (window.__painted - window.__asked) / 1000")
        page.wait_for_selector(".zlab-charts .main-svg", state="attached")
        page.evaluate("() => document.querySelector('.zlab-dashboard').scrollIntoView({ block: 'start' })")
        time.sleep(_SETTLE)
        return _over_a_span(scene, paint, notebook)


def _over_a_span(scene: str, paint: float, notebook: Notebook) -> Shown:
    page = notebook.page
    page.evaluate(
        """() => {
            window.__frames.length = 0;
            window.__moving = [];
            setInterval(() => {
                const element = document.querySelector("[data-flying]");
                window.__moving.push(Number(element?.dataset.flying ?? 0));
            }, 200);
        }"""
    )
    began = time.perf_counter()
    seconds, crossings, _ = map(float, notebook.execute(_KERNEL_SECONDS).split())
    wire, busy = page.evaluate("() => ({ ...window.__wire })"), notebook.busy()
    time.sleep(_SPAN)
    frames = page.evaluate("() => [window.__frames.length, window.__frames.reduce((a, b) => a + b, 0)]")
    moving = page.evaluate("() => window.__moving")
    wire_then, busy_then = page.evaluate("() => ({ ...window.__wire })"), notebook.busy()
    seconds_then, crossings_then, clock = map(float, notebook.execute(_KERNEL_SECONDS).split())
    span = time.perf_counter() - began
    return Shown(
        scene=scene,
        paint=paint,
        frames=1000 * frames[0] / frames[1],
        moving=sum(moving) / max(1, len(moving)),
        main_thread=(busy_then - busy) / span,
        batches=(wire_then["messages"] - wire["messages"]) / span,
        bytes=(wire_then["bytes"] - wire["bytes"]) / span,
        kernel=(seconds_then - seconds) / span,
        clock=clock,
        crossings=(crossings_then - crossings) / span,
    )


def print_table() -> list[Shown]:
    """Measure all scenes and print a line for each."""
    print("the dashboard in JupyterLab and headless Chromium, rendered in software, 1280 x 720")
    print(
        f"{'scene':<24}{'paint s':>8}{'frames/s':>10}{'moving':>8}{'main thread':>13}"
        f"{'comm/s':>8}{'kB/s':>7}{'kernel':>8}{'clock':>7}{'crossings/s':>13}"
    )
    shown = []
    for scene, cell in (("at rest", _AT_REST), ("20 nodes, 40 links", _FORTY_LINKS), ("full rate", _FLOOD)):
        line = measure(scene, cell)
        shown.append(line)
        print(
            f"{line.scene:<24}{line.paint:>8.2f}{line.frames:>10.1f}{line.moving:>8.0f}{line.main_thread:>13.0%}"
            f"{line.batches:>8.1f}{line.bytes / 1000:>7.0f}{line.kernel:>8.1%}{line.clock:>7.1%}"
            f"{line.crossings:>13,.0f}",
            flush=True,
        )
    return shown
