"""Options worth teaching: each a pattern with a socket option, whose naive version goes without it."""

from zlab.options.affinity import affinity
from zlab.options.conflate import conflate
from zlab.options.handshake_ivl import handshake_ivl
from zlab.options.heartbeat_ivl import heartbeat_ivl
from zlab.options.hwm import hwm
from zlab.options.immediate import immediate
from zlab.options.invert_matching import invert_matching
from zlab.options.linger import linger
from zlab.options.maxmsgsize import maxmsgsize
from zlab.options.multipart import multipart
from zlab.options.probe_router import probe_router
from zlab.options.reconnect_ivl import reconnect_ivl
from zlab.options.req_correlate import req_correlate
from zlab.options.req_relaxed import req_relaxed
from zlab.options.router_handover import router_handover
from zlab.options.router_mandatory import router_mandatory
from zlab.options.tcp_keepalive import tcp_keepalive
from zlab.options.xpub_nodrop import xpub_nodrop
from zlab.options.xpub_verbose import xpub_verbose
from zlab.options.zero_copy import zero_copy

# Queues first, then routing, publishing, connections, and how a message is made.
__all__ = [  # noqa: RUF022
    "hwm",
    "linger",
    "immediate",
    "conflate",
    "probe_router",
    "router_mandatory",
    "router_handover",
    "req_relaxed",
    "req_correlate",
    "xpub_verbose",
    "xpub_nodrop",
    "invert_matching",
    "reconnect_ivl",
    "heartbeat_ivl",
    "handshake_ivl",
    "tcp_keepalive",
    "affinity",
    "maxmsgsize",
    "multipart",
    "zero_copy",
]


def __dir__() -> list[str]:
    """The options alone: what `dir` and completion show."""
    return list(__all__)
