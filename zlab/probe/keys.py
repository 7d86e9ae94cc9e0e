"""Keys: what a message is known by, the same at every socket of the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zlab.probe.meter import Keyed, key_of_compiled

if TYPE_CHECKING:
    from zlab.recording import Key

_WHOLE = 512  # bytes up to which a body is hashed as a whole
_PART = 64  # bytes of each part that is hashed of a longer one


def identify(frames: list[bytes], key: Key | None) -> int:
    """What a message is known by: its last frame, or what the user's function makes of its frames."""
    if key is None:
        return key_of(frames[-1])
    # In a tuple, because the hash of a small number is that number: no sample could be taken of it.
    return hash((key(frames),))


def key_of_plain(data: bytes) -> int:
    """What a body is known by, in Python alone."""
    size = len(data)
    if size <= _WHOLE:
        return hash(data)
    middle = size // 2
    return hash((size, data[:_PART], data[middle : middle + _PART], data[-_PART:]))


key_of: Keyed = key_of_compiled or key_of_plain
"""What a body is known by: the same at every socket of the process.

The whole of a short body; of a long one its length and three parts, because hashing ten
kilobytes takes longer than sending them.
"""


def key_of_any(data: Any) -> int:
    """The same for anything that pyzmq sends: a frame, a memoryview, an array; without copying what is large."""
    if type(data) is bytes:
        return key_of(data)
    view = memoryview(data)
    if key_of_compiled is not None and view.c_contiguous:
        return key_of_compiled(view)
    if not view.c_contiguous or view.nbytes <= _WHOLE:
        return key_of(view.tobytes())
    view = view.cast("B")
    size, middle = len(view), len(view) // 2
    return hash((size, bytes(view[:_PART]), bytes(view[middle : middle + _PART]), bytes(view[-_PART:])))
