"""The stage on which a small program plays: its context, its threads, and their end."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress

import zmq

import zlab

WRONG: dict[str, list] = {}
"""By mistake: the programs in which it is made."""


def makes(mistake):
    """Mark a program: it makes this mistake and no other."""

    def mark(program):
        WRONG.setdefault(mistake, []).append(program)
        return program

    return mark


def free_port():
    """A port on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Stage:
    """What a program is given: it plays its parts in threads, which end when their context does."""

    def __init__(self):
        self.context = zmq.Context()
        self.context.linger = 0
        self.over = threading.Event()
        self.helpers = []  # called at the end, before the context ends
        self.terms = False  # whether one of its parts ends the context itself
        self._threads = []

    def play(self, *parts):
        for part in parts:
            thread = threading.Thread(target=self._run, args=(part,), name=part.__name__, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, part):
        with suppress(zmq.ContextTerminated, zmq.error.ZMQError, RuntimeWarning):
            part()

    def rest(self, seconds=0.01):
        """Wait a while; true once the program is to end."""
        return self.over.wait(seconds)

    def end(self):
        self.over.set()
        for helper in self.helpers:
            helper()
        if not self.terms:
            self._threads.append(threading.Thread(target=self.context.term, daemon=True))
            self._threads[-1].start()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), f"{thread.name} did not end"


@contextmanager
def watched(program):
    """A program as it runs under `zlab.watch`."""
    stage = Stage()
    with zlab.watch(stage.context, name=program.__name__) as lab:
        try:
            program(stage)
            yield lab
        finally:
            stage.end()


@contextmanager
def played(program):
    """A program that is a topology, as a lab; or one in threads, watched."""
    if "stage" in program.__code__.co_varnames[: program.__code__.co_argcount]:
        with watched(program) as lab:
            yield lab
    else:
        topology, transport, *befalls = program()
        with zlab.run(topology, transport=transport) as lab:
            for befall in befalls:
                befall(lab)
            yield lab
