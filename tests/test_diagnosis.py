"""The doctor: what is wrong is named, in every small program of the corpus; what is right raises no alarm."""

from __future__ import annotations

import importlib
import pkgutil
import re
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import corpus
import pytest
import zmq
from corpus.right import RIGHT
from corpus.stage import SCRIPTS, WRONG, played, scripted, watched
from labs import eventually, leaving_nothing

import zlab
from zlab.diagnosis import MISTAKES
from zlab.ledger.snapshot import NodeState
from zlab.views.diagnosis import Diagnosis
from zlab.views.playhead import Playhead

for module in pkgutil.iter_modules(corpus.__path__):
    importlib.import_module(f"corpus.{module.name}")

PATTERNS = [getattr(zlab.patterns, name) for name in zlab.patterns.__all__]
ENOUGH = 2.8  # seconds in which a false alarm would come
AT_ONCE = 10  # labs side by side
KNOWN = {mistake.name: mistake for mistake in MISTAKES}


def mistakes(lab):
    return {finding.mistake for finding in lab.diagnose().findings}


@contextmanager
def all_at_once(programs, begin):
    """Programs side by side, because all that a diagnosis needs is time."""
    with ExitStack() as stack:
        yield [(program, stack.enter_context(begin(program))) for program in programs]


# --- what is wrong ---------------------------------------------------------------------------------------------------


def test_the_corpus_is_whole():
    assert set(WRONG) == set(KNOWN)
    assert sum(map(len, WRONG.values())) >= 40
    assert len(RIGHT) >= 20
    assert set().union(*SCRIPTS.values()) >= set(KNOWN) - {"LINGER holds term"}  # which would not end
    assert sum(not mistakes for mistakes in SCRIPTS.values()) >= 25


@pytest.mark.parametrize("mistake", KNOWN)
def test_it_is_found_and_nothing_else(mistake):
    with leaving_nothing(), all_at_once(WRONG[mistake], played) as programs:
        for program, lab in programs:
            eventually(lambda lab=lab: mistake in mistakes(lab))
            assert mistakes(lab) == {mistake}, (program.__name__, lab.diagnose())
    for program, lab in programs:  # it stands when all has stopped
        assert mistakes(lab) == {mistake}, (program.__name__, lab.diagnose())


# --- what is right ---------------------------------------------------------------------------------------------------


def _are_well(programs):
    for program, lab in programs:
        eventually(lambda lab=lab: len(lab.snapshot().sockets) > 1 and lab.snapshot().at > ENOUGH)
        assert not mistakes(lab), (program.__name__, lab.diagnose())


def test_what_is_right_raises_no_alarm():
    with leaving_nothing(), all_at_once(RIGHT, watched) as programs:
        _are_well(programs)
    for program, lab in programs:
        assert not mistakes(lab), (program.__name__, lab.diagnose())


@pytest.mark.parametrize("first", range(0, len(PATTERNS), AT_ONCE))
def test_the_guides_patterns_raise_no_alarm(first):
    def begin(pattern):
        return zlab.run(pattern(), transport=pattern.guide.transports[-1])

    with leaving_nothing(), all_at_once(PATTERNS[first : first + AT_ONCE], begin) as programs:
        _are_well(programs)
    for pattern, lab in programs:
        assert not mistakes(lab), (pattern.__name__, lab.diagnose())


# --- at the end of a script ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(0, len(SCRIPTS), 2 * AT_ONCE))
def test_a_script_is_told_at_its_end_what_it_did_wrong(first):
    with leaving_nothing(), all_at_once(list(SCRIPTS)[first : first + 2 * AT_ONCE], scripted) as programs:
        eventually(lambda: all(lab.snapshot().at > ENOUGH for _, lab in programs))
    for program, lab in programs:
        assert mistakes(lab) == SCRIPTS[program], (program.__name__, lab.diagnose())


# --- that it comes and goes ------------------------------------------------------------------------------------------


def test_what_is_mended_goes():
    context = zmq.Context()
    with zlab.watch(context) as lab, context.socket(zmq.PUB) as pub, context.socket(zmq.SUB) as sub:
        pub.bind("inproc://mended")
        sub.connect("inproc://mended")
        pub.send(b"unheard")
        eventually(lambda: mistakes(lab) == {"forgotten SUBSCRIBE"})
        sub.subscribe("")
        assert not mistakes(lab)
        assert not len(lab.diagnose())
        assert repr(lab.diagnose()) == "No mistake is seen."
    context.term()


def test_a_socket_that_is_closed_twice_has_ended_the_first_time():
    context = zmq.Context()
    with zlab.watch(context) as lab, context.socket(zmq.ROUTER) as router:
        router.bind("inproc://names")
        first = context.socket(zmq.DEALER)
        first.routing_id = b"one"
        first.connect("inproc://names")
        first.close(0)
        with context.socket(zmq.DEALER) as second:  # it may have the name now
            second.routing_id = b"one"
            second.connect("inproc://names")
            began = lab.snapshot().at
            eventually(lambda: lab.snapshot().at > began + 0.6 and len(lab.snapshot().sockets) == 3)
            first.close(0)
            assert not mistakes(lab)
    assert not mistakes(lab)
    context.term()


