"""`-lc`: what a configuration file does to the log lines that are really written."""

import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcmecho import causes
from dcmecho.cli import logconfig
from dcmecho.errors import LocalError

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "logging.md"
DCMTK_FILES = [Path("/etc/dcmtk/logger.cfg"), Path("/etc/dcmtk/filelog.cfg")]


@pytest.fixture(autouse=True)
def _clean_logging(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Run in `tmp_path`, with an empty logging tree, and put back what was there."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(root, "manager", logging.Manager(logging.root))
    monkeypatch.setattr(logging.Logger, "manager", root.manager)
    for name in ("_levelToName", "_nameToLevel", "_handlers", "_handlerList"):
        monkeypatch.setattr(logging, name, getattr(logging, name).copy())
    yield
    loggers = [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    for handler in {handler for logger in (root, *loggers) for handler in logger.handlers}:
        with contextlib.suppress(OSError):  # of the disk that is full
            handler.close()


def configure(text: str, application: str = "echoscu", name: str = "log.cfg") -> None:
    Path(name).write_text(text, encoding="utf-8")
    logconfig.configure(name, application=application)


def log(logger: str, level: int, text: str) -> None:
    logging.getLogger(logger).log(level, text)


def to_file(*lines: str, pattern: str = "%p %c: %m%n") -> str:
    """Return a logger.cfg with an appender A that writes to the file `out` in its first six lines, then `lines`."""
    return "\n".join(
        [
            "log4cplus.appender.A = log4cplus::FileAppender",
            "log4cplus.appender.A.File = out",
            "log4cplus.appender.A.layout = log4cplus::PatternLayout",
            f"log4cplus.appender.A.layout.ConversionPattern = {pattern}",
            "log4cplus.appender.B = log4cplus::FileAppender",
            "log4cplus.appender.B.File = other",
            *lines,
        ]
    )


def written(name: str = "out") -> list[str]:
    return Path(name).read_text(encoding="utf-8").splitlines()


# What kind of file it is


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("# c\n\nlog4cplus.rootLogger = INFO", "log4cplus"),
        ("x = 1\n  LOG4CPLUS.rootLogger = INFO", "log4cplus"),
        ('{"version": 1}', "json"),
        ("\n { }", "json"),
        ("; c\n[loggers]\nkeys = root\n", "ini"),
        ("[formatters]\nkeys: a\n", "ini"),
        ("version = 1", "toml"),
        ("[loggers]\n[loggers.dcmecho]\nlevel = 'INFO'", "toml"),
        ("disable_existing_loggers = true\nversion = 1\n[handlers.keys]", "toml"),
    ],
)
def test_content_tells_the_kind(text: str, kind: str) -> None:
    assert logconfig.kind_of(text) == kind


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no settings"),
        (b"# only\n; comments\n", "no settings"),
        (b"rootLogger = INFO\n", "neither"),
        (b"log4cplus.rootLogger = INFO\0", "not a text file"),
        (b"#" * (logconfig.MAX_FILE_SIZE + 1), "larger than"),
    ],
)
def test_a_file_of_no_kind_is_invalid(data: bytes, reason: str) -> None:
    Path("log.cfg").write_bytes(data)
    with pytest.raises(LocalError, match=reason) as caught:
        logconfig.configure("log.cfg", application="echoscu")
    assert caught.value.cause is causes.INPUT_FILE_INVALID
    assert caught.value.path == "log.cfg"
    assert "log.cfg: " in str(caught.value)


