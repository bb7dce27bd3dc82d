"""Makes `ssl.SSLContext` objects from a `TLSConfiguration`, exactly as asked or not at all.

Nothing is remembered: a server that makes a new context from the same configuration reads every file again.
"""

import ssl
import warnings as _warnings

from dcmecho import causes
from dcmecho.errors import LocalError, UsageError
from dcmecho.text import quote

from . import files, rules
from .certificate import PeerCertificate, date_text, days_text
from .configuration import CHAIN, DER, IGNORE, NO_CRL, REQUIRE, TLSConfiguration
from .der import SEQUENCE, DERError, Reader
from .dh import FFDHE2048
from .profiles import CLIENT, EC, MINIMUM_DH_BITS, SERVER, addition_warnings, with_additions
from .suites import SUITES, TLS_1_2, TLS_1_3, VERSION_NAMES, Suite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ALPN_NAME = "dicom"  # PS3.8 9.1.4 and the IANA registry of ALPN protocol identifiers

_HAS_VERSION = {0x0301: ssl.HAS_TLSv1, 0x0302: ssl.HAS_TLSv1_1, 0x0303: ssl.HAS_TLSv1_2, 0x0304: ssl.HAS_TLSv1_3}
_MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
_TOO_WEAK = ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK")


def client_context(configuration: TLSConfiguration, warnings: list[str] | None = None) -> ssl.SSLContext:
    """Return a context for connecting; what is worth a warning is added to `warnings`.

    Pass `configuration.wire_server_name` as `server_hostname` when a connection is wrapped.

    Raises `LocalError` for files that cannot be used and for what the TLS library cannot do, `UsageError` for
    settings that make no sense for a client.
    """
    if configuration.expected_server_name is not None:
        raise UsageError("only a server can expect a server name")
    notes: list[str] = [] if warnings is None else warnings
    context = _new_context(configuration, CLIENT, notes)
    if configuration.key_file is not None:
        _load_own(context, configuration, CLIENT, notes)
    _load_trust(context, configuration, notes)
    if configuration.dh_parameters is not None:
        _read_dh(configuration, configuration.dh_parameters, notes)
    if configuration.peer_authentication != IGNORE:
        context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = configuration.verify_host_name is not None
    if configuration.alpn:
        context.set_alpn_protocols([ALPN_NAME])
    return context


def server_context(configuration: TLSConfiguration, warnings: list[str] | None = None) -> ssl.SSLContext:
    """Return a context for accepting; what is worth a warning is added to `warnings`.

    Raises `LocalError` for files that cannot be used and for what the TLS library cannot do, `UsageError` for
    settings that make no sense for a server.
    """
    if configuration.key_file is None:
        raise UsageError("a TLS server needs a private key and its certificate")
    if configuration.wire_server_name is not None:
        raise UsageError("only a client can ask for a server name or verify a host name")
    notes: list[str] = [] if warnings is None else warnings
    context = _new_context(configuration, SERVER, notes)
    _load_own(context, configuration, SERVER, notes)
    _load_trust(context, configuration, notes)
    _load_dh(context, configuration, notes)
    if configuration.peer_authentication != IGNORE:
        required = configuration.peer_authentication == REQUIRE
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    # A resumed session would skip the client's certificate, and what has been revoked since.
    context.num_tickets = 0
    if configuration.alpn:
        context.set_alpn_protocols([ALPN_NAME])
    if configuration.expected_server_name is not None:
        context.sni_callback = _name_check(configuration.expected_server_name)
    return context


