"""echoscp with TLS at work: handshakes that fail or stall, its end, and new files while it serves."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dcmecho.tls import TLSConfiguration
from programs import LOOPBACK, PATIENCE, connect, echoscp
from tls.loopback import (
    agreed,
    connect_tls,
    open_context,
    refused,
    server_words,
    stopped,
    verified,
)
from tls.pair import client_configuration

if TYPE_CHECKING:
    from tls.factory import Factory, Identity

V = ssl.TLSVersion


# Handshakes that fail or stall


def test_a_client_without_tls(pki: Factory) -> None:
    with echoscp(*server_words(pki)) as (program, port):
        with connect(port) as talk:
            talk.send(b"\x01\x00\x00\x00\x00\x50" + bytes(80))
            talk.is_closed()
        program.wait_for("tls-failed")
        (line,) = stopped(program).lines
    assert line.startswith("W: Connection from 127.0.0.1:")
    assert "peer-not-tls, the peer does not speak TLS on that port: it speaks DICOM without TLS" in line


def test_a_web_browser(pki: Factory) -> None:
    with echoscp(*server_words(pki)) as (program, port):
        with connect(port) as talk:
            talk.send(b"GET / HTTP/1.1\r\n\r\n\x1b]0;owned\x07")
            talk.is_closed()
        program.wait_for("tls-failed")
        outcome = stopped(program)
    assert "it speaks HTTP" in outcome.errors
    assert "\x1b" not in outcome.errors


def test_no_shared_version_or_suite(pki: Factory) -> None:
    with echoscp(*server_words(pki), "-ic") as (program, port):
        assert agreed(port, maximum=V.TLSv1_1) is None
        program.wait_for("tls-no-common-version, peer and profile share no TLS version: profile 8996 has TLS 1.2 to")
        assert agreed(port, maximum=V.TLSv1_2, ciphers="AES128-SHA") is None
        program.wait_for("tls-no-common-cipher, peer and profile share no cipher suite: profile 8996 has TLS_ECDHE_")
        outcome = stopped(program)
    assert len(outcome.lines) == 2


def test_a_client_that_does_not_trust_us(pki: Factory) -> None:
    with echoscp(*server_words(pki)) as (program, port):
        assert refused(port, client_configuration(pki, ca_files=[(pki.other.pem, "pem")])) == "tls-unknown-ca"
        program.wait_for("tls-failed")
        (line,) = stopped(program).lines
    assert "tls-client-certificate-refused, the peer refused our certificate" in line
    assert "it does not trust the CA that issued it" in line


def test_a_handshake_that_never_ends_is_cut_and_costs_nobody_else(pki: Factory) -> None:
    with echoscp("-v", "-ta", "1", *server_words(pki)) as (program, port):
        with (
            socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as silent,
            socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as slow,
        ):
            slow.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            verified(port, client_configuration(pki))
            program.wait_for("Association Released")
            assert (silent.recv(1), slow.recv(1)) == (b"", b"")
        outcome = stopped(program)
    ends = [line for line in outcome.lines if "ended (" in line]
    assert len(ends) == 2
    assert all("ended (artim-timeout): the TLS handshake did not end in time" in line for line in ends)


def test_a_stalled_handshake_is_told_as_such(pki: Factory) -> None:
    """Who has begun TLS and stopped in the middle has not merely kept silent."""
    with echoscp("-ta", "0.3", *server_words(pki)) as (program, port):
        with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as slow:
            slow.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            assert slow.recv(1) == b""
        outcome = stopped(program)
    (line,) = outcome.lines
    assert line.startswith("W: Connection from 127.0.0.1:")
    assert line.endswith("ended (artim-timeout): the TLS handshake did not end in time")


def test_a_port_check_is_no_warning(pki: Factory) -> None:
    with echoscp(*server_words(pki)) as (program, port):
        socket.create_connection((LOOPBACK, port), timeout=PATIENCE).close()
        verified(port, client_configuration(pki))
        outcome = stopped(program)
    assert outcome.errors == ""


def test_a_client_that_goes_away_in_the_handshake(pki: Factory) -> None:
    with echoscp(*server_words(pki)) as (program, port):
        with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as gone:
            gone.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        program.wait_for("ended (")
        (line,) = stopped(program).lines
    assert "during the TLS handshake" in line


def test_a_client_that_says_goodbye_in_the_middle(pki: Factory) -> None:
    context = open_context()
    context.load_cert_chain(pki.client.pem, pki.client.key_pem)
    with echoscp("-v", *server_words(pki)) as (program, port):
        with connect_tls(port, context) as talk:
            talk.associate()
            assert isinstance(talk.socket, ssl.SSLSocket)
            talk.socket.unwrap().close()
        program.wait_for("ended (connection-lost)")
        outcome = stopped(program)
    assert "I: Association Aborted" in outcome.lines
    assert not any(line.startswith(("W: ", "E: ")) for line in outcome.lines)


def test_the_end_of_the_server_ends_handshakes_and_associations(pki: Factory) -> None:
    context = open_context()
    context.load_cert_chain(pki.client.pem, pki.client.key_pem)
    with (
        echoscp(*server_words(pki)) as (program, port),
        socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as silent,
        connect_tls(port, context) as talk,
    ):
        talk.associate()
        program.send_signal(signal.SIGTERM)
        assert silent.recv(1) == b""
        assert talk.echo().status == 0
        talk.release()
        outcome = program.wait()
    assert (outcome.code, outcome.errors) == (0, "")


# Reload


class Installed:
    """The server's files, which can be exchanged."""

    def __init__(self, folder: Path, pki: Factory) -> None:
        self.pki = pki
        self.key, self.certificate, self.crl = (folder / name for name in ("key.pem", "certificate.pem", "list.pem"))
        self.install(pki.server)
        self.revoke()

    def install(self, identity: Identity) -> None:
        self.key.write_bytes(identity.key_bytes())
        self.certificate.write_bytes(identity.text)

    def revoke(self, *identities: Identity) -> None:
        shutil.copyfile(self.pki.root.crl(*identities), self.crl)

    @property
    def words(self) -> list[object]:
        return ["-v", "+tls", self.key, self.certificate, "+cf", self.pki.root.pem, "+crl", self.crl]


