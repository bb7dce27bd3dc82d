"""A configuration of Python's `logging`: INI for `fileConfig`, JSON or TOML for `dictConfig`.

Such a file can name any class and, by design of `logging.config`, run any code: it is trusted as a program is.
"""

from __future__ import annotations

import configparser
import logging.config

from dcmecho.causes import OUTPUT_FILE_UNWRITABLE
from dcmecho.errors import LocalError

from .problem import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def configure_ini(text: str) -> None:
    """Set up `logging` from an INI text; `Problem` or `LocalError` if that cannot be done."""
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text)
    except configparser.ParsingError as error:  # one of its kinds has a line of its own, the others a list of them
        line = getattr(error, "lineno", None) or (error.errors[0][0] if error.errors else None)
        raise Problem("not a valid INI file: this line is no section and no setting", line) from error
    except configparser.Error as error:
        raise Problem(f"not a valid INI file: {_told(error)}", getattr(error, "lineno", None)) from error
    try:
        # Loggers that exist are ours, and must go on.
        logging.config.fileConfig(parser, disable_existing_loggers=False)
    except Exception as error:  # the file names classes and arguments: they may raise anything
        raise _failure(error) from error


def configure_json(text: str) -> None:
    """Set up `logging` from a JSON text; `Problem` or `LocalError` if that cannot be done."""
    import json

    try:
        settings = json.loads(text)
    except json.JSONDecodeError as error:
        raise Problem(f"not valid JSON: {error.msg}, at column {error.colno}", error.lineno) from error
    except RecursionError as error:
        raise Problem("not usable JSON: nested too deeply") from error
    _configure(settings)


def configure_toml(text: str) -> None:
    """Set up `logging` from a TOML text; `Problem` or `LocalError` if that cannot be done."""
    import tomllib

    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Problem(f"not valid TOML: {error}") from error  # the text of the error tells the line
    except RecursionError as error:
        raise Problem("not usable TOML: nested too deeply") from error
    _configure(settings)


def _configure(settings: dict[str, Any]) -> None:
    settings.setdefault("disable_existing_loggers", False)
    try:
        logging.config.dictConfig(settings)
    except Exception as error:  # the file names classes and arguments: they may raise anything
        raise _failure(error) from error


def _failure(error: BaseException) -> Problem | LocalError:
    """Return what `error`, raised by `logging.config`, means: a file that cannot be written, or a bad setting."""
    told = []
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and isinstance(seen.filename, str):
            path = seen.filename
            return LocalError(OUTPUT_FILE_UNWRITABLE, f"{path}: {seen.strerror}", path=path)
        told.append(_told(seen))
        seen = seen.__cause__
    return Problem(": ".join(told))


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, KeyError):
        return f"{text} is missing"
    return text or type(error).__name__
