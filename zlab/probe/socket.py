"""A socket that counts every message and traces those it is asked to, and in all else is pyzmq's own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from weakref import ref

import zmq

from zlab.probe.tap import Tap, tap

if TYPE_CHECKING:
    from zlab.probe.gated import Gate
    from zlab.recording import Recording
    from zlab.recordings import Recordings

T = TypeVar("T")

_OWN = ("send", "recv", "recv_into", "recv_multipart")


class ProbedSocket(zmq.Socket[T], Generic[T]):
    """A ``zmq.Socket`` that writes to a `Recording`; in all else it is one."""

    _repr_cls = "zmq.Socket"
    # Declared on the class: pyzmq takes any other attribute for a socket option.
    _recording: Recording | None = None
    _recordings: Recordings | None = None
    _tap: Tap | None = None

    def set(self, option: int, optval: Any) -> None:
        """Set a socket option, and note what a subscriber asks for (man page ``zmq_setsockopt``)."""
        super().set(option, optval)
        if self._recording is None or self._recordings is None:
            return
        if option in {zmq.SUBSCRIBE, zmq.UNSUBSCRIBE}:
            prefix = optval.encode() if isinstance(optval, str) else bytes(optval)
            asked = list(self._recording.subscriptions)
            if option == zmq.SUBSCRIBE:
                asked.append(prefix)
            elif prefix in asked:
                asked.remove(prefix)
            self._recordings.subscribe(self._recording, tuple(asked))
            return
        if option == zmq.INVERT_MATCHING:
            self._recordings.invert(self._recording, bool(optval))
        self._recordings.option(self._recording, option, optval)

    setsockopt = set

    def get(self, option: int) -> Any:
        """Read a socket option; a program that asks for RCVMORE tells the probe that it reads part by part."""
        value = super().get(option)
        if option == zmq.RCVMORE and value and self._tap is not None:
            self._tap.more_follows()
        return value

    getsockopt = get

    def bind(self, addr: str) -> Any:
        """Bind, as ``zmq.Socket.bind``, and note where."""
        bound = super().bind(addr)
        if self._recording is not None and self._recordings is not None:
            self._recordings.bound(self._recording, _last_endpoint(self, addr))
        return bound

    def connect(self, addr: str) -> Any:
        """Connect, as ``zmq.Socket.connect``, and note where to."""
        try:
            connected = super().connect(addr)
        except zmq.ZMQError:
            if self._recording is not None and self._recordings is not None:
                self._recordings.unreachable(self._recording, _text(addr))
            raise
        if self._recording is not None and self._recordings is not None:
            self._recordings.connected(self._recording, _text(addr))
        return connected

    def monitor(self, addr: str | bytes | None, events: int = zmq.EVENT_ALL) -> None:
        """Monitor, as ``zmq.Socket.monitor``; what watches a program's own monitor is no part of its topology."""
        super().monitor(addr, events)
        if addr is not None and self._recordings is not None:
            self._recordings.hide(_text(addr))

    def close(self, linger: int | None = None) -> None:
        """Close the socket and end its recording."""
        if self._recording is not None and self._recordings is not None and not self.closed:
            self._recordings.closing(self._recording)
        super().close(linger)
        if self._recording is not None and self._recordings is not None:
            self._recordings.retire(self._recording)


def probe(socket: Any, recording: Recording, recordings: Recordings, gate: Gate) -> None:
    """Put the probe under an open socket, without its program noticing.

    The socket gets a class of its own, of the same name, whose methods count: they are bound to it
    as any method is, so it lives as long as it would without.

    Args:
        socket: any ``zmq.Socket``, an asyncio one too.
        recording: where its counts can be read, and its traces are written.
        recordings: those of the whole lab.
        gate: called for each message while the socket is gated.
    """
    sends = _where_it_sends(socket)
    made = tap(socket.type, recording, recordings, gate, retries=sends is not socket)
    if sends is not socket:
        object.__setattr__(sends, "__class__", _probed(type(sends), made.methods))
        object.__setattr__(socket, "__class__", _probed(type(socket), {}))
        recording.awaited = partial(_is_awaited, ref(socket))
    else:
        object.__setattr__(socket, "__class__", _probed(type(socket), made.methods))
    socket._recording, socket._recordings, socket._tap = recording, recordings, made  # noqa: SLF001 - declared above
    recordings.add(recording)


def unprobe(socket: ProbedSocket[Any]) -> None:
    """Take the probe away; the socket goes on."""
    recording, recordings = socket._recording, socket._recordings  # noqa: SLF001 - declared above
    for name in ("_recording", "_recordings", "_tap"):
        socket.__dict__.pop(name, None)
    if recording is not None and recordings is not None:
        recordings.retire(recording)
    for one in {socket, _where_it_sends(socket)}:
        object.__setattr__(one, "__class__", getattr(type(one), "_plain", type(one)))


def _probed(cls: Any, methods: dict[str, Any]) -> Any:
    """A class of the same name that counts, for one socket alone."""
    if issubclass(cls, ProbedSocket):  # it has been probed before
        cls = cls._plain
    own = [name for name in _OWN if getattr(cls, name, None) is not getattr(zmq.Socket, name, None)]
    if own:  # the class's own way to send or receive is asked first, and finds the probe by super()
        methods = {name: method for name, method in methods.items() if name != "recv_multipart"}
        bases: tuple[Any, ...] = (cls, type("ProbedSocket", (ProbedSocket,), methods))
        methods = {}
    else:
        bases = (ProbedSocket,) if cls is zmq.Socket else (cls, ProbedSocket)
    shown = cls.__dict__.get("_repr_cls") or f"{cls.__module__}.{cls.__name__}"
    named = {"_repr_cls": shown, "__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls.__name__, bases, {**named, **methods, "_plain": cls})


def _where_it_sends(socket: zmq.Socket[Any]) -> zmq.Socket[Any]:
    """The socket itself; of an asyncio socket, the shadow by which it sends and receives."""
    shadow: zmq.Socket[Any] | None = socket.__dict__.get("_shadow_sock")
    return socket if shadow is None else shadow


def _is_awaited(socket: ref[zmq.Socket[Any]]) -> bool:
    return bool(getattr(socket(), "_recv_futures", None))


def _last_endpoint(socket: zmq.Socket[Any], addr: str) -> str:
    try:
        return cast("bytes", zmq.Socket.get(socket, zmq.LAST_ENDPOINT)).rstrip(b"\0").decode() or addr
    except (zmq.ZMQError, UnicodeDecodeError):
        return _text(addr)


def _text(addr: str | bytes) -> str:
    return addr if isinstance(addr, str) else addr.decode("utf-8", "replace")
