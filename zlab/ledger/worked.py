"""Worked: the tables that matching works on, a tick at a time, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zlab.ledger.columns import Columns, Flags, Heads, Ints, Things

if TYPE_CHECKING:
    from zlab.ledger.causes import Crossings, Followed


@dataclass(slots=True)
class Traced(Columns):
    """Messages that crossed sockets in one direction, as their probes saw them."""

    time: Ints
    life: Ints
    done: Ints
    rank: Ints
    key: Ints
    size: Ints
    head: Heads
    times: Ints
    """The how-manieth time it left: 0 where a fault let it go no further."""
    rich: Things
    """The `zlab.recording.Trace` where there is more to tell; else None."""


@dataclass(slots=True)
class Offered(Columns):
    """Messages sent, each once for every socket that is to have it."""

    key: Ints
    time: Ints
    socket: Ints
    target: Ints
    """The life that it is for, by its number; -1 where any may take it that faces the sender."""
    life: Ints
    """Of the sender."""
    filter: Ints
    """The number of the filter that it matched; -1 where it was sent by no publisher."""
    position: Ints
    """How many had matched that filter, with this one."""
    hop: Ints
    """Its number, of all that were offered since the lab began."""
    sent: Ints
    """The number of the message among all that were sent: the same where several are to have it."""
    kind: Ints
    size: Ints
    rank: Ints
    """The how-manieth it was for its sender."""
    times: Ints
    """As of what was traced."""


@dataclass(slots=True)
class Matches(Columns):
    """Messages that were seen at both ends, in the order in which they came."""

    sender: Ints
    """The number of the socket."""
    receiver: Ints
    life: Ints
    """Of the receiver."""
    hop: Ints
    sent: Ints
    """When send was called, in nanoseconds."""
    received: Ints
    """When recv returned, in nanoseconds."""
    rank: Ints
    """The how-manieth it was for the receiver."""
    size: Ints
    kind: Ints
    filter: Ints
    position: Ints
    began: Ints
    origin: Ints
    ends: Flags
    """Whether the journey ends here: the node sends nothing on, or the journey is back where it began."""
    sure: Flags
    """Whether what came can be no other message that nobody traced: else its latency is not to be believed."""
    ambiguous: Flags
    """Whether another message with an equal body was under way."""


@dataclass(slots=True)
class Late(Columns):
    """Of matches whose journey began late, because its source was held up: what that source left out."""

    match: Ints
    """The place of the match."""
    count: Ints
    """How many messages should have been sent before it."""
    interval: Ints
    """How far apart they should have been, in nanoseconds."""
    first: Flags
    """Whether this is where the journey began."""


@dataclass(slots=True)
class Copied(Columns):
    """Hops of messages that had been received by somebody else before: a proxy has passed them on to several."""

    original: Ints
    """The number of the first hop."""
    hop: Ints
    life: Ints
    """Of the receiver."""
    received: Ints
    """When recv returned, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What came of one tick, or of a part of it."""

    sends: Traced
    """Messages sent, in the order of time."""
    crossings: Crossings
    """The same: to which journeys they belong."""
    follows: Followed
    """The same: from what they follow."""
    offers: Offered
    """For whom they are."""
    of: Ints
    """For each offer, the place of its message in these."""
    matches: Matches
    late: Late
    doubtful: Ints
    """The numbers of the hops that were found not to be the only ones that may have come."""
    let_go: int
    """Traces that were not worked on, because there were too many."""
    copies: Copied
    whole: bool
    """Whether this is all of one tick."""
