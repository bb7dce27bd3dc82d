"""log4cplus' filters: a chain in which the first that accepts or denies a record decides."""

from __future__ import annotations

from .problem import Problem, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from .properties import Properties

    Decision = Callable[[logging.LogRecord], bool | None]

_NAMESPACE = "log4cplus::spi::"


def chain(properties: Properties) -> Callable[[logging.LogRecord], bool] | None:
    """Return the filter made of `properties` (``1``, ``1.Name``, ``2`` ...); None if there are none."""
    decisions: list[Decision] = []
    number = 1
    while (kind := properties.take(str(number))) is not None:
        name = kind.value.removeprefix(_NAMESPACE)
        if name not in _FILTERS:
            known = ", ".join(_NAMESPACE + each for each in _FILTERS)
            raise Problem(f"there is no filter {shown(kind.value)}; there are {known}", kind.line)
        own = properties.part(str(number), name, kind.line)
        decisions.append(_FILTERS[name](own))
        own.finish()
        number += 1
    properties.finish()
    if not decisions:
        return None

    def decide(record: logging.LogRecord) -> bool:
        for decision in decisions:
            verdict = decision(record)
            if verdict is not None:
                return verdict
        return True

    return decide


def _accept(properties: Properties) -> bool:
    return properties.boolean("AcceptOnMatch", default=False)


def _level_match(properties: Properties) -> Decision:
    accept = _accept(properties)
    level = properties.level("LogLevelToMatch", 0)
    return lambda record: accept if record.levelno == level else None


def _level_range(properties: Properties) -> Decision:
    accept = _accept(properties)
    low = properties.level("LogLevelMin", 0)
    high = properties.level("LogLevelMax", 0) or float("inf")

    def decide(record: logging.LogRecord) -> bool | None:
        if not low <= record.levelno <= high:
            return False
        return True if accept else None

    return decide


def _string_match(properties: Properties) -> Decision:
    accept = _accept(properties)
    wanted = properties.text("StringToMatch")
    return lambda record: accept if wanted and wanted in record.getMessage() else None


def _deny_all(properties: Properties) -> Decision:
    del properties
    return lambda _: False


_FILTERS: dict[str, Callable[[Properties], Decision]] = {
    "LogLevelMatchFilter": _level_match,
    "LogLevelRangeFilter": _level_range,
    "StringMatchFilter": _string_match,
    "DenyAllFilter": _deny_all,
}
