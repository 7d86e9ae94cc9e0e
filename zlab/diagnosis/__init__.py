"""The mistakes that are looked for: one file each."""

from zlab.diagnosis import (
    deadlock,
    duplicate_identity,
    forgotten_subscribe,
    high_water_mark,
    lingering,
    missing_delimiter,
    nobody_binds,
    out_of_step,
    slow_joiner,
    slow_worker,
    two_threads,
    unmatched_filter,
    wildcard,
)

# Those that explain others come first: what follows from one of them is not told once more.
MISTAKES = (
    two_threads.MISTAKE,
    out_of_step.MISTAKE,
    missing_delimiter.MISTAKE,
    duplicate_identity.MISTAKE,
    forgotten_subscribe.MISTAKE,
    unmatched_filter.MISTAKE,
    wildcard.MISTAKE,
    nobody_binds.MISTAKE,
    lingering.MISTAKE,
    slow_joiner.MISTAKE,
    slow_worker.MISTAKE,
    high_water_mark.MISTAKE,
    deadlock.MISTAKE,
)
"""All of them."""

__all__ = ["MISTAKES"]
