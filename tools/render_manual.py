"""Manual pages from the option tables, and the prose around them."""

from dcmecho import __version__
from dcmecho.cli.help import EXAMPLES, EXIT_CODES, describe
from dcmecho.cli.options import Command, Option
from dcmecho.cli.table_scp import ECHOSCP
from dcmecho.cli.table_scu import ECHOSCU
from dcmecho.uids import PROPOSABLE_TRANSFER_SYNTAXES, TRANSFER_SYNTAX_NAMES

DATE = "2026-11-20"
"""When the words of the pages last changed."""

_INPUT_LINE = 78
_BOLD = {name for command in (ECHOSCU, ECHOSCP) for option in command.options for name in option.names}

_DESCRIPTION = {
    "echoscu": """
echoscu asks a DICOM peer for an association with the Verification service, sends it one or more C-ECHO
requests, checks the status of each answer and releases the association. It tells whether a peer can be
reached, whether it accepts these AE titles, and whether it answers; and if not, at which step that failed,
why, and on whose side.

peer is a name, an IPv4 or an IPv6 address (in brackets or not). Every address of a name is tried. port is its
TCP port, 1 to 65535. Neither is needed with +vc and +rc.

A run that succeeds prints nothing, unless it is asked to.
""",
    "echoscp": """
echoscp listens on a TCP port, accepts associations that propose the Verification service, and answers every
C-ECHO request with the status Success. It serves many associations at once, until SIGINT or SIGTERM: then it
takes no new ones, gives those that are open a short time to end, and exits.

port is the TCP port, 1 to 65535; 0 takes a free one and says which. It is not needed with +vc and +rc.

Whatever AE title a peer calls us by is accepted, and so is every transfer syntax of the standard that can be
proposed for the Verification service. What else is proposed is refused, context by context. A message other
than C-ECHO aborts its association.
""",
}

_GRAMMAR = """
An option begins with - or +, and the sign belongs to its name: -rc and +rc are two options. Long names cannot
be abbreviated. A value is the word after the option, whatever it begins with. Options and parameters may come
in any order. Of options that exclude each other, and of one option given twice, the last counts; those that
may be repeated collect their values.

A wrong command line is told in one line, and nothing has been sent by then. --help, --version, +cc and +ph
are answered whatever else is on the line.
"""

_COMMAND_FILES = """
A word @FILE, anywhere on the command line, is replaced by the words in FILE: UTF-8 text in which white space
separates words. A word in single or double quotation marks may hold white space, and may begin with @. A
command file cannot name another one.
"""

_TLS_NOTES = """
Options under a heading that begins with TLS need {ways}, except -tls, those about the server name in the
handshake, and those that print something and exit. Options for trusted certificates, revocation lists and
file formats may also be used with +vc and +rc alone.

-pem and -der hold for the files that are named after them. A password given with +pw can be seen by other
users of the machine while the program runs; without any of the three the program asks for one if the key is
encrypted.

What a TLS library cannot offer (3DES, suites without encryption, TLS 1.0) is an error that says so. There is
never a connection that is weaker than what was asked for.
"""

_LOGGING = """
Messages go to standard error, each line with a letter in front: F: (fatal), E: (error), W: (warning), I:
(information), D: (debug) or T: (trace). Warnings and everything above are shown by default. The one line that
says why a run failed is an F: line, which -q shows too. Text that comes from a peer is shown with its control
characters escaped.

The file of -lc can direct messages to files, to files that rotate, or to the system log. Its kind is told
from its content: a configuration of Python's logging package (INI for fileConfig, JSON or TOML for
dictConfig), or a logger.cfg of DCMTK (log4cplus properties).
"""

_SIGNALS = (
    (
        "SIGINT, SIGTERM",
        "Take no new associations, give those that stand 5 seconds to end, exit with 0. A second one ends them now.",
    ),
    (
        "SIGHUP",
        "Load key, certificates and revocation lists anew. If they cannot be used, the old ones stay in force.",
    ),
    ("SIGUSR1", "Write the counters to the log."),
)
"""Signals that echoscp takes, and what they do."""

_DCMDICTPATH = """
Data dictionaries in DCMTK's format, separated by colons (semicolons on Windows), which name elements in the
output of -d. It is an error if this is set and none of them can be loaded. If it is not set, the names built
in are used.
"""

_DIFFERENCES = {
    "echoscu": """
Command lines written for echoscu of DCMTK (3.6.0 and later) and of pynetdicom work here. What is different:

An echo that is answered with a status other than Success, and an association that is lost or aborted, are
failures (62, 70); there they can end with 0.

A name is resolved to IPv6 addresses too, and all of its addresses are tried.

Seconds may have decimals. 0 is refused where it would mean to wait for nothing; -ts and -tn take it for none.

--json, --deadline and --verify-hostname are ours.
""",
    "echoscp": """
Command lines written for echoscp of pynetdicom work here. DCMTK has no echoscp; the TLS options are those of
its servers. What is different:

Any number of associations is served at once.

A preferred transfer syntax is accepted wherever in its context it is proposed.
""",
}
_TLS_DIFFERENCES = """
-pem and -der hold for the files that follow; in DCMTK the last one holds for all files.

Revocation lists may be DER, and DER keys may be encrypted.

A file of revocation lists or trusted certificates that cannot be used ends the run; DCMTK goes on without it.

+vc needs no TLS option if trusted certificates are given. It and +rc warn of what DCMTK passes over.
"""

