"""echoscu from end to end: what it says and when, to whom, and how it ends when interrupted."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dcmecho.cli.echoscu import main
from dcmecho.dimse import CEchoRSP
from dcmecho.pdu import A_ABORT, A_RELEASE_RQ, Abort
from programs import (
    LOOPBACK,
    Conversation,
    FakePeer,
    Outcome,
    Program,
    Script,
    acceptance,
    call,
    command,
    echo_peer,
    message,
    run,
    silent_peer,
)

Echoscu = Callable[..., Outcome]

ESCAPE = "\x1b]0;owned\x07"
"""What would set a terminal's title."""

FULL = pytest.param("2>/dev/full", marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full"))

SCRIPT = [sys.executable, "-c", "from dcmecho.cli.echoscu import run; run()"]
"""What the installed script does."""


@pytest.fixture
def echoscu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Echoscu:
    """Run echoscu in this process."""
    monkeypatch.delenv("DCMDICTPATH", raising=False)
    return lambda *words: call(main, capsys, *words)


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    """A peer that behaves."""
    with FakePeer(echo_peer()) as fake:
        yield fake


def texts(outcome: Outcome) -> list[str]:
    """The log without the ``I: `` in front of each line."""
    return [line[3:] for line in outcome.lines]


# What is said


def test_the_steps_in_the_words_that_scripts_look_for(echoscu: Echoscu, peer: FakePeer) -> None:
    outcome = echoscu("-v", LOOPBACK, peer.port)
    assert outcome.lines == [
        "I: Requesting Association",
        "I: Association Accepted (Max Send PDV: 16372)",
        "I: Sending Echo Request (MsgID 1)",
        "I: Received Echo Response (Success)",
        "I: Releasing Association",
    ]
    assert outcome.output == ""


def test_the_steps_of_a_long_run_that_is_aborted(echoscu: Echoscu, peer: FakePeer) -> None:
    outcome = echoscu("--verbose", "--repeat", 2, "--abort", LOOPBACK, peer.port)
    lines = texts(outcome)
    assert lines[2:7] == [
        "Sending Echo Request (MsgID 1)",
        "Received Echo Response (Success)",
        "Sending Echo Request (MsgID 2)",
        "Received Echo Response (Success)",
        "Aborting Association",
    ]
    assert lines[7] == "2 echoes sent, 2 answered"
    assert lines[8].startswith("round trip min/avg/median/p99/max = ")
    assert len(lines) == 9


@pytest.mark.parametrize(("max_pdu", "shown"), [(0, "unlimited"), (4096, "4084"), (13, "1"), (12, "0")])
def test_how_much_the_peer_takes(echoscu: Echoscu, max_pdu: int, shown: str) -> None:
    def play(talk: Conversation) -> None:
        talk.read()
        talk.send(acceptance(talk.request, max_pdu=max_pdu))
        talk.read()
        talk.send(Abort(0, 0).encode())

    with FakePeer(play) as peer:
        outcome = echoscu("-v", LOOPBACK, peer.port)
    assert f"I: Association Accepted (Max Send PDV: {shown})" in outcome.lines


LETTERS = {
    "fatal": "F",
    "critical": "F",
    "error": "FE",
    "warn": "FE",
    "warning": "FE",
    "info": "FEI",
    "debug": "FEID",
    "trace": "FEIDT",
}


def letters(outcome: Outcome) -> set[str]:
    assert all(line[1:3] == ": " for line in outcome.lines), outcome
    return {line[0] for line in outcome.lines}


@pytest.fixture
def failing_peer() -> Iterator[FakePeer]:
    """A peer that answers with a status that is not Success."""
    with FakePeer(echo_peer(answer=lambda number: message(CEchoRSP(number, 0x0122).encode()))) as fake:
        yield fake


@pytest.mark.parametrize("name", ["-ll", "--log-level"])
@pytest.mark.parametrize("level", LETTERS)
def test_log_levels(echoscu: Echoscu, failing_peer: FakePeer, name: str, level: str) -> None:
    outcome = echoscu(name, level, LOOPBACK, failing_peer.port)
    assert outcome.code == 62
    assert letters(outcome) == set(LETTERS[level])


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["-q"], "F"),
        (["--quiet"], "F"),
        ([], "FE"),
        (["-v"], "FEI"),
        (["--verbose"], "FEI"),
        (["-d"], "FEID"),
        (["--debug"], "FEID"),
        (["-q", "-v"], "FEI"),
        (["-d", "-ll", "error"], "FE"),
        (["-ll", "trace", "-q"], "F"),
    ],
)
def test_the_rightmost_level_counts(echoscu: Echoscu, failing_peer: FakePeer, words: list[str], shown: str) -> None:
    assert letters(echoscu(*words, LOOPBACK, failing_peer.port)) == set(shown)


