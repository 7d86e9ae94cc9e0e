"""Patterns of the ZeroMQ Guide, each a function that returns a `zlab.Topology`."""

from zlab.patterns.broker import broker
from zlab.patterns.exclusive_pair import exclusive_pair
from zlab.patterns.pipeline import pipeline
from zlab.patterns.pub_sub import pub_sub
from zlab.patterns.request_reply import request_reply

__all__ = ["request_reply", "pub_sub", "pipeline", "broker", "exclusive_pair"]  # noqa: RUF022 - as the notebooks
