"""What Titanic keeps on disk: a file for each request and each reply, and a queue of those that are to be answered."""

from __future__ import annotations

import os
import re
import struct
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_UUID = re.compile(rb"[0-9A-Za-z]{32}")
_LENGTH = struct.Struct("!Q")
_ENTRY = 34  # bytes: "-" where it waits or "+" where it is answered, the UUID, a line feed


class Disk:
    """A folder with a file ``UUID.req`` for each request, ``UUID.rep`` for each reply, and a ``queue`` of UUIDs.

    A message is there as a whole or not at all: it is written under another name, synced, and renamed. Whoever opens
    the folder next goes on where the last one was stopped, be it in the middle of a write.
    """

    def __init__(self, folder: Path) -> None:
        """Open the queue, without what was only half written.

        Args:
            folder: a place that nobody else writes to; made where it is not there.
        """
        folder.mkdir(mode=0o700, exist_ok=True)
        self.folder, self._queue = folder, folder / "queue"
        self._queue.touch()
        whole = self._queue.stat().st_size // _ENTRY * _ENTRY
        os.truncate(self._queue, whole)
        entries = [self._queue.read_bytes()[at : at + _ENTRY] for at in range(0, whole, _ENTRY)]
        self.waiting = {entry[1:-1]: i * _ENTRY for i, entry in enumerate(entries) if entry.startswith(b"-")}
        """The UUIDs of those that are to be answered, each with its place in the queue."""

    def accept(self, frames: Sequence[bytes]) -> bytes:
        """Keep a request, and return its new UUID: from then on it is safe."""
        name = uuid.uuid4().hex.upper().encode()
        self._write(name, "req", frames)
        with self._queue.open("ab") as queue:
            at = queue.tell()
            queue.write(b"-" + name + b"\n")
            queue.flush()
            os.fsync(queue.fileno())
        self.waiting[name] = at
        return name

    def answer(self, name: bytes, frames: Sequence[bytes]) -> None:
        """Keep the reply to a request, which then waits no more."""
        self._write(name, "rep", frames)
        self.strike(name)

    def strike(self, name: bytes) -> None:
        """Mark a request as done."""
        with self._queue.open("r+b") as queue:
            queue.seek(self.waiting.pop(name))
            queue.write(b"+")

    def request(self, name: bytes) -> list[bytes] | None:
        """The frames of a request, or None if there is none of this UUID."""
        return self._read(name, "req")

    def reply(self, name: bytes) -> list[bytes] | None:
        """The frames of a reply, or None if there is none of this UUID."""
        return self._read(name, "rep")

    def close(self, name: bytes) -> None:
        """Remove a request and its reply, if they are there."""
        if _UUID.fullmatch(name):
            for kind in ("req", "rep"):
                self._path(name, kind).unlink(missing_ok=True)

    def _path(self, name: bytes, kind: str) -> Path:
        return self.folder / f"{name.decode()}.{kind}"

    def _write(self, name: bytes, kind: str, frames: Sequence[bytes]) -> None:
        path = self._path(name, kind)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            for frame in frames:
                file.write(_LENGTH.pack(len(frame)) + frame)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def _read(self, name: bytes, kind: str) -> list[bytes] | None:
        if not _UUID.fullmatch(name):  # it came over the network: it must not lead out of the folder
            return None
        try:
            data = self._path(name, kind).read_bytes()
        except FileNotFoundError:
            return None
        frames, at = [], 0
        while at < len(data):
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size + length
            frames.append(data[at - length : at])
        return frames
