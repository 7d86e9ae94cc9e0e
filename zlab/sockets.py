"""A socket is data: its type, whom it may face, its endpoints and its options."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from zlab.secret import SECRETS, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping


class TopologyError(ValueError):
    """A topology that cannot run; the message names the node, the socket and the remedy."""


class SocketType(StrEnum):
    """A ZeroMQ socket type, spelt as in the ZeroMQ reference (man page ``zmq_socket``)."""

    PAIR = "PAIR"
    REQ = "REQ"
    REP = "REP"
    DEALER = "DEALER"
    ROUTER = "ROUTER"
    PUB = "PUB"
    SUB = "SUB"
    XPUB = "XPUB"
    XSUB = "XSUB"
    PUSH = "PUSH"
    PULL = "PULL"
    STREAM = "STREAM"
    CLIENT = "CLIENT"
    SERVER = "SERVER"
    RADIO = "RADIO"
    DISH = "DISH"
    SCATTER = "SCATTER"
    GATHER = "GATHER"
    PEER = "PEER"
    CHANNEL = "CHANNEL"

    def bind(self, *endpoints: str, **options: OptionValue) -> Socket:
        """Describe a socket of this type that binds.

        Args:
            endpoints: endpoint names, each resolved at run time, or full URLs, taken as written.
            options: socket options as pyzmq spells them in lower case, such as ``sndhwm=10``
                (messages) or ``linger=0`` (milliseconds).
        """
        return Socket(self, options=MappingProxyType({})).bind(*endpoints, **options)

    def connect(self, *endpoints: str, **options: OptionValue) -> Socket:
        """Describe a socket of this type that connects; the arguments are those of `bind`."""
        return Socket(self, options=MappingProxyType({})).connect(*endpoints, **options)

    @property
    def sends(self) -> bool:
        """Whether an application can send messages on this type."""
        return self not in {SocketType.SUB, SocketType.PULL, SocketType.DISH, SocketType.GATHER}

    @property
    def receives(self) -> bool:
        """Whether an application can receive messages on this type."""
        return self not in {SocketType.PUB, SocketType.PUSH, SocketType.RADIO, SocketType.SCATTER}


OptionValue = int | str | bytes | Secret | tuple[str | bytes, ...] | list[str | bytes]
"""What a socket option may be: ``subscribe`` alone takes several values at once, and what is secret is hidden."""

PAIR, REQ, REP, DEALER, ROUTER = (
    SocketType.PAIR,
    SocketType.REQ,
    SocketType.REP,
    SocketType.DEALER,
    SocketType.ROUTER,
)
PUB, SUB, XPUB, XSUB, PUSH, PULL = (
    SocketType.PUB,
    SocketType.SUB,
    SocketType.XPUB,
    SocketType.XSUB,
    SocketType.PUSH,
    SocketType.PULL,
)
STREAM = SocketType.STREAM
CLIENT, SERVER, RADIO, DISH, SCATTER, GATHER, PEER, CHANNEL = (
    SocketType.CLIENT,
    SocketType.SERVER,
    SocketType.RADIO,
    SocketType.DISH,
    SocketType.SCATTER,
    SocketType.GATHER,
    SocketType.PEER,
    SocketType.CHANNEL,
)
PUBLISHERS = frozenset({PUB, XPUB})
"""Whose messages go to every subscriber that wants them."""
SUBSCRIBERS = frozenset({SUB, XSUB})
DRAFTS = frozenset({CLIENT, SERVER, RADIO, DISH, SCATTER, GATHER, PEER, CHANNEL})
"""What libzmq has only where its draft API was built in: see `zlab.installation`."""

# Which types may face each other: RFC 23 (ZMTP 3.0), "Socket-Type" compatibility; of the drafts, RFC 41, 48, 49,
# 51 and 52. STREAM faces no ZeroMQ socket: its peers speak plain TCP, and are no part of a topology.
PEERS: Mapping[SocketType, frozenset[SocketType]] = {
    PAIR: frozenset({PAIR}),
    REQ: frozenset({REP, ROUTER}),
    REP: frozenset({REQ, DEALER}),
    DEALER: frozenset({REP, DEALER, ROUTER}),
    ROUTER: frozenset({REQ, DEALER, ROUTER}),
    PUB: frozenset({SUB, XSUB}),
    XPUB: frozenset({SUB, XSUB}),
    SUB: frozenset({PUB, XPUB}),
    XSUB: frozenset({PUB, XPUB}),
    PUSH: frozenset({PULL}),
    PULL: frozenset({PUSH}),
    STREAM: frozenset(),
    CLIENT: frozenset({SERVER}),
    SERVER: frozenset({CLIENT}),
    RADIO: frozenset({DISH}),
    DISH: frozenset({RADIO}),
    SCATTER: frozenset({GATHER}),
    GATHER: frozenset({SCATTER}),
    PEER: frozenset({PEER}),
    CHANNEL: frozenset({CHANNEL}),
}

# What the reference (man page zmq_setsockopt) lets a program set on these socket types, with pyzmq's own ``hwm``
# and ``identity``.
_OPTIONS = frozenset(
    """
    affinity backlog bindtodevice conflate connect_routing_id connect_timeout curve_publickey curve_secretkey
    curve_server curve_serverkey gssapi_plaintext gssapi_principal gssapi_principal_nametype gssapi_server
    gssapi_service_principal gssapi_service_principal_nametype handshake_ivl heartbeat_ivl heartbeat_timeout
    heartbeat_ttl hwm identity immediate invert_matching ipv6 linger maxmsgsize metadata multicast_hops
    multicast_maxtpdu plain_password plain_server plain_username probe_router rate rcvbuf rcvhwm rcvtimeo
    reconnect_ivl reconnect_ivl_max reconnect_stop recovery_ivl req_correlate req_relaxed router_handover
    router_mandatory router_raw routing_id sndbuf sndhwm sndtimeo socks_password socks_proxy socks_username
    stream_notify subscribe tcp_keepalive tcp_keepalive_cnt tcp_keepalive_idle tcp_keepalive_intvl tcp_maxrt tos
    xpub_manual
    xpub_manual_last_value xpub_nodrop xpub_verbose xpub_verboser xpub_welcome_msg xsub_verbose_unsubscribe
    zap_domain zap_enforce_domain
    """.split()  # noqa: SIM905 - a paragraph reads better than a column
)


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket of a node, as data: its type, its endpoints and its options."""

    type: SocketType
    binds: tuple[str, ...] = ()
    connects: tuple[str, ...] = ()
    options: Mapping[str, OptionValue] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Hide what is secret, before anybody can show it."""
        bare = {name: Secret(self.options[name]) for name in SECRETS & set(self.options)}
        object.__setattr__(self, "options", MappingProxyType({**self.options, **bare}))

    def bind(self, *endpoints: str, **options: OptionValue) -> Socket:
        """The same socket, binding to these endpoints too."""
        return replace(self, binds=self.binds + endpoints, options=self._with(options))

    def connect(self, *endpoints: str, **options: OptionValue) -> Socket:
        """The same socket, connecting to these endpoints too."""
        return replace(self, connects=self.connects + endpoints, options=self._with(options))

    @property
    def endpoints(self) -> tuple[str, ...]:
        """All endpoints, those that it binds first."""
        return self.binds + self.connects

    def _with(self, options: Mapping[str, OptionValue]) -> Mapping[str, OptionValue]:
        return {**self.options, **options}


def node_of(socket: str) -> str:
    """The node that a socket belongs to, by the socket's full name: ``worker-1`` of ``worker-1.tasks``."""
    return socket.rpartition(".")[0]


