"""A full queue."""

import threading
from contextlib import suppress

import zmq

import zlab

from .stage import makes

NAME = "high-water mark reached"


@makes(NAME)
def a_publisher_faster_than_its_subscriber(stage):
    def publisher():
        with stage.context.socket(zmq.PUB) as pub:
            pub.sndhwm = 5
            pub.bind("inproc://flood")
            bound.set()
            joined.wait(10)
            for number in range(200):
                pub.send(b"%d" % number)
            stage.over.wait(20)

    def subscriber():
        bound.wait(10)
        with stage.context.socket(zmq.SUB) as sub:
            sub.rcvhwm = 5
            sub.subscribe("")
            sub.connect("inproc://flood")
            joined.set()
            while True:
                sub.recv()
                if stage.rest(0.5):
                    return

    bound, joined = threading.Event(), threading.Event()
    stage.play(publisher, subscriber)


@makes(NAME)
def sends_without_waiting_into_a_full_queue(stage):
    def source():
        with stage.context.socket(zmq.PUSH) as push:
            push.sndhwm = 10
            push.bind("inproc://full")
            joined.wait(10)
            for number in range(100):
                with suppress(zmq.Again):
                    push.send(b"%d" % number, zmq.NOBLOCK)
            stage.over.wait(20)

    def sink():
        with stage.context.socket(zmq.PULL) as pull:
            pull.rcvhwm = 10
            pull.connect("inproc://full")
            joined.set()
            stage.over.wait(20)

    joined = threading.Event()
    stage.play(source, sink)


@makes(NAME)
def a_dealer_that_nobody_reads(stage):
    def client():
        with stage.context.socket(zmq.DEALER) as dealer:
            dealer.sndhwm = dealer.rcvhwm = 3
            dealer.sndtimeo = 10
            dealer.connect("inproc://deaf")
            while not stage.over.is_set():
                with suppress(zmq.Again):
                    dealer.send(b"anybody?")

    def server():
        with stage.context.socket(zmq.ROUTER) as router:
            router.sndhwm = router.rcvhwm = 3
            router.bind("inproc://deaf")
            stage.over.wait(20)

    stage.play(server, client)


@makes(NAME)
def a_burst_in_a_lab():
    def burst(out):
        while True:
            for number in range(100):
                out.send(b"%d" % number)
            out.poll(200, zmq.POLLERR)

    def slow(inbox):
        while True:
            inbox.recv()
            inbox.poll(20, zmq.POLLERR)

    return zlab.Topology(
        "bursts",
        [
            zlab.Node("publisher", burst, out=zlab.PUB.bind("news", sndhwm=5)),
            zlab.Node("subscriber", slow, inbox=zlab.SUB.connect("news", subscribe="", rcvhwm=5)),
        ],
    ), "inproc"
