"""From the TLS options of a command line to a `TLSConfiguration`. Loaded only when there are any."""

import sys

from dcmecho.errors import UsageError
from dcmecho.tls.configuration import DER, PEM, TLSConfiguration

from . import rules
from .log import SECURITY, Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .grammar import Arguments

_SNIFFED = 64
_LONGEST_PASSWORD = 1024

_OPTIONS = {
    "verify_host_name": "--verify-hostname",
    "server_name": "--request-sni",
    "expected_server_name": "--expect-sni",
}
"""The options behind the settings that can be wrong."""


def configuration(arguments: "Arguments") -> TLSConfiguration:
    """Return the configuration that the options ask for. UsageError, naming the option, if they make no sense."""
    try:
        return _configuration(arguments)
    except UsageError as error:
        setting, _, reason = str(error).partition(": ")
        if setting in _OPTIONS:
            raise UsageError(f"option {_OPTIONS[setting]}: {reason}") from None
        if arguments.given("ciphers"):
            raise UsageError(f"option +cs: {error}") from None
        raise


def _configuration(arguments: "Arguments") -> TLSConfiguration:
    own = files(arguments, "key_and_certificate")
    (key, key_format), (certificate, certificate_format) = own or ((None, PEM), (None, PEM))
    is_client = arguments.command.name == "echoscu"
    crl_check = "chain" if arguments.flag("crl_chain") else "leaf" if arguments.flag("crl_leaf") else "none"
    return TLSConfiguration(
        profile=arguments.text("profile"),
        key_file=key,
        certificate_file=certificate,
        key_format=key_format,
        certificate_format=certificate_format,
        password=_password(arguments, key),
        ca_files=files(arguments, "ca_files"),
        ca_directories=files(arguments, "ca_directories"),
        crl_files=files(arguments, "crl_files"),
        crl_check=crl_check,
        peer_authentication=arguments.text("peer_certificate"),
        ciphers=arguments.all("ciphers"),
        dh_parameters=arguments.optional_text("dh_parameters"),
        server_name=arguments.optional_text("request_sni") if is_client else None,
        expected_server_name=None if is_client else arguments.optional_text("expect_sni"),
        verify_host_name=arguments.optional_text("verify_hostname") if is_client else None,
        expiry_warning_days=arguments.number("expiry_warning_days"),
    )


def seed(arguments: "Arguments", log: Log) -> None:
    """Read the seed file, and write it or another, as `+rs`, `+ws` and `+wf` ask."""
    path = arguments.optional_text("seed_file")
    if path is None:
        return
    from dcmecho.errors import LocalError
    from dcmecho.tls.seeds import add_seed, write_seed

    add_seed(path)
    target = arguments.optional_text("write_seed_file") or (path if arguments.flag("write_seed") else None)
    if target is not None:
        try:
            write_seed(target)
        except LocalError as error:
            log.warn(str(error), SECURITY)


def files(arguments: "Arguments", key: str) -> tuple[tuple[str, str], ...]:
    """The files of a key with their formats.

    DCMTK lets the last `-pem` or `-der` decide for all files, ours for those that follow. So that a line written for
    DCMTK runs too, a file that is plainly in the other format is taken for what it is, if the line names a format.
    """
    found = rules.files(arguments, key)
    if not arguments.given("file_format"):
        return found
    if key == "ca_directories":
        return tuple([(path, _format_in(path) or stated) for path, stated in found])
    return tuple([(path, _format_of(path) or stated) for path, stated in found])


def _format_in(directory: str) -> str | None:
    """The format of the first certificate of a directory, if there is one."""
    from dcmecho.errors import LocalError
    from dcmecho.tls.files import hashed_files

    try:
        certificates, _ = hashed_files(directory)
    except LocalError:
        return None  # opening it for use tells why
    return _format_of(certificates[0]) if certificates else None


def _format_of(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            start = file.read(_SNIFFED)
    except OSError:
        return None  # opening it for use tells why
    if start.lstrip().startswith(b"-----BEGIN"):
        return PEM
    return DER if start[:1] == b"\x30" and start[1:2] >= b"\x80" else None


def _password(arguments: "Arguments", key: str | None) -> "str | Callable[[], str | bytes] | None":
    given = arguments.optional_text("key_password")
    if given is not None or key is None:
        return given
    answers: list[str | bytes] = []

    def ask_once() -> "str | bytes":
        """A key that is loaded again, on SIGHUP, is not asked for again."""
        if not answers:
            answers.append(_ask(key))
        return answers[0]

    return ask_once


def _ask(key: str) -> "str | bytes":
    """Ask for the password of a key: on the terminal if there is one, else a line of standard input.

    An empty password, which opens no key, where neither gives one.
    """
    if sys.stdin is None:
        return ""
    if not sys.stdin.isatty():
        stream = getattr(sys.stdin, "buffer", sys.stdin)  # as bytes, where it can be: a password need not be text
        line: str | bytes = stream.readline(_LONGEST_PASSWORD)
        return line.rstrip(b"\r\n") if isinstance(line, bytes) else line.rstrip("\r\n")
    from getpass import getpass

    from dcmecho.text import escape

    try:
        return getpass(f"Password of the private key {escape(key)}: ")
    except (EOFError, OSError):
        return ""
