"""The probe: pyzmq sockets that report what crosses them, and a proxy that can be counted."""

from zlab.probe.context import (
    Observer,
    WatchedContext,
    observe,
    observe_all,
    observe_new,
    observer_of,
    tell_of,
    unobserve,
)
from zlab.probe.cost import MessageCost, message_cost
from zlab.probe.gated import Gate
from zlab.probe.keys import identify, key_of
from zlab.probe.proxy import install_proxy
from zlab.probe.socket import ProbedSocket, probe, unprobe
from zlab.probe.waiting import NOWHERE, Wait, blocked_in, under_way

__all__ = [
    "NOWHERE",
    "Gate",
    "MessageCost",
    "Observer",
    "ProbedSocket",
    "Wait",
    "WatchedContext",
    "blocked_in",
    "identify",
    "install_proxy",
    "key_of",
    "message_cost",
    "observe",
    "observe_all",
    "observe_new",
    "observer_of",
    "probe",
    "tell_of",
    "under_way",
    "unobserve",
    "unprobe",
]
