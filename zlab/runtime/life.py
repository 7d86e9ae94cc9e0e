"""One life of a node: its context, its sockets and its thread, from opening to the end."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import zmq

from zlab.diagnosis.wildcard import advice
from zlab.ledger.snapshot import NodeState
from zlab.probe import ProbedSocket, probe
from zlab.recording import Direction, Recording
from zlab.runtime.gates import NodeGate, SocketGate
from zlab.runtime.interrupt import NodeEnded, interrupt
from zlab.runtime.options import apply_options
from zlab.sockets import TopologyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zlab.recordings import Recordings
    from zlab.runtime.connections import Connections
    from zlab.runtime.endpoints import Endpoints
    from zlab.topology import Node

Report = Callable[[str, str, str, str], None]
"""Takes the kind, the node, the socket and the detail of an event."""

GRACE = 0.3
"""Seconds that a node has to leave by itself once its context ends."""
CONTEXT_LIMIT = 1.0
"""Seconds that a context has at the least to end once its sockets are closed, which takes threads of libzmq's own."""


class Life:
    """What a node has between a start and its end; a restart makes another."""

    def __init__(
        self,
        node: Node,
        *,
        function: Callable[..., object],
        gate: NodeGate,
        natural: Callable[[str, Direction], float],
        recordings: Recordings,
        connections: Connections,
        shared: zmq.Context[Any] | None,
        io_threads: int,
        report: Report,
    ) -> None:
        """Make the sockets and set their options; they bind and connect after, all nodes in turn.

        Raises:
            TopologyError: libzmq does not take an option; nothing is left open.
        """
        self.node = node
        self.gate = gate
        self.state = NodeState.STARTING
        self.traceback = ""
        self.thread: threading.Thread | None = None
        self.recordings: dict[str, Recording] = {}
        self._function = function
        self._connections = connections
        self._report = report
        self.sockets: dict[str, ProbedSocket[Any]] = {}
        self._shared = shared
        self._context: zmq.Context[Any] = shared if shared is not None else zmq.Context(io_threads)
        self._terminator: threading.Thread | None = None
        self._closing = threading.RLock()
        self._over = threading.RLock()  # guards the step from running to over
        self._ending: NodeState | None = None
        self._left = False  # the function is over
        self._given_up = False  # nobody waits for that any more
        self._late: tuple[Endpoints, float] | None = None
        try:
            for key, spec in node.sockets.items():
                recording = Recording(node.name, key, str(spec.type))
                pass_by = SocketGate(gate, recording, natural=partial(natural, key))
                kind = getattr(zmq, spec.type)
                socket: Any = self._context.socket(kind)
                self.sockets[key] = socket
                probe(socket, recording, recordings, pass_by)
                for endpoint in spec.endpoints:
                    recording.meets(endpoint)
                self.recordings[key] = recording
                apply_options(f"{node.name}.{key}", spec, socket)
                connections.opened(recording.name, socket, recording)
        except BaseException:
            self.begin_end(NodeState.STOPPED)
            self.finish_end(GRACE)
            raise

    # --- beginning -----------------------------------------------------------------------------

    def bind(self, endpoints: Endpoints, limit: float = 0.0) -> None:
        """Bind what is to be bound.

        Args:
            endpoints: the lab's.
            limit: how long to try again while an address is still in use, in seconds.

        Raises:
            TopologyError: the address is taken, or is none.
        """
        for key, spec in self.node.sockets.items():
            for endpoint in spec.binds:
                url = endpoints.to_bind(endpoint)
                self._bind_one(key, url, limit)
                bound = (
                    self.sockets[key].getsockopt_string(zmq.LAST_ENDPOINT)
                    if url.startswith("tcp") or url.endswith("*")
                    else url
                )
                endpoints.bound(endpoint, bound)
                self._connections.bound(f"{self.node.name}.{key}", endpoint)
                self._report("bind", self.node.name, key, bound)

    def _bind_one(self, key: str, url: str, limit: float) -> None:
        deadline = time.monotonic() + limit
        while True:
            try:
                _bind_lasting(self.sockets[key], url)
            except zmq.ZMQError as error:
                if error.errno == zmq.EADDRINUSE and time.monotonic() < deadline:
                    time.sleep(0.02)
                    continue
                remedy = (
                    "another socket or program holds it: stop that, or let zlab choose a port by giving a bare name"
                    if error.errno == zmq.EADDRINUSE
                    else "give an address of this machine, such as tcp://127.0.0.1:5556, or a bare name"
                )
                raise TopologyError(f"{self.node.name}.{key} cannot bind {url}: {error}; {remedy}") from error
            else:
                return

    def connect(self, endpoints: Endpoints) -> None:
        """Connect what is to be connected.

        Raises:
            TopologyError: libzmq does not take the address.
        """
        for key, spec in self.node.sockets.items():
            for endpoint in spec.connects:
                url = endpoints.to_connect(f"{self.node.name}.{key}", endpoint)
                self._connections.connecting(f"{self.node.name}.{key}", endpoint, url)
                try:
                    self.sockets[key].connect(url)
                except zmq.ZMQError as error:
                    raise TopologyError(
                        f"{self.node.name}.{key} cannot connect to {url}: {error}{advice(url)}"
                    ) from error
                self._report("connect", self.node.name, key, url)

    def connect_late(self, endpoints: Endpoints, seconds: float) -> None:
        """Have the node's own thread connect, so many seconds after it has started."""
        self._late = endpoints, seconds

    def start(self, go: threading.Event) -> None:
        """Start the thread; the function runs once ``go`` is set."""
        self.state = NodeState.RUNNING
        thread = threading.Thread(target=self._main, args=(go,), name=f"zlab {self.node.name}", daemon=True)
        thread.start()
        self.thread = thread

    # --- the thread ----------------------------------------------------------------------------

    def _main(self, go: threading.Event) -> None:
        error: BaseException | None = None
        try:
            go.wait()
            if self._late is not None and self._ending is None:
                endpoints, seconds = self._late
                self.gate.rest(seconds)
                self.connect(endpoints)
            if self._ending is None:
                self._function(**self.sockets)
        except BaseException as raised:  # noqa: BLE001 - a failing node must not take the lab down
            error = raised
        while not self._left:
            try:
                self._leave(error)
            except NodeEnded:  # it came while leaving
                continue

    def _leave(self, error: BaseException | None) -> None:
        with self._over:
            if self._ending is not None:  # killed or stopped: whoever asked for it does the rest
                if error is not None and not isinstance(error, (NodeEnded, zmq.ZMQError)):
                    self._report("error", self.node.name, "", _format(error))
                if (
                    self._context is not self._shared
                ):  # while the function's frame holds them: nobody else may know them
                    close_all(self._context, but=self.sockets.values())
                if self._given_up:  # nobody waits any more
                    self.state = self._ending
                    self._close_sockets(linger=0)
            elif error is None or isinstance(error, SystemExit):
                # Its sockets stay open, so that what it has sent can still arrive.
                self.state = NodeState.FINISHED
                self._report("finish", self.node.name, "", "")
            else:
                self.traceback = _format(error)
                self.state = NodeState.FAILED
                self._report("error", self.node.name, "", self.traceback)
                self._close_sockets(linger=1000)
            self._left = True

    # --- ending --------------------------------------------------------------------------------

    @property
    def ending(self) -> NodeState | None:
        """How it was asked to end, or None."""
        return self._ending if self.state is not NodeState.FAILED else None

    @property
    def idle(self) -> bool:
        """Whether no thread uses its sockets, though they are open."""
        return self._left and self.state is NodeState.FINISHED

    def begin_end(self, state: NodeState, when: threading.Event | None = None) -> None:
        """Ask the node to end, without waiting for it; its context ends at once, or when that event is set."""
        with self._over:
            if self._ending is None:
                self._ending = state
        for recording in self.recordings.values():
            if recording.forwarded is not None:
                recording.forwarded.hold()  # what it has moved is told only while it runs
        self.gate.release()
        # Before the context ends: from then on libzmq takes no option, and a socket that lingers holds it up for ever.
        drop_unsent(self.sockets.values())
        if self._context is not self._shared:
            drop_unsent(tuple(getattr(self._context, "_sockets", ())))
        if self._context is not self._shared and self._terminator is None:
            # term() waits for the sockets, which close once the thread is out of them.
            terminator = threading.Thread(
                target=self._terminate, args=(when,), name=f"zlab term {self.node.name}", daemon=True
            )
            try:
                terminator.start()
            except RuntimeError:  # the interpreter ends and starts no threads: `interrupt` does it alone
                return
            self._terminator = terminator

    def _terminate(self, when: threading.Event | None) -> None:
        if when is not None:
            when.wait()
        self._context.term()

    def leaves_within(self, seconds: float) -> bool:
        """Whether the node leaves by itself in this time."""
        if self.thread is None or self.thread is threading.current_thread():
            return True
        patient = self._terminator is not None or self._context is self._shared
        self.thread.join(max(0.0, seconds) if patient else 0.0)
        return not self.thread.is_alive()

    def interrupt(self, limit: float) -> bool:
        """End the node whatever it is blocked in; returns whether it has left within the limit, in seconds."""
        for recording in self.recordings.values():
            if recording.forwarded is not None:
                recording.forwarded.turn()  # a proxy that always has something to move waits for nothing
        return self.thread is None or interrupt(self.thread, limit, over=lambda: self._left, leaving=self._over)

    def finish_end(self, limit: float) -> bool:
        """Wait for the node to end, close what it had, and wait for its context to end.

        Args:
            limit: how long to wait, in seconds.

        Returns:
            Whether the thread has ended; if not, an event says where it stands.
        """
        deadline = time.monotonic() + limit
        if not self.close(limit):
            return False
        self.end_context(max(CONTEXT_LIMIT, deadline - time.monotonic()))
        return True

    def close(self, limit: float) -> bool:
        """Wait for the node to end and close what it had; its context can end now.

        Args:
            limit: how long to wait, in seconds.

        Returns:
            Whether the thread has ended; if not, an event says where it stands.
        """
        own = self._context is not self._shared
        ended = self.leaves_within(min(GRACE, limit) if own else 0.0) or self.interrupt(max(0.1, limit - GRACE))
        with self._over:
            ended = ended or self._left  # at the last moment: then nobody but us closes its sockets
            self._given_up = not ended
        if not ended:
            self._report("error", self.node.name, "", f"did not end: {self.where()}")
            return False
        self._close_sockets(linger=0)
        if own:
            close_all(self._context)
        if self._ending is not None and self.state is not NodeState.FAILED:
            self.state = self._ending
        return True

    def end_context(self, limit: float) -> None:
        """Wait so many seconds for the end of its context, once it is closed; an event tells if it does not end."""
        if self._context is self._shared:
            return
        if self._terminator is None:
            self._context.term()  # nothing is open in it
            return
        self._terminator.join(max(0.0, limit))
        if self._terminator.is_alive():
            self._report("error", self.node.name, "", "its context did not end: a socket in it is still open")

    def where(self) -> str:
        """Where the node's thread stands now, as ``file:line in function``, and what to do about it."""
        frame = sys._current_frames().get(self.thread.ident or 0) if self.thread else None  # noqa: SLF001
        if frame is None:
            return "its thread has ended"
        last = traceback.extract_stack(frame)[-1]
        return (
            f"its thread stands at {last.filename}:{last.lineno} in {last.name}(), and ends when that returns; "
            f"Python cannot interrupt a call such as time.sleep(60): wait with socket.poll(60_000) instead"
        )

    def _close_sockets(self, linger: int) -> None:
        with self._closing:
            for recording in self.recordings.values():
                if recording.forwarded is not None:
                    recording.forwarded.close()
            for socket in self.sockets.values():
                if not socket.closed:
                    socket.close(linger)
            self._connections.ended(self.node.name, self._ending or self.state)


