"""zlab: an interactive laboratory for ZeroMQ that lives in JupyterLab."""

from zlab import faults, nodes, patterns
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
    "Node",
    "Topology",
    "TopologyError",
    "faults",
    "nodes",
    "patterns",
]
