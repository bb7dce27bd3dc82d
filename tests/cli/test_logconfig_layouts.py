"""A `logger.cfg` without its appenders: variables, layouts, conversion patterns."""

import logging
import os
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.cli.logconfig import log4cplus
from dcmecho.cli.logconfig.layouts import LAYOUTS, compile_pattern, format_time
from dcmecho.cli.logconfig.problem import Problem
from dcmecho.cli.logconfig.properties import MAX_EXPANDED, Properties, Setting, expand, parse

NOON = 1_700_000_000.214132  # 2023-11-14 22:13:20.214132 UTC


def record(
    text: str = "text", level: int = logging.INFO, name: str = "dcmecho.echoscu", created: float = NOON
) -> logging.LogRecord:
    made = logging.LogRecord(name, level, "/src/dir/file.py", 12, text, None, None, "function")
    made.created = created
    made.relativeCreated = 1234.5
    made.thread = 77
    return made


def properties(**settings: str) -> Properties:
    lines = {name: Setting(name, value, number) for number, (name, value) in enumerate(settings.items(), 2)}
    return Properties("Thing", 1, lines)


# Variables


def values(text: str, environ: dict[str, str] | None = None) -> dict[str, str]:
    return {each.key: each.value for each in expand(parse(text), {"appname": "echoscu"}, environ or {})}


def test_variables_are_replaced_in_names_and_values() -> None:
    text = "a = <${b}>\nb = ${c}${c}\nc = x\nname.${c} = ${appname}"
    assert values(text) == {"a": "<xx>", "b": "xx", "c": "x", "name.x": "echoscu"}


def test_the_predefined_come_before_the_file_and_the_file_before_the_environment() -> None:
    text = "appname = mine\nb = set\nempty =\nr = ${appname} ${b} ${empty} ${d}"
    environ = {"appname": "no", "b": "no", "empty": "outside", "d": "${b}"}
    assert values(text, environ)["r"] == "echoscu set outside ${b}"


def test_a_variable_that_nobody_knows_stays_as_written() -> None:
    assert values("empty =\na = [${nowhere}] [${empty}] [${}]")["a"] == "[${nowhere}] [${empty}] [${}]"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("\na = ${a}", 2, "a -> a"),
        ("c = 1\nx = ${a}\na = ${b}\nb = ${a}", 2, "a -> b -> a"),
        ("a = 1\nb = ${a", 2, "without"),
        ("\n".join(f"v{n} = ${{v{n + 1}}}" for n in range(100)), 1, "more than 32 deep"),
        ("big = " + "x" * 5000 + "\nb = ${big}${big}", 2, f"longer than {MAX_EXPANDED}"),
        ("v0 = 12345678\n" + "\n".join(f"v{n + 1} = ${{v{n}}}${{v{n}}}" for n in range(25)), 12, "longer than"),
    ],
    ids=range(6),
)
def test_variables_that_have_no_end_are_an_error(text: str, line: int, reason: str) -> None:
    with pytest.raises(Problem, match=reason) as caught:
        values(text)
    assert caught.value.line == line


def test_variables_that_double_each_other_take_no_exponential_time() -> None:
    text = "v0 =\n" + "\n".join(f"v{n + 1} = ${{v{n}}}${{v{n}}}" for n in range(30))
    with pytest.raises(Problem, match="longer than"):
        values(text.replace("v0 =", "v0 = 1"))
    assert values("v0 = \n" + "\n".join(f"v{n + 1} = ${{v{n}}}" for n in range(30)))["v30"] == "${v0}"


def test_a_later_setting_replaces_an_earlier_one() -> None:
    assert values("a = 1\na = 2\nb = ${a}")["b"] == "2"


FRAGMENTS = [
    *(
        "log4cplus.",
        "rootLogger",
        "logger.",
        "additivity.",
        "appender.",
        "A",
        ".layout",
        ".filters.1",
        ".File",
        ".Threshold",
    ),
    *(
        "log4cplus::FileAppender",
        "log4cplus::SysLogAppender",
        "log4cplus::PatternLayout",
        "log4cplus::spi::DenyAllFilter",
    ),
    *(
        ".ConversionPattern",
        "INFO",
        "dcmtk.apps",
        " = ",
        ", ",
        "\n",
        "${",
        "}",
        "%",
        "{",
        "#",
        " ",
        "\r",
        "\t",
        "x",
        "1",
        "\u0663",
    ),
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40))
def test_any_text_is_understood_or_a_problem(fragments: list[str]) -> None:
    text = "log4cplus.rootLogger = INFO\n" + "".join(fragments)
    try:
        plan = log4cplus._understand(expand(parse(text), {}, {}), "echoscu")
    except Problem as problem:
        line = problem.line
    else:
        line = plan.root.level
    assert line is not None


