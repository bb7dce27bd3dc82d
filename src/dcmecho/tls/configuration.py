"""What a user can ask of TLS, checked for sense but without touching a file. Does not import `ssl`."""

from dcmecho.errors import UsageError
from dcmecho.text import quote

from .profiles import CLIENT, DEFAULT, find_profile, with_additions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Path = str
    FormattedPath = tuple[str, str]
    Password = str | bytes | Callable[[], str | bytes] | None

PEM = "pem"
DER = "der"
FORMATS = (PEM, DER)

REQUIRE = "require"
VERIFY = "verify"
IGNORE = "ignore"
PEER_AUTHENTICATIONS = (REQUIRE, VERIFY, IGNORE)

NO_CRL = "none"
LEAF = "leaf"
CHAIN = "chain"
CRL_CHECKS = (NO_CRL, LEAF, CHAIN)

EXPIRY_WARNING_DAYS = 30
MAXIMUM_NAME = 253  # RFC 1035 2.3.4, without the final dot


class TLSConfiguration:
    """Settings for one side of TLS; immutable by agreement, and good for any number of contexts.

    `profile` is a name of `dcmecho.tls.profiles`. `key_file` and `certificate_file` are ours, each ``"pem"`` or
    ``"der"``; the certificate file may hold intermediate certificates. A server needs both; a client without them is
    anonymous (DCMTK's ``+tla``). `password` is text, bytes or a function that is called only if the key is encrypted.

    `ca_files`, `ca_directories` and `crl_files` are paths, or pairs of path and format where that is not PEM.
    `crl_check` is ``"none"``, ``"leaf"``
    or ``"chain"``; with revocation lists, ``"none"`` means ``"leaf"``, because lists that nobody looks at would
    protect nobody. `peer_authentication`: ``"require"`` a valid certificate; ``"verify"`` one if it is sent (for a
    client the same, since servers always send one); ``"ignore"`` it (a server then does not ask for one).

    `ciphers` are suites to add to the profile's, by IANA or OpenSSL name. `dh_parameters` replaces a server's
    built-in group. `server_name` is what a client asks for (SNI), `expected_server_name` what a server accepts,
    whatever its case; a client that asks for none is accepted. `verify_host_name` is the name or address that a
    server's certificate must be for; it is then sent as the server name too, unless it is an address.

    `expiry_warning_days` bounds the warnings about certificates that end soon; 0 turns them off. `alpn` offers or
    selects the name ``dicom``. `strict` asks the TLS library for its security level 2 (112 bits everywhere, no SHA-1)
    whatever the profile says.

    Raises `UsageError` for values that make no sense, alone or together.
    """

    __slots__ = (
        "alpn",
        "ca_directories",
        "ca_files",
        "certificate_file",
        "certificate_format",
        "ciphers",
        "crl_check",
        "crl_files",
        "dh_parameters",
        "expected_server_name",
        "expiry_warning_days",
        "key_file",
        "key_format",
        "password",
        "peer_authentication",
        "profile",
        "server_name",
        "strict",
        "verify_host_name",
    )

    def __init__(
        self,
        *,
        profile: str = DEFAULT,
        key_file: "Path | None" = None,
        certificate_file: "Path | None" = None,
        key_format: str = PEM,
        certificate_format: str = PEM,
        password: "Password" = None,
        ca_files: "Iterable[FormattedPath | Path]" = (),
        ca_directories: "Iterable[FormattedPath | Path]" = (),
        crl_files: "Iterable[FormattedPath | Path]" = (),
        crl_check: str = NO_CRL,
        peer_authentication: str = REQUIRE,
        ciphers: "Iterable[str]" = (),
        dh_parameters: "Path | None" = None,
        server_name: str | None = None,
        expected_server_name: str | None = None,
        verify_host_name: str | None = None,
        expiry_warning_days: float = EXPIRY_WARNING_DAYS,
        alpn: bool = True,
        strict: bool = False,
    ) -> None:
        self.profile = find_profile(profile)
        self.key_file = key_file
        self.certificate_file = certificate_file
        self.key_format = _one_of("key_format", key_format, FORMATS)
        self.certificate_format = _one_of("certificate_format", certificate_format, FORMATS)
        self.password = password
        self.ca_files = _paths("ca_files", ca_files)
        self.ca_directories = _paths("ca_directories", ca_directories)
        self.crl_files = _paths("crl_files", crl_files)
        self.crl_check = _one_of("crl_check", crl_check, CRL_CHECKS)
        if self.crl_files and self.crl_check == NO_CRL:
            self.crl_check = LEAF
        self.peer_authentication = _one_of("peer_authentication", peer_authentication, PEER_AUTHENTICATIONS)
        self.ciphers = tuple(ciphers)
        self.dh_parameters = dh_parameters
        self.server_name = server_name
        self.expected_server_name = expected_server_name
        self.verify_host_name = verify_host_name
        self.expiry_warning_days = expiry_warning_days
        self.alpn = alpn
        self.strict = strict
        self._check()

    def _check(self) -> None:
        with_additions(self.profile, self.ciphers, CLIENT)
        if (self.key_file is None) != (self.certificate_file is None):
            raise UsageError("a private key and its certificate are needed together")
        for setting, name in (("server_name", self.server_name), ("expected_server_name", self.expected_server_name)):
            if name is not None:
                _check_server_name(setting, name)
        if self.verify_host_name is not None:
            if not is_address(self.verify_host_name):
                _check_server_name("verify_host_name", self.verify_host_name)
            if self.peer_authentication == IGNORE:
                raise UsageError("a host name cannot be verified when the peer's certificate is ignored")
            if self.server_name is not None and self.server_name.lower() != self.verify_host_name.lower():
                raise UsageError(
                    f"the server name to ask for, {quote(self.server_name)}, and the name to verify,"
                    f" {quote(self.verify_host_name)}, must be the same: this TLS library cannot tell them apart"
                )

    @property
    def security_level(self) -> int:
        """OpenSSL's security level for this configuration."""
        return max(self.profile.security_level, 2 if self.strict else 0)

    @property
    def wire_server_name(self) -> str | None:
        """What a client passes to `ssl` as `server_hostname` (None: nothing is sent, nothing compared)."""
        return self.verify_host_name if self.verify_host_name is not None else self.server_name


def is_address(name: str) -> bool:
    """Tell whether `name` is an IPv4 or IPv6 address and not a name."""
    parts = name.split(".")
    return ":" in name or (len(parts) == 4 and all(part.isdecimal() for part in parts))


def _one_of(setting: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise UsageError(f"{setting} is one of {', '.join(allowed)}, not {quote(str(value))}")
    return value


def _paths(setting: str, pairs: "Iterable[FormattedPath | Path]") -> "tuple[FormattedPath, ...]":
    checked = []
    for pair in pairs:
        path, form = (pair, PEM) if isinstance(pair, str) else pair
        checked.append((path, _one_of(f"{setting} format", form, FORMATS)))
    return tuple(checked)


def _check_server_name(setting: str, name: str) -> None:
    if is_address(name):
        raise UsageError(f"{setting}: {quote(name)} is an address; only names can be asked for (RFC 6066 3)")
    labels = name.split(".")
    if len(name) > MAXIMUM_NAME or not name.isascii() or not all(_is_label(label) for label in labels):
        raise UsageError(f"{setting}: {quote(name)} is not a host name; write one that is not ASCII in its xn-- form")


def _is_label(label: str) -> bool:
    return 0 < len(label) <= 63 and all(character.isalnum() or character in "-_" for character in label)