@pytest.fixture
def installed(pki: Factory, tmp_path: Path) -> Installed:
    return Installed(tmp_path, pki)


def subject(port: int, tls: TLSConfiguration) -> object:
    certificate = verified(port, tls)["certificate"]
    assert isinstance(certificate, dict)
    return certificate["subject"]


def test_new_files_while_an_association_goes_on(pki: Factory, installed: Installed) -> None:
    context = open_context()
    context.load_cert_chain(pki.client.pem, pki.client.key_pem)
    with echoscp(*installed.words) as (program, port), connect_tls(port, context) as talk:
        talk.associate()
        assert subject(port, client_configuration(pki)) == "O=Test, CN=server"
        installed.install(pki.root.issue("renewed", pki.p256))
        program.send_signal(signal.SIGHUP)
        program.wait_for("I: TLS files reloaded")
        assert subject(port, client_configuration(pki)) == "O=Test, CN=renewed"
        assert talk.echo().status == 0
        talk.release()


def test_new_revocations(pki: Factory, installed: Installed) -> None:
    with echoscp(*installed.words) as (program, port):
        assert verified(port, client_configuration(pki))
        installed.revoke(pki.client)
        assert verified(port, client_configuration(pki))
        program.send_signal(signal.SIGHUP)
        program.wait_for("TLS files reloaded")
        assert refused(port, client_configuration(pki)) == "tls-client-certificate-refused"
        program.wait_for("tls-certificate-revoked")


def test_a_resumed_session_does_not_outlive_a_reload(pki: Factory, installed: Installed) -> None:
    """Whoever resumes a session of TLS 1.2 shows no certificate: a client revoked since must not get in by that."""
    context = open_context(maximum=V.TLSv1_2)
    context.load_cert_chain(pki.client.pem, pki.client.key_pem)

    def resume(session: ssl.SSLSession | None) -> ssl.SSLSocket:
        plain = socket.create_connection((LOOPBACK, port), timeout=PATIENCE)
        return context.wrap_socket(plain, session=session)

    with echoscp(*installed.words) as (program, port):
        with resume(None) as first:
            session = first.session
            assert session is not None
        with resume(session) as second:
            assert second.session_reused
        installed.revoke(pki.client)
        program.send_signal(signal.SIGHUP)
        program.wait_for("TLS files reloaded")
        with pytest.raises(ssl.SSLError, match=r"(?i)certificate.revoked"):
            resume(session)
        program.wait_for("tls-certificate-revoked")


def _break_certificate(installed: Installed) -> None:
    installed.certificate.write_text("no certificate")


def _lose_key(installed: Installed) -> None:
    installed.key.unlink()


def _mismatch(installed: Installed) -> None:
    installed.key.write_bytes(installed.pki.client.key_bytes())


def _break_list(installed: Installed) -> None:
    installed.crl.write_bytes(b"")


@pytest.mark.parametrize("damage", [_break_certificate, _lose_key, _mismatch, _break_list])
def test_broken_files_leave_the_old_ones_in_force(
    pki: Factory, installed: Installed, damage: Callable[[Installed], None]
) -> None:
    with echoscp(*installed.words) as (program, port):
        installed.install(pki.root.issue("renewed", pki.rsa))
        damage(installed)
        program.send_signal(signal.SIGHUP)
        program.wait_for("the old ones stay in force: ")
        assert subject(port, client_configuration(pki)) == "O=Test, CN=server"
        installed.install(pki.root.issue("renewed", pki.rsa))
        installed.revoke()
        program.send_signal(signal.SIGHUP)
        program.wait_for("TLS files reloaded")
        assert subject(port, client_configuration(pki)) == "O=Test, CN=renewed"
        errors = [line for line in stopped(program).lines if line.startswith("E: ")]
    assert len(errors) == 1
    assert errors[0].startswith("E: TLS files not reloaded, the old ones stay in force: ")


def test_a_signal_to_a_plain_server_is_no_end(pki: Factory) -> None:
    with echoscp() as (program, port):
        program.send_signal(signal.SIGHUP)
        with connect(port) as talk:
            talk.associate()
            assert talk.echo().status == 0
