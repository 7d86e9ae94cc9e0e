"""What is done to a running lab to try the promise of a pattern; each ends, and leaves time for it to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.faults import Delay, Freeze
from zlab.patterns.judging import called
from zlab.patterns.pattern import WITHIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from zlab.lab import Lab

ENOUGH = 30
"""Messages that must pass before something shows."""


def kill(node: str) -> Callable[[Lab], None]:
    """Kill this node, and leave it dead."""

    def inject(lab: Lab) -> None:
        lab.kill(node)

    return inject


def kill_all(name: str) -> Callable[[Lab], None]:
    """Kill all nodes of this name, whatever their numbers, and leave them dead."""

    def inject(lab: Lab) -> None:
        for node in called(lab, name):
            lab.kill(node)

    return inject


def restart(node: str) -> Callable[[Lab], None]:
    """Kill this node and start it again; over inproc, where nobody reconnects, its peers too if it binds."""

    def inject(lab: Lab) -> None:
        lab.kill(node)
        lab.restart(node)
        if lab.transport == "inproc":
            bound = {endpoint for socket in lab.topology[node].sockets.values() for endpoint in socket.binds}
            for other in lab.topology.nodes:
                if any(bound & set(socket.connects) for socket in other.sockets.values()):
                    lab.restart(other.name)

    return inject


def rejoin(node: str) -> Callable[[Lab], None]:
    """Once this node has received something on every link that leads to it, restart it: it joins late."""

    def inject(lab: Lab) -> None:
        into = {str(link) for link in lab.topology.links if link.target == node}
        lab.wait(until=lambda now: all(link.delivered for link in now.links if link.name in into), timeout=WITHIN)
        restart(node)(lab)

    return inject


def freeze(node: str) -> Callable[[Lab], None]:
    """Let this node stand still, and leave it so: it stays connected, and neither sends nor receives."""

    def inject(lab: Lab) -> None:
        lab.fault(node, Freeze())

    return inject


def slow(node: str, seconds: float = 0.1, *, messages: int = ENOUGH) -> Callable[[Lab], None]:
    """Hold every message that this node receives for so long, until so many have passed in the whole lab."""

    def inject(lab: Lab) -> None:
        with lab.fault(node, Delay(seconds)):
            lab.wait(messages=messages, timeout=WITHIN)

    return inject


def burst(node: str, times: float = 10.0, *, seconds: float = 0.5) -> Callable[[Lab], None]:
    """Have this node send so many times as fast, for so long."""

    def inject(lab: Lab) -> None:
        usual: float = getattr(lab.topology[node].function, "rate")  # noqa: B009 - not every function has one
        lab.tune(node, rate=times * usual)
        over = lab.snapshot().at + seconds
        lab.wait(until=lambda now: now.at >= over, timeout=WITHIN)
        lab.tune(node, rate=usual)

    return inject
