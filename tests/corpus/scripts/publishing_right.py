"""What people write with PUB and SUB and is right, with late comers, idle peers and bursts."""

import json
import time

import zmq

from corpus.stage import free_port, script


@script()
def weather_with_a_start_up_delay(stage):
    pub = stage.context.socket(zmq.PUB)
    port = pub.bind_to_random_port("tcp://127.0.0.1")

    def client(zipcode):
        sub = stage.context.socket(zmq.SUB)
        sub.connect(f"tcp://127.0.0.1:{port}")
        sub.setsockopt_string(zmq.SUBSCRIBE, zipcode)
        n = 0
        while sub.poll(1500) and n < 100:
            sub.recv_string()
            n += 1
        sub.close()

    [stage.start(client, "10001"), stage.start(client, "10002")]
    stage.rest(1.0)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        pub.send_string(f"{stage.some(10000, 10005)} {stage.some(-80, 135)} {stage.some(10, 60)}")
        stage.rest(0.002)
    pub.close()


@script()
def a_listener_tunes_in_to_an_endless_feed(stage):
    """The weather server of chapter 1: it has long been running."""
    pub = stage.context.socket(zmq.PUB)
    port = pub.bind_to_random_port("tcp://127.0.0.1")

    def feed():
        for n in range(250):
            pub.send_multipart([b"tick", b"%d" % n])
            stage.rest(0.01)
        pub.close()

    t = stage.start(feed)
    stage.rest(0.9)
    sub = stage.context.socket(zmq.SUB)
    sub.connect(f"tcp://127.0.0.1:{port}")
    sub.subscribe("tick")
    while sub.poll(400):
        sub.recv_multipart()
    sub.close()
    t.join()


@script()
def waits_for_an_alert_that_is_rare(stage):
    pub = stage.context.socket(zmq.PUB)
    port = pub.bind_to_random_port("tcp://127.0.0.1")

    def operator():
        sub = stage.context.socket(zmq.SUB)
        sub.connect(f"tcp://127.0.0.1:{port}")
        sub.subscribe(b"ALERT")
        sub.poll(3000)
        sub.close()

    t = stage.start(operator)
    stage.rest(0.6)
    for n in range(200):
        pub.send_multipart([b"temperature", b"%d" % n])
        stage.rest(0.01)
    t.join()
    pub.close()


@script()
def last_value_cache(stage):
    up, down = (stage.context.socket(zmq.SUB), stage.context.socket(zmq.XPUB))
    up.bind("inproc://up")
    up.subscribe("")
    port = down.bind_to_random_port("tcp://127.0.0.1")
    down.setsockopt(zmq.XPUB_VERBOSE, 1)

    def source():
        pub = stage.context.socket(zmq.PUB)
        pub.connect("inproc://up")
        stage.rest(0.1)
        for n in range(20):
            pub.send_multipart([b"%d" % (n % 5), b"value %d" % n])
            stage.rest(0.1)
        pub.close()

    def late():
        stage.rest(1.0)
        sub = stage.context.socket(zmq.SUB)
        sub.connect(f"tcp://127.0.0.1:{port}")
        sub.subscribe(b"3")
        while sub.poll(700):
            sub.recv_multipart()
        sub.close()

    stage.start(source)
    stage.start(late)
    cache = {}
    poller = zmq.Poller()
    poller.register(up, zmq.POLLIN)
    poller.register(down, zmq.POLLIN)
    end = time.monotonic() + 2.2
    while time.monotonic() < end:
        ready = dict(poller.poll(200))
        if up in ready:
            m = up.recv_multipart()
            cache[m[0]] = m[1]
            down.send_multipart(m)
        if down in ready:
            e = down.recv()
            if e[0] == 1 and e[1:] in cache:
                down.send_multipart([e[1:], cache[e[1:]]])
    up.close()
    down.close()


@script()
def a_log_that_nobody_reads(stage):
    pub = stage.context.socket(zmq.PUB)
    pub.bind_to_random_port("tcp://127.0.0.1")
    for n in range(200):
        pub.send_json({"n": n})
        stage.rest(0.01)
    pub.close()


@script()
def only_the_latest_frame_counts(stage):
    pub, sub = (stage.context.socket(zmq.PUB), stage.context.socket(zmq.SUB))
    port = pub.bind_to_random_port("tcp://127.0.0.1")
    sub.setsockopt(zmq.CONFLATE, 1)
    sub.connect(f"tcp://127.0.0.1:{port}")
    sub.subscribe("")

    def display():
        while sub.poll(600):
            sub.recv()
            stage.rest(0.2)
        sub.close()

    t = stage.start(display)
    stage.rest(0.8)
    for _n in range(200):
        pub.send(bytes(2000))
        stage.rest(0.008)
    t.join()
    pub.close()


@script()
def node_coordination(stage):
    pub, sync = (stage.context.socket(zmq.PUB), stage.context.socket(zmq.REP))
    pub.sndhwm = 0
    pub.bind("inproc://rhubarb")
    s = sync.bind_to_random_port("tcp://127.0.0.1")

    def subscriber(delay):
        stage.rest(delay)
        sub = stage.context.socket(zmq.SUB)
        sub.rcvhwm = 0
        sub.connect("inproc://rhubarb")
        sub.subscribe("")
        stage.rest(0.4)
        req = stage.context.socket(zmq.REQ)
        req.connect(f"tcp://127.0.0.1:{s}")
        req.send(b"")
        req.recv()
        while sub.recv() != b"END":
            pass
        sub.close()
        req.close()

    ts = [stage.start(subscriber, d) for d in (0, 0.4, 0.8)]
    for _ in ts:
        sync.recv()
        sync.send(b"")
    for n in range(3000):
        pub.send(b"Rhubarb")
        n % 100 or stage.rest(0.002)
    pub.send(b"END")
    for t in ts:
        t.join(1)
    pub.close()
    sync.close()


