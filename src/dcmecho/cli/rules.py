"""What TLS options demand of each other. Loaded only when one of them is on the command line."""

from dcmecho.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .grammar import Arguments

_WITHOUT_TLS = frozenset({"transport", "no_sni", "request_sni", "expect_sni", "verify_cert", "is_root_cert"})
"""TLS options that may stand on a line without TLS."""

_OFFLINE = frozenset({"ca_files", "ca_directories", "crl_files", "crl_leaf", "crl_chain", "file_format"})
"""TLS options that need no TLS where a certificate is checked offline."""


class Rule:
    """If an option of `key` is given, `holds` must be true; if not, `reason` says what is wrong with that option."""

    __slots__ = ("holds", "key", "reason")

    def __init__(self, key: str, holds: "Callable[[Arguments], bool]", reason: str) -> None:
        self.key = key
        self.holds = holds
        self.reason = reason


RULES = (
    Rule("key_password", lambda given: given.text("transport") == "tls", "needs +tls (--enable-tls)"),
    Rule("write_seed", lambda given: given.given("seed_file"), "needs +rs (--seed)"),
    Rule("write_seed_file", lambda given: given.given("seed_file"), "needs +rs (--seed)"),
    Rule(
        "ciphers",
        lambda given: given.text("profile") not in ("8996-mod", "bcp195-ex"),
        "no cipher suite can be added to the profiles +pm and +pz",
    ),
    Rule("no_sni", lambda given: not given.given("request_sni"), "contradicts --request-sni"),
    Rule(
        "verify_cert",
        lambda given: _has_tls(given) or given.given("ca_files") or given.given("ca_directories"),
        "needs trusted certificates: +cf (--add-cert-file) or +cd (--add-cert-dir)",
    ),
)


def check(arguments: "Arguments") -> None:
    """Hold a command line against the rules. UsageError: the first that it breaks."""
    for rule in RULES:
        if arguments.given(rule.key) and not rule.holds(arguments):
            raise UsageError(f"option {_typed(arguments, rule.key)}: {rule.reason}")
    if not _has_tls(arguments):
        _check_without_tls(arguments)


def _check_without_tls(arguments: "Arguments") -> None:
    free = _WITHOUT_TLS
    if arguments.given("verify_cert") or arguments.given("is_root_cert"):
        free |= _OFFLINE
    tls_options = {option for group in arguments.command.groups if group.tls for option in group.options}
    for option, _ in arguments.occurrences:
        if option in tls_options and option.key not in free:
            ways = [each.label for each in arguments.command.options if each.const in ("tls", "anonymous")]
            raise UsageError(f"option {arguments.typed(option)}: needs {' or '.join(ways)}")


def _has_tls(arguments: "Arguments") -> bool:
    return arguments.text("transport") != "plain"


def _typed(arguments: "Arguments", key: str) -> str:
    return next(arguments.typed(option) for option, _ in reversed(arguments.occurrences) if option.key == key)


def files(arguments: "Arguments", key: str) -> tuple[tuple[str, str], ...]:
    """Return the paths that `key` stands for, each with its format, ``"pem"`` or ``"der"``.

    `key` is `key_and_certificate` (none, or both), `ca_files`, `ca_directories`, `crl_files`, `verify_cert` or
    `is_root_cert` (none, or one). The format is that of the last `-pem` or `-der` before it on the command line.
    """
    file_format = "pem"
    found: list[tuple[str, str]] = []
    for option, words in arguments.occurrences:
        if option.key == "file_format":
            file_format = str(option.const)
        elif key in (option.words_key or option.key, *option.excludes):
            found = found if option.collects else []
            found += [(word, file_format) for word in words]
    return tuple(found)
