"""A socket that counts every message and traces those it is asked to, and in all else is pyzmq's own."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import zmq
import zmq.asyncio

from zlab.probe.tap import Tap, tap

if TYPE_CHECKING:
    from zlab.probe.tap import Gate
    from zlab.recording import Recording, Recordings

T = TypeVar("T")

_IO = ("send", "recv", "recv_into")


class ProbedSocket(zmq.Socket[T], Generic[T]):
    """A ``zmq.Socket`` that writes to a `Recording`; in all else it is one."""

    _repr_cls = "zmq.Socket"
    # Declared on the class: pyzmq takes any other attribute for a socket option.
    _recording: Recording | None = None
    _recordings: Recordings | None = None
    _tap: Tap | None = None
    _taps: tuple[Tap, ...] = ()  # those of earlier watches too: a method that was kept must fail once it is closed

    def probe(self, recording: Recording, recordings: Recordings, gate: Gate) -> None:
        """Put the probe under an open socket."""
        self._recording, self._recordings = recording, recordings
        made = tap(self, recording, recordings, gate, retries=self._target() is not self)
        self._tap = made
        self._taps = (*self._taps, made)
        target = self._target()
        if target is not self or not _overrides(type(self)):
            target.__dict__.update(made.methods)
        recordings.add(recording)

    def unprobe(self) -> None:
        """Take the probe away; the socket goes on."""
        for name in self._tap.methods if self._tap is not None else ():
            self._target().__dict__.pop(name, None)
        self._tap = None
        recording, recordings = self._recording, self._recordings
        self._recording = self._recordings = None
        if recording is not None and recordings is not None:
            recordings.retire(recording)

    def _target(self) -> zmq.Socket[Any]:
        shadow: zmq.Socket[Any] | None = self.__dict__.get("_shadow_sock")  # where an asyncio socket sends and receives
        return self if shadow is None else shadow

    # Reached through super() alone, from a class that has methods of its own by these names.

    def send(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Send a frame, as ``zmq.Socket.send``."""
        return self._call("send")(data, *args, **kwargs)

    def recv(self, *args: Any, **kwargs: Any) -> Any:
        """Receive a frame, as ``zmq.Socket.recv``."""
        return self._call("recv")(*args, **kwargs)

    def recv_into(self, buffer: Any, /, **kwargs: Any) -> int:
        """Receive a frame into a buffer, as ``zmq.Socket.recv_into``."""
        return cast("int", self._call("recv_into")(buffer, **kwargs))

    def _call(self, name: str) -> Any:
        return getattr(super(), name) if self._tap is None else self._tap.methods[name]

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
        else:
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
        connected = super().connect(addr)
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
        super().close(linger)
        for each in self._taps:
            each.disable()
        self._taps = ()
        self.unprobe()


@cache
def probed(cls: Any) -> Any:
    """The class of that name which is a `ProbedSocket` too: a socket may be made one at any time."""
    if issubclass(cls, ProbedSocket):
        return cls
    bases = (ProbedSocket,) if cls is zmq.Socket else (cls, ProbedSocket)
    shown = cls.__dict__.get("_repr_cls") or f"{cls.__module__}.{cls.__name__}"
    named = {"_repr_cls": shown, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    return type(cls.__name__, bases, {**named, "__doc__": cls.__doc__})


def adopt(socket: zmq.Socket[Any]) -> ProbedSocket[Any]:
    """Make an open socket one that can be probed, without its program noticing."""
    if not isinstance(socket, ProbedSocket):
        object.__setattr__(socket, "__class__", probed(cast("Any", type(socket))))
    return cast("ProbedSocket[Any]", socket)


def _overrides(cls: type[zmq.Socket[Any]]) -> bool:
    """Whether a class has its own way to send or receive, which must be asked first."""
    own = (*_IO, "recv_multipart")
    return any(name in base.__dict__ for base in cls.__mro__[: cls.__mro__.index(ProbedSocket)] for name in own)


def _last_endpoint(socket: zmq.Socket[Any], addr: str) -> str:
    try:
        return cast("bytes", zmq.Socket.get(socket, zmq.LAST_ENDPOINT)).rstrip(b"\0").decode() or addr
    except (zmq.ZMQError, UnicodeDecodeError):
        return _text(addr)


def _text(addr: str | bytes) -> str:
    return addr if isinstance(addr, str) else addr.decode("utf-8", "replace")