@pytest.mark.parametrize("name", ["absent", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_named(name: str) -> None:
    with pytest.raises(LocalError) as caught:
        logconfig.configure(name, application="echoscu")
    assert caught.value.cause is causes.INPUT_FILE_UNREADABLE
    assert caught.value.path == name


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter() -> None:
    text = to_file("log4cplus.rootLogger = INFO, A").replace("\n", "\r\n")
    Path("log.cfg").write_bytes(b"\xef\xbb\xbf" + text.encode())
    logconfig.configure("log.cfg", application="echoscu")
    log("dcmecho.echoscu", logging.INFO, "text")
    assert written() == ["INFO dcmtk.apps.echoscu: text"]


def test_a_logger_cfg_may_have_comments_in_latin_1() -> None:
    Path("log.cfg").write_bytes(b"# f\xfcr\n" + to_file("log4cplus.rootLogger = INFO, A").encode())
    logconfig.configure("log.cfg", application="echoscu")
    log("dcmecho.echoscu", logging.INFO, "text")
    assert written() == ["INFO dcmtk.apps.echoscu: text"]


# logger.cfg: what is logged where


@pytest.mark.parametrize("path", DCMTK_FILES, ids=lambda path: path.name)
def test_dcmtks_own_files_work_unchanged(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not path.exists():
        pytest.skip(f"{path} is not installed")
    logconfig.configure(str(path), application="echoscp")
    log("dcmecho.echoscp", logging.ERROR, "bad")
    log("dcmecho.dcmnet", logging.DEBUG, "one\ntwo")
    lines = written("echoscp.log")
    assert [line.split(" ", 2)[2].split() for line in lines] in (
        [["ERROR:", "bad"], ["DEBUG:", "one"], ["DEBUG:", "two"]],
        [
            ["ERROR", "-", "echoscp", "-", "bad"],
            ["DEBUG", "-", "dcmnet", "-", "one"],
            ["DEBUG", "-", "dcmnet", "-", "two"],
        ],
    )
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith("ERROR: bad\n")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("dcmtk", {"dcmecho.echoscu", "dcmecho.echoscp", "dcmecho.dcmnet", "dcmecho.dcmtls"}),
        ("dcmecho", {"dcmecho.echoscu", "dcmecho.echoscp", "dcmecho.dcmnet", "dcmecho.dcmtls"}),
        ("dcmtk.apps", {"dcmecho.echoscu", "dcmecho.echoscp"}),
        ("dcmtk.apps.echoscu", {"dcmecho.echoscu"}),
        ("dcmtk.apps.echoscp", {"dcmecho.echoscp"}),
        ("dcmtk.dcmnet", {"dcmecho.dcmnet"}),
        ("dcmtk.dcmtls", {"dcmecho.dcmtls"}),
        ("dcmecho.dcmnet", {"dcmecho.dcmnet"}),
        ("dcmtk.dcmnet.responses", set()),
        ("dcmtkx", set()),
        ("elsewhere", set()),
    ],
)
def test_dcmtks_loggers_are_ours(name: str, reached: set[str]) -> None:
    configure(
        to_file(
            "log4cplus.rootLogger = OFF", f"log4cplus.logger.{name} = INFO, A", f"log4cplus.logger.{name}.x = DEBUG"
        )
    )
    ours = ["dcmecho.echoscu", "dcmecho.echoscp", "dcmecho.dcmnet", "dcmecho.dcmtls"]
    for each in ours:
        log(each, logging.INFO, each)
        log(each, logging.DEBUG, each)
    assert {line.rpartition(" ")[2] for line in written()} == reached
    assert len(written()) == len(reached)


def test_the_nearest_level_counts_and_appenders_add_up() -> None:
    configure(
        to_file(
            "log4cplus.rootLogger = ERROR, A",
            "log4cplus.logger.dcmtk.apps = INFO, B",
            "log4cplus.logger.dcmtk.apps.echoscu = DEBUG",
            "log4cplus.logger.dcmtk.apps.echoscp = INHERIT",
        )
    )
    log("dcmecho.echoscu", logging.DEBUG, "1")
    log("dcmecho.echoscp", logging.DEBUG, "2")
    log("dcmecho.echoscp", logging.INFO, "3")
    log("dcmecho.dcmnet", logging.INFO, "4")
    log("dcmecho.dcmnet", logging.ERROR, "5")
    assert [line[-1] for line in written()] == ["1", "3", "5"]
    assert [line[-1] for line in written("other")] == ["1", "3"]


@pytest.mark.parametrize(
    ("additivity", "to_root", "to_apps"),
    [
        ("dcmtk.apps.echoscu = false", False, False),
        ("dcmtk.apps = FALSE", False, True),
        ("dcmtk.apps.echoscu = true", True, True),
        ("dcmtk = false", False, True),
    ],
)
def test_additivity_stops_records_on_their_way_up(additivity: str, to_root: bool, to_apps: bool) -> None:
    configure(
        to_file(
            "log4cplus.rootLogger = INFO, A",
            "log4cplus.logger.dcmtk.apps = INFO, B",
            "log4cplus.logger.dcmtk.apps.echoscu = INFO",
            f"log4cplus.additivity.{additivity}",
        )
    )
    log("dcmecho.echoscu", logging.INFO, "text")
    assert (bool(written()), bool(written("other"))) == (to_root, to_apps)


@pytest.mark.parametrize(
    ("level", "lowest"),
    [("OFF", None), ("fatal", 50), ("Error", 40), ("WARN", 30), ("info", 20), ("DEBUG", 10), ("trace", 5), ("ALL", 5)],
)
def test_levels_in_any_letter_case(level: str, lowest: int | None) -> None:
    configure(to_file(f"log4cplus.rootLogger = {level}, A", pattern="%p%n"))
    for number in (5, 10, 20, 30, 40, 50):
        log("dcmecho.dcmnet", number, "text")
    names = {5: "TRACE", 10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR", 50: "FATAL"}
    assert written() == [name for number, name in names.items() if lowest is not None and number >= lowest]


def test_threshold_and_filters_belong_to_the_appender() -> None:
    configure(
        to_file(
            "log4cplus.rootLogger = ALL, A, B",
            "log4cplus.appender.B.THRESHOLD = warn",
            "log4cplus.appender.A.filters.1 = log4cplus::spi::StringMatchFilter",
            "log4cplus.appender.A.filters.1.stringToMatch = secret",
            "log4cplus.appender.A.filters.2 = log4cplus::spi::LogLevelRangeFilter",
            "log4cplus.appender.A.filters.2.logLevelMin = info",
            "log4cplus.appender.A.filters.2.logLevelMax = warn",
            "log4cplus.appender.A.filters.2.acceptOnMatch = true",
            "log4cplus.appender.A.filters.3 = log4cplus::spi::DenyAllFilter",
            pattern="%p %m%n",
        )
    )
    for number in (10, 20, 30, 40):
        log("dcmecho.echoscu", number, "text")
    log("dcmecho.echoscu", 20, "a secret")
    assert written() == ["INFO text", "WARN text"]
    assert written("other") == ["WARN - text", "ERROR - text"]


@pytest.mark.parametrize(("accept", "names"), [("true", ["ERROR"]), ("false", ["INFO", "WARN"])])
def test_a_level_match_filter_accepts_or_denies(accept: str, names: list[str]) -> None:
    configure(
        to_file(
            "log4cplus.rootLogger = INFO, A",
            "log4cplus.appender.A.filters.1 = log4cplus::spi::LogLevelMatchFilter",
            "log4cplus.appender.A.filters.1.LogLevelToMatch = ERROR",
            f"log4cplus.appender.A.filters.1.AcceptOnMatch = {accept}",
            *(["log4cplus.appender.A.filters.2 = log4cplus::spi::DenyAllFilter"] if accept == "true" else []),
            pattern="%p%n",
        )
    )
    for number in (20, 30, 40):
        log("dcmecho.echoscu", number, "text")
    assert written() == names


@pytest.mark.parametrize(
    ("setting", "stream"), [("", "out"), ("LOGTOSTDERR = true", "err"), ("logToStderr = false", "out")]
)
def test_the_console_is_standard_output_unless_told(
    setting: str, stream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [f"log4cplus.appender.C.{setting}"] if setting else []
    configure("\n".join(["log4cplus.rootLogger = INFO, C", "log4cplus.appender.C = log4cplus::ConsoleAppender", *more]))
    log("dcmecho.echoscu", logging.INFO, "a\nb")
    assert getattr(capsys.readouterr(), stream) == "INFO - a\nINFO - b\n"


def test_the_console_shows_what_its_encoding_lacks_as_escapes(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.dup(1), "w", encoding="ascii") as ascii_only:
        monkeypatch.setattr(sys, "stdout", ascii_only)
        configure(
            "log4cplus.rootLogger = INFO, C\n"
            "log4cplus.appender.C = log4cplus::ConsoleAppender\n"
            "log4cplus.appender.C.ImmediateFlush = true"
        )
        log("dcmecho.echoscu", logging.INFO, "M\u00fcller")
        assert capfdbinary.readouterr().out == b"INFO - M\\xfcller\n"


def test_a_file_appender_begins_anew_unless_told_to_append() -> None:
    Path("out").write_text("old\n", encoding="utf-8")
    Path("other").write_text("old\n", encoding="utf-8")
    configure(to_file("log4cplus.rootLogger = INFO, A, B", "log4cplus.appender.B.Append = true"))
    log("dcmecho.echoscu", logging.INFO, "new")
    assert written() == ["INFO dcmtk.apps.echoscu: new"]
    assert written("other") == ["old", "INFO - new"]


def test_without_immediate_flush_lines_are_written_at_the_end() -> None:
    configure(to_file("log4cplus.rootLogger = INFO, A", "log4cplus.appender.A.ImmediateFlush = false"))
    log("dcmecho.echoscu", logging.INFO, "text")
    assert written() == []
    for handler in logging.getLogger().handlers:
        handler.flush()
    assert len(written()) == 1


def test_an_appender_that_nobody_uses_opens_nothing() -> None:
    configure(to_file("log4cplus.rootLogger = INFO, A"))
    assert Path("out").exists()
    assert not Path("other").exists()


def test_the_null_appender_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure("log4cplus.rootLogger = INFO, N\nlog4cplus.appender.N = log4cplus::NullAppender")
    log("dcmecho.echoscu", logging.ERROR, "text")
    assert capsys.readouterr() == ("", "")


def test_a_new_configuration_takes_the_place_of_the_old_one() -> None:
    configure(
        to_file(
            "log4cplus.rootLogger = INFO, A",
            "log4cplus.logger.dcmtk.dcmnet = DEBUG, A",
            "log4cplus.additivity.dcmtk.dcmnet = false",
        )
    )
    configure(to_file("log4cplus.rootLogger = INFO, B"))
    log("dcmecho.dcmnet", logging.DEBUG, "unwanted")
    log("dcmecho.dcmnet", logging.INFO, "text")
    assert written() == []
    assert written("other") == ["INFO - text"]


def test_variables_come_from_dcmtk_the_file_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "outside")
    monkeypatch.setenv("appname", "not this")
    configure(
        to_file(
            "dir = here",
            "both = ${dir}/${FROM_OUTSIDE}",
            "log4cplus.rootLogger = INFO, ${name}",
            "name = A",
            pattern="${appname} ${pid} ${date} ${time} ${hostname} ${both} ${nowhere} %m%n",
        ),
        application="echoscp",
    )
    log("dcmecho.echoscp", logging.INFO, "text")
    [line] = written()
    name, pid, date, clock, hostname, rest = line.split(" ", 5)
    assert (name, pid, hostname) == ("echoscp", str(os.getpid()), socket.gethostname())
    assert time.strptime(date + clock, "%Y%m%d%H%M%S")
    assert rest == "here/outside ${nowhere} text"


# logger.cfg: what is not understood

ROOT = "log4cplus.rootLogger = INFO, A"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("something", "neither a comment nor name = value"),
        ("= value", "neither a comment nor name = value"),
        ("include other.cfg", "include is not understood"),
        ("log4cplus.appender.A.Fil = x", 'FileAppender "A" has no setting "Fil"'),
        ("log4cplus.appender.A.layout.X = 1", 'PatternLayout has no setting "X"'),
        ("log4cplus.appender.A.Append = maybe", 'Append must be true or false, not "maybe"'),
        ("log4cplus.appender.A.Threshold = LOUD", '"LOUD" is no log level'),
        ("log4cplus.appender.C.File = x", 'no appender "C"'),
        ("log4cplus.appender.C = log4cplus::SocketAppender", 'no appender "log4cplus::SocketAppender"'),
        ("log4cplus.appender.A.layout = log4cplus::HTMLLayout", 'no layout "log4cplus::HTMLLayout"'),
        ("log4cplus.appender.A.filters.1 = Nonsense", 'no filter "Nonsense"'),
        ("log4cplus.appender.A.filters.2 = log4cplus::spi::DenyAllFilter", "the filters has no setting"),
        ("log4cplus.appender.C = log4cplus::FileAppender", 'FileAppender "C" needs the name of a File'),
        ("log4cplus.appender.A.File =", "needs the name of a File"),
        ("log4cplus.logger.dcmtk = WHAT", '"WHAT" is no log level'),
        ("log4cplus.logger.dcmtk = INFO, A, Z", 'no appender "Z"'),
        ("log4cplus.rootLogger = INHERITED, A", "it has nothing to inherit"),
        ("log4cplus.additivity.dcmtk = 2", "must be true or false"),
        ("log4cplus.loger.dcmtk = INFO", '"log4cplus.loger.dcmtk" is not understood'),
        ("a = ${a}", "in a circle: a -> a"),
        ("a = ${log4cplus.appender.A.File", '"${" without "}"'),
        ("log4cplus.appender.C = log4cplus::NTEventLogAppender", "no Windows event log"),
        ("log4cplus.appender.A.layout.ConversionPattern = %m%k", "there is no conversion %k"),
        ("log4cplus.appender.A.layout.FormatEachLine = sometimes", "FormatEachLine must be yes or no"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_line(line: str, reason: str) -> None:
    if "NTEventLog" in line and sys.platform == "win32":
        pytest.skip("this system has an event log")
    with pytest.raises(LocalError) as caught:
        configure(to_file(ROOT, line))
    assert caught.value.cause is causes.INPUT_FILE_INVALID
    assert caught.value.path == "log.cfg"
    assert caught.value.detail.startswith("log.cfg, line 8: ")
    assert reason in caught.value.detail
    assert not Path("out").exists()
    assert [each for each in logging.getLogger().handlers if type(each).__module__.startswith("dcmecho")] == []


def test_a_file_without_a_root_logger_is_invalid() -> None:
    with pytest.raises(LocalError, match=r"log\.cfg: log4cplus\.rootLogger is not set"):
        configure("log4cplus.logger.dcmtk = INFO")


def test_a_pattern_layout_needs_a_pattern() -> None:
    with pytest.raises(LocalError, match="line 3: PatternLayout needs a ConversionPattern"):
        configure(
            "log4cplus.rootLogger = INFO, C\nlog4cplus.appender.C = log4cplus::ConsoleAppender\n"
            "log4cplus.appender.C.layout = log4cplus::PatternLayout"
        )


def test_control_characters_of_the_file_do_not_reach_the_message() -> None:
    with pytest.raises(LocalError) as caught:
        configure(to_file(ROOT, "log4cplus.\x1b[31m = 1"))
    assert "\x1b" not in str(caught.value)


def test_a_log_file_that_cannot_be_opened_is_an_output_error() -> None:
    with pytest.raises(LocalError) as caught:
        configure(to_file("log4cplus.rootLogger = INFO, A, B", "log4cplus.appender.B.File = absent/log"))
    assert caught.value.cause is causes.OUTPUT_FILE_UNWRITABLE
    assert caught.value.path == str(Path("absent/log").absolute())
    assert [each for each in logging.getLogger().handlers if type(each).__module__.startswith("dcmecho")] == []


# What goes wrong later


FULL_LOGGER_CFG = """
log4cplus.rootLogger = INFO, A, B
log4cplus.appender.A = log4cplus::FileAppender
log4cplus.appender.A.File = /dev/full
log4cplus.appender.B = log4cplus::FileAppender
log4cplus.appender.B.File = other
"""

FULL_TOML = """
version = 1
handlers.full = {class = "logging.FileHandler", filename = "/dev/full"}
handlers.other = {class = "logging.FileHandler", filename = "other"}
root = {level = "INFO", handlers = ["full", "other"]}
"""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("text", [FULL_LOGGER_CFG, FULL_TOML], ids=["logger.cfg", "toml"])
def test_a_full_disk_is_reported_once_and_logging_goes_on(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(text)
    for _ in range(3):
        log("dcmecho.echoscu", logging.INFO, "text")
    errors = capsys.readouterr().err.splitlines()
    assert errors == [f"E: cannot log to /dev/full: {os.strerror(28)} (said once)"]
    assert len(written("other")) == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_failure_that_cannot_be_told_is_borne(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(FULL_LOGGER_CFG)
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        log("dcmecho.echoscu", logging.INFO, "text")
        assert len(written("other")) == 1
        with contextlib.suppress(OSError):
            full.close()


# Python's configurations


def test_json() -> None:
    configure(
        '{"version": 1, "formatters": {"f": {"format": "%(levelname)s|%(name)s|%(message)s"}},'
        ' "handlers": {"h": {"class": "logging.FileHandler", "filename": "out", "formatter": "f"}},'
        ' "loggers": {"dcmecho": {"level": "TRACE", "handlers": ["h"]}}}',
        name="log.ini",
    )
    log("dcmecho.dcmtls", 5, "one\ntwo")
    assert written() == ["TRACE|dcmecho.dcmtls|one", "two"]


@pytest.mark.parametrize(
    "text",
    [
        'version = 1\nroot.level = "INFO"',
        "[loggers]\nkeys=root\n[handlers]\nkeys=\n[formatters]\nkeys=\n[logger_root]\nlevel=INFO\nhandlers=\n",
    ],
    ids=["toml", "ini"],
)
def test_loggers_that_exist_go_on(text: str) -> None:
    logger = logging.getLogger("dcmecho.echoscu")
    configure(text)
    assert not logger.disabled
    assert logger.isEnabledFor(logging.INFO)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{\n"version": 1,\n"handlers": }', "log.cfg, line 3: not valid JSON"),
        ("{" * 100_000, "log.cfg, line 1: not valid JSON"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("version = 1\n[a\n", "not valid TOML: .*line 2"),
        ("version = " + "[" * 100_000, "TOML"),
        ("version = 2", "version"),
        ('version = 1\n[handlers.h]\nclass = "no.such.Handler"', "Unable to configure handler 'h'.*no"),
        ("[loggers]\nkeys=root\nnonsense\n", "log.cfg, line 3: not a valid INI file"),
        ("keys=root\n[loggers]\nkeys=root\n", "log.cfg, line 1: not a valid INI file"),
        ("[loggers]\nkeys=root\n[loggers]\n", "log.cfg, line 3: not a valid INI file"),
        ("[loggers]\nkeys=root\n", "log.cfg: .*is missing"),
    ],
    ids=range(11),
)
def test_a_python_configuration_that_is_wrong_is_invalid(text: str, reason: str) -> None:
    with pytest.raises(LocalError, match=reason) as caught:
        configure(text)
    assert caught.value.cause is causes.INPUT_FILE_INVALID
    assert caught.value.path == "log.cfg"


@pytest.mark.parametrize(
    "text",
    [
        'version = 1\n[handlers.h]\nclass = "logging.FileHandler"\nfilename = "absent/log"',
        '[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n[handler_h]\nclass=FileHandler\nargs=("absent/log",)\n',
    ],
    ids=["toml", "ini"],
)
def test_a_log_file_that_python_cannot_open_is_an_output_error(text: str) -> None:
    with pytest.raises(LocalError) as caught:
        configure(text)
    assert caught.value.cause is causes.OUTPUT_FILE_UNWRITABLE
    assert caught.value.path == str(Path("absent/log").absolute())


# The documentation's examples


def example(language: str) -> str:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count(f"```{language}\n") == 1
    return text.partition(f"```{language}\n")[2].partition("```")[0]


@pytest.mark.parametrize("language", ["toml", "ini"])
def test_the_documented_python_configurations(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(example(language))
    log("dcmecho.dcmnet", logging.DEBUG, "detail")
    log("dcmecho.echoscu", logging.ERROR, "failure")
    ends = ["DEBUG dcmecho.dcmnet: detail", "ERROR dcmecho.echoscu: failure"]
    assert [line.split(" ", 2)[2] for line in written("echo.log")] == ends
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [line.split(" ", 2)[2] for line in printed.err.splitlines()] == ends[1:]


def test_the_documented_logger_cfg(capsys: pytest.CaptureFixture[str]) -> None:
    configure(example("properties"))
    log("dcmecho.echoscu", logging.INFO, "step")
    log("dcmecho.echoscu", logging.WARNING, "oops")
    log("dcmecho.dcmnet", logging.ERROR, "first\nsecond")
    assert capsys.readouterr() == ("", "W: oops\n")
    lines = [line.split(" ", 2) for line in written("echoscu-wire.log")]
    assert [rest for _, _, rest in lines] == ["ERROR dcmnet: first", "ERROR dcmnet: second"]
    assert all(time.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S.%f") for day, clock, _ in lines)
