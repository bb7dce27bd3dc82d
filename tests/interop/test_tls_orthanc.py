"""TLS between our commands and Orthanc, in both directions."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from programs import LOOPBACK, Outcome, Program, command, echoscp, free_port, run, wait_for_port
from tls.loopback import client_words, failure_of, json_of, server_words

from .conftest import Orthanc, need

if TYPE_CHECKING:
    from pathlib import Path

    from tls.factory import Factory

pytestmark = pytest.mark.interop

REMOTE = "OURS"


class Modality:
    """What Orthanc is told of one of our servers."""

    def __init__(self, port: int, *, tls: bool = True) -> None:
        self.settings = {"AET": "ECHOSCP", "Host": LOOPBACK, "Port": port, "UseDicomTls": tls, "Timeout": 5}


@contextmanager
def running(pki: Factory, folder: Path, *, requires_certificate: bool = True) -> Iterator[Orthanc]:
    """Run an Orthanc with TLS for both directions."""
    both = pki.root.issue("orthanc", pki.rsa)
    port, http_port = free_port(), free_port()
    settings = {
        "Name": "interop",
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "HttpPort": http_port,
        "HttpBindAddresses": [LOOPBACK],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": both.pem,
        "DicomTlsPrivateKey": both.key_pem,
        "DicomTlsTrustedCertificates": pki.root.pem,
        "DicomTlsRemoteCertificateRequired": requires_certificate,
    }
    configuration = folder / "orthanc.json"
    configuration.write_text(json.dumps(settings), encoding="utf-8")
    with Program([need("Orthanc"), configuration]) as program:
        wait_for_port(http_port, program)
        wait_for_port(port, program)
        yield Orthanc(port, http_port, program)


@pytest.fixture(scope="module")
def secure_orthanc(pki: Factory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running(pki, tmp_path_factory.mktemp("orthanc-tls")) as orthanc:
        yield orthanc


def echoscu(port: int, *words: object) -> Outcome:
    return run([*command("echoscu"), "--json", *words, "-aec", "ORTHANC", LOOPBACK, port])


def ask_rest(orthanc: Orthanc, method: str, path: str, body: object) -> int:
    """Send a request to Orthanc's REST interface; return the HTTP status."""
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{orthanc.http_port}{path}", data=json.dumps(body).encode(), method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            status: int = response.status
    except urllib.error.HTTPError as problem:
        with problem:
            status = problem.code
    return status


def let_echo(orthanc: Orthanc, modality: Modality) -> bool:
    """Let Orthanc send an echo; True if that succeeded."""
    assert ask_rest(orthanc, "PUT", f"/modalities/{REMOTE}", modality.settings) == 200
    return ask_rest(orthanc, "POST", f"/modalities/{REMOTE}/echo", {}) == 200


# Our client


@pytest.mark.parametrize("profile", ["+pg", "+py", "+px", "+pz"])
def test_our_client(pki: Factory, secure_orthanc: Orthanc, profile: str) -> None:
    outcome = echoscu(secure_orthanc.port, *client_words(pki), profile, "--repeat", 5)
    assert outcome.code == 0, outcome
    tls = json_of(outcome)["tls"]
    assert tls["protocol"] == ("TLSv1.2" if profile == "+pz" else "TLSv1.3")
    assert tls["certificate"]["subject"] == "O=Test, CN=orthanc"


def test_our_client_without_a_certificate(pki: Factory, secure_orthanc: Orthanc) -> None:
    outcome = echoscu(secure_orthanc.port, "+tla", "+cf", pki.root.pem)
    assert outcome.code == 1
    assert failure_of(outcome) == ("tls-client-certificate-missing", "associate", "local")


def test_our_client_with_a_foreign_certificate(pki: Factory, secure_orthanc: Orthanc) -> None:
    stranger = pki.other.issue("stranger", pki.other_rsa)
    outcome = echoscu(secure_orthanc.port, "+tls", stranger.key_pem, stranger.pem, "+cf", pki.root.pem)
    assert outcome.code == 1
    assert failure_of(outcome) == ("tls-client-certificate-refused", "associate", "peer")


def test_our_client_does_not_trust_it(pki: Factory, secure_orthanc: Orthanc) -> None:
    outcome = echoscu(secure_orthanc.port, *client_words(pki)[:3], "+cf", pki.other.pem)
    assert failure_of(outcome)[0] == "tls-unknown-ca"


def test_our_client_without_tls(secure_orthanc: Orthanc) -> None:
    outcome = echoscu(secure_orthanc.port, "-ta", 5)
    assert outcome.code == 1
    assert failure_of(outcome)[1] == "associate"
    assert "TLS" in outcome.errors


def test_an_orthanc_that_requires_no_certificate(pki: Factory, tmp_path: Path) -> None:
    with running(pki, tmp_path, requires_certificate=False) as orthanc:
        outcome = echoscu(orthanc.port, "+tla", "+cf", pki.root.pem)
        assert (outcome.code, outcome.errors) == (0, "")


# Our server


def test_our_server(pki: Factory, secure_orthanc: Orthanc) -> None:
    with echoscp("-v", *server_words(pki)) as (program, port):
        assert let_echo(secure_orthanc, Modality(port))
        program.wait_for("Association Released")
    assert 'subject "O=Test, CN=orthanc"' in program.errors
    assert "Received Echo Request (MsgID 1)" in program.errors


def test_our_server_does_not_trust_it(pki: Factory, secure_orthanc: Orthanc) -> None:
    with echoscp(*server_words(pki)[:3], "+cf", pki.other.pem) as (program, port):
        assert not let_echo(secure_orthanc, Modality(port))
        program.wait_for("tls-unknown-ca")


def test_it_does_not_trust_our_server(pki: Factory, secure_orthanc: Orthanc) -> None:
    foreign = pki.other.issue("foreign-server", pki.rsa)
    with echoscp("+tls", foreign.key_pem, foreign.pem, "+cf", pki.root.pem) as (program, port):
        assert not let_echo(secure_orthanc, Modality(port))
        program.wait_for("tls-client-certificate-refused")


def test_it_asks_our_tls_server_without_tls(pki: Factory, secure_orthanc: Orthanc) -> None:
    with echoscp(*server_words(pki)) as (program, port):
        assert not let_echo(secure_orthanc, Modality(port, tls=False))
        program.wait_for("peer-not-tls")


def test_it_asks_our_plain_server_with_tls(pki: Factory, secure_orthanc: Orthanc) -> None:
    with echoscp() as (program, port):
        assert not let_echo(secure_orthanc, Modality(port))
        program.wait_for("the client speaks TLS, and this port is plain")
