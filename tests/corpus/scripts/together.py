"""What people write with threads and with pipelines, and what is wrong with it."""

import asyncio
import contextlib
from functools import partial

import zmq

from corpus.stage import free_port, script


@script("deadlock of receivers")
def two_who_are_polite(stage):
    a, b = (stage.context.socket(zmq.PAIR), stage.context.socket(zmq.PAIR))
    a.bind("inproc://talk")
    b.connect("inproc://talk")

    def left():
        m = a.recv()
        a.send(b"hello, " + m)

    def right_():
        m = b.recv()
        b.send(b"hello, " + m)

    stage.start(left)
    right_()


@script("deadlock of receivers")
def broker_waits_for_ready_worker_for_work(stage):
    router = stage.context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def worker(name):
        dealer = stage.context.socket(zmq.DEALER)
        dealer.identity = name
        dealer.connect(f"tcp://127.0.0.1:{port}")
        while True:
            task = dealer.recv_multipart()
            dealer.send_multipart([b"done", *task])

    for n in range(2):
        stage.start(worker, b"w%d" % n)
    while True:
        who, *_rest = router.recv_multipart()
        router.send_multipart([who, b"next task"])


@script("deadlock of receivers")
def ring_without_a_token(stage):
    ports = [f"inproc://ring{n}" for n in range(3)]
    ins = []
    for url in ports:
        s = stage.context.socket(zmq.PULL)
        s.bind(url)
        ins.append(s)

    def node(n):
        out = stage.context.socket(zmq.PUSH)
        out.connect(ports[(n + 1) % 3])
        while True:
            token = ins[n].recv()
            out.send(token)

    stage.start(node, 0)
    stage.start(node, 1)
    node(2)


@script("deadlock of receivers")
def server_lost_the_request_and_both_wait(stage):
    """The server is restarted with a request in hand; the client never asks again."""
    url = f"tcp://127.0.0.1:{free_port()}"

    def server():
        rep = stage.context.socket(zmq.REP)
        rep.bind(url)
        rep.recv()
        rep.close(0)
        stage.rest(0.1)
        rep = stage.context.socket(zmq.REP)
        rep.bind(url)
        while True:
            rep.send(b"answer to " + rep.recv())

    stage.start(server)
    stage.rest(0.1)
    req = stage.context.socket(zmq.REQ)
    req.connect(url)
    req.send(b"question")
    req.recv()


@script("socket used from two threads")
def listener_thread_beside_the_sender(stage):
    router = stage.context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def server():
        while True:
            router.send_multipart(router.recv_multipart())

    dealer = stage.context.socket(zmq.DEALER)
    dealer.connect(f"tcp://127.0.0.1:{port}")
    answers = []

    def listen():
        while True:
            answers.append(dealer.recv())

    stage.start(server)
    stage.start(listen)
    for n in range(20):
        dealer.send(b"%d" % n)
        stage.rest(0.05)
    stage.rest(0.3)


@script("socket used from two threads")
def stopped_from_outside(stage):
    """stop() closes the socket that the thread receives from."""
    pull, push = (stage.context.socket(zmq.PULL), stage.context.socket(zmq.PUSH))
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    push.connect(f"tcp://127.0.0.1:{port}")

    def consumer():
        try:
            while True:
                if pull.poll(100):
                    pull.recv()
        except zmq.ZMQError:
            pass

    t = stage.start(consumer)
    for _n in range(5):
        push.send(b"x")
        stage.rest(0.1)
    pull.close()
    t.join(1)
    push.close(0)


@script("connect facing connect")
def publisher_and_subscriber_both_connect(stage):
    url = f"tcp://localhost:{free_port()}"
    pub, sub = (stage.context.socket(zmq.PUB), stage.context.socket(zmq.SUB))
    pub.connect(url)

    def listen():
        sub.connect(url)
        sub.subscribe("")
        if not sub.poll(1800):
            pass
        sub.close()

    t = stage.start(listen)
    for n in range(15):
        pub.send_string(f"message {n}")
        stage.rest(0.1)
    t.join()
    pub.close(0)