def check_options(name: str, socket: Socket) -> None:
    """Refuse an option that libzmq does not have, or a value that is none.

    Raises:
        TopologyError: it names the socket, the option and the remedy.
    """
    for option, value in socket.options.items():
        if option not in _OPTIONS:
            near = difflib.get_close_matches(option, _OPTIONS, n=1)
            advice = f"did you mean {near[0]!r}?" if near else "see the man page zmq_setsockopt for those there are"
            raise TopologyError(f"{name}: {option!r} is no socket option that can be set: {advice}")
        if isinstance(value, Secret):
            if not value.usable:
                raise TopologyError(f"{name}: {option} is str or bytes; what was given is neither, and is not shown")
        elif option == "subscribe":
            if socket.type is not SUB:
                raise TopologyError(f"{name} is {socket.type} and cannot subscribe: only SUB does")
            values = value if isinstance(value, tuple | list) else (value,)
            wrong = [each for each in values if not isinstance(each, str | bytes)]
            if wrong:
                raise TopologyError(
                    f"{name}: subscribe={wrong[0]!r} is no prefix: give str or bytes, such as subscribe='weather', "
                    f"or several, such as subscribe=('weather', 'sports')"
                )
        elif isinstance(value, tuple | list):
            raise TopologyError(f"{name}: {option}={value!r} is more than one value: only subscribe takes several")
