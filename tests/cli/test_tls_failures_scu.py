"""echoscu with TLS from end to end: what it tells of a handshake, and each failure by its words and exit code."""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dcmecho import causes
from dcmecho.cli.echoscu import main
from programs import LOOPBACK, PATIENCE, FakePeer, Outcome, Program, call, command, echo_peer, echoscp, run
from tls.factory import PASSWORD
from tls.failing import FAILING, Failing
from tls.loopback import (
    HelloPeer,
    TLSPeer,
    client_words,
    failure_of,
    json_of,
    locked_words,
    open_context,
    open_peer,
    server_words,
    serving,
    texts,
)

if TYPE_CHECKING:
    from tls.factory import Factory, Identity

Echoscu = Callable[..., Outcome]


@pytest.fixture
def echoscu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Echoscu:
    """Run echoscu in this process."""
    monkeypatch.delenv("DCMDICTPATH", raising=False)
    return lambda *words: call(main, capsys, *words)


# What is told


def test_json_tells_the_handshake(pki: Factory, echoscu: Echoscu) -> None:
    with serving(pki) as server:
        found = json_of(echoscu("--json", *client_words(pki), LOOPBACK, server.port))
    assert found["ok"] is True
    assert found["failure"] is None
    assert [step["step"] for step in found["steps"]] == ["resolve", "connect", "tls", "associate", "echo", "release"]
    tls = found["tls"]
    assert (tls["protocol"], tls["cipher"], tls["alpn"]) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "dicom")
    assert tls["warnings"] == []
    certificate = tls["certificate"]
    from cryptography.hazmat.primitives.hashes import SHA256

    assert certificate["sha256"].replace(":", "").lower() == pki.server.certificate.fingerprint(SHA256()).hex()
    assert certificate["not_after"][:10] == pki.server.certificate.not_valid_after_utc.date().isoformat()
    assert certificate["days_left"] in (364, 365)


def test_json_tells_the_whole_chain(pki: Factory, echoscu: Echoscu) -> None:
    short = pki.root.issue_authority("short-lived", pki.p256, end=20)
    below = short.issue("long-lived", pki.rsa, end=300)
    context = open_context(below)
    context.load_cert_chain(below.chain_pem(short), below.key_pem)
    with TLSPeer(context) as peer:
        outcome = echoscu("--json", *client_words(pki), LOOPBACK, peer.port)
    tls = json_of(outcome)["tls"]
    assert tls["certificate"]["days_left"] in (299, 300)
    assert tls["chain_days_left"] in (19, 20)
    assert any('a CA certificate of the peer "O=Test, CN=short-lived" expires in ' in line for line in tls["warnings"])
    assert outcome.code == 0


def test_verbose_tells_the_handshake(pki: Factory, echoscu: Echoscu) -> None:
    with serving(pki) as server:
        outcome = echoscu("-v", *client_words(pki), LOOPBACK, server.port)
    lines = texts(outcome, "I")
    assert lines[:2] == ["Requesting Association", 'TLSv1.3, TLS_AES_256_GCM_SHA384, ALPN "dicom"']
    assert lines[2] == 'Peer\'s certificate: subject "O=Test, CN=server", issuer "O=Test, CN=root"'
    assert lines[-4:] == [
        "Association Accepted (Max Send PDV: 16370)",
        "Sending Echo Request (MsgID 1)",
        "Received Echo Response (Success)",
        "Releasing Association",
    ]


def test_a_hostile_name_in_a_certificate_is_shown_escaped(pki: Factory, echoscu: Echoscu) -> None:
    hostile: Identity = pki.other.issue("\x1b]0;owned\x07\nF: forged", pki.rsa)
    hostile.label = "hostile"
    with TLSPeer(open_context(hostile)) as peer:
        for words in ((), ("-ic", "-v"), ("-ic", "-d"), ("-ic", "--json")):
            outcome = echoscu(*client_words(pki), *words, LOOPBACK, peer.port)
            assert "\x1b" not in outcome.output + outcome.errors
            assert not any(line.startswith("F: forged") for line in outcome.lines)
    assert "\\x1b]0;owned" in echoscu_words(outcome)


def echoscu_words(outcome: Outcome) -> str:
    """What was printed, JSON's own escapes taken back."""
    return json.dumps(json.loads(outcome.output), ensure_ascii=False).replace("\\u001b", "\\x1b")


