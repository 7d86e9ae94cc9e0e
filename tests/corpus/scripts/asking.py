"""What people write with REQ, REP, DEALER and ROUTER, and what is wrong with it."""

import asyncio
import contextlib
import json
import os
import time

import zmq

from corpus.stage import free_port, script


@script("REQ/REP out of step")
def sends_again_after_a_timeout(stage):
    rep = stage.context.socket(zmq.REP)
    port = rep.bind_to_random_port("tcp://127.0.0.1")

    def server():
        for _ in range(2):
            if rep.poll(1500):
                rep.recv()
                stage.rest(0.6)
                rep.send(b"late")
        rep.close(0)

    stage.start(server)
    req = stage.context.socket(zmq.REQ)
    req.setsockopt(zmq.RCVTIMEO, 200)
    req.setsockopt(zmq.LINGER, 0)
    req.connect(f"tcp://127.0.0.1:{port}")
    for _attempt in range(3):
        try:
            req.send(b"status?")
            req.recv()
            break
        except zmq.Again:
            pass
        except zmq.ZMQError:
            pass
    stage.rest(0.5)
    req.close()


@script("REQ/REP out of step")
def server_says_nothing_to_what_it_does_not_like(stage):
    rep = stage.context.socket(zmq.REP)
    port = rep.bind_to_random_port("tcp://127.0.0.1")

    def server():
        while True:
            request = rep.recv_json()
            if "command" not in request:
                continue
            rep.send_json({"ok": True})

    stage.start(server)
    req = stage.context.socket(zmq.REQ)
    req.connect(f"tcp://127.0.0.1:{port}")
    req.send_json({"command": "start"})
    req.recv_json()
    req.send_json({"cmd": "stop"})
    if not req.poll(1000):
        pass
    req.close(0)


@script("REQ/REP out of step")
def asyncio_wait_for_and_once_more(stage):

    async def main():
        ctx = stage.asyncio
        rep, req = (ctx.socket(zmq.REP), ctx.socket(zmq.REQ))
        rep.bind("inproc://rpc")
        req.connect("inproc://rpc")

        async def slow():
            while True:
                m = await rep.recv()
                await asyncio.sleep(0.7)
                await rep.send(m)

        task = asyncio.create_task(slow())
        for n in range(2):
            try:
                await req.send_string(f"call {n}")
                await asyncio.wait_for(req.recv_string(), 0.2)
            except TimeoutError:
                pass
            except zmq.ZMQError:
                pass
        await asyncio.sleep(0.6)
        task.cancel()
        req.close(0)
        rep.close(0)

    asyncio.run(main())


@script("REQ/REP out of step")
def header_and_body_as_two_requests(stage):
    rep = stage.context.socket(zmq.REP)
    port = rep.bind_to_random_port("tcp://127.0.0.1")

    def server():
        try:
            while True:
                rep.recv()
                rep.send(b"ok")
        except zmq.ZMQError:
            rep.close(0)

    stage.start(server)
    req = stage.context.socket(zmq.REQ)
    req.connect(f"tcp://127.0.0.1:{port}")
    req.send(b"PUT /file")
    req.send(b"contents")
    req.recv()


@script("duplicate identity")
def the_copied_worker(stage):
    router = stage.context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def worker():
        s = stage.context.socket(zmq.DEALER)
        s.setsockopt(zmq.IDENTITY, b"worker")
        s.connect(f"tcp://127.0.0.1:{port}")
        s.send(b"READY")
        for _ in range(10):
            if s.poll(150):
                s.recv_multipart()
                s.send(b"DONE")
        s.close(0)

    ts = [stage.start(worker), stage.start(worker)]
    for _ in range(8):
        if router.poll(250):
            who, _what = router.recv_multipart()
            stage.rest(0.05)
            router.send_multipart([who, b"task"])
    for t in ts:
        t.join()
    router.close(0)


@script("duplicate identity")
def named_after_the_process(stage):
    """f"client-{os.getpid()}" is the same in every thread."""
    router = stage.context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def server():
        while True:
            who, empty, _request = router.recv_multipart()
            router.send_multipart([who, empty, b"ok"])

    stage.start(server)

    def client():
        req = stage.context.socket(zmq.REQ)
        req.identity = f"client-{os.getpid()}".encode()
        req.connect(f"tcp://127.0.0.1:{port}")
        for _ in range(4):
            req.send(b"hi")
            if not req.poll(1200):
                break
            req.recv()
            stage.rest(0.1)
        req.close(0)

    ts = [stage.start(client) for _ in range(3)]
    for t in ts:
        t.join()


