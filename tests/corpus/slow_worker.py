"""PUSH deals out in turn, whoever is busy."""

import threading

import zmq

import zlab

from .stage import makes

NAME = "PUSH stalled behind a slow worker"


@makes(NAME)
def one_of_two_is_slow(stage):
    def ventilator():
        with stage.context.socket(zmq.PUSH) as tasks:
            tasks.bind("inproc://tasks")
            bound.set()
            ready.wait(10)
            for number in range(40):
                stage.rest(0.005)  # a PUSH that sends without a pause sees who has connected a millisecond later
                tasks.send(b"%d" % number)
            stage.over.wait(20)

    def worker(seconds):
        def work():
            bound.wait(10)
            with stage.context.socket(zmq.PULL) as tasks:
                tasks.connect("inproc://tasks")
                ready.wait(10)
                while True:
                    tasks.recv()
                    if seconds and stage.rest(seconds):
                        return

        return work

    bound, ready = threading.Event(), threading.Barrier(3)
    stage.play(ventilator, worker(0), worker(2))


@makes(NAME)
def the_only_worker_is_slow(stage):
    def ventilator():
        with stage.context.socket(zmq.PUSH) as tasks:
            tasks.sndhwm = 2
            tasks.bind("inproc://slow")
            bound.set()
            for number in range(100):
                tasks.send(b"%d" % number)

    def worker():
        bound.wait(10)
        with stage.context.socket(zmq.PULL) as tasks:
            tasks.rcvhwm = 2
            tasks.connect("inproc://slow")
            while not stage.rest(3):
                tasks.recv()

    bound = threading.Event()
    stage.play(ventilator, worker)


@makes(NAME)
def one_of_three_in_a_lab():
    def deal(tasks):
        for number in range(60):
            tasks.send(b"%d" % number)
        tasks.poll(None, zmq.POLLERR)

    def quick(tasks):
        while True:
            tasks.recv()

    def slow(tasks):
        while True:
            tasks.recv()
            tasks.poll(1000, zmq.POLLERR)

    return zlab.Topology(
        "uneven",
        [
            zlab.Node("ventilator", deal, tasks=zlab.PUSH.bind("tasks")),
            zlab.Node("quick-1", quick, tasks=zlab.PULL.connect("tasks")),
            zlab.Node("quick-2", quick, tasks=zlab.PULL.connect("tasks")),
            zlab.Node("slow", slow, tasks=zlab.PULL.connect("tasks")),
        ],
    ), "tcp"
