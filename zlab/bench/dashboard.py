"""The dashboard in a real JupyterLab: when it paints, what it costs the kernel, and how smoothly it moves."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from zlab.bench.jupyter import open_notebook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.bench.jupyter import Notebook

_SETTLE = 8.0  # seconds for the charts to come up, which is heavy
_SPAN = 10.0  # seconds over which is measured
_SMALL, _LARGE = (1280, 720), (1920, 1080)  # pixels of a page

# What a batch of the flow costs the kernel, and which moment of the lab is which of the wall's clock.
_METER = """
import time as _time
from zlab.views.flow import Flow as _Flow
_meter = {"seconds": 0.0, "batches": 0, "bytes": 0, "began": 1e300}
def _metered(take, send):
    def on_snapshot(self, snapshot):
        _meter["began"] = min(_meter["began"], _time.time() - snapshot.at)
        begin = _time.thread_time()
        take(self, snapshot)
        _meter["seconds"] += _time.thread_time() - begin
    def sent(self, content, buffers=None):
        if content.get("t") in ("tick", "full"):
            _meter["batches"] += 1
            _meter["bytes"] += sum(map(len, buffers))
        send(self, content, buffers)
    return on_snapshot, sent
if not hasattr(_Flow, "plain"):
    _Flow.plain = True
    _Flow._on_snapshot, _Flow.send = _metered(_Flow._on_snapshot, _Flow.send)
"""

# 20 nodes and 40 links that a person could follow: some 500 messages under way on the screen.
_FORTY_LINKS = """
import zlab
def forty():
    nodes = [
        zlab.Node(f"publisher-{i}", zlab.nodes.source(rate=20), out=zlab.PUB.bind(f"news-{i}")) for i in range(10)
    ]
    nodes += [
        zlab.Node(
            f"reader-{i}",
            zlab.nodes.sink(),
            inbox=zlab.SUB.connect(*(f"news-{(i + k) % 10}" for k in range(4)), subscribe=""),
        )
        for i in range(10)
    ]
    return zlab.run(zlab.Topology("forty links", nodes))
"""

_AT_REST = """
import zlab
lab = zlab.run(zlab.patterns.pub_sub(), transport="tcp")
lab"""

# As many messages as two threads of Python can hand over.
_FLOOD = """
import itertools, zlab
def flood(out):
    for number in itertools.count():
        out.send(b"%0100d" % number)
def drain(inbox):
    while True:
        inbox.recv()
