"""What people write with PUB and SUB, and what is wrong with it."""

import asyncio
import contextlib
import json
import threading

import zmq

from corpus.stage import free_port, script


@script("slow joiner")
def publishes_right_after_bind(stage):

    def subscriber(url):
        sub = stage.context.socket(zmq.SUB)
        sub.setsockopt(zmq.SUBSCRIBE, b"")
        sub.setsockopt(zmq.RCVTIMEO, 1800)
        sub.setsockopt(zmq.RECONNECT_IVL, 700)
        sub.connect(url)  # nobody is there yet
        waits.set()
        try:
            while True:
                sub.recv_multipart()
        except zmq.Again:
            pass
        sub.close()

    port, waits = free_port(), threading.Event()
    t = stage.start(subscriber, f"tcp://127.0.0.1:{port}")
    waits.wait(10)
    stage.rest(0.1)
    pub = stage.context.socket(zmq.PUB)
    pub.bind(f"tcp://127.0.0.1:{port}")
    for i in range(5):
        pub.send_multipart([b"delay", str(i).encode()])
    t.join()
    pub.close()


class EventEmitter:
    """Opens a publisher for every event (libzmq #3214)."""

    def __init__(self, context, url):
        self.context, self.url = (context, url)

    def emit(self, event, **data):
        with self.context.socket(zmq.PUB) as pub:
            pub.connect(self.url)
            pub.send_multipart([event.encode(), json.dumps(data).encode()])


@script("slow joiner")
def emits_from_a_publisher_made_for_it(stage):
    sub = stage.context.socket(zmq.SUB)
    port = sub.bind_to_random_port("tcp://127.0.0.1")
    sub.subscribe("")
    emitter = EventEmitter(stage.context, f"tcp://127.0.0.1:{port}")
    for n in range(4):
        emitter.emit("order", number=n)
        stage.rest(0.2)
    while sub.poll(500):
        sub.recv_multipart()
    sub.close()


@script("slow joiner")
def asyncio_publishes_in_its_first_breath(stage):

    async def main():
        ctx = stage.asyncio
        pub = ctx.socket(zmq.PUB)
        url = f"tcp://127.0.0.1:{free_port()}"
        pub.bind(url)

        async def listen():
            await asyncio.sleep(0.05)
            sub = ctx.socket(zmq.SUB)
            sub.connect(url)
            sub.subscribe(b"news")
            got = 0
            try:
                while True:
                    await asyncio.wait_for(sub.recv_multipart(), 1.6)
                    got += 1
            except TimeoutError:
                pass
            sub.close()

        task = asyncio.create_task(listen())
        await asyncio.sleep(0)
        for n in range(20):
            await pub.send_multipart([b"news", b"%d" % n])
        await task
        pub.close()

    asyncio.run(main())


@script("forgotten SUBSCRIBE")
def weather_client_without_a_filter(stage):

    def server(pub):
        for _ in range(60):
            pub.send_string(f"{stage.some(10000, 10010)} {stage.some(-80, 135)}")
            stage.rest(0.02)
        pub.close()

    pub = stage.context.socket(zmq.PUB)
    port = pub.bind_to_random_port("tcp://127.0.0.1")
    stage.start(server, pub)
    sub = stage.context.socket(zmq.SUB)
    sub.connect(f"tcp://127.0.0.1:{port}")
    poller = zmq.Poller()
    poller.register(sub, zmq.POLLIN)
    for _ in range(6):
        if dict(poller.poll(250)):
            sub.recv_string()
        else:
            pass
    sub.close()


@script("filter that matches nothing")
def topic_inside_the_pickle(stage):
    """vnpy #3771: [topic, data] is pickled as one frame, so no message begins with the topic."""
    pub = stage.context.socket(zmq.PUB)
    port = pub.bind_to_random_port("tcp://127.0.0.1")

    def client():
        sub = stage.context.socket(zmq.SUB)
        sub.connect(f"tcp://127.0.0.1:{port}")
        sub.setsockopt_string(zmq.SUBSCRIBE, "event")
        sub.setsockopt(zmq.RCVTIMEO, 1800)
        with contextlib.suppress(zmq.Again):
            sub.recv_pyobj()
        sub.close()

    t = stage.start(client)
    stage.rest(0.3)
    for n in range(30):
        pub.send_pyobj(["event", {"n": n}])
        stage.rest(0.04)
    t.join()
    pub.close()


class Dashboard:
    def __init__(self, context, prices, orders):
        self.prices = context.socket(zmq.SUB)
        self.prices.connect(prices)
        self.prices.setsockopt(zmq.SUBSCRIBE, b"EUR")
        self.orders = context.socket(zmq.SUB)
        self.orders.connect(orders)

    def run(self, rounds):
        poller = zmq.Poller()
        poller.register(self.prices, zmq.POLLIN)
        poller.register(self.orders, zmq.POLLIN)
        for _ in range(rounds):
            for s, _ in poller.poll(100):
                s.recv_multipart()
        self.prices.close()
        self.orders.close()


