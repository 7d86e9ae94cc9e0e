"""Small programs that are right, though some look as if they were not."""

import asyncio
import threading

import zmq
import zmq.asyncio

from .stage import free_port

RIGHT = []


def right(program):
    RIGHT.append(program)
    return program


def _echo(stage, kind, url, ready):
    def server():
        with stage.context.socket(kind) as socket:
            socket.bind(url)
            ready.set()
            while True:
                socket.send_multipart(socket.recv_multipart())

    return server


@right
def hello_world(stage):
    url, ready = "inproc://hello", threading.Event()

    def client():
        ready.wait(10)
        with stage.context.socket(zmq.REQ) as req:
            req.connect(url)
            while not stage.rest():
                req.send(b"hello")
                req.recv()

    stage.play(_echo(stage, zmq.REP, url, ready), client)


@right
def a_server_that_nobody_asks_any_more(stage):
    url, ready = "inproc://idle", threading.Event()

    def client():
        ready.wait(10)
        with stage.context.socket(zmq.REQ) as req:
            req.connect(url)
            req.send(b"once")
            req.recv()

    stage.play(_echo(stage, zmq.REP, url, ready), client)


@right
def the_client_starts_first(stage):
    url, ready = f"tcp://127.0.0.1:{free_port()}", threading.Event()

    def client():
        with stage.context.socket(zmq.REQ) as req:
            req.connect(url)
            while not stage.over.is_set():
                req.send(b"hello")
                req.recv()
                stage.rest()

    def late():
        stage.rest(0.4)
        _echo(stage, zmq.REP, url, ready)()

    stage.play(client, late)


@right
def a_dealer_with_a_delimiter(stage):
    url, ready = "inproc://delimited", threading.Event()

    def client():
        ready.wait(10)
        with stage.context.socket(zmq.DEALER) as dealer:
            dealer.connect(url)
            while not stage.rest():
                dealer.send_multipart([b"", b"one"])
                dealer.send_multipart([b"", b"two"])
                assert [dealer.recv_multipart() for _ in range(2)] == [[b"", b"one"], [b"", b"two"]]

    stage.play(_echo(stage, zmq.REP, url, ready), client)


@right
def a_dealer_and_a_router_need_no_delimiter(stage):
    url, ready = "inproc://plain", threading.Event()

    def client():
        ready.wait(10)
        with stage.context.socket(zmq.DEALER) as dealer:
            dealer.connect(url)
            while not stage.rest():
                dealer.send(b"hello")
                dealer.recv()

    stage.play(_echo(stage, zmq.ROUTER, url, ready), client)


@right
def a_router_answers_a_req_as_it_should(stage):
    url, ready = "inproc://router", threading.Event()

    def client():
        ready.wait(10)
        with stage.context.socket(zmq.REQ) as req:
            req.connect(url)
            while not stage.rest():
                req.send(b"")
                req.recv()

    stage.play(_echo(stage, zmq.ROUTER, url, ready), client)


@right
def a_request_is_sent_again_where_that_is_allowed(stage):
    url, ready = "inproc://relaxed", threading.Event()

    def slow():
        with stage.context.socket(zmq.REP) as rep:
            rep.bind(url)
            ready.set()
            while True:
                body = rep.recv()
                stage.rest(0.1)
                rep.send(body)

    def client():
        ready.wait(10)
        with stage.context.socket(zmq.REQ) as req:
            req.req_relaxed = req.req_correlate = 1
            req.connect(url)
            while not stage.over.is_set():
                req.send(b"hello")
                if req.poll(30):
                    req.recv()

    stage.play(slow, client)


