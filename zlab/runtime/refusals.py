"""Refusals: why a fault cannot befall a target, said before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from zlab.faults import Option
from zlab.faults.fault import Fault, NetworkFault, NodeFault
from zlab.recording import Direction
from zlab.runtime.options import apply_options
from zlab.sockets import Socket, SocketType, TopologyError, check_options, node_of

if TYPE_CHECKING:
    from zlab.runtime.run import Run
    from zlab.runtime.targets import Target

_IN_TURN = {SocketType.REQ, SocketType.REP}


def refuse(run: Run, target: Target, fault: Fault, *, now: bool) -> None:
    """Raise where a fault cannot work.

    Args:
        run: the lab.
        target: what it is to befall.
        fault: what is to befall it.
        now: whether what the nodes do at this moment counts too.

    Raises:
        ValueError: it names the fault, the target, the reason and the remedy.
        TypeError: what is given is no fault.
    """
    if not isinstance(fault, Fault):
        raise TypeError(f"{fault!r} is no fault: give one of zlab.faults, such as zlab.faults.Delay(seconds=0.05)")
    if isinstance(fault, NodeFault):
        why = _node(target, fault, run)
    elif isinstance(fault, NetworkFault):
        why = _network(run, target)
    elif isinstance(fault, Option):
        why = _option(target, fault, run)
    else:
        why = _message(run, target, fault, now=now)
    if why:
        raise ValueError(f"{type(fault).__name__} cannot befall {target.name}: {why}")


def _node(target: Target, fault: NodeFault, run: Run) -> str:
    if target.kind != "node":
        return "it befalls a node as a whole: give the name of one"
    sockets = run.topology[target.name].sockets.values()
    if fault.connects and not any(spec.connects for spec in sockets):
        return "it binds all its sockets, and only a node that connects can be late; give it to its peers"
    return ""


def _network(run: Run, target: Target) -> str:
    if not target.links:
        return "it has no link"
    plain = [link for link in target.links if not run.endpoints.uses_tcp(link.endpoint)]
    if plain and len(plain) == len(target.links):
        return (
            f"it disturbs the network, and {plain[0].endpoint!r} does not go through one: "
            "run it with zlab.run(..., transport='tcp', relay=True)"
        )
    if run.endpoints.relay is None:
        return "only a relay can disturb the network: run it with zlab.run(..., transport='tcp', relay=True)"
    return ""


def _option(target: Target, fault: Option, run: Run) -> str:
    sockets = option_sockets(run, target, fault)
    if not sockets:
        return f"no socket there has use for {fault.name}: give it to a node or a socket, such as 'node.socket'"
    if fault.name == "subscribe":
        return "subscribing is the program's own affair: socket.subscribe() in the node"
    with zmq.Context() as context:  # libzmq itself says whether it takes the value
        for name in sockets:
            spec = Socket(run.specs[name].type, options={fault.name: fault.value})
            try:
                check_options(name, spec)
                with context.socket(getattr(zmq, spec.type)) as scratch:
                    apply_options(name, spec, scratch)
            except TopologyError as error:
                return str(error)
    return ""


def option_sockets(run: Run, target: Target, fault: Option) -> tuple[str, ...]:
    """The sockets that an option is set on: those of the target that have use for it."""
    if target.kind == "socket":
        return target.sockets
    if target.kind == "groups":
        return ()
    of_link = {"sndhwm": target.senders, "rcvhwm": target.receivers}
    if target.kind == "link":
        return of_link.get(fault.name, ())
    specs = {name: run.specs[name] for name in target.sockets}
    uses = {
        "sndhwm": [n for n, s in specs.items() if s.type.sends],
        "rcvhwm": [n for n, s in specs.items() if s.type.receives],
    }
    return tuple(uses.get(fault.name, specs))


def _message(run: Run, target: Target, fault: Fault, *, now: bool) -> str:
    if target.kind == "groups":
        return "it befalls the messages of a node or a link: give 'a' or 'a → b'"
    if fault.direction is None and target.kind == "link":
        return "it stops a whole node: give the name of one"
    if fault.direction is not None:
        sending = fault.direction is Direction.SEND
        sockets = target.senders if sending else target.receivers
        if not sockets:
            return "it sends nothing" if sending else "it receives nothing"
        why = _shared(run, target, sockets, sending=sending) or ("" if fault.lockstep else _in_turn(run, sockets))
        if why:
            return why
    proxied = [name for name in affected(target, fault) if now and run.is_proxied(name)]
    if proxied:
        return f"{proxied[0]} is served by zmq.proxy, whose messages never come up to Python: disturb its peers instead"
    return ""


def _in_turn(run: Run, sockets: tuple[str, ...]) -> str:
    """Where a message too few or too many would break the order that a socket type keeps."""
    turned = [name for name in sockets if run.specs[name].type in _IN_TURN]
    if not turned:
        return ""
    return (
        f"{turned[0]} is {run.specs[turned[0]].type}, which sends and receives in turn: a message too few or too many "
        "would be an error of its program (EFSM) and not of the network; over tcp there is zlab.faults.Cut()"
    )


def affected(target: Target, fault: Fault) -> tuple[str, ...]:
    """The sockets at whose gates a fault works."""
    if fault.direction is Direction.SEND:
        return target.senders
    return target.receivers if fault.direction is Direction.RECV else target.sockets


def _shared(run: Run, target: Target, sockets: tuple[str, ...], *, sending: bool) -> str:
    """Where the messages of a link cannot be told from those of others at the same socket."""
    for link in run.topology.links if target.kind == "link" else ():
        end, other = (link.sender, link.receiver) if sending else (link.receiver, link.sender)
        if end in sockets and link not in target.links:
            return (
                f"{end} also {'feeds' if sending else 'receives from'} {other}, and ZeroMQ does not tell the program "
                f"by which link a message goes: give it the node {node_of(end)!r}"
            )
    return ""
