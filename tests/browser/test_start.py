"""The zlab command's page, as a newcomer meets it: nothing pressed, and messages move."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from browsing import visit
from playwright.sync_api import expect
from programs import ROOT, clean_environment, eventually, free_port, get

from zlab.cli.opening import START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from browsing import Visit
    from playwright.sync_api import Browser, Locator
    from programs import Clean

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def opened(chromium: Browser) -> Iterator[Visit]:
    """The page that the command opens."""
    with clean_environment() as clean, visit(chromium, clean.zlab("--no-browser").wrote(r"http://\S+")[0]) as page:
        yield page


@pytest.fixture
def seen(opened: Visit) -> Iterator[Visit]:
    """The same; each test leaves it as it found it."""
    yield opened
    assert opened.strangers == []
    assert opened.complaints == []


def test_messages_move_without_pressing_anything(seen: Visit) -> None:
    seen.watch_figures_rise()
    seen.keep("dashboard")
    seen.page.set_viewport_size({"width": 1280, "height": 1180})
    first = seen.ledger()
    seen.until(lambda: all(now > then for now, then in zip(seen.ledger(), first, strict=True)))
    seen.keep("dashboard-tall")
    seen.page.set_viewport_size({"width": 1280, "height": 720})
    expect(seen.page.get_by_text("Jupyter news")).to_have_count(0)


def test_pause_stops_the_figures_and_resume_lets_them_rise(seen: Visit) -> None:
    seen.watch_figures_rise()
    seen.pause.click()
    expect(seen.state).to_have_text("paused")
    clock = "element => element.textContent"
    told = seen.controls.get_by_text("delivered in")

    def a_while() -> None:
        shown = told.evaluate(clock)
        seen.until(lambda: told.evaluate(clock) != shown)  # the lab's clock goes on

    a_while()  # all that had moved before the pause is told by now
    still = seen.delivered()
    a_while()
    assert seen.delivered() == still
    seen.pause.click()
    seen.watch_figures_rise()


def test_time_is_a_control_of_the_keyboard(seen: Visit) -> None:
    seen.watch_figures_rise()
    stage = seen.page.get_by_role("application", name=re.compile("nodes and messages"))
    stage.focus()
    seen.page.keyboard.press("Space")
    expect(seen.state).to_have_text("paused")
    told = seen.controls.get_by_text("delivered in")
    clock = "element => element.textContent"
    shown = told.evaluate(clock)
    seen.until(lambda: told.evaluate(clock) != shown)  # all that had moved before the pause is told by now
    before = seen.delivered()
    for moved in (1, 2, 3):
        seen.page.keyboard.press(".")
        seen.until(lambda moved=moved: seen.delivered() >= before + moved)
        assert seen.delivered() == before + moved
    seen.controls.get_by_role("spinbutton", name="Messages in a step").fill("5")
    seen.controls.get_by_role("button", name="Step").click()
    seen.until(lambda: seen.delivered() >= before + 8)
    assert seen.delivered() == before + 8
    expect(seen.state).to_have_text("paused")
    seen.keep("stepped")
    stage.focus()
    seen.page.keyboard.press("Space")
    seen.watch_figures_rise()


def test_a_node_can_be_killed_and_restarted_by_clicking_it(seen: Visit) -> None:
    seen.watch_figures_rise()
    node = seen.node("subscriber-2")
    alive = _colour(node)
    node.focus()
    seen.page.keyboard.press("Enter")
    panel = seen.page.get_by_role("dialog", name="subscriber-2")
    # Its source, with the line at which it stands now.
    here = panel.get_by_role("group", name="Source").locator("[aria-current=true]")
    expect(here).to_contain_text("updates.recv")
    panel.get_by_role("button", name="Kill").click()
    expect(node).to_have_attribute("aria-label", re.compile("killed"))
    panel.get_by_role("button", name="Close").click()
    seen.until(lambda: _colour(node) < alive / 2)
    seen.keep("killed")

    node.focus()
    seen.page.keyboard.press("Enter")
    panel.get_by_role("button", name="Restart").click()
    expect(node).not_to_have_attribute("aria-label", re.compile("killed"))
    panel.get_by_role("button", name="Close").click()


def _colour(node: Locator) -> float:
    """How colourful the drawing of a node is: grey is 0."""
    return node.evaluate("""(button) => {
        const canvas = button.closest('.zlab-stage').querySelector('canvas');
        const here = canvas.getBoundingClientRect(), box = button.getBoundingClientRect();
        const scale = canvas.width / here.width;
        const { data } = canvas.getContext('2d').getImageData(
            (box.x - here.x) * scale, (box.y - here.y) * scale, box.width * scale, box.height * scale);
        let sum = 0;
        for (let i = 0; i < data.length; i += 4) {
            const rgb = [data[i], data[i + 1], data[i + 2]];
            sum += (Math.max(...rgb) - Math.min(...rgb)) * data[i + 3] / 255;
        }
        return sum / (data.length / 4);
    }""")


def test_a_reload_shows_messages_moving_again(seen: Visit) -> None:
    seen.watch_figures_rise()
    seen.page.reload()
    seen.watch_figures_rise()


def test_controls_work_while_a_cell_is_busy(seen: Visit) -> None:
    seen.watch_figures_rise()
    cells = seen.page.locator(".jp-CodeCell")
    source = cells.nth(1).locator(".cm-content")
    before = source.text_content()
    source.click()
    seen.page.keyboard.press("Control+a")
    seen.page.keyboard.insert_text("import threading; threading.Event().wait()")
    seen.page.keyboard.press("Control+Enter")
    expect(cells.nth(1).locator(".jp-InputPrompt")).to_have_text("[*]:")
    seen.pause.click()
    expect(seen.state).to_have_text("paused")
    expect(cells.nth(1).locator(".jp-InputPrompt")).to_have_text("[*]:")
    seen.page.get_by_role("button", name=re.compile("Interrupt the kernel")).click()
    expect(cells.nth(1).locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]"))
    seen.pause.click()
    source.click()
    seen.page.keyboard.press("Control+z")
    expect(source).to_have_text(before)


def test_closing_the_notebook_stops_the_lab(clean: Clean, chromium: Browser) -> None:
    program = clean.zlab("--no-browser")
    with visit(chromium, program.wrote(r"http://\S+")[0]) as seen:
        seen.watch_figures_rise()
        (kernel,) = (each for each in program.descendants() if "ipykernel_launcher" in each.cmdline())
        ports = _listening(kernel)
        seen.page.locator(".lm-TabBar-tabCloseIcon:visible").first.click()
        seen.page.get_by_role("button", name=re.compile("Discard|Don't save", re.IGNORECASE)).click()
        seen.until(lambda: len(_listening(kernel)) == len(ports) - 1)  # the kernel's own stay


def _listening(process: psutil.Process) -> list[int]:
    return [c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]


def test_no_other_notebook_runs_by_itself(clean: Clean, chromium: Browser) -> None:
    """A link can neither name another notebook nor make a plain JupyterLab run one."""
    address = clean.zlab("--no-browser").wrote(r"http://\S+")[0]
    other = address.replace("00_start_here", "02_pub_sub")
    with visit(chromium, other) as seen:
        assert _nothing_has_run(seen)


def test_it_waits_where_the_notebook_does_not_ask_for_it(clean: Clean, chromium: Browser) -> None:
    """The command's own query and server, but a start notebook without the mark."""
    clone = clean.home / "clone"
    (clone / "notebooks").mkdir(parents=True)
    (clone / "zlab").symlink_to(ROOT / "zlab")
    (clone / "pyproject.toml").touch()
    notebook = json.loads((ROOT / "notebooks" / START).read_text())
    del notebook["metadata"]["zlab"]
    (clone / "notebooks" / START).write_text(json.dumps(notebook))
    clean.env["PYTHONPATH"] = str(clone)
    address = clean.zlab("--no-browser").wrote(r"http://\S+")[0]
    with visit(chromium, address) as seen:
        assert _nothing_has_run(seen)


