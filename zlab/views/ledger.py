"""The ledger as a table: a row for each link, updated in place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import traitlets

from zlab.views.carried import Carried
from zlab.views.view import View, script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zlab.ledger.snapshot import Snapshot
    from zlab.views.source import Source


class Ledger(View):
    """Where the messages of each link are."""

    _esm = script("ledger.js")
    fixed = True
    period = 0.5
    acknowledged = 4

    links: Any = traitlets.List().tag(sync=True)
    """The links' names: [sender, receiver] of each."""

    def __init__(self, source: Source, **rest: Any) -> None:
        """Name the rows."""
        self._last = b""
        self._carried = Carried(len(source.topology.links))
        super().__init__(source, links=[[link.sender, link.receiver] for link in source.topology.links], **rest)

    def collect(self, snapshot: Snapshot) -> None:
        """Learn what each link carries."""
        self._carried.add(snapshot)

    def full(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]]:
        """All rows."""
        self._last = rows(snapshot, self._carried)
        return {"kinds": list(snapshot.kinds)}, [self._last]

    def tick(self, snapshot: Snapshot) -> tuple[dict[str, Any], Sequence[bytes]] | None:
        """All rows, when one has changed."""
        fresh = rows(snapshot, self._carried)
        if fresh == self._last:
            return None
        self._last = fresh
        return {"kinds": list(snapshot.kinds)}, [fresh]


def rows(snapshot: Snapshot, carried: Carried) -> bytes:
    """The table's figures as JSON, in the order of its columns, and the kinds of each link's messages."""
    table = [
        [
            link.expected,
            link.delivered,
            link.queued,
            {k: n for k, n in link.dropped.items() if n},
            {k: n for k, n in link.lost.items() if n},
            link.unaccounted,
            round(link.rate, 2),
            float(f"{link.latency.p50:.3g}") if link.latency else None,
            float(f"{link.latency.p99:.3g}") if link.latency else None,
            link.uncertain,
            link.capacity,
            link.filtered,
            carried.kinds((i,)),
        ]
        for i, link in enumerate(snapshot.links)
    ]
    return json.dumps(table, separators=(",", ":")).encode()