_STANDARDS = """
DICOM PS3.4 Annex A (Verification service), PS3.7 9.1.5 and 9.3.5 (C-ECHO), PS3.8 (associations), PS3.15 Annex
B (TLS profiles).
"""


def manual_page(command: Command) -> str:
    """Return the manual page of a command, for the man macros of groff and mandoc."""
    name = command.name
    other = "echoscp" if name == "echoscu" else "echoscu"
    lines = [
        '.\\" Made by tools/render.py from the option table: change that, not this.',
        f'.TH {name.upper()} 1 "{DATE}" "dcmecho {__version__}" "dcmecho"',
        ".SH NAME",
        f"{name} \\- {_roff(command.summary)}",
        ".SH SYNOPSIS",
        f".B {name}",
        ".RI [ options ]",
        ".I " + " ".join([parameter.name for parameter in command.parameters]),
        *_section("DESCRIPTION", _DESCRIPTION[name]),
        *_section("OPTIONS", _GRAMMAR),
        *_options(command),
        *_section("TLS", _tls_notes(command)),
        *_section("COMMAND FILES", _COMMAND_FILES),
        *(_transfer_syntaxes() if name == "echoscu" else ()),
        *_section("LOGGING", _LOGGING),
        ".SH EXIT STATUS",
    ]
    for code, meaning in EXIT_CODES[name]:
        lines += [".TP 5", f".B {code}", *_filled(f"{_capitalized(meaning)}.")]
    lines += [".SH ENVIRONMENT", ".TP", ".B DCMDICTPATH", *_filled(_DCMDICTPATH)]
    if name == "echoscp":
        lines.append(".SH SIGNALS")
        for signals, effect in _SIGNALS:
            lines += [".TP", f".B {signals}", *_filled(effect)]
    lines.append(".SH EXAMPLES")
    for example, meaning in EXAMPLES[name]:
        lines += [".TP", f".B {_roff(example)}", *_filled(f"{_capitalized(meaning)}.")]
    lines += [*_differences(command), *_section("STANDARDS", _STANDARDS), ".SH SEE ALSO", f".BR {other} (1)"]
    return "\n".join(lines) + "\n"


def _section(title: str, text: str) -> list[str]:
    lines = [f".SH {title}"]
    for number, paragraph in enumerate(_paragraphs(text)):
        lines += [".PP"] * (number > 0) + _filled(paragraph)
    return lines


def _paragraphs(text: str) -> list[str]:
    return text.strip().split("\n\n")


def _options(command: Command) -> list[str]:
    lines: list[str] = []
    defaults = command.defaults()
    for group in command.groups:
        title = f"TLS: {group.title}" if group.tls and group.title != "TLS" else group.title
        lines.append(f'.SS "{_roff(_capitalized(title))}"')
        for option in group.options:
            lines += [".TP", _tag(option), *_filled(f"{_capitalized(describe(option, defaults))}.")]
    return lines


def _tag(option: Option) -> str:
    names = ", ".join([f"\\fB{_roff(name)}\\fR" for name in option.names])
    return " ".join([names, *[f"\\fI{value}\\fR" for value in option.values]])


def _tls_notes(command: Command) -> str:
    ways = [option.names[0] for option in command.options if option.key == "transport" and option.const != "plain"]
    return _TLS_NOTES.format(ways=" or ".join(ways))


def _transfer_syntaxes() -> list[str]:
    lines = [*_section("TRANSFER SYNTAXES", "What -pts N proposes are the first N of these, in this order:"), ".PD 0"]
    for number, uid in enumerate(PROPOSABLE_TRANSFER_SYNTAXES, 1):
        lines += [".TP 5", f"{number}", *_filled(f"{uid} {TRANSFER_SYNTAX_NAMES[uid]}")]
    return [*lines, ".PD"]


def _differences(command: Command) -> list[str]:
    intro, *items = _paragraphs(_DIFFERENCES[command.name])
    lines = [".SH DIFFERENCES", *_filled(intro)]
    for item in [*items, *_paragraphs(_TLS_DIFFERENCES)]:
        lines += [".IP \\(bu 3", *_filled(item)]
    return lines


def _capitalized(text: str) -> str:
    return text[0].upper() + text[1:]


def _filled(text: str) -> list[str]:
    """Return a paragraph in input lines of at most 80 characters, with the names of options in bold."""
    lines: list[str] = []
    for word in text.split():
        bare = word.strip("(),;:.")
        marked = _roff(word)
        if bare in _BOLD:
            marked = marked.replace(_roff(bare), f"\\fB{_roff(bare)}\\fR")
        if lines and len(lines[-1]) + 1 + len(marked) <= _INPUT_LINE:
            lines[-1] += f" {marked}"
        else:
            lines.append(marked)
    return [f"\\&{line}" if line.startswith((".", "'")) else line for line in lines]


def _roff(text: str) -> str:
    """Return a text in which a backslash is one, and a hyphen the character of the keyboard."""
    return text.replace("\\", "\\e").replace("-", "\\-")
