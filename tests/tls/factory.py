"""Certificates, keys and revocation lists, made when a test asks for them: nothing that expires is kept in the tree."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
PASSWORD = "correct horse"
USAGES = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}
BOTH = ("serverAuth", "clientAuth")


def days(count: float) -> dt.datetime:
    """Return the moment `count` days from now."""
    return NOW + dt.timedelta(days=count)


def name_of(common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


class Identity:
    """A key with its certificate; `pem` and `key_pem` write them to files and return the paths."""

    def __init__(self, folder: Path, label: str, key: Key, certificate: x509.Certificate) -> None:
        self.folder = folder
        self.label = label
        self.key = key
        self.certificate = certificate
        self.der = certificate.public_bytes(serialization.Encoding.DER)

    @property
    def text(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def _write(self, suffix: str, data: bytes) -> str:
        path = self.folder / f"{self.label}{suffix}"
        path.write_bytes(data)
        return str(path)

    @property
    def pem(self) -> str:
        return self._write(".pem", self.text)

    @property
    def der_file(self) -> str:
        return self._write(".der", self.der)

    def chain_pem(self, *issuers: Identity) -> str:
        """Write the certificate and `issuers` after it."""
        return self._write("-chain.pem", b"".join(each.text for each in (self, *issuers)))

    def key_bytes(self, *, der: bool = False, traditional: bool = False, password: str | None = None) -> bytes:
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password.encode())
        return self.key.private_bytes(
            serialization.Encoding.DER if der else serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8,
            encryption,
        )

    @property
    def key_pem(self) -> str:
        return self._write(".key.pem", self.key_bytes())

    def key_file(self, *, der: bool = False, traditional: bool = False, password: str | None = None) -> str:
        """Write the key in one of its many forms."""
        suffix = f".{'der' if der else 'pem'}{'-t' if traditional else ''}{'-e' if password else ''}.key"
        return self._write(suffix, self.key_bytes(der=der, traditional=traditional, password=password))


class Authority(Identity):
    """A certificate authority."""

    def issue(
        self,
        label: str,
        key: Key,
        *,
        usages: tuple[str, ...] | None = BOTH,
        names: tuple[str, ...] = ("localhost", "127.0.0.1"),
        begin: float = -1,
        end: float = 365,
    ) -> Identity:
        """Issue a certificate for one side of TLS, valid from `begin` to `end` days from now."""
        builder = self._builder(label, key, begin, end)
        if usages is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([USAGES[usage] for usage in usages]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        return Identity(self.folder, label, key, builder.sign(self.key, hashes.SHA256()))

    def _builder(self, label: str, key: Key, begin: float, end: float) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name_of(label))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(days(begin))
            .not_valid_after(days(end))
        )

    def issue_authority(self, label: str, key: Key, *, end: float = 365) -> Authority:
        """Issue a certificate for an authority below this one."""
        builder = _as_authority(self._builder(label, key, -1, end))
        return Authority(self.folder, label, key, builder.sign(self.key, hashes.SHA256()))

    def issue_hashed(self, label: str, key: Key, digest: str) -> Identity:
        """Issue a certificate signed with a hash that only the openssl command still signs with."""
        request = x509.CertificateSigningRequestBuilder().subject_name(name_of(label)).sign(key, hashes.SHA256())
        source = self.folder / f"{label}.csr"
        source.write_bytes(request.public_bytes(serialization.Encoding.PEM))
        openssl = shutil.which("openssl")
        if openssl is None:
            pytest.skip("the openssl command is not installed")
        command = [openssl, "x509", "-req", "-in", str(source), "-CA", self.pem, "-CAkey", self.key_pem, "-days", "90"]
        made = subprocess.run([*command, "-set_serial", "77", f"-{digest}"], check=True, capture_output=True)
        return Identity(self.folder, label, key, x509.load_pem_x509_certificate(made.stdout))

    def crl(self, *revoked: Identity, end: float = 30, der: bool = False) -> str:
        """Write a revocation list that ends `end` days from now."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(days(min(-1, end - 1))).next_update(days(end))
        for each in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(days(-1)).build())
        data = builder.sign(self.key, hashes.SHA256()).public_bytes(
            serialization.Encoding.DER if der else serialization.Encoding.PEM
        )
        label = "+".join(each.label for each in revoked)
        return self._write(f"-{label}-{end}.crl.{'der' if der else 'pem'}", data)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _as_authority(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)


class Factory:
    """Makes keys once and authorities from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rsa = rsa.generate_private_key(65537, 2048)
        self.other_rsa = rsa.generate_private_key(65537, 2048)
        self.weak_rsa = rsa.generate_private_key(65537, 1024)
        self.p256 = ec.generate_private_key(ec.SECP256R1())
        self.root = self.authority("root", rsa.generate_private_key(65537, 2048))
        self.other = self.authority("other", ec.generate_private_key(ec.SECP256R1()))
        self.intermediate = self.root.issue_authority("intermediate", ec.generate_private_key(ec.SECP256R1()))
        self.server = self.root.issue("server", self.rsa, usages=("serverAuth",))
        self.client = self.root.issue("client", self.other_rsa, usages=("clientAuth",))

    def authority(self, label: str, key: Key, *, flag: bool = True, begin: float = -1, end: float = 3650) -> Authority:
        """Make a self-signed certificate, with the CA flag unless `flag` is false."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(name_of(label))
            .issuer_name(name_of(label))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(days(begin))
            .not_valid_after(days(end))
        )
        if flag:
            builder = _as_authority(builder)
        return Authority(self.folder, label, key, builder.sign(key, hashes.SHA256()))

    def corrupted(self, identity: Identity) -> str:
        """Write the certificate of `identity` with its signature changed, in DER."""
        data = bytearray(identity.der)
        data[-1] ^= 1
        path = self.folder / f"{identity.label}-corrupted.der"
        path.write_bytes(bytes(data))
        return str(path)
