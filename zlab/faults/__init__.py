"""Faults disturb a running lab: one fault, one file, frozen settings and one method."""

from zlab.faults.bandwidth import Bandwidth
from zlab.faults.cut import Cut
from zlab.faults.delay import Delay
from zlab.faults.drop import Drop
from zlab.faults.duplicate import Duplicate
from zlab.faults.freeze import Freeze
from zlab.faults.kill import Kill
from zlab.faults.latency import Latency
from zlab.faults.one_way import OneWay
from zlab.faults.option import Option
from zlab.faults.partition import Partition
from zlab.faults.reset import Reset
from zlab.faults.restart import Restart
from zlab.faults.slow_consumer import SlowConsumer
from zlab.faults.slow_joiner import SlowJoiner

__all__ = [
    "Bandwidth",
    "Cut",
    "Delay",
    "Drop",
    "Duplicate",
    "Freeze",
    "Kill",
    "Latency",
    "OneWay",
    "Option",
    "Partition",
    "Reset",
    "Restart",
    "SlowConsumer",
    "SlowJoiner",
]
