"""Figures: a snapshot's rows of links and sockets, made anew only where something has moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.ledger.snapshot import LinkFigures, SocketFigures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zlab.ledger.row import Row
    from zlab.ledger.snapshot import LatencyFigures
    from zlab.recording import Counts
    from zlab.sockets import Socket
    from zlab.topology import Link


class Figures:
    """The rows of the last snapshot, and what they were made of."""

    def __init__(self) -> None:
        """None yet."""
        self._links: dict[int, tuple[Row, tuple[object, ...], LinkFigures]] = {}
        self._sockets: dict[str, tuple[Counts, tuple[object, ...], SocketFigures]] = {}

    def link(
        self,
        index: int,
        link: Link,
        row: Row,
        *,
        moved: int,
        span: float,
        mean: float,
        capacity: int,
        latency: LatencyFigures | None,
        proxied: bool,
    ) -> LinkFigures:
        """The figures of a link.

        Args:
            index: its place in the topology.
            link: which.
            row: what the ledger says of it.
            moved: messages that it has delivered within the span.
            span: in seconds.
            mean: bytes of a message.
            capacity: messages that may wait on it.
            latency: of the last seconds.
            proxied: whether a proxy serves one of its ends.
        """
        rest = moved, mean, capacity, latency, proxied
        known = self._links.get(index)
        if known is not None and not moved and (known[0] is row or known[0] == row) and known[1] == rest:
            return known[2]
        rate = max(0, moved) / span
        figures = LinkFigures(
            name=known[2].name if known is not None else str(link),
            expected=row.expected,
            delivered=row.delivered,
            queued=row.queued,
            dropped=row.dropped,
            lost=row.lost,
            filtered=row.filtered,
            uncertain=row.uncertain,
            bytes=round(mean * row.delivered),
            rate=rate,
            byte_rate=rate * mean,
            capacity=capacity,
            latency=latency,
            duplicated=row.duplicated,
            proxied=proxied,
        )
        self._links[index] = row, rest, figures
        return figures

    def socket(
        self, name: str, spec: Socket, urls: Mapping[str, str], *, counts: Counts, before: Counts, span: float
    ) -> SocketFigures:
        """The figures of a socket.

        Args:
            name: its full name.
            spec: what it is.
            urls: of its endpoints.
            counts: of all its lives.
            before: the same, at the beginning of the span.
            span: in seconds.
        """
        rest = spec.type, tuple([urls.get(e, e) for e in spec.endpoints]), spec.options
        known = self._sockets.get(name)
        if known is not None and counts == before and counts == known[0] and rest == known[1]:
            return known[2]
        figures = SocketFigures(
            name=name,
            type=str(spec.type),
            urls=rest[1],
            options=dict(spec.options),
            sent=counts.sent,
            received=counts.received,
            refused=counts.refused,
            bytes_sent=counts.sent_bytes,
            bytes_received=counts.received_bytes,
            send_rate=(counts.sent - before.sent) / span,
            receive_rate=(counts.received - before.received) / span,
        )
        if counts == before:
            self._sockets[name] = counts, rest, figures
        else:
            self._sockets.pop(name, None)
        return figures
