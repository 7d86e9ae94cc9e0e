"""Where to listen is no address."""

import threading
from contextlib import suppress

import zmq

import zlab

from .stage import makes

NAME = "wildcard taken for an address"


@makes(NAME)
def connects_to_the_star(stage):
    def server():
        with stage.context.socket(zmq.REP) as rep:
            port.append(rep.bind_to_random_port("tcp://*"))
            bound.set()
            rep.recv()

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.REQ) as req:
            with suppress(zmq.ZMQError):
                req.connect(f"tcp://*:{port[0]}")
            stage.over.wait(20)

    bound, port = threading.Event(), []
    stage.play(server, client)


@makes(NAME)
def hands_out_what_it_has_bound(stage):
    def server():
        with stage.context.socket(zmq.REP) as rep:
            rep.bind("tcp://*:*")
            handed.append(rep.last_endpoint.decode())
            bound.set()
            while True:
                rep.send(rep.recv())

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.REQ) as req:
            req.connect(handed[0])  # tcp://0.0.0.0:41234
            while not stage.rest(0.05):
                req.send(b"hello")
                req.recv()

    bound, handed = threading.Event(), []
    stage.play(server, client)


@makes(NAME)
def hands_out_a_port_that_is_none(stage):
    url = "tcp://*:0"

    def server():
        with stage.context.socket(zmq.PULL) as pull:
            pull.bind(url)
            bound.set()
            pull.recv()

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.PUSH) as push:
            with suppress(zmq.ZMQError):
                push.connect(url)
            stage.over.wait(20)

    bound = threading.Event()
    stage.play(server, client)


@makes(NAME)
def connects_to_port_zero(stage):
    def client():
        with stage.context.socket(zmq.SUB) as sub:
            sub.subscribe("")
            sub.connect("tcp://127.0.0.1:0")
            sub.recv()

    stage.play(client)


@makes(NAME)
def a_lab_that_connects_to_every_address():
    def publish(out):
        while True:
            out.send(b"news")
            out.poll(20, zmq.POLLERR)

    def listen(inbox):
        inbox.recv()

    return zlab.Topology(
        "everywhere",
        [
            zlab.Node("publisher", publish, out=zlab.PUB.bind("news")),
            zlab.Node("subscriber", listen, inbox=zlab.SUB.connect("tcp://0.0.0.0:9", subscribe="")),
        ],
    ), "tcp"
