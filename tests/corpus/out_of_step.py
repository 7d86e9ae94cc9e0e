"""REQ and REP send and receive by turns."""

import threading
from contextlib import suppress

import zmq

import zlab

from .stage import makes

NAME = "REQ/REP out of step"


@makes(NAME)
def asks_twice(stage):
    def server():
        with stage.context.socket(zmq.REP) as rep:
            rep.bind("inproc://server")
            bound.set()
            while True:
                rep.send(rep.recv())

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.REQ) as req:
            req.connect("inproc://server")
            req.send(b"one")
            with suppress(zmq.ZMQError):
                req.send(b"two")
            req.recv()
            stage.over.wait(20)

    bound = threading.Event()
    stage.play(server, client)


@makes(NAME)
def listens_before_it_asks(stage):
    def client():
        with stage.context.socket(zmq.REQ) as req:
            req.bind("inproc://backwards")
            req.recv()

    stage.play(client)


@makes(NAME)
def answers_twice(stage):
    def server():
        with stage.context.socket(zmq.REP) as rep:
            rep.bind("inproc://generous")
            bound.set()
            rep.recv()
            rep.send(b"first")
            rep.send(b"second")

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.REQ) as req:
            req.connect("inproc://generous")
            req.send(b"?")
            req.recv()
            stage.over.wait(20)

    bound = threading.Event()
    stage.play(server, client)


@makes(NAME)
def asks_again_after_a_time_out(stage):
    def server():
        with stage.context.socket(zmq.REP) as rep:
            port.append(rep.bind_to_random_port("tcp://127.0.0.1"))
            bound.set()
            rep.recv()
            stage.over.wait(20)  # it takes long

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.REQ) as req:
            req.connect(f"tcp://127.0.0.1:{port[0]}")
            for _ in range(3):
                req.send(b"are you there?")
                if req.poll(50):
                    req.recv()

    bound, port = threading.Event(), []
    stage.play(server, client)


@makes(NAME)
def a_node_that_answers_before_it_is_asked():
    def server(rep):
        rep.send(b"hello")

    def client(req):
        req.send(b"hello?")
        req.poll(None, zmq.POLLERR)

    return zlab.Topology(
        "eager",
        [
            zlab.Node("server", server, rep=zlab.REP.bind("door")),
            zlab.Node("client", client, req=zlab.REQ.connect("door")),
        ],
    ), "inproc"
