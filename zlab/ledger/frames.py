"""The ledger as tables: one DataFrame a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from zlab.ledger.snapshot import LatencyFigures, Snapshot
    from zlab.recording import Event
    from zlab.topology import Link


def ledger(snapshot: Snapshot, links: Iterable[Link]) -> pd.DataFrame:
    """A row per link: where every message is, with a column per reason that occurred."""
    import pandas as pd

    rows = []
    for link, figures in zip(links, snapshot.links, strict=True):
        rows.append(
            {
                "link": figures.name,
                "endpoint": link.endpoint,
                "expected": figures.expected,
                "delivered": figures.delivered,
                "queued": figures.queued,
                "dropped": sum(figures.dropped.values()),
                "lost": sum(figures.lost.values()),
                "unaccounted": figures.unaccounted,
                "filtered": figures.filtered,
                "uncertain": figures.uncertain,
                **{f"dropped: {k}": v for k, v in figures.dropped.items()},
                **{f"lost: {k}": v for k, v in figures.lost.items()},
            }
        )
    frame = pd.DataFrame(rows).set_index("link")
    reasons = [c for c in frame.columns if ": " in c]
    frame[reasons] = frame[reasons].fillna(0).astype("int64")
    return frame


def sockets(snapshot: Snapshot) -> pd.DataFrame:
    """A row per socket: its type, URLs and options, its counts in messages and bytes, its rates per second."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "socket": s.name,
                "type": s.type,
                "urls": ", ".join(s.urls),
                "options": ", ".join(f"{k}={v!r}" for k, v in s.options.items()),
                "sent": s.sent,
                "received": s.received,
                "refused": s.refused,
                "bytes_sent": s.bytes_sent,
                "bytes_received": s.bytes_received,
                "send_rate": s.send_rate,
                "receive_rate": s.receive_rate,
            }
            for s in snapshot.sockets
        ]
    ).set_index("socket")


def latency(links: Mapping[str, LatencyFigures], paths: Mapping[str, LatencyFigures]) -> pd.DataFrame:
    """A row per link and per path from end to end: quantiles in seconds, of the messages that were traced."""
    import pandas as pd

    rows = [
        {
            "path": name,
            "scope": scope,
            "count": f.count,
            "p50": f.p50,
            "p90": f.p90,
            "p99": f.p99,
            "p99.9": f.p999,
            "max": f.max,
        }
        for scope, table in (("link", links), ("end to end", paths))
        for name, f in table.items()
    ]
    columns = ["path", "scope", "count", "p50", "p90", "p99", "p99.9", "max"]
    return pd.DataFrame(rows, columns=columns).set_index("path")


def events(record: Iterable[Event]) -> pd.DataFrame:
    """A row per event, in the order in which they happened; ``at`` in seconds since the lab started."""
    import pandas as pd

    columns = ["at", "kind", "node", "socket", "detail"]
    return pd.DataFrame([(e.at, e.kind, e.node, e.socket, e.detail) for e in record], columns=columns)