def test_it_is_a_table_and_reads_as_sentences():
    topology, transport = next(p for p in WRONG["forgotten SUBSCRIBE"] if not p.__code__.co_argcount)()
    with zlab.run(topology, transport=transport) as lab:
        eventually(lambda: mistakes(lab))
        found = lab.diagnose()
        assert [f.mistake for f in lab.snapshot().findings] == ["forgotten SUBSCRIBE"]
        eventually(lambda: [f.mistake for f in lab.at(lab.past.kept.end).findings] == ["forgotten SUBSCRIBE"])
    assert list(found.columns) == ["mistake", "certain", "where", "seen", "remedy", "guide"]
    assert list(found["where"]) == ["deaf.inbox"]
    assert found[found["certain"]]["mistake"].tolist() == ["forgotten SUBSCRIBE"]
    text = " ".join(repr(found).split())
    assert re.match(r"forgotten SUBSCRIBE: deaf.inbox is SUB .* [\d,]+ messages of publisher.out have passed it", text)
    assert text.endswith('See the ZeroMQ Guide, chapter 1, "Getting the Message Out".')
    assert "<li><b>forgotten SUBSCRIBE</b><br>" in found._repr_html_()


@pytest.mark.parametrize("mistake", MISTAKES, ids=KNOWN)
def test_each_has_its_words(mistake):
    assert mistake.remedy[0].isupper()
    assert not mistake.remedy.endswith(".")
    assert 1 <= mistake.chapter <= 8
    assert mistake.weight in {1, 2, 3}


def test_the_line_in_the_dashboard_is_calm():
    def at(seconds, *findings):
        return replace(first, at=seconds, findings=findings)

    topology, transport = next(p for p in WRONG["forgotten SUBSCRIBE"] if not p.__code__.co_argcount)()
    with zlab.run(topology, transport=transport) as lab:
        eventually(lambda: mistakes(lab))
        first = lab.snapshot()
        view = Diagnosis(Playhead(lab, lambda *_: None))
        (finding,) = first.findings
        other = replace(finding, mistake="deadlock of receivers", weight=3)
        assert [row[0] for row in view.full(at(1.0, finding))[0]["found"]] == ["forgotten SUBSCRIBE"]
        for seconds, seen in ((1.5, [finding]), (2.0, []), (3.9, [])):  # it stays for a while
            view.collect(at(seconds, *seen))
            assert view.tick(at(seconds, *seen)) is None
        view.collect(at(4.0, finding, other))
        assert [row[0] for row in view.tick(at(4.0))[0]["found"]] == ["deadlock of receivers", "forgotten SUBSCRIBE"]
        view.collect(at(8.0))
        assert view.tick(at(8.0))[0]["found"] == []
        view.recall(at(2.0, finding))  # the playhead has gone back
        assert [row[0] for row in view.full(at(2.0))[0]["found"]] == ["forgotten SUBSCRIBE"]
        view.close()


# --- before it is too late -------------------------------------------------------------------------------------------


def test_a_second_thread_is_refused_in_a_lab_and_its_socket_lives():
    stands, refused, told = threading.Event(), threading.Event(), []

    def chatty(out):
        def helper():
            stands.wait(10)
            try:
                out.send(b"from the helper")
            except RuntimeError as error:
                told.append(str(error))
                refused.set()

        thread = threading.Thread(target=helper)
        thread.start()
        for number in range(10):
            out.send(b"%d" % number)  # the third stands until somebody receives
        thread.join()

    def listen(inbox):
        refused.wait(10)
        while True:
            inbox.recv()

    topology = zlab.Topology(
        "two threads",
        [
            zlab.Node("chatty", chatty, out=zlab.PUSH.bind("words", sndhwm=1)),
            zlab.Node("listener", listen, inbox=zlab.PULL.connect("words", rcvhwm=1)),
        ],
    )
    with leaving_nothing(), zlab.run(topology) as lab:
        lab.wait(until=lambda snapshot: snapshot.nodes[0].state is NodeState.SEND)
        stands.set()
        lab.wait(until=lambda snapshot: snapshot.links[0].delivered == 10)
        assert "chatty.out is used from two threads at once" in told[0]
        assert not [n for n in lab.snapshot().nodes if n.traceback]


TWO_THREADS = """
import threading, zmq
context = zmq.Context()
router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
router.bind("inproc://x"), dealer.connect("inproc://x")
threading.Thread(target=dealer.recv, daemon=True).start()
threading.Event().wait(0.3)
for _ in range(1000):
    dealer.send(b"x")
"""


def test_a_script_is_told_of_its_second_thread_before_libzmq_may_end_it(tmp_path):
    script = tmp_path / "shared.py"
    script.write_text(TWO_THREADS)
    done = _watch(script, tmp_path)
    done.wait(30)
    told = done.stderr.read()
    done.stderr.close()
    assert re.search(r"shared.py:9: RuntimeWarning: \S*dealer was used by the thread 'MainThread' while", told), told
    assert told.index("RuntimeWarning") < (told + "Assertion failed").index("Assertion failed")


HANGS = """
import zmq
context = zmq.Context()
with context.socket(zmq.PUSH) as out:
    out.connect("tcp://127.0.0.1:9")
    out.send(b"to nobody")
context.term()
"""


def test_a_script_that_stands_still_is_told_why_and_the_report_says_it_again(tmp_path):
    script = tmp_path / "hangs.py"
    script.write_text(HANGS)
    done = _watch(script, tmp_path)
    told = iter(done.stderr.readline, "")
    assert any(line.startswith("zlab: LINGER holds term: term() has stood in MainThread") for line in told)
    done.send_signal(signal.SIGINT)
    assert done.wait(30) == 130
    rest = " ".join(done.stderr.read().split())
    done.stderr.close()
    assert "LINGER holds term: term() has stood" in rest
    assert 'ZeroMQ Guide, chapter 1, "Making a Clean Exit".' in rest


def _watch(script, folder):
    return subprocess.Popen(
        [sys.executable, "-m", "zlab", "watch", "--report", str(script)], cwd=folder, stderr=subprocess.PIPE, text=True
    )
