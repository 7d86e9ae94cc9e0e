"""Two peers of one name."""

import threading

import zmq

import zlab

from .stage import makes

NAME = "duplicate identity"


def _server(stage, url, **options):
    def server():
        with stage.context.socket(zmq.ROUTER) as router:
            for option, value in options.items():
                setattr(router, option, value)
            router.bind(url)
            bound.set()
            while True:
                router.send_multipart(router.recv_multipart())

    bound = threading.Event()
    stage.play(server)
    bound.wait(10)


@makes(NAME)
def two_dealers_of_one_name(stage):
    _server(stage, "inproc://names")

    def client():
        with stage.context.socket(zmq.DEALER) as dealer:
            dealer.routing_id = b"client"
            dealer.connect("inproc://names")
            while not stage.rest(0.05):
                dealer.send(b"hello")
                dealer.poll(20)

    stage.play(client, client)


@makes(NAME)
def workers_copied_with_their_name(stage):
    _server(stage, "ipc://@zlab-corpus-names")

    def worker():
        with stage.context.socket(zmq.REQ) as req:
            req.setsockopt_string(zmq.IDENTITY, "worker-1")
            req.rcvtimeo = 100
            req.connect("ipc://@zlab-corpus-names")
            req.send(b"READY")
            stage.over.wait(20)

    stage.play(worker, worker, worker)


@makes(NAME)
def three_in_a_lab_two_of_one_name():
    def client(dealer):
        while True:
            dealer.send(b"hello")
            dealer.poll(50)

    def server(router):
        while True:
            router.recv_multipart()

    return zlab.Topology(
        "namesakes",
        [
            zlab.Node("server", server, router=zlab.ROUTER.bind("door")),
            *(
                zlab.Node(f"client-{i}", client, dealer=zlab.DEALER.connect("door", routing_id=name))
                for i, name in enumerate(("a", "b", "b"), 1)
            ),
        ],
    ), "tcp"
