"""The ledger as tables: one DataFrame a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.ledger.fates import DELIVERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from zlab.ledger.diagnosed import Diagnosed
    from zlab.ledger.fates import Fates
    from zlab.ledger.finding import Finding
    from zlab.ledger.histogram import Histogram
    from zlab.ledger.hops import Hop
    from zlab.ledger.snapshot import Connection, LatencyFigures, Snapshot
    from zlab.recording import Event
    from zlab.topology import Link


MESSAGE_COLUMNS = [
    *("message", "hop", "link", "via", "kind", "size", "sent", "received"),
    *("service", "send_call", "queue_and_wire", "latency", "follows", "fate", "ambiguous", "fault"),
]


CONNECTION_COLUMNS = [
    *("link", "endpoint", "number", "stage", "connecting", "up", "handshake"),
    *("subscribed", "first_message", "disconnected", "retries", "reason"),
]


_LEDGER_COLUMNS = [
    *("link", "endpoint", "expected", "delivered", "queued", "dropped", "lost"),
    *("unaccounted", "filtered", "uncertain"),
]


_SOCKET_COLUMNS = [
    *("socket", "type", "urls", "options", "sent", "received", "refused"),
    *("bytes_sent", "bytes_received", "send_rate", "receive_rate"),
]


def ledger(snapshot: Snapshot, links: Iterable[Link]) -> pd.DataFrame:
    """A row per link: where every message is, with a column per reason that occurred."""
    from zlab.ledger.table import Table

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
                **({"duplicated: fault": figures.duplicated} if figures.duplicated else {}),
                **{f"dropped: {k}": v for k, v in figures.dropped.items()},
                **{f"lost: {k}": v for k, v in figures.lost.items()},
            }
        )
    frame = Table(rows, columns=None if rows else _LEDGER_COLUMNS).set_index("link")
    reasons = sorted(c for c in frame.columns if ": " in c)
    frame = frame[[*(c for c in frame.columns if c not in reasons), *reasons]]
    frame[reasons] = frame[reasons].fillna(0).astype("int64")
    return frame


def sockets(snapshot: Snapshot) -> pd.DataFrame:
    """A row per socket: its type, URLs and options, its counts in messages and bytes, its rates per second."""
    from zlab.ledger.table import Table

    rows = [
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
    return Table(rows, columns=None if rows else _SOCKET_COLUMNS).set_index("socket")


def findings(found: Sequence[Finding]) -> Diagnosed:
    """A row per finding, the worst first."""
    from zlab.ledger.diagnosed import Diagnosed

    columns = ["mistake", "certain", "where", "seen", "remedy", "guide"]
    table = Diagnosed([(f.mistake, f.certain, f.where, f.words, f.remedy, f.guide) for f in found], columns=columns)
    table.attrs["findings"] = tuple(found)
    return table


def latency(
    links: Mapping[str, Histogram], paths: Mapping[str, Histogram], left_out: Mapping[str, Histogram]
) -> pd.DataFrame:
    """A row per link and per path from end to end: quantiles in seconds, of the messages that were traced.

    Args:
        links: what was measured on each.
        paths: likewise from end to end.
        left_out: by link or path, what a source left out while it was held up.
    """
    from zlab.ledger.table import Table

    rows = []
    for scope, table in (("link", links), ("end to end", paths)):
        for name, histogram in table.items():
            omitted = left_out.get(name)
            measured = histogram.figures()
            corrected = histogram.together(omitted).figures() if omitted else measured
            row = {"path": name, "scope": scope, "count": measured.count} | _quantiles(measured)
            row["omitted"] = omitted.count if omitted else 0
            rows.append(row | {f"{column} corrected": value for column, value in _quantiles(corrected).items()})
    quantiles = ["p50", "p90", "p99", "p99.9", "max"]
    columns = ["path", "scope", "count", *quantiles, "omitted", *(f"{q} corrected" for q in quantiles)]
    return Table(rows, columns=columns).set_index("path")


def _quantiles(figures: LatencyFigures) -> dict[str, float]:
    return {"p50": figures.p50, "p90": figures.p90, "p99": figures.p99, "p99.9": figures.p999, "max": figures.max}


def messages(hops: Iterable[Hop], fates: Fates, kinds: Sequence[str], began: int) -> pd.DataFrame:
    """A row per traced message and hop: times and stages in seconds, sizes in bytes.

    Args:
        hops: what to show.
        fates: tells what became of each.
        kinds: the names of the kinds.
        began: when the lab began, in nanoseconds on the clock of the traces.
    """
    from zlab.ledger.table import Table

    rows = []
    for hop in hops:
        crossing = hop.crossing
        trace, cause = crossing.trace, crossing.cause
        fate, receiver = fates.of(hop)
        came = hop.received if fate == DELIVERED else None
        # Over inproc a message may have arrived before its sender has come back from send.
        left = trace.done if came is None else min(trace.done, came)
        rows.append(
            {
                "message": crossing.message,
                "hop": crossing.hop,
                "link": f"{crossing.sender} → {receiver or '?'}",
                "via": hop.via,
                "kind": kinds[hop.kind],
                "size": trace.size,
                "sent": (trace.time - began) * 1e-9,
                "received": None if came is None else (came - began) * 1e-9,
                "service": 0.0 if cause is None else (trace.time - cause.time) * 1e-9,
                "send_call": (left - trace.time) * 1e-9,
                "queue_and_wire": None if came is None else (came - left) * 1e-9,
                "latency": None if came is None else (came - trace.time) * 1e-9,
                "follows": "" if cause is None else "the same body" if cause.unchanged else "the last received",
                "fate": fate,
                "ambiguous": crossing.ambiguous,
                "fault": "drop" if trace.times == 0 else "duplicate" if trace.times > 1 else "",
            }
        )
    frame = Table(rows, columns=MESSAGE_COLUMNS)
    times = ["received", "queue_and_wire", "latency"]
    frame[times] = frame[times].astype("float64")
    return frame


def events(record: Iterable[Event]) -> pd.DataFrame:
    """A row per event, in the order in which they happened; ``at`` in seconds since the lab started."""
    from zlab.ledger.table import Table

    columns = ["at", "kind", "node", "socket", "detail"]
    return Table([(e.at, e.kind, e.node, e.socket, e.detail) for e in record], columns=columns)


def connections(record: Iterable[Connection], links: Sequence[Link]) -> pd.DataFrame:
    """A row per link and connection; times in seconds since the lab started."""
    from zlab.ledger.table import Table

    rows = [
        {
            "link": str(links[c.link]),
            "endpoint": links[c.link].endpoint,
            "number": c.number,
            "stage": c.stage,
            "connecting": c.connecting,
            "up": c.up,
            "handshake": c.handshake,
            "subscribed": c.subscribed,
            "first_message": c.first_message,
            "disconnected": c.disconnected,
            "retries": c.retries,
            "reason": c.reason,
        }
        for c in record
    ]
    frame = Table(rows, columns=CONNECTION_COLUMNS).set_index("link")
    times = ["connecting", "up", "handshake", "subscribed", "first_message", "disconnected"]
    frame[times] = frame[times].astype("float64")
    return frame
