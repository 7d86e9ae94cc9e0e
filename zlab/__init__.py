"""zlab: an interactive laboratory for ZeroMQ that lives in JupyterLab."""

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

__version__ = "0.1.0"

# fmt: off
__all__ = [
    "CHANNEL", "CLIENT", "DEALER", "DISH", "GATHER", "PAIR", "PEER", "PUB", "PULL", "PUSH", "RADIO", "REP", "REQ",
    "ROUTER", "SCATTER", "SERVER", "STREAM", "SUB", "XPUB", "XSUB", "Context", "Lab", "Node", "Topology",
    "TopologyError", "Watched", "checks", "faults", "nodes", "patterns", "run", "trace", "watch"
]
