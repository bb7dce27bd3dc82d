"""The commands' log: one letter, colon and text on standard error, or Python's `logging` if `-lc` asks for it."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dcmecho.errors import VerificationError

FATAL = 50
ERROR = 40
WARN = 30
INFO = 20
DEBUG = 10
TRACE = 5

LEVELS = {"fatal": FATAL, "error": ERROR, "warn": WARN, "info": INFO, "debug": DEBUG, "trace": TRACE}
_LETTERS = {FATAL: "F", ERROR: "E", WARN: "W", INFO: "I", DEBUG: "D", TRACE: "T"}

NETWORK = "dcmnet"
SECURITY = "dcmtls"

_STEP_WORDS = {
    "setup": "Cannot start",
    "resolve": "Looking up the host failed",
    "connect": "Connecting failed",
    "tls": "TLS failed",
    "associate": "Association failed",
    "echo": "Echo failed",
    "release": "Release failed",
}


def failure_line(error: "VerificationError") -> str:
    """Return what the `F:` line says of a failure: the step, the cause, and what to try."""
    line = f"{_STEP_WORDS[error.step]}: {error}"
    return f"{line}. Hint: {error.hint}" if error.hint else line


class Log:
    """Writes lines at or above a level. `application` is the command's name.

    Text is written as it is: what came from outside has been escaped by who put it there. A text of several lines gets
    the letter on each.
    """

    def __init__(self, application: str, level: int = WARN) -> None:
        self.application = application
        self.level = level

    def is_enabled(self, level: int) -> bool:
        """Tell whether a line of that level would be written (by any of our loggers)."""
        return level >= self.level

    def write(self, level: int, text: str, source: str = "") -> None:
        """Write a line; `source` is `NETWORK`, `SECURITY` or, for the command itself, empty."""
        del source
        if level < self.level:
            return
        letter = _LETTERS[level]
        try:
            sys.stderr.write("".join([f"{letter}: {line}\n" for line in text.split("\n")]))
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):  # full, closed, or never there
            self.level = FATAL + 1  # nobody reads what we say: the exit code still tells

    def fatal(self, text: str) -> None:
        self.write(FATAL, text)

    def error(self, text: str, source: str = "") -> None:
        self.write(ERROR, text, source)

    def warn(self, text: str, source: str = "") -> None:
        self.write(WARN, text, source)

    def info(self, text: str, source: str = "") -> None:
        self.write(INFO, text, source)

    def debug(self, text: str, source: str = "") -> None:
        self.write(DEBUG, text, source)


class ConfiguredLog(Log):
    """Hands lines to Python's `logging`, which a configuration file has set up."""

    def __init__(self, application: str) -> None:
        super().__init__(application)
        import logging

        names = {"": application, NETWORK: NETWORK, SECURITY: SECURITY}
        self._loggers = {source: logging.getLogger(f"dcmecho.{name}") for source, name in names.items()}

    def is_enabled(self, level: int) -> bool:
        return any(logger.isEnabledFor(level) for logger in self._loggers.values())

    def write(self, level: int, text: str, source: str = "") -> None:
        self._loggers[source].log(level, "%s", text)


def open_log(application: str, level: str, config: str | None) -> Log:
    """Return the log that the command line asks for. LocalError if its configuration file is not good."""
    if config is None:
        return Log(application, LEVELS[level])
    from .logconfig import configure

    configure(config, application=application)
    return ConfiguredLog(application)
