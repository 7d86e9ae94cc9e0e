"""The outside: which of a program's tcp connections lead to sockets that are not watched, as the system tells."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from zlab.runtime.addresses import host_and_port, tcp_target

if TYPE_CHECKING:
    from collections.abc import Iterable


def outside_peers(bound: Iterable[str], connected: Iterable[str]) -> dict[str, int]:
    """How many peers outside this process each URL has now.

    Asked of the system, not of ZeroMQ: a socket can have one monitor only, and that is the program's.

    Args:
        bound: tcp URLs that are bound here, as ``LAST_ENDPOINT`` gives them.
        connected: tcp URLs that are connected to.

    Returns:
        The number of connections to other processes, for the URLs that have any.
    """
    import psutil

    try:
        open_ = psutil.Process(os.getpid()).net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return {}
    joined = [c for c in open_ if c.raddr and c.status == psutil.CONN_ESTABLISHED]
    ours = {tuple(c.laddr) for c in joined}
    outside = [c for c in joined if tuple(c.raddr) not in ours]
    accepted = Counter(str(c.laddr.port) for c in outside)
    reached = Counter(str(c.raddr.port) for c in outside)
    found = {url: accepted[host_and_port(url)[1]] for url in bound}
    found |= {url: reached[host_and_port(tcp_target(url))[1]] for url in connected}
    return {url: count for url, count in found.items() if count}