def test_a_plain_jupyterlab_runs_nothing_by_itself(clean: Clean, chromium: Browser) -> None:
    """Whatever the link says: only a server that names the notebook makes it run."""
    port = free_port()
    options = ["--ServerApp.ip=127.0.0.1", "--ServerApp.open_browser=False", "--ServerApp.allow_root=True"]
    settings = ["--IdentityProvider.token=secret", f"--ServerApp.port={port}", f"--ServerApp.root_dir={ROOT}"]
    clean.start(sys.executable, "-m", "jupyterlab", *options, *settings)
    base = f"http://127.0.0.1:{port}"
    eventually(lambda: get(f"{base}/api")[0] == 200)
    with visit(chromium, f"{base}/lab/tree/notebooks/{START}?token=secret&zlab=run") as seen:
        assert _nothing_has_run(seen)


def _nothing_has_run(seen: Visit) -> bool:
    """Run a cell by hand: it is the kernel's first, and no other follows."""
    expect(seen.page.get_by_text(re.compile(r"\| Idle$"))).to_be_visible()
    seen.page.locator(".jp-CodeCell .cm-content").first.click()
    seen.page.keyboard.press("Shift+Enter")
    prompts = seen.page.locator(".jp-CodeCell .jp-InputPrompt")
    expect(prompts.first).to_have_text(re.compile(r"\[\d+\]"))
    return [text for text in prompts.all_text_contents() if re.search(r"[\d*]", text)] == ["[1]:"]