def _name_check(expected: str) -> "Callable[[ssl.SSLObject, str | None, ssl.SSLContext], int | None]":
    def check(_connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        if name is None or name.lower() == expected.lower():
            return None
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    return check


# Versions and suites


def library_name() -> str:
    """Return name and version of the TLS library: ``OpenSSL 3.0.19``."""
    return " ".join(ssl.OPENSSL_VERSION.split()[:2])


def _new_context(configuration: TLSConfiguration, role: str, notes: list[str]) -> ssl.SSLContext:
    profile = configuration.profile
    for version in range(profile.minimum, profile.maximum + 1):
        if not _HAS_VERSION[version]:
            raise _unavailable(configuration, VERSION_NAMES[version])
    suites = with_additions(profile, configuration.ciphers, role)
    context = _bare_context(ssl.PROTOCOL_TLS_CLIENT if role == CLIENT else ssl.PROTOCOL_TLS_SERVER)
    probe = context if role == CLIENT else _bare_context(ssl.PROTOCOL_TLS_CLIENT)
    for each in (context, probe):
        _set_versions(each, profile.minimum, profile.maximum)
        _set_suites(each, suites, configuration)
    offered = _offered_codes(probe)
    named = [suite for suite in suites if suite.iana in configuration.ciphers or suite.openssl in configuration.ciphers]
    for suite in suites:
        if suite.code in offered:
            continue
        if suite not in profile.optional or suite in named or not offered.intersection(s.code for s in suites):
            raise _unavailable(configuration, suite.iana)
        notes.append(f"{suite.iana} of profile {profile.name} is left out: {library_name()} does not have it here")
    notes.extend(addition_warnings(profile, configuration.ciphers))
    return context


def _bare_context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # DICOM has no use for it, and each renegotiation costs a server a whole handshake.
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def _set_versions(context: ssl.SSLContext, minimum: int, maximum: int) -> None:
    if minimum >= TLS_1_2:
        context.minimum_version = ssl.TLSVersion(minimum)
    else:
        # Python warns about these versions; whoever asks for such a profile knows.
        with _warnings.catch_warnings():
            _warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion(minimum)
    context.maximum_version = ssl.TLSVersion(maximum)


def _set_suites(context: ssl.SSLContext, suites: tuple[Suite, ...], configuration: TLSConfiguration) -> None:
    names = ":".join(suite.openssl for suite in suites)
    try:
        context.set_ciphers(f"{names}:@SECLEVEL={configuration.security_level}")
    except ssl.SSLError as problem:
        raise _unavailable(configuration, suites[0].iana) from problem


def _offered_codes(context: ssl.SSLContext) -> frozenset[int]:
    """Return the numbers of the suites in the hello that a client with `context` would send.

    Only the hello tells the truth: the library silently drops what its security level or a policy of the system does
    not allow.
    """
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing)
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        pass
    except ssl.SSLError:
        return frozenset()
    return frozenset(hello_suites(outgoing.read()))


def hello_suites(record: bytes) -> list[int]:
    """Return the cipher suites of a ClientHello in its record (RFC 8446 4.1.2), in their order."""
    # Bytes: 5 record header, 4 handshake header, 2 version, 32 random, then the session id with its length.
    at = 44 + record[43]
    length = int.from_bytes(record[at : at + 2], "big")
    at += 2
    return [int.from_bytes(record[here : here + 2], "big") for here in range(at, at + length, 2)]


def _unavailable(configuration: TLSConfiguration, what: str) -> LocalError:
    profile = configuration.profile
    level = " at security level 2 (strict)" if configuration.strict else ""
    hint = "use another profile that the peer has too (+ph lists them)"
    return LocalError(
        causes.TLS_PROFILE_UNAVAILABLE,
        f"profile {profile.name} ({profile.short}) with {what}, which {library_name()} does not offer here{level}",
        hint=hint,
    )


def list_ciphers() -> list[tuple[str, str, tuple[str, ...]]]:
    """Return the suites that this TLS library can use: IANA name, versions, the profiles that have it.

    Suites of TLS 1.3 are not among them: they cannot be chosen one by one.
    """
    from .profiles import PROFILES

    context = _bare_context(ssl.PROTOCOL_TLS_CLIENT)
    _set_versions(context, min(v for v, there in _HAS_VERSION.items() if there), TLS_1_2)
    context.set_ciphers(":".join(suite.openssl for suite in SUITES) + ":@SECLEVEL=0")
    offered = _offered_codes(context)
    return [
        (
            suite.iana,
            "TLS 1.2" if suite.since == TLS_1_2 else "TLS 1.0-1.2",
            tuple(profile.name for profile in PROFILES if suite in profile.client),
        )
        for suite in SUITES
        if suite.code in offered
    ]


