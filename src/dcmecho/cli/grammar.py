"""The grammar of the command line: words in, `Arguments` out."""

from dcmecho.errors import UsageError
from dcmecho.text import quote

from .options import Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Occurrence = tuple[Option, tuple[str, ...]]

MAX_COMMAND_FILE = 1024 * 1024
"""Largest command file, in bytes. Ours: no command line comes near it, and a device or a log is not read to its end."""

REQUESTS = ("help", "version", "list_ciphers", "list_profiles")
"""What can be asked for instead of a run; of several on one line, the first of these is answered."""

_BLANKS = " \t\r\n\f\v"


class Arguments:
    """A command line as understood: a value for every key of the command's options and parameters.

    `occurrences` are the options as they came, from left to right, each with its words. `parameters` are the words
    that belong to no option. `request` is what was asked for instead of a run (one of REQUESTS), or None. If it is
    not None, the rest of the line may be wrong: only `occurrences` and `parameters` can be relied upon.
    """

    __slots__ = ("_given", "_problem", "_typed", "_values", "command", "occurrences", "parameters", "request")

    def __init__(self, command: Command, words: "Iterable[str]") -> None:
        self.command = command
        self.occurrences: tuple[Occurrence, ...] = ()
        self.parameters: tuple[str, ...] = ()
        self.request: str | None = None
        self._values: dict[str, Any] = command.defaults()
        self._given: set[str] = set()
        self._typed: dict[Option, str] = {}
        self._problem = ""
        self._read(words)
        if self.request is None:
            self._finish()

    def given(self, key: str) -> bool:
        """Whether the command line itself says what `key` is; False where its default stands."""
        return key in self._given

    def typed(self, option: Option) -> str:
        """Return the name under which `option` stands on the command line (the last one)."""
        return self._typed[option]

    def text(self, key: str) -> str:
        value: str = self._values[key]
        return value

    def optional_text(self, key: str) -> str | None:
        value: str | None = self._values[key]
        return value

    def number(self, key: str) -> int:
        value: int = self._values[key]
        return value

    def seconds(self, key: str) -> float | None:
        """Return a limit of time in seconds; None is without limit."""
        value: float | None = self._values[key]
        return value

    def flag(self, key: str) -> bool:
        value: bool = self._values[key]
        return value

    def all(self, key: str) -> tuple[str, ...]:
        """Return every value of an option that collects, or both words of `key_and_certificate`."""
        value: tuple[str, ...] = self._values[key]
        return value

    def _read(self, words: "Iterable[str]") -> None:
        """Tell options from parameters. Only the first problem is kept: a later `--help` makes it void."""
        index = self.command.index()
        occurrences: list[Occurrence] = []
        parameters: list[str] = []
        remaining = iter(self._expand(words))
        for word in remaining:
            option = index.get(word)
            if option is not None:
                taken = tuple([value for _, value in zip(option.values, remaining, strict=False)])
                if len(taken) < len(option.values):
                    self._note(f"option {word}: missing value {option.values[len(taken)]}")
                    break
                occurrences.append((option, taken))
                self._take(option, word, taken)
            elif word.startswith(("-", "+")):
                self._note(_unknown_option(word, index))
            else:
                parameters.append(word)
        self.occurrences = tuple(occurrences)
        self.parameters = tuple(parameters)
        requests = [option.request for option, _ in occurrences if option.request]
        if requests:
            self.request = min(requests, key=REQUESTS.index)

    def _expand(self, words: "Iterable[str]") -> list[str]:
        """Replace each ``@file`` by the words of that file, also where an option's value is expected."""
        expanded: list[str] = []
        for word in words:
            if not word.startswith("@"):
                expanded.append(word)
                continue
            try:
                expanded += read_command_file(word[1:])
            except UsageError as error:
                self._note(str(error))
        return expanded

    def _note(self, problem: str) -> None:
        self._problem = self._problem or problem

    def _take(self, option: Option, typed: str, words: tuple[str, ...]) -> None:
        """Let one occurrence of an option have its effect."""
        self._typed[option] = typed
        values = self._values
        convert = option.convert
        converted: tuple[object, ...] = words
        if convert is not None:
            try:
                converted = tuple([convert(word) for word in words])
            except ValueError as error:
                self._note(f"option {typed}: {error}")
                return
        for key in option.excludes:
            values[key] = self.command.defaults()[key]
            self._given.discard(key)
        if option.words_key:
            values[option.words_key] = converted
        if option.collects:
            values[option.key] += converted
        elif words and not option.words_key:
            values[option.key] = converted[0]
        else:
            values[option.key] = option.const
        self._given.add(option.key)
        if option.implies:
            values[option.implies] = True

    def _finish(self) -> None:
        if self._problem:
            raise UsageError(self._problem)
        self._bind_parameters()
        if any(group.tls and not self._typed.keys().isdisjoint(group.options) for group in self.command.groups):
            from .rules import check

            check(self)

    def _bind_parameters(self) -> None:
        wanted = self.command.parameters
        for parameter, word in zip(wanted, self.parameters, strict=False):
            try:
                self._values[parameter.name] = parameter.convert(word)
            except ValueError as error:
                raise UsageError(f"parameter {parameter.name}: {error}") from None
            self._given.add(parameter.name)
        if len(self.parameters) > len(wanted):
            raise UsageError(f"surplus parameter: {quote(self.parameters[len(wanted)])}")
        if self.given("verify_cert") or self.given("is_root_cert"):
            return
        missing = [each for each in wanted[len(self.parameters) :] if each.is_needed is None or each.is_needed(self)]
        if missing:
            taken = (
                " (+tls takes the two words after it as KEY and CERT)"
                if self._values.get("key_and_certificate")
                else ""
            )
            raise UsageError(f"missing parameter: {missing[0].name}{taken}")


