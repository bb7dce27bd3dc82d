"""The progress of a long run: drawn on a terminal, now and then, and never elsewhere."""

import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from dcmecho.cli import progress
from dcmecho.cli.progress import Progress
from programs import LOOPBACK, PATIENCE, FakePeer, Program, command, echo_peer


class Terminal:
    """A stream that says it is a terminal."""

    def __init__(self) -> None:
        self.text = ""
        self.is_gone = False

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.is_gone:
            raise OSError
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    fake = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=fake))
    return fake


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by the test."""
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def test_nothing_is_drawn_in_the_first_second(terminal: Terminal, clock: list[float]) -> None:
    shown = Progress(10, is_wanted=True)
    clock[0] += 0.99
    shown.show(5)
    shown.clear()
    assert terminal.text == ""


def test_it_is_drawn_after_a_second_and_then_four_times_a_second(terminal: Terminal, clock: list[float]) -> None:
    shown = Progress(1000, is_wanted=True)
    clock[0] += 1.0
    shown.show(100)
    assert terminal.text == "\r100 of 1000 echoes, 100/s, 9 s left\x1b[K"
    terminal.text = ""
    clock[0] += 0.2
    shown.show(120)
    assert terminal.text == ""
    clock[0] += 0.05
    shown.show(125)
    assert terminal.text.startswith("\r125 of 1000 echoes, 100/s")


def test_it_is_taken_away_once(terminal: Terminal, clock: list[float]) -> None:
    shown = Progress(10, is_wanted=True)
    clock[0] += 2.0
    shown.show(5)
    terminal.text = ""
    shown.clear()
    shown.clear()
    assert terminal.text == "\r\x1b[K"


def test_it_is_taken_away_too_when_drawing_it_is_interrupted(
    terminal: Terminal, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def flush() -> None:
        raise KeyboardInterrupt

    shown = Progress(10, is_wanted=True)
    clock[0] += 2.0
    with monkeypatch.context() as patch:
        patch.setattr(terminal, "flush", flush)
        with pytest.raises(KeyboardInterrupt):
            shown.show(5)
    shown.clear()
    assert terminal.text.endswith("\x1b[K\r\x1b[K")


def test_nothing_is_drawn_where_it_is_not_wanted(terminal: Terminal, clock: list[float]) -> None:
    shown = Progress(10, is_wanted=False)
    clock[0] += 2.0
    shown.show(5)
    shown.clear()
    assert terminal.text == ""


def test_nothing_is_drawn_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    for stream in (sys.stderr, None):
        monkeypatch.setattr(sys, "stderr", stream)
        shown = Progress(10, is_wanted=True)
        clock[0] += 2.0
        shown.show(5)
        shown.clear()
    monkeypatch.undo()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_that_goes_away_is_left_alone(terminal: Terminal, clock: list[float]) -> None:
    shown = Progress(10, is_wanted=True)
    clock[0] += 2.0
    terminal.is_gone = True
    shown.show(5)
    terminal.is_gone = False
    clock[0] += 2.0
    shown.show(6)
    assert terminal.text == ""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
def test_echoscu_on_a_terminal() -> None:
    with FakePeer(echo_peer()) as peer:
        ours, theirs = os.openpty()
        try:
            words = [*command("echoscu"), "--repeat", "4000000000", LOOPBACK, str(peer.port)]
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=theirs)
            try:
                os.close(theirs)
                shown = b""
                while b"s left" not in shown:
                    shown += os.read(ours, 4096)
                process.send_signal(signal.SIGINT)
                assert process.wait(PATIENCE) == 130
                shown += read_rest(ours)
            finally:
                process.kill()
                process.wait()
        finally:
            os.close(ours)
    text = shown.decode()
    assert re.match(r"\r\d+ of 4000000000 echoes, \d+/s, \d+ s left\x1b\[K", text)
    assert re.search(r"\r\x1b\[KW: \d+ echoes sent, \d+ answered\r\nW: round trip .* ms\r\nF: Interrupted\r\n$", text)


def read_rest(terminal: int) -> bytes:
    """Read what is left on a terminal whose other side has been closed."""
    data = b""
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            return data
        if not more:
            return data
        data += more


def test_echoscu_on_a_pipe() -> None:
    with FakePeer(echo_peer()) as peer:
        words = [*command("echoscu"), "--repeat", "4000000000", "--deadline", "1.2", LOOPBACK, peer.port]
        with Program(words) as program:
            outcome = program.wait()
    assert outcome.code == 70
    assert outcome.lines == ["F: Echo failed: the whole run did not end within 1.2 s"]
