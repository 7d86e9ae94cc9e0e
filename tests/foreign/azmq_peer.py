"""A socket of azmq's, which speaks ZMTP 3.1 over asyncio's streams: no libzmq has a part in it.

Usage: azmq_peer.py, and in JSON: its type and URL, whether it binds, what it subscribes to, its security (the
arguments of azmq's mechanism), and whom its ZAP handler knows; then what it sends in turn (each is answered), how many
messages it just receives, or that it answers requests without end. It writes down each message that comes.

azmq 1.0.6 is of the year 2016. What Python has dropped since stands here again; what azmq says and does is its own.
"""

import asyncio
import ctypes.util
import functools
import importlib.machinery
import importlib.util
import json
import sys
from pathlib import Path

LIMIT = 15  # seconds, for any message to come


def without_loop(function):
    """Take the argument `loop`, which asyncio had until Python 3.10."""

    @functools.wraps(function)
    def called(*args, **options):
        options.pop("loop", None)
        return function(*args, **options)

    return called


class Lock(asyncio.Lock):
    """One that can be held by `with await lock`, as until Python 3.9."""

    def __await__(self):
        yield from self.acquire().__await__()
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


class Parenthesised(importlib.machinery.SourceFileLoader):
    """Reads a file in which a generator expression stands before a comma, as it could until Python 3.7."""

    BEFORE = b"p for p in self._peers if p.connection is connection,"
    AFTER = b"(p for p in self._peers if p.connection is connection),"

    def get_code(self, _name):
        return self.source_to_code(self.get_data(self.path).replace(self.BEFORE, self.AFTER), self.path)


for name in ("Event", "Queue", "sleep", "wait", "wait_for", "gather", "open_connection", "start_server"):
    setattr(asyncio, name, without_loop(getattr(asyncio, name)))
asyncio.Lock = without_loop(Lock)


class Finder:
    """Finds that file."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if name == "azmq.socket" else None
        if spec is not None:
            spec.loader = Parenthesised(spec.loader.name, spec.loader.path)
        return spec


def library(name):
    """The libsodium that the wheels of pyzmq bring along, where there is no other."""
    where = Path(importlib.util.find_spec("zmq").origin).parent
    brought = [*where.parent.glob("pyzmq.libs/libsodium*"), *where.glob(".dylibs/libsodium*")]
    return installed(name) or next((str(path) for path in brought if "sodium" in name), None)


sys.meta_path.insert(0, Finder)
installed, ctypes.util.find_library = ctypes.util.find_library, library

import azmq  # noqa: E402
from azmq import mechanisms, zap  # noqa: E402


def octets(text):
    return text.encode("latin-1")


def report(frames):
    sys.stdout.write(json.dumps([frame.decode("latin-1") for frame in frames]) + "\n")


async def talk(kind, url, *, bind=False, subscribe=(), security=None, known=None, say=(), hear=0, answer=False):
    async with azmq.Context() as context:
        if known is not None:
            authenticator = zap.ZAPAuthenticator(context)
            for who, password in known.get("passwords", {}).items():
                authenticator.add_user(who, password)
            for key in known.get("keys", []):
                authenticator.add_authorized_key(octets(key))
            context.set_zap_authenticator(authenticator)
        options = {}
        if security:
            mechanism, arguments = security
            given = {n: octets(v) if mechanism.startswith("Curve") else v for n, v in arguments.items()}
            options["mechanism"] = getattr(mechanisms, mechanism)(**given)
        socket = context.socket(getattr(azmq, kind), **options)
        for topic in subscribe:
            await socket.subscribe(octets(topic))
        (socket.bind if bind else socket.connect)(url)
        for message in say:
            await socket.send_multipart([octets(frame) for frame in message])
            report(await asyncio.wait_for(socket.recv_multipart(), LIMIT))
        for _ in range(hear):
            report(await asyncio.wait_for(socket.recv_multipart(), LIMIT))
        while answer:
            frames = await asyncio.wait_for(socket.recv_multipart(), LIMIT)
            report(frames)
            await socket.send_multipart([*frames[:-1], frames[-1].replace(b"request", b"reply", 1)])


asyncio.run(talk(**json.loads(sys.argv[1])))
