"""Both ends connect."""

import zmq

import zlab

from .stage import free_port, makes

NAME = "connect facing connect"


@makes(NAME)
def client_and_server_both_connect(stage):
    url = f"tcp://127.0.0.1:{free_port()}"

    def server():
        with stage.context.socket(zmq.REP) as rep:
            rep.connect(url)
            rep.recv()

    def client():
        with stage.context.socket(zmq.REQ) as req:
            req.connect(url)
            req.send(b"hello")
            req.recv()

    stage.play(server, client)


@makes(NAME)
def within_one_process(stage):
    def source():
        with stage.context.socket(zmq.PUSH) as push:
            push.connect("inproc://nobody")
            push.send(b"one")
            stage.over.wait(20)

    def sink():
        with stage.context.socket(zmq.PULL) as pull:
            pull.connect("inproc://nobody")
            pull.recv()

    stage.play(source, sink)


@makes(NAME)
def the_server_binds_another_port(stage):
    def server():
        with stage.context.socket(zmq.REP) as rep:
            rep.bind_to_random_port("tcp://127.0.0.1")
            rep.recv()

    def client():
        with stage.context.socket(zmq.REQ) as req:
            req.connect(f"tcp://127.0.0.1:{free_port()}")
            req.send(b"hello")
            req.recv()

    stage.play(server, client)


@makes(NAME)
def a_lab_with_a_url_that_nobody_binds():
    url = f"tcp://127.0.0.1:{free_port()}"

    def publish(out):
        while True:
            out.send(b"news")
            out.poll(20, zmq.POLLERR)

    def listen(inbox):
        inbox.recv()

    return zlab.Topology(
        "both connect",
        [
            zlab.Node("publisher", publish, out=zlab.PUB.connect(url)),
            zlab.Node("subscriber", listen, inbox=zlab.SUB.connect(url, subscribe="")),
        ],
    ), "tcp"