lab = zlab.run(zlab.Topology("flood", [
    zlab.Node("source", flood, out=zlab.PUSH.bind("flood")),
    zlab.Node("sink", drain, inbox=zlab.PULL.connect("flood")),
]))
lab"""

_SYNTHETIC = """
from IPython.display import display
from zlab.bench.synthetic import Synthetic
from zlab.views.dashboard import Dashboard
lab = Synthetic({nodes}, {links}, {moving}).start()
display(Dashboard(lab))"""

# What Python's threads have used, nodes apart: the clock, the views, the kernel's own; libzmq's are left out.
_KERNEL = """
import json as _json, threading as _threading
def _seconds():
    total = 0.0
    names = {"synthetic", *getattr(getattr(lab, "_run", None), "nodes", ())}
    for thread in _threading.enumerate():
        if thread.name.removeprefix("zlab ") not in names and thread.native_id:
            with open(f"/proc/self/task/{thread.native_id}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / 100
    return total
_now = lab.snapshot()
_sent = sum(s.sent for s in _now.sockets)
print(_json.dumps({**_meter, "kernel": _seconds(), "clock": _now.cost.clock, "messages": _sent}))
"""

# Side by side, so that all three are seen: of three below each other, the browser draws those in sight alone.
_THREE = (
    _FORTY_LINKS
    + """
import ipywidgets
from IPython.display import display
from zlab.views.dashboard import Dashboard
lab, *others = forty(), forty(), forty()
column = ipywidgets.Layout(flex="1 1 0", min_width="0", padding="0 6px 0 0")
display(ipywidgets.HBox([ipywidgets.Box([Dashboard(one)], layout=column) for one in (lab, *others)]))"""
)

# Scene, cell, whether its lab is made up, size of the page.
_SCENES = (
    ("at rest", _AT_REST, False, _SMALL),
    ("20 nodes, 40 links", _FORTY_LINKS + "lab = forty()\nlab", False, _SMALL),
    ("200 nodes, 600 links", _SYNTHETIC.format(nodes=200, links=600, moving=5_000), True, _SMALL),
    ("1,000 nodes, 5,000", _SYNTHETIC.format(nodes=1_000, links=5_000, moving=20_000), True, _SMALL),
    ("full rate", _FLOOD, False, _SMALL),
    ("one, on a large page", _FORTY_LINKS + "lab = forty()\nlab", False, _LARGE),
    ("three side by side", _THREE, False, _LARGE),
)


@dataclass(frozen=True)
class Shown:
    """One line of the table."""

    scene: str
    synthetic: bool
    """Whether the figures come from no lab but are made up: then they tell of the browser and the batches alone."""
    paint: float
    """Seconds from running the cell to the first picture, imports included."""
    frames: float
    """Frames of the page per second, mean."""
    pictures: float
    """Pictures per second of each flow graph that is seen, mean."""
    seen: int
    """How many flow graphs that are."""
    moving: float
    """Messages on the screen, mean."""
    main_thread: float
    """Share of the page's main thread, by the clock on the wall."""
    browser: float
    """Share of a core that all processes of the browser take."""
    batch_bytes: float
    """Bytes of a batch of the flow, mean."""
    batch_seconds: float
    """Processor seconds that a batch of the flow takes the kernel, mean."""
    arrival: float
    """Seconds from the websocket to the frame that shows a batch, median."""
    pixel: float
    """Seconds from a message's ``recv`` to its first pixel, median."""
    pixel_late: float
    """The same, which 95 of 100 batches keep."""
    comm: float
    """Comm messages per second to the browser."""
    bytes: float
    """Bytes per second over the kernel's websockets."""
    kernel: float
    """Share of a core that the kernel spends besides the nodes themselves."""
    clock: float
    """Share of a core that the lab's clock takes of that."""
    messages: float
    """Messages sent per second underneath."""


def measure(scene: str, cell: str, *, synthetic: bool = False, size: tuple[int, int] = _SMALL) -> Shown:
    """Show a lab and measure it.

    Args:
        scene: what it is called.
        cell: code that shows a lab and calls it ``lab``.
        synthetic: whether that lab is made up.
        size: width and height of the page, in pixels.

    Raises:
        NotMeasurableError: there is no Playwright or no Chromium.
    """
    with open_notebook(cell, *size) as notebook:
        page = notebook.page
        notebook.execute("import zlab, zlab.views.dashboard" + _METER)  # what a second lab of the day finds
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
        return _over_a_span(scene, paint, notebook, synthetic=synthetic)


def _over_a_span(scene: str, paint: float, notebook: Notebook, *, synthetic: bool) -> Shown:
    page = notebook.page
    page.evaluate(
        """() => {
            window.__frames.length = window.__drawn.length = 0;
            window.__pictures.clear();
            window.__moving = [];
            setInterval(() => {
                const element = document.querySelector("[data-flying]");
                window.__moving.push(Number(element?.dataset.flying ?? 0));
            }, 200);
        }"""
    )
    began = time.perf_counter()
    before = json.loads(notebook.execute(_KERNEL))
    wire, busy, worked = page.evaluate("() => ({ ...window.__wire })"), notebook.busy(), notebook.worked()
    time.sleep(_SPAN)
    frames = page.evaluate("() => [window.__frames.length, window.__frames.reduce((a, b) => a + b, 0)]")
    moving, drawn = page.evaluate("() => [window.__moving, window.__drawn]")
    pictures = page.evaluate("() => [...window.__pictures.values()]")
    wire_then, busy_then = page.evaluate("() => ({ ...window.__wire })"), notebook.busy()
    worked_then = notebook.worked()
    after = json.loads(notebook.execute(_KERNEL))
    span = time.perf_counter() - began
    batches = max(1, after["batches"] - before["batches"])
    pixels = sorted(_pixels(drawn, after["began"])) or [float("nan")]
    return Shown(
        scene=scene,
        synthetic=synthetic,
        paint=paint,
        frames=1000 * frames[0] / frames[1],
        pictures=sum(pictures) / max(1, len(pictures)) / span,
        seen=len(pictures),
        moving=sum(moving) / max(1, len(moving)),
        main_thread=(busy_then - busy) / span,
        browser=(worked_then - worked) / span,
        batch_bytes=(after["bytes"] - before["bytes"]) / batches,
        batch_seconds=(after["seconds"] - before["seconds"]) / batches,
        arrival=median([(seen - came) / 1000 for _, came, seen in drawn if came] or [float("nan")]),
        pixel=median(pixels),
        pixel_late=pixels[int(0.95 * (len(pixels) - 1))],
        comm=(wire_then["comm"] - wire["comm"]) / span,
        bytes=(wire_then["bytes"] - wire["bytes"]) / span,
        kernel=(after["kernel"] - before["kernel"]) / span,
        clock=after["clock"],
        messages=(after["messages"] - before["messages"]) / span,
    )


def _pixels(drawn: list[tuple[float, float | None, float]], began: float) -> Iterator[float]:
    # A batch tells of the time since the one before it, and is played while the next is under way: each of its
    # messages appears as long after its recv as the batch covers and has travelled.
    for (at, _, _), (then, _, seen) in pairwise(drawn):
        if then > at:
            yield seen / 1000 - (began + then) + min(1.0, then - at)


def print_table() -> list[Shown]:
    """Measure all scenes and print a line for each."""
    print(
        "the dashboard in JupyterLab and headless Chromium, rendered in software, 1280 x 720 (the last two 1920 x 1080)"
    )
    print(
        f"{'scene':<23}{'paint s':>8}{'frames/s':>9}{'drawn/s':>8}{'moving':>8}{'main':>6}{'browser':>8}"
        f"{'batch kB':>9}{'ms':>6}"
        f"{'socket-pixel':>13}{'recv-pixel ms':>14}{'95 %':>6}"
        f"{'comm/s':>7}{'kB/s':>6}{'kernel':>8}{'clock':>7}{'messages/s':>12}"
    )
    shown = []
    for scene, cell, synthetic, size in _SCENES:
        line = measure(scene, cell, synthetic=synthetic, size=size)
        shown.append(line)
        print(
            f"{line.scene + (' *' if synthetic else ''):<23}{line.paint:>8.2f}{line.frames:>9.1f}{line.pictures:>8.1f}"
            f"{line.moving:>8,.0f}{line.main_thread:>6.0%}{line.browser:>8.0%}"
            f"{line.batch_bytes / 1000:>9.1f}{1000 * line.batch_seconds:>6.2f}"
            f"{1000 * line.arrival:>13.0f}{1000 * line.pixel:>14.0f}{1000 * line.pixel_late:>6.0f}"
            f"{line.comm:>7.1f}{line.bytes / 1000:>6.0f}{line.kernel:>8.1%}{line.clock:>7.1%}{line.messages:>12,.0f}",
            flush=True,
        )
    one, three = shown[-2:]
    print(
        "* a lab that is made up, for no machine runs a thousand busy threads: of the browser and the batches alone\n"
        f"three dashboards on a page keep {three.frames / one.frames:.0%} of one's frames, and each is drawn "
        f"{three.pictures / one.pictures:.0%} as often"
    )
    return shown
