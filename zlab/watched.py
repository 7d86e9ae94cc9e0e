"""Watching: the probe under a pyzmq program that zlab did not build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq

from zlab.observed import Observed, check_trace, delivered
from zlab.probe import WatchedContext, observe, observe_all, observe_new, observer_of, tell_of
from zlab.runtime import registry
from zlab.runtime.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Watched(Observed):
    """A program that is watched. Made by `zlab.watch`; a context manager that stops watching at the end.

    As the last expression of a cell in JupyterLab it shows its live dashboard. The program is its
    own master: it can be watched, not paused or killed.
    """

    def __init__(self, watching: Watching) -> None:
        """Start the clock; use `zlab.watch`."""
        self._watching = watching
        super().__init__(watching)

    def follow_new(self) -> None:
        """Watch each context that is made from now on too, until this is stopped; those of `zlab.run` are its own."""
        self._watching.at_end = observe_new(self._watching)

    def __repr__(self) -> str:
        """Say what is watched, and how to see more."""
        seen = sum(len(node.sockets) for node in self.topology.nodes)
        return (
            f"Watching {self.topology.name!r}: {self.state}, {seen} sockets, "
            f"{delivered(self._clock.latest):,} messages delivered. Run the cell to see it live."
        )


def watch_process(name: str) -> Watched:
    """Watch every context of this process; for a process that runs the program and nothing else."""
    watching = Watching(name)
    watching.whole = True
    watching.at_end = observe_all(watching)
    return Watched(watching.claim(name))


class Context(WatchedContext[zmq.Socket[bytes]]):
    """A ``zmq.Context`` whose sockets are recorded from their first message on; in all else it is one.

    ``zlab.watch(context)`` shows them, at any time. ``zlab.Context.instance()`` is a context of its
    own, apart from that of ``zmq.Context``.
    """

    _repr_cls = "zmq.Context"
    _instance: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make a context, as ``zmq.Context``."""
        super().__init__(*args, **kwargs)
        if observer_of(self) is None:  # a shadow shares what is known of the context that it shadows
            observe(self, Watching("program"))


def watch(
    *contexts: zmq.Context[Any],
    name: str = "program",
    key: Callable[[list[bytes]], Hashable] | None = None,
    trace: str = "adaptive",
) -> Watched:
    """Watch a pyzmq program, unchanged: every socket of its contexts is counted and drawn as it appears.

    Sync and asyncio sockets alike, and those that shadows of the contexts make. Threads become
    nodes, one whose sockets face each other several (``main``, ``main-2``); what a socket is called
    follows from the line that made it. Peers in other processes appear as outside: what becomes of
    messages there is not known, and their figures say so.

    Args:
        contexts: what to watch; none means ``zmq.Context.instance()``. Sockets that are open
            already are watched from now on. Of a shadow that is there already, name it too.
        name: what to call the program.
        key: what makes a message itself; see `zlab.run`.
        trace: ``adaptive`` or ``full``; see `zlab.run`.

    Returns:
        What watches. ``stop()``, or the end of a ``with`` block, ends the watching and not the program.

    Raises:
        TypeError: something that is not a ``zmq.Context``.
        ValueError: a context that is closed, or is watched already.

    Example:
        >>> import zlab, zmq
        >>> context = zmq.Context()
        >>> with zlab.watch(context) as lab:
        ...     push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        ...     with push, pull, push.bind("inproc://numbers"), pull.connect("inproc://numbers"):
        ...         push.send(b"one")
        ...         print(pull.recv())
        b'one'
        >>> context.term()
    """
    full = check_trace(trace)
    for context in contexts:
        if not isinstance(context, zmq.Context):
            raise TypeError(
                f"{context!r} is not a zmq.Context: give the context of the program, or none for the shared one"
            )
        if context.closed:
            raise ValueError(f"{context!r} is closed: watch it before the program ends it")
    chosen = contexts or (zmq.Context.instance(),)
    registry.make_room()
    known = [o for context in chosen if isinstance(o := observer_of(context), Watching)]
    if any(watching.claimed for watching in known):
        raise ValueError("this context is watched already: stop() that first")
    plain = key is None and not full
    watching = known[0] if known and plain else Watching(name, key=key, full=full)
    for other in known:
        if other is not watching:
            other.stop()  # it has written down in another way: its sockets are watched anew
    for context in chosen:
        if observer_of(context) is not watching:
            observe(context, watching)
        else:
            tell_of(context)  # it may be a shadow of one before it
    return Watched(watching.claim(name))


def trace(
    *contexts: zmq.Context[Any], name: str = "trace", key: Callable[[list[bytes]], Hashable] | None = None
) -> Watched:
    """Follow every message of a few lines of pyzmq, and draw them: a sequence diagram of what the lines did.

    As `watch` with ``trace="full"``; without contexts it also finds those that are made within the ``with`` block,
    wherever they are made. Sockets that are open already are followed from the first line of the block on: what they
    were sent before and receive within it is counted, and has no arrow, for nobody saw it leave. A context that was
    there before and is not ``zmq.Context.instance()`` must be named.

    Ask for the diagram after the block: within it, the messages of the last 0.2 seconds are still to come.

    Args:
        contexts: what to follow; none means ``zmq.Context.instance()`` and every context that is made meanwhile.
        name: what to call it.
        key: what makes a message itself; see `zlab.run`.

    Returns:
        What watches: `Observed.diagram` draws it, `Observed.messages` has a row for each message and hop,
        `Observed.frames` the frames of one.

    Raises:
        TypeError: something that is not a ``zmq.Context``.
        ValueError: a context that is closed, or is watched already.

    Example:
        >>> import zlab, zmq
        >>> with zlab.trace() as t, zmq.Context() as context:
        ...     push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        ...     with push, pull, pull.bind("inproc://numbers"), push.connect("inproc://numbers"):
        ...         push.send(b"one")
        ...         print(pull.recv())
        b'one'
        >>> t.diagram().text.count("delivered")
        1
    """
    if contexts:
        return watch(*contexts, name=name, key=key, trace="full")
    watched = watch(name=name, key=key, trace="full")
    watched.follow_new()
    return watched
