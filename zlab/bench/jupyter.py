"""A real JupyterLab in a headless Chromium, with one notebook: what the benchmark of the dashboard drives."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMIT = 60.0  # seconds for anything to come up
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]

# Counts what comes over websockets, how far the frames lie apart and how often each flow graph is drawn; notes when
# each batch of the flow came, by its "at", and when the first frame with it began.
_COUNTERS = """
window.__wire = { comm: 0, bytes: 0 }; window.__frames = []; window.__came = {}; window.__drawn = [];
const words = new TextDecoder();
window.WebSocket = class extends window.WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => {
      window.__wire.bytes += data.byteLength ?? data.size ?? data.length;
      if (!(data instanceof ArrayBuffer)) return;
      const head = words.decode(new Uint8Array(data, 0, Math.min(4096, data.byteLength)));
      if (/"msg_type": ?"(\\w+)"/.exec(head)?.[1] === "comm_msg") window.__wire.comm += 1; // its own header comes first
      const at = /"at": ?([0-9.]+)/.exec(head);
      if (at) window.__came[Number(at[1])] = Date.now();
    });
  }
};
window.__pictures = new Map();
const { putImageData } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.putImageData = function (...given) {
  window.__pictures.set(this.canvas, (window.__pictures.get(this.canvas) ?? 0) + 1);
  return putImageData.apply(this, given);
};
let last = 0;
(function frame(now) {
  if (last && now) window.__frames.push(now - last);
  last = now;
  requestAnimationFrame(frame);
})();
new MutationObserver((changes) => {
  for (const { target } of changes) {
    const at = Number(target.dataset.batch), came = window.__came[at];
    requestAnimationFrame(() => window.__drawn.push([at, came, Date.now()])); // what the last frame drew is seen now
  }
}).observe(document, { subtree: true, attributeFilter: ["data-batch"] });
"""


class NotMeasurableError(RuntimeError):
    """The dashboard cannot be measured here; the message says what is missing."""


class Notebook:
    """One open notebook with one cell."""

    def __init__(self, page: Any, browser: Any) -> None:
        """Take a page that shows it."""
        self.page = page
        self.browser = browser
        self.metrics = page.context.new_cdp_session(page)
        self.metrics.send("Performance.enable")

    def execute(self, code: str) -> str:
        """Run code in the kernel, beside the notebook; returns what it printed."""
        printed: str = self.page.evaluate(
            """async (code) => {
                const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
                const future = kernel.requestExecute({ code, store_history: false });
                let out = "";
                future.onIOPub = ({ content }) => { out += content.text ?? (content.traceback ?? []).join("\\n"); };
                await future.done;
                return out;
            }""",
            code,
        )
        return printed

    def busy(self) -> float:
        """Seconds that the page's main thread has worked so far."""
        values = {m["name"]: m["value"] for m in self.metrics.send("Performance.getMetrics")["metrics"]}
        return float(values["TaskDuration"])

    def worked(self) -> float:
        """Processor seconds that all processes of the browser have taken: what other work here disturbs least."""
        import psutil

        total = 0.0
        for process in psutil.Process().children(recursive=True):
            try:
                if "chrom" in process.name():
                    times = process.cpu_times()
                    total += times.user + times.system
            except psutil.Error:
                continue  # it has ended
        return total


@contextmanager
def open_notebook(cell: str, width: int = 1280, height: int = 720) -> Iterator[Notebook]:
    """Start JupyterLab and Chromium and open a notebook with this cell, not yet run.

    Args:
        cell: its code.
        width: of the page, in pixels.
        height: of the page, in pixels.

    Raises:
        NotMeasurableError: there is no Playwright or no Chromium.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NotMeasurableError("Playwright is not installed: pip install 'zlab[test]'") from None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zlab-bench-")))
        url = stack.enter_context(_server(folder))
        source: dict[str, Any] = {
            "cell_type": "code",
            "id": "lab",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        notebook: dict[str, Any] = {
            "cells": [{**source, "source": cell}],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        notebook["metadata"] = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        (folder / "root" / "bench.ipynb").write_text(json.dumps(notebook))
        playwright = stack.enter_context(sync_playwright())
        named = os.environ.get("ZLAB_CHROMIUM")
        found = named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        path = found or playwright.chromium.executable_path
        if not Path(path).exists():
            raise NotMeasurableError(f"no browser at {path}: apt install chromium, or set ZLAB_CHROMIUM")
        browser = playwright.chromium.launch(executable_path=path, args=_QUIET)
        stack.callback(browser.close)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(_LIMIT * 1000)
        page.add_init_script(_COUNTERS)
        page.goto(url)
        page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext")
        page.evaluate(
            """async () => {
                const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
                await context.ready; await sessionContext.ready; await sessionContext.session.kernel.info;
            }"""
        )
        yield Notebook(page, browser)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """A JupyterLab of its own, on this machine alone; gives the address of the notebook."""
    (folder / "root").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    token = secrets.token_urlsafe(24)
    homes = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "JUPYTERLAB_WORKSPACES_DIR")
    options = [
        "--no-browser",
        f"--ServerApp.port={port}",
        f"--ServerApp.root_dir={folder / 'root'}",
        f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
        *(["--allow-root"] if os.getuid() == 0 else []),
    ]
    server = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "jupyterlab", *options],
        env={**os.environ, **{home: str(folder / home) for home in homes}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api", server)
        yield f"http://127.0.0.1:{port}/lab/tree/bench.ipynb?token={token}"
    finally:
        server.terminate()
        try:
            server.wait(_LIMIT / 4)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _LIMIT
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own server
                return
        except (urllib.error.URLError, OSError):
            if server.poll() is not None or time.monotonic() > deadline:
                raise NotMeasurableError("JupyterLab did not start: try python -m jupyterlab by hand") from None
            time.sleep(0.1)
