"""The probe: pyzmq sockets that report what crosses them, and a proxy that can be counted."""

from zlab.probe.proxy import ProxyStatistics, install_proxy
from zlab.probe.socket import Gate, ProbedSocket, blocked_in

__all__ = ["Gate", "ProbedSocket", "ProxyStatistics", "blocked_in", "install_proxy"]
