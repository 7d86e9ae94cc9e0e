"""Each waits in recv for another that waits too."""

import threading

import zmq

import zlab

from .stage import makes

NAME = "deadlock of receivers"


@makes(NAME)
def two_pairs_wait_for_each_other(stage):
    def left():
        with stage.context.socket(zmq.PAIR) as pair:
            pair.bind("inproc://both")
            bound.set()
            pair.send(pair.recv())

    def right():
        bound.wait(10)
        with stage.context.socket(zmq.PAIR) as pair:
            pair.connect("inproc://both")
            pair.send(pair.recv())

    bound = threading.Event()
    stage.play(left, right)


@makes(NAME)
def a_dealer_and_a_router_wait(stage):
    def server():
        with stage.context.socket(zmq.ROUTER) as router:
            port.append(router.bind_to_random_port("tcp://127.0.0.1"))
            bound.set()
            router.recv_multipart()

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.DEALER) as dealer:
            dealer.connect(f"tcp://127.0.0.1:{port[0]}")
            dealer.poll()

    bound, port = threading.Event(), []
    stage.play(server, client)


@makes(NAME)
def three_in_a_ring():
    def relay(inbox, out):
        while True:
            out.send(inbox.recv())

    return zlab.Topology(
        "ring",
        [
            zlab.Node(f"n{i}", relay, inbox=zlab.PULL.bind(f"to-{i}"), out=zlab.PUSH.connect(f"to-{(i + 1) % 3}"))
            for i in range(3)
        ],
    ), "inproc"


@makes(NAME)
def the_reply_was_forgotten():
    def server(rep):
        rep.recv()
        rep.poll()  # and never answers

    def client(req):
        req.send(b"?")
        req.recv()

    return zlab.Topology(
        "no reply",
        [
            zlab.Node("server", server, rep=zlab.REP.bind("door")),
            zlab.Node("client", client, req=zlab.REQ.connect("door")),
        ],
    ), "tcp"
