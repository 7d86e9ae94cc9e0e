"""What people write with REQ, REP, DEALER and ROUTER and is right, with pauses and restarts."""

import asyncio
import contextlib
import time

import zmq

from corpus.stage import free_port, script


@script()
def hello_world_with_a_busy_server(stage):
    rep = stage.context.socket(zmq.REP)
    port = rep.bind_to_random_port("tcp://127.0.0.1")

    def server():
        while True:
            rep.recv()
            stage.rest(0.8)
            rep.send(b"World")

    stage.start(server)
    req = stage.context.socket(zmq.REQ)
    req.connect(f"tcp://127.0.0.1:{port}")
    for _ in range(3):
        req.send(b"Hello")
        req.recv()
    req.close()


@script()
def asynchronous_clients_and_a_pool_of_workers(stage):
    front, back = (stage.context.socket(zmq.ROUTER), stage.context.socket(zmq.DEALER))
    port = front.bind_to_random_port("tcp://127.0.0.1")
    back.bind("inproc://backend")
    stage.start(zmq.proxy, front, back)

    def worker():
        w = stage.context.socket(zmq.DEALER)
        w.connect("inproc://backend")
        while True:
            ident, msg = w.recv_multipart()
            for _ in range(stage.some(0, 4)):
                stage.rest(0.02)
                w.send_multipart([ident, msg])

    for _ in range(3):
        stage.start(worker)

    def client(n):
        c = stage.context.socket(zmq.DEALER)
        c.identity = f"worker-{n}".encode()
        c.connect(f"tcp://127.0.0.1:{port}")
        poll = zmq.Poller()
        poll.register(c, zmq.POLLIN)
        for r in range(2):
            for _ in range(5):
                if dict(poll.poll(150)).get(c) == zmq.POLLIN:
                    c.recv()
            c.send_string(f"request #{r}")
        stage.rest(0.3)
        while c.poll(100):
            c.recv()
        c.close()

    ts = [stage.start(client, n) for n in range(3)]
    for t in ts:
        t.join()


@script()
def least_recently_used(stage):
    front, back = (stage.context.socket(zmq.ROUTER), stage.context.socket(zmq.ROUTER))
    front.bind("inproc://front")
    back.bind("inproc://back")

    def client(n):
        s = stage.context.socket(zmq.REQ)
        s.identity = b"Client-%d" % n
        s.connect("inproc://front")
        for _ in range(3):
            s.send(b"HELLO")
            s.recv()
            stage.rest(0.3)
        s.close()

    def worker(n):
        s = stage.context.socket(zmq.REQ)
        s.identity = b"Worker-%d" % n
        s.connect("inproc://back")
        s.send(b"READY")
        while True:
            address, _empty, _request = s.recv_multipart()
            s.send_multipart([address, b"", b"OK"])

    for n in range(3):
        stage.start(worker, n)
    for n in range(5):
        stage.start(client, n)
    poller = zmq.Poller()
    poller.register(back, zmq.POLLIN)
    workers, done = ([], 0)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        if workers:
            poller.register(front, zmq.POLLIN)
        elif front in poller:
            poller.unregister(front)
        socks = dict(poller.poll(100))
        if back in socks:
            w, _empty, c, *rest = back.recv_multipart()
            workers.append(w)
            if c != b"READY":
                front.send_multipart([c, b"", rest[1]])
                done += 1
        if front in socks and workers:
            c, _empty, req = front.recv_multipart()
            back.send_multipart([workers.pop(0), b"", c, b"", req])


@script()
def shared_queue_with_lazy_clients(stage):
    front, back = (stage.context.socket(zmq.ROUTER), stage.context.socket(zmq.DEALER))
    f = front.bind_to_random_port("tcp://127.0.0.1")
    b = back.bind_to_random_port("tcp://127.0.0.1")
    stage.start(zmq.proxy, front, back)

    def worker():
        rep = stage.context.socket(zmq.REP)
        rep.connect(f"tcp://127.0.0.1:{b}")
        while True:
            rep.send_json({"got": rep.recv_json()})

    stage.start(worker)
    stage.start(worker)
    stage.start(worker)
    stage.rest(0.6)
    req = stage.context.socket(zmq.REQ)
    req.connect(f"tcp://127.0.0.1:{f}")
    for n in range(2):
        req.send_json({"n": n})
        req.recv_json()
        stage.rest(0.6)
    req.close()


