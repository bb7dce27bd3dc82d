"""The handlers of `-lc`: rolling files, the console, syslog, the event log."""

import contextlib
import importlib.util
import logging
import logging.handlers
import os
import socket
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.cli.logconfig import appenders, syslogs
from dcmecho.cli.logconfig.appenders import prepare
from dcmecho.cli.logconfig.files import SCHEDULES, DailyRollingFileHandler, FileHandler, RollingFileHandler
from dcmecho.cli.logconfig.problem import Problem
from dcmecho.cli.logconfig.properties import Properties, Setting

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


@pytest.fixture
def made() -> Iterator[Callable[..., logging.Handler]]:
    """Return what makes the handler of an appender class, with a pattern of ``%m%n``; they are closed in the end."""
    with contextlib.ExitStack() as stack:

        def make(kind: str, application: str = "echoscu", **settings: str) -> logging.Handler:
            kind_of = Setting("appender", f"log4cplus::{kind}", 1)
            own = {name.replace("_", "."): value for name, value in settings.items()}
            own = {"layout": "log4cplus::PatternLayout", "layout.ConversionPattern": "%m%n", **own}
            handler = prepare(properties(**own), kind_of, application)()
            stack.callback(handler.close)
            return handler

        yield make


@pytest.fixture
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time of Central Europe, where there is a way to set it."""
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be set here")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


# Files


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


def test_text_that_no_file_can_hold_is_escaped(tmp_path: Path, made: Callable[..., logging.Handler]) -> None:
    made("FileAppender", File=str(tmp_path / "log")).handle(record("a\udc80b"))
    assert files(tmp_path) == {"log": "a\\udc80b\n"}


def test_a_rolling_file_moves_aside_what_is_too_large(tmp_path: Path) -> None:
    handler = RollingFileHandler(str(tmp_path / "log"), append=True, immediate_flush=False, max_size=10, backups=2)
    handler.setFormatter(logging.Formatter("%(message)s\n"))
    for text in ("first 1234567", "second 123456", "short", "and more", "last", "."):
        handler.handle(record(text))
    handler.close()
    assert files(tmp_path) == {"log": "last\n.\n", "log.1": "short\nand more\n", "log.2": "second 123456\n"}


def test_a_rolling_file_goes_on_where_it_was(tmp_path: Path, made: Callable[..., logging.Handler]) -> None:
    (tmp_path / "log").write_text("x" * 204_800, encoding="utf-8")
    handler = made("RollingFileAppender", File=str(tmp_path / "log"), MaxFileSize="1KB")
    handler.handle(record("end"))
    handler.handle(record("new"))
    assert files(tmp_path) == {"log": "new\n", "log.1": "x" * 204_800 + "end\n"}


@pytest.mark.parametrize(
    ("size", "limit"),
    [
        ("300KB", 307_200),
        ("1mb", 1_048_576),
        ("300000", 300_000),
        ("1", 204_800),
        (None, 10_485_760),
        ("2 MB", 2_097_152),
    ],
)
def test_max_file_size(size: str | None, limit: int, tmp_path: Path, made: Callable[..., logging.Handler]) -> None:
    settings = {} if size is None else {"MaxFileSize": size}
    handler = made("RollingFileAppender", File=str(tmp_path / "log"), **settings)
    handler.handle(record("x" * (limit - 1)))
    assert not (tmp_path / "log.1").exists()
    handler.handle(record(""))
    assert (tmp_path / "log.1").exists()


@pytest.mark.parametrize("size", ["", "KB", "-1", "1GB", "1.5MB", "1e9"])
def test_a_max_file_size_that_is_none(size: str, made: Callable[..., logging.Handler]) -> None:
    with pytest.raises(Problem, match="MaxFileSize"):
        made("RollingFileAppender", File="log", MaxFileSize=size)


def test_a_file_that_cannot_be_moved_aside_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "log.1").mkdir()
    (tmp_path / "log.1" / "content").touch()
    handler = RollingFileHandler(str(tmp_path / "log"), append=True, immediate_flush=True, max_size=10, backups=1)
    handler.setFormatter(logging.Formatter("%(message)s\n"))
    failures: list[logging.LogRecord] = []
    vars(handler)["handleError"] = failures.append
    for text in ("first 1234567", "second 123456"):
        handler.handle(record(text))
    handler.close()
    assert (tmp_path / "log").read_text(encoding="utf-8") == "first 1234567\nsecond 123456\n"
    assert len(failures) == 2


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    handler = FileHandler(str(tmp_path / "log"), append=False, immediate_flush=True)
    handler.close()
    (tmp_path / "log").unlink()
    handler.handle(record())
    handler.flush()
    assert files(tmp_path) == {}


@pytest.mark.usefixtures("_berlin")
@pytest.mark.parametrize(
    ("schedule", "now", "suffix", "until"),
    [
        ("MONTHLY", "2023-12-14 22:13:20", "2023-12", "2024-01-01 00:00:00"),
        ("WEEKLY", "2023-11-14 22:13:20", "2023-45", "2023-11-19 00:00:00"),
        ("WEEKLY", "2023-11-19 00:00:00", "2023-46", "2023-11-26 00:00:00"),
        ("DAILY", "2023-11-14 22:13:20", "2023-11-14", "2023-11-15 00:00:00"),
        ("DAILY", "2023-10-29 12:00:00", "2023-10-29", "2023-10-30 00:00:00"),  # a day of 25 hours
        ("TWICE_DAILY", "2023-11-14 11:59:59", "2023-11-14-AM", "2023-11-14 12:00:00"),
        ("TWICE_DAILY", "2023-11-14 12:00:00", "2023-11-14-PM", "2023-11-15 00:00:00"),
        ("HOURLY", "2023-11-14 22:13:20", "2023-11-14-22", "2023-11-14 23:00:00"),
        ("MINUTELY", "2023-11-14 22:13:20", "2023-11-14-22-13", "2023-11-14 22:14:00"),
    ],
)
def test_periods(schedule: str, now: str, suffix: str, until: str) -> None:
    def moment(text: str) -> float:
        return time.mktime((*time.strptime(text, "%Y-%m-%d %H:%M:%S")[:8], -1))

    assert SCHEDULES[schedule](moment(now)) == (suffix, moment(until))


@pytest.mark.usefixtures("_berlin")
@given(st.integers(0, 2_000_000_000))
def test_a_period_ends_after_it_began(now: int) -> None:
    for period in SCHEDULES.values():
        suffix, until = period(now)
        assert now < until
        assert period(until - 1)[0] == suffix
        assert period(until)[1] > until


@pytest.mark.usefixtures("_berlin")
def test_a_file_of_a_period_that_is_over_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("earlier\n", encoding="utf-8")
    os.utime(tmp_path / "log", (NOON, NOON))
    dated = "log.2023-11-14"
    for name in (dated, dated + ".1", dated + ".2"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    handler = DailyRollingFileHandler(
        str(tmp_path / "log"), append=True, immediate_flush=True, schedule="DAILY", backups=2
    )
    handler.setFormatter(logging.Formatter("%(message)s\n"))
    handler.handle(record("same day", created=NOON + 60))
    handler.handle(record("next day", created=NOON + 86_400))
    handler.handle(record("next day too", created=NOON + 86_401))
    handler.handle(record("third day", created=NOON + 2 * 86_400))
    handler.close()
    assert files(tmp_path) == {
        "log": "third day\n",
        "log.2023-11-14": "earlier\nsame day\n",
        "log.2023-11-14.1": dated,
        "log.2023-11-14.2": dated + ".1",
        "log.2023-11-15": "next day\nnext day too\n",
    }


def test_the_end_of_a_run_moves_nothing_aside(tmp_path: Path, made: Callable[..., logging.Handler]) -> None:
    handler = made("DailyRollingFileAppender", File=str(tmp_path / "log"), Schedule="monthly")
    handler.handle(record("text", created=time.time()))
    handler.close()
    assert files(tmp_path) == {"log": "text\n"}


def test_a_schedule_that_is_none(made: Callable[..., logging.Handler]) -> None:
    with pytest.raises(Problem, match="Schedule must be MONTHLY"):
        made("DailyRollingFileAppender", File="log", Schedule="yearly")


def test_a_daily_file_may_begin_anew_with_each_run(tmp_path: Path, made: Callable[..., logging.Handler]) -> None:
    (tmp_path / "log").write_text("earlier\n", encoding="utf-8")
    os.utime(tmp_path / "log", (NOON, NOON))
    handler = made("DailyRollingFileAppender", File=str(tmp_path / "log"), Append="false", Schedule="MONTHLY")
    handler.handle(record("text", created=time.time()))
    assert files(tmp_path) == {"log": "text\n"}


# The console, and the event log of Windows


def test_a_pipe_that_nobody_reads_does_not_end_the_program(
    monkeypatch: pytest.MonkeyPatch, made: Callable[..., logging.Handler]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    failures: list[logging.LogRecord] = []
    with open(writing, "w", encoding="utf-8", buffering=1) as nobody:
        monkeypatch.setattr(sys, "stderr", nobody)
        handler = made("ConsoleAppender", logToStderr="true", ImmediateFlush="true")
        vars(handler)["handleError"] = failures.append
        handler.handle(record())
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)  # what is left in the buffer has a place to go
    assert len(failures) == 1


def test_the_event_log_needs_pywin32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Problem, match="needs the package pywin32"):
        appenders._windows_event_log(properties(), "echoscu")


def test_the_event_log_has_the_commands_name_as_source(monkeypatch: pytest.MonkeyPatch) -> None:
    made_with: list[tuple[str, str]] = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(
        logging.handlers, "NTEventLogHandler", lambda source, logtype: made_with.append((source, logtype))
    )
    appenders._windows_event_log(properties(), "echoscu")()
    appenders._windows_event_log(properties(log="System", SOURCE="mine", server=""), "echoscu")()
    assert made_with == [("echoscu", "Application"), ("mine", "System")]
    with pytest.raises(Problem, match="leave out server"):
        appenders._windows_event_log(properties(server="other"), "echoscu")


# Syslog


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(10)
        yield listening


def test_a_syslog_server_gets_one_datagram_for_each_line(
    server: socket.socket, made: Callable[..., logging.Handler]
) -> None:
    port = str(server.getsockname()[1])
    handler = made("SysLogAppender", HOST="127.0.0.1", Port=port, facility="LOCAL3", ident="our echo")
    handler.handle(record("one\nzw\u00f6lf", logging.ERROR))
    head = f"<155>1 2023-11-14T22:13:20.214Z {socket.gethostname()} ourecho {os.getpid()} dcmtk.apps.echoscu - "
    assert server.recv(2048).decode() == head + "one"
    assert server.recv(2048).decode() == head + "zw\u00f6lf"


def test_an_unknown_syslog_server_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch, made: Callable[..., logging.Handler]
) -> None:
    asked: list[object] = []

    def no_address(*arguments: object, **_: object) -> None:
        asked.append(arguments)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    handler = made("SysLogAppender", host="logs.example")
    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    failures: list[logging.LogRecord] = []
    vars(handler)["handleError"] = failures.append
    for _ in range(3):
        handler.handle(record())
    assert asked == [("logs.example", 514)]
    assert len(failures) == 1


def test_a_syslog_server_that_cannot_be_connected_is_lost(made: Callable[..., logging.Handler]) -> None:
    handler = made("SysLogAppender", host="255.255.255.255")  # not without SO_BROADCAST
    failures: list[logging.LogRecord] = []
    vars(handler)["handleError"] = failures.append
    for _ in range(3):
        handler.handle(record())
    assert len(failures) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no syslog")
def test_the_local_syslog(monkeypatch: pytest.MonkeyPatch, made: Callable[..., logging.Handler]) -> None:
    called: list[tuple[object, ...]] = []
    fake = types.SimpleNamespace(openlog=lambda *ident: called.append(ident), syslog=lambda *line: called.append(line))
    monkeypatch.setattr(syslogs, "syslog", fake)
    handler = made("SysLogAppender", application="echoscp", facility="daemon")
    handler.handle(record("one\ntwo", logging.WARNING))
    made("SysLogAppender", ident="other").handle(record("three", 5))
    assert called == [("echoscp",), (28, "one"), ("echoscp",), (28, "two"), ("other",), (15, "three")]


@pytest.mark.parametrize(("level", "code"), [(5, 7), (10, 7), (20, 6), (30, 4), (40, 3), (50, 2), (60, 1)])
def test_severities(level: int, code: int) -> None:
    assert syslogs.severity(level) == code


@pytest.mark.parametrize(("name", "value"), [("facility", "local8"), ("port", "0"), ("port", "65536"), ("port", "x")])
def test_syslog_settings_that_are_wrong(name: str, value: str, made: Callable[..., logging.Handler]) -> None:
    with pytest.raises(Problem):
        made("SysLogAppender", host="127.0.0.1", **{name: value})
