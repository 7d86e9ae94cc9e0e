"""What watching costs: the probe for each message, the lab's clock with its views for each second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """What it costs to watch a lab. Seconds are of the processor, for one message of 100 bytes sent and received.

    Measured once in a process, before its first lab starts, over inproc within one thread.
    """

    plain: float
    """With pyzmq alone, in seconds."""
    counted: float
    """Counted by the probe, in seconds; compiled, that is less than pyzmq alone takes."""
    traced: float
    """Counted and traced, as at full rate, in seconds."""
    compiled: bool
    """Whether the probe is compiled; where there was no C compiler, it is Python."""
    clock: float
    """Share of one core that reading the probes, the ledger and the views take now: 0.01 is 1 per cent."""
    sampling: int
    """1: every message is traced; n: about one message in n is."""

    def __str__(self) -> str:
        """In words."""
        traced = "every message is traced" if self.sampling == 1 else f"about 1 message in {self.sampling:,} is traced"
        return (
            f"A message costs {self.counted * 1e6:.2f} µs to send, receive and count, {self.traced * 1e6:.2f} µs where "
            f"it is traced too; pyzmq alone takes {self.plain * 1e6:.2f} µs "
            f"({'compiled' if self.compiled else 'Python'} probe). "
            f"Reading and showing take {self.clock:.1%} of a core; {traced}."
        )
