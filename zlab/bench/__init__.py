"""Benchmarks: a lab against the same program in plain pyzmq, in the same run."""

from zlab.bench.throughput import main

__all__ = ["main"]
