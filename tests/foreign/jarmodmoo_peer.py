"""A client, a worker or the broker of jarmodmoo's, which has Majordomo by RFC 7.

Usage: jarmodmoo_peer.py client SERVICE REQUEST..., jarmodmoo_peer.py worker SERVICE, or jarmodmoo_peer.py broker; in a
folder with a jarmodmoo.cfg, which tells it the endpoint. A client writes down each reply, a worker each request.

jarmodmoo 0.1.2 is of the year 2012 and of Python 2, where a string in quotes was bytes: so it is read here. What it
says and does is its own.
"""

import ast
import configparser
import importlib.machinery
import json
import logging
import re
import sys
import types

READ = {f"jarmodmoo.{name}" for name in ("protocol", "client", "worker", "broker")}


class Bytes(ast.NodeTransformer):
    """Makes bytes of every string in quotes, but for the names of loggers."""

    def visit_Constant(self, node):
        return ast.copy_location(ast.Constant(node.value.encode()), node) if isinstance(node.value, str) else node

    def visit_Call(self, node):
        return node if getattr(node.func, "attr", "") == "getLogger" else self.generic_visit(node)


class Loader(importlib.machinery.SourceFileLoader):
    """Reads a file so."""

    def get_code(self, _name):
        return compile(Bytes().visit(ast.parse(self.get_data(self.path))), self.path, "exec")


class Finder:
    """Finds these files."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if name in READ else None
        if spec is not None:
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


sys.meta_path.insert(0, Finder)
sys.modules["ConfigParser"] = types.SimpleNamespace(SafeConfigParser=configparser.ConfigParser)
logging.Logger.warn = logging.Logger.warning

from jarmodmoo import config, helpers  # noqa: E402

config.INTERNAL_SERVICE_PREFIX = config.INTERNAL_SERVICE_PREFIX.encode()
config.INTERNAL_SERVICE_REGEX = re.compile(config.INTERNAL_SERVICE_REGEX.pattern.encode())
helpers.dump = repr  # it asks for the number of each byte, which is one

from jarmodmoo.broker import Broker  # noqa: E402
from jarmodmoo.client import SyncClient  # noqa: E402
from jarmodmoo.worker import Worker  # noqa: E402


def report(frames):
    sys.stdout.write(json.dumps([frame.decode("latin-1") for frame in frames]) + "\n")


def client(service, *requests):
    asking = SyncClient()
    for request in requests:
        report(asking.send(service.encode(), [request.encode()]))
    asking.destroy()


def worker(service):
    serving, reply = Worker(service.encode()), None
    while True:
        request = serving.recv(reply)
        report(request)
        reply = [*request[:-1], request[-1].replace(b"request", b"reply", 1)]


def broker():
    between = Broker()
    between.bind()
    between.mediate()


{"client": client, "worker": worker, "broker": broker}[sys.argv[1]](*sys.argv[2:])