@script("connect facing connect")
def a_proxy_that_connects_too(stage):
    p, q = (free_port(), free_port())

    def forwarder():
        xsub, xpub = (stage.context.socket(zmq.XSUB), stage.context.socket(zmq.XPUB))
        xsub.connect(f"tcp://127.0.0.1:{p}")
        xpub.connect(f"tcp://127.0.0.1:{q}")
        zmq.proxy(xsub, xpub)

    stage.start(forwarder)

    def subscriber():
        sub = stage.context.socket(zmq.SUB)
        sub.connect(f"tcp://127.0.0.1:{q}")
        sub.subscribe("")
        sub.recv()

    stage.start(subscriber)
    pub = stage.context.socket(zmq.PUB)
    pub.connect(f"tcp://127.0.0.1:{p}")
    for n in range(15):
        pub.send_string(f"{n}")
        stage.rest(0.1)
    pub.close(0)


@script("connect facing connect")
def asyncio_pipeline_of_connects(stage):

    async def main():
        ctx = stage.asyncio
        push, pull = (ctx.socket(zmq.PUSH), ctx.socket(zmq.PULL))
        push.connect("inproc://jobs")
        pull.connect("inproc://jobs")
        for n in range(5):
            await push.send_json({"job": n})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(pull.recv_json(), 1.5)
        push.close(0)
        pull.close(0)

    asyncio.run(main())


@script("PUSH stalled behind a slow worker")
def camera_faster_than_the_encoder(stage):
    pull = stage.context.socket(zmq.PULL)
    pull.set_hwm(5)
    port = pull.bind_to_random_port("tcp://127.0.0.1")

    def encoder():
        while True:
            pull.recv(copy=False)
            stage.rest(0.25)

    stage.start(encoder)
    push = stage.context.socket(zmq.PUSH)
    push.set_hwm(5)
    push.connect(f"tcp://127.0.0.1:{port}")
    frame = bytes(500000)
    for _n in range(200):
        push.send(frame)


@script("PUSH stalled behind a slow worker")
def ventilator_with_two_tired_workers(stage):
    vent = stage.context.socket(zmq.PUSH)
    vent.setsockopt(zmq.SNDHWM, 10)
    vent.bind("inproc://vent")
    sink = stage.context.socket(zmq.PULL)
    sink.bind("inproc://sink")

    def worker(n):
        s = stage.context.socket(zmq.PULL)
        s.setsockopt(zmq.RCVHWM, 10)
        s.connect("inproc://vent")
        out = stage.context.socket(zmq.PUSH)
        out.connect("inproc://sink")
        while True:
            job = s.recv_json()
            stage.rest(0.2 + 0.1 * n)
            out.send_json(job)

    def collector():
        while True:
            sink.recv_json()

    stage.start(worker, 0)
    stage.start(worker, 1)
    stage.start(collector)
    stage.rest(0.1)
    for n in range(500):
        vent.send_json({"id": n})


@script("wildcard taken for an address")
def client_copies_the_servers_address(stage):
    """pyzmq #1326"""
    rep = stage.context.socket(zmq.REP)
    port = rep.bind_to_random_port("tcp://127.0.0.1")
    req = stage.context.socket(zmq.REQ)
    req.connect(f"tcp://*:{port}")
    req.send(b"Hello")


@script("wildcard taken for an address")
def one_url_for_both(stage):
    url = "tcp://127.0.0.1:*"

    def subscriber():
        sub = stage.context.socket(zmq.SUB)
        with contextlib.suppress(zmq.ZMQError):
            sub.connect(url)
        sub.subscribe("")
        sub.poll(1200)
        sub.close()

    pub = stage.context.socket(zmq.PUB)
    pub.bind(url)
    t = stage.start(subscriber)
    for n in range(10):
        pub.send_string(str(n))
        stage.rest(0.1)
    t.join()
    pub.close()


@script("wildcard taken for an address")
def connects_to_all_interfaces(stage):

    async def main():
        ctx = stage.asyncio
        pull, push = (ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH))
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        push.connect(f"tcp://0.0.0.0:{port}")
        for n in range(10):
            await push.send_string(str(n))
            await asyncio.sleep(0.08)
        push.close(0)
        pull.close(0)

    asyncio.run(main())


