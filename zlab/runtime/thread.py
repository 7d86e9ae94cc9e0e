"""One node, alive: its context, its sockets and the thread that runs its function."""

from __future__ import annotations

import copy
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import zmq

from zlab.ledger.snapshot import NodeState
from zlab.probe import ProbedSocket
from zlab.recording import Recording, Recordings
from zlab.runtime.gates import NodeGate, SocketGate, World
from zlab.runtime.interrupt import NodeEnded, interrupt
from zlab.runtime.options import apply_options
from zlab.topology import Node, Socket, SocketType, TopologyError

if TYPE_CHECKING:
    from zlab.runtime.endpoints import Endpoints

Report = Callable[[str, str, str, str], None]
"""Takes the kind, the node, the socket and the detail of an event."""

KNOBS = ("rate", "size")
"""What can be tuned while a node runs, where its function has an attribute of that name."""

GRACE = 0.3
"""Seconds that a node has to leave by itself once its context ends."""
REBIND = 2.0
"""Seconds that a port of the node's last life has to become free again."""
_ALWAYS_BEGINS = {SocketType.REQ, SocketType.PAIR, SocketType.DEALER}
_UNSEEN_RATE = 100.0  # messages per second: what slow motion takes for a socket that has not sent yet


class NodeThread:
    """A node of a running lab; it can be killed and restarted any number of times."""

    def __init__(
        self,
        node: Node,
        *,
        endpoints: Endpoints,
        recordings: Recordings,
        world: World,
        shared: zmq.Context[Any] | None,
        report: Report,
    ) -> None:
        """Prepare the node; nothing is opened yet."""
        self.node = node
        self.name = node.name
        # Each lab tunes its own copy: the topology stays data.
        self.function = copy.copy(node.function) if is_dataclass(node.function) else node.function
        self.gate = NodeGate(world)
        self.state = NodeState.STARTING
        self.since = time.perf_counter()
        self.traceback = ""
        self.thread: threading.Thread | None = None
        self.rates: dict[str, float] = {}
        """The highest rate seen of each socket at full speed, in messages per second."""
        self.recordings_by_socket: dict[str, Recording] = {}
        self.sockets: dict[str, ProbedSocket[Any]] = {}
        self._endpoints = endpoints
        self._recordings = recordings
        self._shared = shared
        self._context: zmq.Context[Any] | None = None
        self._terminator: threading.Thread | None = None
        self._report = report
        self._lock = threading.RLock()
        self._over = threading.Lock()  # guards the step from running to over
        self._ending: NodeState | None = None
        self._left = False  # the function is over
        self._given_up = False  # nobody waits for that any more

    # --- opening -------------------------------------------------------------------------------

    def open(self) -> None:
        """Make the sockets and set their options; bind and connect come after, for all nodes in turn."""
        self._context = self._shared if self._shared is not None else zmq.Context()
        for key, spec in self.node.sockets.items():
            recording = Recording(self.name, key, str(spec.type))
            gate = SocketGate(self.gate, begins=self._begins(spec), natural=partial(self._natural, key))
            make: Any = partial(ProbedSocket, recording=recording, recordings=self._recordings, gate=gate)
            socket: Any = self._context.socket(int(getattr(zmq, spec.type)), socket_class=make)
            self.sockets[key] = socket
            self.recordings_by_socket[key] = recording
            apply_options(f"{self.name}.{key}", spec, socket)

    def bind(self, limit: float = 0.0) -> None:
        """Bind what is to be bound.

        Args:
            limit: how long to try again while an address is still in use, in seconds.

        Raises:
            TopologyError: the address is taken, or is none.
        """
        for key, spec in self.node.sockets.items():
            for endpoint in spec.binds:
                url = self._endpoints.to_bind(endpoint)
                self._bind_one(f"{self.name}.{key}", self.sockets[key], url, limit)
                bound = self.sockets[key].getsockopt_string(zmq.LAST_ENDPOINT) if url.startswith("tcp") else url
                self._endpoints.bound(endpoint, bound)
                self._report("bind", self.name, key, bound)

    def _bind_one(self, name: str, socket: ProbedSocket[Any], url: str, limit: float) -> None:
        deadline = time.monotonic() + limit
        while True:
            try:
                socket.bind(url)
            except zmq.ZMQError as error:
                if error.errno == zmq.EADDRINUSE and time.monotonic() < deadline:
                    time.sleep(0.02)
                    continue
                remedy = (
                    "another socket or program holds it: stop that, or let zlab choose a port by giving a bare name"
                    if error.errno == zmq.EADDRINUSE
                    else "give an address of this machine, such as tcp://127.0.0.1:5556, or a bare name"
                )
                raise TopologyError(f"{name} cannot bind {url}: {error}; {remedy}") from error
            else:
                return

    def connect(self) -> None:
        """Connect what is to be connected."""
        for key, spec in self.node.sockets.items():
            for endpoint in spec.connects:
                url = self._endpoints.of(endpoint)
                try:
                    self.sockets[key].connect(url)
                except zmq.ZMQError as error:
                    raise TopologyError(f"{self.name}.{key} cannot connect to {url}: {error}") from error
                self._report("connect", self.name, key, url)

    def start(self, go: threading.Event) -> None:
        """Start the thread; the function runs once ``go`` is set."""
        self._become(NodeState.RUNNING)
        self.thread = threading.Thread(target=self._main, args=(go,), name=f"zlab {self.name}", daemon=True)
        self.thread.start()

    # --- the thread ----------------------------------------------------------------------------

    def _main(self, go: threading.Event) -> None:
        try:
            try:
                go.wait()
                if self._ending is None:
                    self.function(**self.sockets)
            except BaseException as error:  # noqa: BLE001 - a failing node must not take the lab down
                self._leave(error)
            else:
                self._leave(None)
        except NodeEnded:
            self._leave(None)

    def _leave(self, error: BaseException | None) -> None:
        with self._over:
            self._left = True
            if self._ending is not None:  # killed or stopped: whoever asked for it does the rest
                if error is not None and not isinstance(error, (NodeEnded, zmq.ZMQError)):
                    self._report("error", self.name, "", _format(error))
                if self._given_up:  # nobody waits any more
                    self._close_sockets(linger=0)
                return
            if error is None or isinstance(error, SystemExit):
                # Its sockets stay open, so that what it has sent can still arrive.
                self._become(NodeState.FINISHED)
                self._report("finish", self.name, "", "")
                return
            self.traceback = _format(error)
            self._become(NodeState.FAILED)
            self._report("error", self.name, "", self.traceback)
            self._close_sockets(linger=1000)

    # --- ending --------------------------------------------------------------------------------

    def begin_end(self, state: NodeState) -> None:
        """Ask the node to end, without waiting for it."""
        with self._over:
            if self._ending is None:
                self._ending = state
        self.gate.release()
        for recording in self.recordings_by_socket.values():
            if recording.forwarded is not None:
                recording.forwarded.read()  # what it has moved is told only while it runs
        if self._context is not None and self._context is not self._shared and self._terminator is None:
            # term() waits for the sockets, which close once the thread is out of them.
            self._terminator = threading.Thread(target=self._context.term, name=f"zlab term {self.name}", daemon=True)
            self._terminator.start()

    def finish_end(self, limit: float, *, grace: float | None = None) -> bool:
        """Wait for the node to end and close what it had.

        Args:
            limit: how long to wait, in seconds.
            grace: how long it may take to leave by itself; by default long enough for a
                terminated context to be noticed.

        Returns:
            Whether the thread has ended; if not, an event says where it stands.
        """
        deadline = time.monotonic() + limit
        thread = self.thread
        ended = True
        if thread is not None and thread is not threading.current_thread():
            if grace is None:
                grace = 0.0 if self._context is self._shared else GRACE
            thread.join(min(grace, limit))
            ended = not thread.is_alive() or interrupt(thread, max(0.1, deadline - time.monotonic()))
        with self._over:
            ended = ended or self._left  # at the last moment: then nobody but us closes its sockets
            self._given_up = not ended
        if not ended:
            self._report("error", self.name, "", f"did not end within {limit:g} s: {self.where()}")
            return False
        self._close_sockets(linger=0)
        if self._terminator is not None:
            self._terminator.join(max(0.1, deadline - time.monotonic()))
        if self._ending is not None and self.state is not NodeState.FAILED:
            self._become(self._ending)
        return True

    def where(self) -> str:
        """Where the node's thread stands now, as ``file:line in function``."""
        frame = sys._current_frames().get(self.thread.ident or 0) if self.thread else None  # noqa: SLF001
        if frame is None:
            return "its thread has ended"
        last = traceback.extract_stack(frame)[-1]
        return f"its thread stands at {last.filename}:{last.lineno} in {last.name}()"

    def _close_sockets(self, linger: int) -> None:
        with self._lock:
            for recording in self.recordings_by_socket.values():
                if recording.forwarded is not None:
                    recording.forwarded.close()
            for socket in self.sockets.values():
                if not socket.closed:
                    socket.close(linger)

    def reset(self) -> None:
        """Forget the last life, so that `open` can begin another."""
        self.sockets, self.recordings_by_socket = {}, {}
        self.traceback = ""
        self.thread = None
        self._context = self._terminator = None
        self._ending = None
        self._given_up = self._left = False
        self.gate.released = False

    # --- figures -------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether its function is running."""
        return self.thread is not None and self.thread.is_alive()

    def knobs(self) -> Mapping[str, float]:
        """What can be tuned, and how it stands."""
        found = {knob: getattr(self.function, knob, None) for knob in KNOBS}
        return {k: float(v) for k, v in found.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}

    def _become(self, state: NodeState) -> None:
        self.state = state
        self.since = time.perf_counter()

    def _begins(self, spec: Socket) -> bool:
        if spec.type in _ALWAYS_BEGINS:
            return len(self.node.sockets) == 1 or spec.type is SocketType.REQ
        receives = any(other.type.receives for other in self.node.sockets.values())
        return spec.type in {SocketType.PUSH, SocketType.PUB, SocketType.XPUB} and not receives

    def _natural(self, key: str) -> float:
        rate = self.knobs().get("rate", 0.0)
        if rate > 0 and math.isfinite(rate):
            return rate
        return self.rates.get(key) or _UNSEEN_RATE


def _format(error: BaseException) -> str:
    # The frames of the runtime itself say nothing to the reader.
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    own = [i for i, line in enumerate(lines) if f'"{__file__}"' in line]
    return "".join(line for i, line in enumerate(lines) if i not in own)
