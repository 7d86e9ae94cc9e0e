"""The drop-in is pyzmq: a program that is watched cannot tell, and every message of it has its place."""

from __future__ import annotations

import asyncio
import gc
import re
import subprocess
import sys
import threading
import weakref
from contextlib import contextmanager

import nbformat
import pytest
import zmq
import zmq.asyncio
import zmq.utils.monitor
from labs import eventually, execute, leaving_nothing
from zmq.devices import ThreadProxy

import zlab
from zlab.probe import observer_of
from zlab.runtime.discovery import SEEN_LIMIT
from zlab.runtime.watching import _called

# --- the programs that everyone meets first --------------------------------------------------------------------------


class Weather:
    """A publisher and a subscriber, as they are first written."""

    def __init__(self, context):
        self.context = context
        self.port = 0
        self.bound, self.done = threading.Event(), threading.Event()

    def publisher(self):
        with self.context.socket(zmq.PUB) as socket:
            self.port = socket.bind_to_random_port("tcp://127.0.0.1")
            self.bound.set()
            number = 0
            while not self.done.wait(0.01):
                socket.send_string(f"weather NYC {number}")
                socket.send_string(f"weather LA {number}")
                socket.send_string(f"sports NBA {number}")
                number += 1

    def subscriber(self):
        self.bound.wait(10)
        with self.context.socket(zmq.SUB) as socket:
            socket.connect(f"tcp://localhost:{self.port}")
            socket.setsockopt_string(zmq.SUBSCRIBE, "weather")
            while not self.done.is_set():
                if socket.poll(50):
                    assert socket.recv_string().startswith("weather")


@contextmanager
def ended(context):
    """A context that ends whatever became of the test."""
    try:
        yield context
    finally:
        context.destroy(linger=0)


