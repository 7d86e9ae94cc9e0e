"""A missing delimiter: REQ and REP take only messages with an empty frame before the body, and drop others silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.diagnosis.facts import count, listed
from zlab.diagnosis.mistake import Mistake, Sign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.diagnosis.facts import Facts


def look(facts: Facts) -> Iterator[Sign]:
    """Each socket that has sent messages without one to peers that need it."""
    fed, figures = facts.fed(), facts.sockets()
    for use in facts.uses.values():
        if not use.bare:
            continue
        peers = list(dict.fromkeys(link.receiver for link, _ in fed.get(use.name, ())))
        came = sum(figures[peer].received for peer in peers if peer in figures)
        kinds = "/".join(sorted({figures[peer].type for peer in peers if peer in figures})) or "REP"
        yield Sign(
            f"{use.bare:,} of {count(use.looked, 'message')} that {use.name} ({use.type}) has sent to {listed(peers)} "
            f"had no empty frame before the body, and {kinds} drops such a message without a word: "
            f"{came:,} received there",
            (use.name, *peers),
            tuple(str(link) for link, _ in fed.get(use.name, ())),
        )


MISTAKE = Mistake(
    "missing envelope delimiter",
    "Put an empty frame before the body, as REQ does by itself: send_multipart([b'', body]) from DEALER, "
    "send_multipart([identity, b'', body]) from ROUTER, which finds both before the body of each request",
    3,
    "The DEALER to REP Combination",
    2,
    look,
)
