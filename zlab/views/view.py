"""What every live view shares: it sends only while somebody looks, and no faster than the browser takes it."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import anywidget

from zlab.views import palette
from zlab.views.playhead import Playhead, moves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zlab.ledger.snapshot import Snapshot
    from zlab.views.commands import Commands
    from zlab.views.source import Source

_HERE = Path(__file__).parent
_ASKED = 1.5  # seconds between two messages that the browser answers
_PATIENT = 2.5  # seconds until it has to
_SLOWED = 0.5  # seconds between messages to a browser that does not answer: a busy kernel may have its answer waiting
_LEFT = 60.0  # seconds without an answer after which nobody seems to be there
_GIVEN_UP = 5.0
_SILENT = 30.0


def script(*names: str) -> str:
    """The JavaScript of a view: the colours and the shared part first, then its own files, as one module."""
    files = ((_HERE / name).read_text("utf-8") for name in ("frames.js", "view.js", *names))
    return "\n".join((palette.javascript(), *files))


_views: WeakValueDictionary[str, View] = WeakValueDictionary()  # by the name of their comm
STYLE = palette.css() + (_HERE / "style.css").read_text("utf-8")


class View(anywidget.AnyWidget):
    """A widget that draws a lab; subclasses say what to draw in `full` and `tick`.

    Args:
        source: the lab.
        commands: carries out what a person asks for here; None for a view that only shows.
        told: hears what the browser says beyond the common words, such as ``{"t": "painted"}``.
    """

    _css = STYLE
    period = 0.1
    """Seconds between two messages, at least."""
    fixed = False
    """Whether it is drawn for one topology."""

    def __init__(
        self,
        source: Source,
        commands: Commands | None = None,
        told: Callable[[dict[str, Any]], None] | None = None,
        **traits: Any,
    ) -> None:
        """Open the comm and listen to the lab."""
        self._source = source
        self._topology = source.topology
        self._commands = commands
        self._told = told
        self._lock = threading.RLock()
        self._before: Snapshot | None = None
        self.elsewhere = False
        """Whether what comes now does not follow from what the browser shows: the playhead has moved."""
        self._visible: dict[str, bool] = {}
        self._heard: dict[str, float] = {}
        self._number = self._wants = 0
        self._sent_at = self._wants_at = self._answered_at = float("-inf")
        self._owed_since: float | None = None  # the answer
        self._unsubscribe: Callable[[], None] = lambda: None
        super().__init__(**traits)
        self.add_class(f"zlab-the-{type(self).__name__.lower()}")
        keep_replies_apart(self.comm)
        self.on_msg(self._receive)
        _views[self.model_id] = self
        self._unsubscribe = source.subscribe(self._on_snapshot)

    def full(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """All that a fresh browser view needs: a small dictionary, and bytes."""
        raise NotImplementedError

    def tick(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]] | None:
        """What has changed since the last message, or None."""
        raise NotImplementedError

    def jump(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """What to send when the playhead has moved: to a moment of the past, or back to the present."""
        return self.full(snapshot)

    def collect(self, snapshot: Snapshot) -> None:
        """Keep what must not be missed of a snapshot that may never be sent."""

    def recall(self, snapshot: Snapshot) -> None:
        """Keep what must not be missed where the playhead has moved, in the place of all that was kept."""
        self.collect(snapshot)

    @property
    def visible(self) -> bool:
        """Whether at least one browser view of it is on screen."""
        return any(self._visible.values())

    @property
    def watched(self) -> bool:
        """Whether at least one browser view of it exists."""
        return bool(self._visible)

    @property
    def outgrown(self) -> bool:
        """Whether there is more by now than it was made for: then it shows no more, and another takes its place."""
        return self.fixed and self._source.topology is not self._topology

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        if self.outgrown:
            self._unsubscribe()
            return
        if self.fixed and len(snapshot.links) != len(self._topology.links):
            return  # it was taken before the program grew
        with self._lock:
            before, self._before = self._before, snapshot
            if moves(snapshot, before):
                self.elsewhere = True
                self.recall(snapshot)
            else:
                self.collect(snapshot)
            last = snapshot.state == "stopped"
            if self.visible and (last or self._due()):
                if self.elsewhere:
                    self._publish("full", self.jump(snapshot))
                elif last:
                    self._publish("full", self.full(snapshot))
                else:
                    self._publish("tick", self.tick(snapshot))
                self.elsewhere = False
        if last and not isinstance(self._source, Playhead):  # which may yet show what was before
            self._unsubscribe()

    def _due(self) -> bool:
        now = monotonic()
        period = self.period
        if self._owed_since is not None and now - self._owed_since > _PATIENT:
            period = _GIVEN_UP if now - self._answered_at > _LEFT else max(_SLOWED, period)
        return now - self._sent_at >= 0.8 * period  # the lab's clock is the pace: this only skips whole ticks

    def _publish(self, kind: str, message: tuple[dict[str, Any], Sequence[bytes]] | None) -> None:
        if message is None:
            return
        content, buffers = message
        self._number += 1
        self._sent_at = monotonic()
        answer = self._sent_at - self._wants_at >= _ASKED
        if answer:
            self._wants, self._wants_at = self._number, self._sent_at
            self._owed_since = self._sent_at if self._owed_since is None else self._owed_since
        if kind == "full":
            content = {**content, "comm": self.model_id}
        self.send({"t": kind, "n": self._number, "a": answer, **content}, buffers=list(buffers))

    def _receive(self, _: object, content: dict[str, Any], __: object) -> None:
        view = str(content.get("v", ""))
        match content.get("t"):
            case "ready":
                self._show(view, on=bool(content["on"]), fresh=True)
            case "visible":
                self._show(view, on=bool(content["on"]), fresh=bool(content["on"]))
            case "answers":  # of all views that this kernel has in one page
                for comm, its, number in content["of"]:
                    if (one := _views.get(comm)) is not None:
                        one.answered(str(its), int(number))
            case "do":
                self._carry_out(content)
            case "gone":
                with self._lock:
                    self._visible.pop(view, None)
        if self._told is not None:
            self._told(content)

    def answered(self, view: str, number: int) -> None:
        """A browser's view has taken in the message of this number, and all before it."""
        now = monotonic()
        with self._lock:
            self._answered_at = now
            self._owed_since = None if number >= self._wants else self._wants_at
            self._heard[view] = now
            self._visible[view] = True
            # A page that crashed said no good-bye: others answer, it does not.
            for other in [v for v, on in self._visible.items() if on and now - self._heard.get(v, now) > _SILENT]:
                del self._visible[other]

    def _show(self, view: str, *, on: bool, fresh: bool) -> None:
        with self._lock:
            for other in [v for v in self._visible if _reloaded(v, view)]:
                del self._visible[other]  # the page was loaded again since
            self._visible[view] = on
            self._heard[view] = monotonic()
            if fresh and not self.outgrown:
                self._owed_since, self._answered_at = None, monotonic()
                self._publish("full", self.full(self._source.snapshot()))

    def _carry_out(self, content: dict[str, Any]) -> None:
        number = content["n"]
        self.send({"t": "heard", "c": number})
        if self._commands is None:
            self.send({"t": "done", "c": number, "error": "this view takes no commands"})
            return
        given = content.get("given") or {}
        self._commands.post(content["name"], given, lambda error: self.send({"t": "done", "c": number, "error": error}))


def keep_replies_apart(comm: object) -> None:
    """Let the browser's messages reach Python while a cell is busy.

    JupyterLab sends a comm's messages to a subshell of its own. ipykernel 7.4 sends them back to the shell that last
    published on the comm, which is the busy one. Other versions have no such method, and need nothing.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _, subshell: subshell  # noqa: SLF001


def _reloaded(before: str, now: str) -> bool:
    # A view is called "page load view": the same browser page, loaded again, is without its earlier views.
    return before.split()[:1] == now.split()[:1] and before.split()[:2] != now.split()[:2]
