"""Security: what a topology asks for that would protect nothing, or would listen to strangers, is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zlab.installation import security
from zlab.runtime.addresses import is_loopback
from zlab.secret import ZAP
from zlab.sockets import TopologyError
from zlab.topology import is_url

if TYPE_CHECKING:
    from zlab.sockets import Socket
    from zlab.topology import Topology

_MECHANISMS = {
    "curve": ("curve_server", "curve_serverkey", "curve_secretkey"),
    "plain": ("plain_server", "plain_username", "plain_password"),
    "gssapi": ("gssapi_server", "gssapi_principal", "gssapi_service_principal"),
}
_LOCAL = {"inproc", "ipc"}  # what nobody reaches from another machine
_HOST = re.compile(r"[a-z]+://(?P<host>\[[^\]]*\]|[^:/;]*)")  # of multicast: that of the interface, which comes first


def refuse_unsafe(topology: Topology, transport: str, *, exposed: bool) -> None:
    """Refuse what is not as safe as it looks, before anything is opened.

    Args:
        topology: what is to run.
        transport: what its bare endpoint names become.
        exposed: the user's word that whoever reaches a socket from outside may speak to it.

    Raises:
        TopologyError: a mechanism that this libzmq lacks, or that inproc does not have; or a socket that listens
            beyond this machine to anybody.
    """
    lacking = {ability.name: ability.remedy for ability in security() if not ability.there}
    guarded = any(endpoint.startswith(ZAP) for _, spec in topology.sockets() for endpoint in spec.binds)
    for name, spec in topology.sockets():
        mechanism = mechanism_of(spec)
        if mechanism in lacking:
            raise TopologyError(f"{name}: this installation of ZeroMQ has no {mechanism}: {lacking[mechanism]}")
        for endpoint in spec.endpoints:
            used = endpoint.partition("://")[0] if is_url(endpoint) else transport
            if mechanism and used == "inproc":
                raise TopologyError(
                    f"{name} asks for {mechanism.upper()}, and inproc has no handshake in which anybody could be "
                    f"turned away: run it with transport='ipc' or 'tcp'"
                )
        for endpoint in spec.binds:
            if exposed or not reaches_out(endpoint) or (spec.options.get("curve_server") and guarded):
                continue
            missing = (
                "no ZAP handler asks who they are: add a node that binds inproc://zeromq.zap.01, as in "
                "zlab.patterns.ironhouse"
                if spec.options.get("curve_server")
                else "it does not ask who they are: bind 127.0.0.1, or use CURVE with a ZAP handler, as in "
                "zlab.patterns.ironhouse"
            )
            raise TopologyError(
                f"{name} binds {endpoint}, where others than this machine reach it, and {missing}; where they all may, "
                f"say so: zlab.run(..., exposed=True)"
            )


def mechanism_of(spec: Socket) -> str:
    """The mechanism that a socket's options ask for, in lower case, or "" for NULL."""
    for mechanism, options in _MECHANISMS.items():
        if any(spec.options.get(option) for option in options):
            return mechanism
    return ""


def reaches_out(endpoint: str) -> bool:
    """Whether others than this machine can reach what binds there.

    >>> reaches_out("tcp://127.0.0.1:5556"), reaches_out("tcp://*:5556"), reaches_out("numbers")
    (False, True, False)
    """
    if not is_url(endpoint) or endpoint.partition("://")[0] in _LOCAL:
        return False
    match = _HOST.match(endpoint)
    return match is None or not is_loopback(match["host"])