@script("forgotten SUBSCRIBE")
def subscribes_one_of_its_two_sockets(stage):
    prices, orders = (stage.context.socket(zmq.PUB), stage.context.socket(zmq.PUB))
    p = prices.bind_to_random_port("tcp://127.0.0.1")
    o = orders.bind_to_random_port("tcp://127.0.0.1")

    def exchange():
        stage.rest(0.3)
        for n in range(30):
            prices.send_multipart([b"EUR" if n % 2 else b"USD", b"1.1"])
            orders.send_multipart([b"buy", b"%d" % n])
            stage.rest(0.04)
        prices.close()
        orders.close()

    t = stage.start(exchange)
    Dashboard(stage.context, f"tcp://127.0.0.1:{p}", f"tcp://127.0.0.1:{o}").run(30)
    t.join()


@script("forgotten SUBSCRIBE")
def xsub_taken_for_a_sub(stage):
    """An XSUB subscribes by sending; who takes it for a SUB that takes all gets nothing."""

    async def main():
        ctx = stage.asyncio
        pub, xsub = (ctx.socket(zmq.PUB), ctx.socket(zmq.XSUB))
        port = pub.bind_to_random_port("tcp://127.0.0.1")
        xsub.connect(f"tcp://127.0.0.1:{port}")

        async def feed():
            for n in range(30):
                await pub.send_string(f"tick {n}")
                await asyncio.sleep(0.04)

        t = asyncio.create_task(feed())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(xsub.recv(), 1.6)
        await t
        pub.close()
        xsub.close()

    asyncio.run(main())


@script("high-water mark reached")
def ticker_and_a_slow_subscriber(stage):
    """pyzmq #1241"""
    pub, sub = (stage.context.socket(zmq.PUB), stage.context.socket(zmq.SUB))
    pub.set_hwm(2)
    sub.set_hwm(2)
    pub.bind("inproc://ticker")
    sub.connect("inproc://ticker")
    sub.subscribe("test")

    def slow():
        while True:
            sub.recv_multipart()
            stage.rest(0.3)

    stage.start(slow)
    stage.rest(0.1)
    for i in range(150):
        pub.send_string("test", zmq.SNDMORE)
        pub.send_pyobj(i)
        stage.rest(0.01)


@script("high-water mark reached")
def drops_what_does_not_fit_and_tells_nobody(stage):
    router, dealer = (stage.context.socket(zmq.ROUTER), stage.context.socket(zmq.DEALER))
    router.set_hwm(4)
    dealer.set_hwm(4)
    router.bind("inproc://metrics")
    dealer.connect("inproc://metrics")

    def server():
        while True:
            router.recv_multipart()
            stage.rest(0.2)

    stage.start(server)
    for i in range(150):
        with contextlib.suppress(zmq.Again):
            dealer.send_json({"cpu": i}, zmq.NOBLOCK)
        stage.rest(0.01)


@script("high-water mark reached")
def router_floods_a_client(stage):
    router = stage.context.socket(zmq.ROUTER)
    router.setsockopt(zmq.SNDHWM, 20)
    router.bind("inproc://flood")
    dealer = stage.context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.RCVHWM, 20)
    dealer.connect("inproc://flood")

    def client():
        dealer.send(b"give me all")
        while True:
            dealer.recv()
            stage.rest(0.05)

    stage.start(client)
    who, _what = router.recv_multipart()
    for n in range(2000):
        router.send_multipart([who, b"row %d" % n])
    stage.rest(1.5)


@script("forgotten SUBSCRIBE", "high-water mark reached")
def one_hears_nothing_the_other_too_little(stage):
    pub = stage.context.socket(zmq.PUB)
    pub.set_hwm(3)
    pub.bind("inproc://both")
    slow, deaf = (stage.context.socket(zmq.SUB), stage.context.socket(zmq.SUB))
    slow.set_hwm(3)
    slow.connect("inproc://both")
    deaf.connect("inproc://both")
    slow.setsockopt(zmq.SUBSCRIBE, b"")

    def reader():
        while True:
            slow.recv()
            stage.rest(0.3)

    def other():
        deaf.recv()

    stage.start(reader)
    stage.start(other)
    stage.rest(0.1)
    for n in range(150):
        pub.send(b"%d" % n)
        stage.rest(0.01)


@script("slow joiner")
def config_is_published_once_at_start(stage):
    """A settings server publishes the configuration once; clients start up later and wait for it."""
    pub = stage.context.socket(zmq.PUB)
    port = pub.bind_to_random_port("tcp://127.0.0.1")
    for key in ("host", "port", "user"):
        pub.send_multipart([b"config", json.dumps({key: 1}).encode()])

    def client():
        sub = stage.context.socket(zmq.SUB)
        sub.subscribe("config")
        sub.connect(f"tcp://127.0.0.1:{port}")
        config = {}
        while len(config) < 3:
            _, body = sub.recv_multipart()
            config.update(json.loads(body))

    stage.start(client)
    stage.rest(2.5)


