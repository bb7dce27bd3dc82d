"""Failed handshakes in plain words: from what the TLS library says to one of `dcmecho.causes`."""

import ssl

from dcmecho import causes
from dcmecho.errors import LocalError, TLSError
from dcmecho.recognition import is_dicom, recognize
from dcmecho.text import bytes_to_text

from . import files
from .certificate import PeerCertificate, RevocationList, date_text
from .configuration import CHAIN, TLSConfiguration
from .der import DERError
from .files import named
from .handshake import peer_chain, read
from .profiles import CLIENT, SERVER, with_additions
from .suites import VERSION_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dcmecho.causes import Cause

# OpenSSL's X509_V_ERR_ codes, as X509_verify_cert_error_string(3) lists them.
_VERIFY_CAUSES = {
    2: causes.TLS_UNKNOWN_CA,
    3: causes.TLS_CRL_MISSING,
    9: causes.TLS_CERTIFICATE_NOT_YET_VALID,
    10: causes.TLS_CERTIFICATE_EXPIRED,
    11: causes.TLS_CRL_EXPIRED,
    12: causes.TLS_CRL_EXPIRED,
    18: causes.TLS_UNKNOWN_CA,
    19: causes.TLS_UNKNOWN_CA,
    20: causes.TLS_UNKNOWN_CA,
    21: causes.TLS_UNKNOWN_CA,
    23: causes.TLS_CERTIFICATE_REVOKED,
    26: causes.TLS_CERTIFICATE_PURPOSE,
    27: causes.TLS_UNKNOWN_CA,
    33: causes.TLS_CRL_MISSING,
    62: causes.TLS_WRONG_HOST_NAME,
    63: causes.TLS_WRONG_HOST_NAME,
    64: causes.TLS_WRONG_HOST_NAME,
    66: causes.TLS_CERTIFICATE_WEAK,
    67: causes.TLS_CERTIFICATE_WEAK,
    68: causes.TLS_CERTIFICATE_WEAK,
}

_NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "UNKNOWN_PROTOCOL",
    "PACKET_LENGTH_TOO_LONG",
    "NOT_SSL_RECORD_TYPE",
    "RECORD_LAYER_FAILURE",
    "BAD_RECORD_TYPE",
)
_NO_VERSION = (
    "UNSUPPORTED_PROTOCOL",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "VERSION_TOO_LOW",
    "VERSION_TOO_HIGH",
    "WRONG_SSL_VERSION",
    "UNSUPPORTED_SSL_VERSION",
    "NO_PROTOCOLS_AVAILABLE",
    "INAPPROPRIATE_FALLBACK",
    "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
)
_NO_SUITE = (
    "NO_SHARED_CIPHER",
    "WRONG_CIPHER_RETURNED",
    "UNKNOWN_CIPHER_RETURNED",
    "NO_CIPHERS_AVAILABLE",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY",
)
_NO_AGREEMENT = {
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "no common signature algorithm",
    "NO_SHARED_SIGNATURE_ALGORITHMS": "no common signature algorithm",
    "WRONG_SIGNATURE_TYPE": "no common signature algorithm",
    "NO_SUITABLE_GROUPS": "no common group for the key exchange",
    "NO_SUITABLE_KEY_SHARE": "no common group for the key exchange",
    "WRONG_CURVE": "no common group for the key exchange",
}
_OTHER_REASONS = {
    "DH_KEY_TOO_SMALL": "the peer's Diffie-Hellman group is too small",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": "the peer lacks secure renegotiation (RFC 5746)",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": 'the peer refuses the application protocol (ALPN) "dicom"',
}
_TOO_WEAK = ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK")

# The peer's judgement of our certificate, as alerts (RFC 8446 6.2); `reason` is the library's name for each.
_REFUSED = {
    "SSLV3_ALERT_BAD_CERTIFICATE": "it calls it bad",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "its kind or purpose is not supported there",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "it says that it has been revoked",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it says that it has expired or is not valid yet",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not say why",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust the CA that issued it",
    "TLSV1_ALERT_ACCESS_DENIED": "it denies access",
}
_EXCERPT = 16


class _Handshake:
    """What is known about one that failed."""

    __slots__ = ("chain", "configuration", "peer_bytes", "server", "step")

    def __init__(
        self, configuration: TLSConfiguration, peer_bytes: bytes, role: str, step: str, chain: list[PeerCertificate]
    ) -> None:
        self.configuration = configuration
        self.peer_bytes = peer_bytes
        self.server = role == SERVER
        self.step = step
        self.chain = chain

    def error(
        self, cause: "Cause", detail: str = "", *, hint: str | None = None, verify_code: int | None = None
    ) -> TLSError:
        return TLSError(cause, detail, step=self.step, hint=hint, verify_code=verify_code)

    @property
    def spoke_tls(self) -> bool:
        return bool(self.chain) or looks_like_tls(self.peer_bytes)