@right
def weather_after_a_handshake(stage):
    ready, joined = threading.Event(), threading.Event()
    port = []

    def publisher():
        with stage.context.socket(zmq.PUB) as pub, stage.context.socket(zmq.REP) as sync:
            port.append(pub.bind_to_random_port("tcp://127.0.0.1"))
            sync.bind("inproc://sync")
            ready.set()
            while sync.poll(10) == 0:
                pub.send(b"probe")
            sync.send(sync.recv())
            for number in range(50):
                pub.send(b"weather %d" % number)
            stage.over.wait(20)

    def subscriber():
        ready.wait(10)
        with stage.context.socket(zmq.SUB) as sub, stage.context.socket(zmq.REQ) as sync:
            sub.connect(f"tcp://127.0.0.1:{port[0]}")
            sub.subscribe("probe")
            sub.subscribe("weather")
            sub.recv()
            sync.connect("inproc://sync")
            sync.send(b"here")
            sync.recv()
            joined.set()
            while True:
                sub.recv()

    stage.play(publisher, subscriber)


@right
def joins_a_stream_that_goes_on(stage):
    ready = threading.Event()

    def publisher():
        with stage.context.socket(zmq.PUB) as pub:
            pub.bind("inproc://stream")
            ready.set()
            while not stage.rest():
                pub.send(b"tick")

    def subscriber():
        ready.wait(10)
        stage.rest(0.2)
        with stage.context.socket(zmq.SUB) as sub:
            sub.connect("inproc://stream")
            sub.subscribe("t")
            while True:
                sub.recv()

    stage.play(publisher, subscriber)


@right
def a_socket_moves_to_a_thread_that_starts_after(stage):
    url, ready = "inproc://moves", threading.Event()

    def owner():
        ready.wait(10)
        dealer = stage.context.socket(zmq.DEALER)
        dealer.connect(url)
        dealer.send(b"first")
        dealer.recv()

        def heir():
            with dealer:
                while not stage.over.is_set():
                    dealer.send(b"hello")
                    if dealer.poll(100):
                        dealer.recv()
                    stage.rest()

        stage.play(heir)
        stage.over.wait(20)

    stage.play(_echo(stage, zmq.ROUTER, url, ready), owner)


@right
def a_socket_is_handed_to_and_fro_under_a_lock(stage):
    url, ready, lock = "inproc://locked", threading.Event(), threading.Lock()

    def first():
        ready.wait(10)
        dealer = stage.context.socket(zmq.DEALER)
        dealer.connect(url)

        def turns():
            while not stage.rest(0.005):
                with lock:
                    dealer.send(b"hello")
                    if dealer.poll(50):
                        dealer.recv()

        def last():
            try:
                turns()
            finally:
                other.wait(10)
                dealer.close()

        def another():
            try:
                turns()
            finally:
                other.set()

        other = threading.Event()
        stage.play(last, another)

    stage.play(_echo(stage, zmq.ROUTER, url, ready), first)


@right
def two_peers_of_one_name_where_the_router_lets_them(stage):
    ready = threading.Event()

    def server():
        with stage.context.socket(zmq.ROUTER) as router:
            router.router_handover = 1
            router.bind("inproc://handover")
            ready.set()
            while True:
                router.recv_multipart()

    def client():
        ready.wait(10)
        with stage.context.socket(zmq.DEALER) as dealer:
            dealer.routing_id = b"same"
            dealer.connect("inproc://handover")
            while not stage.rest(0.05):
                dealer.send(b"hello")

    stage.play(server, client, client)


@right
def a_name_is_used_again_after_its_owner_has_gone(stage):
    url, ready = "inproc://again", threading.Event()

    def clients():
        ready.wait(10)
        while not stage.over.is_set():
            with stage.context.socket(zmq.DEALER) as dealer:
                dealer.routing_id = b"one after the other"
                dealer.connect(url)
                dealer.send(b"hello")
                dealer.recv()
            stage.rest(0.1)

    stage.play(_echo(stage, zmq.ROUTER, url, ready), clients)


@right
def binds_to_the_wildcard_and_connects_to_a_name(stage):
    ready, port = threading.Event(), []

    def source():
        with stage.context.socket(zmq.PUSH) as push:
            port.append(push.bind_to_random_port("tcp://*"))
            ready.set()
            while not stage.rest():
                push.send(b"x")

    def sink():
        ready.wait(10)
        with stage.context.socket(zmq.PULL) as pull:
            pull.connect(f"tcp://localhost:{port[0]}")
            while True:
                pull.recv()

    stage.play(source, sink)


