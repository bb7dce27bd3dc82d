"""echoscu from end to end: every failure with its exit code and its words."""

import os
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dcmecho.cli.echoscu import main
from dcmecho.dimse import CEchoRSP
from dcmecho.pdu import A_ABORT, A_ASSOCIATE_RQ, A_RELEASE_RQ, P_DATA_TF, Abort, ReleaseRQ
from programs import (
    LOOPBACK,
    Conversation,
    FakePeer,
    Outcome,
    Script,
    aborting_peer,
    acceptance,
    call,
    command,
    echo_peer,
    free_port,
    greeting_peer,
    message,
    rejecting_peer,
    silent_peer,
)

Echoscu = Callable[..., Outcome]


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


# Exit codes


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "missing parameter: peer"),
        (["h"], "missing parameter: port"),
        (["h", "1", "2"], 'surplus parameter: "2"'),
        (["h", "x"], "parameter port: "),
        (["-zz", "h", "1"], 'unknown option "-zz"'),
        (["-ta", "-5", "h", "1"], "option -ta: "),
        (["-aec", " ", "h", "1"], "option -aec: "),
        (["-aet", "SEVENTEEN-LETTERS", "h", "1"], "option -aet: "),
        (["-aet", "A\\B", "h", "1"], "option -aet: "),
        (["-pdu", "4095", "h", "1"], "option -pdu: "),
        (["-pts", "54", "h", "1"], "option -pts: "),
        (["-ppc", "129", "h", "1"], "option -ppc: "),
        (["--repeat", "0", "h", "1"], "option --repeat: "),
        (["h", "1", "--deadline"], "option --deadline: missing value"),
        (["@/nonexistent/words"], "command file "),
    ],
)
def test_a_wrong_command_line_is_one_line_a_hint_and_1(echoscu: Echoscu, words: list[str], named: str) -> None:
    outcome = echoscu(*words)
    assert (outcome.code, outcome.output) == (1, "")
    assert outcome.lines[0].startswith(f"echoscu: {named}")
    assert outcome.lines[1:] == ["Try 'echoscu --help'."]


def test_nobody_listens(echoscu: Echoscu) -> None:
    port = free_port()
    outcome = echoscu("-q", LOOPBACK, port)
    assert outcome.code == 1
    hint = "nothing listens on that port: check the port number and that the peer runs"
    assert outcome.lines == [f"F: Connecting failed: connection refused: 127.0.0.1 port {port}. Hint: {hint}"]


def test_no_such_host(echoscu: Echoscu) -> None:
    outcome = echoscu("no-such-host.invalid", 104)
    assert outcome.code == 1
    assert outcome.errors.startswith("F: Looking up the host failed: ")
    assert '"no-such-host.invalid"' in outcome.errors


def test_a_rejection_tells_titles_with_their_length(echoscu: Echoscu) -> None:
    with FakePeer(rejecting_peer(1, 1, 7)) as peer:
        outcome = echoscu("-v", "-aec", "PACS ", "-aet", "W", LOOPBACK, peer.port)
    assert outcome.code == 1
    assert outcome.lines[0] == "I: Requesting Association"
    assert outcome.lines[1] == (
        "F: Association failed: the peer does not know the called AE title: rejected (permanent, service user, "
        'reason 7: called AE title not recognized); we sent called AE title "PACS" (4 characters), calling AE title '
        '"W" (1 character). Hint: ask for the peer\'s own title and pass it with -aec; case and inner spaces count'
    )
    assert len(outcome.lines) == 2


@pytest.mark.parametrize(
    ("values", "summary"),
    [
        ((1, 1, 1), "the peer rejected the association"),
        ((1, 1, 2), "the peer does not support DICOM's application context"),
        ((1, 1, 3), "the peer does not know the calling AE title"),
        ((1, 2, 1), "the peer rejected the association"),
        ((1, 2, 2), "the peer does not support version 1 of the protocol"),
        ((2, 3, 1), "the peer has too many associations or is congested"),
        ((2, 3, 2), "the peer has too many associations or is congested"),
        ((9, 9, 9), "the peer rejected the association"),
    ],
)
def test_each_rejection_has_words_of_its_own(echoscu: Echoscu, values: tuple[int, int, int], summary: str) -> None:
    with FakePeer(rejecting_peer(*values)) as peer:
        outcome = echoscu(LOOPBACK, peer.port)
    assert outcome.code == 1
    assert outcome.errors.startswith(f"F: Association failed: {summary}: rejected (")


