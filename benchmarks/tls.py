"""echoscu with TLS: a whole run, and echoes on one association, both with certificates on either side."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from . import client, startup
from .figures import DCMTK, OURS, Benchmark, MeasurementError, Report, at_least, at_most
from .harness import serving
from .programs import NO_DELAY, Programs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .harness import Bench
    from .programs import Server

VERSION = "TLSv1.3"


class Identity:
    """A key of RSA with 2048 bit and its certificate, in files; issued by `issuer`, or by itself as a root."""

    def __init__(self, folder: Path, label: str, issuer: Identity | None = None) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"benchmark {label}")])
        now = dt.datetime.now(dt.UTC)
        authority = issuer or self
        certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(authority.name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            # Further off than the warning that ours would print.
            .not_valid_after(now + dt.timedelta(days=90))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .sign(authority._key, hashes.SHA256())  # noqa: SLF001 - another of this class
        )
        self.certificate = folder / f"{label}.pem"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key = folder / f"{label}.key"
        self.key.write_bytes(
            self._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def words(self, root: Identity) -> tuple[str, ...]:
        """Return the options of a program that shows this certificate and trusts `root`; all programs share them."""
        return ("+tls", str(self.key), str(self.certificate), "+cf", str(root.certificate))


def secured(bench: Bench, environment: Mapping[str, str]) -> Bench:
    """Return the same with DCMTK's programs and ours talking TLS, DCMTK's in `environment`; there is nobody else.

    Raises MeasurementError where DCMTK's server does not agree on TLS 1.3.
    """
    folder = bench.directory / "certificates"
    folder.mkdir(exist_ok=True)
    root = Identity(folder, "root")
    server_words, client_words = (Identity(folder, label, root).words(root) for label in ("server", "client"))
    stock = bench.programs.server(DCMTK)
    server = replace(stock, start=(*stock.start, *server_words), environment=environment)
    clients = {
        each.name: replace(
            each,
            command=(*each.command, *client_words),
            environment=environment if each.name == DCMTK else each.environment,
        )
        for each in bench.programs.some_clients(DCMTK, OURS)
    }
    found = replace(bench, programs=Programs(clients, {DCMTK: server}, bench.programs.absent))
    _check_version(found, server, client_words)
    return found


def _check_version(bench: Bench, server: Server, words: tuple[str, ...]) -> None:
    _, key, certificate, _, root = words
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(root)
    context.load_cert_chain(certificate, key)
    with serving(server, bench.directory) as served:
        plain = socket.create_connection(("127.0.0.1", served.port), timeout=10)
        with context.wrap_socket(plain) as connection:
            version = connection.version()
    if version != VERSION:
        raise MeasurementError(f"{server.name} agrees on {version}, not on {VERSION}")


def _whole_run(bench: Bench, environment: Mapping[str, str], name: str, title: str, limit: float) -> Report:
    figures = startup.measure(secured(bench, environment)).figures
    wall = next(figure for figure in figures if figure.name == "startup-wall")
    return Report((replace(wall, name=name, title=title, targets=(at_most(limit, DCMTK),)),))


def measure_stock(bench: Bench) -> Report:
    """A whole run against a storescp as it comes."""
    return _whole_run(bench, {}, "tls-startup", "whole echoscu run with TLS, stock storescp: wall", 0.4)


def measure_no_delay(bench: Bench) -> Report:
    """The same with TCP_NODELAY=1 for both of DCMTK's programs: what is left is start, cryptography and loading."""
    return _whole_run(
        bench, NO_DELAY, "tls-startup-nodelay", "the same with TCP_NODELAY=1 for both DCMTK programs", 1.5
    )


def measure_echoes(bench: Bench) -> Report:
    """Echoes on one association against a storescp as it comes."""
    (rate,) = client.measure_stock(secured(bench, {})).figures
    title = "echoscu with TLS, echoes/s on one association, stock storescp"
    return Report((replace(rate, name="tls-client", title=title, targets=(at_least(500, DCMTK),)),))


BENCHMARKS = (
    Benchmark("tls-startup", "whole run of echoscu with TLS: wall", measure_stock),
    Benchmark("tls-startup-nodelay", "whole run with TLS, TCP_NODELAY=1: wall", measure_no_delay),
    Benchmark("tls-client", "echoscu with TLS against a stock storescp: echoes/s", measure_echoes),
)