def handshake_failure(
    problem: OSError,
    configuration: TLSConfiguration,
    *,
    peer_bytes: bytes = b"",
    connection: ssl.SSLSocket | ssl.SSLObject | None = None,
    role: str = CLIENT,
    step: str = causes.TLS,
) -> TLSError:
    """Return the `TLSError` that says in plain words why a handshake failed with `problem`.

    `peer_bytes` are the first bytes that came from the peer, as far as they are known; `connection` is what the
    handshake was tried on, from which the peer's certificates can be told. `role` is our side. A client of TLS 1.3
    learns only when it reads, after its handshake has succeeded, that its certificate was refused: it passes that
    error here with `step` ``"associate"``.
    """
    certificates = [read(der) for der in peer_chain(connection)] if connection is not None else []
    chain = [certificate for certificate in certificates if certificate is not None]
    handshake = _Handshake(configuration, peer_bytes, role, step, chain)
    if isinstance(problem, ssl.SSLCertVerificationError):
        return _verification(handshake, problem)
    if isinstance(problem, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return _ended(handshake, "the peer closed the connection")
    if isinstance(problem, ssl.SSLError):
        return _library(handshake, problem)
    if isinstance(problem, TimeoutError):
        return handshake.error(causes.TLS_TIMEOUT)
    if isinstance(problem, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError, EOFError)):
        return _ended(handshake, "the peer reset the connection")
    return handshake.error(causes.CONNECTION_LOST, problem.strerror or str(problem))


def looks_like_tls(data: bytes) -> bool:
    """Tell whether `data` begins as a TLS record does (RFC 8446 5.1)."""
    return len(data) >= 2 and 0x14 <= data[0] <= 0x17 and data[1] == 3


# The connection ended


def _ended(handshake: _Handshake, how: str) -> TLSError:
    if handshake.step != causes.TLS:
        return handshake.error(
            causes.CONNECTION_RESET,
            f"{how} right after the TLS handshake",
            hint="the peer may have refused our certificate, or that we sent none",
        )
    if handshake.spoke_tls:
        return handshake.error(causes.CONNECTION_RESET, f"{how} during the TLS handshake")
    if handshake.peer_bytes:
        return _not_tls(handshake)
    if handshake.server:
        return handshake.error(causes.CONNECTION_RESET, f"{how} during the TLS handshake")
    return handshake.error(causes.PEER_NOT_TLS, f"{how} during the hello: it probably has no TLS")


def _not_tls(handshake: _Handshake) -> TLSError:
    data = handshake.peer_bytes
    hint = None
    protocol = recognize(data)
    if protocol in ("HTTP", "SSH"):
        detail = f"it speaks {protocol}"
    elif is_dicom(data):
        detail = "it speaks DICOM without TLS"
    elif data:
        detail = f"it sent {named(bytes_to_text(data[:_EXCERPT]))}"
    else:
        detail = "what it sent is not TLS"
    if handshake.server:
        hint = "turn TLS on at the client, or give it the port without TLS"
    return handshake.error(causes.PEER_NOT_TLS, detail, hint=hint)


# The peer's certificate did not pass


def _verification(handshake: _Handshake, problem: ssl.SSLCertVerificationError) -> TLSError:
    code = problem.verify_code
    cause = _VERIFY_CAUSES.get(code, causes.TLS_CERTIFICATE_INVALID)
    describe = _DESCRIBE.get(cause.name, _describe_other)
    return handshake.error(cause, describe(handshake, problem), verify_code=code)


def _subject(certificate: PeerCertificate) -> str:
    return named(certificate.subject)


def _describe_other(handshake: _Handshake, problem: ssl.SSLCertVerificationError) -> str:
    whose = f"{_subject(handshake.chain[0])}: " if handshake.chain else ""
    return f"{whose}{problem.verify_message} (code {problem.verify_code})"


