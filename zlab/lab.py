"""The lab: a topology that runs, and all that can be done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.ledger import frames
from zlab.observed import Observed, check_trace, delivered
from zlab.runtime import registry
from zlab.runtime.chaos import Chaos, plan
from zlab.runtime.run import Run
from zlab.sockets import TopologyError
from zlab.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    import pandas as pd

    from zlab.faults.fault import Fault
    from zlab.recording import Event, Key
    from zlab.runtime.breakpoints import Breakpoint
    from zlab.runtime.chaos import Menu
    from zlab.runtime.disturbances import Disturbance
    from zlab.runtime.targets import Given

LARGEST = 10_000_000
"""Bytes of the largest message that a node can be tuned to."""


class Lab(Observed):
    """A running topology. Made by `zlab.run`; a context manager that stops it at the end.

    As the last expression of a cell in JupyterLab it shows its live dashboard. All methods may be
    called from any thread.
    """

    steerable = True

    def __init__(
        self,
        topology: Topology,
        transport: str,
        *,
        key: Key | None = None,
        trace: str = "adaptive",
        relay: bool = False,
        exposed: bool = False,
    ) -> None:
        """Start it; use `zlab.run`."""
        self._run = Run(topology, transport, key=key, full=check_trace(trace), relay=relay, exposed=exposed)
        super().__init__(self._run)
        self.subscribe(self._run.connections.heard_of)
        self.subscribe(self._run.steering.check)

    # --- what it is ----------------------------------------------------------------------------

    @property
    def transport(self) -> str:
        """What bare endpoint names were resolved to: ``inproc``, ``ipc`` or ``tcp``."""
        return self._run.endpoints.transport

    # --- what can be done to it ----------------------------------------------------------------

    def pause(self, where: str | None = None) -> None:
        """Stop the world, or a part of it: no message is sent or delivered there until `resume`, and none is lost.

        A node waits before its message goes further: what it was about to send is not sent, and what it has
        received from ZeroMQ has not reached its program, and counts as queued. A call of send that is under way in
        ZeroMQ ends there.

        Args:
            where: a node (``worker-1``), a socket (``worker-1.tasks``), a link (``ventilator → worker-1``, or
                ``->``), or None for all. Of a link the receiving end is held where it serves no other link, so that
                nothing more is delivered; otherwise the sending end, so that nothing more is sent, and what is
                queued still arrives. A PUB that is not paused drops for a paused subscriber what is over its
                high-water mark, as for any slow one.

        Raises:
            KeyError: no such place.
            ValueError: a link that cannot be held without holding another; the message says what to pause instead.
        """
        self._run.steering.pause(where)

    def resume(self, where: str | None = None, *, speed: float | None = None) -> None:
        """Go on after `pause` or a breakpoint, or change the speed.

        Args:
            where: as for `pause`; None lets everything go on, also what was paused by itself.
            speed: 1.0 is full speed; 0.1 lets every source send a tenth as often, or a node, a socket or a link take
                a tenth of the messages, each in its order; None keeps the speed as it is. A message itself crosses
                as fast as ever, so latencies stay true. A part of 100 messages a second is taken where nothing has
                been sent yet at full speed.

        Raises:
            KeyError: no such place.
            ValueError: a speed that is not above 0 and at most 1, or a link that cannot be told from others.
        """
        self._run.steering.resume(where, speed)

    def step(self, n: int = 1, where: str | None = None, *, timeout: float = 10.0) -> int:
        """Let exactly so many messages move, the longest held first; then it stands again.

        A message moves when the program that receives it gets it. At a node that only sends, or a link that is held
        at its sending end, it moves when it is sent. Where none is there yet, what is held upstream is let through,
        one by one and the nearest first, until one comes: so a step of one node moves exactly n messages there, and
        no more elsewhere than these need. What runs is paused first.

        Args:
            n: how many.
            where: as for `pause`; None is the next messages anywhere.
            timeout: how long to wait for each of them, in seconds.

        Returns:
            How many have moved: fewer than n where a breakpoint was met, or `resume` was called meanwhile.

        Raises:
            KeyError: no such place.
            RuntimeError: the lab is stopped.
            ValueError: no whole number above 0, or a link that cannot be told from others.
            TimeoutError: nothing came to move; the message says what each node waits for.
        """
        return self._run.steering.step(n, where, timeout=timeout)

    def break_on(
        self,
        where: str | None = None,
        *,
        topic: str | bytes | None = None,
        body: str | bytes | None = None,
        when: Callable[[list[bytes]], object] | None = None,
        queue: tuple[str, int] | None = None,
        drop: bool = False,
    ) -> Breakpoint:
        """Stop the world at a message, before it goes further; `resume` goes on past it.

        What is asked for of a message must all hold. Without ``where``, a message is looked at where it is sent (or
        received, where it comes from outside the lab). A queue and a drop are known from counts: there the world
        stops at the next tick of the lab's clock, ten times a second.

        Args:
            where: ``worker-1.recv`` or ``worker-1.send``, or a place as for `pause`.
            topic: what the first frame of a published message begins with.
            body: what the last frame contains.
            when: called with the frames, quickly, in the node's thread; true stops the world. Where it raises, the
                message passes, and an event says so.
            queue: a link and a number: more messages than these are queued on it.
            drop: a message is dropped, anywhere and for whatever reason.

        Returns:
            The breakpoint: `remove` it, or use it as a context manager. `breakpoints` lists those that there are.

        Raises:
            KeyError: no such place.
            RuntimeError: the lab is stopped.
            ValueError: nothing to break on, or what does not go together.

        Example:
            >>> import zlab
            >>> with zlab.run(zlab.patterns.pipeline()) as lab, lab.break_on("sink.recv"):
            ...     lab.wait(until=lambda snapshot: snapshot.state == "paused")
        """
        return self._run.steering.break_on(
            self._clock.look(), where, topic=topic, body=body, when=when, queue=queue, drop=drop
        )

    @property
    def breakpoints(self) -> tuple[Breakpoint, ...]:
        """Those that have not been removed."""
        return self._run.steering.breakpoints

    def tune(self, *nodes: str, rate: float | None = None, size: int | None = None) -> None:
        """Change how fast and how large nodes send, while they run.

        Args:
            nodes: which; none means all that can be tuned.
            rate: messages per second.
            size: bytes a message, at most 10,000,000; a node never sends less than its message needs.

        Raises:
            KeyError: no such node.
            RuntimeError: the lab is stopped.
            ValueError: a negative or too large figure, or none of the nodes can be tuned so.
        """
        if rate is not None and not rate >= 0:
            raise ValueError(f"rate={rate!r}: give zero or more messages per second")
        if size is not None and not 0 <= size <= LARGEST:
            raise ValueError(f"size={size!r}: give 0 to {LARGEST:,} bytes")
        for name in nodes:
            self._run.find(name)
        self._run.tune(nodes or tuple(self._run.nodes), rate=rate, size=size)

    def kill(self, node: str) -> None:
        """End a node at once, whatever it is blocked in; what is in its queues is lost.

        Raises:
            KeyError: no such node.
            RuntimeError: it is a node of the lab that asks.
            TimeoutError: it did not end within 2 seconds; the message says where it stands.
        """
        self._run.kill(node)

    def restart(self, node: str) -> None:
        """Start a node again, with new sockets at the same endpoints; one that runs is killed first.

        Raises:
            KeyError: no such node.
            RuntimeError: the lab is stopped, or it is a node of its own that asks.
            TimeoutError: what ran before does not end within 2 seconds.
            TopologyError: its endpoint cannot be bound again.
        """
        self._run.restart(node)

    def fault(self, target: Given, fault: Fault) -> Disturbance:
        """Break something, from now until the end of the ``with`` block, or until ``end()`` of what is returned.

        Args:
            target: a node ``"worker-1"``, a socket ``"worker-1.tasks"``, a link ``"ventilator → worker-1"`` (``->``
                will do), or two groups of nodes between which the network is disturbed: ``(("a", "b"), "c")``.
            fault: one of `zlab.faults`, such as ``zlab.faults.Delay(seconds=0.05)``.

        Raises:
            KeyError: no such node, socket or link.
            ValueError: the fault cannot work there; the message says why, and nothing has changed.
            RuntimeError: the lab is stopped.

        Example:
            >>> import zlab
            >>> with zlab.run(zlab.patterns.pipeline(), transport="tcp", relay=True) as lab:
            ...     with lab.fault("ventilator → worker-1", zlab.faults.Cut()):
            ...         lab.wait(messages=100)
        """
        return self._run.disturbances.begin(target, fault)

    @property
    def faults(self) -> tuple[Disturbance, ...]:
        """The faults that are on, in the order in which they began; each can be ended by its ``end()``."""
        return self._run.disturbances.on

    def chaos(
        self,
        *,
        seed: int = 1,
        faults: Sequence[Menu],
        seconds: float = 10.0,
        every: float = 1.0,
        lasts: float = 1.0,
        play: bool = True,
    ) -> Chaos:
        """Play a random schedule of faults: the same one for the same seed, topology and arguments.

        It ends by itself, when the lab stops, or by ``stop()`` of what is returned, and undoes all that it has done.

        Args:
            seed: of the schedule; the faults' own decisions have seeds of their own.
            faults: what may happen, each to any node or link that it can befall; or, as
                ``("worker-1", zlab.faults.Kill())``, to that one alone.
            seconds: how long the schedule is.
            every: seconds from one fault to the next, on average.
            lasts: seconds for which each lasts, give or take a half.
            play: False gives the schedule to look at, as its ``schedule`` or printed; its ``play()`` begins.

        Raises:
            KeyError: no such node, socket or link.
            ValueError: a fault that can befall nothing in this lab, or a figure that is not above 0.
            RuntimeError: the lab is stopped.

        Example:
            >>> import zlab
            >>> with zlab.run(zlab.patterns.pipeline()) as lab:
            ...     chaos = lab.chaos(seed=7, faults=[zlab.faults.Kill(), zlab.faults.Freeze()], seconds=3)
            ...     chaos.wait(timeout=10)
        """
        drawn = Chaos(self._run, plan(self._run, seed=seed, faults=faults, seconds=seconds, every=every, lasts=lasts))
        return drawn.play() if play else drawn

    # --- how its links come about --------------------------------------------------------------

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Wait until every link can carry messages: what is sent from then on is lost to nobody who joins late.

        A link is ready when both its sockets live, their connection is up and the ZMTP handshake has succeeded at
        both ends, as libzmq's socket monitors tell (over inproc: when both have bound and connected); and, from a
        PUB or XPUB, when all that the subscriber has asked for by now is known to be in the publisher's own queue,
        into which it looks before its next send. That is concluded from the order in which libzmq's I/O threads do
        things and from what the kernel's queues hold: `zlab.runtime.arrival` says how. Neither socket is touched,
        and no byte is added to what they say. An XSUB must first have passed its subscriptions on. Where a
        transport has no connections (udp, multicast) it is ready when both ends have bound and connected: whether
        anybody listens, nobody can know there.

        Args:
            timeout: the longest wait, in seconds.

        Raises:
            TimeoutError: it names the links that cannot carry messages, and why.
            RuntimeError: the lab is stopped.
            ValueError: a negative time.

        Example:
            >>> import zlab
            >>> with zlab.run(zlab.patterns.pub_sub(), transport="tcp") as lab:
            ...     lab.wait_ready()
        """
        if not timeout >= 0:
            raise ValueError(f"timeout={timeout!r}: give zero or more seconds")
        self._run.connections.wait(timeout, stopped=lambda: self._run.stopped)

    def connections(self) -> pd.DataFrame:
        """How each link came about: a row per link and connection, the oldest first.

        Times are in seconds since the lab started, empty where it has not happened. Columns: ``link``, ``endpoint``,
        ``number`` (the how-manieth connection of the link: another begins when ZeroMQ reconnects or a node
        restarts), ``stage`` (how far it has come), ``connecting``, ``up`` (TCP or ipc is connected; over inproc,
        both ends have bound and connected), ``handshake`` (ZMTP's, RFC 23; none over inproc), ``subscribed`` (it is
        known that the subscription has reached the publisher: see `wait_ready`, or by a first message),
        ``first_message`` (received; to within 0.1 seconds where it was not traced), ``disconnected``, ``retries``
        (how often ZeroMQ found nobody and tried again, before it was up) and ``reason`` (why the handshake failed, or
        the connection ended).

        The last 50 connections of two sockets are kept.
        """
        return frames.connections(self._run.connections.all(), self.topology.links)

    def history(self) -> tuple[Event, ...]:
        """The events, as `zlab.recording.Event`: the last 10,000."""
        self._run.connections.settle()
        return super().history()

    def stop(self) -> None:
        """End every node and release everything; the figures stay. Safe to call again.

        A node that does not end within 2 seconds (in a long ``time.sleep``, say) is named in
        `events`; its thread ends as soon as that call returns.

        Raises:
            RuntimeError: it is a node of the lab that asks.
        """
        super().stop()

    def __repr__(self) -> str:
        """Say what runs, and how to see more."""
        return (
            f"Lab {self.topology.name!r} over {self.transport}: {self.state}, {len(self.topology.nodes)} nodes, "
            f"{delivered(self._clock.latest):,} messages delivered. Run the cell to see it live."
        )


