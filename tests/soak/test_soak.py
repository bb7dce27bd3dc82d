"""The soak test in its short form; and it tells what it is there to tell."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attack.victim import HAS_PROC, Victim
from peers import RELEASE_RESPONSE, eventually, refused_port
from programs import Conversation, FakePeer
from tls.loopback import TLSPeer, open_context

from .soak import Soak
from .visitors import MIX, Visitors, failing_handshakes

if TYPE_CHECKING:
    from tls.factory import Factory

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="what a process holds is read from /proc")


@pytest.mark.soak
def test_a_quarter_of_a_minute(tmp_path: Path) -> None:
    lines: list[str] = []
    soak = Soak(12, 32, lines.append, tmp_path / "log.txt")
    assert soak.run(), lines
    assert lines[-1] == "all is well"
    assert all(kind.name in lines[-2] for kind in MIX), lines


@pytest.mark.soak
def test_some_seconds_with_workers(tmp_path: Path) -> None:
    lines: list[str] = []
    soak = Soak(8, 32, lines.append, tmp_path / "log.txt", workers=2)
    assert soak.run(), lines
    assert lines[-1] == "all is well"


@pytest.mark.soak
def test_some_seconds_with_tls(tmp_path: Path, pki: Factory) -> None:
    lines: list[str] = []
    soak = Soak(8, 32, lines.append, tmp_path / "log.txt", pki=pki)
    assert soak.run(), lines
    assert lines[-1] == "all is well"
    assert all(kind.name in lines[-2] for kind in failing_handshakes(b"hello")), lines


def turns(visitors: Visitors, seconds: float) -> list[str]:
    until = time.monotonic() + seconds
    while not visitors.problems and time.monotonic() < until:
        visitors.turn()
    visitors.close()
    return visitors.problems


def test_a_server_that_is_not_there_is_a_problem() -> None:
    assert "Connection refused" in turns(Visitors(refused_port(), 1), 5)[0]


def test_a_server_that_hangs_up_is_a_problem() -> None:
    def hang_up(talk: Conversation) -> None:
        talk.read()

    with FakePeer(hang_up) as peer:
        assert "was cut off" in turns(Visitors(peer.port, 1), 5)[0]


def test_a_server_that_answers_wrongly_is_a_problem() -> None:
    def answer(talk: Conversation) -> None:
        talk.read()
        talk.send(RELEASE_RESPONSE)

    with FakePeer(answer) as peer:
        assert "waited for 2 and got 06" in turns(Visitors(peer.port, 1), 5)[0]


def test_a_server_that_does_not_speak_tls_is_a_problem() -> None:
    def answer(talk: Conversation) -> None:
        talk.socket.recv(6)
        talk.send(RELEASE_RESPONSE)

    with FakePeer(answer) as peer:
        assert "SSLError" in turns(Visitors(peer.port, 1, context=open_context()), 5)[0]


def test_a_server_that_answers_wrongly_inside_tls_is_a_problem(pki: Factory) -> None:
    def answer(talk: Conversation) -> None:
        talk.read()
        talk.send(RELEASE_RESPONSE)

    context = open_context()
    with TLSPeer(open_context(pki.server), answer) as peer:
        assert "waited for 2 and got 06" in turns(Visitors(peer.port, 1, context=context), 5)[0]


@pytest.mark.parametrize(("rate", "present"), [(None, 5), (0.001, 1)])
def test_no_more_come_than_are_to_come(rate: float | None, present: int) -> None:
    def say_nothing(talk: Conversation) -> None:
        while talk.read():
            pass

    with FakePeer(say_nothing) as peer:
        visitors = Visitors(peer.port, 5, rate=rate)
        visitors.turn()
        visitors.turn()
        assert visitors.present == present
        visitors.close()


def test_a_worker_that_was_replaced_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    warm_up = Victim.warm_up

    def warm_up_and_kill(victim: Victim) -> None:
        warm_up(victim)
        os.kill(victim.workers()[0].pid, signal.SIGKILL)
        assert eventually(lambda: victim.ended_workers() and len(victim.workers()) == 2)

    monkeypatch.setattr(Victim, "warm_up", warm_up_and_kill)
    monkeypatch.setattr("soak.soak.SETTLES_WITHIN", 0.1)
    soak = Soak(0.5, 4, lambda line: None, workers=2)
    assert not soak.run()
    assert "workers were replaced" in soak.problems[0]


def test_a_leak_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = iter(range(20, 10_000_000))
    monkeypatch.setattr(Victim, "memory", lambda victim: 100_000 * next(held))
    monkeypatch.setattr("soak.soak.SETTLES_WITHIN", 0.1)
    soak = Soak(0.5, 4, lambda line: None)
    assert not soak.run()
    assert "it has grown by" in soak.problems[0]


def test_descriptors_that_stay_open_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    held = iter(range(1, 10_000_000))
    monkeypatch.setattr(Victim, "warm_up", lambda victim: None)
    monkeypatch.setattr(Victim, "descriptors", lambda victim: next(held))
    monkeypatch.setattr("soak.soak.SETTLES_WITHIN", 0.1)
    soak = Soak(0.5, 4, lambda line: None)
    assert not soak.run()
    assert "descriptors are open" in soak.problems[0]