def _describe_unknown_ca(handshake: _Handshake, problem: ssl.SSLCertVerificationError) -> str:
    configuration = handshake.configuration
    sources = ", ".join(named(path) for path, _ in (*configuration.ca_files, *configuration.ca_directories))
    if not handshake.chain:
        return f"{problem.verify_message}; {f'not in {sources}' if sources else 'no CA certificate is given'}"
    leaf, last = handshake.chain[0], handshake.chain[-1]
    if leaf.self_issued:
        told = f"{_subject(leaf)} is self-signed"
        return f"{told} and not in {sources}" if sources else f"{told}; no CA certificate is given"
    told = f"{_subject(leaf)} comes from {named(leaf.issuer)}"
    wanted = named(last.subject if last.self_issued else last.issuer)
    return f"{told}; {wanted} is not in {sources}" if sources else f"{told}; no CA certificate is given"


def _describe_dates(handshake: _Handshake, problem: ssl.SSLCertVerificationError) -> str:
    import time

    now = time.time()
    clock = f"the clock here says {date_text(now)}"
    for certificate in handshake.chain:
        if certificate.not_after < now:
            return f"{_subject(certificate)} ended on {date_text(certificate.not_after)}; {clock}"
        if certificate.not_before > now:
            return f"{_subject(certificate)} begins on {date_text(certificate.not_before)}; {clock}"
    return f"{problem.verify_message}; {clock}"


def _describe_revoked(handshake: _Handshake, problem: ssl.SSLCertVerificationError) -> str:
    if not handshake.chain:
        return problem.verify_message
    leaf = handshake.chain[0]
    above = " or a CA above it" if handshake.configuration.crl_check == CHAIN else ""
    return f"{_subject(leaf)}, serial {leaf.serial_text}{above}, by the list of {named(leaf.issuer)}"


def _describe_crl(handshake: _Handshake, problem: ssl.SSLCertVerificationError) -> str:
    if not handshake.chain:
        return problem.verify_message
    issuers = []
    for certificate in handshake.chain:
        if certificate.issuer not in issuers:
            issuers.append(certificate.issuer)
        if handshake.configuration.crl_check != CHAIN:
            break
    return f"a current list is needed of {' and '.join(named(issuer) for issuer in issuers)}"


def _describe_old_crl(handshake: _Handshake, problem: ssl.SSLCertVerificationError) -> str:
    found: list[str] = []
    for path, form in handshake.configuration.crl_files:
        try:
            lists = [RevocationList(block.der) for block in files.read_crls(path, form)]
        except (DERError, LocalError):
            continue
        found.extend(
            f"{named(path)} of {named(each.issuer)} ended on {date_text(each.next_update)}"
            for each in lists
            if each.next_update is not None
        )
    return "; ".join(found) or problem.verify_message


def _describe_name(handshake: _Handshake, _problem: ssl.SSLCertVerificationError) -> str:
    wanted = named(handshake.configuration.wire_server_name or "")
    if not handshake.chain:
        return f"not for {wanted}"
    leaf = handshake.chain[0]
    names = [value for kind, value in leaf.sans if kind in ("DNS", "IP")]
    if not names and leaf.common_name:
        names = [leaf.common_name]
    return f"it is for {', '.join(map(named, names)) or 'no name at all'}, not for {wanted}"


def _describe_purpose(handshake: _Handshake, problem: ssl.SSLCertVerificationError) -> str:
    needed = "clientAuth" if handshake.server else "serverAuth"
    if not handshake.chain:
        return f"{problem.verify_message}; {needed} is needed"
    leaf = handshake.chain[0]
    usages = ", ".join(leaf.usages) if leaf.usages else "no extended usage"
    return f"{_subject(leaf)} is for {usages}; {needed} is needed"


def _describe_weak(handshake: _Handshake, problem: ssl.SSLCertVerificationError) -> str:
    if not handshake.chain:
        return problem.verify_message
    told = [f"{_subject(each)} has {each.key_text}, signed with {each.hash}" for each in handshake.chain]
    return f"{problem.verify_message}: {'; '.join(told)}"


_DESCRIBE = {
    causes.TLS_UNKNOWN_CA.name: _describe_unknown_ca,
    causes.TLS_CERTIFICATE_EXPIRED.name: _describe_dates,
    causes.TLS_CERTIFICATE_NOT_YET_VALID.name: _describe_dates,
    causes.TLS_CERTIFICATE_REVOKED.name: _describe_revoked,
    causes.TLS_CRL_MISSING.name: _describe_crl,
    causes.TLS_CRL_EXPIRED.name: _describe_old_crl,
    causes.TLS_WRONG_HOST_NAME.name: _describe_name,
    causes.TLS_CERTIFICATE_PURPOSE.name: _describe_purpose,
    causes.TLS_CERTIFICATE_WEAK.name: _describe_weak,
}


# Everything else the library says