def run(
    topology: Topology,
    *,
    transport: str = "inproc",
    key: Callable[[list[bytes]], Hashable] | None = None,
    trace: str = "adaptive",
    relay: bool = False,
    exposed: bool = False,
) -> Lab:
    """Bring a topology to life: a thread per node, real sockets.

    Everything is checked and every socket bound and connected before the first node starts.
    In a notebook, running a cell again first stops the lab that the same cell started before.

    Args:
        topology: what to run.
        transport: what bare endpoint names become: ``inproc``, ``ipc`` or ``tcp`` (127.0.0.1, on
            ports that the system chooses; see `Lab.endpoints`).
        key: what makes a message itself, so that it is found again at the other end: called in the
            node's thread with the frames as the application sees them, it returns anything hashable,
            such as ``lambda frames: frames[-1][:8]``. None: the last frame as a whole. Where it raises,
            the last frame is used, and an event says so.
        trace: ``adaptive`` traces every message at rates that a person can follow and a sample above;
            ``full`` traces every message at any rate, whatever it costs.
        relay: whether tcp connections pass through a relay within the lab, so that the network can be
            disturbed by `zlab.faults` such as ``Cut`` and ``Bandwidth``. Without it a lab's sockets are
            connected with nothing between them.
        exposed: your word that whoever reaches a socket from another machine may speak to it. Without it, a socket
            that binds ``tcp://*`` or any address but this machine's own must use CURVE, with a ZAP handler in the
            topology that knows its clients' keys, as `zlab.patterns.ironhouse` does.

    Returns:
        The running lab.

    Raises:
        TopologyError: an option or address that ZeroMQ does not take, a socket that would listen to strangers, or a
            relay with nothing to carry; nothing is left open.
        ValueError: a ``trace`` that is neither.

    Example:
        >>> import zlab
        >>> with zlab.run(zlab.patterns.pipeline(workers=2)) as lab:
        ...     lab.wait(messages=10)
    """
    if not isinstance(topology, Topology):
        raise TopologyError(f"{topology!r} is not a topology: give zlab.patterns.pipeline() or zlab.Topology(...)")
    registry.make_room()
    return Lab(topology, transport, key=key, trace=trace, relay=relay, exposed=exposed)