# Our own key and certificate


def _load_own(context: ssl.SSLContext, configuration: TLSConfiguration, role: str, notes: list[str]) -> None:
    certificate_file, key_file = configuration.certificate_file, configuration.key_file
    if certificate_file is None or key_file is None:
        return
    chain = files.read_certificates(certificate_file, configuration.certificate_format, "certificate")
    key = files.read_key(key_file, configuration.key_format)
    _judge_own(configuration, certificate_file, chain[0], role, notes)
    password = files.password_bytes(configuration.password, key_file) if key.encrypted else b""
    text = b"".join(block.text for block in chain)
    try:
        with files.Material(text) as certificate_path, files.Material(key.text) as key_path:
            # Never None, which would let the library itself ask on the terminal.
            context.load_cert_chain(certificate_path, key_path, password=password)
    except ssl.SSLError as problem:
        raise _own_failure(problem, certificate_file, key_file, text, key.encrypted) from problem


def _judge_own(configuration: TLSConfiguration, path: str, block: files.Block, role: str, notes: list[str]) -> None:
    profile = configuration.profile
    try:
        certificate = PeerCertificate(files.first_element(block.der))
    except DERError as problem:
        raise files.invalid(path, "certificate", f"cannot be read ({problem})") from problem
    refusals, remarks = rules.judge(profile, certificate, rules.OWN, role)
    if refusals:
        raise files.invalid(path, "certificate", f"{'; '.join(refusals)}: profile {profile.name} does not allow it")
    notes.extend(f"our certificate {quote(path)}: {remark}" for remark in remarks)
    _own_dates(configuration, path, certificate, notes)
    if role == SERVER:
        _own_key_fits(configuration, certificate, notes)


def _own_dates(configuration: TLSConfiguration, path: str, certificate: PeerCertificate, notes: list[str]) -> None:
    import time

    now = time.time()
    if certificate.not_before > now:
        notes.append(f"our certificate {quote(path)} is not valid before {date_text(certificate.not_before)}")
    days = certificate.days_left(now)
    if days < 0:
        notes.append(f"our certificate {quote(path)} expired on {date_text(certificate.not_after)}")
    elif days < configuration.expiry_warning_days:
        notes.append(f"our certificate {quote(path)} expires in {days_text(days)}, {date_text(certificate.not_after)}")


def _own_key_fits(configuration: TLSConfiguration, certificate: PeerCertificate, notes: list[str]) -> None:
    """Refuse a server whose kind of key no suite of the profile can use: every handshake would fail."""
    profile = configuration.profile
    needed = {"RSA": "RSA", "DSA": "DSS"}.get(certificate.key, "ECDSA")
    suites = with_additions(profile, configuration.ciphers, SERVER)
    if any(suite.authentication == needed for suite in suites):
        return
    if profile.maximum < TLS_1_3 or certificate.key == "DSA":
        raise LocalError(
            causes.TLS_PROFILE_UNAVAILABLE,
            f"profile {profile.name} ({profile.short}) has no cipher suite for a server's {certificate.key} key",
            hint="use another profile or another kind of key",
        )
    notes.append(f"with an {certificate.key} key, profile {profile.name} serves clients of TLS 1.3 only")


def _own_failure(
    problem: ssl.SSLError, certificate_file: str, key_file: str, text: bytes, encrypted: bool
) -> LocalError:
    reason = problem.reason or ""
    if reason in _MISMATCHES:
        detail = f"{files.named(key_file)} and {files.named(certificate_file)}"
        return LocalError(causes.TLS_KEY_MISMATCH, detail, path=key_file)
    if reason in _TOO_WEAK:
        return files.invalid(certificate_file, "certificate", f"too weak for the profile ({_words(problem)})")
    if not _loads(text):
        return files.invalid(certificate_file, "certificate", f"cannot be loaded ({_words(problem)})")
    if encrypted:
        return LocalError(causes.TLS_KEY_PASSWORD, files.named(key_file), path=key_file)
    return files.invalid(key_file, "private key", f"cannot be loaded ({_words(problem)})")


