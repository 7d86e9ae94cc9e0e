"""The sequence diagram without a browser: what it is drawn from, what is sent, what stays in a notebook."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import zmq
from labs import eventually, idle, leaving_nothing, one_way, receiving, sending

import zlab
from zlab.ledger.arrows import NOBODY, Arrows
from zlab.recording import SHOWN, Event
from zlab.views import diagram as diagrams
from zlab.views import way
from zlab.views.diagram import Way
from zlab.views.message import Message, Role, holds, roles, word
from zlab.views.sequence import AT_ONCE, BEHIND, MORE, SequenceDiagram, pack
from zlab.views.view import View

SVG = "{http://www.w3.org/2000/svg}"


@dataclass
class Hop:
    """A hop as the ledger remembers it, as far as arrows need it."""

    sent: int
    received: int = 0
    message: int = 1
    number: int = 1
    sender: str = "a.out"
    receiver: str = "b.inbox"
    fate: str = ""
    kind: int = 0
    frames: tuple[bytes, ...] = (b"one",)
    crossing: SimpleNamespace = field(init=False)

    def __post_init__(self):
        self.crossing = SimpleNamespace(
            trace=SimpleNamespace(time=self.sent, size=3, frames=self.frames, head=b""),
            message=self.message,
            hop=self.number,
            sender=self.sender,
            recording=SimpleNamespace(type="PUSH"),
            ambiguous=False,
        )


class Judge:
    """Says that what has not come was dropped."""

    def of(self, hop):
        return ("delivered", hop.receiver) if hop.received else ("dropped: high-water mark", hop.receiver)


class Journeys:
    """Remembers hops made by hand."""

    def __init__(self, hops, gone=0):
        self.hops, self.gone = hops, gone

    def span(self):
        return range(self.gone, self.gone + len(self.hops))

    def chosen(self, numbers, *, arrived=False):
        here = [(n, self.hops[n - self.gone]) for n in numbers if n in self.span()]
        return [(n, hop) for n, hop in here if hop.received or not arrived]

    def numbers_of(self, message):
        return [n for n, hop in self.chosen(self.span()) if hop.crossing.message == message]


def arrows_of(hops, gone=0):
    return Arrows(Journeys(hops, gone), Judge, began=1_000_000_000)


# --- arrows ------------------------------------------------------------------------------------


def test_hops_are_numbered_in_their_order_and_those_let_go_are_counted():
    hops = [Hop(1_000_000_000 + i * 1_000_000, 1_000_000_500 + i * 1_000_000, message=i) for i in range(5)]
    arrows = arrows_of(hops, gone=7)
    sheet = arrows.since(3, most=2)
    assert sheet.rows["number"].tolist() == [7, 8]
    assert (sheet.gone, sheet.rest) == (4, 3)
    assert sheet.rows["sent"].tolist() == pytest.approx([0.0, 0.001])
    assert sheet.rows["received"].tolist() == pytest.approx([5e-7, 0.0010005])
    assert arrows.sockets == ["a.out", "b.inbox"]
    assert [arrows.fates[i] for i in sheet.rows["fate"]] == ["delivered"] * 2
    assert arrows.since(12).rows.size == 0
    assert arrows.get(11) is hops[4]
    with pytest.raises(LookupError, match="7 have been let go"):
        arrows.get(6)


def test_the_last_messages_of_a_node_or_a_link_up_to_a_moment():
    hops = []
    for i in range(30):
        sent = 1_000_000_000 + i * 100_000_000  # one in a tenth of a second
        hops.append(Hop(sent, sent + 60_000_000, message=i, frames=(b"task %d" % i,)))
        hops.append(Hop(sent + 70_000_000, 0, message=i, number=2, sender="b.out", receiver=""))
    arrows = arrows_of(hops, gone=5)
    assert [arrows.sent_by(at) for at in (-1, 0, 0.05, 0.1, 3)] == [5, 6, 6, 8, 65]

    told = way.latest(arrows, "b", None, 99.0)
    assert [each["number"] for each in told["hops"]] == list(range(64, 64 - way.LAST, -1))
    assert (told["hops"][1]["said"], told["hops"][1]["fate"], told["note"]) == ("task 29", "delivered", "")
    assert [each["from"] for each in way.latest(arrows, "a", None, 99.0)["hops"]] == ["a.out"] * way.LAST

    link = way.latest(arrows, "b", ("a.out", "b.inbox"), 0.25)
    assert [each["said"] for each in link["hops"]] == ["task 2", "task 1", "task 0"]
    assert [each["fate"] for each in link["hops"]] == ["under way", "delivered", "delivered"], "it had not come yet"
    assert link["note"] == "5 hops of before have been let go"
    assert way.latest(arrows, "nobody", None, 99.0) == {"hops": [], "note": "5 hops of before have been let go"}


def test_what_has_not_come_is_looked_at_again():
    hops = [Hop(1_000_000_000), Hop(1_000_000_100), Hop(1_000_000_200, receiver="")]
    arrows = arrows_of(hops)
    first = arrows.since(0).rows
    assert np.isnan(first["received"]).all()
    assert first["receiver"].tolist()[2] == NOBODY
    assert arrows.now([0, 1, 2], judged=False).rows.size == 0
    hops[1].received = 1_000_000_900
    (row,) = arrows.now([0, 1, 2], judged=False).rows
    assert (row["number"], row["received"]) == (1, pytest.approx(9e-7))
    judged = arrows.now([0, 1, 2], judged=True).rows
    assert [arrows.fates[i] for i in judged["fate"]] == [
        "dropped: high-water mark",
        "delivered",
        "dropped: high-water mark",
    ]


def test_a_batch_is_packed_as_the_browser_reads_it():
    rows = arrows_of([Hop(1_000_000_000, 2_000_000_000, message=9, number=2)]).since(0).rows
    data = pack(rows)
    assert len(data) == 8 + 8 + 4 + 4 + 4 * 2 + 2
    assert np.frombuffer(data, "<f8", 2).tolist() == pytest.approx([0.0, 1.0])
    assert np.frombuffer(data, "<u4", 2, 16).tolist() == [9, 3]
    assert np.frombuffer(data, "<u2", 4, 24).tolist() == [2, 0, 1, 1]


# --- the live view -----------------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch):
    messages = []
    monkeypatch.setattr(View, "send", lambda _, content, buffers=None: messages.append((content, buffers)))
    return messages


class Source:
    """A lab with hops made by hand."""

    steerable = True

    def __init__(self, hops):
        self.topology = one_way(sending(), receiving)
        self.hops = hops
        self.arrows = Arrows(Journeys(hops), Judge, began=0)

    def history(self):
        return (Event(0.0, "start", "sender"),)

    def snapshot(self):
        return SimpleNamespace(at=2.0, state="running", sampling=1, kinds=("link",), events=())

    def subscribe(self, _):
        return lambda: None


def hop(i, **more):
    return Hop(i * 1000, i * 1000 + 500, message=i, sender="sender.out", receiver="receiver.inbox", **more)


def words(buffers):
    return json.loads(bytes(buffers[2]))


def test_what_is_left_over_comes_when_it_is_asked_for(told):
    view = SequenceDiagram(Source([hop(i) for i in range(MORE + 30)]))
    view._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    content, buffers = told[-1]
    assert (content["t"], content["first"], content["shown"], content["rest"]) == ("full", 0, MORE, 30)
    assert words(buffers)["nodes"] == ["sender", "receiver"]
    assert words(buffers)["events"] == [[0.0, "start", "sender", "", ""]]
    view._receive(None, {"t": "more", "v": "a b c"}, [])
    content, buffers = told[-1]
    assert (content["t"], content["first"], content["shown"], content["rest"]) == ("tick", MORE, 30, 0)
    assert "nodes" not in words(buffers)  # they are known
    view._receive(None, {"t": "visible", "v": "a b c", "on": False}, [])
    before = len(told)
    view._receive(None, {"t": "more", "v": "a b c"}, [])
    assert len(told) == before


def test_a_view_that_is_opened_late_gets_all_that_is_remembered_and_is_told_what_is_not(told):
    source = Source([hop(i) for i in range(50)])
    source.arrows = arrows_of([hop(i) for i in range(50)], gone=BEHIND + 7)
    view = SequenceDiagram(source)
    view._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    content, _ = told[-1]
    assert (content["first"], content["shown"], content["gone"]) == (BEHIND + 7, 50, BEHIND + 7)


def test_what_comes_faster_than_it_can_be_shown_is_passed_over_while_the_lab_runs():
    source = Source([hop(i) for i in range(10)])
    view = SequenceDiagram(source)
    view._visible["a b c"] = True
    view.full(source.snapshot())
    source.hops += [hop(i) for i in range(10, BEHIND + 500)]
    content, _ = view.tick(source.snapshot())
    assert (content["first"], content["shown"], content["rest"]) == (BEHIND + 500 - AT_ONCE, AT_ONCE, 0)
    whole = source.snapshot()
    whole.state = "stopped"
    content, _ = view.full(whole)  # now there is time for all of them
    assert (content["first"], content["shown"], content["rest"]) == (0, MORE, BEHIND + 500 - MORE)


def test_an_arrow_that_came_late_or_was_dropped_is_told_once():
    source = Source([Hop(1000, sender="sender.out", receiver="receiver.inbox")])
    view = SequenceDiagram(source)
    view._visible["a b c"] = True
    content, buffers = view.full(source.snapshot())
    view._judge_at = 0.0
    content, buffers = view.tick(source.snapshot())
    assert content["changed"] == 1
    fate = int(np.frombuffer(buffers[1], "<u2", 1, 14)[0])
    assert source.arrows.fates[fate] == "dropped: high-water mark"
    view._judge_at = 0.0
    assert view.tick(source.snapshot())[0]["changed"] == 0
    source.hops[0].received = 9000  # it was only late
    source.hops[0].kind = 3  # and tells of a ROUTER's message what it was
    content, buffers = view.tick(source.snapshot())
    assert content["changed"] == 1
    assert np.frombuffer(buffers[1], "u1", 1, 16)[0] == 3
    assert np.frombuffer(buffers[1], "<f8", 1)[0] == pytest.approx(9e-6)
    assert view.tick(source.snapshot())[0]["changed"] == 0


def test_frames_are_searched_and_it_is_said_of_how_many_they_were_not_kept(told):
    bodies = [(b"Alpha",), (), (b"beta", b"\x00\xff"), (b"ALPHABET",)]
    source = Source([hop(i, frames=frames) for i, frames in enumerate(bodies)])
    view = SequenceDiagram(source)
    view._receive(None, {"t": "ready", "v": "a b c", "on": True}, [])
    for text, found in (("alpha", [0, 3]), ("0x00ff", [2]), ("nothing", [])):
        view._receive(None, {"t": "find", "v": "a b c", "text": text}, [])
        content, buffers = told[-1]
        answer = json.loads(buffers[0])
        assert (content["t"], answer["found"], answer["searched"], answer["bare"]) == ("found", found, 3, 1)
    view._receive(None, {"t": "find", "v": "a b c", "text": "beta"}, [])
    source.hops.append(hop(4, frames=(b"beta again",)))
    assert words(view.tick(source.snapshot())[1])["found"] == [4]


def test_a_message_is_told_with_its_journey(told):
    hops = [hop(1), Hop(5000, 0, message=1, number=2, sender="receiver.inbox", receiver=""), hop(3)]
    view = SequenceDiagram(Source(hops))
    view._receive(None, {"t": "look", "v": "a b c", "number": 0}, [])
    answer = json.loads(told[-1][1][0])
    assert [each["number"] for each in answer["way"]] == [0, 1]
    assert [each["fate"] for each in answer["way"]] == ["delivered", "dropped: high-water mark"]
    assert answer["frames"][0]["text"] == "one"
    view._receive(None, {"t": "look", "v": "a b c", "number": 17}, [])
    assert "not remembered" in json.loads(told[-1][1][0])["error"]


# --- one message -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("socket", "frames", "found"),
    [
        ("ROUTER", [b"id", b"", b"body"], ["identity", "delimiter", "body"]),
        ("ROUTER", [b"id", b"inner", b"", b"body", b"", b"more"], ["identity", "envelope", "delimiter", *["body"] * 3]),
        ("ROUTER", [b"id", b"body"], ["identity", "body"]),
        ("ROUTER", [b"id", b""], ["identity", "body"]),
        ("DEALER", [b"", b"body"], ["delimiter", "body"]),
        ("DEALER", [b"id", b"", b"body"], ["envelope", "delimiter", "body"]),
        ("DEALER", [b"body"], ["body"]),
        ("REQ", [b"", b"body"], ["body", "body"]),
        ("PUB", [b"topic", b"body"], ["topic", "body"]),
        ("PUB", [b"topic body"], ["body"]),
        ("XSUB", [b"\x01weather"], ["subscription"]),
        ("PUSH", [b"", b"body"], ["body", "body"]),
        ("PUSH", [], []),
    ],
)
def test_an_envelope_is_told_from_the_body(socket, frames, found):
    assert roles(socket, frames) == [Role(each) for each in found]
    shown = Message(1, 1, "a → b", socket, sum(map(len, frames)), tuple(frames), "delivered")
    assert [*shown.envelope, *shown.body] == frames


def test_a_message_says_what_is_not_kept_of_it():
    cut = Message(1, 1, "a → b", "PUSH", 10_003, (b"abc", b"x" * SHOWN), "delivered")
    assert cut.sizes == [3, 10_000]
    several = Message(1, 1, "a → b", "PUSH", 20_000, (b"y" * SHOWN, b"x" * SHOWN), "delivered")
    assert several.sizes == [None, None]
    assert "4,096 or more bytes" in repr(several)
    bare = Message(1, 1, "a → b", "PUSH", 20_000, (), "delivered")
    assert "not kept" in repr(bare)
    assert "not kept" in bare._repr_html_()
    begun = Message(1, 1, "a → b", "PUSH", 20_000, (), "delivered", b"task 7")
    assert "the last one begins with 'task 7'" in repr(begun)


def test_json_is_laid_out_and_what_is_no_text_is_hexadecimal():
    frames = (b'{"n": [1, 2]}', b"\xff\x00", "é<b>".encode(), b"[not json")
    shown = Message(1, 1, "a → b", "PUSH", 30, frames, "delivered").told()["frames"]
    assert json.loads(json.dumps(shown)) == shown
    assert shown[0]["json"] == '{\n  "n": [\n    1,\n    2\n  ]\n}'
    assert (shown[1]["text"], shown[1]["hex"]) == (None, f"0000  {'ff 00':<47}  ··")
    assert (shown[2]["text"], shown[3]["json"]) == ("é<b>", None)
    assert "é&lt;b&gt;" in Message(1, 1, "a → b", "PUSH", 5, frames, "delivered")._repr_html_()
    half = "é".encode() * SHOWN
    cut = Message(1, 1, "a → b", "PUSH", 9999, (b"x" + half[: SHOWN - 1],), "delivered")
    assert cut.told()["frames"][0]["text"] == "x" + "é" * (SHOWN // 2 - 1)


def test_beside_an_arrow_stands_what_has_room():
    assert word("PUSH", [b"task 7" + b"." * 90]) == "task 7…"
    assert word("ROUTER", [b"id", b"", b"hello", b"world"]) == "hello | world"
    assert word("XSUB", [b"\x01weather"]) == "subscribe weather"
    assert len(word("PUSH", [b"a word and then another word and so on"])) == 28
    assert word("PUSH", []) == ""
    assert word("PUSH", [], b"task 7" + b"." * 50) == "task 7…"


def test_of_binary_frames_the_word_has_what_a_person_can_read():
    address = b"\x00\xf3\x7b\x8d\xde"
    assert word("REQ", [address, b"", b"reply 4"]) == "00 f3 7b 8d de | reply 4"
    assert word("REQ", [address, b"", b"reply 41 of client-1"]) == "reply 41 of client-1", "text comes first"
    assert word("REQ", [address, b"", b"reply 41 of one"]) == "…8d de | reply 41 of one"
    majordomo = [b"", b"MDPW01", b"\x02", address, b"", b"reply 41 of client-1"]
    assert word("DEALER", majordomo) == "MDPW01 | 02 | reply 41 of c…"
    assert word("PUB", [b"/46", bytes(7) + b"\x2e", b"", b"", b"a value of it"]) == "/46 | …00 2e | a value of it"
    assert word("DEALER", [bytes.fromhex("aaa10402000704") + b"CHAT\x02", b"hello"]) == "aa a1 04… CHAT | hello"
    assert word("DEALER", [bytes.fromhex("aaa106020005")]) == "aa a1 06 02 00 05"
    assert word("PUSH", [bytes(range(128, 144))]) == "80 81 82 83 84 85 86 87…"
    assert holds([b"Hello World"], b"world")


def test_a_lab_tells_the_frames_of_a_message():
    def send(out):
        out.send_multipart([b"head", b'{"n": 1}'])

    with leaving_nothing(), zlab.run(one_way(send)) as lab:
        eventually(lambda: len(lab.messages()) == 1)
        shown = lab.frames(b'{"n": 1}')
        assert shown.frames == (b"head", b'{"n": 1}')
        assert shown == lab.frames(1)
        assert (shown.link, shown.size, shown.number, shown.hop) == ("sender.out → receiver.inbox", 12, 1, 1)
        with pytest.raises(LookupError, match=r"hop 2 of 1 is not remembered; these are: 1"):
            lab.frames(1, hop=2)
        with pytest.raises(LookupError, match="no such message"):
            lab.frames(99)


# --- what stays --------------------------------------------------------------------------------


def tiny(scale, ways=None):
    topology = one_way(sending(), receiving)
    link = "sender.out → receiver.inbox"
    ways = ways or [
        Way("sender", "receiver", 1.0, 1.5, 0, "one", link, "delivered"),
        Way("sender", "receiver", 1.25, None, 1, "two <&>", link, "dropped: high-water mark"),
        Way("sender", "", 1.75, None, 0, "", "sender.out → ?", "under way"),
    ]
    events = [Event(1.9, "kill", "receiver"), Event(2.0, "stop", "")]
    return diagrams.draw(topology, ways, events, title="tiny", scale=scale)


def test_a_diagram_has_a_line_for_each_node_and_an_arrow_for_each_hop():
    drawn = tiny("time")
    picture = ET.fromstring(drawn.svg)  # noqa: S314 - our own
    groups = [g.get("class") for g in picture.iter(f"{SVG}g")]
    assert groups == ["lifeline"] * 2 + ["arrow"] * 3 + ["mark"] * 2
    names = [t.text for t in picture.iter(f"{SVG}text")]
    for said in ("sender", "receiver", "PUSH", "PULL", "one", "✕ kill", "■ stop", "two <&>: dropped: high-water mark"):
        assert said in names, said
    (whole,) = (p for p in picture.iter(f"{SVG}path") if p.get("stroke-width") == "1.6" and not p.get("class"))
    (x, y), (end, bottom) = (map(float, point.split()) for point in whole.get("d")[1:].split("L"))
    assert end > x
    assert bottom - y == pytest.approx(78.0)  # half the way; six moments, 26 pixels each
    assert len([p for p in picture.iter(f"{SVG}path") if p.get("class") == "broken"]) == 2
    dotted = [p.get("stroke-dasharray") for p in picture.iter(f"{SVG}path")].count("2 5")
    assert dotted == 1  # the receiver, once it is killed
    assert "at their true times" in drawn.text
    assert "two <&>': dropped: high-water mark" in drawn.text
    assert set(drawn._repr_mimebundle_()) == {"image/svg+xml", "text/plain"}


def test_a_diagram_of_few_nodes_is_as_wide_as_its_words():
    with zlab.run(one_way(sending(b"Shall we begin?"), idle)) as lab:
        eventually(lambda: "under way" in lab.diagram().text)
        picture = ET.fromstring(lab.diagram().svg)  # noqa: S314 - our own
    beside = [t for t in picture.iter(f"{SVG}text") if t.get("text-anchor") in {"start", None}]
    assert any("Shall we begin?: under way" in t.text for t in beside)
    assert all(float(t.get("x")) + 5 * len(t.text) < float(picture.get("width")) for t in beside)


def test_the_scale_is_chosen_by_what_can_be_told_apart_and_named():
    assert tiny("auto").scale == "time"
    link = "sender.out → receiver.inbox"
    close = [Way("sender", "receiver", 1 + i * 1e-6, 1.5 + i * 1e-6, 0, "x", link, "delivered") for i in range(9)]
    drawn = tiny("auto", close)
    assert drawn.scale == "order"
    assert "not even times" in drawn.svg
    assert tiny("time", close).scale == "time"


def test_a_diagram_says_what_it_leaves_out():
    with zlab.run(one_way(sending(*(b"%d" % i for i in range(12))))) as lab:
        eventually(lambda: len(lab.messages()) == 12)
        assert "the last 5 of 12 hops" in lab.diagram(5).text
        assert lab.diagram(5).text.count("delivered") == 5
        assert "12 hops, " in lab.diagram().text
        for wrong, why in (({"last": 0}, "give 1 or more"), ({"scale": "log"}, "give 'auto', 'time', 'order'")):
            with pytest.raises(ValueError, match=why):
                lab.diagram(**wrong)


def test_a_message_that_was_dropped_is_a_broken_arrow():
    topology = one_way(sending(*(b"%d" % i for i in range(30))), idle, types=(zlab.PUB, zlab.SUB), hwm=10)
    with zlab.run(topology) as lab:
        eventually(lambda: lab.ledger()["dropped"].sum() == 10)
        eventually(lambda: "dropped: high-water mark" in set(lab.messages()["fate"]))
        assert lab.diagram(30).text.count("dropped: high-water mark") == 10


# --- a few lines of a program ------------------------------------------------------------------


def test_a_few_lines_are_traced_in_whatever_context_they_make():
    with leaving_nothing():
        with zlab.trace() as t, zmq.Context() as context:
            push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
            with push, pull, pull.bind("inproc://numbers"), push.connect("inproc://numbers"):
                for body in (b"one", b"two"):
                    push.send(body)
                assert [pull.recv(), pull.recv()] == [b"one", b"two"]
        assert list(t.messages()["fate"]) == ["delivered"] * 2
        drawn = t.diagram()
        assert drawn.text.count("delivered after") == 2
        assert "'two'" in drawn.text
        assert t.frames(b"two").frames == (b"two",)
        with zmq.Context() as context:
            assert type(context) is zmq.Context  # no longer


def test_of_sockets_that_were_open_before_what_is_sent_from_now_on_is_traced():
    with zmq.Context() as context, context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
        pull.bind("inproc://numbers")
        push.connect("inproc://numbers")
        push.send(b"before")
        with zlab.trace(context) as t:
            push.send(b"within")
            assert [pull.recv(), pull.recv()] == [b"before", b"within"]
        assert [t.frames(int(n)).frames for n in t.messages()["message"]] == [(b"within",)]


def test_a_lab_that_runs_within_is_its_own():
    with zlab.trace() as t:
        with zlab.run(one_way(sending(b"one"))) as lab:
            lab.wait(until=lambda s: s.links[0].delivered == 1)
        assert not t.topology.nodes
    assert lab.diagram().text.count("delivered after") == 1


def test_traces_may_end_in_any_order():
    begin = zmq.Context.__init__
    first, second = zlab.trace(), None
    try:
        with pytest.raises(ValueError, match="watched already"):
            zlab.trace()
    finally:
        first.stop()
    second = zlab.trace()
    second.stop()
    assert zmq.Context.__init__ is begin
