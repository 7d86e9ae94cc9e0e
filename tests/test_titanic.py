"""Titanic by RFC 9: what it tells foreign clients, and what stays on its disk whatever happens to it."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from labs import eventually, leaving_nothing

import zlab
from zlab import patterns
from zlab.patterns import titanic_services
from zlab.patterns.titanic_disk import Disk

NAMES = [
    b"",
    b"x",
    b"0" * 32,
    b"../../../../../../../../etc/passwd",
    b"../" + b"A" * 29,
    b"\xff" * 32,
    b"A" * 31 + b"\n",
]


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """Its folders are not taken for those of a test beside it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def folders():
    return [*Path(tempfile.gettempdir()).glob("zlab-titanic-*")]


@contextmanager
def outsider(lab):
    """A client of MDP 0.1 that knows RFC 9 and nothing else: a function that calls a service."""
    with zmq.Context() as context:

        def call(service, *body):
            for _ in range(30):  # the broker may not know yet that a worker has died
                with context.socket(zmq.REQ) as socket:
                    socket.set(zmq.LINGER, 0)
                    socket.connect(lab.endpoints["services"])
                    socket.send_multipart([b"MDPC01", service, *body])
                    if socket.poll(500):
                        header, name, *answer = socket.recv_multipart()
                        assert (header, name) == (b"MDPC01", service)
                        return answer
            return pytest.fail("no answer")

        yield call


def test_a_foreign_client_fetches_its_reply_as_often_as_it_likes():
    with leaving_nothing(), zlab.run(patterns.titanic(clients=1), transport="tcp") as lab, outsider(lab) as call:
        eventually(lambda: call(b"mmi.service", b"titanic.request") == [b"200"])
        status, name = call(b"titanic.request", b"coffee", b"black", b"request 0 of outsider")
        assert status == b"200"
        assert len(name) == 32
        assert name.isalnum()
        eventually(lambda: call(b"titanic.reply", name)[0] != b"300")
        reply = [b"200", b"black", b"reply 0 of outsider.."]
        assert call(b"titanic.reply", name) == call(b"titanic.reply", name) == reply
        assert call(b"titanic.close", name) == call(b"titanic.close", name) == [b"200"]
        assert call(b"titanic.reply", name) == [b"400"]
        for wrong in NAMES:
            assert call(b"titanic.reply", wrong) == [b"400"]
            assert call(b"titanic.close", wrong) == [b"200"]
        for malformed in ([b"coffee"], [b"", b"body"], [b"\x00", b"body"]):
            assert call(b"titanic.request", *malformed) == [b"400"]
        assert call(b"titanic.reply", name, name) == call(b"titanic.close", name, name) == [b"400"]
        assert not [e for e in lab.history() if e.kind == "error"]


def test_a_reply_waits_for_who_asks_after_everybody_has_died():
    with leaving_nothing(), zlab.run(patterns.titanic(clients=1), transport="tcp") as lab:
        for worker in ("worker-1", "worker-2"):
            lab.kill(worker)
        with outsider(lab) as call:
            eventually(lambda: call(b"mmi.service", b"titanic.reply") == [b"200"])
            _, name = call(b"titanic.request", b"coffee", b"request 0 of outsider")
            assert call(b"titanic.reply", name) == [b"300"]
        assert len(folders()) == 1
        for node in ("titanic", "broker", "titanic"):
            lab.kill(node)
        assert len(folders()) == 1
        for node in ("titanic", "worker-1", "broker"):
            lab.restart(node)
        with outsider(lab) as call:
            eventually(lambda: call(b"mmi.service", b"titanic.reply") == [b"200"])
            eventually(lambda: call(b"titanic.reply", name)[0] == b"200")
        lab.kill("titanic")
        lab.stop()  # it is dead, and its folder is removed all the same
        assert not folders()


def test_two_labs_of_one_topology_have_two_disks():
    topology = patterns.titanic()
    with leaving_nothing(), zlab.run(topology, transport="tcp"), zlab.run(topology, transport="tcp") as other:
        eventually(lambda: len(folders()) == 2)
        other.stop()
        assert len(folders()) == 1


# The disk


@given(st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=5), max_size=8))
@settings(max_examples=10, deadline=None)
def test_what_is_kept_is_found_again(messages):
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(Path(folder))
        names = [disk.accept(message) for message in messages]
        for name in names[::2]:
            disk.answer(name, [b"reply", name])
        again = Disk(Path(folder))
        assert [again.request(name) for name in names] == messages
        assert [*again.waiting] == names[1::2]
        assert [again.reply(name) for name in names[::2]] == [[b"reply", name] for name in names[::2]]
        for name in names:
            again.close(name)
        assert {path.name for path in Path(folder).iterdir()} == {"queue"}


@pytest.mark.parametrize("torn", [1, 17, 33])
def test_an_entry_that_was_half_written_is_none(tmp_path, torn):
    disk = Disk(tmp_path)
    first = disk.accept([b"tea", b"one"])
    with (tmp_path / "queue").open("ab") as queue:
        queue.write((b"-" + b"F" * 32 + b"\n")[:torn])
    disk = Disk(tmp_path)
    second = disk.accept([b"tea", b"two"])
    disk.strike(first)
    assert [*Disk(tmp_path).waiting] == [second]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    (tmp_path / "outside.req").write_bytes(b"secret")
    disk = Disk(tmp_path / "inside")
    disk.close(name)
    assert disk.request(name) is disk.reply(name) is disk.request(b"../outside") is None
    disk.close(b"../outside")
    assert (tmp_path / "outside.req").exists()


def test_a_full_queue_and_a_broken_disk_are_errors_to_try_again_later(tmp_path, monkeypatch):
    disk = Disk(tmp_path / "folder")
    monkeypatch.setattr(titanic_services, "MOST", 1)
    assert titanic_services.titanic_request(disk, [b"tea", b"one"])[0] == b"200"
    assert titanic_services.titanic_request(disk, [b"tea", b"two"]) == [b"500"]
    monkeypatch.setattr(titanic_services, "MOST", 9)
    monkeypatch.setattr(disk, "folder", tmp_path / "gone")
    assert titanic_services.titanic_request(disk, [b"tea", b"three"]) == [b"500"]
