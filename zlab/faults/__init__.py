"""Faults disturb a running lab: one fault, one file, frozen settings and one method."""

from zlab.faults.delay import Delay

__all__ = ["Delay"]
