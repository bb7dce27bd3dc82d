"""The settings of a `logger.cfg`: ``name = value`` lines, ``${...}`` in them, and their types.

The format is that of log4cplus' properties as DCMTK reads it: ``#`` begins a comment line, white space around
names and values is dropped, there is no line continuation, a later setting replaces an earlier one.
"""

from __future__ import annotations

import os
import socket
import time

from .problem import Problem, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_EXPANDED = 8192
"""Characters that a value may have after expansion: longer than any file name or pattern that means something."""

MAX_DEPTH = 32
"""Variables within variables: far more than a person writes, far less than Python's recursion limit."""

TRACE = 5
OFF = 60  # above FATAL, the highest level that is ever logged
LEVELS = {"OFF": OFF, "FATAL": 50, "ERROR": 40, "WARN": 30, "INFO": 20, "DEBUG": 10, "TRACE": TRACE, "ALL": 1}
"""log4cplus' names of levels and the numbers `logging` compares. (0 would mean "inherited", so ALL is 1.)"""

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class Setting:
    """One ``key = value`` and the number of its line, counted from 1."""

    __slots__ = ("key", "line", "value")

    def __init__(self, key: str, value: str, line: int) -> None:
        self.key = key
        self.value = value
        self.line = line


def parse(text: str) -> list[Setting]:
    """Return the settings of `text` in their order, not expanded; `Problem` for a line that is none."""
    settings = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        key = key.rstrip()
        if not equals and key.split()[0].lower() == "include":
            raise Problem("include is not understood: put all settings into one file", number)
        if not equals or not key:
            raise Problem(f"not understood: {shown(line)} is neither a comment nor name = value", number)
        settings.append(Setting(key, value.lstrip(), number))
    return settings


def predefined(application: str) -> dict[str, str]:
    """Return the variables that DCMTK defines before it reads the file; date and time are local."""
    now = time.localtime()
    return {
        "appname": application,
        "date": time.strftime("%Y%m%d", now),
        "time": time.strftime("%H%M%S", now),
        "pid": str(os.getpid()),
        "hostname": socket.gethostname(),
    }


def expand(settings: Iterable[Setting], given: Mapping[str, str], environ: Mapping[str, str]) -> list[Setting]:
    """Return `settings` with every ``${NAME}`` in names and values replaced.

    NAME is looked for in `given`, then among the settings themselves, then in `environ`; what is found nowhere, or
    is empty, stays as it is written (as in log4cplus). Settings may refer to settings, but not in a circle.
    """
    settings = list(settings)
    expander = _Expander({setting.key: setting.value for setting in settings}, given, environ)
    result = []
    for setting in settings:
        try:
            key, value = expander.expand(setting.key, ()), expander.expand(setting.value, (setting.key,))
        except _CannotExpand as error:
            raise Problem(str(error), setting.line) from None
        result.append(Setting(key, value, setting.line))
    return result


class _CannotExpand(Exception):
    pass


class _Expander:
    def __init__(self, values: Mapping[str, str], given: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._values = values
        self._given = given
        self._environ = environ
        self._known: dict[str, str | None] = {}  # without it, settings that double each other take exponential time

    def expand(self, text: str, within: tuple[str, ...]) -> str:
        parts = []
        position = 0
        while (start := text.find("${", position)) >= 0:
            end = text.find("}", start)
            if end < 0:
                raise _CannotExpand(f'"${{" without "}}" in {shown(text)}')
            value = self._value(text[start + 2 : end], within)
            parts += [text[position:start], text[start : end + 1] if value is None else value]
            position = end + 1
        parts.append(text[position:])
        if sum(map(len, parts)) > MAX_EXPANDED:
            raise _CannotExpand(f"the value is longer than {MAX_EXPANDED} characters")
        return "".join(parts)

    def _value(self, name: str, within: tuple[str, ...]) -> str | None:
        if name in within:
            circle = " -> ".join((*within[within.index(name) :], name))
            raise _CannotExpand(f"variables refer to each other in a circle: {circle}")
        if len(within) >= MAX_DEPTH:
            raise _CannotExpand(f"variables refer to each other more than {MAX_DEPTH} deep")
        if name not in self._known:
            value = self._given.get(name) or self.expand(self._values.get(name, ""), (*within, name))
            self._known[name] = value or self._environ.get(name) or None
        return self._known[name]


class Properties:
    """The settings of one thing (an appender, a layout, a filter), taken one by one.

    Names are looked up in any letter case. `owner` names the thing in messages, `line` is where it is defined.
    """

    def __init__(self, owner: str, line: int, settings: Mapping[str, Setting]) -> None:
        self.owner = owner
        self.line = line
        self._settings = {name.lower(): setting for name, setting in settings.items()}

    def take(self, name: str) -> Setting | None:
        """Return the setting `name`, and count it as understood."""
        return self._settings.pop(name.lower(), None)

    def text(self, name: str, default: str = "") -> str:
        setting = self.take(name)
        return default if setting is None else setting.value

    def boolean(self, name: str, default: bool) -> bool:
        setting = self.take(name)
        if setting is None:
            return default
        truth = _TRUTH.get(setting.value.lower())
        if truth is None:
            raise Problem(f"{name} must be true or false, not {shown(setting.value)}", setting.line)
        return truth

    def number(self, name: str, default: int, low: int, high: int) -> int:
        setting = self.take(name)
        if setting is None:
            return default
        value = setting.value
        if not (value.isascii() and value.isdigit()) or len(value) > 9 or not low <= int(value) <= high:
            raise Problem(f"{name} must be a number from {low} to {high}, not {shown(value)}", setting.line)
        return int(value)

    def level(self, name: str, default: int) -> int:
        setting = self.take(name)
        return default if setting is None else level_number(setting.value, setting.line)

    def ignore(self, *names: str) -> None:
        """Count `names` as understood; they change nothing here."""
        for name in names:
            self.take(name)

    def part(self, name: str, owner: str, line: int) -> Properties:
        """Return the settings whose names begin with `name` and a dot, without that beginning."""
        prefix = name.lower() + "."
        chosen = [key for key in self._settings if key.startswith(prefix)]
        return Properties(owner, line, {key[len(prefix) :]: self._settings.pop(key) for key in chosen})

    def finish(self) -> None:
        """Raise `Problem` for the first setting that was not taken."""
        for setting in sorted(self._settings.values(), key=lambda each: each.line):
            raise Problem(f"{self.owner} has no setting {shown(setting.key.rpartition('.')[2])}", setting.line)


def level_number(name: str, line: int) -> int:
    """Return the number of the level `name`, in any letter case; `Problem` if there is none."""
    number = LEVELS.get(name.upper())
    if number is None:
        raise Problem(f"{shown(name)} is no log level; there are {', '.join(LEVELS)}", line)
    return number
