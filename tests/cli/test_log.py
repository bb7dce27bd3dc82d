"""The log: letters, levels, and streams that nobody reads."""

import io
import sys

import pytest

from dcmecho import causes
from dcmecho.cli.log import DEBUG, ERROR, FATAL, INFO, LEVELS, TRACE, WARN, Log, failure_line, open_log
from dcmecho.errors import ConnectError, ResolveError, VerificationError


@pytest.mark.parametrize(
    ("level", "shown"),
    [(FATAL, "F"), (ERROR, "FE"), (WARN, "FEW"), (INFO, "FEWI"), (DEBUG, "FEWID"), (TRACE, "FEWIDT")],
)
def test_lines_at_or_above_the_level_are_written(capsys: pytest.CaptureFixture[str], level: int, shown: str) -> None:
    log = Log("test", level)
    log.fatal("x")
    log.error("x")
    log.warn("x")
    log.info("x")
    log.debug("x")
    log.write(TRACE, "x")
    assert capsys.readouterr() == ("", "".join([f"{letter}: x\n" for letter in shown]))
    assert [log.is_enabled(each) for each in sorted(LEVELS.values())] == [
        each >= level for each in sorted(LEVELS.values())
    ]


def test_every_line_of_a_text_has_the_letter(capsys: pytest.CaptureFixture[str]) -> None:
    Log("test").warn("one\n\ntwo")
    assert capsys.readouterr().err == "W: one\nW: \nW: two\n"


class Broken(io.StringIO):
    """A stream whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_stream_that_nobody_reads_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Broken())
    log = Log("test", TRACE)
    log.fatal("x")
    assert not log.is_enabled(FATAL)
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    log.fatal("x")
    assert stream.getvalue() == ""


def test_there_may_be_no_stream_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python sets sys.stderr to None where a process is started without it."""
    monkeypatch.setattr(sys, "stderr", None)
    Log("test").fatal("x")


def test_the_level_words_are_those_of_the_option() -> None:
    for word, level in LEVELS.items():
        assert open_log("test", word, None).level == level


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            ResolveError("h\x1b"),
            'Looking up the host failed: no such host: "h\\x1b". Hint: check the name and the name server',
        ),
        (ConnectError(causes.CONNECT_FAILED, "here"), "Connecting failed: could not connect: here"),
        (VerificationError(causes.ABORTED, causes.ECHO, hint=""), "Echo failed: the peer aborted the association"),
    ],
)
def test_what_the_fatal_line_says(error: VerificationError, line: str) -> None:
    assert failure_line(error) == line


def test_every_step_has_words_of_its_own() -> None:
    lines = {failure_line(VerificationError(causes.INTERRUPTED, step)) for step in causes.STEPS}
    assert len(lines) == len(causes.STEPS)
