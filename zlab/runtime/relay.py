"""The relay: one thread that carries the bytes of a lab's tcp connections, so that the network can be disturbed.

libzmq sees nothing of it but an address. Each socket that connects has a port of the relay's for each of its
endpoints, so a connection is known by the port at which it comes in. A lab that did not ask for it has none.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from errno import EINPROGRESS
from functools import partial
from typing import TYPE_CHECKING

from zlab.faults.wire import Wire
from zlab.runtime.addresses import host_and_port
from zlab.runtime.arrival import unread, unsent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_CHUNK = 65_536  # bytes read at once, and kept of each direction while there is no latency
_ON_THE_WAY = 4_194_304  # bytes kept of each direction where they take their time
_SLICE = 0.02  # seconds of a limited rate that are sent in one go
_LIMIT = 2.0  # seconds within which the thread does what it is told
_NO_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets the connection

Route = tuple[str, str]
"""The socket that connects, as ``node.socket``, and the endpoint."""


@dataclass(slots=True, eq=False)
class _Flow:
    """One direction of one connection."""

    source: socket.socket
    target: socket.socket
    there: bool
    """Whether it is the direction from the socket that connects."""
    wire: Wire = field(default_factory=Wire)
    chunks: deque[tuple[float, memoryview]] = field(default_factory=deque)
    """What has come, and when it is due."""
    size: int = 0
    free: float = 0.0
    """When a limited rate lets the next bytes pass."""
    ended: bool = False
    """Whether the source has said that nothing more follows."""
    told: bool = False
    """Whether the target has been told so."""

    def due(self) -> float:
        """When the next bytes may go."""
        if self.wire.held:
            return float("inf")
        if self.chunks:
            return max(self.chunks[0][0], self.free)
        return 0.0 if self.ended and not self.told else float("inf")

    def takes(self) -> bool:
        """Whether it has room for more."""
        room = _ON_THE_WAY if self.wire.latency else _CHUNK
        return not self.wire.held and not self.ended and self.size < room


@dataclass(slots=True, eq=False)
class _Port:
    """Where the connections of one route come in."""

    listener: socket.socket
    host: str
    number: int
    wires: tuple[Wire, Wire] = (Wire(), Wire())
    """There, from the socket that connects, and back."""
    connections: set[_Connection] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Connection:
    """A connection that came in, and the one that was made for it."""

    port: _Port
    near: socket.socket
    far: socket.socket
    flows: tuple[_Flow, _Flow]
    connecting: bool = True


class Relay:
    """Carries bytes, in a thread of its own, until it is closed."""

    def __init__(self, report: Callable[[str, str, str, str], None]) -> None:
        """Start the thread.

        Args:
            report: takes the kind, the node, the socket and the detail of an event.
        """
        self._report = report
        self._ports: dict[Route, _Port] = {}
        self._selector = selectors.DefaultSelector()
        self._inside, self._outside = socket.socketpair()
        self._inside.setblocking(False)  # noqa: FBT003 - its signature
        self._selector.register(self._inside, selectors.EVENT_READ)
        self._orders: deque[tuple[Callable[[], None], threading.Event, list[OSError]]] = deque()
        self._looked = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._main, name="zlab relay", daemon=True)
        self._thread.start()

    # --- what others ask of it -----------------------------------------------------------------

    def route(self, route: Route, url: str) -> str:
        """The address to connect to instead of this one; the same each time.

        Args:
            route: who connects, and to which endpoint.
            url: the tcp address that the other side has bound.
        """
        host, number = host_and_port(url)
        port = self._ports.get(route)
        if port is None:
            port = _Port(_listener(0), host, int(number))
            try:
                self._do(partial(self._open, route, port))
            except BaseException:
                port.listener.close()
                raise
        return "tcp://{}:{}".format(*port.listener.getsockname())

    def set(self, wires: Mapping[Route, tuple[Wire, Wire]]) -> None:
        """Carry bytes so from now on; returns once it is so.

        Args:
            wires: for each disturbed route how bytes go there, from the socket that connects, and back.
        """

        def apply() -> None:
            for route, port in self._ports.items():
                self._set(port, wires.get(route, (Wire(), Wire())))

        self._do(apply)

    def empty(self, route: Route) -> bool:
        """Whether all that has come on a route has been passed on, and received by the other side's kernel."""
        told: list[bool] = []

        def look() -> None:
            port = self._ports.get(route)
            ends = [end for c in port.connections for end in (c.near, c.far)] if port is not None else []
            held = port is not None and any(flow.chunks for c in port.connections for flow in c.flows)
            told.append(not held and not any(unread(end.fileno()) or unsent(end.fileno()) for end in ends))

        self._do(look)
        return bool(told) and told[0]

    def close(self) -> None:
        """Break all connections and end the thread."""
        if self._closed:
            return
        self._closed = True
        with suppress(OSError):  # it was awake and has ended by itself
            self._outside.send(b".")
        self._thread.join(_LIMIT)
        if self._thread.is_alive():
            self._report("error", "", "", f"the relay did not end within {_LIMIT:g} s")
        self._outside.close()

    def _do(self, order: Callable[[], None]) -> None:
        """Have the thread do something, and wait for it.

        Raises:
            OSError: the system does not let it.
            TimeoutError: it did not within 2 seconds.
        """
        if self._closed:
            return
        done, failed = threading.Event(), list[OSError]()
        self._orders.append((order, done, failed))
        self._outside.send(b".")
        if not done.wait(_LIMIT):
            raise TimeoutError(f"the relay did not answer within {_LIMIT:g} s; lab.events() may tell why")
        if failed:
            raise failed[0]

    # --- the thread ----------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            while not self._closed:
                self._turn()
        except Exception:  # noqa: BLE001 - a relay that fails must not fail silently
            self._report("error", "", "", traceback.format_exc())
        finally:
            for port in self._ports.values():
                for connection in tuple(port.connections):
                    self._drop(connection)
                port.listener.close()
            self._selector.close()
            self._inside.close()
            for _, done, _ in self._orders:
                done.set()

    def _turn(self) -> None:
        # What was due when it was looked at last waits for room at its target, which the selector tells.
        due = min((at for flow in self._flows() if (at := flow.due()) > self._looked), default=float("inf"))
        for key, events in self._selector.select(None if due == float("inf") else max(0.0, due - time.monotonic())):
            if key.fileobj is self._inside:
                self._inside.recv(_CHUNK)
            elif isinstance(key.data, _Port):
                self._accept(key.data)
            elif key.data in key.data.port.connections:
                self._serve(key.data, key.fileobj, events)
        while self._orders:
            order, done, failed = self._orders.popleft()
            try:
                order()
            except OSError as error:
                failed.append(error)
            done.set()
        now = self._looked = time.monotonic()
        for port in self._ports.values():
            for connection in tuple(port.connections):
                if any(flow.due() <= now for flow in connection.flows):
                    self._pass_on(connection, now)
                self._attend(connection, now)

    def _open(self, route: Route, port: _Port) -> None:
        port.listener.listen()
        self._selector.register(port.listener, selectors.EVENT_READ, port)
        self._ports[route] = port

    def _flows(self) -> Iterator[_Flow]:
        for port in self._ports.values():
            for connection in port.connections:
                if not connection.connecting:
                    yield from connection.flows

    def _accept(self, port: _Port) -> None:
        try:
            near, _ = port.listener.accept()
        except OSError:  # it has gone again
            return
        far = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        flows = _Flow(near, far, True, port.wires[0]), _Flow(far, near, False, port.wires[1])  # noqa: FBT003
        connection = _Connection(port, near, far, flows)
        port.connections.add(connection)
        for end in (near, far):
            end.setblocking(False)  # noqa: FBT003 - its signature
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if far.connect_ex((port.host, port.number)) not in {0, EINPROGRESS}:
            self._drop(connection)

    def _serve(self, connection: _Connection, end: object, events: int) -> None:
        if connection.connecting and end is connection.far:
            if connection.far.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._drop(connection)
                return
            connection.connecting = False
        try:
            for flow in connection.flows:
                if flow.source is end and events & selectors.EVENT_READ and flow.takes():
                    self._take(flow)
        except BlockingIOError:
            pass
        except OSError:  # reset by one side: by the other too
            self._drop(connection)

    @staticmethod
    def _take(flow: _Flow) -> None:
        data = flow.source.recv(_CHUNK)
        flow.ended = not data
        if data:
            flow.chunks.append((time.monotonic() + flow.wire.latency, memoryview(data)))
            flow.size += len(data)

    def _pass_on(self, connection: _Connection, now: float) -> None:
        if connection.connecting:
            return
        try:
            for flow in connection.flows:
                with suppress(BlockingIOError):
                    self._give(flow, now)
        except OSError:
            self._drop(connection)
            return
        if all(flow.told for flow in connection.flows):
            self._drop(connection, reset=False)

    @staticmethod
    def _give(flow: _Flow, now: float) -> None:
        while flow.chunks and flow.due() <= now:
            at, data = flow.chunks[0]
            share = data[: max(1, int(flow.wire.rate * _SLICE))] if flow.wire.rate < len(data) / _SLICE else data
            sent = flow.target.send(share)
            flow.size -= sent
            flow.free = max(now, flow.free) + sent / flow.wire.rate
            flow.chunks.popleft()
            if sent < len(data):
                flow.chunks.appendleft((at, data[sent:]))
        if flow.ended and not flow.chunks and not flow.told and not flow.wire.held:
            flow.told = True
            flow.target.shutdown(socket.SHUT_WR)

    def _attend(self, connection: _Connection, now: float) -> None:
        """Ask the system for what concerns a connection now, and for nothing else."""
        if connection not in connection.port.connections:
            return
        for end in (connection.near, connection.far):
            wanted = _interest(connection, end, now)
            known = self._selector.get_map().get(end)
            if known is None:
                if wanted:
                    self._selector.register(end, wanted, connection)
            elif not wanted:  # else a connection that broke while it is held would wake us for ever
                self._selector.unregister(end)
            elif known.events != wanted:
                self._selector.modify(end, wanted, connection)

    def _set(self, port: _Port, wires: tuple[Wire, Wire]) -> None:
        before, port.wires = port.wires, wires
        breaks = any(w.broken or w.reset for w in wires)
        for connection in tuple(port.connections):
            if breaks:
                self._drop(connection)
            for flow, wire in zip(connection.flows, wires, strict=True):
                flow.wire, flow.free = wire, 0.0
        broken, was = (any(wire.broken for wire in pair) for pair in (wires, before))
        if broken and not was:  # a socket that is bound and does not listen refuses
            number = port.listener.getsockname()[1]
            self._selector.unregister(port.listener)
            port.listener.close()
            port.listener = _listener(number)
        elif was and not broken:
            port.listener.listen()
            self._selector.register(port.listener, selectors.EVENT_READ, port)

    def _drop(self, connection: _Connection, *, reset: bool = True) -> None:
        connection.port.connections.discard(connection)
        for end in (connection.near, connection.far):
            if end in self._selector.get_map():
                self._selector.unregister(end)
            if reset:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            end.close()


def _interest(connection: _Connection, end: socket.socket, now: float) -> int:
    """What is to be heard of one end of a connection."""
    if connection.connecting:
        return selectors.EVENT_WRITE if end is connection.far else 0
    wanted = 0
    for flow in connection.flows:
        if flow.source is end and flow.takes():
            wanted |= selectors.EVENT_READ
        if flow.target is end and flow.due() <= now:
            wanted |= selectors.EVENT_WRITE
    return wanted


def _listener(number: int) -> socket.socket:
    """A socket at a port of this machine, or at one that the system chooses; it does not listen yet."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", number))
        made.setblocking(False)  # noqa: FBT003 - its signature
    except OSError:
        made.close()
        raise
    return made