# Conversion patterns


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%m", "text"),
        ("a%%b%n", "a%b\n"),
        ("%p %P", "INFO I"),
        ("%c %c{1} %c{2} %c{9}", "dcmtk.apps.echoscu echoscu apps.echoscu dcmtk.apps.echoscu"),
        ("%d", "2023-11-14 22:13:20"),
        ("%d{%H:%M}x", "22:13x"),
        ("%d{%S %q %Q %%q}", "20 214 214.132 %q"),
        ("%d{}", "2023-11-14 22:13:20"),
        ("%r", "1234"),
        ("%t", "77"),
        ("%T", str(threading.get_native_id())),
        ("%i", str(os.getpid())),
        ("%h", socket.gethostname()),
        ("%F %b %L %l %M", "/src/dir/file.py file.py 12 /src/dir/file.py:12 function"),
        ("[%x%X%X{key}]", "[]"),
        ("[%6p]", "[  INFO]"),
        ("[%-6p]", "[INFO  ]"),
        ("[%.2p]", "[FO]"),
        ("[%6.2p]", "[FO]"),
        ("[%2.6p]", "[INFO]"),
        ("[%.0p]", "[]"),
        ("[%-7.3m]", "[ext]"),
        ("100%", "100%"),
        ("", ""),
    ],
)
def test_conversions(pattern: str, text: str) -> None:
    assert "".join(convert(record(), "text") for convert in compile_pattern(pattern, 1)) == text


def test_local_time_and_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "localtime", lambda seconds: time.gmtime(seconds + 3600))
    assert "".join(convert(record(), "") for convert in compile_pattern("%d{%H} %D{%H}", 1)) == "22 23"


def test_the_full_host_name_begins_with_the_host_name() -> None:
    [convert] = compile_pattern("%H", 1)
    assert convert(record(), "")


@pytest.mark.parametrize(
    "pattern",
    [
        "%k",
        "%5",
        "%-",
        "%.",
        "%.m",
        "%5.",
        "%1001m",
        "%.1001m",
        "%99999999999m",
        "%d{",
        "%c{x}",
        "%c{1",
        "%\u0663m",
        "%{m}",
    ],
)
def test_a_pattern_that_is_not_understood_is_an_error_with_its_line(pattern: str) -> None:
    with pytest.raises(Problem) as caught:
        compile_pattern(pattern + " ", 7)
    assert caught.value.line == 7


def test_a_date_format_that_the_system_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(pattern: str, moment: object) -> str:
        raise ValueError("Invalid format string")

    monkeypatch.setattr(time, "strftime", refuses)
    with pytest.raises(Problem, match="no date format: Invalid format string") as caught:
        compile_pattern("%d{%J}", 7)
    assert caught.value.line == 7


def test_the_full_host_name_may_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_address(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    [convert] = compile_pattern("%H", 1)
    assert convert(record(), "") == socket.gethostname()


@given(st.text(alphabet="%-.{}0159cdDHhmnpPqQxXtTrFblLMi Yz\u0663", max_size=20), st.text(max_size=20))
def test_a_pattern_is_an_error_at_once_or_never(pattern: str, text: str) -> None:
    try:
        converters = compile_pattern(pattern.replace("H", "h"), 1)  # a full host name is looked up
    except Problem:
        return
    assert isinstance("".join(convert(record(), text) for convert in converters), str)


@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999))
def test_milliseconds_never_carry(seconds: int, micro: int) -> None:
    text = format_time(seconds + micro / 1_000_000, "%q|%Q", utc=True)
    first, _, both = text.partition("|")
    assert len(first) == 3
    assert both.startswith(first + ".")
    assert len(both) == 7


@pytest.mark.parametrize(
    ("level", "name"),
    [(60, "FATAL"), (50, "FATAL"), (45, "ERROR"), (40, "ERROR"), (30, "WARN"), (10, "DEBUG"), (7, "TRACE"), (1, "ALL")],
)
def test_level_names(level: int, name: str) -> None:
    [convert] = compile_pattern("%p", 1)
    assert convert(record(level=level), "") == name


@pytest.mark.parametrize(
    ("layout", "settings", "line"),
    [
        ("SimpleLayout", {}, "WARN - {}\n"),
        ("TTCCLayout", {}, "1234 [77] WARN dcmtk.dcmnet <> - {}\n"),
        ("TTCCLayout", {"dateformat": "%H:%M,%q", "use_gmtime": "true"}, "22:13,214 [77] WARN dcmtk.dcmnet <> - {}\n"),
        (
            "TTCCLayout",
            {"ThreadPrinting": "false", "CategoryPrefixing": "0", "ContextPrinting": "FALSE"},
            "1234 WARN - {}\n",
        ),
        ("PatternLayout", {"ConversionPattern": "%P: %m%n"}, "W: {}\n"),
        ("PatternLayout", {"Pattern": "%P: %m%n"}, "W: {}\n"),
        ("PatternLayout", {"ConversionPattern": ""}, "{}"),
    ],
)
def test_every_line_of_a_record_is_laid_out(layout: str, settings: dict[str, str], line: str) -> None:
    made_of = properties(**settings)
    made = LAYOUTS[f"log4cplus::{layout}"](made_of)
    made_of.finish()
    text = made.format(record("one\n\ntwo", logging.WARNING, "dcmecho.dcmnet"))
    assert text == line.format("one") + line.format("") + line.format("two")


def test_format_each_line_can_be_switched_off() -> None:
    layout = LAYOUTS["log4cplus::PatternLayout"](properties(ConversionPattern="%P: %m%n", FormatEachLine="no"))
    assert layout.format(record("one\ntwo")) == "I: one\ntwo\n"


def test_an_exception_is_laid_out_too() -> None:
    layout = LAYOUTS["log4cplus::SimpleLayout"](properties())
    entry = record()
    entry.exc_info = (ValueError, ValueError("bad"), None)
    assert layout.format(entry) == "INFO - text\nINFO - ValueError: bad\n"