class Peer:
    def __init__(self, ctx, url, name):
        self.s = ctx.socket(zmq.DEALER)
        self.s.setsockopt_string(zmq.IDENTITY, name)
        self.s.connect(url)

    async def hello(self):
        await self.s.send_json({"hello": True})
        try:
            return await asyncio.wait_for(self.s.recv_json(), 1)
        except TimeoutError:
            return None
        finally:
            self.s.close(0)


@script("duplicate identity")
def all_peers_are_called_localhost(stage):

    async def main():
        ctx = stage.asyncio
        router = ctx.socket(zmq.ROUTER)
        url = f"tcp://127.0.0.1:{free_port()}"
        router.bind(url)

        async def hub():
            while True:
                who, _body = await router.recv_multipart()
                await router.send_multipart([who, json.dumps({"welcome": who.decode()}).encode()])

        h = asyncio.create_task(hub())
        first = Peer(ctx, url, "localhost")
        second = Peer(ctx, url, "localhost")
        await asyncio.sleep(0.3)
        await asyncio.gather(first.hello(), second.hello())
        h.cancel()
        router.close(0)

    asyncio.run(main())


@script("missing envelope delimiter")
def dealer_says_hello_to_a_rep(stage):
    rep, dealer = (stage.context.socket(zmq.REP), stage.context.socket(zmq.DEALER))
    port = rep.bind_to_random_port("tcp://127.0.0.1")

    def server():
        while True:
            m = rep.recv()
            rep.send(m)

    stage.start(server)
    dealer.connect(f"tcp://127.0.0.1:{port}")
    for n in range(3):
        dealer.send_string(f"Hello {n}")
    if not dealer.poll(1500):
        pass
    dealer.close(0)


@script("missing envelope delimiter")
def router_answers_a_req_with_identity_and_text(stage):
    router = stage.context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def server():
        while True:
            frames = router.recv_multipart()
            router.send_multipart([frames[0], b"World"])

    stage.start(server)
    req = stage.context.socket(zmq.REQ)
    req.connect(f"tcp://127.0.0.1:{port}")
    req.send(b"Hello")
    req.recv()


@script("missing envelope delimiter")
def broker_forgets_the_workers_delimiter(stage):
    front, back = (stage.context.socket(zmq.ROUTER), stage.context.socket(zmq.ROUTER))
    f = front.bind_to_random_port("tcp://127.0.0.1")
    b = back.bind_to_random_port("tcp://127.0.0.1")

    def worker():
        s = stage.context.socket(zmq.REQ)
        s.connect(f"tcp://127.0.0.1:{b}")
        s.send(b"READY")
        while True:
            address, _empty, _request = s.recv_multipart()
            s.send_multipart([address, b"", b"OK"])

    def client():
        s = stage.context.socket(zmq.REQ)
        s.connect(f"tcp://127.0.0.1:{f}")
        s.send(b"HELLO")
        s.recv()

    stage.start(worker)
    stage.start(client)
    workers = []
    poller = zmq.Poller()
    poller.register(back, zmq.POLLIN)
    poller.register(front, zmq.POLLIN)
    for _ in range(30):
        events = dict(poller.poll(60))
        if back in events:
            w, _empty, c, *rest = back.recv_multipart()
            workers.append(w)
            if c != b"READY":
                front.send_multipart([c, b"", rest[-1]])
        if front in events and workers:
            c, _empty, request = front.recv_multipart()
            back.send_multipart([workers.pop(0), c, b"", request])


@script("missing envelope delimiter")
def frames_taken_one_by_one(stage):
    router = stage.context.socket(zmq.ROUTER)
    url = f"tcp://127.0.0.1:{free_port()}"
    router.bind(url)

    def server():
        while True:
            who = router.recv()
            text = router.recv()
            while router.getsockopt(zmq.RCVMORE):
                text = router.recv()
            router.send(who, zmq.SNDMORE)
            router.send(text.upper())

    stage.start(server)
    req = stage.context.socket(zmq.REQ)
    req.connect(url)
    req.setsockopt(zmq.RCVTIMEO, 1200)
    req.send_string("shout")
    with contextlib.suppress(zmq.Again):
        req.recv_string()
    req.close(0)


