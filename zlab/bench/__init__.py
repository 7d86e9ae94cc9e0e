"""Benchmarks: what a lab costs, against the same program in plain pyzmq, what many nodes and its dashboard cost."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

__all__ = ["main"]


_TRANSPORTS = ["inproc", "tcp"]
_SIZES = [10, 100, 500]


def main(argv: list[str] | None = None) -> int:
    """Print the tables and write the figures as JSON; returns the exit code."""
    options = _options(argv)

    import zmq

    import zlab
    from zlab.bench import copying, dashboard, scale, throughput
    from zlab.bench.jupyter import NotMeasurableError

    versions = f"zlab {zlab.__version__}, pyzmq {zmq.__version__}, libzmq {zmq.zmq_version()}"
    print(f"{versions}, Python {platform.python_version()}, {platform.system()} {platform.machine()}\n")
    figures: dict[str, list[dict[str, object]]] = {}
    try:
        if options.copy:
            measured = copying.print_table(options.transport or _TRANSPORTS, seconds=options.seconds / 4)
            figures["copying"] = [asdict(line) for line in measured]
        elif options.ui:
            figures["dashboard"] = [asdict(line) for line in dashboard.print_table()]
        else:
            transports = options.transport or _TRANSPORTS
            lines = [line for line in throughput.LINES if line.program in (options.only or [line.program])]
            if lines:
                table = throughput.print_table(lines, transports, options.pairs, options.seconds)
                figures["throughput"] = [asdict(result) for result in table]
                print()
            if not options.only or "scale" in options.only:
                sizes = options.nodes or (_SIZES[:2] if options.quick else _SIZES)
                labs = 1 if options.quick else 3
                shown = scale.print_table(sizes, transports, labs, 2 * options.seconds)
                figures["scale"] = [asdict(line) for line in shown]
    except NotMeasurableError as error:
        print(f"zlab bench: {error}", file=sys.stderr)
        return 2
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"\nwritten to {options.json}")
    return 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="zlab bench",
        description="A lab against the same program in plain pyzmq, pair by pair, in one run; then labs of many nodes.",
    )
    parser.add_argument("--pairs", type=int, help="pairs of runs for each line (default 15)")
    parser.add_argument("--seconds", type=float, help="about how long one run lasts (default 1)")
    parser.add_argument("--quick", action="store_true", help="3 pairs of 0.2 seconds, and no lab of 500 nodes")
    parser.add_argument("--transport", choices=_TRANSPORTS, action="append", help="default: both")
    parser.add_argument("--only", choices=["push-pull", "fan-out", "broker", "scale"], action="append")
    parser.add_argument("--nodes", type=int, action="append", help="size of a lab, in tens (default 10, 100 and 500)")
    parser.add_argument("--ui", action="store_true", help="the dashboard instead, in JupyterLab and headless Chromium")
    parser.add_argument("--copy", action="store_true", help="from which size on copy=False is worth it, instead")
    parser.add_argument(
        "--json",
        type=Path,
        default=Path("artifacts/bench.json"),
        help="where the figures go (default artifacts/bench.json, here)",
    )
    options = parser.parse_args(argv)
    if options.pairs is None:
        options.pairs = 3 if options.quick else 15
    if options.seconds is None:
        options.seconds = 0.2 if options.quick else 1.0
    if options.pairs < 1 or not options.seconds > 0:
        parser.error("--pairs is at least 1 and --seconds more than 0")
    if any(nodes < 1 or nodes % 10 for nodes in options.nodes or ()):
        parser.error("--nodes is 10, 20, 30, ...")
    return options
