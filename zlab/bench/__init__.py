"""Benchmarks: what a lab costs, against the same program in plain pyzmq, and what its dashboard costs."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Print the tables and write the figures as JSON; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="zlab bench", description="A lab against the same program in plain pyzmq, pair by pair, in one run."
    )
    parser.add_argument("--pairs", type=int, default=10, help="pairs of runs for each line (default 10)")
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long one run lasts (default 1)")
    parser.add_argument("--transport", choices=["inproc", "tcp"], action="append", help="default: both")
    parser.add_argument("--ui", action="store_true", help="the dashboard instead, in JupyterLab and headless Chromium")
    parser.add_argument("--json", type=Path, default=Path("artifacts/bench.json"), help="where the figures go")
    options = parser.parse_args(argv)
    if options.pairs < 1 or not options.seconds > 0:
        parser.error("--pairs is at least 1 and --seconds more than 0")

    import zmq

    import zlab
    from zlab.bench import dashboard, throughput
    from zlab.bench.jupyter import NotMeasurableError

    versions = f"zlab {zlab.__version__}, pyzmq {zmq.__version__}, libzmq {zmq.zmq_version()}"
    print(f"{versions}, Python {platform.python_version()}, {platform.system()} {platform.machine()}\n")
    try:
        if options.ui:
            figures = [asdict(line) for line in dashboard.print_table()]
        else:
            transports = options.transport or ["inproc", "tcp"]
            figures = [asdict(line) for line in throughput.print_table(transports, options.pairs, options.seconds)]
    except NotMeasurableError as error:
        print(f"zlab bench: {error}", file=sys.stderr)
        return 2
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"\nwritten to {options.json}")
    return 0
