"""Checks without a connection pass and fail as DCMTK's do, and say what those overlook."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dcmecho import causes
from dcmecho.errors import LocalError
from dcmecho.tls import OfflineCheck, TLSConfiguration, check_root, verify_certificate

from .factory import Factory, Identity, days

VERIFIED = {
    # What it is: the code that it fails with, 0 if it passes, and a word of the warning it deserves.
    "good": (0, ""),
    "server only": (0, "does not allow a TLS client"),
    "client only": (0, "does not allow a TLS server"),
    "expired": (10, ""),
    "future": (9, ""),
    "stranger": (20, ""),
    "self-signed": (18, ""),
    "below an intermediate": (20, ""),
    "with its intermediate": (0, ""),
    "short key": (0, "RSA key of 1024 bit"),
    "sha1": (0, "SHA-1"),
    "intermediate": (0, "CA certificate"),
    "the root itself": (0, "CA certificate"),
    "soon": (0, "expires in 5 days"),
    "damaged": (7, ""),
}


def verified_file(pki: Factory, what: str) -> str:
    below = pki.intermediate.issue("below", pki.rsa)
    files = {
        "good": lambda: pki.root.issue("good", pki.rsa).pem,
        "server only": lambda: pki.server.pem,
        "client only": lambda: pki.client.pem,
        "expired": lambda: pki.root.issue("expired", pki.rsa, begin=-20, end=-10).pem,
        "future": lambda: pki.root.issue("future", pki.rsa, begin=10, end=20).pem,
        "stranger": lambda: pki.other.issue("stranger", pki.rsa).pem,
        "self-signed": lambda: pki.authority("alone", pki.rsa).pem,
        "below an intermediate": lambda: below.pem,
        "with its intermediate": lambda: below.chain_pem(pki.intermediate),
        "short key": lambda: pki.root.issue("weak", pki.weak_rsa).pem,
        "sha1": lambda: pki.root.issue_hashed("sha1", pki.rsa, "sha1").pem,
        "intermediate": lambda: pki.intermediate.pem,
        "the root itself": lambda: pki.root.pem,
        "soon": lambda: pki.root.issue("soon", pki.rsa, end=5.1).pem,
        "damaged": lambda: damaged_pem(pki, pki.server),
    }
    return files[what]()


def damaged_pem(pki: Factory, identity: Identity) -> str:
    from dcmecho.tls.files import to_pem

    path = Path(pki.corrupted(identity)).with_suffix(".pem")
    path.write_bytes(to_pem("CERTIFICATE", Path(pki.corrupted(identity)).read_bytes()))
    return str(path)


def dcmtk_says(*arguments: str) -> bool:
    """Ask DCMTK's echoscu, which ends with 0 or 22; skip where it is not installed."""
    echoscu = shutil.which("echoscu")
    if echoscu is None or b"dcmtk" not in subprocess.run([echoscu, "--version"], capture_output=True).stdout:
        pytest.skip("DCMTK's echoscu is not installed")
    finished = subprocess.run([echoscu, *arguments], capture_output=True, timeout=30)
    assert finished.returncode in (0, 22), finished.stderr
    return finished.returncode == 0


@pytest.mark.parametrize("what", VERIFIED)
def test_verified(pki: Factory, what: str) -> None:
    code, warning = VERIFIED[what]
    check = verify_certificate(verified_file(pki, what), TLSConfiguration(ca_files=[(pki.root.pem, "pem")]))
    assert (check.verify_code, check.passed) == (code, code == 0)
    assert bool(check.problem) == (code != 0)
    assert any(warning in each for each in check.warnings) or not warning


@pytest.mark.parametrize("what", VERIFIED)
def test_dcmtk_agrees_on_verified(pki: Factory, what: str) -> None:
    path = verified_file(pki, what)
    assert dcmtk_says("+tla", "+cf", pki.root.pem, "+vc", path) == (VERIFIED[what][0] == 0)


def test_a_good_certificate_gets_no_warning(pki: Factory) -> None:
    configuration = TLSConfiguration(ca_files=[(pki.root.der_file, "der")], certificate_format="der")
    check = verify_certificate(pki.root.issue("good", pki.rsa).der_file, configuration)
    assert check.passed
    assert check.warnings == []
    assert check.certificate is not None
    assert check.certificate.common_name == "good"


@pytest.mark.parametrize(
    ("mode", "revoked", "end", "code"),
    [
        ("leaf", True, 30, 23),
        ("leaf", False, 30, 0),
        ("leaf", False, -2, 12),
        ("chain", False, 30, 0),
    ],
)
@pytest.mark.parametrize("der", [False, True])
def test_revocation(pki: Factory, mode: str, revoked: bool, end: float, code: int, der: bool) -> None:
    crl = pki.root.crl(*([pki.server] if revoked else []), end=end, der=der)
    configuration = TLSConfiguration(
        ca_files=[(pki.root.pem, "pem")], crl_files=[(crl, "der" if der else "pem")], crl_check=mode
    )
    assert verify_certificate(pki.server.pem, configuration).verify_code == code


def test_dcmtk_agrees_on_revoked(pki: Factory) -> None:
    crl = pki.root.crl(pki.server)
    assert not dcmtk_says("+tla", "+cf", pki.root.pem, "+crl", crl, "+crv", "+vc", pki.server.pem)


