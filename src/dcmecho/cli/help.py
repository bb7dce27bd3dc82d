"""What the commands tell about themselves. Loaded only when that is asked for, or an option is unknown."""

import os
import sys

from .exit_codes import ECHOSCP_CODES, ECHOSCU_CODES
from .options import Seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .grammar import Arguments
    from .options import Command, Option

MAX_WIDTH = 80
_MIN_WIDTH = 50
_COLUMN = 35
"""Where the second column of the options begins: right of most names, with more than half of a line left."""
_NARROW = 70
_NARROW_COLUMN = 10
"""The same on a terminal of fewer columns than that."""

_NOTE = "@FILE stands for the words in FILE. Of options that exclude each other, the last counts."

EXIT_CODES = {"echoscu": ECHOSCU_CODES, "echoscp": ECHOSCP_CODES}

EXAMPLES = {
    "echoscu": (
        ("echoscu -v pacs.example 104", "verify a peer, showing the steps"),
        ("echoscu -aet WS1 -aec PACS pacs.example 104", "with the AE titles that it knows"),
        ("echoscu +tla +cf ca.pem pacs.example 2762", "over TLS, without a certificate of ours"),
    ),
    "echoscp": (
        ("echoscp -v 11112", "answer on port 11112, showing associations and echoes"),
        ("echoscp +tls key.pem cert.pem +cf ca.pem 2762", "over TLS, for peers with a certificate of that CA"),
    ),
}
"""Command lines worth a look, each with what it does."""


def describe(option: "Option", defaults: dict[str, object]) -> str:
    """Return what an option does, with its limits and its default."""
    remarks = [getattr(option.convert, "limits", ""), _default_of(option, defaults[option.key])]
    remark = "; ".join([each for each in remarks if each])
    return f"{option.help} ({remark})" if remark else option.help


def _default_of(option: "Option", default: object) -> str:
    """Return the remark on the default: none where the option's own text says it, or there is nothing to say."""
    if option.collects or option.request:
        return ""
    if not option.values or option.words_key:
        return "default" if option.const == default else ""
    if default in (None, ""):
        return "default: unlimited" if isinstance(option.convert, Seconds) else ""
    return f"default: {default:g}" if isinstance(default, float) else f"default: {default}"


def help_text(command: "Command", width: int = MAX_WIDTH) -> str:
    """Return what `--help` prints, in lines of at most `width` columns (50 to 80), with a final line break."""
    width = max(_MIN_WIDTH, min(width, MAX_WIDTH))
    column = _COLUMN if width >= _NARROW else _NARROW_COLUMN
    lines = [*_wrapped(f"{command.name}: {command.summary}", width), "", f"usage: {command.synopsis}", ""]
    lines += _entries([(f"  {parameter.name}", parameter.help) for parameter in command.parameters], width, column)
    defaults = command.defaults()
    for group in command.groups:
        heading = f"TLS, {group.title}:" if group.tls and group.title != "TLS" else f"{group.title}:"
        lines += ["", *_wrapped(heading, width)]
        lines += _entries([(_label(option), describe(option, defaults)) for option in group.options], width, column)
    lines += ["", *_wrapped(_NOTE, width)]
    lines += ["", "exit codes:", *_entries([(f"  {code}", text) for code, text in EXIT_CODES[command.name]], width, 7)]
    lines += ["", "examples:"]
    for example, text in EXAMPLES[command.name]:
        lines += [*_wrapped(f"  {example}", width, 6), *[f"      {line}" for line in _wrapped(text, width - 6)]]
    return "\n".join(lines) + "\n"


def _label(option: "Option") -> str:
    """Return the names of an option in two columns, short and long, and its values."""
    short = "" if option.names[0].startswith("--") else f"{option.names[0]}, "
    names = ", ".join(option.names[1:] if short else option.names)
    return " ".join([f"  {short:<6}{names}", *option.values])


def _entries(entries: "Iterable[tuple[str, str]]", width: int, column: int) -> list[str]:
    """Return labels with a text beside each, or below where the label is too long."""
    lines: list[str] = []
    for label, text in entries:
        texts = [" " * column + line for line in _wrapped(text, width - column)]
        if len(label) <= column - 2:
            texts[0] = label + texts[0][len(label) :]
        else:
            lines.append(label)
        lines += texts
    return lines


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    """Break a text at its spaces; leading ones stay, further lines begin with `indent` of them."""
    lead = len(text) - len(text.lstrip(" "))
    lines = [" " * lead]
    for word in text.split():
        line = lines[-1]
        if line.strip() and len(line) + 1 + len(word) > width:
            lines.append(" " * indent + word)
        else:
            lines[-1] = f"{line} {word}" if line.strip() else line + word
    return lines


def terminal_width() -> int:
    """Return the columns of the terminal on standard output, MAX_WIDTH if it is none or says nothing."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or MAX_WIDTH
    except (OSError, ValueError, AttributeError):
        return MAX_WIDTH


def version_text() -> str:
    """Return what `--version` prints: the versions of this package, Python and the TLS library."""
    from dcmecho import __version__

    try:
        import ssl
    except ImportError:
        tls_library = "none"
    else:
        tls_library = ssl.OPENSSL_VERSION
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"dcmecho {__version__}\n"
        f"Python {python} ({sys.implementation.name}, {sys.platform})\n"
        f"TLS library: {tls_library}\n"
    )


def arguments_line(arguments: "Arguments") -> str:
    """Return what `--arguments` shows: the command line with long names, which a POSIX shell reads back word by word.

    Secret values are shown as three asterisks.
    """
    words = [arguments.command.name]
    for option, values in arguments.occurrences:
        words.append(option.long_name)
        words += ["***" for _ in values] if option.secret else values
    return " ".join([_shell_quoted(word) for word in [*words, *arguments.parameters]])


def _shell_quoted(word: str) -> str:
    if word.isprintable():
        return "'" + word.replace("'", "'\\''") + "'"
    # POSIX.1-2024 2.2.4: the only quoting that keeps a control character off the terminal
    quoted = "".join([_shell_escaped(character) for character in word])
    return f"$'{quoted}'"


def _shell_escaped(character: str) -> str:
    if character in "'\\":
        return "\\" + character
    if character.isprintable():
        return character
    # A surrogate stands for a byte that is not UTF-8 (PEP 383); any other comes from Windows.
    surrogates = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join([f"\\{byte:03o}" for byte in character.encode("utf-8", surrogates)])


def suggestion(word: str, index: "dict[str, Option]") -> str:
    """Return what to say after "unknown option": the name that was probably meant, if one is close, else nothing."""
    name, equals, _ = word.partition("=")
    if equals and name in index and index[name].values:
        return f" ({name} takes its value as a word of its own)"
    longer = [each for each in index if each.startswith(word)]
    if len(longer) == 1 and len(word) > 2:
        return f" (did you mean {longer[0]}?)"
    limit = 1 if len(word) < 5 else 2
    distance, nearest = min([(_distance(word, each, limit), each) for each in index])
    return f" (did you mean {nearest}?)" if distance <= limit and len(word) > 2 else ""


def _distance(one: str, other: str, limit: int) -> int:
    """Return how many characters must be inserted, deleted or replaced between two words, or a number above `limit`."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    row = list(range(len(other) + 1))
    for i, character in enumerate(one, 1):
        above, row[0] = row[0], i
        for j, wanted in enumerate(other, 1):
            above, row[j] = row[j], min(above + (character != wanted), row[j] + 1, row[j - 1] + 1)
    return row[-1]
