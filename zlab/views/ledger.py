"""The ledger as a table: a row for each link, or for each group of them, updated in place."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import traitlets

from zlab.views import rows
from zlab.views.carried import Carried
from zlab.views.view import View, script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.ledger.snapshot import Snapshot
    from zlab.views.source import Source


class Ledger(View):
    """Where the messages of each link are; of a large lab, of each lane, until its group is opened."""

    _esm = script("sight.js", "ledger.js")
    fixed = True

    links: Any = traitlets.List().tag(sync=True)
    """The links' names: [sender, receiver] of each."""
    opened: Any = traitlets.List().tag(sync=True)
    """The groups that a person opened, here or in the graph, by name."""

    def __init__(self, source: Source, **rest: Any) -> None:
        """Name the rows."""
        self._last = b""
        self._carried = Carried(len(source.topology.links))
        self._rows = rows.rows_of(source.topology, rest.get("opened", ()))
        self.period = _period(len(self._rows))
        super().__init__(source, links=[[link.sender, link.receiver] for link in source.topology.links], **rest)
        self.observe(self._fold, "opened")

    def _fold(self, _: object) -> None:
        with self._lock:
            self._rows = rows.rows_of(self._topology, self.opened)
            self.period = _period(len(self._rows))
            if self.visible and not self.outgrown:
                self._publish("full", self.full(self._source.snapshot()))

    def collect(self, snapshot: Snapshot) -> None:
        """Learn what each link carries."""
        self._carried.add(snapshot)

    def full(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """What the rows are, and all their figures."""
        self._last = self._figures(snapshot)
        named = [asdict(row) for row in self._rows]
        return {"kinds": list(snapshot.kinds), "at": snapshot.at}, [self._last, _packed(named)]

    def tick(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]] | None:
        """All figures, when one has changed."""
        fresh = self._figures(snapshot)
        if fresh == self._last:
            return None
        self._last = fresh
        return {"kinds": list(snapshot.kinds)}, [fresh]

    def _figures(self, snapshot: Snapshot) -> bytes:
        """The figures of the rows, and the kinds of the messages of each."""
        links = snapshot.links
        return _packed(
            [rows.figures([links[i] for i in row.links], self._carried.kinds(row.links)) for row in self._rows]
        )


def _period(rows: int) -> float:
    # Of thousands nobody reads more than some, and all are packed and sent.
    return max(0.5, rows / 1_000)


def _packed(value: Any) -> bytes:
    # In bytes, for ipykernel walks through all that is not.
    return json.dumps(value, separators=(",", ":")).encode()
