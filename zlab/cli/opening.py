"""JupyterLab, opened on the start notebook: this process is the server, and nothing outlives it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
from contextlib import contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zlab
from zlab.cli.signals import when_asked_to_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.contents.filemanager import FileContentsManager

START = "00_start_here.ipynb"
_HOST = "127.0.0.1"
_ANNOUNCEMENTS = "@jupyterlab/apputils-extension:announcements"  # JupyterLab would first ask whether news are welcome
_COPIED = ".copied.json"


class OpeningError(Exception):
    """It cannot open; the message is one line and says what to do."""


def open_lab(*, port: int = 0, browser: bool = True, verbose: bool = False) -> None:
    """Serve the notebooks and open the first one, already running, until Ctrl-C or SIGTERM.

    Args:
        port: where to listen; 0 finds a free one.
        browser: whether to open the address as well as print it.
        verbose: whether to show what JupyterLab and the kernels log.

    Raises:
        OpeningError: somebody listens on `port`, or the current folder takes no copy of the notebooks.
    """
    port = _free_port(port)
    try:
        folder, own = notebooks()
    except OSError as error:
        raise OpeningError(f"no place for the notebooks here ({error}): go to a folder of your own") from None
    start = f"{folder.name}/{START}"
    token = secrets.token_urlsafe(24)
    with (
        when_asked_to_end(lambda: sys.exit(0)),
        tempfile.TemporaryDirectory(prefix="zlab-") as workspaces,
        nullcontext() if verbose else _stderr_for_this_process_only(),
    ):
        server = _server(folder.parent, port, token, workspaces, "INFO" if verbose else "ERROR")
        query = "zlab=run" if own else ""

        def configure(_: object, page: dict[str, Any]) -> dict[str, Any]:
            page["disabledExtensions"] = [*page.get("disabledExtensions", ()), _ANNOUNCEMENTS]
            if own:  # the labextension runs the notebook that is named here, and no link can name it
                page["zlabStart"] = start
            return page

        server.web_app.settings["page_config_hook"] = configure
        server.default_url = f"{server.base_url}lab/tree/{start}?{query}".rstrip("?")
        server.open_browser = browser and _has_screen()
        address = f"{server.connection_url}lab/tree/{start}?token={token}&{query}".rstrip("&")
        told = [f"zlab is open at {address}", "Press Ctrl-C here to stop it."]
        if not own:
            told.insert(1, f"{start} has changes of your own, so it waits for you to run it.")
        server.io_loop.add_callback(print, "\n".join(told), flush=True)  # the port is bound just before
        with when_asked_to_end(lambda: server.stop(from_signal=True)):
            server.start()
    print("zlab is stopped.")


def _server(root: Path, port: int, token: str, workspaces: str, log_level: str) -> ServerApp:
    from jupyterlab.labapp import LabApp

    argv = [
        f"--ServerApp.ip={_HOST}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root}",
        "--ServerApp.open_browser=False",
        f"--Application.log_level={log_level}",
        f"--IdentityProvider.token={token}",
        # A layout of its own: the user's tabs stay as they are, and this one is gone afterwards.
        f"--LabApp.workspaces_dir={workspaces}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        argv.append("--ServerApp.allow_root=True")  # root in a container; the address and token keep others out
    server: ServerApp = LabApp.initialize_server(argv)
    if _in_clone():
        server.contents_manager.register_pre_save_hook(keep_source_only)  # type: ignore[no-untyped-call]
    return server


# --- Where the notebooks are -----------------------------------------------------------------------------------------


def notebooks() -> tuple[Path, bool]:
    """The folder of notebooks, and whether its start notebook is zlab's own, unchanged.

    A clone has one. An installed zlab copies those that it brought to ``zlab-notebooks`` in the current
    folder; what the user has changed there stays as it is.
    """
    package = Path(zlab.__file__).parent
    if _in_clone():
        return package.parent / "notebooks", True
    folder = Path.cwd() / "zlab-notebooks"
    folder.mkdir(exist_ok=True)
    record = folder / _COPIED
    try:
        copied = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        copied = {}
    for shipped in sorted((package / "notebooks").glob("*.ipynb")):
        mine = folder / shipped.name
        if not mine.exists() or (source(mine) == copied.get(shipped.name) != source(shipped)):
            shutil.copyfile(shipped, mine)
            copied[shipped.name] = source(shipped)
    record.write_text(json.dumps(copied))
    return folder, source(folder / START) == source(package / "notebooks" / START)


def _in_clone() -> bool:
    home = Path(zlab.__file__).parent.parent
    return (home / "pyproject.toml").exists() and (home / "notebooks" / START).exists()


def source(notebook: Path) -> str:
    """A fingerprint of what the notebook's cells say; running it does not change that."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        said = [[cell["cell_type"], "".join(cell["source"])] for cell in cells]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def keep_source_only(*, model: dict[str, Any], path: str, contents_manager: FileContentsManager, **_: object) -> None:
    """Save zlab's own notebooks in a clone without outputs, as git has them: a ``pre_save_hook`` of Jupyter's."""
    if model.get("type") != "notebook" or "zlab" not in model["content"]["metadata"]:
        return
    notebook = model["content"]
    saved = Path(contents_manager.root_dir, path)
    if saved.exists():  # the versions that JupyterLab notes down differ from one machine to the next
        notebook["metadata"] = json.loads(saved.read_text(encoding="utf-8"))["metadata"]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
            cell["metadata"].pop("execution", None)


# --- Ports, screens, noise --------------------------------------------------------------------------------------------


def _free_port(port: int) -> int:
    with socket.socket() as listener:
        if os.name == "posix":  # elsewhere it would share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
        except OSError as error:
            raise OpeningError(f"port {port} cannot be had ({error.strerror}): choose another, or none") from None
        found: int = listener.getsockname()[1]
        return found


def _has_screen() -> bool:
    """Whether a browser would show itself, rather than take over the terminal as text browsers do."""
    if sys.platform in {"darwin", "win32"}:
        return True
    return any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


@contextmanager
def _stderr_for_this_process_only() -> Iterator[None]:
    """Keep stderr for errors of the server: the kernels, which inherit it, log there what is no news to anybody."""
    nowhere, ours = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    with os.fdopen(ours, "w", buffering=1) as stderr, redirect_stderr(stderr):
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(ours, 2)
            os.close(nowhere)