@script()
def all_connect_before_the_hub_is_there(stage):
    p = free_port()
    q = free_port()

    def hub():
        stage.rest(0.8)
        pull, pub = (stage.context.socket(zmq.PULL), stage.context.socket(zmq.PUB))
        pull.bind(f"tcp://127.0.0.1:{p}")
        pub.bind(f"tcp://127.0.0.1:{q}")
        stage.rest(0.5)
        while True:
            pub.send(pull.recv())

    sub = stage.context.socket(zmq.SUB)
    sub.connect(f"tcp://127.0.0.1:{q}")
    sub.subscribe("")
    push = stage.context.socket(zmq.PUSH)
    push.connect(f"tcp://127.0.0.1:{p}")
    stage.start(hub)
    for n in range(5):
        push.send(b"%d" % n)
        stage.rest(0.1)
    for _ in range(5):
        sub.recv()
    push.close()
    sub.close()


@script()
def bursts_with_long_silence(stage):
    """XPUB/XSUB proxy, several topics, idle subscribers."""
    xsub, xpub = (stage.context.socket(zmq.XSUB), stage.context.socket(zmq.XPUB))
    a = xsub.bind_to_random_port("tcp://127.0.0.1")
    b = xpub.bind_to_random_port("tcp://127.0.0.1")
    stage.start(zmq.proxy, xsub, xpub)

    def listener(*topics):
        sub = stage.context.socket(zmq.SUB)
        sub.connect(f"tcp://127.0.0.1:{b}")
        for t in topics:
            sub.subscribe(t)
        while sub.poll(2500):
            sub.recv_multipart()
        sub.close()

    stage.start(listener, "a")
    stage.start(listener, "b", "c")
    stage.start(listener, "never")
    pub = stage.context.socket(zmq.PUB)
    pub.connect(f"tcp://127.0.0.1:{a}")
    stage.rest(1.0)
    for _burst in range(2):
        for n in range(200):
            pub.send_multipart([b"abcd"[n % 4 : n % 4 + 1], b"%d" % n])
        stage.rest(0.8)
    pub.close()


@script()
def json_topics_with_a_prefix(stage):
    pub = stage.context.socket(zmq.PUB)
    port = pub.bind_to_random_port("tcp://127.0.0.1")

    def listener(topic):
        sub = stage.context.socket(zmq.SUB)
        sub.connect(f"tcp://127.0.0.1:{port}")
        sub.setsockopt_string(zmq.SUBSCRIBE, topic)
        while sub.poll(1500):
            sub.recv_multipart()
        sub.close()

    ts = [stage.start(listener, t) for t in ("weather", "traffic", "alarm")]
    stage.rest(1.0)
    for n in range(60):
        topic = "weather" if n % 2 else "traffic"
        pub.send_multipart([topic.encode(), json.dumps({"kind": topic, "n": n}).encode()])
        stage.rest(0.02)
    for t in ts:
        t.join()
    pub.close()


@script()
def binary_star_style_state_exchange(stage):
    a, b = (stage.context.socket(zmq.PUB), stage.context.socket(zmq.PUB))
    pa, pb = (a.bind_to_random_port("tcp://127.0.0.1"), b.bind_to_random_port("tcp://127.0.0.1"))

    def peer(pub, other):
        sub = stage.context.socket(zmq.SUB)
        sub.connect(f"tcp://127.0.0.1:{other}")
        sub.subscribe("")
        for n in range(10):
            pub.send_json({"state": n})
            if sub.poll(200):
                sub.recv_json()
            stage.rest(0.1)
        sub.close()
        pub.close()

    t = stage.start(peer, a, pb)
    peer(b, pa)
    t.join()


@script()
def xpub_xsub_by_hand_with_idle_publishers(stage):
    xsub, xpub = (stage.context.socket(zmq.XSUB), stage.context.socket(zmq.XPUB))
    a, b = (xsub.bind_to_random_port("tcp://127.0.0.1"), xpub.bind_to_random_port("tcp://127.0.0.1"))

    def source():
        pub = stage.context.socket(zmq.PUB)
        pub.connect(f"tcp://127.0.0.1:{a}")
        stage.rest(0.8)
        for n in range(10):
            pub.send_multipart([b"k", b"%d" % n])
            stage.rest(0.08)
        pub.close()

    def user():
        stage.rest(1.0)
        sub = stage.context.socket(zmq.SUB)
        sub.connect(f"tcp://127.0.0.1:{b}")
        sub.subscribe("k")
        while sub.poll(800):
            sub.recv_multipart()
        sub.close()

    stage.start(source)
    stage.start(user)
    p = zmq.Poller()
    p.register(xsub, zmq.POLLIN)
    p.register(xpub, zmq.POLLIN)
    end = time.monotonic() + 2.4
    while time.monotonic() < end:
        for s, _ in p.poll(100):
            (xpub if s is xsub else xsub).send_multipart(s.recv_multipart())
    xsub.close()
    xpub.close()
