"""What both commands share: what is asked for instead of a run, and streams that take nothing."""

import io
import sys

import pytest

from dcmecho.cli.common import say, understand
from dcmecho.cli.grammar import Arguments
from dcmecho.cli.options import Command
from dcmecho.cli.table_scp import ECHOSCP
from dcmecho.cli.table_scu import ECHOSCU

BOTH = pytest.mark.parametrize("command", [ECHOSCU, ECHOSCP], ids=lambda command: str(command.name))


@BOTH
def test_a_wrong_line_is_an_exit_code(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert understand(command, ["--nonsense\x1b"]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors == f"{command.name}: unknown option \"--nonsense\\x1b\"\nTry '{command.name} --help'.\n"


@BOTH
def test_help_is_an_exit_code(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert understand(command, ["--help"]) == 0
    assert capsys.readouterr().out.startswith(f"{command.name}: ")


@BOTH
def test_version_is_an_exit_code(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert understand(command, ["--nonsense", "--version"]) == 0
    assert capsys.readouterr().out.startswith("dcmecho ")


def test_a_good_line_is_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = understand(ECHOSCU, ["h", "104"])
    assert isinstance(arguments, Arguments)
    assert arguments.number("port") == 104
    assert capsys.readouterr() == ("", "")


def test_the_words_of_the_process_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["echoscu", "h", "105"])
    arguments = understand(ECHOSCU, None)
    assert isinstance(arguments, Arguments)
    assert arguments.number("port") == 105


def test_arguments_are_shown_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(understand(ECHOSCP, ["--arguments", "-d", "0"]), Arguments)
    assert capsys.readouterr() == ("", "'echoscp' '--arguments' '--debug' '0'\n")


class Full(io.StringIO):
    """A stream on a full disk."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_say_tells_whether_somebody_took_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    assert say("x", stream)
    assert stream.getvalue() == "x\n"
    assert not say("x", Full())
    closed = io.StringIO()
    closed.close()
    assert not say("x", closed)


def test_help_that_cannot_be_written_is_40(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    assert understand(ECHOSCU, ["--help"]) == 40


def test_a_line_for_standard_error_never_goes_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python sets sys.stderr to None where a process is started without it, and print takes None for sys.stdout."""
    monkeypatch.setattr(sys, "stderr", None)
    assert understand(ECHOSCU, ["--nonsense"]) == 1
    monkeypatch.undo()
    assert capsys.readouterr().out == ""
