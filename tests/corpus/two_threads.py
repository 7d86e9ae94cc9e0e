"""One socket, two threads."""

import threading

import zmq

import zlab

from .stage import makes

NAME = "socket used from two threads"


@makes(NAME)
def one_reads_while_the_other_writes(stage):
    def server():
        with stage.context.socket(zmq.ROUTER) as router:
            router.bind("inproc://shared")
            bound.set()
            while True:
                router.recv_multipart()

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.DEALER) as dealer:
            dealer.connect("inproc://shared")
            stage.play(writer(dealer))
            dealer.recv()

    def writer(dealer):
        def write():
            while not stage.rest():
                dealer.send(b"x")

        return write

    bound = threading.Event()
    stage.play(server, client)


@makes(NAME)
def two_workers_read_one_socket(stage):
    def source():
        with stage.context.socket(zmq.PUSH) as push:
            push.bind("inproc://tasks")
            bound.set()
            stage.over.wait(20)

    def pool():
        bound.wait(10)
        tasks = stage.context.socket(zmq.PULL)
        tasks.connect("inproc://tasks")

        def first():
            with tasks:
                tasks.recv()

        def second():
            stage.rest(0.1)
            tasks.recv()

        stage.play(first, second)

    bound = threading.Event()
    stage.play(source, pool)


@makes(NAME)
def one_polls_while_the_other_writes(stage):
    def server():
        with stage.context.socket(zmq.ROUTER) as router:
            port.append(router.bind_to_random_port("tcp://127.0.0.1"))
            bound.set()
            while True:
                router.recv_multipart()

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.DEALER) as dealer:
            dealer.connect(f"tcp://127.0.0.1:{port[0]}")

            def write():
                while not stage.rest(0.02):
                    dealer.send(b"x")

            stage.play(write)
            while not stage.over.is_set():
                if dealer.poll(200):
                    dealer.recv()

    bound, port = threading.Event(), []
    stage.play(server, client)


@makes(NAME)
def a_node_with_a_helper_of_its_own():
    def chatty(out):
        def helper():
            try:
                while True:
                    out.send(b"from the helper")
            except (zmq.ZMQError, RuntimeError):
                return

        threads = [threading.Thread(target=helper, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def never(inbox):
        inbox.poll(None, zmq.POLLERR)

    return zlab.Topology(
        "helper",
        [
            zlab.Node("chatty", chatty, out=zlab.PUSH.bind("words", sndhwm=1)),
            zlab.Node("listener", never, inbox=zlab.PULL.connect("words", rcvhwm=1)),
        ],
    ), "inproc"
