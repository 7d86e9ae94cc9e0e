"""A socket used from two threads: libzmq does not guard it, and ends the process when its state is torn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlab.diagnosis.mistake import Mistake, Sign

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zlab.diagnosis.facts import Facts


def words(socket: str, threads: Sequence[str]) -> str:
    """What has been seen of one socket."""
    inside, came = threads
    return (
        f"{socket} was used by the thread {came!r} while {inside!r} was inside it: libzmq may end the whole process "
        "at any moment"
    )


def look(facts: Facts) -> Iterator[Sign]:
    """Each socket in which a second thread was met, or that came back from one."""
    for use in facts.uses.values():
        if use.threads:
            yield Sign(words(use.name, use.threads), (use.name,))
        elif use.by_turns:
            yield Sign(
                f"{use.name} was used by the threads {use.by_turns[0]!r} and {use.by_turns[1]!r} by turns, and no lock "
                "was held: as soon as one is inside it when the other comes, libzmq may end the whole process",
                (use.name,),
                certain=False,
            )


MISTAKE = Mistake(
    "socket used from two threads",
    "Give each thread a socket of its own, and let the threads talk over inproc (PAIR, or PUSH and PULL); a socket may "
    "only be handed over as a whole, as by a queue or before the thread starts; to end a thread that waits, send it a "
    "message or end the context, and let it close its socket itself",
    2,
    "Multithreading with ZeroMQ",
    3,
    look,
)
