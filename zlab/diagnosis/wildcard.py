"""A wildcard taken for an address: ``*`` and ``0.0.0.0`` say where to listen, not whom to reach."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zlab.diagnosis.mistake import Mistake, Sign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.diagnosis.facts import Facts

_TCP = re.compile(r"(?:tcp|ws|wss)://(?:.*;)?(?P<host>.*):(?P<port>[^:]*)")
_ANY = {"*", "0.0.0.0", "::", "[::]", ""}  # noqa: S104 - compared with, not bound


def is_wildcard(url: str) -> bool:
    """Whether this names no peer to connect to: any address, or a port that is still to be chosen."""
    parts = _TCP.fullmatch(url)
    if parts is None:
        return url.endswith("://*")
    return parts["host"] in _ANY or parts["port"] in {"*", "0", ""}


def look(facts: Facts) -> Iterator[Sign]:
    """Each socket that connects, or tries to, where nobody can be."""
    for use in facts.uses.values():
        for url in use.unreachable if use.open or not facts.running else ():
            if is_wildcard(url):
                yield Sign(
                    f"{use.name} tries to connect to {url}, which is where somebody may listen and no address: "
                    "libzmq refuses it",
                    (use.name,),
                )
        for url in use.connects:
            if is_wildcard(url):
                yield Sign(f"{use.name} connects to {url}{_why(url)}", (use.name,))


def _why(url: str) -> str:
    parts = _TCP.fullmatch(url)
    if parts is not None and parts["port"] == "0":
        return ": port 0 stands for any free port, and at port 0 itself nobody can listen"
    return ", which means every address of the machine that binds: from another machine it leads nowhere"


MISTAKE = Mistake(
    "wildcard taken for an address",
    "Bind to the wildcard and connect to a name or an address, such as tcp://127.0.0.1:5556; where the port was left "
    "to the system, hand out the one in socket.last_endpoint, with the host's name in the place of 0.0.0.0",
    2,
    "Unicast Transports",
    2,
    look,
)


def advice(url: str) -> str:
    """The remedy for an address that is none, as part of an error; "" for others."""
    return f": {MISTAKE.remedy}" if is_wildcard(url) else ""
