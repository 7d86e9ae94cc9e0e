"""A context whose sockets are probed as they are made: pyzmq's own in all else."""

from __future__ import annotations

import sys
import weakref
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import zmq

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

T = TypeVar("T", bound=zmq.Socket[Any])


class Observer(Protocol):
    """Who is told of the sockets of a context."""

    def opened(self, socket: zmq.Socket[Any], context: zmq.Context[Any], maker: FrameType | None) -> None:
        """Hear of an open socket, and in which line of the program it was made, where that is known."""


class WatchedContext(zmq.Context[T], Generic[T]):
    """A ``zmq.Context`` whose sockets are probed from their first message on."""

    _repr_cls = "zmq.Context"

    def socket(self, socket_type: int, socket_class: Any = None, **kwargs: Any) -> T:
        """Make a socket, as ``zmq.Context.socket``."""
        made = super().socket(socket_type, socket_class, **kwargs)
        observer = observer_of(self)
        if observer is not None:
            observer.opened(made, self, sys._getframe(1))  # noqa: SLF001 - who called
        return made


_classes: dict[Any, Any] = {}
# By the address of the libzmq context: a shadow is another Python object of the same context.
_observers: dict[int, Observer] = {}


def observe(context: zmq.Context[Any], observer: Observer) -> None:
    """Have an observer told of every socket of a context: of those that are open now, and of each new one."""
    address = context.underlying
    _observers[address] = observer
    weakref.finalize(context, _forget, address, observer)
    _listen()
    tell_of(context)
    for socket in tuple(getattr(context, "_sockets", ())):
        if not socket.closed:
            observer.opened(socket, context, None)


def tell_of(context: zmq.Context[Any]) -> None:
    """Have each new socket of a context, or of a shadow of one, told to who observes it."""
    if not isinstance(context, WatchedContext):
        object.__setattr__(context, "__class__", watched(type(context)))


def _forget(address: int, observer: Observer) -> None:
    if _observers.get(address) is observer:
        del _observers[address]
        _listen()


def unobserve(observer: Observer) -> None:
    """Tell an observer nothing any more; the contexts and their sockets go on."""
    for address in [a for a, known in tuple(_observers.items()) if known is observer]:
        _observers.pop(address, None)
    _listen()


def observe_all(observer: Observer) -> Callable[[], None]:
    """Have an observer told of every socket that any context of this process makes; returns what ends it.

    For a process that runs the program and nothing else: in a notebook the kernel has sockets too.
    """
    plain = zmq.Context.socket

    @wraps(plain)
    def socket(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = plain(self, *args, **kwargs)
        maker = sys._getframe(1)  # noqa: SLF001 - who called
        if made.context is not None and not made.closed and _module(maker) != _PYZMQ_OWN:
            observer.opened(made, self, maker)
        return made

    zmq.Context.socket = socket  # type: ignore[method-assign]

    def end() -> None:
        zmq.Context.socket = plain  # type: ignore[method-assign]

    return end


_PYZMQ_OWN = "zmq.utils.garbage"
"""Whose sockets are pyzmq's own: by these it hears that libzmq has let go of a message that was not copied."""
_waiting_for_new: list[Observer] = []
_plain_begin = zmq.Context.__init__


@wraps(_plain_begin)
def _begin(self: Any, *args: Any, **kwargs: Any) -> None:
    _plain_begin(self, *args, **kwargs)
    if self._shadow:  # what is made by it belongs to the context that it shadows
        if observer_of(self) is not None:
            tell_of(self)
        return
    maker = _module(sys._getframe(1))  # noqa: SLF001 - who called
    ours = maker.startswith("zlab.") or maker == _PYZMQ_OWN  # a lab looks after its own
    if _waiting_for_new and not ours and observer_of(self) is None:
        observe(self, _waiting_for_new[-1])


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _listen() -> None:
    """Hear of each new context, and each shadow of one, as long as that is of use to an observer."""
    wanted = _begin if _waiting_for_new or _observers else _plain_begin
    if zmq.Context.__init__ is not wanted:
        zmq.Context.__init__ = wanted  # type: ignore[method-assign]


def observe_new(observer: Observer) -> Callable[[], None]:
    """Have an observer told of every socket of each context that is made from now on; returns what ends it.

    The contexts that are there already are left alone, and with them the kernel's own. Of several observers, the one
    that came last is told.
    """
    _waiting_for_new.append(observer)
    _listen()

    def end() -> None:
        _waiting_for_new.remove(observer)
        _listen()

    return end


def observer_of(context: zmq.Context[Any]) -> Observer | None:
    """Who is told of a context's sockets now."""
    return None if context.closed else _observers.get(context.underlying)


def watched(cls: Any) -> type[WatchedContext[Any]]:
    """The class of that name which is a `WatchedContext` too."""
    if cls not in _classes:
        bases = (WatchedContext,) if cls is zmq.Context else (WatchedContext, cls)
        shown = cls.__dict__.get("_repr_cls") or f"{cls.__module__}.{cls.__name__}"
        named = {"_repr_cls": shown, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
        _classes[cls] = type(cls.__name__, bases, {**named, "__doc__": cls.__doc__})
    return cast("type[WatchedContext[Any]]", _classes[cls])
