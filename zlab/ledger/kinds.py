"""Kinds: what a message is called and coloured by: its topic, or its part in the pattern."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zlab.sockets import PUBLISHERS, Socket, SocketType, node_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zlab.ledger.columns import Flags, Ints

LIMIT = 8
"""Kinds that are told apart; the last stands for all others."""
OTHER = "other"
REQUEST, REPLY = "request", "reply"

_TOPIC = re.compile(r"[^\d\W][\w.\-/:]*(?: [^\d\W][\w.\-/:]*)*")
_FIGURE = re.compile(r"[!-~]+")
_REQUESTS = {SocketType.REQ, SocketType.DEALER}
_REPLIES = {SocketType.REP, SocketType.ROUTER}


class Kinds:
    """Names kinds in the order in which they first appear."""

    def __init__(self, specs: Mapping[str, Socket]) -> None:
        """Start with none."""
        self._specs = specs
        self.names: list[str] = []
        self._wanted: tuple[bytes, ...] | None = ()  # what subscribers ask for, but everything; None is not known
        self._known = 0  # sockets, when that was found

    def of(self, sender: str, head: bytes, part: str = "") -> int:
        """The kind of a message, as an index into `names`.

        Args:
            sender: the full name of the socket that sent it.
            head: the first bytes of its first frame, where a publisher sent it.
            part: what it is, where more is known than the type of its sender.
        """
        spec = self._specs[sender]
        if spec.type in PUBLISHERS:
            return self._index(self._published(spec, head))
        return self._index(part or _by_type(sender, spec))

    def make(self, part: str, kinds: Ints, which: Flags) -> None:
        """Make these messages what more is known of than the type of their senders."""
        if which.any():
            kinds[which] = self._index(part)

    def _published(self, spec: Socket, head: bytes) -> str:
        """The topic. Figures are one where somebody asks for them; else they are data, each another one."""
        if self._known != len(self._specs):
            self._known = len(self._specs)
            asked = [_asked(socket) for socket in self._specs.values() if socket.type is SocketType.SUB]
            self._wanted = (
                None if None in asked else tuple({prefix for some in asked for prefix in some or () if prefix})
            )
        if self._wanted is None or _TOPIC.match(head.decode(errors="ignore")):
            return topic(head)
        of = max((prefix for prefix in self._wanted if head.startswith(prefix)), key=len, default=None)
        return _endpoint(spec) if of is None else topic(of)

    def _index(self, name: str) -> int:
        if name in self.names:
            return self.names.index(name)
        if len(self.names) >= LIMIT - 1:
            name = OTHER
            if name in self.names:
                return self.names.index(name)
        self.names.append(name)
        return len(self.names) - 1


def _by_type(sender: str, spec: Socket) -> str:
    if spec.type is SocketType.XSUB:
        return "subscription"
    if spec.type in _REQUESTS or (spec.type is SocketType.ROUTER and not spec.binds):  # of two ROUTERs, one asks
        return REQUEST
    if spec.type in _REPLIES:
        return REPLY
    return f"from {node_of(sender)}" if spec.type is SocketType.PAIR else _endpoint(spec)


def _endpoint(spec: Socket) -> str:
    return (spec.binds + spec.connects)[0].rpartition("/")[2]


def _asked(subscriber: Socket) -> list[bytes] | None:
    # What it asks for from the start; None where it may ask later, or has, unseen.
    given = subscriber.options.get("subscribe")
    if given is None:
        return None
    values = given if isinstance(given, tuple | list) else (given,)
    return [value if isinstance(value, bytes) else str(value).encode() for value in values]


def topic(head: bytes) -> str:
    """The topic at the beginning of a publisher's message: its words up to the first that is a figure, or that figure.

    Example:
        >>> topic(b"weather NYC 21 57 0001")
        'weather NYC'
        >>> topic(b"10001 21 57")
        '10001'
    """
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode(errors="ignore")
    found = _TOPIC.match(text) or _FIGURE.match(text)
    if found:
        return found[0][:32]
    return head[:4].hex(" ") if head else "(empty)"
