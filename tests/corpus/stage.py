"""The stage on which a small program plays: its context, its threads, and their end."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from functools import partial, wraps
from itertools import count

import zmq
import zmq.asyncio

import zlab

WRONG: dict[str, list] = {}
"""By mistake: the programs in which it is made."""


def makes(mistake):
    """Mark a program: it makes this mistake and no other."""

    def mark(program):
        WRONG.setdefault(mistake, []).append(program)
        return program

    return mark


SCRIPTS: dict = {}
"""Programs that are told of at their end, each with the mistakes that it makes: none, where it is right."""


def script(*mistakes):
    """Mark a program that is written as a script is: its first thread is the program."""

    def mark(program):
        SCRIPTS[program] = set(mistakes)
        return program

    return mark


def free_port():
    """A port on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class _Keeping(zmq.Context):
    """A context whose sockets are kept: they are closed at the end, and not when they are collected."""

    def __init__(self, kept):
        super().__init__()
        object.__setattr__(self, "kept", kept)

    def socket(self, *args, **kwargs):
        made = super().socket(*args, **kwargs)
        self.kept.append(made)
        return made


class Stage:
    """What a program is given: it plays its parts in threads, which end when their context does."""

    def __init__(self):
        self.left = []  # sockets that a script may leave open
        self.context = _Keeping(self.left)
        self.context.linger = 0
        self.over = threading.Event()
        self.helpers = []  # called at the end, before the context ends
        self.terms = False  # whether one of its parts ends the context itself
        self._threads = []
        self._numbers = count()

    @property
    def asyncio(self):
        """The context, for sockets of asyncio."""
        return _Asyncio(self.context)

    def start(self, function, *args):
        """Play a function with arguments; returns its thread."""
        self.play(wraps(function)(partial(function, *args)))
        return self._threads[-1]

    def play(self, *parts):
        for part in parts:
            thread = threading.Thread(target=self._run, args=(part,), name=part.__name__, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, part):
        with suppress(zmq.ContextTerminated, zmq.error.ZMQError, RuntimeWarning):
            part()

    def some(self, least, most):
        """A number from a range, and each time another."""
        return least + next(self._numbers) * 7919 % (most - least + 1)

    def rest(self, seconds=0.01):
        """Wait a while; true once the program is to end."""
        return self.over.wait(seconds)

    def end(self):
        self.over.set()
        for helper in self.helpers:
            helper()
        term = threading.Thread(target=lambda: self.terms or self.context.term(), daemon=True)
        term.start()
        for thread in self._threads:
            _join(thread)
        for left in self.left:
            if not left.closed:
                left.close(0)
        _join(term)


def _join(thread):
    thread.join(10)
    assert not thread.is_alive(), f"{thread.name} did not end"


class _Asyncio:
    def __init__(self, context):
        self.socket = partial(context.socket, socket_class=zmq.asyncio.Socket)


@contextmanager
def scripted(program):
    """A script as it runs under `zlab.watch`; ended where it has not come to its end."""

    def main():
        program(stage)

    stage = Stage()
    with zlab.watch(stage.context, name=program.__name__) as lab:
        stage.play(main)
        try:
            yield lab
        finally:
            lab.stop()
            stage.end()


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
