"""A script under the probe: it runs as under python, and what happened is printed or opened in a browser."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
import traceback
import types
import webbrowser
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from zlab.diagnosis import two_threads
from zlab.watched import watch_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.ledger.snapshot import Snapshot
    from zlab.watched import Watched

_STANDS = 3
"""The weight of a finding for which a program stands still, or may crash."""
_WIDTH = 150
"""Columns of a report that no terminal sets a width for."""
_TERMINATED = 128 + signal.SIGTERM


def watch(script: Path, arguments: Sequence[str], *, report: bool) -> int:
    """Run a script, then tell what became of its messages.

    Args:
        script: a Python file.
        arguments: what it finds in ``sys.argv`` after its own name.
        report: whether to print what happened, to standard error, instead of opening it in a browser.

    Returns:
        The exit code of the script: that of ``sys.exit``, 1 after an exception, 130 after Ctrl-C.
    """
    kept: list[BaseException] = []
    with watch_process(script.stem) as lab:
        lab.subscribe(_Alarm())
        code = _run(script, arguments, kept)
    if report:
        _print(lab)
    else:
        _open(lab)
    kept.clear()  # what a script has left open is closed now, which may take for ever: its report is there already
    return code


class _Alarm:
    """Says at once why a script stands still: it may never come to its end, and so to its report."""

    def __init__(self) -> None:
        self._told: set[tuple[str, tuple[str, ...]]] = set()

    def __call__(self, snapshot: Snapshot) -> None:
        for finding in snapshot.findings:
            known = finding.mistake, finding.sockets
            if finding.weight == _STANDS and finding.mistake != two_threads.MISTAKE.name and known not in self._told:
                self._told.add(known)  # of two threads a warning tells, in the line of the second
                print(f"zlab: {finding}", file=sys.stderr)


def _run(script: Path, arguments: Sequence[str], kept: list[BaseException]) -> int:
    """Run it; what ended it is kept, and with that all that it had open."""
    module = types.ModuleType("__main__")
    module.__file__ = str(script)
    sys.modules["__main__"] = module
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.resolve().parent))
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    try:
        exec(compile(script.read_bytes(), str(script), "exec"), module.__dict__)  # noqa: S102 - what it is asked to do
        _join()
    except SystemExit as end:
        kept.append(end)
        with suppress(KeyboardInterrupt, SystemExit):
            _join()
        return _code(end)
    except KeyboardInterrupt as end:
        kept.append(end)
        print(file=sys.stderr)  # after the ^C
        return 130
    except BaseException as error:  # noqa: BLE001 - as python itself does
        kept.append(error)
        trace = error.__traceback__.tb_next if error.__traceback__ is not None else None
        traceback.print_exception(type(error), error, trace)
        return 1
    return 0


def _join() -> None:
    """Wait for the threads that python would wait for."""
    while waiting := [t for t in threading.enumerate() if not t.daemon and t is not threading.main_thread()]:
        waiting[0].join()


def _code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


def _print(lab: Watched) -> None:
    from rich.console import Console

    from zlab.views.terminal import findings, table

    sys.stdout.flush()
    console = Console(stderr=True) if sys.stderr.isatty() else Console(stderr=True, width=_WIDTH)
    console.print(table(lab.snapshot(), lab.topology, lab.history()))
    console.print(findings(lab.diagnose().findings))


def _open(lab: Watched) -> None:
    folder = Path(tempfile.mkdtemp(prefix="zlab-watch-"))
    page = folder / "report.html"
    page.write_text(_page(lab), "utf-8")
    print(f"zlab: what happened is at {page.as_uri()}", file=sys.stderr)
    webbrowser.open(page.as_uri())


def _page(lab: Watched) -> str:
    """All that is known at the end, as one page that needs nothing else."""
    from zlab.views.picture import svg

    tables = {
        "Ledger": lab.ledger(),
        "Latency, in seconds": lab.latency(),
        "Sockets": lab.sockets(),
        "Events": lab.events(),
        "The last messages": lab.messages().tail(200),
    }
    name = escape(lab.topology.name)
    parts = [f"<h2>{title}</h2>{table.to_html(border=0)}" for title, table in tables.items() if len(table)]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{_STYLE}</style>'
        f"<h1>{name}</h1><figure>{svg(lab.topology, lab.snapshot())}</figure>"
        f"<h2>Diagnosis</h2>{lab.diagnose()._repr_html_()}{''.join(parts)}</html>"
    )


_STYLE = """
:root { color-scheme: light dark; font: 14px system-ui, sans-serif; }
body { max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 0; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 3px 10px; border-bottom: 1px solid #8884; white-space: nowrap; }
tbody th { text-align: left; font-weight: 600; }
"""
