"""REQ and REP take only messages with an empty frame before the body."""

import threading

import zmq

import zlab

from .stage import makes

NAME = "missing envelope delimiter"


@makes(NAME)
def a_dealer_asks_a_rep(stage):
    def server():
        with stage.context.socket(zmq.REP) as rep:
            rep.bind("inproc://rep")
            bound.set()
            while True:
                rep.send(rep.recv())

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.DEALER) as dealer:
            dealer.connect("inproc://rep")
            dealer.send(b"hello")
            dealer.recv()

    bound = threading.Event()
    stage.play(server, client)


@makes(NAME)
def a_router_answers_a_req(stage):
    def server():
        with stage.context.socket(zmq.ROUTER) as router:
            port.append(router.bind_to_random_port("tcp://127.0.0.1"))
            bound.set()
            while True:
                identity, _, body = router.recv_multipart()
                router.send_multipart([identity, body])

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.REQ) as req:
            req.connect(f"tcp://127.0.0.1:{port[0]}")
            req.send(b"hello")
            req.recv()

    bound, port = threading.Event(), []
    stage.play(server, client)


@makes(NAME)
def the_body_stands_where_the_delimiter_should(stage):
    def server():
        with stage.context.socket(zmq.REP) as rep:
            rep.bind("inproc://frames")
            bound.set()
            while True:
                rep.recv_multipart()

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.DEALER) as dealer:
            dealer.connect("inproc://frames")
            while not stage.rest(0.05):
                dealer.send_multipart([b"header", b"body"])

    bound = threading.Event()
    stage.play(server, client)


@makes(NAME)
def through_a_broker(stage):
    def broker():
        with stage.context.socket(zmq.ROUTER) as front, stage.context.socket(zmq.DEALER) as back:
            front.bind("inproc://front")
            back.bind("inproc://back")
            bound.set()
            while True:
                back.send_multipart(front.recv_multipart())

    def worker():
        bound.wait(10)
        with stage.context.socket(zmq.REP) as rep:
            rep.connect("inproc://back")
            while True:
                rep.send(rep.recv())

    def client():
        bound.wait(10)
        with stage.context.socket(zmq.DEALER) as dealer:
            dealer.connect("inproc://front")
            dealer.send(b"work")
            dealer.recv()

    bound = threading.Event()
    stage.play(broker, worker, client)


@makes(NAME)
def in_a_lab_over_tcp():
    def client(dealer):
        for number in range(5):
            dealer.send(b"request %d" % number)
        while True:
            dealer.recv()

    def server(rep):
        while True:
            rep.send(rep.recv())

    return zlab.Topology(
        "bare",
        [
            zlab.Node("server", server, rep=zlab.REP.bind("door")),
            zlab.Node("client", client, dealer=zlab.DEALER.connect("door")),
        ],
    ), "tcp"
