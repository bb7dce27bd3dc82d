"""Checks of a certificate file without a connection (`+vc`, `+rc`), with pyOpenSSL, which is loaded only here.

They pass and fail as DCMTK's do, and put into `warnings` what those overlook.
"""

import time

from dcmecho.errors import LocalError
from dcmecho.text import quote

from . import files, rules
from .certificate import PeerCertificate, date_text, days_text
from .configuration import CHAIN, DER, NO_CRL, PEM, TLSConfiguration
from .der import DERError
from .profiles import CLIENT, find_profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from OpenSSL.crypto import X509, X509Store


_SIGNATURE_FAILURE = 7  # X509_V_ERR_CERT_SIGNATURE_FAILURE


class OfflineCheck:
    """The result of a check: whether the certificate `passed`, and if not the `problem` in words.

    `verify_code` is the TLS library's code (X509_V_ERR_...), None if it never came to that; `depth` tells at which
    certificate, 0 being the one in the file. `certificate` is None if the file could not be read.
    """

    __slots__ = ("certificate", "depth", "passed", "path", "problem", "verify_code", "warnings")

    def __init__(self, path: str) -> None:
        self.path = path
        self.passed = False
        self.problem = ""
        self.verify_code: int | None = None
        self.depth = 0
        self.certificate: PeerCertificate | None = None
        self.warnings: list[str] = []

    def to_dict(self) -> "dict[str, Any]":
        """Return the result as JSON's types; docs/reference/json.md describes it."""
        return {
            "file": self.path,
            "ok": self.passed,
            "problem": self.problem or None,
            "verify_code": self.verify_code,
            "depth": self.depth,
            "certificate": self.certificate.to_dict(time.time()) if self.certificate else None,
            "warnings": self.warnings,
        }


def verify_certificate(path: str, configuration: TLSConfiguration, form: str | None = None) -> OfflineCheck:
    """Verify the certificate in the file `path` against the CAs and revocation lists of `configuration`.

    Further certificates in the file may be its issuers, but are not trusted. `form` is ``"pem"`` or ``"der"``, that of
    the configuration's own certificate if not given. Neither the certificate's purpose nor its key or hash are part
    of the check.

    Raises `LocalError` for a file of `configuration` that cannot be used; one at `path` fails the check.
    """
    check = OfflineCheck(path)
    certificates = _read(check, form or configuration.certificate_format)
    if check.certificate is None:
        return check
    if not configuration.ca_files and not configuration.ca_directories:
        check.warnings.append("no CA certificate is given (+cf, +cd)")
    _verify(check, _trusted_store(configuration, check.warnings), certificates)
    _remark(check, configuration)
    for usage, side in (("serverAuth", "server"), ("clientAuth", "client")):
        if not check.certificate.allows(usage):
            check.warnings.append(f"its extended key usage does not allow a TLS {side}")
    if check.certificate.is_ca:
        check.warnings.append("it is a CA certificate, not one for a TLS client or server")
    return check


def check_root(path: str, configuration: TLSConfiguration | None = None, form: str | None = None) -> OfflineCheck:
    """Check whether the file `path` holds a root certificate: self-issued and valid now.

    Its own signature and whether it may sign others only lead to warnings, as DCMTK looks at neither.
    """
    check = OfflineCheck(path)
    configuration = configuration or TLSConfiguration()
    certificates = _read(check, form or configuration.certificate_format)
    if check.certificate is None:
        return check
    _verify(check, _root_store(certificates[0]), certificates[:1])
    _remark(check, configuration)
    if not check.certificate.is_ca:
        what = "has no CA flag" if check.certificate.is_ca is None else "says that it is no CA"
        check.warnings.append(f"it {what} (basic constraints): it will not be accepted as an issuer")
    if not check.certificate.may_sign:
        check.warnings.append("its key usage does not allow it to sign certificates")
    if check.certificate.self_issued and not _signature_is_its_own(certificates[0], check.certificate):
        check.warnings.append("its own signature is wrong: the file is damaged or forged")
    return check


