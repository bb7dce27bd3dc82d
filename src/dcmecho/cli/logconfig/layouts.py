"""log4cplus' layouts as `logging` formatters.

Each line of a record's message is laid out on its own, so that every line of a dump begins alike. What a formatter
here returns holds its line ends already: a pattern without ``%n`` writes none, as in log4cplus.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time

from .problem import Problem, shown
from .properties import TRACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .properties import Properties

    Converter = Callable[[logging.LogRecord, str], str]

MAX_WIDTH = 1000
"""Columns that a conversion may be padded to: no line of a log is wider."""

NO_MAXIMUM = MAX_WIDTH + 1
"""Stands for a conversion that is not cut: a maximum that is written is at most MAX_WIDTH."""

DEFAULT_DATE = "%Y-%m-%d %H:%M:%S"

_LEVEL_NAMES = ((50, "FATAL"), (40, "ERROR"), (30, "WARN"), (20, "INFO"), (10, "DEBUG"))


def level_name(number: int) -> str:
    """Return DCMTK's name of a level of `logging`; a level between two has the name of the lower one."""
    for least, name in _LEVEL_NAMES:
        if number >= least:
            return name
    return "TRACE" if number >= TRACE else "ALL"


def dcmtk_name(name: str) -> str:
    """Return the name by which a `logger.cfg` knows the logger `name`."""
    if name in ("dcmecho.echoscu", "dcmecho.echoscp"):
        return "dcmtk.apps." + name.removeprefix("dcmecho.")
    if name == "dcmecho" or name.startswith("dcmecho."):
        return "dcmtk" + name.removeprefix("dcmecho")
    return name


def format_time(created: float, pattern: str, *, utc: bool) -> str:
    """Return a time as `strftime` does, with ``%q`` (milliseconds, 214) and ``%Q`` (milliseconds, 214.132) besides."""
    microseconds = int(created * 1_000_000) % 1_000_000
    parts = []
    position = 0
    while position < len(pattern):
        piece = pattern[position : position + 2] if pattern[position] == "%" else pattern[position]
        position += len(piece)
        if piece == "%q":
            piece = f"{microseconds // 1000:03d}"
        elif piece == "%Q":
            piece = f"{microseconds // 1000:03d}.{microseconds % 1000:03d}"
        parts.append(piece)
    return time.strftime("".join(parts), time.gmtime(created) if utc else time.localtime(created))


def _check_date(pattern: str, line: int) -> str:
    try:
        format_time(0.5, pattern, utc=True)
    except ValueError as error:  # includes text that the C library cannot be given
        raise Problem(f"{shown(pattern)} is no date format: {error}", line) from None
    return pattern


class LineLayout(logging.Formatter):
    """Base of the layouts: `format_line` lays out one line of a message."""

    each_line = True

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        lines = message.split("\n") if self.each_line else [message]
        return "".join([self.format_line(record, line) for line in lines])

    def format_line(self, record: logging.LogRecord, line: str) -> str:
        raise NotImplementedError


class SimpleLayout(LineLayout):
    """``INFO - text``"""

    def format_line(self, record: logging.LogRecord, line: str) -> str:
        return f"{level_name(record.levelno)} - {line}\n"


class TTCCLayout(LineLayout):
    """``time [thread] INFO logger <> - text``; time is milliseconds since the start unless a date format is given."""

    def __init__(self, properties: Properties) -> None:
        super().__init__()
        date = properties.take("DateFormat")
        self._date = _check_date(date.value, date.line) if date else ""
        self._utc = properties.boolean("Use_gmtime", default=False)
        self._thread = properties.boolean("ThreadPrinting", default=True)
        self._category = properties.boolean("CategoryPrefixing", default=True)
        self._context = properties.boolean("ContextPrinting", default=True)

    def format_line(self, record: logging.LogRecord, line: str) -> str:
        when = format_time(record.created, self._date, utc=self._utc) if self._date else _relative(record, line)
        parts = [when]
        if self._thread:
            parts.append(f"[{record.thread}]")
        parts.append(level_name(record.levelno))
        if self._category:
            parts.append(dcmtk_name(record.name))
        if self._context:
            parts.append("<>")
        return " ".join(parts) + f" - {line}\n"


class PatternLayout(LineLayout):
    """A line as a conversion pattern says (`ConversionPattern`, or its old name `Pattern`)."""

    def __init__(self, properties: Properties) -> None:
        super().__init__()
        old = properties.take("Pattern")
        pattern = properties.take("ConversionPattern") or old
        if pattern is None:
            raise Problem(f"{properties.owner} needs a ConversionPattern", properties.line)
        each = properties.take("FormatEachLine")
        if each and each.value not in ("yes", "no"):
            raise Problem(f"FormatEachLine must be yes or no, not {shown(each.value)}", each.line)
        self.each_line = each is None or each.value == "yes"
        self._converters = compile_pattern(pattern.value or "%m", pattern.line)

    def format_line(self, record: logging.LogRecord, line: str) -> str:
        return "".join([convert(record, line) for convert in self._converters])


def simple_layout(properties: Properties) -> LineLayout:
    """Return a SimpleLayout, which has no settings."""
    del properties
    return SimpleLayout()


