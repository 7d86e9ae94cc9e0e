"""What the tests of interoperation share: a lab over tcp, and a program that joins it."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from functools import partial

import zmq
from labs import LIMIT, eventually, leaving_nothing

import zlab


class Outsider:
    """A context of its own, as another program has, whose every wait has a limit."""

    def __init__(self):
        self.context = zmq.Context()
        self.sockets = []

    def socket(self, kind, url, *, bind=False, **options):
        one = self.context.socket(kind)
        self.sockets.append(one)
        waits = {"linger": 0, "rcvtimeo": round(LIMIT * 1000), "sndtimeo": round(LIMIT * 1000)}
        for option, value in (waits | options).items():
            one.set(zmq.SocketOption[option.upper()], value)
        if bind:
            vacated(url)
        (one.bind if bind else one.connect)(url)
        return one


@contextmanager
def joined(topology):
    """A lab over tcp, and a program that joins it; all is accounted for after, and no node has failed."""
    with leaving_nothing():
        outsider = Outsider()
        try:
            with zlab.run(topology, transport="tcp") as lab:
                yield lab, outsider
                assert not [e for e in lab.history() if e.kind == "error"]
        finally:
            for one in outsider.sockets:
                one.close(0)
            outsider.context.term()


def free_urls(count):
    """Addresses that nobody uses now."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    urls = [f"tcp://127.0.0.1:{one.getsockname()[1]}" for one in taken]
    for one in taken:
        one.close()
    return tuple(urls)


def vacated(*urls):
    """Wait until nobody listens at these any more: libzmq closes a killed node's sockets when it comes to it."""
    for url in urls:
        eventually(partial(_is_free, int(url.rpartition(":")[2])))


def _is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