def test_aborted_while_associating(echoscu: Echoscu) -> None:
    with FakePeer(aborting_peer(2, 1)) as peer:
        outcome = echoscu(LOOPBACK, peer.port)
    assert outcome.code == 1
    assert outcome.errors.startswith(
        "F: Association failed: the peer aborted the association: source: service provider, reason 1: unrecognized PDU"
    )


def test_no_acceptable_presentation_context(echoscu: Echoscu) -> None:
    with FakePeer(echo_peer(accept=lambda request: acceptance(request, results=(3, 4)))) as peer:
        outcome = echoscu("-ppc", 2, LOOPBACK, peer.port)
        assert peer.settled().kinds == [A_ASSOCIATE_RQ, A_ABORT]
    assert outcome.code == 1
    assert outcome.errors.startswith("F: Association failed: no acceptable presentation context: ")
    assert "abstract syntax not supported" in outcome.errors
    assert "transfer syntaxes not supported" in outcome.errors


STATUSES = [(0x0122, "Refused: SOP Class Not Supported, 0122H"), (0xC001, "Failure, C001H"), (0x0001, "Warning, 0001H")]


@pytest.mark.parametrize(("status", "words"), STATUSES)
def test_an_echo_that_is_answered_otherwise_than_success(echoscu: Echoscu, status: int, words: str) -> None:
    with FakePeer(echo_peer(answer=lambda number: message(CEchoRSP(number, status).encode()))) as peer:
        outcome = echoscu("--repeat", 2, LOOPBACK, peer.port)
        assert peer.settled().kinds == [A_ASSOCIATE_RQ, P_DATA_TF, P_DATA_TF, A_RELEASE_RQ]
    assert outcome.code == 62
    assert outcome.lines[:2] == [f"E: Received Echo Response ({words} for message id {number})" for number in (1, 2)]
    summary = "an echo was answered with a status other than Success"
    assert outcome.lines[2].startswith(f"F: Echo failed: {summary}: {words} for message id ")
    assert len(outcome.lines) == 3


def test_one_bad_answer_among_many_counts(echoscu: Echoscu) -> None:
    answers = {2: 0x0110}
    script = echo_peer(answer=lambda number: message(CEchoRSP(number, answers.get(number, 0)).encode()))
    with FakePeer(script) as peer:
        assert echoscu("--repeat", 3, LOOPBACK, peer.port).code == 62
        assert peer.settled().message_ids == [1, 2, 3]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Abort(0, 0).encode(), "the peer aborted the association: source: service user"),
        (Abort(2, 6).encode(), "the peer aborted the association: source: service provider, reason 6"),
        (ReleaseRQ().encode(), "the peer released the association before we had done"),
        (message(CEchoRSP(7).encode()), "the peer broke the protocol: it sent a C-ECHO-RSP to message id 7"),
        (b"\x09\x00\x00\x00\x00\x01x", "the peer broke the protocol: "),
        (b"\x04\x00\x00\x00\x00\x04abcd", "the peer broke the protocol: P-DATA-TF: "),
        (b"\x04\x00\xff\xff\xff\xff", "the peer broke the protocol: P-DATA-TF: "),
        (message(CEchoRSP(1).encode(), context_id=3), "the peer broke the protocol: "),
    ],
    ids=["user abort", "provider abort", "release", "wrong id", "unknown PDU", "malformed", "huge", "wrong context"],
)
def test_an_association_that_ends_before_its_time(echoscu: Echoscu, answer: bytes, words: str) -> None:
    with FakePeer(echo_peer(answer=lambda number: answer)) as peer:
        outcome = echoscu(LOOPBACK, peer.port)
    assert outcome.code == 70
    assert len(outcome.lines) == 1
    assert outcome.lines[0].startswith(f"F: Echo failed: {words}")


@pytest.mark.parametrize(
    ("is_reset", "words"),
    [(False, "the peer closed the connection without a word"), (True, "the connection was reset")],
)
@pytest.mark.parametrize(
    ("kind", "code", "step"),
    [(A_ASSOCIATE_RQ, 1, "Association"), (P_DATA_TF, 70, "Echo"), (A_RELEASE_RQ, 70, "Release")],
)
def test_a_connection_that_ends(echoscu: Echoscu, kind: int, code: int, step: str, is_reset: bool, words: str) -> None:
    with FakePeer(closing_peer(kind, is_reset)) as peer:
        outcome = echoscu(LOOPBACK, peer.port)
    assert outcome.code == code
    assert outcome.errors.startswith(f"F: {step} failed: {words}")


