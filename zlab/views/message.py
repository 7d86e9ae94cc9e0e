"""The message inspector: the frames of one message, its envelope and body told apart, and its way."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING, Any

from zlab.recording import SHOWN
from zlab.sockets import PUBLISHERS
from zlab.views import palette, units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEX = 512  # bytes that are shown in hexadecimal
_LINE = 16  # bytes a line
_WORD = 28  # letters that stand beside an arrow
_WHOLE, _LEAST = 8, 2  # bytes that stand there in hexadecimal: alone, and beside text, which tells more
_ROUTING = {"ROUTER", "DEALER"}
_SUBSCRIPTION = (b"\x00", b"\x01")
_PADDING = re.compile(r"(.)\1{3,}$")  # what only makes a message long enough
_PRINTABLE = "\t\n\r"
_SIGN = 3  # bytes before such text that are shown: a protocol's signature, and a command
_WITHIN = re.compile(rb"[\w.:/@ -]{4,}")  # what may be text within a binary frame


class Role(StrEnum):
    """What a frame is for."""

    IDENTITY = "identity"
    """Whom a ROUTER sends it to; it is taken off before the message leaves."""
    ENVELOPE = "envelope"
    """The way back, as ROUTER sockets on the way have written it down."""
    DELIMITER = "delimiter"
    """The empty frame that ends an envelope."""
    TOPIC = "topic"
    """What a publisher's message is filtered by."""
    SUBSCRIPTION = "subscription"
    """What an XSUB asks for, or no longer."""
    BODY = "body"


def roles(socket: str, frames: Sequence[bytes]) -> list[Role]:
    """What each frame of a message is for, as far as ZeroMQ itself has a say.

    What stands before the first empty frame of a ROUTER's or DEALER's message is its envelope, and so is the first
    frame that a ROUTER sends: https://zguide.zeromq.org/docs/chapter3/#The-Simple-Reply-Envelope.

    Args:
        socket: the type of the socket that sent it.
        frames: as the application gave them to it.
    """
    found = [Role.BODY] * len(frames)
    if not frames:
        return found
    if socket in PUBLISHERS and len(frames) > 1:
        found[0] = Role.TOPIC
    elif socket == "XSUB" and len(frames) == 1 and frames[0][:1] in _SUBSCRIPTION:
        found[0] = Role.SUBSCRIPTION
    elif socket in _ROUTING:
        first = 1 if socket == "ROUTER" else 0  # a frame of its own, even where it is empty
        end = next((i for i in range(first, len(frames) - 1) if not frames[i]), None)
        if end is not None:
            found[:end] = [Role.ENVELOPE] * end
            found[end] = Role.DELIMITER
        if first:
            found[0] = Role.IDENTITY
    return found


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """One message on one hop; at the end of a cell it is drawn with its frames."""

    number: int
    """Of its journey, as in `Lab.messages`."""
    hop: int
    """The how-manieth of that journey, from 1."""
    link: str
    """As ``source.out → sink.inbox``."""
    socket: str
    """The type of the socket that sent it."""
    size: int
    """Bytes, all frames together."""
    frames: tuple[bytes, ...]
    """As the application gave them to ``send``, each cut after 4,096 bytes; none where they were not kept."""
    fate: str
    """``delivered``, ``under way``, or why it did not arrive."""
    begins: bytes = b""
    """Where its frames were not kept: how its last frame begins, up to 64 bytes."""

    @property
    def roles(self) -> list[Role]:
        """What each frame is for."""
        return roles(self.socket, self.frames)

    @property
    def envelope(self) -> list[bytes]:
        """The frames before its body that route it: identity, way back and empty delimiter."""
        apart = {Role.IDENTITY, Role.ENVELOPE, Role.DELIMITER}
        return [f for f, role in zip(self.frames, self.roles, strict=True) if role in apart]

    @property
    def body(self) -> list[bytes]:
        """The frames that are not its envelope."""
        return list(self.frames[len(self.envelope) :])

    @property
    def sizes(self) -> list[int | None]:
        """Bytes of each frame; None where several have been cut, for then only their sum is known."""
        cut = [len(frame) >= SHOWN for frame in self.frames]
        known = sum(map(len, self.frames))
        if sum(cut) == 1:
            return [self.size - known + len(f) if c else len(f) for f, c in zip(self.frames, cut, strict=True)]
        return [None if c and known != self.size else len(f) for f, c in zip(self.frames, cut, strict=True)]

    @property
    def missing(self) -> str:
        """Why its frames cannot be shown, or ""."""
        if self.frames:
            return ""
        said = "its frames were not kept: too many messages came for that"
        return f"{said}; the last one begins with {_one_line(self.begins)!r}" if self.begins else said

    def told(self) -> dict[str, Any]:
        """All of it as JSON takes it, for the browser."""
        return {
            "message": self.number,
            "hop": self.hop,
            "link": self.link,
            "socket": self.socket,
            "size": self.size,
            "fate": self.fate,
            "missing": self.missing,
            "frames": [
                {"role": str(role), "size": size, "kept": len(frame), **_shown(frame)}
                for frame, role, size in zip(self.frames, self.roles, self.sizes, strict=True)
            ],
        }

    def __repr__(self) -> str:
        """A line for each frame."""
        head = f"message {self.number}, hop {self.hop}: {self.link}, {_bytes(self.size)}, {self.fate}"
        lines = [
            f"  {role:<12} {_sized(size, frame):>13}  {_one_line(frame)}"
            for frame, role, size in zip(self.frames, self.roles, self.sizes, strict=True)
        ]
        return "\n".join([head, *lines, *([f"  {self.missing}"] if self.missing else [])])

    def _repr_html_(self) -> str:
        rows = "".join(self._rows())
        head = (
            f"message {self.number}, hop {self.hop}: {escape(self.link)}, {_bytes(self.size)}, {escape(self.fate)}"
            f"{'<br>' + escape(self.missing) if self.missing else ''}"
        )
        return (
            f'<table style="font-size: 11.5px"><caption style="text-align: left; padding: 2px 0">{head}</caption>'
            f"{rows}</table>"
        )

    def _rows(self) -> Iterator[str]:
        cell = '<td style="text-align: left; vertical-align: top'
        for frame, role, size in zip(self.frames, self.roles, self.sizes, strict=True):
            shown = _shown(frame)
            text = shown["json"] or shown["text"]
            body = f"<pre>{escape(text)}</pre>" if text else ""
            lines = f"<details><summary>hex</summary><pre>{escape(shown['hex'])}</pre></details>" if frame else ""
            colour = palette.QUIET if role is not Role.BODY else "inherit"
            yield (
                f'<tr>{cell}; color: {colour}">{role}</td>{cell}">{_sized(size, frame)}</td>'
                f'{cell}">{body}{lines}</td></tr>'
            )


