"""What people write with PUSH, PULL and PAIR and is right, with pauses and late comers."""

import threading

import zmq

from corpus.stage import script


@script()
def parallel_pipeline_of_the_guide(stage):
    vent, sink = (stage.context.socket(zmq.PUSH), stage.context.socket(zmq.PULL))
    vent.bind("inproc://ventilator")
    s = sink.bind_to_random_port("tcp://127.0.0.1")
    ready = threading.Barrier(5)

    def worker():
        receiver, sender = (stage.context.socket(zmq.PULL), stage.context.socket(zmq.PUSH))
        receiver.connect("inproc://ventilator")
        sender.connect(f"tcp://127.0.0.1:{s}")
        ready.wait(10)
        while True:
            ms = int(receiver.recv())
            stage.rest(ms / 1000)
            sender.send(b"")

    for _ in range(4):
        stage.start(worker)
    ready.wait(10)
    signal = stage.context.socket(zmq.PUSH)
    signal.connect(f"tcp://127.0.0.1:{s}")
    signal.send(b"0")
    sink.recv()
    for _ in range(100):
        vent.send_string(str(stage.some(1, 100)))
    for _ in range(100):
        sink.recv()


@script()
def a_server_whose_client_comes_late(stage):
    rep = stage.context.socket(zmq.REP)
    port = rep.bind_to_random_port("tcp://127.0.0.1")
    control = stage.context.socket(zmq.PULL)
    control.bind("inproc://control")

    def server():
        poller = zmq.Poller()
        poller.register(rep, zmq.POLLIN)
        poller.register(control, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if rep in ready:
                rep.recv()
                rep.send(b"yes")
            if control in ready:
                control.recv()
                break
        rep.close()
        control.close()

    t = stage.start(server)
    stage.rest(1.5)
    req = stage.context.socket(zmq.REQ)
    req.connect(f"tcp://127.0.0.1:{port}")
    req.send(b"anybody?")
    req.recv()
    stop = stage.context.socket(zmq.PUSH)
    stop.connect("inproc://control")
    stop.send(b"")
    t.join()
    req.close()
    stop.close()


@script()
def relay_race_with_slow_runners(stage):

    def step1():
        s = stage.context.socket(zmq.PAIR)
        s.connect("inproc://step2")
        stage.rest(0.7)
        s.send(b"READY")
        s.close()

    def step2():
        r = stage.context.socket(zmq.PAIR)
        r.bind("inproc://step2")
        stage.start(step1)
        r.recv()
        r.close()
        stage.rest(0.7)
        s = stage.context.socket(zmq.PAIR)
        s.connect("inproc://step3")
        s.send(b"READY")
        s.close()

    r = stage.context.socket(zmq.PAIR)
    r.bind("inproc://step3")
    stage.start(step2)
    r.recv()
    r.close()


@script()
def short_queues_on_purpose(stage):
    """SNDHWM and RCVHWM of 1, as the load-balanced pipeline wants it; the workers are even."""
    vent = stage.context.socket(zmq.PUSH)
    vent.sndhwm = 1
    vent.bind("inproc://v")

    def worker():
        s = stage.context.socket(zmq.PULL)
        s.rcvhwm = 1
        s.connect("inproc://v")
        while True:
            s.recv()
            stage.rest(0.03)

    for _ in range(3):
        stage.start(worker)
    for n in range(150):
        vent.send(b"%d" % n)


@script()
def main_waits_for_a_worker_that_computes(stage):
    pull = stage.context.socket(zmq.PULL)
    pull.bind("inproc://done")

    def compute(n):
        stage.rest(0.5 + n)
        s = stage.context.socket(zmq.PUSH)
        s.connect("inproc://done")
        s.send_json({"n": n})
        s.close()

    stage.start(compute, 0)
    stage.start(compute, 1.2)
    pull.recv_json()
    pull.recv_json()
    pull.close()
