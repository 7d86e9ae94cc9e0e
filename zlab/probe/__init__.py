"""The probe: pyzmq sockets that report what crosses them, and a proxy that can be counted."""

from zlab.probe.proxy import ProxyStatistics, install_proxy
from zlab.probe.socket import Gate, ProbedSocket, Wait, blocked_in, identify, key_of

__all__ = ["Gate", "ProbedSocket", "ProxyStatistics", "Wait", "blocked_in", "identify", "install_proxy", "key_of"]
