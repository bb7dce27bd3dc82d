"""log4cplus' appenders as `logging` handlers.

A handler is made in two steps: `prepare` checks all settings and touches nothing, the function that it returns
opens files and sockets. So a configuration with a mistake in its last line has no effect.
"""

from __future__ import annotations

import logging
import os
import sys

from .files import SCHEDULES, DailyRollingFileHandler, FileHandler, RollingFileHandler
from .filters import chain
from .layouts import LAYOUTS, LineLayout, SimpleLayout
from .problem import Problem, shown
from .syslogs import FACILITIES, RemoteSysLogHandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from .properties import Properties, Setting

    Maker = Callable[[], logging.Handler]

MIN_ROLLING_SIZE = 200 * 1024
DEFAULT_ROLLING_SIZE = 10 * 1024 * 1024
"""log4cplus' limits; a smaller MaxFileSize means the minimum."""

MAX_BACKUPS = 10_000


class ConsoleHandler(logging.Handler):
    """Standard output or standard error."""

    def __init__(self, stream: TextIO, *, immediate_flush: bool) -> None:
        super().__init__()
        self._stream = stream
        self._immediate = immediate_flush

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            encoding = self._stream.encoding or "utf-8"
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            if self._immediate:
                self.flush()
        except Exception:  # noqa: BLE001 - a record that cannot be written must not end the program
            self.handleError(record)

    def flush(self) -> None:
        self._stream.flush()


def prepare(properties: Properties, kind: Setting, application: str) -> Maker:
    """Return the function that makes the handler which `kind` names; `Problem` if its settings are not understood."""
    if kind.value not in _KINDS:
        raise Problem(f"there is no appender {shown(kind.value)}; there are {', '.join(_KINDS)}", kind.line)
    threshold = properties.level("Threshold", 0)
    layout = _layout(properties)
    decide = chain(properties.part("filters", "the filters", kind.line))
    make = _KINDS[kind.value](properties, application)
    # ReopenDelay: a file is opened again with the next record. BufferSize, Locale: as Python has them.
    properties.ignore("ImmediateFlush", "ReopenDelay", "BufferSize", "Locale")
    properties.finish()

    def handler() -> logging.Handler:
        made = make()
        made.setLevel(threshold)
        made.setFormatter(layout)
        if decide is not None:
            made.addFilter(decide)
        return made

    return handler


def _layout(properties: Properties) -> LineLayout:
    kind = properties.take("layout")
    if kind is None:
        return SimpleLayout()
    if kind.value not in LAYOUTS:
        raise Problem(f"there is no layout {shown(kind.value)}; there are {', '.join(LAYOUTS)}", kind.line)
    own = properties.part("layout", kind.value.removeprefix("log4cplus::"), kind.line)
    layout = LAYOUTS[kind.value](own)
    own.finish()
    return layout


def _console(properties: Properties, application: str) -> Maker:
    del application
    to_stderr = properties.boolean("logToStderr", default=False)
    immediate = properties.boolean("ImmediateFlush", default=False)
    return lambda: ConsoleHandler(sys.stderr if to_stderr else sys.stdout, immediate_flush=immediate)


def _path(properties: Properties) -> str:
    setting = properties.take("File")
    if setting is None or not setting.value:
        raise Problem(f"{properties.owner} needs the name of a File", setting.line if setting else properties.line)
    return os.path.abspath(setting.value)


def _file(properties: Properties, application: str) -> Maker:
    del application
    path = _path(properties)
    append = properties.boolean("Append", default=False)
    immediate = properties.boolean("ImmediateFlush", default=True)
    return lambda: FileHandler(path, append=append, immediate_flush=immediate)


def _rolling(properties: Properties, application: str) -> Maker:
    del application
    path = _path(properties)
    append = properties.boolean("Append", default=True)
    immediate = properties.boolean("ImmediateFlush", default=True)
    size = _size(properties.take("MaxFileSize"))
    backups = max(1, properties.number("MaxBackupIndex", 1, 0, MAX_BACKUPS))
    return lambda: RollingFileHandler(path, append=append, immediate_flush=immediate, max_size=size, backups=backups)


def _size(setting: Setting | None) -> int:
    if setting is None:
        return DEFAULT_ROLLING_SIZE
    text = setting.value.upper()
    unit = {"KB": 1024, "MB": 1024 * 1024}.get(text[-2:], 1)
    digits = text if unit == 1 else text[:-2].rstrip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 12:
        raise Problem(f"MaxFileSize must be a number of bytes, KB or MB, not {shown(setting.value)}", setting.line)
    return max(MIN_ROLLING_SIZE, int(digits) * unit)


def _daily(properties: Properties, application: str) -> Maker:
    del application
    path = _path(properties)
    append = properties.boolean("Append", default=True)
    immediate = properties.boolean("ImmediateFlush", default=True)
    backups = properties.number("MaxBackupIndex", 10, 0, MAX_BACKUPS)
    schedule = properties.take("Schedule")
    name = schedule.value.upper() if schedule else "DAILY"
    if schedule and name not in SCHEDULES:
        raise Problem(f"Schedule must be {', '.join(SCHEDULES)}, not {shown(schedule.value)}", schedule.line)
    return lambda: DailyRollingFileHandler(
        path, append=append, immediate_flush=immediate, schedule=name, backups=backups
    )


def _syslog(properties: Properties, application: str) -> Maker:
    ident = properties.text("ident") or application
    facility = properties.take("facility")
    name = facility.value.lower() if facility and facility.value else "user"
    if facility and name not in FACILITIES:
        raise Problem(f"there is no syslog facility {shown(name)}", facility.line)
    number = FACILITIES[name]
    host = properties.text("host")
    port = properties.number("port", 514, 1, 65535)
    if host:
        return lambda: RemoteSysLogHandler(host, port, ident, number)
    if sys.platform != "win32":
        from .syslogs import LocalSysLogHandler

        return lambda: LocalSysLogHandler(ident, number)
    raise Problem("SysLogAppender without a host: this system has no syslog", properties.line)


def _event_log(properties: Properties, application: str) -> Maker:
    if sys.platform == "win32":
        return _windows_event_log(properties, application)
    raise Problem("NTEventLogAppender: this system has no Windows event log", properties.line)


def _windows_event_log(properties: Properties, application: str) -> Maker:
    import importlib.util

    if importlib.util.find_spec("win32evtlogutil") is None:
        raise Problem("NTEventLogAppender needs the package pywin32", properties.line)
    server = properties.take("server")
    if server and server.value:
        raise Problem("NTEventLogAppender writes to this machine's event log only: leave out server", server.line)
    log = properties.text("log") or "Application"
    source = properties.text("source") or application

    def make() -> logging.Handler:
        from logging.handlers import NTEventLogHandler

        return NTEventLogHandler(source, logtype=log)

    return make


def _null(properties: Properties, application: str) -> Maker:
    del properties, application
    return logging.NullHandler


_KINDS: dict[str, Callable[[Properties, str], Maker]] = {
    "log4cplus::ConsoleAppender": _console,
    "log4cplus::FileAppender": _file,
    "log4cplus::RollingFileAppender": _rolling,
    "log4cplus::DailyRollingFileAppender": _daily,
    "log4cplus::SysLogAppender": _syslog,
    "log4cplus::NTEventLogAppender": _event_log,
    "log4cplus::NullAppender": _null,
}
