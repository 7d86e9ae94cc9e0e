"""Disturbances: the faults that are on now, what they befall, and how they are brought about and undone."""

from __future__ import annotations

import itertools
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Self

from zlab.faults import Option
from zlab.faults.fault import Fault, NetworkFault, NodeFault
from zlab.faults.wire import Wire
from zlab.ledger.reading import Strike
from zlab.ledger.snapshot import FaultFigures
from zlab.runtime.overrides import When
from zlab.runtime.refusals import affected, option_sockets, refuse
from zlab.runtime.targets import Given, Target, target
from zlab.sockets import node_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from zlab.runtime.relay import Route
    from zlab.runtime.run import Run
    from zlab.sockets import OptionValue


class Disturbance:
    """A fault that is on: what `Lab.fault` returns. Ends by `end`, or with the ``with`` block."""

    def __init__(self, number: int, target: Target, fault: Fault, since: float, over: partial[None]) -> None:
        """Note what it is; the runtime has brought it about."""
        self.number = number
        """The how-manieth of this lab it is, from 1."""
        self.target = target.name
        """What it befalls, as a person names it."""
        self.fault = fault
        self.nodes = (target.name,) if target.kind == "node" else _owners(target)
        """The nodes that are marked."""
        self.links = () if target.kind in {"node", "socket"} else tuple(map(str, target.links))
        """The links that are marked, by name."""
        self.since = since
        """In seconds since the lab started."""
        self._over = over

    def end(self) -> None:
        """Undo it; safe to call again, and after the lab has stopped."""
        self._over(self)

    def __enter__(self) -> Self:
        """Nothing more happens: it is on."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Undo it."""
        self.end()

    def __repr__(self) -> str:
        """Read as ``Delay(seconds=0.05) on worker-1``."""
        return f"{self.fault!r} on {self.target}"


def _owners(target: Target) -> tuple[str, ...]:
    return tuple(dict.fromkeys(node_of(name) for name in target.sockets))


class _Victim:
    """A node, for a fault that befalls it as a whole."""

    def __init__(self, run: Run, name: str) -> None:
        self._run, self._name = run, name

    def kill(self) -> None:
        self._run.kill(self._name)

    def restart(self, late: float = 0.0) -> None:
        self._run.restart(self._name, late)