@script("deadlock of receivers")
def client_waits_for_a_welcome(stage):
    router = stage.context.socket(zmq.ROUTER)
    router.bind("inproc://lobby")

    def lobby():
        while True:
            who, _hello = router.recv_multipart()
            router.send_multipart([who, b"welcome"])

    stage.start(lobby)

    def player(name):
        s = stage.context.socket(zmq.DEALER)
        s.identity = name
        s.connect("inproc://lobby")
        s.recv()
        s.send(b"hello")

    stage.start(player, b"ann")
    player(b"bob")


@script("connect facing connect")
def rep_connects_like_the_client(stage):
    port = free_port()

    def server():
        rep = stage.context.socket(zmq.REP)
        rep.connect(f"tcp://localhost:{port}")
        while True:
            rep.recv()
            rep.send(b"pong")

    stage.start(server)
    req = stage.context.socket(zmq.REQ)
    req.connect(f"tcp://localhost:{port}")
    req.RCVTIMEO = 2000
    req.send(b"ping")
    with contextlib.suppress(zmq.Again):
        req.recv()


@script("PUSH stalled behind a slow worker")
def one_lame_worker_of_three(stage):
    """The last third of the tasks waits for the lame one, while two stand idle."""
    vent = stage.context.socket(zmq.PUSH)
    vent.bind("inproc://jobs")

    def worker(seconds):
        s = stage.context.socket(zmq.PULL)
        s.connect("inproc://jobs")
        while True:
            s.recv()
            stage.rest(seconds)

    for seconds in (0.001, 0.001, 0.4):
        stage.start(worker, seconds)
    stage.rest(0.2)
    for n in range(90):
        vent.send_json({"n": n})
    stage.rest(3)


@script("deadlock of receivers")
def one_thread_has_both_ends(stage):
    rep, req = (stage.context.socket(zmq.REP), stage.context.socket(zmq.REQ))
    req.connect(f"tcp://127.0.0.1:{rep.bind_to_random_port('tcp://127.0.0.1')}")
    rep.recv()
    req.send(b"too late")


@script("deadlock of receivers")
def two_coroutines_are_polite(stage):

    async def main():
        ctx = stage.asyncio
        router, dealer = (ctx.socket(zmq.ROUTER), ctx.socket(zmq.DEALER))
        router.bind("inproc://lobby")
        dealer.connect("inproc://lobby")

        async def lobby():
            poller = zmq.asyncio.Poller()
            poller.register(router, zmq.POLLIN)
            await poller.poll()
            who, _hello = await router.recv_multipart()
            await router.send_multipart([who, b"welcome"])

        async def guest():
            welcome = await dealer.recv_string()
            await dealer.send_string(f"thanks for {welcome}")

        both = asyncio.gather(lobby(), guest())
        stage.helpers.append(partial(asyncio.get_running_loop().call_soon_threadsafe, both.cancel))
        with contextlib.suppress(asyncio.CancelledError):
            await both

    asyncio.run(main())


@script()
def one_coroutine_waits_for_something_else(stage):

    async def main():
        ctx = stage.asyncio
        router, dealer = (ctx.socket(zmq.ROUTER), ctx.socket(zmq.DEALER))
        router.bind("inproc://lobby")
        dealer.connect("inproc://lobby")

        async def lobby():
            await router.send_multipart(await router.recv_multipart())

        async def guest():
            await asyncio.to_thread(stage.rest, 2)
            await dealer.send(b"hello")
            await dealer.recv()

        await asyncio.gather(lobby(), guest())

    asyncio.run(main())


@script("PUSH stalled behind a slow worker")
def a_sink_with_a_queue_of_one(stage):
    pull = stage.context.socket(zmq.PULL)
    pull.rcvhwm = 1
    pull.bind("inproc://rows")

    def sink():
        while True:
            pull.recv_json()
            stage.rest(0.3)

    stage.start(sink)
    push = stage.context.socket(zmq.PUSH)
    push.sndhwm = 1
    push.connect("inproc://rows")
    for n in range(1000):
        push.send_json({"row": n})
