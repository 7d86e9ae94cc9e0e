"""zlab: an interactive laboratory for ZeroMQ that lives in JupyterLab."""

from zlab import checks, faults, nodes, patterns
from zlab.lab import Lab, run
from zlab.topology import (
    DEALER,
    PAIR,
    PUB,
    PULL,
    PUSH,
    REP,
    REQ,
    ROUTER,
    SUB,
    XPUB,
    XSUB,
    Node,
    Topology,
    TopologyError,
)

__version__ = "0.1.0"

__all__ = [
    "DEALER",
    "PAIR",
    "PUB",
    "PULL",
    "PUSH",
    "REP",
    "REQ",
    "ROUTER",
    "SUB",
    "XPUB",
    "XSUB",
    "Lab",
    "Node",
    "Topology",
    "TopologyError",
    "checks",
    "faults",
    "nodes",
    "patterns",
    "run",
]