def test_debug_shows_every_pdu_and_message(echoscu: Echoscu, peer: FakePeer) -> None:
    lines = texts(echoscu("-d", "-aec", "PACS", LOOPBACK, peer.port))
    heads = [line.strip("= ") for line in lines if line.startswith("==") and "END" not in line]
    assert heads == [
        "OUTGOING A-ASSOCIATE-RQ PDU",
        "INCOMING A-ASSOCIATE-AC PDU",
        "OUTGOING DIMSE MESSAGE",
        "OUTGOING P-DATA-TF PDU",
        "INCOMING P-DATA-TF PDU",
        "INCOMING DIMSE MESSAGE",
        "OUTGOING A-RELEASE-RQ PDU",
        "INCOMING A-RELEASE-RP PDU",
    ]
    assert any(line.startswith("Called AE Title:") and line.endswith('"PACS"') for line in lines)


def test_trace_shows_what_crossed_the_wire(echoscu: Echoscu, peer: FakePeer) -> None:
    outcome = echoscu("-ll", "trace", LOOPBACK, peer.port)
    shown = b"".join(
        [bytes.fromhex(line[11:58]) for line in outcome.lines if line.startswith("T: 0")],
    )
    for data in peer.settled().received:
        assert data in shown


def test_help_and_version_go_to_standard_output(echoscu: Echoscu) -> None:
    for words in (["-h"], ["--help"], ["--no-such-option", "--help"]):
        outcome = echoscu(*words)
        assert (outcome.code, outcome.errors) == (0, "")
        assert outcome.output.startswith("echoscu: ")
    outcome = echoscu("--version")
    assert (outcome.code, outcome.errors) == (0, "")
    assert [line.split()[0] for line in outcome.output.splitlines()] == ["dcmecho", "Python", "TLS"]


def test_the_command_line_as_understood_is_shown_and_the_run_goes_on(echoscu: Echoscu, peer: FakePeer) -> None:
    outcome = echoscu("--arguments", "-aec", "MY PACS", LOOPBACK, peer.port)
    assert outcome.code == 0
    assert outcome.lines == [f"'echoscu' '--arguments' '--call' 'MY PACS' '{LOOPBACK}' '{peer.port}'"]
    assert peer.settled().request.called_ae_title == "MY PACS"


# Text that a peer sent


@pytest.mark.parametrize("words", [[], ["-v"], ["-d"], ["-ll", "trace"], ["--json"]])
def test_what_a_peer_sent_is_never_written_raw(echoscu: Echoscu, words: list[str]) -> None:
    evil = f"x{ESCAPE}\nF: forged\r\x9b"

    def answer(number: int) -> bytes:
        return message(CEchoRSP(number, 0x0110, error_comment=evil).encode())

    accept = acceptance_named(f"{ESCAPE}\nX")
    with FakePeer(echo_peer(answer=answer, accept=accept)) as peer:
        outcome = echoscu(*words, LOOPBACK, peer.port)
    assert outcome.code == 62
    shown = outcome.errors + outcome.output
    assert "forged" in shown
    assert not any(line.startswith("F: forged") for line in outcome.lines)
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []


def acceptance_named(version_name: str) -> Callable[..., bytes]:
    return lambda request: acceptance(request, version_name=version_name)


# Being interrupted


@pytest.mark.parametrize("way", [command("echoscu"), SCRIPT], ids=["module", "script"])
def test_ctrl_c_ends_a_long_run_in_order(peer: FakePeer, way: list[str]) -> None:
    with Program([*way, "--repeat", "4000000000", LOOPBACK, peer.port]) as program:
        peer.wait_for_pdus(100)
        program.send_signal(signal.SIGINT)
        outcome = program.wait()
    assert outcome.code == 130
    assert [line[:2] for line in outcome.lines] == ["W:", "W:", "F:"]
    assert " echoes sent, " in outcome.lines[0]
    assert outcome.lines[1].startswith("W: round trip min/avg/median/p99/max = ")
    assert outcome.lines[2] == "F: Interrupted"
    assert outcome.output == ""
    assert peer.settled().kinds[-1] in (A_ABORT, A_RELEASE_RQ)


@pytest.mark.parametrize("words", [["-v"], ["-q"], ["--json"]])
def test_ctrl_c_with_other_options(peer: FakePeer, words: list[str]) -> None:
    with Program([*command("echoscu"), "--repeat", "4000000000", *words, LOOPBACK, peer.port]) as program:
        peer.wait_for_pdus(20)
        program.send_signal(signal.SIGINT)
        outcome = program.wait()
    assert outcome.code == 130
    assert outcome.lines[-1] == "F: Interrupted"
    assert "Traceback" not in outcome.errors
    if words == ["--json"]:
        result = json.loads(outcome.output)
        assert (result["ok"], result["failure"]["cause"]) == (False, "interrupted")
        assert len(result["echoes"]) <= 1000