@script("missing envelope delimiter")
def asyncio_dealer_through_a_queue(stage):
    front, back = (stage.context.socket(zmq.ROUTER), stage.context.socket(zmq.DEALER))
    p = front.bind_to_random_port("tcp://127.0.0.1")
    back.bind("inproc://backend")

    def queue():
        zmq.proxy(front, back)

    def worker():
        rep = stage.context.socket(zmq.REP)
        rep.connect("inproc://backend")
        while True:
            rep.send_json({"echo": rep.recv_json()})

    stage.start(queue)
    stage.start(worker)

    async def main():
        s = stage.asyncio.socket(zmq.DEALER)
        s.connect(f"tcp://127.0.0.1:{p}")
        for n in range(3):
            await s.send_json({"n": n})
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(s.recv_json(), 1.5)
        s.close(0)

    asyncio.run(main())


@script("REQ/REP out of step")
def worker_sends_progress_then_result(stage):
    """Two replies to one request."""
    rep = stage.context.socket(zmq.REP)
    port = rep.bind_to_random_port("tcp://127.0.0.1")

    def worker():
        rep.recv_json()
        rep.send_json({"progress": 0.5})
        stage.rest(0.2)
        with contextlib.suppress(zmq.ZMQError):
            rep.send_json({"result": 42})
        stage.rest(1)

    t = stage.start(worker)
    req = stage.context.socket(zmq.REQ)
    req.connect(f"tcp://127.0.0.1:{port}")
    req.send_json({"job": 1})
    req.recv_json()
    t.join()


@script("REQ/REP out of step")
def poller_says_nothing_and_it_asks_again(stage):
    silent = stage.context.socket(zmq.REP)
    url = f"tcp://127.0.0.1:{silent.bind_to_random_port('tcp://127.0.0.1')}"

    class Client:
        def __init__(self):
            self.socket = stage.context.socket(zmq.REQ)
            self.socket.linger = 0
            self.socket.connect(url)
            self.poller = zmq.Poller()
            self.poller.register(self.socket, zmq.POLLIN)

        def call(self, method):
            try:
                self.socket.send_json({"method": method})
            except zmq.ZMQError as error:
                return repr(error)
            return self.socket.recv_json() if dict(self.poller.poll(300)) else None

    c = Client()
    for _ in range(4):
        c.call("ping")


@script("duplicate identity")
def the_same_token_for_two_devices(stage):
    front = stage.context.socket(zmq.ROUTER)
    port = front.bind_to_random_port("tcp://127.0.0.1")

    def device(token):
        s = stage.context.socket(zmq.DEALER)
        s.setsockopt(zmq.ROUTING_ID, token)
        s.connect(f"tcp://127.0.0.1:{port}")
        for n in range(12):
            s.send_multipart([b"", json.dumps({"n": n}).encode()])
            stage.rest(0.1)

    for token in (b"abc", b"def", b"abc"):
        stage.start(device, token)
    end = time.monotonic() + 1.6
    while time.monotonic() < end:
        if front.poll(100):
            who, _, _body = front.recv_multipart()
            front.send_multipart([who, b"", b"ack"])


@script("duplicate identity")
def the_second_comes_as_the_first_is_about_to_end(stage):
    """It is ignored for ever, for it was there before the name was free."""
    router = stage.context.socket(zmq.ROUTER)
    router.bind("inproc://names")
    first, second = (stage.context.socket(zmq.DEALER), stage.context.socket(zmq.DEALER))
    for dealer in (first, second):
        dealer.routing_id = b"client"
        dealer.connect("inproc://names")
    first.send(b"short")
    router.send_multipart(router.recv_multipart())
    first.recv()
    first.close()
    for _ in range(3):
        second.send(b"anybody?")
        second.poll(400)
        if router.poll(1):
            router.send_multipart(router.recv_multipart())
    second.close(0)


@script("duplicate identity")
def two_of_one_name_and_soon_at_the_end(stage):
    router = stage.context.socket(zmq.ROUTER)
    router.bind("inproc://back")
    first, second = (stage.context.socket(zmq.DEALER), stage.context.socket(zmq.DEALER))
    for dealer in (first, second):
        dealer.identity = b"worker"
        dealer.connect("inproc://back")
        dealer.send(b"READY")
    while router.poll(300):
        router.recv_multipart()
