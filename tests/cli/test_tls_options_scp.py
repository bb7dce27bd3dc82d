"""echoscp with TLS from end to end: each option by what clients see of it and what the log says."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dcmecho.cli.echoscp import main
from dcmecho.cli.echoscu import main as echoscu_main
from programs import LOOPBACK, Outcome, call, command, echoscp, free_port, run
from tls.factory import PASSWORD
from tls.loopback import (
    agreed,
    dh_group,
    hashed,
    openssl,
    refused,
    server_words,
    stopped,
    verified,
)
from tls.pair import client_configuration

if TYPE_CHECKING:
    from tls.factory import Factory, Identity

Echoscp = Callable[..., Outcome]


@pytest.fixture
def command_line(capsys: pytest.CaptureFixture[str]) -> Echoscp:
    """Run echoscp in this process, where it ends before it serves."""
    return lambda *words: call(main, capsys, *words)


V = ssl.TLSVersion


# Key, certificate and password


def test_a_run(pki: Factory) -> None:
    with echoscp("-v", *server_words(pki)) as (program, port):
        told = verified(port, client_configuration(pki))
        program.wait_for("Association Released")
        outcome = stopped(program)
    assert told["protocol"] == "TLSv1.3"
    assert outcome.code == 0
    lines = [line[3:] for line in outcome.lines]
    assert lines[1] == "Accepting Association"
    assert lines[3] == 'TLSv1.3, TLS_AES_256_GCM_SHA384, ALPN "dicom"'
    assert lines[4] == 'Peer\'s certificate: subject "O=Test, CN=client", issuer "O=Test, CN=root"'
    assert lines[-3:] == ["Received Echo Request (MsgID 1)", "Association Released", "Stopping"]
    assert [line[0] for line in outcome.lines] == ["I"] * len(lines)


def test_without_v_a_good_run_says_nothing(pki: Factory) -> None:
    with echoscp(*server_words(pki)) as (program, port):
        verified(port, client_configuration(pki))
        assert stopped(program).errors == ""


@pytest.mark.parametrize(
    ("der", "traditional", "encrypted"),
    [(False, True, True), (True, False, False), (True, False, True)],
)
def test_forms_of_key(pki: Factory, der: bool, traditional: bool, encrypted: bool) -> None:
    key = pki.server.key_file(der=der, traditional=traditional, password=PASSWORD if encrypted else None)
    words = ["+tls", key, pki.server.der_file if der else pki.server.pem, *(["+pw", PASSWORD] if encrypted else [])]
    form = "-der" if der else "-pem"
    with echoscp(form, *words, "-pem", "+cf", pki.root.pem) as (_, port):
        assert verified(port, client_configuration(pki))


@contextmanager
def fed_echoscp(line: str, *words: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run our server with `line` on its standard input, which stays open; give it with its port."""
    started = [*command("echoscp"), "-ba", LOOPBACK, *words, "0"]
    with subprocess.Popen(
        [str(word) for word in started],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(line)
            process.stdin.flush()
            listening = process.stdout.readline()
            assert listening.startswith("Listening on port "), listening
            yield process, int(listening.split()[-1])
        finally:
            process.kill()


def test_the_password_is_a_line_of_standard_input(pki: Factory) -> None:
    words = ["+tls", pki.server.key_file(password=PASSWORD), pki.server.pem, "+cf", pki.root.pem, "+ps"]
    with fed_echoscp(f"{PASSWORD}\n", *words) as (_, port):
        assert verified(port, client_configuration(pki))


def test_a_password_that_was_asked_for_is_not_asked_for_again(pki: Factory, tmp_path: Path) -> None:
    """Who tells a server to reload need not be at its terminal: it must not wait for a password, nor stop serving."""
    key = tmp_path / "key.pem"
    key.write_bytes(pki.server.key_bytes(password=PASSWORD))
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(pki.server.text)
    renewed = pki.root.issue("renewed", pki.rsa)
    with fed_echoscp(f"{PASSWORD}\n", "-v", "+tls", key, certificate, "+cf", pki.root.pem) as (process, port):
        certificate.write_bytes(renewed.text)
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None
        first = process.stdout.readline()
        assert "Listening on port" in first
        watchdog = threading.Timer(3.0, process.kill)
        watchdog.start()
        try:
            reloaded = process.stdout.readline()
        finally:
            watchdog.cancel()
        assert reloaded == "I: TLS files reloaded\n", "it waits for the password"
        certificate_told = verified(port, client_configuration(pki))["certificate"]
    assert isinstance(certificate_told, dict)
    assert certificate_told["subject"] == "O=Test, CN=renewed"


SECRET = "tr0ub4dor-and-3"


def test_a_password_is_never_shown(pki: Factory, command_line: Echoscp) -> None:
    words = ["+tls", pki.server.key_file(password=SECRET), pki.server.pem, "+cf", pki.root.pem]
    with echoscp("-ll", "trace", "--arguments", *words, "+pw", SECRET) as (program, port):
        verified(port, client_configuration(pki))
        program.send_signal(signal.SIGHUP)
        program.wait_for("TLS files reloaded")
        outcome = stopped(program)
    wrong = command_line("--arguments", "-d", *words, "+pw", f"{SECRET}-wrong", 0)
    assert wrong.code == 1
    assert "--use-passwd" in outcome.errors
    for each in (outcome, wrong):
        assert SECRET not in each.output + each.errors


# Trust and revocation


def test_authorities_from_file_and_directory(pki: Factory, tmp_path: Path) -> None:
    stranger = pki.other.issue("stranger", pki.other_rsa)
    words = [*server_words(pki)[:3], "+cd", hashed(pki, tmp_path), "+cf", pki.other.pem]
    with echoscp(*words) as (_, port):
        assert verified(port, client_configuration(pki))
        assert verified(port, client_configuration(pki, key_file=stranger.key_pem, certificate_file=stranger.pem))
    with echoscp(*words[:-2]) as (program, port):
        other = client_configuration(pki, key_file=stranger.key_pem, certificate_file=stranger.pem)
        assert refused(port, other) == "tls-client-certificate-refused"
        program.wait_for("tls-unknown-ca")


@pytest.mark.parametrize("der", [False, True])
def test_a_revoked_client(pki: Factory, der: bool) -> None:
    words = [*server_words(pki), "-der" if der else "-pem", "+crl", pki.root.crl(pki.client, der=der)]
    with echoscp(*words) as (program, port):
        assert refused(port, client_configuration(pki)) == "tls-client-certificate-refused"
        program.wait_for("tls-certificate-revoked")
        (line,) = stopped(program).lines
    assert line.startswith("W: Connection from 127.0.0.1:")
    assert '"O=Test, CN=client"' in line


@pytest.mark.parametrize(
    ("options", "cause"),
    [(["+crv"], "tls-crl-missing"), (["+cra"], "tls-crl-missing"), (["+crl", "OLD"], "tls-crl-expired")],
)
def test_lists_that_are_missing_or_old(pki: Factory, options: list[str], cause: str) -> None:
    given = [pki.root.crl(end=-1) if word == "OLD" else word for word in options]
    with echoscp(*server_words(pki), *given) as (program, port):
        assert refused(port, client_configuration(pki)) == "tls-client-certificate-refused"
        program.wait_for(cause)


def test_the_whole_chain_of_a_client(pki: Factory) -> None:
    """A revoked intermediate: the leaf alone passes, the chain does not."""
    below = pki.intermediate.issue("client-below", pki.other_rsa)
    ours = client_configuration(pki, key_file=below.key_pem, certificate_file=below.chain_pem(pki.intermediate))
    lists = ["+crl", pki.root.crl(pki.intermediate), "+crl", pki.intermediate.crl()]
    with echoscp(*server_words(pki), *lists) as (_, port):
        assert verified(port, ours)
    with echoscp(*server_words(pki), *lists, "+cra") as (program, port):
        assert refused(port, ours) == "tls-client-certificate-refused"
        program.wait_for("tls-certificate-revoked")


# Profiles and cipher suites

TLS_1_3 = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
STRONG = ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384")
CHOSEN = {
    # Option: what clients get whose newest version is 1.3, 1.2, 1.0
    "+pg": (TLS_1_3, STRONG, None),
    "+pm": (TLS_1_3, STRONG, None),
    "+py": (TLS_1_3, STRONG, None),
    "+px": (TLS_1_3, STRONG, ("TLSv1", "AES128-SHA")),
    "+pz": (STRONG, STRONG, None),
    "+pa": (("TLSv1.2", "AES128-SHA"), ("TLSv1.2", "AES128-SHA"), ("TLSv1", "AES128-SHA")),
    "+pn": (("TLSv1.2", "NULL-SHA"), ("TLSv1.2", "NULL-SHA"), ("TLSv1", "NULL-SHA")),
}


@pytest.mark.parametrize("option", CHOSEN)
def test_version_and_cipher_of_each_profile(pki: Factory, option: str) -> None:
    with echoscp(*server_words(pki), "-vc", option) as (_, port):
        found = tuple(agreed(port, maximum=newest) for newest in (V.TLSv1_3, V.TLSv1_2, V.TLSv1))
        assert found == CHOSEN[option]
        weaker = "AES128-GCM-SHA256:CAMELLIA256-SHA:AES256-SHA256"
        assert agreed(port, maximum=V.TLSv1_2, ciphers=weaker) is None


def test_a_profile_that_the_library_lacks(pki: Factory, command_line: Echoscp) -> None:
    outcome = command_line(*server_words(pki), "--profile-basic", 0)
    assert (outcome.code, outcome.output) == (1, "")
    (line,) = outcome.lines
    assert line.startswith("F: Cannot start: this TLS library cannot offer what was asked for: profile basic (+pb) ")
    assert "OpenSSL " in line


def test_a_kind_of_key_that_the_profile_has_no_suite_for(pki: Factory, command_line: Echoscp) -> None:
    elliptic: Identity = pki.root.issue("elliptic", pki.p256)
    outcome = command_line("+tls", elliptic.key_pem, elliptic.pem, "+cf", pki.root.pem, "+pa", 0)
    assert outcome.code == 1
    assert "profile aes (+pa) has no cipher suite for a server's EC key" in outcome.errors


@pytest.mark.parametrize("name", ["TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"], ids=["IANA", "OpenSSL"])
def test_an_added_suite(pki: Factory, name: str) -> None:
    only = {"ciphers": "AES256-GCM-SHA384", "maximum": V.TLSv1_2}
    with echoscp(*server_words(pki), "-ic", "+cs", name) as (_, port):
        assert agreed(port, **only) == ("TLSv1.2", "AES256-GCM-SHA384")
    with echoscp(*server_words(pki), "-ic") as (program, port):
        assert agreed(port, **only) is None
        program.wait_for("tls-no-common-cipher")


def temp_key(port: int, key: str, certificate: str) -> str:
    """Return what `openssl s_client` tells of the key exchange with a server of TLS 1.2 with DHE."""
    words = ["s_client", "-connect", f"{LOOPBACK}:{port}", "-tls1_2", "-cipher", "DHE:@SECLEVEL=0"]
    found = openssl(*words, "-key", key, "-cert", certificate)
    return next((line for line in found.output.splitlines() if line.startswith("Server Temp Key: ")), found.output)


@pytest.mark.parametrize(
    ("profile", "group", "bits", "words"),
    [
        ("+py", None, 2048, ""),
        ("+py", 3072, 3072, ""),
        ("+py", 1024, 1024, "a group of 1024 bit, less than 2048"),
        ("+pz", 3072, 2048, "are not used: profile bcp195-ex prescribes its own group"),
    ],
)
def test_the_group_of_dhe_suites(
    pki: Factory, tmp_path: Path, profile: str, group: int | None, bits: int, words: str
) -> None:
    options: list[object] = []
    if group is not None:
        path = tmp_path / "group.pem"
        if group == 1024:
            path.write_text(GROUP_1024)
        else:
            dh_group(group, path)
        options = ["+dp", path]
    with echoscp(*server_words(pki), profile, *options) as (program, port):
        assert temp_key(port, pki.client.key_pem, pki.client.pem) == f"Server Temp Key: DH, {bits} bits"
        warnings = [line for line in stopped(program).lines if "DH parameters" in line]
    assert len(warnings) == bool(words)
    assert words in "".join(warnings)


GROUP_1024 = """-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJRSgh5jjQE
3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL/1y29Aa37e44a/ta
iZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""
"""The second Oakley group (RFC 2409 6.2)."""


# Names, seeds, the peer's certificate


def test_the_server_name_that_is_expected(pki: Factory) -> None:
    with echoscp(*server_words(pki), "--expect-sni", "pacs.example") as (program, port):
        assert verified(port, client_configuration(pki))
        assert verified(port, client_configuration(pki, server_name="PACS.example"))
        assert refused(port, client_configuration(pki, server_name="other.example")) == "tls-server-name-refused"
        program.wait_for("tls-failed")


def test_options_of_the_client_are_unknown_to_the_server(pki: Factory, command_line: Echoscp) -> None:
    for words in (["+tla"], ["--request-sni", "x"], ["--verify-hostname", "x"], ["--no-sni"]):
        outcome = command_line(*server_words(pki), *words, 0)
        assert outcome.code == 1
        assert f'unknown option "{words[0]}"' in outcome.lines[0]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["+pg"], "option +pg: needs +tls"),
        (["+tls", "k", "c", "-tls", "+cf", "x"], "option +cf: needs +tls"),
        (["+tls", "k", "c", "+wf", "x"], "needs +rs (--seed)"),
        (["+tls", "k", "c", "+pm", "+cs", "AES128-SHA"], "no cipher suite can be added"),
        (["+tls", "k", "c", "--expect-sni", "a b"], "option --expect-sni: "),
    ],
)
def test_what_makes_no_sense_is_one_line_and_1(command_line: Echoscp, words: list[str], problem: str) -> None:
    outcome = command_line(*words, 0)
    assert (outcome.code, outcome.output) == (1, "")
    assert problem in outcome.lines[0]


def test_seed_files(pki: Factory, tmp_path: Path) -> None:
    seed, written = tmp_path / "seed", tmp_path / "written"
    seed.write_bytes(b"some randomness")
    with echoscp(*server_words(pki), "+rs", seed, "+wf", written) as (_, port):
        assert verified(port, client_configuration(pki))
    assert (len(written.read_bytes()), seed.read_bytes()) == (1024, b"some randomness")


ANONYMOUS = {"key_file": None, "certificate_file": None}


@pytest.mark.parametrize(
    ("option", "anonymous", "stranger"),
    [("-rc", False, False), ("-vc", True, False), ("--verify-peer-cert", True, False), ("-ic", True, True)],
)
def test_what_is_asked_of_clients(pki: Factory, option: str, anonymous: bool, stranger: bool) -> None:
    other = pki.other.issue("stranger", pki.other_rsa)
    without = client_configuration(pki, **ANONYMOUS)
    foreign = client_configuration(pki, key_file=other.key_pem, certificate_file=other.pem)
    with echoscp(*server_words(pki), "-ic", "-rc", option) as (program, port):
        assert verified(port, client_configuration(pki))
        if anonymous:
            verified(port, without)
        else:
            assert refused(port, without) == "tls-client-certificate-missing"
            program.wait_for("tls-peer-certificate-missing, the client sent no certificate, and one is required here")
        if stranger:
            verified(port, foreign)
        else:
            assert refused(port, foreign) == "tls-client-certificate-refused"
            program.wait_for("tls-unknown-ca, ")


def test_a_client_whose_certificate_is_for_servers_only(pki: Factory) -> None:
    ours = client_configuration(pki, key_file=pki.server.key_pem, certificate_file=pki.server.pem)
    with echoscp(*server_words(pki)) as (program, port):
        assert refused(port, ours) == "tls-client-certificate-refused"
        program.wait_for("tls-certificate-purpose")


@pytest.mark.parametrize(("words", "warned"), [([], True), (["--expiry-warning", "3"], False)])
def test_a_certificate_of_a_client_that_ends_soon(pki: Factory, words: list[str], warned: bool) -> None:
    soon = pki.root.issue("soon-client", pki.other_rsa, end=10)
    with echoscp(*server_words(pki), *words) as (program, port):
        verified(port, client_configuration(pki, key_file=soon.key_pem, certificate_file=soon.pem))
        outcome = stopped(program)
    assert len(outcome.lines) == warned
    if warned:
        assert outcome.lines[0].startswith("W: 127.0.0.1:")
        assert 'the peer\'s certificate "O=Test, CN=soon-client" expires in ' in outcome.lines[0]


def test_our_own_certificate_that_ends_soon(pki: Factory) -> None:
    soon = pki.root.issue("soon-server", pki.rsa, end=10)
    with echoscp("+tls", soon.key_pem, soon.pem, "+cf", pki.root.pem) as (program, _):
        (line,) = stopped(program).lines
    assert line.startswith(f'W: our certificate "{soon.pem}" expires in ')


# Files


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["+tls", "MISSING", "CERT", "+cf", "CA"], 20, 'private key "'),
        (["+tls", "KEY", "MISSING", "+cf", "CA"], 20, 'certificate "'),
        (["+tls", "KEY", "CERT", "+cf", "MISSING"], 20, 'CA certificate "'),
        (["+tls", "KEY", "CERT", "+cd", "MISSING"], 20, 'CA directory "'),
        (["+tls", "KEY", "CERT", "+cf", "CA", "+crl", "MISSING"], 20, 'revocation list "'),
        (["+tls", "KEY", "CERT", "+cf", "CA", "+rs", "MISSING"], 20, 'seed "'),
        (["+tls", "KEY", "CERT", "+cf", "CA", "+dp", "MISSING"], 20, 'DH parameters "'),
        (["+tls", "EMPTY", "CERT", "+cf", "CA"], 22, 'private key "'),
        (["+tls", "KEY", "EMPTY", "+cf", "CA"], 22, 'certificate "'),
        (["+tls", "KEY", "CERT", "+cf", "EMPTY"], 22, 'CA certificate "'),
        (["+tls", "KEY", "CERT", "+cf", "CA", "+crl", "EMPTY"], 22, 'revocation list "'),
        (["+tls", "KEY", "CERT", "+cf", "CA", "+dp", "EMPTY"], 22, 'DH parameters "'),
        (["+tls", "LOCKED", "CERT", "+cf", "CA", "+pw", "wrong"], 1, "the password of the private key is wrong"),
        (["+tls", "LOCKED", "CERT", "+cf", "CA", "-pw"], 1, "the password of the private key is wrong"),
        (["+tls", "OTHER", "CERT", "+cf", "CA"], 1, "the private key does not belong to the certificate"),
    ],
)
def test_files_of_ours_that_cannot_be_used(
    pki: Factory, command_line: Echoscp, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    names = {
        "KEY": pki.server.key_pem,
        "CERT": pki.server.pem,
        "CA": pki.root.pem,
        "OTHER": pki.client.key_pem,
        "LOCKED": pki.server.key_file(password=PASSWORD),
        "EMPTY": str(empty),
        "MISSING": str(tmp_path / "missing"),
    }
    outcome = command_line(*[names.get(word, word) for word in words], 0)
    assert (outcome.code, outcome.output) == (code, "")
    (line,) = outcome.lines
    assert line.startswith("F: Cannot start: ")
    assert said in line


# The whole programs


def test_both_commands(pki: Factory, capsys: pytest.CaptureFixture[str]) -> None:
    with echoscp(*server_words(pki)) as (_, port):
        words = ["+tls", pki.client.key_pem, pki.client.pem, "+cf", pki.root.pem, "--repeat", 50, LOOPBACK, port]
        outcome = call(echoscu_main, capsys, *words)
    assert (outcome.code, outcome.errors) == (0, "")


def test_lists(command_line: Echoscp) -> None:
    assert "+pz  --profile-bcp195-ex" in command_line("+ph").output
    assert "TLS_RSA_WITH_AES_128_CBC_SHA  (TLS 1.0-1.2: bcp195, aes)" in command_line("+cc", "nonsense").output


def test_a_port_in_use_is_told_before_anything_else_of_tls(pki: Factory, command_line: Echoscp) -> None:
    port = free_port()
    with socket.create_server((LOOPBACK, port)):
        outcome = command_line(*server_words(pki), "-ba", LOOPBACK, port)
    assert outcome.code == 60
    assert len(outcome.lines) == 1


def test_ssl_is_loaded_for_tls_only(pki: Factory) -> None:
    script = (
        "import os, signal, sys, threading\n"
        "from dcmecho.cli.echoscp import main\n"
        "from dcmecho.aio.server import EchoServer\n"
        "start = EchoServer.start\n"
        "async def started(self):\n"
        "    await start(self)\n"
        "    print('dcmecho.tls.wire' in sys.modules, 'OpenSSL' in sys.modules, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "EchoServer.start = started\n"
        "main(sys.argv[1:])\n"
    )
    plain = run([sys.executable, "-c", script, "-ba", LOOPBACK, free_port()])
    secure = run([sys.executable, "-c", script, "-ba", LOOPBACK, *server_words(pki), free_port()])
    assert (plain.output, secure.output) == ("False False\n", "True False\n")