def parse(command: Command, words: "Iterable[str]") -> Arguments:
    """Return what the words after the command's name mean.

    UsageError: the first thing that is wrong with them, in one line; not raised where something is asked for that is
    answered whatever else is on the line (`Arguments.request`).
    """
    return Arguments(command, words)


def read_command_file(path: str) -> list[str]:
    """Return the words of a command file: UTF-8, at most MAX_COMMAND_FILE bytes.

    White space separates words. A word that begins with a single or double quotation mark ends at the next such mark,
    may hold anything else between, and is never taken for a further command file.
    UsageError: it cannot be read, is too large, is no text, or its quotation marks do not match.
    """
    where = f"command file {quote(path)}: "
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_COMMAND_FILE + 1)
    except OSError as error:
        raise UsageError(f"{where}{error.strerror or error}") from None
    except ValueError:
        raise UsageError(f"{where}no file can have this name") from None
    if len(data) > MAX_COMMAND_FILE:
        raise UsageError(f"{where}larger than {MAX_COMMAND_FILE} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise UsageError(f"{where}holds a NUL character")
    return _split(text, where)


def _split(text: str, where: str) -> list[str]:
    words: list[str] = []
    position, end = 0, len(text)
    while position < end:
        first = text[position]
        stop = position + 1
        problem = ""
        if first in _BLANKS:
            position = stop
            continue
        if first in "'\"":
            stop = text.find(first, stop)
            words.append(text[position + 1 : stop])
            if stop < 0:
                problem = "a quotation mark is not closed"
            elif stop + 1 < end and text[stop + 1] not in _BLANKS:
                problem = "no white space after a closing quotation mark"
            stop += 1
        else:
            while stop < end and text[stop] not in _BLANKS:
                stop += 1
            words.append(text[position:stop])
            if first == "@":
                problem = "a command file cannot name another one"
        if problem:
            line = text.count("\n", 0, position) + 1
            raise UsageError(f"{where}line {line}: {problem}")
        position = stop
    return words


def _unknown_option(word: str, index: dict[str, Option]) -> str:
    from .help import suggestion

    return f"unknown option {quote(word)}{suggestion(word, index)}"