@pytest.mark.parametrize("script", [silent_peer, echo_peer(answer=lambda number: b"")], ids=["associating", "echoing"])
def test_ctrl_c_while_the_peer_is_waited_for(script: Script) -> None:
    with FakePeer(script) as peer, Program([*command("echoscu"), "-v", LOOPBACK, peer.port]) as program:
        program.wait_for("Requesting Association" if script is silent_peer else "Sending Echo Request")
        program.send_signal(signal.SIGINT)
        outcome = program.wait()
    assert outcome.code == 130
    assert outcome.lines[-1] == "F: Interrupted"
    assert "Traceback" not in outcome.errors


def test_a_second_ctrl_c_while_the_end_is_told(
    echoscu: Echoscu, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(result: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr("dcmecho.cli.echoscu.statistics_lines", interrupted)
    try:
        outcome = echoscu("--repeat", 2, LOOPBACK, peer.port)
    except KeyboardInterrupt:
        pytest.fail("it ended with a traceback")
    assert outcome.code == 130


# Streams that are closed or full


@pytest.mark.parametrize("redirect", ["2>&1 | head -1", "2>&-", ">&-", "<&- >&- 2>&-", FULL, "2>&1 >/dev/null | true"])
@pytest.mark.parametrize("words", ["-d", "--json -v"])
@pytest.mark.parametrize("way", [command("echoscu"), SCRIPT], ids=["module", "script"])
def test_nobody_reads_what_it_says(peer: FakePeer, redirect: str, words: str, way: list[str]) -> None:
    line = f'"$@" {words} --repeat 50 {LOOPBACK} {peer.port} {redirect}'
    outcome = run(["bash", "-c", line, "bash", *way])
    assert "Traceback" not in outcome.errors + outcome.output
    assert "Exception" not in outcome.errors + outcome.output
    assert peer.settled().message_ids == list(range(1, 51))


@pytest.mark.parametrize("way", [command("echoscu"), SCRIPT], ids=["module", "script"])
def test_help_that_nobody_reads(way: list[str]) -> None:
    outcome = run(["bash", "-c", '"$@" --help | true; exit "${PIPESTATUS[0]}"', "bash", *way])
    assert outcome.code in (0, 40)
    assert outcome.errors == ""
    if not os.path.exists("/dev/full"):
        return
    outcome = run(["bash", "-c", '"$@" --help >/dev/full', "bash", *way])
    assert outcome.code == 40
    assert outcome.errors == ""


# The log by configuration file


LOGGER_CFG = """\
log4cplus.rootLogger = {level}, file
log4cplus.appender.file = log4cplus::FileAppender
log4cplus.appender.file.File = {path}
log4cplus.appender.file.layout = log4cplus::PatternLayout
log4cplus.appender.file.layout.ConversionPattern = %P|%m%n
"""

INI = """\
[loggers]
keys = root
[handlers]
keys = file
[formatters]
keys = plain
[logger_root]
level = {level}
handlers = file
[handler_file]
class = FileHandler
formatter = plain
args = ({path!r},)
[formatter_plain]
format = %(levelname).1s|%(message)s
"""


@pytest.mark.parametrize("template", [LOGGER_CFG, INI], ids=["logger.cfg", "INI"])
def test_log_by_configuration_file(peer: FakePeer, tmp_path: Path, template: str) -> None:
    log = tmp_path / "out.log"
    config = tmp_path / "log.cfg"
    config.write_text(template.format(level="INFO", path=str(log)))
    outcome = run([*command("echoscu"), "-lc", config, LOOPBACK, peer.port])
    assert (outcome.code, outcome.output, outcome.errors) == (0, "", "")
    assert log.read_text().splitlines() == [
        "I|Requesting Association",
        "I|Association Accepted (Max Send PDV: 16372)",
        "I|Sending Echo Request (MsgID 1)",
        "I|Received Echo Response (Success)",
        "I|Releasing Association",
    ]


@pytest.mark.parametrize("template", [LOGGER_CFG, INI], ids=["logger.cfg", "INI"])
def test_debug_by_configuration_file(peer: FakePeer, tmp_path: Path, template: str) -> None:
    log = tmp_path / "out.log"
    config = tmp_path / "log.cfg"
    config.write_text(template.format(level="DEBUG", path=str(log)))
    assert run([*command("echoscu"), "-lc", config, LOOPBACK, peer.port]).code == 0
    assert "A-ASSOCIATE-RQ PDU" in log.read_text()


@pytest.mark.parametrize("template", [LOGGER_CFG, INI], ids=["logger.cfg", "INI"])
def test_a_log_file_that_cannot_be_written(peer: FakePeer, tmp_path: Path, template: str) -> None:
    config = tmp_path / "log.cfg"
    config.write_text(template.format(level="INFO", path=str(tmp_path / "no" / "out.log")))
    outcome = run([*command("echoscu"), "-lc", config, LOOPBACK, peer.port])
    assert outcome.code == 40
    assert outcome.errors.startswith("F: Cannot start: an output file cannot be written: ")
