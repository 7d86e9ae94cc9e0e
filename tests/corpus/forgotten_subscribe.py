"""A SUB that asks for nothing gets nothing."""

import threading

import zmq

import zlab

from .stage import makes


@makes("forgotten SUBSCRIBE")
def connects_and_waits(stage):
    def publisher():
        with stage.context.socket(zmq.PUB) as pub:
            pub.bind("inproc://weather")
            bound.set()
            while not stage.rest():
                pub.send_string("weather NYC 20")

    def subscriber():
        bound.wait(10)
        with stage.context.socket(zmq.SUB) as sub:
            sub.connect("inproc://weather")
            sub.recv()

    bound = threading.Event()
    stage.play(publisher, subscriber)


@makes("forgotten SUBSCRIBE")
def polls_for_ever(stage):
    def publisher():
        with stage.context.socket(zmq.PUB) as pub:
            port.append(pub.bind_to_random_port("tcp://127.0.0.1"))
            bound.set()
            while not stage.rest():
                pub.send_multipart([b"A", b"for A"])

    def subscriber():
        bound.wait(10)
        with stage.context.socket(zmq.SUB) as sub:
            sub.connect(f"tcp://127.0.0.1:{port[0]}")
            while not stage.over.is_set():
                if sub.poll(50):
                    sub.recv_multipart()

    bound, port = threading.Event(), []
    stage.play(publisher, subscriber)


@makes("forgotten SUBSCRIBE")
def waits_for_a_publisher_that_says_nothing_yet(stage):
    def subscriber():
        with stage.context.socket(zmq.SUB) as sub:
            sub.bind("inproc://quiet")
            bound.set()
            sub.recv()

    def publisher():
        bound.wait(10)
        with stage.context.socket(zmq.PUB) as pub:
            pub.connect("inproc://quiet")
            stage.over.wait(20)

    bound = threading.Event()
    stage.play(subscriber, publisher)


@makes("forgotten SUBSCRIBE")
def one_of_two_in_a_lab():
    def listen(inbox):
        while True:
            inbox.recv()

    return zlab.Topology(
        "one is deaf",
        [
            zlab.Node("publisher", zlab.nodes.source(rate=100), out=zlab.PUB.bind("news")),
            zlab.Node("hears", listen, inbox=zlab.SUB.connect("news", subscribe="")),
            zlab.Node("deaf", listen, inbox=zlab.SUB.connect("news")),
        ],
    ), "inproc"
