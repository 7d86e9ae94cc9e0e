"""zlab: an interactive laboratory for ZeroMQ that lives in JupyterLab."""

from typing import TYPE_CHECKING

from zlab import checks, faults, nodes
from zlab.lab import Lab, run
from zlab.sockets import (
    CHANNEL,
    CLIENT,
    DEALER,
    DISH,
    GATHER,
    PAIR,
    PEER,
    PUB,
    PULL,
    PUSH,
    RADIO,
    REP,
    REQ,
    ROUTER,
    SCATTER,
    SERVER,
    STREAM,
    SUB,
    XPUB,
    XSUB,
    TopologyError,
)
from zlab.topology import Node, Topology
from zlab.watched import Context, Watched, trace, watch

if TYPE_CHECKING:
    from zlab import options, patterns

__version__ = "0.1.0"

# fmt: off
__all__ = [
    "CHANNEL", "CLIENT", "DEALER", "DISH", "GATHER", "PAIR", "PEER", "PUB", "PULL", "PUSH", "RADIO", "REP", "REQ",
    "ROUTER", "SCATTER", "SERVER", "STREAM", "SUB", "XPUB", "XSUB", "Context", "Lab", "Node", "Topology",
    "TopologyError", "Watched", "checks", "faults", "nodes", "options", "patterns", "run", "trace", "watch"
]


def __getattr__(name: str) -> object:
    """Import the patterns and the options, which are many files, when they are first asked for."""
    if name in {"options", "patterns"}:
        from importlib import import_module

        return import_module(f"zlab.{name}")
    raise AttributeError(f"module 'zlab' has no attribute {name!r}")