def closing_peer(kind: int, is_reset: bool) -> Script:
    """Return a script that closes or resets the connection when it has received a PDU of that type."""

    def play(talk: Conversation) -> None:
        talk.read()
        if kind != A_ASSOCIATE_RQ:
            talk.send(acceptance(talk.request))
            talk.read()
        if kind == A_RELEASE_RQ:
            talk.send(message(CEchoRSP(1).encode()))
            talk.read()
        if is_reset:
            talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return play


# Files


def test_a_data_dictionary_that_is_not_there_ends_the_run_before_it_begins(
    echoscu: Echoscu, peer: FakePeer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DCMDICTPATH", str(tmp_path / "none.dic"))
    outcome = echoscu(LOOPBACK, peer.port)
    assert outcome.code == 20
    assert outcome.lines[-1].startswith("F: Cannot start: an input file cannot be read: ")
    assert "none.dic" in outcome.lines[-1]
    peer._stop()
    assert peer.conversations == []


def test_a_data_dictionary_names_elements(
    echoscu: Echoscu, peer: FakePeer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, missing, second = tmp_path / "a.dic", tmp_path / "missing.dic", tmp_path / "b.dic"
    first.write_text("(0000,0110)\tUS\tFirstName\t1\tTEST\n")
    second.write_text("(0000,0120)\tUS\tSecondName\t1\tTEST\n")
    monkeypatch.setenv("DCMDICTPATH", os.pathsep.join([str(first), str(missing), str(second)]))
    outcome = echoscu("-d", LOOPBACK, peer.port)
    assert outcome.code == 0
    assert "D:   (0000,0110) US FirstName: 0001H" in outcome.lines
    assert "D:   (0000,0120) US SecondName: 0001H" in outcome.lines
    assert any(line.startswith("W: ") and "missing.dic" in line for line in outcome.lines)


@pytest.mark.parametrize(("content", "code"), [(None, 20), ("nonsense", 22)])
def test_a_log_configuration_that_is_no_good(
    echoscu: Echoscu, peer: FakePeer, tmp_path: Path, content: str | None, code: int
) -> None:
    config = tmp_path / "log.cfg"
    if content is not None:
        config.write_text(content)
    for name in ("-lc", "--log-config"):
        outcome = echoscu(name, config, LOOPBACK, peer.port)
        assert outcome.code == code
        assert len(outcome.lines) == 1
        assert outcome.lines[0].startswith("F: Cannot start: ")
    peer._stop()
    assert peer.conversations == []


def test_standard_output_that_takes_nothing(peer: FakePeer) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as full:
        words = [*command("echoscu"), "--json", LOOPBACK, str(peer.port)]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    assert done.returncode == 40
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


# What else may listen there


def test_what_answers_is_named(echoscu: Echoscu) -> None:
    cases = {
        b"HTTP/1.1 400 Bad Request\r\n\r\n": "a web server (HTTP) answers on that port: it began with "
        '"HTTP/1.1 400 Bad Request"',
        b"SSH-2.0-OpenSSH_9.2\r\n": 'an SSH server answers on that port: it began with "SSH-2.0-OpenSSH_9.2"',
        b"\x15\x03\x01\x00\x02\x02\x46": "the peer on that port speaks TLS: it began with ",
        b"220 mail.example ESMTP\r\n": "what answers on that port does not speak DICOM: it began with "
        '"220 mail.example ESMTP"',
        b"\xff\xfe\x00\x01\x02\x03\x04\x05": "what answers on that port does not speak DICOM: it began with ff fe 00",
    }
    for greeting, words in cases.items():
        with FakePeer(greeting_peer(greeting)) as peer:
            outcome = echoscu(LOOPBACK, peer.port)
        assert outcome.code == 1
        assert outcome.errors.startswith(f"F: Association failed: {words}")


def test_a_banner_that_comes_before_we_speak(echoscu: Echoscu) -> None:
    def play(talk: Conversation) -> None:
        talk.send(b"SSH-2.0-x\r\n")
        silent_peer(talk)

    with FakePeer(play) as peer:
        outcome = echoscu(LOOPBACK, peer.port)
    assert outcome.errors.startswith("F: Association failed: an SSH server answers on that port")


def test_a_tls_server(echoscu: Echoscu) -> None:
    """OpenSSL's servers hang up on what is not TLS, without an alert: only the hint can tell."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def play(talk: Conversation) -> None:
        try:
            context.wrap_socket(talk.socket, server_side=True)
        except ssl.SSLError:
            pass

    with FakePeer(play) as peer:
        outcome = echoscu(LOOPBACK, peer.port)
    assert outcome.code == 1
    assert "expect TLS" in outcome.errors