@right
def workers_that_share_the_work_evenly(stage):
    ready, joined = threading.Event(), threading.Barrier(3)

    def ventilator():
        with stage.context.socket(zmq.PUSH) as tasks:
            tasks.bind("inproc://even")
            ready.set()
            joined.wait(10)
            while not stage.rest(0.02):
                tasks.send(b"task")

    def worker():
        ready.wait(10)
        with stage.context.socket(zmq.PULL) as tasks:
            tasks.connect("inproc://even")
            joined.wait(10)
            while True:
                tasks.recv()
                stage.rest()

    stage.play(ventilator, worker, worker)


@right
def a_sink_whose_source_is_done(stage):
    ready = threading.Event()

    def sink():
        with stage.context.socket(zmq.PULL) as pull:
            pull.bind("inproc://done")
            ready.set()
            while True:
                pull.recv()

    def source():
        ready.wait(10)
        with stage.context.socket(zmq.PUSH) as push:
            push.connect("inproc://done")
            for number in range(100):
                push.send(b"%d" % number)

    stage.play(sink, source)


@right
def threads_that_signal_with_pairs(stage):
    ready = threading.Event()

    def waits():
        with stage.context.socket(zmq.PAIR) as pair:
            pair.bind("inproc://signal")
            ready.set()
            while True:
                pair.recv()

    def signals():
        ready.wait(10)
        with stage.context.socket(zmq.PAIR) as pair:
            pair.connect("inproc://signal")
            while not stage.rest(0.05):
                pair.send(b"ready")

    stage.play(waits, signals)


@right
def a_proxy_between_many(stage):
    ready = threading.Event()

    def proxy():
        with stage.context.socket(zmq.ROUTER) as front, stage.context.socket(zmq.DEALER) as back:
            front.bind("inproc://front-door")
            back.bind("inproc://back-door")
            ready.set()
            zmq.proxy(front, back)

    def worker():
        ready.wait(10)
        with stage.context.socket(zmq.REP) as rep:
            rep.connect("inproc://back-door")
            while True:
                rep.send(rep.recv())

    def client():
        ready.wait(10)
        with stage.context.socket(zmq.REQ) as req:
            req.connect("inproc://front-door")
            while not stage.rest():
                req.send(b"hello")
                req.recv()

    stage.play(proxy, worker, worker, client, client)


@right
def a_receiver_that_looks_without_waiting(stage):
    ready = threading.Event()

    def sink():
        with stage.context.socket(zmq.PULL) as pull:
            pull.bind("inproc://look")
            ready.set()
            while not stage.rest():
                try:
                    pull.recv(zmq.NOBLOCK)
                except zmq.Again:
                    continue

    def source():
        ready.wait(10)
        with stage.context.socket(zmq.PUSH) as push:
            push.connect("inproc://look")
            while not stage.rest(0.03):
                push.send(b"x")

    stage.play(sink, source)


@right
def two_that_give_up_waiting(stage):
    ready = threading.Event()

    def end(bind):
        def part():
            if not bind:
                ready.wait(10)
            with stage.context.socket(zmq.PAIR) as pair:
                pair.rcvtimeo = 1500
                (pair.bind if bind else pair.connect)("inproc://patient")
                ready.set()
                while not stage.over.is_set():
                    try:
                        pair.recv()
                    except zmq.Again:
                        pair.send(b"are you there?")

        return part

    stage.play(end(bind=True), end(bind=False))


@right
def tasks_in_an_event_loop(stage):
    def socket(kind):
        return stage.context.socket(kind, socket_class=zmq.asyncio.Socket)

    async def program():
        with socket(zmq.PUSH) as push, socket(zmq.PULL) as pull:
            push.bind("inproc://loop")
            pull.connect("inproc://loop")
            while not stage.over.is_set():
                await push.send(b"x")
                await pull.recv()
                await asyncio.sleep(0.01)

    stage.play(lambda: asyncio.run(program()))