def test_a_log_configuration_has_a_logger_for_tls(pki: Factory, echoscu: Echoscu, tmp_path: Path) -> None:
    settings = tmp_path / "logger.cfg"
    settings.write_text(
        "log4cplus.rootLogger = ERROR, console\n"
        "log4cplus.logger.dcmtk.dcmtls = INFO\n"
        "log4cplus.appender.console = log4cplus::ConsoleAppender\n"
        "log4cplus.appender.console.logToStderr = true\n"
        "log4cplus.appender.console.layout = log4cplus::PatternLayout\n"
        "log4cplus.appender.console.layout.ConversionPattern = %c|%m%n\n"
    )
    with serving(pki) as server:
        outcome = run([*command("echoscu"), "-lc", settings, *client_words(pki), LOOPBACK, server.port])
    assert outcome.code == 0
    assert any("|TLSv1.3, TLS_AES_256_GCM_SHA384" in line for line in outcome.lines), outcome
    assert "Requesting Association" not in outcome.errors


# Failures

HINTS = {cause.name: cause.hint for cause in causes.CAUSES.values()}


@pytest.mark.parametrize("failing", FAILING, ids=repr)
def test_each_failure_in_its_words(pki: Factory, echoscu: Echoscu, failing: Failing) -> None:
    with failing.peer(pki) as peer:
        outcome = echoscu("--json", "-q", *failing.flags, *failing.options(pki), LOOPBACK, peer.port)
    assert outcome.code == (70 if failing.step in (causes.ECHO, causes.RELEASE) else 1)
    assert failure_of(outcome) == (failing.cause.name, failing.step, failing.cause.side)
    (line,) = outcome.lines
    step = {"tls": "TLS failed", "associate": "Association failed", "echo": "Echo failed"}[failing.step]
    assert line.startswith(f"F: {step}: {failing.cause.summary}")
    for word in failing.words:
        assert word in line
    failure = json_of(outcome)["failure"]
    assert failure["message"] in line
    assert failure["hint"] is None or line.endswith(f"Hint: {failure['hint']}")
    assert (json_of(outcome)["tls"] is None) is (failing.step == causes.TLS)


def test_dates_are_told(pki: Factory, echoscu: Echoscu) -> None:
    past = pki.root.issue("past", pki.rsa, begin=-20, end=-3)
    future = pki.root.issue("future", pki.rsa, begin=3, end=30)
    with TLSPeer(open_context(past)) as peer:
        outcome = echoscu(*client_words(pki), LOOPBACK, peer.port)
    assert f"ended on {past.certificate.not_valid_after_utc:%Y-%m-%d}" in outcome.errors
    with TLSPeer(open_context(future)) as peer:
        outcome = echoscu(*client_words(pki), LOOPBACK, peer.port)
    assert f"begins on {future.certificate.not_valid_before_utc:%Y-%m-%d}" in outcome.errors


def test_a_plain_run_against_our_tls_server(pki: Factory, echoscu: Echoscu) -> None:
    with echoscp(*server_words(pki)) as (program, port):
        outcome = echoscu("--json", LOOPBACK, port)
        program.wait_for("tls-failed")
    assert outcome.code == 1
    assert failure_of(outcome)[1] == "associate"
    assert "TLS" in outcome.errors
    (line,) = program.errors.splitlines()
    assert line.startswith("W: Connection from 127.0.0.1:")
    assert "peer-not-tls, the peer does not speak TLS on that port: it speaks DICOM without TLS" in line


def test_a_tls_run_against_our_plain_server(pki: Factory, echoscu: Echoscu) -> None:
    with echoscp() as (program, port):
        outcome = echoscu("--json", *client_words(pki), LOOPBACK, port)
        program.wait_for("the client speaks TLS, and this port is plain")
    assert outcome.code == 1
    assert failure_of(outcome) == ("peer-not-tls", "tls", "peer")


def _empty(pki: Factory, folder: Path) -> str:
    path = folder / "empty"
    path.write_bytes(b"")
    return str(path)


def _garbage(pki: Factory, folder: Path) -> str:
    path = folder / "garbage"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return str(path)