class Disturbances:
    """Those of one lab."""

    def __init__(self, run: Run) -> None:
        """None is on."""
        self._run = run
        self._lock = threading.RLock()  # one begins or ends after the other
        self._guard = threading.Lock()  # apart from it: the clock must not wait for a node to end
        self._numbers = itertools.count(1)
        self._on: dict[Disturbance, Target] = {}
        self.options: dict[str, Mapping[str, OptionValue]] = {}
        """By socket: its options as faults have changed them; replaced as a whole, never changed in place."""
        self._strikes: list[Strike] = []  # of what is over, until the ledger has heard of it

    @property
    def on(self) -> tuple[Disturbance, ...]:
        """Those that are on, in the order in which they began."""
        with self._guard:
            return tuple(self._on)

    def figures(self) -> tuple[FaultFigures, ...]:
        """The same, as a snapshot tells them."""
        return tuple(FaultFigures(d.number, repr(d.fault), d.target, d.nodes, d.links) for d in self.on)

    def check(self, given: Given, fault: Fault, *, now: bool = True) -> Target:
        """What a fault would befall.

        Args:
            given: the target.
            fault: what is to befall it.
            now: whether what the nodes do at this moment counts too.

        Raises:
            KeyError, TypeError, ValueError: it cannot; the message says why, and what to do.
        """
        found = target(self._run.topology, given)
        refuse(self._run, found, fault, now=now)
        return found

    def begin(self, given: Given, fault: Fault) -> Disturbance:
        """Bring a fault about.

        Raises:
            KeyError, TypeError, ValueError: it cannot be; nothing has changed.
            RuntimeError: the lab is stopped.
        """
        run = self._run
        found = self.check(given, fault)
        with self._lock:
            if run.stopped:
                raise RuntimeError("the lab is stopped, and nothing more can befall it: run the topology again")
            made = Disturbance(
                next(self._numbers), found, fault, time.perf_counter() - run.began, partial(Disturbances._end, self)
            )
            run.report("fault", *_place(found), f"{fault!r}{_on(found)}")
            self._add(made, found)
            try:
                self._bring_about(made, found)
            except BaseException:
                self._remove(made)
                raise
            if getattr(fault, "once", False):
                self._remove(made)
                self._carry()
            return made

    def _bring_about(self, made: Disturbance, found: Target) -> None:
        run, fault = self._run, made.fault
        if isinstance(fault, NodeFault):
            fault.begin(_Victim(run, found.name))
        elif isinstance(fault, NetworkFault):
            self._carry()
        elif isinstance(fault, Option):
            for name in option_sockets(run, found, fault):
                node = run.nodes[node_of(name)]
                node.overrides.put(name, fault.name, fault.value, made)
                node.set_options(name)
            run.apply()
        else:
            for name in affected(found, fault):
                run.nodes[node_of(name)].add_fault(name, made, fault.at(name))
            run.apply()

    def _end(self, made: Disturbance) -> None:
        run = self._run
        with self._lock:
            found = self._remove(made)
            if found is None or run.stopped:
                return
            fault = made.fault
            if isinstance(fault, NodeFault):
                fault.end(_Victim(run, found.name))
            elif isinstance(fault, NetworkFault):
                self._carry()
            elif isinstance(fault, Option):
                for name in option_sockets(run, found, fault):
                    node = run.nodes[node_of(name)]
                    node.overrides.take(name, fault.name, made)
                    node.set_options(name)
                run.apply()
            else:
                for node in run.nodes.values():
                    node.remove_faults(made)
                run.apply()
                run.world.notify()  # of what it held, it lets go
            run.report("fault over", *_place(found), f"{fault!r}{_on(found)}")

    def _add(self, made: Disturbance, found: Target) -> None:
        with self._guard:
            self._on[made] = found
            self._strikes += self._struck(made, found)

    def _remove(self, made: Disturbance) -> Target | None:
        with self._guard:
            found = self._on.pop(made, None)
            if found is not None:
                self._strikes += self._struck(made, found)
            return found

    # --- options -------------------------------------------------------------------------------

    def altered(self, socket: str, option: str, value: OptionValue, when: When, again: str) -> None:
        """Hear of an option that a fault has set, or was to, in the thread that does it."""
        run, (node, _, key) = self._run, socket.rpartition(".")
        if when is When.NEVER:
            run.report("error", node, key, f"{option} = {value!r} was not set: {again}")
            return
        remedy = "" if when is When.NOW else f" {when}: restart {node} to see it"
        run.report("option", node, key, " ".join(filter(None, (f"{option} = {value!r}", again))) + remedy)
        if when is When.NOW:
            own = run.specs[socket].options
            known = {**self.options.get(socket, own), option: value}
            if again and option not in own:
                del known[option]
            self.options = {**self.options, socket: known}
        run.apply()

    def renew(self, node: str) -> None:
        """Hear that a node begins with new sockets, and so with options of its own."""
        mine = {name: self._run.specs[name].options for name in self.options if node_of(name) == node}
        self.options = {**self.options, **mine}

    # --- the network ---------------------------------------------------------------------------

    def strikes(self) -> tuple[Strike, ...]:
        """The links that are broken, or were since the last call."""
        with self._guard:
            past, self._strikes = self._strikes, []
            now = [strike for made, found in self._on.items() for strike in self._struck(made, found)]
            return (*past, *now)

    def _struck(self, made: Disturbance, found: Target) -> list[Strike]:
        """The links that a fault breaks: a connection carries those of both directions."""
        fault = made.fault
        if not isinstance(fault, NetworkFault) or not fault.reason:
            return []
        touched = {(link.endpoint, frozenset((link.sender, link.receiver))) for link in found.links}
        return [
            Strike(link.sender, link.receiver, fault.reason)
            for link in self._run.topology.links
            if (link.endpoint, frozenset((link.sender, link.receiver))) in touched
            and self._run.endpoints.uses_tcp(link.endpoint)
        ]

    def _carry(self) -> None:
        """Have the relay carry bytes as all faults together want it."""
        wires: dict[Route, tuple[Wire, Wire]] = {}
        with self._guard:
            on = tuple(self._on.items())
        for made, found in on:
            if not isinstance(made.fault, NetworkFault):
                continue
            wire = made.fault.wire()
            seen: set[Route] = set()
            for link in found.links:
                connector = link.sender if link.endpoint in self._run.specs[link.sender].connects else link.receiver
                route = connector, link.endpoint
                if route in seen:
                    continue
                seen.add(route)
                outward = connector == link.sender if found.kind == "link" else node_of(connector) in found.nodes
                none = wire if wire.both else Wire()
                there, back = (wire, none) if outward else (none, wire)
                before = wires.get(route, (Wire(), Wire()))
                wires[route] = before[0] + there, before[1] + back
        if self._run.endpoints.relay is not None:
            self._run.endpoints.relay.set(wires)


def _place(found: Target) -> tuple[str, str]:
    """The node and the socket of an event."""
    if found.kind == "node":
        return found.name, ""
    if found.kind == "socket":
        node, _, key = found.name.rpartition(".")
        return node, key
    return "", ""


def _on(found: Target) -> str:
    return "" if found.kind in {"node", "socket"} else f" on {found.name}"