def word(socket: str, frames: Sequence[bytes], begins: bytes = b"") -> str:
    """What a message says, in the few letters that have room beside an arrow; "" where that is not known.

    Args:
        socket: the type of the socket that sent it.
        frames: what was kept of them.
        begins: how the last of them begins, where none was kept.
    """
    if not frames:
        return _brief(begins)[:_WORD]
    found = roles(socket, frames)
    if found[0] is Role.SUBSCRIPTION:
        verb = "subscribe" if frames[0][:1] == b"\x01" else "unsubscribe"
        return f"{verb} {_one_line(frames[0][1:])}"[:_WORD]
    said = ""
    body = [f for f, role in zip(frames, found, strict=True) if role in {Role.BODY, Role.TOPIC} and f]
    plain = [_brief(f, _LEAST) for f in body if len(f) <= _LEAST or text_of(f) is not None]
    # Text comes first: the rest is shortened for it, until it is left out.
    for some in (map(_brief, body), [_brief(f, _LEAST) for f in body], plain):
        said = " | ".join(some) or said
        if len(said) <= _WORD:
            return said
    return said[: _WORD - 1] + "…"


def holds(frames: Sequence[bytes], wanted: bytes) -> bool:
    """Whether a frame has these bytes in it, large and small letters alike."""
    return any(wanted in frame.lower() for frame in frames)


def text_of(frame: bytes) -> str | None:
    """A frame as text, or None where it is none."""
    try:
        text = frame.decode()
    except UnicodeDecodeError as error:
        if len(frame) < SHOWN or error.start < len(frame) - 3:
            return None
        text = frame[: error.start].decode()  # it was cut within a letter
    return text if all(c.isprintable() or c in _PRINTABLE for c in text) else None


def _shown(frame: bytes) -> dict[str, Any]:
    text = text_of(frame)
    return {"text": text, "json": _pretty(text), "hex": "\n".join(_hex(frame))}


def _pretty(text: str | None) -> str | None:
    if not text or text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _hex(frame: bytes) -> Iterator[str]:
    for start in range(0, min(len(frame), _HEX), _LINE):
        line = frame[start : start + _LINE]
        letters = "".join(chr(b) if 0x20 <= b < 0x7F else "·" for b in line)  # noqa: PLR2004 - what ASCII prints
        yield f"{start:04x}  {line.hex(' '):<47}  {letters}"
    if len(frame) > _HEX:
        yield f"… {len(frame) - _HEX:,} more bytes"


def _brief(frame: bytes, most: int = _WHOLE) -> str:
    """A frame as text, where it is some; the text in it and how it begins; or so many bytes of it, the last ones.

    What counts up, as the sequence numbers of RFC 12 or the identities that a ROUTER makes, does so at its end.
    """
    if text_of(frame) is not None:
        return _PADDING.sub("…", _one_line(frame))
    words = [found for found in _WITHIN.finditer(frame[:_HEX]) if _tells(found, frame)]
    if words:
        head = frame[: words[0].start()][:_SIGN]
        return f"{head.hex(' ')}… {' '.join(found[0].decode() for found in words)}"
    if len(frame) <= most:
        return frame.hex(" ")
    return f"…{frame[-_LEAST:].hex(' ')}" if most == _LEAST else f"{frame[:most].hex(' ')}…"


def _tells(found: re.Match[bytes], frame: bytes) -> bool:
    # In bytes at random, a few in a row look like letters now and then.
    return len(found[0]) >= min(8, max(4, len(frame) // 3))


def _one_line(frame: bytes) -> str:
    text = text_of(frame)
    if text is not None:
        return " ".join(text[:80].split())
    return frame[:12].hex(" ") + ("…" if len(frame) > 12 else "")  # noqa: PLR2004 - as many as a line takes


def _bytes(number: int) -> str:
    return f"{units.count(number)} byte{'' if number == 1 else 's'}"


def _sized(size: int | None, frame: bytes) -> str:
    return f"{units.count(len(frame))} or more bytes" if size is None else _bytes(size)