LAYOUTS: dict[str, Callable[[Properties], LineLayout]] = {
    "log4cplus::SimpleLayout": simple_layout,
    "log4cplus::TTCCLayout": TTCCLayout,
    "log4cplus::PatternLayout": PatternLayout,
}


def _relative(record: logging.LogRecord, line: str) -> str:
    del line
    return str(max(0, int(record.relativeCreated)))


def _nothing(record: logging.LogRecord, line: str) -> str:
    del record, line
    return ""


# Conversions without an option, by their letter.
_SIMPLE: dict[str, Converter] = {
    "b": lambda record, _: os.path.basename(record.pathname),
    "F": lambda record, _: record.pathname,
    "i": lambda record, _: str(record.process),
    "l": lambda record, _: f"{record.pathname}:{record.lineno}",
    "L": lambda record, _: str(record.lineno),
    "m": lambda _, line: line,
    "M": lambda record, _: record.funcName or "",
    "n": lambda _, __: "\n",
    "p": lambda record, _: level_name(record.levelno),
    "P": lambda record, _: level_name(record.levelno)[0],
    "r": _relative,
    "t": lambda record, _: str(record.thread),
    "T": lambda _, __: str(threading.get_native_id()),  # handlers run in the thread that logs
    "x": _nothing,  # nested and mapped diagnostic contexts: always empty here
}


def compile_pattern(pattern: str, line: int) -> list[Converter]:
    """Return what makes one line of a log according to `pattern`; `Problem` for what cannot be understood."""
    return _PatternCompiler(pattern, line).compile()


class _PatternCompiler:
    def __init__(self, pattern: str, line: int) -> None:
        self._pattern = pattern
        self._line = line
        self._position = 0

    def compile(self) -> list[Converter]:
        converters: list[Converter] = []
        while self._position < len(self._pattern):
            percent = self._pattern.find("%", self._position)
            if percent < 0 or percent == len(self._pattern) - 1:  # a last % stands for itself
                percent = len(self._pattern)
            if percent > self._position:
                converters.append(_literal(self._pattern[self._position : percent]))
            self._position = percent + 1
            if percent < len(self._pattern):
                converters.append(self._conversion())
        return converters

    def _conversion(self) -> Converter:
        if self._peek() == "%":
            self._position += 1
            return _literal("%")
        left = False
        while self._peek() == "-":
            left = True
            self._position += 1
        least = self._width() if self._peek().isdecimal() else 0
        most = NO_MAXIMUM
        if self._peek() == ".":
            self._position += 1
            if not self._peek().isdecimal():
                raise self._problem("a width must follow the dot")
            most = self._width()
        converter = self._converter(self._peek())
        return converter if least == 0 and most == NO_MAXIMUM else _fitted(converter, least, most, left)

    def _converter(self, letter: str) -> Converter:
        self._position += 1
        if letter in _SIMPLE:
            return _SIMPLE[letter]
        if letter == "c":
            return _logger_name(self._precision())
        if letter in ("d", "D"):
            return _date(_check_date(self._option() or DEFAULT_DATE, self._line), utc=letter == "d")
        if letter in ("h", "H"):
            return _literal(_full_hostname() if letter == "H" else socket.gethostname())
        if letter == "X":
            self._option()
            return _nothing
        raise self._problem(f"there is no conversion %{letter}" if letter else "a conversion is not complete")

    def _peek(self) -> str:
        return self._pattern[self._position : self._position + 1]

    def _width(self) -> int:
        start = self._position
        while self._peek().isdecimal():
            self._position += 1
        digits = self._pattern[start : self._position]
        if not digits.isascii() or len(digits) > 4 or int(digits) > MAX_WIDTH:
            raise self._problem(f"a width must be at most {MAX_WIDTH}")
        return int(digits)

    def _option(self) -> str:
        if self._peek() != "{":
            return ""
        end = self._pattern.find("}", self._position)
        if end < 0:
            raise self._problem('"{" without "}"')
        option = self._pattern[self._position + 1 : end]
        self._position = end + 1
        return option

    def _precision(self) -> int:
        option = self._option()
        if option and not (option.isascii() and option.isdigit() and len(option) <= 3):
            raise self._problem(f"%c takes a number of name parts, not {shown(option)}")
        return int(option or "0")

    def _problem(self, text: str) -> Problem:
        return Problem(f"pattern {shown(self._pattern)}, at character {self._position}: {text}", self._line)


def _literal(text: str) -> Converter:
    return lambda _, __: text


def _full_hostname() -> str:
    # Not socket.getfqdn: it answers "localhost" where the name has no address that leads back to it.
    name = socket.gethostname()
    try:
        return socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)[0][3] or name
    except OSError:
        return name


def _logger_name(parts: int) -> Converter:
    if parts == 0:
        return lambda record, _: dcmtk_name(record.name)
    return lambda record, _: ".".join(dcmtk_name(record.name).split(".")[-parts:])


def _date(pattern: str, *, utc: bool) -> Converter:
    return lambda record, _: format_time(record.created, pattern, utc=utc)


def _fitted(converter: Converter, least: int, most: int, left: bool) -> Converter:
    def fitted(record: logging.LogRecord, line: str) -> str:
        text = converter(record, line)
        if most < NO_MAXIMUM and len(text) > most:
            return text[len(text) - most :]  # the end is what tells names apart, so log4cplus keeps that
        return text.ljust(least) if left else text.rjust(least)

    return fitted