def _bind_lasting(socket: zmq.Socket[Any], url: str) -> None:
    """Bind a socket so that its context can end whenever its peers do.

    What libzmq makes for a peer that has connected is ended, once the connection breaks, by the LINGER that the
    socket had when it was bound. Where the socket is closed at that very moment, and has messages for that peer, it
    would wait for ever to send them (found in libzmq 4.3.5), and ``term()`` with it. What the socket itself is closed
    with is its LINGER of then.
    """
    linger = socket.getsockopt(zmq.LINGER)
    socket.setsockopt(zmq.LINGER, 0)
    try:
        socket.bind(url)
    finally:
        socket.setsockopt(zmq.LINGER, linger)


def drop_unsent(sockets: Iterable[zmq.Socket[Any]]) -> None:
    """Let these sockets keep nothing when they close; LINGER alone may be set from another thread."""
    for socket in sockets:
        if not socket.closed:
            with suppress(zmq.ZMQError):
                socket.set(zmq.LINGER, 0)


def close_all(context: zmq.Context[Any], but: Iterable[zmq.Socket[Any]] = ()) -> None:
    """Close the sockets that a node has opened by itself in a context of the lab, and left there."""
    kept = {id(socket) for socket in but}
    for socket in tuple(getattr(context, "_sockets", ())):
        if not socket.closed and id(socket) not in kept:
            socket.close(0)


def _format(error: BaseException) -> str:
    # The frames of the runtime itself say nothing to the reader.
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return "".join(line for line in lines if f'"{__file__}"' not in line)
