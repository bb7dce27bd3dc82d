"""``-lc FILE``: logging as a file says. Loaded only when that option is given.

The file is a configuration of Python's `logging` (INI, JSON or TOML) or a DCMTK `logger.cfg`; its content tells
which. What they mean here is in docs/reference/logging.md.
"""

from __future__ import annotations

import logging
import sys

from dcmecho.causes import INPUT_FILE_INVALID, INPUT_FILE_UNREADABLE
from dcmecho.errors import LocalError
from dcmecho.text import escape

from .problem import Problem
from .properties import TRACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FILE_SIZE = 1024 * 1024
"""Bytes: DCMTK's own commented example has 7 KB."""

_INI_SECTIONS = ("[loggers]", "[handlers]", "[formatters]")  # `fileConfig` wants all three


def configure(path: str, *, application: str) -> None:
    """Set up `logging` as the file `path` says, for `application` (``"echoscu"`` or ``"echoscp"``).

    Raises `LocalError`: INPUT_FILE_UNREADABLE, INPUT_FILE_INVALID (file, line where one is to blame, and reason), or
    OUTPUT_FILE_UNWRITABLE with the log file as `path`.
    """
    text = _read(path)
    logging.addLevelName(TRACE, "TRACE")
    try:
        kind = kind_of(text)
        if kind == "log4cplus":
            from . import log4cplus

            log4cplus.configure(text, application)
        else:
            from . import pythonic

            {"ini": pythonic.configure_ini, "json": pythonic.configure_json, "toml": pythonic.configure_toml}[kind](
                text
            )
    except Problem as problem:
        where = path if problem.line is None else f"{path}, line {problem.line}"
        raise LocalError(INPUT_FILE_INVALID, f"{where}: {problem.text}", path=path) from problem
    _report_failures_once()


def kind_of(text: str) -> str:
    """Return what kind of configuration `text` is: ``"log4cplus"``, ``"ini"``, ``"json"`` or ``"toml"``."""
    lines = [line for line in map(str.strip, text.split("\n")) if line and line[0] not in "#;"]
    if not lines:
        raise Problem("the file has no settings")
    if lines[0].startswith("{"):
        return "json"
    if any(line.lower().startswith("log4cplus.") for line in lines):
        return "log4cplus"
    if any(line in _INI_SECTIONS for line in lines) and any(line.startswith("keys") for line in lines):
        return "ini"
    if any(line.startswith(("[", "version")) for line in lines):
        return "toml"
    raise Problem(
        "neither a configuration of Python's logging (INI with [loggers], JSON, or TOML with a version) nor a"
        " logger.cfg (log4cplus.rootLogger = ...)"
    )


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_SIZE + 1)
    except (OSError, ValueError) as error:  # a ValueError is a name that no file can have
        reason = getattr(error, "strerror", None) or str(error)
        raise LocalError(INPUT_FILE_UNREADABLE, f"{path}: {reason}", path=path) from error
    if len(data) > MAX_FILE_SIZE:
        raise LocalError(INPUT_FILE_INVALID, f"{path}: larger than {MAX_FILE_SIZE} bytes", path=path)
    if b"\0" in data:
        raise LocalError(INPUT_FILE_INVALID, f"{path}: not a text file", path=path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # a logger.cfg has no encoding, and its comments may be in any


def _report_failures_once() -> None:
    """Let a handler that fails say so once, instead of with a traceback for every record, and go on."""
    loggers = [each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    for logger in (logging.root, *loggers):
        for handler in logger.handlers:
            if type(handler).handleError is logging.Handler.handleError:
                vars(handler)["handleError"] = _failure_reporter(handler)


def _failure_reporter(handler: logging.Handler) -> Callable[[logging.LogRecord], None]:
    target = getattr(handler, "path", None) or getattr(handler, "baseFilename", None) or type(handler).__name__
    reported = False

    def report(record: logging.LogRecord) -> None:
        nonlocal reported
        del record
        if reported:
            return
        reported = True
        error = sys.exc_info()[1]
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        try:
            print(f"E: cannot log to {escape(str(target))}: {escape(reason)} (said once)", file=sys.stderr, flush=True)
        except (OSError, ValueError):  # standard error is what failed, or is closed: there is nobody to tell
            return

    return report
