"""What is read from certificates is what another reader finds in them."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dcmecho.tls.certificate import PeerCertificate, RevocationList, _address, _read_key, date_text, read_name
from dcmecho.tls.der import DERError, Reader

from .factory import Factory, days, name_of


def test_a_server_certificate(pki: Factory) -> None:
    certificate = PeerCertificate(pki.server.der)
    other = pki.server.certificate
    assert certificate.subject == "O=Test, CN=server"
    assert certificate.common_name == "server"
    assert certificate.issuer == "O=Test, CN=root"
    assert certificate.serial == other.serial_number
    assert int(certificate.serial_text, 16) == other.serial_number
    assert len(certificate.serial_text) % 2 == 0
    assert certificate.not_before == other.not_valid_before_utc.timestamp()
    assert certificate.not_after == other.not_valid_after_utc.timestamp()
    assert certificate.version == 3
    assert (certificate.key, certificate.key_bits, certificate.key_text) == ("RSA", 2048, "RSA 2048 bit")
    assert (certificate.signature, certificate.hash) == ("RSA", "SHA-256")
    assert certificate.sans == (("DNS", "localhost"), ("IP", "127.0.0.1"))
    assert certificate.usages == ("serverAuth",)
    assert certificate.allows("serverAuth")
    assert not certificate.allows("clientAuth")
    assert certificate.is_ca is False
    assert not certificate.self_issued
    assert certificate.sha256.replace(":", "").lower() == hashlib.sha256(pki.server.der).hexdigest()
    assert certificate.days_left(certificate.not_after - 43200) == 0.5


def test_an_authority(pki: Factory) -> None:
    root = PeerCertificate(pki.root.der)
    assert root.is_ca is True
    assert root.may_sign
    assert root.self_issued
    assert root.usages is None
    assert root.allows("anything")
    other = PeerCertificate(pki.other.der)
    assert (other.key_text, other.key_bits, other.signature) == ("EC P-256", 256, "ECDSA")
    assert PeerCertificate(pki.authority("plain", pki.rsa, flag=False).der).is_ca is None


def test_old_hashes(pki: Factory) -> None:
    assert PeerCertificate(pki.root.issue_hashed("sha1", pki.rsa, "sha1").der).hash == "SHA-1"
    assert PeerCertificate(pki.root.issue_hashed("md5", pki.rsa, "md5").der).hash == "MD5"


def _plain_builder(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(name_of("x")).issuer_name(name_of("x")).public_key(key)
    return builder.serial_number(1).not_valid_before(days(-1)).not_valid_after(days(1))


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def test_other_keys_and_signatures(pki: Factory) -> None:
    edwards = ed25519.Ed25519PrivateKey.generate()
    certificate = PeerCertificate(_der(_plain_builder(edwards.public_key()).sign(edwards, None)))
    assert (certificate.key_text, certificate.hash, certificate.serial_text) == ("Ed25519", "SHA-512", "01")
    brainpool = ec.generate_private_key(ec.BrainpoolP384R1())
    builder = _plain_builder(brainpool.public_key())
    certificate = PeerCertificate(_der(builder.sign(pki.p256, hashes.SHA512())))
    assert (certificate.key_text, certificate.key_bits, certificate.hash) == ("EC brainpoolP384r1", 384, "SHA-512")
    pss = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
    certificate = PeerCertificate(_der(builder.sign(pki.rsa, hashes.SHA384(), rsa_padding=pss)))
    assert (certificate.signature, certificate.hash) == ("RSA-PSS", "SHA-384")


def test_names_cannot_pretend_to_be_two(pki: Factory) -> None:
    certificate = PeerCertificate(pki.authority("a, CN=b", pki.rsa).der)
    assert certificate.subject == "O=Test, CN=a\\, CN\\=b"
    assert certificate.common_name == "a, CN=b"


def test_other_kinds_of_alternative_names(pki: Factory) -> None:
    names = x509.SubjectAlternativeName(
        [x509.RFC822Name("a@b.example"), x509.UniformResourceIdentifier("https://b.example"), x509.DNSName("b.example")]
    )
    builder = _plain_builder(pki.p256.public_key()).add_extension(names, critical=False)
    assert PeerCertificate(_der(builder.sign(pki.p256, hashes.SHA256()))).sans == (
        ("email", "a@b.example"),
        ("URI", "https://b.example"),
        ("DNS", "b.example"),
    )


def test_key_usage_that_does_not_sign(pki: Factory) -> None:
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "key_cert_sign"),
        False,
    )
    extension = x509.KeyUsage(digital_signature=True, encipher_only=False, decipher_only=False, **usage)
    builder = _plain_builder(pki.p256.public_key()).add_extension(extension, critical=True)
    assert not PeerCertificate(_der(builder.sign(pki.p256, hashes.SHA256()))).may_sign


@pytest.mark.parametrize(
    ("tag", "content", "text"),
    [(0x0C, "ü".encode(), "ü"), (0x13, b"u", "u"), (0x1E, b"\0u", "u"), (0x1C, b"\0\0\0u", "u"), (0x14, b"\xfc", "ü")],
)
def test_kinds_of_text(tag: int, content: bytes, text: str) -> None:
    attribute = b"\x06\x03\x55\x04\x03" + bytes((tag, len(content))) + content
    for outer in (0x30, 0x31, 0x30):
        attribute = bytes((outer, len(attribute))) + attribute
    assert read_name(Reader(attribute)) == (f"CN={text}", text)


def test_addresses_of_odd_length() -> None:
    assert _address(b"\x0a\0\0\1") == "10.0.0.1"
    assert _address(b"\x0a\0") == "0a00"


def test_curves_without_a_name_here() -> None:
    def key(parameters: bytes) -> tuple[str, int, str | None]:
        algorithm = bytes.fromhex("06072a8648ce3d0201") + parameters
        point = b"\0\x04" + bytes(40)
        info = bytes((0x30, len(algorithm))) + algorithm + bytes((0x03, len(point))) + point
        return _read_key(Reader(info))

    assert key(b"\x06\x03\x2a\x03\x04") == ("EC", 160, "1.2.3.4")
    assert key(b"\x30\x00") == ("EC", 0, "unnamed curve")


def test_address_of_version_6(pki: Factory) -> None:
    assert PeerCertificate(pki.root.issue("six", pki.rsa, names=("::1",)).der).sans == (("IP", "::1"),)


def test_revocation_lists(pki: Factory) -> None:
    path = pki.root.crl(der=True, end=9)
    crl = RevocationList(Path(path).read_bytes())
    assert crl.issuer == "O=Test, CN=root"
    assert crl.this_update == days(-1).timestamp()
    assert crl.next_update == days(9).timestamp()
    with pytest.raises(DERError):
        RevocationList(pki.root.der)


@pytest.mark.parametrize("change", [b"", b"0", b"\x30\x00", b"-----BEGIN CERTIFICATE-----"])
def test_what_is_no_certificate(change: bytes) -> None:
    with pytest.raises(DERError):
        PeerCertificate(change)


def test_nothing_may_follow(pki: Factory) -> None:
    with pytest.raises(DERError, match="1 bytes follow"):
        PeerCertificate(pki.server.der + b"\0")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.integers(0, 2000), value=st.integers(0, 255), cut=st.booleans())
def test_damage_is_told_in_one_way(pki: Factory, at: int, value: int, cut: bool) -> None:
    data = bytearray(pki.server.der)
    at %= len(data)
    data[at] = value
    with suppress(DERError):
        PeerCertificate(bytes(data[:at] if cut else data))


def test_rules_for_other_keys() -> None:
    from dcmecho.tls import find_profile
    from dcmecho.tls.rules import judge

    class Certificate:
        """What the rules look at."""

        def __init__(self, key: str, key_bits: int) -> None:
            self.key, self.key_bits, self.hash = key, key_bits, "SHA-256"

    def told(profile: str, key: str, bits: int, whose: str = "peer") -> tuple[list[str], list[str]]:
        certificate = Certificate(key, bits)
        return judge(find_profile(profile), certificate, whose, "client")  # type: ignore[arg-type]  # stands in

    assert told("8996-mod", "EC", 224) == (["EC key of 224 bit, less than 256"], [])
    assert told("8996", "EC", 224) == ([], [])
    assert told("8996", "EC", 192) == ([], ["EC key of 192 bit, less than 224"])
    assert told("8996", "DSA", 2048) == ([], ["DSA key, which TLS 1.3 does not have"])
    assert told("8996", "DSA", 2048, "own") == (["DSA key, which TLS 1.3 does not have"], [])
    assert told("bcp195", "DSA", 2048, "own") == ([], ["DSA key, which TLS 1.3 does not have"])
    assert told("8996-mod", "EC", 256) == ([], [])


def test_dates() -> None:
    assert date_text(0) == "1970-01-01 00:00:00 UTC"
    assert date_text(1e30).endswith("s since 1970")