@contextmanager
def running(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()


def test_the_weather_is_drawn_and_counted():
    with leaving_nothing(), ended(zmq.Context()) as context, zlab.watch(context) as lab:
        weather = Weather(context)
        with running(weather.publisher, weather.subscriber):
            lab.wait(messages=50)
            weather.done.set()
        eventually(lambda: {n.name for n in lab.topology.nodes} == {"publisher", "subscriber"})
        assert [str(link) for link in lab.topology.links] == ["publisher.socket → subscriber.socket"]
        row = lab.ledger().iloc[0]
        assert row["unaccounted"] == 0
        assert row["delivered"] >= 50
        assert row["filtered"] > 0
        assert set(lab.messages()["kind"]) <= {"weather NYC", "weather LA", "sports NBA"}
        assert set(lab.events()["kind"]) >= {"bind", "connect"}


def test_a_hundred_tasks_are_followed_to_the_collector():
    ready = threading.Barrier(4)

    def ventilator():
        with context.socket(zmq.PUSH) as tasks:
            tasks.bind("inproc://tasks")
            ready.wait(10)
            for i in range(100):
                tasks.send_json({"task_id": i})
            over.wait(10)

    def worker():
        with context.socket(zmq.PULL) as receiver, context.socket(zmq.PUSH) as sender:
            receiver.connect("inproc://tasks")
            sender.connect("inproc://results")
            ready.wait(10)
            while receiver.poll(300):
                sender.send_json(receiver.recv_json())
            over.wait(10)

    def collector():
        with context.socket(zmq.PULL) as results:
            results.bind("inproc://results")
            ready.wait(10)
            seen.update(results.recv_json()["task_id"] for _ in range(100))
            over.wait(10)

    seen: set[int] = set()
    over = threading.Event()
    with leaving_nothing(), ended(zlab.Context()) as context, zlab.watch(context, trace="full") as lab:
        with running(ventilator, worker, worker, collector):
            eventually(lambda: len(seen) == 100)
            eventually(lambda: lab.ledger()["delivered"].sum() == 200)
            over.set()
        table = lab.ledger()
        assert not table["unaccounted"].any()
        assert {"worker.receiver", "worker-2.receiver"} <= set(lab.sockets().index)
        hops = lab.messages()
        assert (hops.groupby("message").size() == 2).sum() == 100


# --- the drop-in is pyzmq --------------------------------------------------------------------------------------------


@contextmanager
def plain():
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@contextmanager
def dropped_in():
    context = zlab.Context()
    with zlab.watch(context):
        yield context
        context.destroy(linger=0)


@contextmanager
def watched():
    context = zmq.Context()
    with zlab.watch(context):
        yield context
        context.destroy(linger=0)


@contextmanager
def not_yet_watched():
    context = zlab.Context()
    yield context
    context.destroy(linger=0)


def pair(context, first=zmq.PAIR, second=zmq.PAIR):
    a, b = context.socket(first), context.socket(second)
    for socket in (a, b):
        socket.linger = 0
        socket.rcvtimeo = socket.sndtimeo = 3000
    a.bind("inproc://pair")
    b.connect("inproc://pair")
    return a, b


def outcome(operation):
    """What an operation gives or raises, without what differs from run to run."""
    try:
        result = operation()
    except Exception as error:  # noqa: BLE001 - that it is the same is what is tested
        result = f"{type(error).__name__}: {error}"
    return re.sub(r"0x[0-9a-f]+|:\d{4,5}\b", "…", repr(result))


def _roundtrip(send, receive):
    def operation(context):
        a, b = pair(context)
        return send(a), receive(b)

    return operation


def _frames(context):
    a, b = pair(context)
    tracker = a.send(zmq.Frame(b"whole"), copy=False, track=True)
    frame = b.recv(copy=False)
    return type(tracker).__name__, frame.bytes, frame.more, type(frame).__name__


def _parts(context):
    a, b = pair(context)
    a.send(b"one", zmq.SNDMORE)
    a.send(b"two")
    first = b.recv()
    more = b.getsockopt(zmq.RCVMORE)
    return first, more, b.recv(), b.get(zmq.RCVMORE), b.rcvmore


def _into(context):
    a, b = pair(context)
    a.send(b"hello")
    buffer = bytearray(8)
    return b.recv_into(buffer), bytes(buffer)


def _serialized(context):
    a, b = pair(context)
    a.send_serialized([1, 2], lambda values: [str(v).encode() for v in values])
    return b.recv_serialized(lambda frames: [int(f) for f in frames])


def _poller(context):
    a, b = pair(context)
    poller = zmq.Poller()
    poller.register(b, zmq.POLLIN)
    before = poller.poll(0)
    a.send(b"x")
    return before, [(s is b, flags) for s, flags in poller.poll(1000)], b.poll(0), a.poll(0, zmq.POLLOUT)


def _closed(context):
    a, b = pair(context)
    send, recv = a.send, b.recv
    a.close()
    b.close()
    return a.closed, repr(a), outcome(lambda: a.send(b"x")), outcome(lambda: send(b"x")), outcome(recv), a.close()


def _endpoints(context):
    a = context.socket(zmq.PULL)
    with a.bind("tcp://127.0.0.1:*") as same:
        url = a.last_endpoint
        with context.socket(zmq.PUSH) as b, b.connect(url.decode()) as connected:
            b.send(b"x")
            return same is a, connected is b, a.recv(), repr(a.bind("inproc://again"))


def _monitor(context):
    a = context.socket(zmq.PULL)
    monitor = a.get_monitor_socket(zmq.EVENT_LISTENING)
    monitor.rcvtimeo = 3000
    a.bind("tcp://127.0.0.1:*")
    event = zmq.utils.monitor.recv_monitor_message(monitor)
    a.disable_monitor()
    return event["event"], repr(monitor)


def _own_class(context):
    class Loud(zmq.Socket):
        def send(self, data, *args, **kwargs):
            return super().send(data.upper(), *args, **kwargs)

        def recv(self, *args, **kwargs):
            return super().recv(*args, **kwargs) + b"!"

    a, b = context.socket(zmq.PAIR, socket_class=Loud), context.socket(zmq.PAIR, socket_class=Loud)
    a.bind("inproc://loud")
    b.connect("inproc://loud")
    a.send(b"hey")
    return type(a).__name__, isinstance(a, Loud), b.recv(), a.send_multipart([b"a", b"b"]), b.recv_multipart()


def _shadows(context):
    a, b = pair(context)
    shadow = zmq.Socket.shadow(a.underlying)
    shadow.send(b"by shadow")
    other = zmq.Context.shadow(context.underlying)
    return b.recv(), shadow.underlying == a.underlying, other.underlying == context.underlying, repr(other)


def _dropped(context):
    a = context.socket(zmq.PUSH)
    gone = weakref.ref(a)
    with pytest.warns(ResourceWarning, match="Unclosed socket <zmq.Socket"):
        del a
    return gone()


def _defaults(context):
    context.linger = 7
    context.setsockopt(zmq.SNDHWM, 12)
    a = context.socket(zmq.PUSH)
    return a.linger, a.sndhwm, context.linger, outcome(lambda: context.nonsense)


OPERATIONS = {
    "string": _roundtrip(lambda a: a.send_string("ä"), lambda b: b.recv_string()),
    "json": _roundtrip(lambda a: a.send_json({"a": [1]}), lambda b: b.recv_json()),
    "pickle": _roundtrip(lambda a: a.send_pyobj({1: 2}), lambda b: b.recv_pyobj()),
    "multipart": _roundtrip(lambda a: a.send_multipart([b"", b"b", b""]), lambda b: b.recv_multipart()),
    "hundred frames": _roundtrip(
        lambda a: a.send_multipart([b"%d" % i for i in range(100)]), lambda b: b.recv_multipart()
    ),
    "bytearray": _roundtrip(lambda a: a.send(bytearray(b"abc")), lambda b: b.recv()),
    "memoryview": _roundtrip(lambda a: a.send(memoryview(b"abcdef")[::1]), lambda b: b.recv()),
    "tracked": _roundtrip(lambda a: type(a.send(b"x" * 70000, copy=False, track=True)), lambda b: len(b.recv())),
    "str is refused": lambda c: pair(c)[0].send("text"),
    "none is refused": lambda c: pair(c)[0].send(None),
    "wrong flags": lambda c: pair(c)[0].send(b"x", flags="none"),
    "nothing there": lambda c: pair(c)[1].recv(zmq.NOBLOCK),
    "nobody there": lambda c: c.socket(zmq.PUSH).send(b"x", zmq.NOBLOCK),
    "cannot receive": lambda c: c.socket(zmq.PUSH).recv(zmq.NOBLOCK),
    "cannot send": lambda c: c.socket(zmq.SUB).send(b"x"),
    "out of step": lambda c: c.socket(zmq.REQ).recv(),
    "frames": _frames,
    "parts": _parts,
    "into a buffer": _into,
    "serialized": _serialized,
    "poller": _poller,
    "closed": _closed,
    "endpoints": _endpoints,
    "monitor": _monitor,
    "own class": _own_class,
    "shadows": _shadows,
    "dropped": _dropped,
    "defaults": _defaults,
    "bad address": lambda c: c.socket(zmq.PULL).bind("nonsense://x"),
    "bytes address": lambda c: c.socket(zmq.PULL).bind(b"inproc://x"),
    "unknown option": lambda c: c.socket(zmq.PULL).set(9999, 1),
    "unknown attribute": lambda c: c.socket(zmq.PULL).nonsense,
    "attribute": lambda c: setattr(c.socket(zmq.PULL), "nonsense", 1),
    "subscribe": lambda c: c.socket(zmq.SUB).subscribe("ä"),
    "unsubscribe": lambda c: c.socket(zmq.SUB).unsubscribe(b"never asked"),
    "no subscriber": lambda c: c.socket(zmq.PUSH).subscribe("x"),
    "repr": lambda c: (repr(c), repr(c.socket(zmq.PUB)), c.socket(zmq.PUB).type),
    "names": lambda c: (
        type(c.socket(zmq.PUB)).__name__,
        type(c.socket(zmq.PUB)).__module__,
        c.socket(zmq.PUB).send.__doc__,
    ),
    "dir": lambda c: sorted(n for n in dir(c.socket(zmq.PUB)) if not n.startswith("_")),
    "a closed context": lambda c: (c.term(), c.closed, outcome(lambda: c.socket(zmq.PUB)))[1:],
    "group": lambda c: pair(c)[0].send(b"x", group="g"),
}


@pytest.mark.parametrize("under", [dropped_in, watched, not_yet_watched], ids=lambda f: f.__name__)
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_it_behaves_as_without_zlab(operation, under):
    with plain() as context:
        expected = outcome(lambda: operation(context))
    with under() as context:
        assert outcome(lambda: operation(context)) == expected


def test_asyncio_sockets_are_counted_and_behave_alike():
    async def program(context):
        with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
            push.bind("inproc://async")
            pull.connect("inproc://async")
            waiting = asyncio.ensure_future(pull.recv())
            await push.send(b"one")
            got = [await waiting]
            await push.send_multipart([b"two", b"three"])
            got.append(await pull.recv_multipart())
            await push.send_json({"four": 4})
            got.append(await pull.recv_json())
            got.append(await pull.poll(1))
            return [*got, repr(push).partition(" at ")[0], isinstance(push, zmq.asyncio.Socket)]

    with ended(zmq.asyncio.Context()) as context:
        expected = asyncio.run(program(context))
    with leaving_nothing(), ended(zmq.asyncio.Context()) as context, zlab.watch(context) as lab:
        assert asyncio.run(program(context)) == expected
        eventually(lambda: list(lab.ledger()["delivered"]) == [3])
        row = lab.sockets().loc["main.push"]
        assert (row["sent"], row["refused"]) == (3, 0)


def test_a_socket_that_is_let_go_closes_at_once_and_one_whose_method_is_kept_does_not():
    gc.disable()
    try:
        with ended(zmq.Context()) as context, zlab.watch(context) as lab:
            socket = context.socket(zmq.PUSH)
            socket.bind("inproc://x")
            gone, send = weakref.ref(socket), socket.send
            del socket
            assert gone() is not None
            with pytest.raises(zmq.Again):
                send(b"x", zmq.NOBLOCK)
            with pytest.warns(ResourceWarning, match="Unclosed socket"):
                del send
            assert gone() is None
            eventually(lambda: len(lab.sockets()) == 1)  # its figures stay
    finally:
        gc.enable()


def test_zero_copy_keeps_its_threshold():
    with ended(zmq.Context()) as context, zlab.watch(context):
        with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
            push.bind("inproc://x")
            pull.connect("inproc://x")
            assert push.send(b"small", copy=False, track=True) is zmq._FINISHED_TRACKER
            push.copy_threshold = 0
            assert push.send(b"small", copy=False, track=True) is not zmq._FINISHED_TRACKER
            pull.recv()
            pull.recv()


# --- what is discovered ----------------------------------------------------------------------------------------------


def test_shadows_of_a_context_are_watched_with_it():
    async def pass_on(shadow, count):
        with shadow.socket(zmq.PUSH) as push, shadow.socket(zmq.PULL) as pull:
            push.bind(f"inproc://shadowed-{count}")  # a name is free again only once its socket has been reaped
            pull.connect(f"inproc://shadowed-{count}")
            for number in range(count):
                await push.send(b"%d" % number)
                assert await pull.recv() == b"%d" % number

    def before_later_and_after(context):
        before = zmq.asyncio.Context.shadow(context)
        with zlab.watch(context, before) as lab:
            asyncio.run(pass_on(before, 10))
            asyncio.run(pass_on(zmq.asyncio.Context.shadow(context), 20))
            gc.collect()  # no shadow takes with it what is known of the context
            asyncio.run(pass_on(zmq.asyncio.Context.shadow(context.underlying), 30))
            with context.socket(zmq.PUSH) as push, zmq.Context.shadow(context.underlying).socket(zmq.PULL) as pull:
                push.bind("inproc://shared")
                pull.connect("inproc://shared")
                push.send(b"one")
                assert pull.recv() == b"one"
        assert lab.ledger()["delivered"].sum() == 61
        shadow = zmq.asyncio.Context.shadow(context)
        asyncio.run(pass_on(shadow, 40))
        assert lab.ledger()["delivered"].sum() == 61

    plain = zmq.Context.__init__
    with zmq.Context() as context:
        before_later_and_after(context)
    assert zmq.Context.__init__ is plain


def test_sockets_that_were_open_before_are_watched_from_then_on():
    with leaving_nothing(), ended(zmq.Context()) as context:
        with context.socket(zmq.PUSH) as out, context.socket(zmq.PULL) as inbox:
            port = out.bind_to_random_port("tcp://127.0.0.1")
            inbox.connect(f"tcp://127.0.0.1:{port}")
            out.send(b"unseen")
            assert inbox.recv() == b"unseen"
            with zlab.watch(context) as lab:
                out.send(b"seen")
                assert inbox.recv() == b"seen"
                eventually(lambda: list(lab.ledger()["delivered"]) == [1])
            out.send(b"after")
            assert inbox.recv() == b"after"
            assert list(lab.ledger()["delivered"]) == [1]
            assert repr(out).startswith("<zmq.Socket(zmq.PUSH) at ")


def test_sockets_of_one_thread_that_face_each_other_are_nodes_of_their_own():
    with ended(zmq.Context()) as context, zlab.watch(context) as lab:
        with context.socket(zmq.REQ) as client, context.socket(zmq.REP) as server:
            server.bind("inproc://hello")
            client.connect("inproc://hello")
            client.send(b"hello")
            server.send(server.recv())
            client.recv()
            eventually(lambda: len(lab.topology.links) == 2)
            assert {str(link) for link in lab.topology.links} == {
                "main.server → main-2.client",
                "main-2.client → main.server",
            } or {str(link) for link in lab.topology.links} == {
                "main-2.server → main.client",
                "main.client → main-2.server",
            }
            assert not lab.ledger()["unaccounted"].any()


def test_a_thread_is_called_by_its_name_its_function_or_its_class():
    class Worker(threading.Thread):
        """As many write them: with a run of their own."""

    assert _called(threading.main_thread()) == "main"
    assert _called(threading.Thread(name="price reader")) == "price-reader"
    assert _called(threading.Thread(target=gc.collect)) == "collect"
    assert _called(Worker()) == "Worker"


def test_a_socket_for_each_request_is_one_socket_in_the_picture():
    with leaving_nothing(), ended(zmq.Context()) as context, zlab.watch(context) as lab:
        with context.socket(zmq.REP) as server:
            server.bind("inproc://hello")
            for number in range(40):
                with context.socket(zmq.REQ) as client:
                    client.connect("inproc://hello")
                    client.send(b"%d" % number)
                    server.send(server.recv())
                    client.recv()
                if number % 10 == 0:
                    lab.snapshot()
            eventually(lambda: lab.ledger()["delivered"].sum() == 80)
            assert not lab.ledger()["unaccounted"].any()
            assert len(lab.sockets()) <= 1 + 12
            names = set(lab.sockets().index)
            for number in range(20):
                with context.socket(zmq.REQ) as client:
                    client.connect("inproc://hello")
                    client.send(b"%d" % number)
                    server.send(server.recv())
                    client.recv()
                lab.snapshot()
            assert set(lab.sockets().index) == names


def test_who_is_outside_is_drawn_as_outside():
    program = (
        "import sys, zmq\n"
        "with zmq.Context() as c, c.socket(zmq.PULL) as s:\n"
        "    s.connect(sys.argv[1])\n"
        "    print(s.recv().decode(), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with leaving_nothing(), ended(zmq.Context()) as context, zlab.watch(context) as lab:
        with context.socket(zmq.PUSH) as out:
            out.linger = 0
            port = out.bind_to_random_port("tcp://127.0.0.1")
            command = [sys.executable, "-c", program, f"tcp://127.0.0.1:{port}"]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
                out.send(b"to the outside")
                assert other.stdout.readline() == "to the outside\n"
                eventually(lambda: f"outside-{port}" in {n.name for n in lab.topology.nodes})
                row = lab.ledger().iloc[0]
                assert (row["expected"], row["unaccounted"], row["uncertain"]) == (1, 0, 1)
                other.stdin.close()


def test_a_device_is_seen_through():
    with leaving_nothing(), ended(zlab.Context()) as context, zlab.watch(context) as lab:
        device = ThreadProxy(zmq.ROUTER, zmq.DEALER, zmq.PUB)
        device.context_factory = lambda: context
        device.bind_in("inproc://front")
        device.bind_out("inproc://back")
        device.bind_mon("inproc://mon")
        device.start()
        with context.socket(zmq.REQ) as client, context.socket(zmq.REP) as server:
            client.connect("inproc://front")
            server.connect("inproc://back")
            for number in range(10):
                client.send(b"%d" % number)
                server.send(server.recv())
                client.recv()
            eventually(lambda: len(lab.topology.links) == 4)
            eventually(lambda: lab.ledger()["delivered"].sum() == 40)
            assert not lab.ledger()["unaccounted"].any()
        context.term()
        device.join(5)


def test_a_context_that_nobody_looks_at_remembers_no_end_of_sockets():
    with ended(zlab.Context()) as context:
        for number in range(SEEN_LIMIT + 50):
            with context.socket(zmq.PAIR) as socket:
                socket.bind(f"inproc://{number}")
        recordings = observer_of(context).recordings
        assert len(recordings.seen) <= SEEN_LIMIT
        assert len(recordings.retired) <= SEEN_LIMIT


def test_sockets_of_a_drop_in_are_watched_anew_where_more_is_asked_for():
    with ended(zlab.Context()) as context:
        with context.socket(zmq.PUSH) as out, context.socket(zmq.PULL) as inbox:
            out.bind("inproc://x")
            inbox.connect("inproc://x")
            with zlab.watch(context, key=lambda frames: frames[-1][:1]) as lab:
                out.send(b"a1")
                assert inbox.recv() == b"a1"
                eventually(lambda: list(lab.ledger()["delivered"]) == [1])
                eventually(lambda: lab.messages()["fate"].tolist() == ["delivered"])
                assert len(lab.journey([b"a2"])) == 1  # the same message, says the key


def test_large_messages_are_counted_to_the_byte():
    body = bytes(100_000_000)
    with ended(zmq.Context()) as context, zlab.watch(context) as lab:
        with context.socket(zmq.PUSH) as out, context.socket(zmq.PULL) as inbox:
            out.bind("inproc://x")
            inbox.connect("inproc://x")
            out.send(body, copy=False)
            assert len(inbox.recv(copy=False)) == len(body)
            row = lambda name: lab.sockets().filter(like=name, axis=0).iloc[0]  # noqa: E731
            eventually(lambda: len(lab.sockets()) == 2)
            assert row("out")["bytes_sent"] == row("inbox")["bytes_received"] == len(body)


def test_what_cannot_be_watched_is_refused():
    with ended(zmq.Context()) as context:
        with zlab.watch(context), pytest.raises(ValueError, match="watched already"):
            zlab.watch(context)
        with pytest.raises(ValueError, match="trace='some'"):
            zlab.watch(context, trace="some")
    with pytest.raises(ValueError, match="is closed"):
        zlab.watch(context)
    with pytest.raises(TypeError, match=r"not a zmq\.Context"):
        zlab.watch("tcp://127.0.0.1:5556")


def test_a_lab_can_watch_again_and_again():
    with leaving_nothing(), ended(zmq.Context()) as context:
        for _ in range(3):
            with zlab.watch(context) as lab, context.socket(zmq.PUSH) as out, context.socket(zmq.PULL) as inbox:
                out.bind("inproc://x")
                inbox.connect("inproc://x")
                out.send(b"x")
                inbox.recv()
                eventually(lambda lab=lab: list(lab.ledger()["delivered"]) == [1])


# --- in a notebook, and as a command ---------------------------------------------------------------------------------


def test_the_kernels_own_sockets_are_none_of_the_program(tmp_path):
    source = """
import zmq, zlab
lab = zlab.watch()
context = zmq.Context.instance()
with context.socket(zmq.PUSH) as out, context.socket(zmq.PULL) as inbox:
    out.bind("inproc://x"); inbox.connect("inproc://x")
    out.send(b"x"); inbox.recv()
    lab.wait(until=lambda snapshot: len(snapshot.sockets) >= 2)
print(sorted(lab.sockets().index))
lab.stop()
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    execute(notebook, tmp_path)
    assert notebook.cells[0].outputs[0].text == "['main-2.inbox', 'main.out']\n"


SCRIPT = """
import sys, threading, zmq
context = zmq.Context()
def work():
    with context.socket(zmq.PULL) as tasks:
        tasks.connect("inproc://tasks")
        for _ in range(10):
            tasks.recv()
thread = threading.Thread(target=work)
out = context.socket(zmq.PUSH)
out.bind("inproc://tasks")
thread.start()
for i in range(10):
    out.send(b"%d" % i)
print(sys.argv[1:], __name__)
thread.join()
out.close()
sys.exit(7)
"""


def _watch(*arguments, **environment):
    command = [sys.executable, "-m", "zlab", "watch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **environment)


def test_a_script_runs_as_it_is_and_what_happened_is_printed(tmp_path):
    script = tmp_path / "tasks.py"
    script.write_text(SCRIPT)
    told = _watch("--report", str(script), "--an", "argument")
    assert (told.returncode, told.stdout) == (7, "['--an', 'argument'] __main__\n")
    assert re.search(r"main\.out → work\.tasks +10 +10", told.stderr)


BRIEF = """
import threading, zmq
context = zmq.Context()
ready = threading.Barrier(3)
def streamer():
    front, back = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    front.bind("inproc://front")
    back.bind("inproc://back")
    try:
        zmq.proxy(front, back)
    except zmq.ContextTerminated:
        front.close(0)
        back.close(0)
def worker():
    tasks, results = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    tasks.connect("inproc://back")
    results.connect("inproc://results")
    ready.wait()
    try:
        while True:
            results.send(tasks.recv())
    except zmq.ContextTerminated:
        tasks.close(0)
        results.close(0)
sink, out = context.socket(zmq.PULL), context.socket(zmq.PUSH)
sink.bind("inproc://results")
for function in (streamer, worker, worker):
    threading.Thread(target=function).start()
ready.wait()
out.connect("inproc://front")
for number in range(200):
    out.send(b"%d" % number)
print(len([sink.recv() for _ in range(200)]))
sink.close()
out.close()
context.term()
"""


def test_a_script_that_ends_before_anybody_looks_is_accounted_for(tmp_path):
    script = tmp_path / "brief.py"
    script.write_text(BRIEF)
    told = _watch("--report", str(script))
    assert (told.returncode, told.stdout) == (0, "200\n"), told.stderr
    assert re.search(r"main\.out → streamer\.front +200 +200 +0", told.stderr), told.stderr
    assert "streamer.back → worker.tasks" in told.stderr
    assert "streamer.back → worker-2.tasks" in told.stderr, "two threads at the same time are two nodes"
    assert " lost: " not in told.stderr


def test_a_script_has_finished_and_the_sockets_of_pyzmq_itself_are_none_of_it(tmp_path):
    script = tmp_path / "large.py"
    script.write_text(
        "import zmq\n"
        "with zmq.Context() as context, context.socket(zmq.PUSH) as push:\n"
        "    with context.socket(zmq.PULL) as pull:\n"
        "        push.bind('inproc://large')\n"
        "        pull.connect('inproc://large')\n"
        "        push.send(bytes(100_000), copy=False)\n"
        "        pull.recv()\n"
    )
    ended = _watch("--report", str(script))
    assert ended.returncode == 0, ended.stderr
    assert "Garbage" not in ended.stderr
    assert "finished" in ended.stderr
    assert "running" not in ended.stderr


def test_what_happened_is_one_page(tmp_path):
    script = tmp_path / "tasks.py"
    script.write_text(SCRIPT)
    told = _watch(str(script), env={"PATH": "", "BROWSER": "true", "TMPDIR": str(tmp_path)})
    assert told.returncode == 7
    page = next(tmp_path.glob("zlab-watch-*/report.html")).read_text()
    assert "<svg" in page
    assert "main.out → work.tasks" in page


def test_a_script_that_fails_says_so_itself(tmp_path):
    script = tmp_path / "wrong.py"
    script.write_text("import zmq\nraise ValueError('mine')\n")
    told = _watch("--report", str(script))
    assert told.returncode == 1
    assert told.stderr.startswith(f'Traceback (most recent call last):\n  File "{script}", line 2, in <module>\n')
    assert "ValueError: mine" in told.stderr
    assert _watch("nothing.py").returncode == 2
