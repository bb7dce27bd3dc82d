"""Files in their many forms, and how each fault is told."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from dcmecho import causes
from dcmecho.errors import LocalError
from dcmecho.tls import files

from .factory import PASSWORD, Factory


def cause_of(action: Callable[[], object]) -> LocalError:
    with pytest.raises(LocalError) as caught:
        action()
    return caught.value


def test_a_missing_file_is_named_with_its_role(tmp_path: Path) -> None:
    path = str(tmp_path / "none.pem")
    failure = cause_of(lambda: files.read_file(path, "private key"))
    assert failure.cause is causes.INPUT_FILE_UNREADABLE
    assert failure.path == path
    assert failure.detail == f'private key "{path}": No such file or directory'
    assert cause_of(lambda: files.read_file("a\0b", "certificate")).cause is causes.INPUT_FILE_UNREADABLE
    assert cause_of(lambda: files.read_file(str(tmp_path), "certificate")).cause is causes.INPUT_FILE_UNREADABLE


def test_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(11))
    assert files.read_file(str(path), "x", 11) == bytes(11)
    assert cause_of(lambda: files.read_file(str(path), "x", 10)).cause is causes.INPUT_FILE_INVALID


@pytest.mark.parametrize("traditional", [False, True])
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_keys_in_pem(pki: Factory, traditional: bool, password: str | None) -> None:
    key = files.read_key(pki.server.key_file(traditional=traditional, password=password), "pem")
    assert key.encrypted == (password is not None)
    expected = "RSA PRIVATE KEY" if traditional else "ENCRYPTED PRIVATE KEY" if password else "PRIVATE KEY"
    assert key.label == expected


@pytest.mark.parametrize(
    ("traditional", "password", "label"),
    [(False, None, "PRIVATE KEY"), (True, None, "RSA PRIVATE KEY"), (False, PASSWORD, "ENCRYPTED PRIVATE KEY")],
)
def test_keys_in_der(pki: Factory, traditional: bool, password: str | None, label: str) -> None:
    path = pki.server.key_file(der=True, traditional=traditional, password=password)
    key = files.read_key(path, "der")
    assert key.label == label
    assert key.encrypted == (password is not None)
    loaded = serialization.load_pem_private_key(key.text, password.encode() if password else None)
    assert loaded.private_numbers() == pki.server.key.private_numbers()  # type: ignore[union-attr]  # it is RSA


def test_elliptic_key_in_der(pki: Factory) -> None:
    assert files.read_key(pki.other.key_file(der=True, traditional=True), "der").label == "EC PRIVATE KEY"


def test_a_key_with_another_in_front_of_its_certificate(pki: Factory, tmp_path: Path) -> None:
    path = tmp_path / "both.pem"
    path.write_bytes(b"some words\n" + pki.server.text + pki.server.key_bytes())
    assert files.read_key(str(path), "pem").label == "PRIVATE KEY"
    assert [block.der for block in files.read_certificates(str(path), "pem", "x")] == [pki.server.der]


def test_the_wrong_format_is_told(pki: Factory) -> None:
    expected_der = cause_of(lambda: files.read_key(pki.server.key_pem, "der"))
    assert expected_der.cause is causes.INPUT_FILE_INVALID
    assert "is PEM, but DER is expected" in expected_der.detail
    expected_pem = cause_of(lambda: files.read_certificates(pki.server.der_file, "pem", "certificate"))
    assert "is DER, but PEM is expected" in expected_pem.detail
    assert "is PEM, but DER" in cause_of(lambda: files.read_trust(pki.root.pem, "der")).detail


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n", "has no end"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "has no end"),
        (b"-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n", "not base64"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no private key"),
    ],
)
def test_malformed_pem(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    failure = cause_of(lambda: files.read_key(str(path), "pem"))
    assert failure.cause is causes.INPUT_FILE_INVALID
    assert words in failure.detail


@pytest.mark.parametrize("content", [b"", b"\x30\x00", b"\x30\x03\x02\x01\x00", b"\x30\x06" + b"\x02\x01\x00" * 2])
def test_malformed_der(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.der"
    path.write_bytes(content)
    assert cause_of(lambda: files.read_key(str(path), "der")).cause is causes.INPUT_FILE_INVALID


def test_der_certificate_with_something_behind(pki: Factory, tmp_path: Path) -> None:
    path = tmp_path / "two.der"
    path.write_bytes(pki.server.der * 2)
    assert "something follows" in cause_of(lambda: files.read_certificates(str(path), "der", "x")).detail


def test_trust_needs_a_certificate_and_lists_need_a_list(pki: Factory) -> None:
    crl = pki.root.crl()
    assert "no certificate" in cause_of(lambda: files.read_trust(crl, "pem")).detail
    assert "no revocation list" in cause_of(lambda: files.read_crls(pki.root.pem, "pem")).detail


def test_trust_may_bring_lists_but_lists_bring_no_trust(pki: Factory, tmp_path: Path) -> None:
    path = tmp_path / "both.pem"
    path.write_bytes(pki.root.text + Path(pki.root.crl()).read_bytes())
    assert [block.label for block in files.read_trust(str(path), "pem")] == ["CERTIFICATE", "X509 CRL"]
    assert [block.label for block in files.read_crls(str(path), "pem")] == ["X509 CRL"]


def test_a_block_on_one_long_line_can_be_loaded(pki: Factory, tmp_path: Path) -> None:
    import base64

    path = tmp_path / "long.pem"
    path.write_bytes(
        b"-----BEGIN CERTIFICATE-----\r\n" + base64.b64encode(pki.server.der) + b"\r\n-----END CERTIFICATE-----\r\n"
    )
    (block,) = files.read_certificates(str(path), "pem", "certificate")
    assert block.text == pki.server.text


def test_shape_of_a_dsa_key() -> None:
    numbers = b"\x02\x01\x00" * 6
    assert files._key_label(bytes((0x30, len(numbers))) + numbers) == "DSA PRIVATE KEY"


@given(st.binary(max_size=300), st.sampled_from(["CERTIFICATE", "X509 CRL", "PRIVATE KEY"]))
def test_pem_round_trip(content: bytes, label: str) -> None:
    (block,) = files.pem_blocks(b"before\n" + files.to_pem(label, content) + b"after\n", "p", "r")
    assert (block.label, block.der) == (label, content)
    assert block.text == files.to_pem(label, content)


def test_hash_names(tmp_path: Path) -> None:
    for name in ("1a2b3c4d.0", "1a2b3c4d.r0", "1A2B3C4D.0", "1a2b3c4d.pem", "1a2b3c4.0", "ca.pem", "1a2b3c4d"):
        (tmp_path / name).touch()
    certificates, lists = files.hashed_files(str(tmp_path))
    assert certificates == [str(tmp_path / "1a2b3c4d.0")]
    assert lists == [str(tmp_path / "1a2b3c4d.r0")]
    missing = cause_of(lambda: files.hashed_files(str(tmp_path / "none")))
    assert missing.cause is causes.INPUT_FILE_UNREADABLE
    assert "CA directory" in missing.detail


def test_passwords() -> None:
    assert files.password_bytes("pä", "k") == "pä".encode()
    assert files.password_bytes(b"x" * 1024, "k") == b"x" * 1024
    assert files.password_bytes(lambda: "asked", "k") == b"asked"
    assert files.password_bytes("", "k") == b""
    assert cause_of(lambda: files.password_bytes(None, "k")).cause is causes.TLS_KEY_PASSWORD
    assert cause_of(lambda: files.password_bytes("x" * 1025, "k")).cause is causes.TLS_KEY_PASSWORD


@pytest.mark.parametrize("memory", [True, False])
def test_material_is_private_and_goes_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, memory: bool) -> None:
    if not memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("no memory files on this system")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with files.Material(b"secret") as path:
        assert Path(path).read_bytes() == b"secret"
        assert len(list(tmp_path.iterdir())) == (0 if memory else 1)
        if not memory:
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert not os.path.exists(path)
    assert not list(tmp_path.iterdir())


def test_material_goes_away_when_the_disk_is_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="full"):
        files.Material(b"secret").__enter__()
    assert not list(tmp_path.iterdir())
