"""The soak test in its short form; and it tells what it is there to tell."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from attack.victim import HAS_PROC, Victim
from peers import RELEASE_RESPONSE
from programs import Conversation, FakePeer

from .soak import Soak
from .visitors import KINDS, Visitors

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="what a process holds is read from /proc")


@pytest.mark.soak
def test_a_quarter_of_a_minute(tmp_path: Path) -> None:
    lines: list[str] = []
    soak = Soak(12, 32, lines.append, tmp_path / "log.txt")
    assert soak.run(), lines
    assert lines[-1] == "all is well"
    assert all(name in lines[-2] for name, _ in KINDS), lines


def turns(visitors: Visitors, seconds: float) -> list[str]:
    until = time.monotonic() + seconds
    while not visitors.problems and time.monotonic() < until:
        visitors.turn()
    visitors.close()
    return visitors.problems


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
