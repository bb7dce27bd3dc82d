"""What both commands do alike, from the words of the command line to the exit code."""

import os
import sys

from dcmecho.errors import UsageError

from . import exit_codes
from .grammar import Arguments, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from .options import Command


def understand(command: "Command", words: "list[str] | None") -> Arguments | int:
    """Return what a command line says, or the exit code if that was all: it is wrong, or asked for help."""
    _fill_standard_descriptors()
    try:
        arguments = parse(command, sys.argv[1:] if words is None else words)
        if arguments.request is None:
            if arguments.flag("arguments"):
                from .help import arguments_line

                say(arguments_line(arguments), sys.stderr)
            return arguments
    except UsageError as error:
        return complain(command.name, error)
    return answer(arguments)


def complain(name: str, error: UsageError) -> int:
    """Say what is wrong with a command line; return the exit code."""
    say(f"{name}: {error}", sys.stderr)
    say(f"Try '{name} --help'.", sys.stderr)
    return exit_codes.USAGE


def _fill_standard_descriptors() -> None:
    """Open what is closed of the descriptors 0 to 2: a socket that got such a number would be taken for a terminal."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def answer(arguments: Arguments) -> int:
    """Print what was asked for instead of a run."""
    if arguments.request in ("help", "version"):
        from .help import help_text, terminal_width, version_text

        asks_help = arguments.request == "help"
        text = help_text(arguments.command, terminal_width()) if asks_help else version_text()
    else:
        from .tls_text import ciphers_text, profiles_text

        text = ciphers_text() if arguments.request == "list_ciphers" else profiles_text()
    return exit_codes.OK if say(text.rstrip("\n"), sys.stdout) else exit_codes.OUTPUT_UNWRITABLE


def say(text: str, stream: "TextIO | None") -> bool:
    """Print a line; False if nobody takes it."""
    if stream is None:  # print() would take standard output instead
        return False
    try:
        try:
            print(text, file=stream, flush=True)
        except UnicodeEncodeError:  # a terminal or file that does not have every character
            encoding = getattr(stream, "encoding", None) or "ascii"
            print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except (OSError, ValueError):
        silence()
        return False
    return True


def silence() -> None:
    """Nobody reads standard output any more: keep Python from complaining of it when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass
