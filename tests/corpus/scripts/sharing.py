"""What people write with one socket and several threads: shared by turns, which is wrong, and handed over."""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import zmq

from corpus.stage import script


def _pipe(stage):
    pull, push = (stage.context.socket(zmq.PULL), stage.context.socket(zmq.PUSH))
    pull.bind("inproc://pipe")
    push.connect("inproc://pipe")

    def sink():
        while True:
            pull.recv()

    stage.start(sink)
    return push


def _server(stage):
    rep = stage.context.socket(zmq.REP)
    rep.bind("inproc://server")

    def server():
        while True:
            rep.send(rep.recv())

    stage.start(server)


class Agent:
    def __init__(self, stage):
        self.stage, self.out = stage, _pipe(stage)
        self.beat()

    def beat(self):
        if not self.stage.over.is_set():
            with suppress(RuntimeWarning):  # the two may meet
                self.out.send(b"heartbeat")
            timer = threading.Timer(0.2, self.beat)
            self.stage.helpers += [timer.cancel, timer.join]
            timer.start()

    def work(self):
        for n in range(30):
            self.out.send_json({"n": n})
            self.stage.rest(0.05)


@script("socket used from two threads")
def a_timer_beats_the_heart(stage):
    Agent(stage).work()


@script("socket used from two threads")
def the_heartbeat_is_given_the_socket(stage):
    push = _pipe(stage)

    def heartbeat(sock):
        while not stage.rest(0.1):
            with suppress(RuntimeWarning):
                sock.send(b"beat")

    threads = [threading.Thread(target=heartbeat, args=(push,))]
    stage.helpers.append(threads[0].join)
    threads[0].start()
    for n in range(30):
        push.send(b"%d" % n)
        stage.rest(0.05)


@script("socket used from two threads")
def results_of_a_pool_through_one_socket(stage):
    push = _pipe(stage)

    def job(n):
        stage.rest(0.02)
        push.send_json({"n": n})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(job, range(60)))


@script()
def a_pool_of_sockets(stage):
    _server(stage)
    pool = queue.Queue()
    for _ in range(2):
        req = stage.context.socket(zmq.REQ)
        req.connect("inproc://server")
        pool.put(req)

    def work():
        for n in range(15):
            sock = pool.get()
            sock.send(b"%d" % n)
            sock.recv()
            pool.put(sock)
            stage.rest(0.03)

    threads = [stage.start(work) for _ in range(3)]
    for thread in threads:
        thread.join()


class Client:
    def __init__(self, stage):
        self._lock = threading.Lock()
        self._req = stage.context.socket(zmq.REQ)
        self._req.connect("inproc://server")

    def ask(self, what):
        with self._lock:
            self._req.send(what)
            return self._req.recv()


@script()
def a_lock_around_each_request(stage):
    _server(stage)
    client = Client(stage)

    def ask():
        for _ in range(15):
            client.ask(b"from a thread")
            stage.rest(0.04)

    threads = [stage.start(ask) for _ in range(2)]
    for _ in range(20):
        client.ask(b"from the first")
        stage.rest(0.03)
    for thread in threads:
        thread.join()


@script()
def a_thread_for_each_step_and_joined(stage):
    push = _pipe(stage)

    def step():
        stage.rest(0.1)
        push.send(b"step")

    for _ in range(5):
        push.send(b"begin")
        stage.start(step).join()
        push.send(b"end")


@script()
def a_thread_for_each_step_that_main_hears_of(stage):
    """Each new thread may get the number of the one before."""
    pull, push = (stage.context.socket(zmq.PULL), stage.context.socket(zmq.PUSH))
    pull.bind("inproc://heard")
    push.connect("inproc://heard")

    def step():
        stage.rest(0.1)
        push.send(b"step")

    for _ in range(4):
        push.send(b"begin")
        thread = stage.start(step)
        pull.recv()
        pull.recv()
        thread.join()
