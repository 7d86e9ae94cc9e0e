"""A filter that matches nothing: it is compared with the beginning of a message, and looks nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.diagnosis.facts import count, listed
from zlab.diagnosis.mistake import Mistake, Sign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zlab.diagnosis.facts import Facts

_ENOUGH = 3  # messages: fewer may have it by chance


def look(facts: Facts) -> Iterator[Sign]:
    """Each subscriber that has received nothing, though most messages have what it asks for further inside."""
    figures = facts.sockets()
    for aim in facts.aims:
        use, mine = facts.uses.get(aim.subscriber), figures.get(aim.subscriber)
        if use is None or aim.matched or (mine is not None and mine.received):
            continue
        if aim.inside >= _ENOUGH and 2 * aim.inside > aim.looked:
            asked = listed([repr(prefix.decode(errors="replace")) for prefix in use.subscriptions])
            yield Sign(
                f"{aim.subscriber} subscribes to {asked}: {aim.inside:,} of {count(aim.looked, 'message')} of "
                f"{aim.publisher} have that further inside, none at the beginning, and none was sent to it",
                (aim.subscriber, aim.publisher),
                certain=False,
            )


MISTAKE = Mistake(
    "filter that matches nothing",
    "Send the topic as a frame of its own before the body, send_multipart([topic, body]): a filter is compared with "
    "the first bytes of the first frame, and JSON begins with a brace or a quote, a pickle with b'\\x80'",
    2,
    "Pub-Sub Message Envelopes",
    2,
    look,
)