def test_missing_list(pki: Factory) -> None:
    configuration = TLSConfiguration(ca_files=[(pki.root.pem, "pem")], crl_check="leaf")
    assert verify_certificate(pki.server.pem, configuration).verify_code == 3


def test_depth_tells_which_certificate_failed(pki: Factory) -> None:
    old = pki.root.issue_authority("old-ca", pki.p256, end=0.0)
    path = old.issue("below-old", pki.rsa).chain_pem(old)
    check = verify_certificate(path, TLSConfiguration(ca_files=[(pki.root.pem, "pem")]))
    assert (check.verify_code, check.depth) == (10, 1)


@pytest.mark.parametrize("form", ["pem", "der"])
def test_directory(pki: Factory, tmp_path: Path, form: str) -> None:
    configuration = TLSConfiguration(ca_directories=[(str(tmp_path), form)])
    check = verify_certificate(pki.server.pem, configuration)
    assert not check.passed
    assert "no certificate under its hash" in check.warnings[0]
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command is not installed")
    made = subprocess.run([openssl, "x509", "-in", pki.root.pem, "-noout", "-hash"], check=True, capture_output=True)
    stem = tmp_path / made.stdout.decode().strip()
    stem.with_suffix(".0").write_bytes(pki.root.der if form == "der" else pki.root.text)
    assert verify_certificate(pki.server.pem, configuration).passed
    stem.with_suffix(".r0").write_bytes(Path(pki.root.crl(pki.server, der=form == "der")).read_bytes())
    configuration = TLSConfiguration(ca_directories=[(str(tmp_path), form)], crl_check="leaf")
    assert verify_certificate(pki.server.pem, configuration).verify_code == 23


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"", "no certificate in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "no certificate"),
    ],
)
def test_a_file_that_is_none_fails_the_check(pki: Factory, tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "x.pem"
    if content is not None:
        path.write_bytes(content)
    for check in (
        verify_certificate(str(path), TLSConfiguration(ca_files=[(pki.root.pem, "pem")])),
        check_root(str(path)),
    ):
        assert isinstance(check, OfflineCheck)
        assert not check.passed
        assert words in check.problem
        assert check.certificate is None


def test_a_file_of_the_settings_that_is_none_is_an_error(pki: Factory, tmp_path: Path) -> None:
    missing = [("/no/such", "pem")]
    for configuration in (TLSConfiguration(ca_files=missing), TLSConfiguration(crl_files=missing)):
        with pytest.raises(LocalError) as caught:
            verify_certificate(pki.server.pem, configuration)
        assert caught.value.cause is causes.INPUT_FILE_UNREADABLE
    path = tmp_path / "bad.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    with pytest.raises(LocalError) as caught:
        verify_certificate(pki.server.pem, TLSConfiguration(ca_files=[(str(path), "pem")]))
    assert caught.value.cause is causes.INPUT_FILE_INVALID


def test_warning_without_any_authority(pki: Factory) -> None:
    check = verify_certificate(pki.server.pem, TLSConfiguration())
    assert not check.passed
    assert "no CA certificate is given" in check.warnings[0]


ROOTS = {
    "root": (0, ""),
    "other root": (0, ""),
    "no flag": (0, "no CA flag"),
    "damaged": (0, "signature is wrong"),
    "expired": (10, ""),
    "future": (9, ""),
    "leaf": (20, "is no CA"),
    "intermediate": (20, ""),
}


def root_file(pki: Factory, what: str) -> str:
    files = {
        "root": lambda: pki.root.pem,
        "other root": lambda: pki.other.pem,
        "no flag": lambda: pki.authority("plain", pki.rsa, flag=False).pem,
        "damaged": lambda: damaged_pem(pki, pki.root),
        "expired": lambda: pki.authority("old", pki.rsa, begin=-20, end=-10).pem,
        "future": lambda: pki.authority("early", pki.rsa, begin=10).pem,
        "leaf": lambda: pki.server.pem,
        "intermediate": lambda: pki.intermediate.pem,
    }
    return files[what]()


@pytest.mark.parametrize("what", ROOTS)
def test_roots(pki: Factory, what: str) -> None:
    code, warning = ROOTS[what]
    check = check_root(root_file(pki, what))
    assert (check.verify_code, check.passed) == (code, code == 0)
    assert any(warning in each for each in check.warnings) or not warning


@pytest.mark.parametrize("what", ROOTS)
def test_dcmtk_agrees_on_roots(pki: Factory, what: str) -> None:
    assert dcmtk_says("+rc", root_file(pki, what)) == (ROOTS[what][0] == 0)


def test_only_the_first_certificate_can_be_the_root(pki: Factory) -> None:
    check = check_root(pki.intermediate.chain_pem(pki.root))
    assert check.verify_code == 20


def test_a_root_that_may_not_sign(pki: Factory) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    name = pki.root.certificate.subject
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "key_cert_sign"),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(pki.rsa.public_key())
        .serial_number(1)
        .not_valid_before(days(-1))
        .not_valid_after(days(90))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, encipher_only=False, decipher_only=False, **usage), True)
        .sign(pki.rsa, hashes.SHA256())
    )
    check = check_root(Identity(pki.folder, "unsigning", pki.rsa, certificate).pem)
    assert any("does not allow it to sign" in warning for warning in check.warnings)


def test_a_good_root_gets_no_warning(pki: Factory) -> None:
    assert check_root(pki.root.der_file, form="der").warnings == []