@script()
def asyncio_echo_with_timeouts(stage):

    async def main():
        ctx = stage.asyncio
        router = ctx.socket(zmq.ROUTER)
        port = router.bind_to_random_port("tcp://127.0.0.1")

        async def serve():
            while True:
                who, text = await router.recv_multipart()
                if text != b"3":
                    await router.send_multipart([who, text])

        task = asyncio.create_task(serve())
        dealer = ctx.socket(zmq.DEALER)
        dealer.connect(f"tcp://127.0.0.1:{port}")
        for n in range(6):
            await dealer.send(b"%d" % n)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(dealer.recv(), 0.3)
            await asyncio.sleep(0.2)
        task.cancel()
        dealer.close(0)
        router.close(0)

    asyncio.run(main())


@script()
def relaxed_requester_tries_again(stage):
    rep, req = (stage.context.socket(zmq.REP), stage.context.socket(zmq.REQ))
    rep.bind("inproc://relaxed")
    req.setsockopt(zmq.REQ_RELAXED, 1)
    req.setsockopt(zmq.REQ_CORRELATE, 1)
    req.setsockopt(zmq.RCVTIMEO, 300)
    req.connect("inproc://relaxed")

    def server():
        waits = [0.5, 0, 0.5, 0, 0, 0]
        while True:
            m = rep.recv()
            stage.rest(waits.pop(0) if waits else 0)
            rep.send(m)

    stage.start(server)
    for n in range(3):
        for _ in range(4):
            req.send(b"%d" % n)
            try:
                req.recv()
                break
            except zmq.Again:
                continue
        stage.rest(0.2)
    req.close(0)


@script()
def dealer_to_rep_as_the_guide_has_it(stage):
    rep, dealer = (stage.context.socket(zmq.REP), stage.context.socket(zmq.DEALER))
    port = rep.bind_to_random_port("tcp://127.0.0.1")
    dealer.connect(f"tcp://127.0.0.1:{port}")

    def server():
        while True:
            m = rep.recv_multipart()
            stage.rest(0.3)
            rep.send_multipart(m)

    stage.start(server)
    for n in range(4):
        dealer.send_multipart([b"", b"%d" % n, b"more"])
    for _ in range(4):
        dealer.recv_multipart()
    dealer.close()


@script()
def client_comes_back_under_its_name(stage):
    router = stage.context.socket(zmq.ROUTER)
    router.setsockopt(zmq.ROUTER_HANDOVER, 1)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def server():
        while True:
            who, m = router.recv_multipart()
            router.send_multipart([who, m])

    stage.start(server)
    for _life in range(3):
        d = stage.context.socket(zmq.DEALER)
        d.identity = b"meter-17"
        d.connect(f"tcp://127.0.0.1:{port}")
        for n in range(3):
            d.send(b"%d" % n)
            d.recv()
            stage.rest(0.1)
        d.close(0)
        stage.rest(0.1)


@script()
def paranoid_heartbeats(stage):
    router = stage.context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def worker(n):
        s = stage.context.socket(zmq.DEALER)
        s.identity = b"w%d" % n
        s.connect(f"tcp://127.0.0.1:{port}")
        s.send(b"READY")
        end = time.monotonic() + 2
        while time.monotonic() < end:
            if s.poll(250):
                s.recv_multipart()
            s.send(b"HEARTBEAT")
        s.close()

    ts = [stage.start(worker, n) for n in range(2)]
    known, end = (set(), time.monotonic() + 2.2)
    while time.monotonic() < end:
        if router.poll(250):
            known.add(router.recv_multipart()[0])
        for w in known:
            router.send_multipart([w, b"HEARTBEAT"])
    for t in ts:
        t.join()
    router.close(0)


@script()
def restarted_worker_keeps_its_name(stage):
    router = stage.context.socket(zmq.ROUTER)
    router.bind("inproc://r")

    def life():
        s = stage.context.socket(zmq.DEALER)
        s.identity = b"w"
        s.connect("inproc://r")
        for _n in range(3):
            s.send(b"x")
            s.recv()
            stage.rest(0.1)
        s.close(0)

    def server():
        while True:
            router.send_multipart(router.recv_multipart())

    stage.start(server)
    for _ in range(3):
        life()
        stage.rest(0.2)


@script()
def freelance_with_a_dead_server(stage):
    rep = stage.context.socket(zmq.REP)
    alive = rep.bind_to_random_port("tcp://127.0.0.1")

    def server():
        while True:
            m = rep.recv_multipart()
            rep.send_multipart(m)

    stage.start(server)
    s = stage.context.socket(zmq.DEALER)
    s.linger = 0
    for port in (free_port(), alive):
        s.connect(f"tcp://127.0.0.1:{port}")
    for n in range(4):
        for _ in range(2):
            s.send_multipart([b"", b"%d" % n])
        s.poll(400) and s.recv_multipart()
        stage.rest(0.2)
    s.close()
