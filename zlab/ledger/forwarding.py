"""Forwarding: what passes a ``zmq.proxy`` is counted in frames by libzmq; here they become messages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zlab.sockets import PUBLISHERS, Socket, SocketType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from zlab.ledger.row import Row
    from zlab.recording import Counts
    from zlab.topology import Link


def through_proxies(
    totals: dict[str, Counts],
    proxied: Mapping[str, str],
    unseen: Collection[str],
    links: Iterable[Link],
    specs: Mapping[str, Socket],
    strangers: frozenset[str] = frozenset(),
) -> dict[str, Counts]:
    """Replace the counts of frames that a proxy has moved by messages.

    A proxy passes on what it receives, so both of its sides count the same messages: as many as
    its frames make up, and no fewer than have come out at the far end.

    Args:
        totals: counts by socket.
        proxied: each socket that a proxy serves, and the one at its other side.
        unseen: those of them whose counts hold frames alone, as libzmq counts them.
        links: those of the topology.
        specs: the sockets of the topology.
        strangers: those of them that nobody watches.
    """
    if not proxied:
        return totals
    links = list(links)
    result = dict(totals)
    for near in _in_order(proxied, links):
        far = proxied[near]
        senders = [link.sender for link in links if link.receiver == near]
        if near not in unseen:
            if specs[near].type in PUBLISHERS:  # subscriptions, which cross no link
                result[near], result[far] = result[near]._replace(received=0), result[far]._replace(sent=0)
            continue
        receivers = [link.receiver for link in links if link.sender == far]
        frames = totals[near].received_frames
        came = [totals[r].received for r in receivers]
        # A publisher sends to each of its subscribers what others send to one.
        arrived = max(came, default=0) if specs[far].type in PUBLISHERS else sum(came)
        offered = sum(result[s].left for s in senders)
        per_message = _frames_per_message(senders, near, result, specs)
        messages = max(int(frames / per_message) if per_message else 0, arrived)
        messages = min(messages, offered) if senders and not strangers.intersection(senders) else messages
        result[near] = result[near]._replace(received=messages)
        result[far] = result[far]._replace(sent=messages)
    return result


def _in_order(proxied: Mapping[str, str], links: Iterable[Link]) -> list[str]:
    """The sockets at which messages come to proxies, those first that come from no other proxy."""
    feeds = {near: {k.sender for k in links if k.receiver == near} & set(proxied) for near in proxied}
    order: list[str] = []
    while len(order) < len(proxied):
        # What comes out at the far side of one has been counted before; in a ring, somebody is the first.
        waiting = [near for near in proxied if near not in order]
        counted = {proxied[near] for near in order}
        order.append(next((near for near in waiting if feeds[near] <= counted), waiting[0]))
    return order


def bounded(
    row: Row,
    link: Link,
    proxied: Mapping[str, str],
    unseen: Collection[str],
    links: Iterable[Link],
    totals: Mapping[str, Counts],
) -> Row:
    """Say how much more a subscriber may have been promised by proxies whose messages nobody compares with its wishes.

    Args:
        row: what is known of a link to it.
        link: which.
        proxied: each socket that a proxy serves, and the one at its other side.
        unseen: those of them of which that is so.
        links: those of the topology.
        totals: counts by socket, those of proxies in messages too.
    """
    facing = {each.sender for each in links if each.receiver == link.receiver} if unseen else set()
    passed = sum(_most_passed(far, proxied[far], links, totals) for far in facing.intersection(unseen))
    if not passed:
        return row
    # Of several publishers, what has come of one may be another's.
    return replace(row, uncertain=max(row.uncertain, passed - row.delivered if len(facing) == 1 else passed))


def _most_passed(far: str, near: str, links: Iterable[Link], totals: Mapping[str, Counts]) -> int:
    """How many messages a proxy has sent at the most, from the one socket by the other."""
    counts = totals[far]
    return counts.sent if whole(totals[link.sender] for link in links if link.receiver == near) else counts.sent_frames


def whole(senders: Iterable[Counts]) -> bool:
    """Whether all messages of some senders have as many frames: then a count of frames tells how many they were."""
    sent = [counts for counts in senders if counts.sent]
    return all(counts.sent_frames == counts.sent * (sent[0].sent_frames // sent[0].sent) for counts in sent)


def _frames_per_message(
    senders: list[str], near: str, totals: Mapping[str, Counts], specs: Mapping[str, Socket]
) -> float:
    """How many frames the proxy sees of one message: the application's, and those of the envelope (RFC 28)."""
    frames = messages = 0
    for sender in senders:
        counts = totals[sender]
        messages += counts.sent
        frames += counts.sent_frames
        if specs[sender].type is SocketType.REQ:
            frames += counts.sent  # the empty delimiter
        if specs[sender].type is SocketType.REP:
            frames += 2 * counts.sent  # the delimiter and the address that it kept
        if specs[near].type is SocketType.ROUTER:
            frames += counts.sent  # the address that ROUTER puts in front
    return frames / messages if messages else 0.0