def _loads(certificates: bytes) -> bool:
    """Tell whether the library takes `certificates`, so that the fault lies with the key."""
    try:
        with files.Material(certificates) as path:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return False
    return True


def _words(problem: ssl.SSLError) -> str:
    return (problem.reason or str(problem)).replace("_", " ").lower()


# Whom we trust


def _load_trust(context: ssl.SSLContext, configuration: TLSConfiguration, notes: list[str]) -> None:
    for path, form in configuration.ca_files:
        _load_blocks(context, files.read_trust(path, form), path, "CA certificate")
    for path, form in configuration.ca_directories:
        _load_directory(context, path, form, notes)
    for path, form in configuration.crl_files:
        _load_blocks(context, files.read_crls(path, form), path, "revocation list")
    if configuration.crl_check != NO_CRL:
        chain = configuration.crl_check == CHAIN
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN if chain else ssl.VERIFY_CRL_CHECK_LEAF
    trusted = configuration.ca_files or configuration.ca_directories
    if not trusted and configuration.peer_authentication != IGNORE:
        notes.append("no CA certificate is given (+cf, +cd): no certificate of a peer will be trusted")


def _load_blocks(context: ssl.SSLContext, blocks: list[files.Block], path: str, role: str) -> None:
    try:
        with files.Material(b"".join(block.text for block in blocks)) as loadable:
            context.load_verify_locations(cafile=loadable)
    except ssl.SSLError as problem:
        raise files.invalid(path, role, f"cannot be loaded ({_words(problem)})") from problem


def _load_directory(context: ssl.SSLContext, path: str, form: str, notes: list[str]) -> None:
    certificates, lists = files.hashed_files(path)
    if not certificates:
        notes.append(f"CA directory {quote(path)} has no certificate under its hash (openssl rehash): nothing is used")
    if form != DER:
        context.load_verify_locations(capath=path)
        return
    for file in certificates:
        _load_blocks(context, files.read_trust(file, DER), file, "CA certificate")
    for file in lists:
        _load_blocks(context, files.read_crls(file, DER), file, "revocation list")


# Ephemeral Diffie-Hellman


def _load_dh(context: ssl.SSLContext, configuration: TLSConfiguration, notes: list[str]) -> None:
    path = configuration.dh_parameters
    parameters = FFDHE2048
    if path is not None:
        own = _read_dh(configuration, path, notes)
        if configuration.profile.name == "bcp195-ex":
            notes.append(f"DH parameters {quote(path)} are not used: profile bcp195-ex prescribes its own group")
        else:
            parameters = own
    suites = with_additions(configuration.profile, configuration.ciphers, SERVER)
    if path is None and not any(suite.exchange == "DHE" for suite in suites):
        return
    try:
        with files.Material(parameters) as loadable:
            context.load_dh_params(loadable)
    except ssl.SSLError as problem:
        raise files.invalid(path or "", "DH parameters", f"cannot be loaded ({_words(problem)})") from problem


def _read_dh(configuration: TLSConfiguration, path: str, notes: list[str]) -> bytes:
    role = "DH parameters"
    blocks = files.pem_blocks(files.read_file(path, role), path, role)
    for block in blocks:
        if not block.label.endswith("DH PARAMETERS"):
            continue
        try:
            bits = Reader(block.der).nested(SEQUENCE).integer().bit_length()
        except DERError as problem:
            raise files.invalid(path, role, f"cannot be read ({problem})") from problem
        if bits < MINIMUM_DH_BITS:
            remark = f"a group of {bits} bit, less than {MINIMUM_DH_BITS}"
            if EC in configuration.profile.refuses:
                raise files.invalid(path, role, f"{remark}: profile {configuration.profile.name} does not allow it")
            notes.append(f"{role} {quote(path)}: {remark}")
        return block.text
    raise files.invalid(path, role, "holds no DH parameters in PEM")