@script("forgotten SUBSCRIBE")
def unsubscribed_by_mistake(stage):
    """It subscribes to '' and then 'clears old topics' with unsubscribe('')."""
    pub, sub = (stage.context.socket(zmq.PUB), stage.context.socket(zmq.SUB))
    pub.bind("inproc://quotes")
    sub.connect("inproc://quotes")
    sub.subscribe("")
    sub.unsubscribe("")

    def feed():
        for n in range(100):
            pub.send_json({"n": n})
            stage.rest(0.02)

    stage.start(feed)
    for _ in range(10):
        if sub.poll(200):
            sub.recv_json()


@script("filter that matches nothing")
def topic_and_json_in_the_wrong_order(stage):

    async def main():
        ctx = stage.asyncio
        pub, sub = (ctx.socket(zmq.PUB), ctx.socket(zmq.SUB))
        port = pub.bind_to_random_port("tcp://127.0.0.1")
        sub.connect(f"tcp://127.0.0.1:{port}")
        sub.setsockopt_string(zmq.SUBSCRIBE, "status")

        async def feed():
            for n in range(40):
                await pub.send_string(json.dumps({"status": "ok", "n": n}))
                await asyncio.sleep(0.04)

        task = asyncio.create_task(feed())
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(sub.recv(), 2)
        await task

    asyncio.run(main())


@script("slow joiner")
def nobody_is_behind_the_proxy_yet(stage):
    xsub, xpub = (stage.context.socket(zmq.XSUB), stage.context.socket(zmq.XPUB))
    xsub.bind("inproc://in")
    xpub.bind("inproc://out")

    def forwarder():
        zmq.proxy(xsub, xpub)

    stage.start(forwarder)
    stage.rest(0.2)
    pub = stage.context.socket(zmq.PUB)
    pub.connect("inproc://in")
    for n in range(5):
        pub.send_string(f"news {n}")
    stage.rest(0.2)
    sub = stage.context.socket(zmq.SUB)
    sub.connect("inproc://out")
    sub.subscribe("news")
    sub.recv()


@script("slow joiner")
def a_forwarder_by_hand_asks_too_late(stage):
    xsub, xpub = (stage.context.socket(zmq.XSUB), stage.context.socket(zmq.XPUB))
    url = f"tcp://127.0.0.1:{xsub.bind_to_random_port('tcp://127.0.0.1')}"
    xpub.bind("inproc://out")

    def forwarder():
        poller = zmq.Poller()
        poller.register(xsub, zmq.POLLIN)
        poller.register(xpub, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if xsub in ready:
                xpub.send_multipart(xsub.recv_multipart())
            if xpub in ready:
                xsub.send_multipart(xpub.recv_multipart())

    def listen():
        stage.rest(0.3)
        sub = stage.context.socket(zmq.SUB)
        sub.connect("inproc://out")
        sub.subscribe("")
        sub.recv()

    stage.start(forwarder)
    stage.start(listen)
    pub = stage.context.socket(zmq.PUB)
    pub.connect(url)
    for n in range(5):
        pub.send_json({"n": n})
    stage.over.wait(20)


@script("slow joiner")
def a_publisher_for_each_event(stage):
    sub = stage.context.socket(zmq.SUB)
    port = sub.bind_to_random_port("tcp://127.0.0.1")
    sub.subscribe(b"")

    def listen():
        while True:
            sub.recv()

    stage.start(listen)
    stage.rest(0.1)
    for n in range(5):
        with stage.context.socket(zmq.PUB) as pub:
            pub.connect(f"tcp://127.0.0.1:{port}")
            pub.send_json({"event": n})
        stage.rest(0.3)


@script("high-water mark reached")
def large_frames_over_tcp(stage):
    """How many wait in the system nobody knows, but so many cannot."""
    pub = stage.context.socket(zmq.PUB)
    pub.set_hwm(5)
    url = f"tcp://127.0.0.1:{pub.bind_to_random_port('tcp://127.0.0.1')}"

    def viewer():
        sub = stage.context.socket(zmq.SUB)
        sub.set_hwm(5)
        sub.connect(url)
        sub.subscribe(b"")
        while True:
            sub.recv()
            stage.rest(0.1)

    stage.start(viewer)
    stage.rest(0.4)
    frame = bytes(200_000)
    for n in range(200):
        pub.send(b"%05d" % n + frame)
        stage.rest(0.002)
    stage.over.wait(20)


@script("slow joiner")
def it_is_gone_before_anybody_has_looked(stage):
    sub, pub = (stage.context.socket(zmq.SUB), stage.context.socket(zmq.PUB))
    port = sub.bind_to_random_port("tcp://127.0.0.1")
    sub.subscribe("")
    pub.connect(f"tcp://127.0.0.1:{port}")
    for n in range(5):
        pub.send_json({"n": n})
    pub.close()
    if sub.poll(1200):
        sub.recv_json()
    sub.close()