def _read(check: OfflineCheck, form: str) -> "list[X509]":
    from OpenSSL import crypto

    try:
        ders = [files.first_element(block.der) for block in files.read_certificates(check.path, form, "certificate")]
        certificate = PeerCertificate(ders[0])
        loaded = [crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in ders]
    except LocalError as problem:
        check.problem = str(problem)
    except (DERError, crypto.Error, ValueError) as problem:
        check.problem = f"it is no certificate ({_words(problem)})"
    else:
        check.certificate = certificate
        return loaded
    return []


def _verify(check: OfflineCheck, store: "X509Store", certificates: "list[X509]") -> None:
    from OpenSSL.crypto import X509StoreContext, X509StoreContextError

    try:
        X509StoreContext(store, certificates[0], certificates[1:]).verify_certificate()
    except X509StoreContextError as problem:
        check.verify_code, check.depth, check.problem = problem.errors[0], problem.errors[1], str(problem.errors[2])
    else:
        check.passed = True
        check.verify_code = 0


def _trusted_store(configuration: TLSConfiguration, warnings: list[str]) -> "X509Store":
    from OpenSSL.crypto import X509Store, X509StoreFlags

    store = X509Store()
    for path, form in configuration.ca_files:
        _load(store, files.read_trust(path, form), path, "CA certificate")
    for path, form in configuration.ca_directories:
        certificates, lists = files.hashed_files(path)
        if not certificates:
            warnings.append(f"CA directory {quote(path)} has no certificate under its hash (openssl rehash)")
        if form == PEM:
            store.load_locations(None, capath=path)  # type: ignore[arg-type]  # documented, but not annotated
            continue
        for file in certificates:
            _load(store, files.read_trust(file, DER), file, "CA certificate")
        for file in lists:
            _load(store, files.read_crls(file, DER), file, "revocation list")
    for path, form in configuration.crl_files:
        _load(store, files.read_crls(path, form), path, "revocation list")
    if configuration.crl_check != NO_CRL:
        every = X509StoreFlags.CRL_CHECK_ALL if configuration.crl_check == CHAIN else 0
        store.set_flags(X509StoreFlags.CRL_CHECK | every)
    return store


def _load(store: "X509Store", blocks: list[files.Block], path: str, role: str) -> None:
    from OpenSSL.crypto import Error

    try:
        with files.Material(b"".join(block.text for block in blocks)) as loadable:
            store.load_locations(loadable)
    except Error as problem:
        raise files.invalid(path, role, f"cannot be loaded ({_words(problem)})") from problem


def _root_store(certificate: "X509") -> "X509Store":
    from OpenSSL.crypto import X509Store

    store = X509Store()
    store.add_cert(certificate)
    return store


def _signature_is_its_own(certificate: "X509", parsed: PeerCertificate) -> bool:
    from datetime import UTC, datetime

    from OpenSSL.crypto import X509StoreContext, X509StoreContextError, X509StoreFlags

    store = _root_store(certificate)
    store.set_flags(X509StoreFlags.CHECK_SS_SIGNATURE)
    # Only the signature is of interest here, and it is not looked at unless the dates pass.
    store.set_time(datetime.fromtimestamp(parsed.not_before, UTC))
    try:
        X509StoreContext(store, certificate).verify_certificate()
    except X509StoreContextError as problem:
        return bool(problem.errors[0] != _SIGNATURE_FAILURE)
    return True


def _words(problem: Exception) -> str:
    """Return the reasons in an error of pyOpenSSL's, which is a list of tuples, or an error's own text."""
    from OpenSSL.crypto import Error

    if isinstance(problem, Error) and problem.args and isinstance(problem.args[0], list):
        return "; ".join(str(each[-1]) for each in problem.args[0]) or "no reason given"
    return str(problem)


def _remark(check: OfflineCheck, configuration: TLSConfiguration) -> None:
    certificate = check.certificate
    if certificate is None:
        return
    # The strictest rules decide only what is said; whether it passed is settled.
    refusals, remarks = rules.judge(find_profile("8996-mod"), certificate, rules.PEER, CLIENT)
    check.warnings.extend(f"it has a weak point: {each}" for each in refusals + remarks)
    days = certificate.days_left(time.time())
    if 0 <= days < configuration.expiry_warning_days:
        check.warnings.append(f"it expires in {days_text(days)}, {date_text(certificate.not_after)}")
