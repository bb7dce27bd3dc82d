"""A DCMTK `logger.cfg` (log4cplus properties): understood, and made the `logging` tree of this process."""

from __future__ import annotations

import logging
import os

from dcmecho.causes import OUTPUT_FILE_UNWRITABLE
from dcmecho.errors import LocalError

from .appenders import prepare
from .problem import Problem, shown
from .properties import Properties, Setting, expand, level_number, parse, predefined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .appenders import Maker

PREFIX = "log4cplus."

APPLICATIONS = ("dcmecho.echoscu", "dcmecho.echoscp")

# Settings of log4cplus itself: its own debug output, compile-time switches, the depth of contexts.
_WITHOUT_EFFECT = {"configdebug", "quietmode", "disableoverride", "ndcmaxdepth"}

_INHERITED = {"", "INHERITED", "INHERIT"}


class _Logger:
    """What the file says of one logger; `level` None is inherited."""

    __slots__ = ("additive", "appenders", "level")

    def __init__(self) -> None:
        self.level: int | None = None
        self.appenders: list[str] = []
        self.additive = True

    def inherit(self, parent: _Logger) -> None:
        """Become what this logger is below `parent`, where `parent` itself has no place."""
        if self.level is None:
            self.level = parent.level
        if self.additive:
            self.appenders = self.appenders + parent.appenders
            self.additive = parent.additive


class _Plan:
    """A file that was understood: the root logger, the others by stdlib name, and how to make the appenders."""

    __slots__ = ("loggers", "makers", "root")

    def __init__(self, root: _Logger, loggers: dict[str, _Logger], makers: dict[str, Maker]) -> None:
        self.root = root
        self.loggers = loggers
        self.makers = makers


def configure(text: str, application: str) -> None:
    """Set up `logging` as `text` says.

    Raises `Problem` if it is not understood (then nothing has changed), `LocalError` if a file cannot be opened.
    """
    plan = _understand(expand(parse(text), predefined(application), os.environ), application)
    used = {name for logger in (plan.root, *plan.loggers.values()) for name in logger.appenders}
    handlers: dict[str, logging.Handler] = {}
    for name in sorted(used):
        try:
            handlers[name] = plan.makers[name]()
        except OSError as error:
            for handler in handlers.values():
                handler.close()
            file = str(error.filename)
            raise LocalError(OUTPUT_FILE_UNWRITABLE, f"{file}: {error.strerror}", path=file) from error
    _clear()
    _apply(logging.getLogger(), plan.root, handlers)
    for name, logger in plan.loggers.items():
        _apply(logging.getLogger(name), logger, handlers)


def _understand(settings: list[Setting], application: str) -> _Plan:
    sorted_out = _SortedOut(settings)
    makers = {}
    for name, kind in sorted_out.kinds.items():
        own = sorted_out.appender_settings.pop(name, {})
        properties = Properties(f"{kind.value.removeprefix('log4cplus::')} {shown(name)}", kind.line, own)
        makers[name] = prepare(properties, kind, application)
    for name, own in sorted_out.appender_settings.items():
        setting = next(iter(own.values()))
        raise Problem(f"there is no appender {shown(name)} to which this could belong", setting.line)
    if sorted_out.root is None:
        raise Problem("log4cplus.rootLogger is not set")
    root = _logger(sorted_out.root, makers)
    if root.level is None:
        raise Problem("log4cplus.rootLogger needs a level: it has nothing to inherit", sorted_out.root.line)
    loggers = {name: _logger(setting, makers) for name, setting in sorted_out.loggers.items()}
    for name, setting in sorted_out.additivity.items():
        additive = Properties("additivity", setting.line, {"additivity": setting}).boolean("additivity", default=True)
        loggers.setdefault(name, _Logger()).additive = additive
    return _Plan(root, _by_our_names(loggers), makers)


class _SortedOut:
    """The settings of a file by what they are about. Names of settings are understood in any letter case."""

    def __init__(self, settings: list[Setting]) -> None:
        self.root: Setting | None = None
        self.loggers: dict[str, Setting] = {}
        self.additivity: dict[str, Setting] = {}
        self.kinds: dict[str, Setting] = {}
        self.appender_settings: dict[str, dict[str, Setting]] = {}
        for setting in settings:
            if setting.key.lower().startswith(PREFIX):
                self._add(setting)

    def _add(self, setting: Setting) -> None:
        head, _, tail = setting.key[len(PREFIX) :].partition(".")
        head = head.lower()
        if head == "rootlogger" and not tail:
            self.root = setting
        elif head == "logger" and tail:
            self.loggers[tail] = setting
        elif head == "additivity" and tail:
            self.additivity[tail] = setting
        elif head == "appender" and tail:
            name, _, own = tail.partition(".")
            if own:
                self.appender_settings.setdefault(name, {})[own.lower()] = setting
            else:
                self.kinds[name] = setting
        elif head not in _WITHOUT_EFFECT or tail:
            raise Problem(f"{shown(setting.key)} is not understood", setting.line)


def _logger(setting: Setting, appenders: dict[str, Maker]) -> _Logger:
    level, *names = [part.strip() for part in setting.value.split(",")]
    logger = _Logger()
    if level.upper() not in _INHERITED:
        logger.level = level_number(level, setting.line)
    for name in names:
        if name and name not in appenders:
            raise Problem(f"there is no appender {shown(name)}", setting.line)
        if name:
            logger.appenders.append(name)
    return logger


def _by_our_names(loggers: dict[str, _Logger]) -> dict[str, _Logger]:
    """Return `loggers` under the names of `logging`. DCMTK's ``dcmtk.apps`` becomes part of both applications."""
    applications = loggers.pop("dcmtk.apps", None)
    ours = {_our_name(name): logger for name, logger in loggers.items()}
    if applications is not None:
        for name in APPLICATIONS:
            ours.setdefault(name, _Logger()).inherit(applications)
    return ours


def _our_name(name: str) -> str:
    for theirs in ("dcmtk.apps", "dcmtk"):
        if name == theirs or name.startswith(theirs + "."):
            return "dcmecho" + name.removeprefix(theirs)
    return name


def _clear() -> None:
    """Take away what was set up before, from the root logger and from ours."""
    root = logging.getLogger()
    known = [name for name in root.manager.loggerDict if name == "dcmecho" or name.startswith("dcmecho.")]
    for logger in (root, *map(logging.getLogger, known)):
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
        logger.disabled = False


def _apply(logger: logging.Logger, plan: _Logger, handlers: dict[str, logging.Handler]) -> None:
    logger.setLevel(logging.NOTSET if plan.level is None else plan.level)
    logger.propagate = plan.additive
    for name in plan.appenders:
        logger.addHandler(handlers[name])
