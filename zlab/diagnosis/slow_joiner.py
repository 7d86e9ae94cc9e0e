"""The slow joiner: what is published before a subscription has arrived is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.diagnosis.facts import count
from zlab.diagnosis.mistake import Mistake, Sign
from zlab.sockets import PUBLISHERS, node_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.diagnosis.facts import Aim, Facts, Use
    from zlab.ledger.snapshot import LinkFigures
    from zlab.topology import Link

_LATE = "not yet joined"
_FEW, _SHARE = 3, 0.1  # messages, and their part of all: less than both is what any stream loses at its beginning
_CALM, _MOMENT = 0.5, 0.1  # seconds


def look(facts: Facts) -> Iterator[Sign]:
    """Each subscriber that has lost what came before it had joined, or before its publisher was gone again."""
    told: set[tuple[str, str]] = set()
    for link, figures in facts.links():
        late = figures.dropped.get(_LATE, 0)
        if late and (figures.delivered == 0 or (late >= _FEW and late >= _SHARE * figures.expected)):
            told.add((link.sender, link.receiver))
            yield Sign(
                f"{late:,} of {count(figures.expected, 'message')} that {link.sender} published for {link.receiver} "
                f"were sent before its subscription had arrived, and are gone",
                (link.sender, link.receiver),
                (figures.name,),
                certain=figures.uncertain < late,
            )
        elif _was_brief(facts, link, figures):
            told.add((link.sender, link.receiver))
            meant = figures.expected or _would_match(facts, facts.uses[link.sender], facts.uses.get(link.receiver))
            yield Sign(
                f"{link.sender} was opened, published for {link.receiver} and was closed within "
                f"{_span(facts.uses[link.sender]):.2f} s: {figures.delivered:,} of {count(meant, 'message')} came, for "
                "it takes a moment until a publisher knows of a subscription",
                (link.sender, link.receiver),
                (figures.name,),
                certain=False,
                remedy="Keep one publisher open for all that is published, and wait after it has connected; for single "
                "messages that must arrive take PUSH and PULL, or REQ and REP",
            )
    for aim in facts.aims:
        if (aim.publisher, aim.subscriber) in told:
            continue
        if aim.early and _missed_all(facts, aim, came=aim.sent):
            yield Sign(
                f"{aim.publisher} had sent its {count(aim.sent, 'message')} before {aim.subscriber} asked for any: "
                "a proxy subscribes once somebody behind it has, and that takes a moment at each step; none has come",
                (aim.publisher, aim.subscriber),
                certain=False,
            )
        elif _missed_all(facts, aim, came=aim.before):
            yield Sign(
                f"{aim.subscriber} came after {aim.publisher} had sent its {count(aim.before, 'message')}: "
                "it has received none",
                (aim.publisher, aim.subscriber),
                certain=aim.sent == aim.before,
            )


def _span(use: Use) -> float:
    return use.closed - use.opened


def _was_brief(facts: Facts, link: Link, figures: LinkFigures) -> bool:
    """Whether one, or one after another in its place, was closed so soon that not all has come; its peer was there."""
    use, peer = facts.uses.get(link.sender), facts.uses.get(link.receiver)
    expected = figures.expected or _would_match(facts, use, peer)
    missing = expected - figures.delivered
    if missing <= _SHARE * expected or use is None or use.open or use.type not in PUBLISHERS:
        return False
    since = facts.at - use.closed
    stayed = not figures.delivered or (peer is not None and peer.closed > use.closed)
    return stayed and _span(use) < _CALM and since > (_CALM if facts.running else _MOMENT)


def _would_match(facts: Facts, use: Use | None, peer: Use | None) -> int:
    """How many of a publisher's messages a subscriber asks for that was there, and to which it had not got through."""
    if use is None or peer is None or not peer.subscriptions or not peer.opened < use.closed < peer.closed:
        return 0
    return sum(head.startswith(tuple(peer.subscriptions)) for head in facts.published.get(use.name, ()))


def _missed_all(facts: Facts, aim: Aim, came: int) -> bool:
    """Whether one that came, or asked, after so many messages has received none, and none will follow."""
    figures = facts.sockets()
    publisher, subscriber = figures.get(aim.publisher), figures.get(aim.subscriber)
    if publisher is None or subscriber is None or subscriber.received or not came or aim.sent > came:
        return False
    use, node = facts.uses.get(aim.subscriber), node_of(aim.publisher)
    silent = not facts.running or (publisher.send_rate == 0 and (facts.is_over(node) or _waiting(facts, aim)))
    asks = use is not None and (aim.early or use.subscriptions)
    return silent and use is not None and bool(asks) and min(facts.at, use.closed) - use.opened > _CALM


def _waiting(facts: Facts, aim: Aim) -> bool:
    use = facts.uses.get(aim.publisher)
    done = use is not None and not use.open
    return done or any(name in facts.waits.get(node_of(name), ()) for name in _ends(facts, aim.subscriber))


def _ends(facts: Facts, subscriber: str) -> list[str]:
    """The subscriber itself; or those behind the proxy that it is the front of."""
    if facts.uses[subscriber].type != "XSUB":
        return [subscriber]
    node = node_of(subscriber)
    backs = {use.name for use in facts.uses.values() if use.type == "XPUB" and node_of(use.name) == node}
    return [link.receiver for link in facts.topology.links if link.sender in backs]


MISTAKE = Mistake(
    "slow joiner",
    "Let the subscriber say that it is there, over a REQ and REP of its own, before the first message that matters; "
    "what must reach late joiners too is kept and sent again, as by a last value cache; in a lab, lab.wait_ready()",
    2,
    "Node Coordination",
    2,
    look,
)
