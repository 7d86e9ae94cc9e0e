"""A topic where no filter looks for it."""

import zmq

import zlab

from .stage import makes

NAME = "filter that matches nothing"


@makes(NAME)
def the_topic_is_pickled_with_its_data(stage):
    def publisher():
        with stage.context.socket(zmq.PUB) as pub:
            pub.bind("inproc://events")
            stage.play(subscriber)
            while not stage.rest(0.03):
                pub.send_pyobj(["event", {"order": 7}])

    def subscriber():
        with stage.context.socket(zmq.SUB) as sub:
            sub.connect("inproc://events")
            sub.setsockopt_string(zmq.SUBSCRIBE, "event")
            sub.recv_pyobj()

    stage.play(publisher)


@makes(NAME)
def the_topic_is_the_second_frame(stage):
    def sensor():
        with stage.context.socket(zmq.PUB) as out:
            port = out.bind_to_random_port("tcp://127.0.0.1")
            stage.play(display(port))
            while not stage.rest(0.03):
                out.send_multipart([b"node-3", b"temperature", b"21.5"])

    def display(port):
        def show():
            with stage.context.socket(zmq.SUB) as updates:
                updates.subscribe("temperature")
                updates.connect(f"tcp://127.0.0.1:{port}")
                while not stage.over.is_set():
                    if updates.poll(100):
                        updates.recv_multipart()

        return show

    stage.play(sensor)


@makes(NAME)
def a_lab_whose_topic_is_a_key_of_its_json():
    def publish(out):
        while True:
            out.send_json({"topic": "weather", "degrees": 12})
            out.poll(30, zmq.POLLERR)

    def listen(inbox):
        inbox.recv_json()

    topology = zlab.Topology(
        "json",
        [
            zlab.Node("publisher", publish, out=zlab.PUB.bind("news")),
            zlab.Node("listener", listen, inbox=zlab.SUB.connect("news", subscribe="weather")),
        ],
    )
    return topology, "tcp"
