"""The ``zlab`` command: open the laboratory, list the patterns, run one in the terminal, watch a script."""

from __future__ import annotations

import argparse
import difflib
import inspect
import os
import re
import shutil
import sys
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.patterns.pattern import Pattern

__all__ = ["main"]

_FAILED = 1
_MISUSED = 2
_INTERRUPTED = 130
_UNREAD = 141
_FEW = 12
"""Choices that a complaint lists; more are left to the help."""
_CHOICE = re.compile(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code: 0 done, 1 failed, 2 not understood."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _do_and_flush(arguments)
    except KeyboardInterrupt:  # before anything was running
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read has enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _UNREAD


def _do_and_flush(arguments: list[str]) -> int:
    try:
        return _do(arguments)
    finally:
        if not sys.stdout.closed:
            sys.stdout.flush()


def _do(arguments: list[str]) -> int:
    if arguments[:1] == ["bench"]:  # its options are its own
        return _bench(arguments[1:])
    parser = _parser(arguments)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:  # whose help is of use is known to the command, not to the first parser
        getattr(options, "parser", parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    code: int = options.do(options)
    return code


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line and names the way to help."""

    given: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        wrong = _CHOICE.fullmatch(message)
        if wrong:
            message = self._no_such(*wrong.groups())
        see = " See" if message.endswith("?") else "; see"
        self.exit(_MISUSED, f"zlab: {message}{see} {self.prog} --help\n")

    def _no_such(self, what: str, name: str, choices: str) -> str:
        """The name, and what it could have been; an option before it that nobody knows is the first mistake."""
        before = takewhile(lambda each: each != name, self.given)
        strange = [each for each in before if each.startswith("-") and each not in self._option_string_actions]
        if strange:
            return f"unrecognized arguments: {strange[0]}"
        known = re.findall(r"[\w-]+", choices)
        near = difflib.get_close_matches(name, known, n=1)
        told = f"there is no {what.lower()} {name!r}" if what.isupper() else f"{what} cannot be {name!r}"
        if near:
            return f"{told}: did you mean {near[0]}?"
        return told if len(known) > _FEW else f"{told}: choose from {', '.join(known)}"


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="zlab",
        description="An interactive laboratory for ZeroMQ. Without a command, it opens in JupyterLab.",
        allow_abbrev=False,
    )
    parser.given = arguments
    parser.add_argument("--version", action="version", version=f"zlab {version('zlab')}")
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="listen on this port instead of a free one")
    parser.add_argument("--verbose", action="store_true", help="show what JupyterLab and the kernels log")
    parser.set_defaults(do=_open)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    listing = commands.add_parser("list", help="list the patterns", description="List the patterns, or the options.")
    listing.add_argument("--markdown", action="store_true", help="as the table in README.md")
    listing.add_argument("--options", action="store_true", help="the socket options, as the table in README.md")
    listing.set_defaults(do=_list, parser=listing)
    doctor = commands.add_parser(
        "doctor",
        help="tell what this installation can do, and how to get the rest",
        description="Tell what this installation of ZeroMQ and Jupyter can do, and how to get the rest.",
    )
    doctor.set_defaults(do=_doctor, parser=doctor)
    running = commands.add_parser(
        "run",
        help="run a pattern in the terminal, until Ctrl-C",
        description="Run a pattern in the terminal, until Ctrl-C.",
    )
    if arguments[:1] == ["run"]:  # only then are the patterns needed
        _add_patterns(running)
    watching = commands.add_parser(
        "watch",
        help="run a script of your own under the probe",
        description="Run a Python script as it is, and open in a browser what became of its messages.",
    )
    watching.add_argument("--report", action="store_true", help="print what happened instead of opening a browser")
    watching.add_argument("script", type=_script, metavar="SCRIPT", help="a Python file that uses pyzmq")
    given = "what the script is given: zlab's own options stand before it"
    watching.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help=given)
    watching.set_defaults(do=_watch, parser=watching)
    commands.add_parser("bench", help="measure a lab beside plain pyzmq", add_help=False)
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 1 to 65535")
    return int(text)


def _script(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}: give a Python script")
    return path


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return number


# --- zlab ------------------------------------------------------------------------------------------------------------


def _open(options: argparse.Namespace) -> int:
    from zlab.cli.opening import OpeningError, open_lab

    try:
        open_lab(port=options.port, browser=not options.no_browser, verbose=options.verbose)
    except OpeningError as error:
        return _complain(str(error))
    return 0


# --- zlab list -------------------------------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    from zlab.cli import listing

    if options.options:
        print(listing.options(), end="")
    elif options.markdown:
        print(listing.markdown(), end="")
    else:
        print(listing.lines(shutil.get_terminal_size().columns if sys.stdout.isatty() else 0))
    return 0


# --- zlab doctor -----------------------------------------------------------------------------------------------------


def _doctor(_: argparse.Namespace) -> int:
    from zlab.cli.doctor import report

    print(report())
    return 0


# --- zlab run --------------------------------------------------------------------------------------------------------


def _add_patterns(parser: argparse.ArgumentParser) -> None:
    from zlab.cli.listing import patterns, summary

    names = parser.add_subparsers(title="patterns", metavar="PATTERN", required=True)
    for name, pattern in patterns().items():
        one = names.add_parser(
            name,
            help=summary(pattern),
            description=summary(pattern),
            allow_abbrev=False,
        )
        default = pattern.guide.transports[-1]
        told = f"what the messages travel over ({default})"
        one.add_argument("--transport", choices=pattern.guide.transports, default=default, help=told)
        # "for" is a keyword of Python: no knob of a pattern can be called that.
        one.add_argument("--for", dest="for", type=_positive, metavar="SECONDS", help="end by itself after this long")
        knobs = [_add_knob(one, knob, _meanings(pattern)) for knob in inspect.signature(pattern).parameters.values()]
        one.set_defaults(do=_run, parser=one, pattern=pattern, knobs=knobs)


def _add_knob(parser: argparse.ArgumentParser, knob: inspect.Parameter, meanings: dict[str, str]) -> str:
    several = isinstance(knob.default, (tuple, list))
    example = knob.default[0] if several and knob.default else knob.default
    shown = " ".join(repr(each) for each in knob.default) if several else knob.default
    parser.add_argument(
        f"--{knob.name.replace('_', '-')}",
        dest=knob.name,
        type=type(example) if isinstance(example, (int, float)) else str,
        nargs="*" if several else None,
        default=knob.default,
        metavar=type(example).__name__.upper() if isinstance(example, (int, float)) else "TEXT",
        help=f"{meanings.get(knob.name, '').rstrip('.')} ({shown})".strip().replace("%", "%%"),
    )
    return knob.name


def _meanings(pattern: Pattern[...]) -> dict[str, str]:
    """What each knob means, from the ``Args:`` section of the pattern's docstring."""
    _, _, section = (inspect.getdoc(pattern) or "").partition("\nArgs:\n")
    meanings: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if not line.startswith("    "):
            break
        if line.startswith("     "):  # a continued line
            meanings[name] += " " + line.strip()
        else:
            name, _, meaning = line.strip().partition(":")
            meanings[name] = meaning.strip().replace("``", "")
    return meanings


def _run(options: argparse.Namespace) -> int:
    from zlab.cli.running import run
    from zlab.sockets import TopologyError

    try:
        topology = options.pattern(**{knob: getattr(options, knob) for knob in options.knobs})
    except ValueError as error:  # a knob out of its range
        return _complain(str(error))
    try:
        failed = run(topology, transport=options.transport, seconds=getattr(options, "for"))
    except TopologyError as error:  # what ZeroMQ itself does not take
        return _complain(str(error))
    return _FAILED if failed else 0


# --- zlab watch ------------------------------------------------------------------------------------------------------


def _watch(options: argparse.Namespace) -> int:
    from zlab.cli.watching import watch

    return watch(options.script, options.arguments, report=options.report)


# --- zlab bench ------------------------------------------------------------------------------------------------------


def _bench(arguments: list[str]) -> int:
    from zlab import bench

    code: int = bench.main(arguments)
    return code


def _complain(message: str) -> int:
    print(f"zlab: {message}", file=sys.stderr)
    return _MISUSED