ROLES = {
    # The words of a line in which FILE is the one that is broken, and how the message names it.
    "key": ("+tls FILE CERT +cf CA", "private key"),
    "certificate": ("+tls KEY FILE +cf CA", "certificate"),
    "CA": ("+tla +cf FILE", "CA certificate"),
    "CRL": ("+tla +cf CA +crl FILE", "revocation list"),
    "DH": ("+tla +cf CA +dp FILE", "DH parameters"),
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("fault", ["missing", "directory", "empty", "garbage"])
def test_files_of_ours_that_cannot_be_used(
    pki: Factory, echoscu: Echoscu, tmp_path: Path, role: str, fault: str
) -> None:
    makers: dict[str, Callable[[Factory, Path], str]] = {
        "missing": lambda pki, folder: str(folder / "missing"),
        "directory": lambda pki, folder: str(folder),
        "empty": _empty,
        "garbage": _garbage,
    }
    path = makers[fault](pki, tmp_path)
    line, what = ROLES[role]
    names = {"FILE": path, "KEY": pki.client.key_pem, "CERT": pki.client.pem, "CA": pki.root.pem}
    words = [names.get(word, word) for word in line.split()]
    with FakePeer(echo_peer()) as peer:
        outcome = echoscu("--json", *words, LOOPBACK, peer.port)
    unreadable = fault in ("missing", "directory")
    assert outcome.code == (20 if unreadable else 22)
    cause = "input-file-unreadable" if unreadable else "input-file-invalid"
    assert failure_of(outcome) == (cause, "setup", "local")
    (said,) = outcome.lines
    assert said.startswith("F: Cannot start: an input file ")
    assert f'{what} "{path}": ' in said
    assert peer.conversations == []


@pytest.mark.parametrize(
    ("words", "code"), [(["+cd", "/nonexistent"], 20), (["+rs", "/nonexistent"], 20), (["+cd", "FILE"], 20)]
)
def test_other_inputs_that_cannot_be_used(pki: Factory, echoscu: Echoscu, words: list[str], code: int) -> None:
    given = [pki.root.pem if word == "FILE" else word for word in words]
    outcome = echoscu("--json", "+tla", *given, LOOPBACK, 104)
    assert outcome.code == code
    assert failure_of(outcome) == ("input-file-unreadable", "setup", "local")
    assert given[1] in outcome.errors


def test_a_wrong_password(pki: Factory, echoscu: Echoscu) -> None:
    for option in (["+pw", "wrong"], ["-pw"]):
        outcome = echoscu("--json", *locked_words(pki), *option, LOOPBACK, 104)
        assert outcome.code == 1
        assert failure_of(outcome) == ("tls-key-password", "setup", "local")
        assert pki.client.key_file(password=PASSWORD) in outcome.errors


def test_a_key_of_another_certificate(pki: Factory, echoscu: Echoscu) -> None:
    outcome = echoscu("--json", "+tls", pki.server.key_pem, pki.client.pem, "+cf", pki.root.pem, LOOPBACK, 104)
    assert outcome.code == 1
    assert failure_of(outcome) == ("tls-key-mismatch", "setup", "local")
    assert f'"{pki.server.key_pem}" and "{pki.client.pem}"' in outcome.errors


def test_a_hostile_file_name_is_shown_escaped(echoscu: Echoscu) -> None:
    outcome = echoscu("+tla", "+cf", "/no/\x1b]0;owned\x07", LOOPBACK, 104)
    assert outcome.code == 20
    assert "\x1b" not in outcome.errors
    assert "\\x1b]0;owned\\x07" in outcome.errors


# Limits of time, and the whole program


@pytest.mark.parametrize("words", [["-to", "0.3"], ["-ts", "0.3"], ["-tn", "0.3"], ["--deadline", "0.3"]])
def test_a_handshake_that_stalls_ends_at_the_limit(pki: Factory, echoscu: Echoscu, words: list[str]) -> None:
    with HelloPeer() as peer:
        outcome = echoscu("--json", *words, *client_words(pki), LOOPBACK, peer.port)
    assert outcome.code == 1
    failure = json_of(outcome)["failure"]
    assert failure["step"] == "tls"
    assert failure["cause"] == ("deadline-exceeded" if "--deadline" in words else "tls-timeout")
    assert failure["limit_seconds"] == pytest.approx(0.3, abs=0.05)


def test_ctrl_c_in_a_handshake(pki: Factory) -> None:
    with HelloPeer() as peer:
        words = [*command("echoscu"), "--json", *client_words(pki), LOOPBACK, peer.port]
        with Program(words) as program:
            end = time.monotonic() + PATIENCE
            while not peer.hellos:
                assert time.monotonic() < end
                select.select([], [], [], 0.01)
            program.send_signal(2)
            outcome = program.wait()
    assert outcome.code == 130
    assert json.loads(outcome.output)["failure"]["cause"] == "interrupted"
    assert json.loads(outcome.output)["failure"]["step"] == "tls"


def test_many_echoes_and_an_abort(pki: Factory, echoscu: Echoscu) -> None:
    with open_peer(pki) as peer:
        outcome = echoscu("--repeat", 20, "--abort", *client_words(pki), LOOPBACK, peer.port)
        assert outcome.code == 0
        assert peer.settled().kinds[-1] == 7
    assert len(peer.last.message_ids) == 20


def test_ssl_is_loaded_for_tls_only(pki: Factory) -> None:
    script = (
        "import sys; from dcmecho.cli.echoscu import main; main(sys.argv[1:]); "
        "print('ssl' in sys.modules, 'OpenSSL' in sys.modules)"
    )
    with FakePeer(echo_peer()) as peer:
        plain = run([sys.executable, "-c", script, LOOPBACK, peer.port])
    with open_peer(pki) as tls_peer:
        secure = run([sys.executable, "-c", script, *client_words(pki), LOOPBACK, tls_peer.port])
    assert plain.output == "False False\n"
    assert secure.output == "True False\n"