def _library(handshake: _Handshake, problem: ssl.SSLError) -> TLSError:
    reason = _reason(problem)
    if reason == "WRONG_VERSION_NUMBER" and handshake.spoke_tls:
        return _no_version(handshake)
    if reason in _NOT_TLS:
        return _not_tls(handshake)
    if reason in _NO_VERSION:
        return _no_version(handshake)
    if reason in _NO_SUITE or reason in _NO_AGREEMENT:
        return _no_suite(handshake, _NO_AGREEMENT.get(reason, ""))
    if reason == "SSLV3_ALERT_HANDSHAKE_FAILURE":
        return _handshake_failure_alert(handshake)
    if reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED":
        return _own_certificate_missing(handshake)
    if reason in _REFUSED:
        return _own_certificate_refused(handshake, _REFUSED[reason])
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return handshake.error(causes.TLS_PEER_CERTIFICATE_MISSING)
    if reason == "TLSV1_UNRECOGNIZED_NAME":
        name = handshake.configuration.wire_server_name
        return handshake.error(causes.TLS_SERVER_NAME_REFUSED, named(name) if name else "none was sent")
    if reason in _TOO_WEAK:
        return handshake.error(causes.TLS_CERTIFICATE_WEAK, _words(reason))
    return _other(handshake, problem, reason)


def _reason(problem: ssl.SSLError) -> str:
    """Return the library's name for what happened.

    Python has none for reasons that are newer than itself; then the text gives it. OpenSSL 3.2 and later write
    ``ssl/tls alert`` where others have ``sslv3 alert``.
    """
    reason = problem.reason
    if not reason:
        _, _, text = str(problem).partition("] ")
        reason = text.partition(" (")[0].upper().replace(" ", "_")
    return reason.replace("SSL/TLS_ALERT_", "SSLV3_ALERT_")


def _words(reason: str) -> str:
    return reason.replace("_", " ").lower()


def _no_version(handshake: _Handshake) -> TLSError:
    profile = handshake.configuration.profile
    first, last = VERSION_NAMES[profile.minimum], VERSION_NAMES[profile.maximum]
    ours = first if first == last else f"{first} to {last}"
    return handshake.error(causes.TLS_NO_COMMON_VERSION, f"profile {profile.name} has {ours}")


def _no_suite(handshake: _Handshake, what: str) -> TLSError:
    profile = handshake.configuration.profile
    role = SERVER if handshake.server else CLIENT
    suites = [suite.iana for suite in with_additions(profile, handshake.configuration.ciphers, role)]
    offered = ", ".join(suites + list(profile.suites_1_3[:3]))
    hint = "try another profile on either side (+ph)" if handshake.server else None
    detail = f"profile {profile.name} has {offered}"
    return handshake.error(causes.TLS_NO_COMMON_CIPHER, f"{what}; {detail}" if what else detail, hint=hint)


def _handshake_failure_alert(handshake: _Handshake) -> TLSError:
    # A server that has sent its certificate has found a common suite: then it can only be ours that it minds.
    if not handshake.server and handshake.chain:
        return _own_certificate_refused(handshake, "it does not say why")
    return _no_suite(handshake, "")


def _own_certificate_missing(handshake: _Handshake) -> TLSError:
    path = handshake.configuration.certificate_file
    detail = f"{named(path)} was not sent: it fits nothing that the peer asks for" if path else ""
    return handshake.error(causes.TLS_CLIENT_CERTIFICATE_MISSING, detail)


def _own_certificate_refused(handshake: _Handshake, why: str) -> TLSError:
    path = handshake.configuration.certificate_file
    if path is None and not handshake.server:
        return _own_certificate_missing(handshake)
    detail = f"{named(path)}: {why}" if path else why
    hint = "the client must trust the CA of our certificate" if handshake.server else None
    return handshake.error(causes.TLS_CLIENT_CERTIFICATE_REFUSED, detail, hint=hint)


def _other(handshake: _Handshake, problem: ssl.SSLError, reason: str) -> TLSError:
    is_late = handshake.step != causes.TLS
    if reason == "TLSV1_ALERT_INTERNAL_ERROR":
        return handshake.error(
            causes.TLS_CLIENT_CERTIFICATE_REFUSED if is_late else causes.TLS_HANDSHAKE_FAILED,
            "the peer reports an internal error",
            hint="some peers say so when key or hash of our certificate are too weak for their profile",
        )
    cause = causes.TLS_BROKEN if is_late else causes.TLS_HANDSHAKE_FAILED
    return handshake.error(cause, _OTHER_REASONS.get(reason) or _words(reason) or str(problem))
