"""A context that does not end."""

import threading

import zmq

from .stage import free_port, makes

NAME = "LINGER holds term"


def _drains(stage, kind, url):
    """At the end somebody comes after all, and takes what is left."""

    def drain():
        context = zmq.Context()
        with context.socket(kind) as peer:
            peer.linger = 0
            peer.bind(url)
            assert peer.poll(5000)
            peer.recv()
        context.term()

    stage.helpers.append(drain)


@makes(NAME)
def a_push_that_nobody_takes(stage):
    url = f"tcp://127.0.0.1:{free_port()}"

    def main():
        with stage.context.socket(zmq.PUSH) as out:
            out.linger = -1
            out.connect(url)
            out.send(b"the only one")
        stage.context.term()

    stage.terms = True
    _drains(stage, zmq.PULL, url)
    stage.play(main)


@makes(NAME)
def a_request_to_nobody(stage):
    url = f"tcp://127.0.0.1:{free_port()}"

    def main():
        with stage.context.socket(zmq.REQ) as client:
            client.setsockopt(zmq.LINGER, 60_000)
            client.connect(url)
            client.send(b"hello")
            if client.poll(50) == 0:
                client.close()
        stage.context.term()

    stage.terms = True
    _drains(stage, zmq.REP, url)
    stage.play(main)


@makes(NAME)
def a_socket_that_is_left_open(stage):
    def main():
        left = stage.context.socket(zmq.PUSH)
        left.bind("inproc://left")
        stage.helpers.append(left.close)
        stage.context.term()

    stage.terms = True
    stage.play(main)


@makes(NAME)
def a_thread_that_does_not_close(stage):
    made = threading.Event()

    def worker():
        tasks = stage.context.socket(zmq.PULL)
        tasks.bind("inproc://tasks")
        stage.helpers.append(tasks.close)
        made.set()
        stage.over.wait(20)

    def main():
        made.wait(10)
        stage.context.term()

    stage.terms = True
    stage.play(worker, main)
