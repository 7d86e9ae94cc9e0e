"""zlab: an interactive laboratory for ZeroMQ that lives in JupyterLab."""

from typing import TYPE_CHECKING

from zlab import checks, faults, nodes, patterns
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
    from zlab import options

__version__ = "0.1.0"

# fmt: off
__all__ = [
    "CHANNEL", "CLIENT", "DEALER", "DISH", "GATHER", "PAIR", "PEER", "PUB", "PULL", "PUSH", "RADIO", "REP", "REQ",
    "ROUTER", "SCATTER", "SERVER", "STREAM", "SUB", "XPUB", "XSUB", "Context", "Lab", "Node", "Topology",
    "TopologyError", "Watched", "checks", "faults", "nodes", "options", "patterns", "run", "trace", "watch"
]


def __getattr__(name: str) -> object:
    """Import the options when they are first asked for: `import zlab` stays light."""
    if name == "options":
        from importlib import import_module

        return import_module("zlab.options")
    raise AttributeError(f"module 'zlab' has no attribute {name!r}")
