"""What is published before a subscription has arrived is gone."""

import threading

import zmq

import zlab

from .stage import free_port, makes


@makes("slow joiner")
def publishes_as_soon_as_it_has_bound(stage):
    url, waits = f"tcp://127.0.0.1:{free_port()}", threading.Event()

    def subscriber():
        with stage.context.socket(zmq.SUB) as sub:
            sub.subscribe("")
            sub.connect(url)  # nobody is there yet: ZeroMQ tries again in a tenth of a second
            waits.set()
            while True:
                sub.recv()

    def publisher():
        waits.wait(10)
        stage.rest(0.02)
        with stage.context.socket(zmq.PUB) as pub:
            pub.bind(url)
            for number in range(10):
                pub.send_string(f"update {number}")
            stage.over.wait(20)

    stage.play(publisher, subscriber)


@makes("slow joiner")
def subscribes_when_all_is_said(stage):
    said = threading.Event()

    def publisher():
        with stage.context.socket(zmq.PUB) as pub:
            pub.bind("inproc://news")
            for number in range(5):
                pub.send(b"%d" % number)
            said.set()
            stage.over.wait(20)

    def subscriber():
        said.wait(10)
        with stage.context.socket(zmq.SUB) as sub:
            sub.connect("inproc://news")
            sub.subscribe(b"")
            sub.recv()

    stage.play(publisher, subscriber)


@makes("slow joiner")
def the_publisher_connects_and_sends(stage):
    url, sent = f"tcp://127.0.0.1:{free_port()}", threading.Event()

    def sensor():
        with stage.context.socket(zmq.PUB) as out:
            out.connect(url)
            for number in range(20):
                out.send_json({"reading": number})
            sent.set()
            stage.over.wait(20)

    def collector():
        sent.wait(10)
        with stage.context.socket(zmq.SUB) as updates:
            updates.subscribe("")
            updates.bind(url)
            while True:
                updates.recv()

    stage.play(collector, sensor)


@makes("slow joiner")
def a_lab_of_which_the_subscriber_is_late():
    def publish(out):
        out.poll(200, zmq.POLLERR)
        for number in range(50):
            out.send(b"%d" % number)
        out.poll(None, zmq.POLLERR)

    def listen(inbox):
        while True:
            inbox.recv()

    topology = zlab.Topology(
        "quick",
        [
            zlab.Node("publisher", publish, out=zlab.PUB.bind("news")),
            zlab.Node("subscriber", listen, inbox=zlab.SUB.connect("news", subscribe="")),
        ],
    )
    return topology, "tcp", lambda lab: lab.fault("subscriber", zlab.faults.SlowJoiner(seconds=0.6))
