"""Handlers that write files, and move them aside when they are large or old."""

from __future__ import annotations

import contextlib
import logging
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, TextIO


class FileHandler(logging.Handler):
    """Appends to the file `path`, or begins it anew; `OSError` if it cannot be opened.

    After an error the file is opened again with the next record, so that logging goes on when the disk does.
    """

    def __init__(self, path: str, *, append: bool, immediate_flush: bool) -> None:
        self.path = path
        self._immediate = immediate_flush
        self._ended = False
        self._stream: TextIO | None = self._open("a" if append else "w")
        super().__init__()  # last: `logging` closes at exit whatever it knows, and must not know half a handler

    def _open(self, mode: Literal["a", "w"]) -> TextIO:
        return open(self.path, mode, encoding="utf-8", errors="backslashreplace")

    def emit(self, record: logging.LogRecord) -> None:
        if self._ended:
            return
        try:
            self._before(record)
            if self._stream is None:
                self._stream = self._open("a")
            self._stream.write(self.format(record))
            if self._immediate:
                self._stream.flush()
            self._after(self._stream)
        except Exception:  # noqa: BLE001 - a record that cannot be written must not end the program
            self.handleError(record)

    def _before(self, record: logging.LogRecord) -> None:
        """Called before `record` is written."""

    def _after(self, stream: TextIO) -> None:
        """Called after a record was written to `stream`."""

    def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _restart(self, *moves: tuple[str, str]) -> None:
        """Close the file, rename as `moves` say (from, to; the last one is the file itself), and begin it anew.

        If something cannot be renamed, the next record opens the file again and goes on at its end.
        """
        self._let_go()
        for source, target in moves:
            with contextlib.suppress(FileNotFoundError):
                os.replace(source, target)
        self._stream = self._open("w")

    def flush(self) -> None:
        self.acquire()
        try:
            if self._stream is not None:
                self._stream.flush()
        finally:
            self.release()

    def close(self) -> None:
        self.acquire()
        try:
            self._ended = True
            self._let_go()
        finally:
            self.release()
            super().close()


class RollingFileHandler(FileHandler):
    """Once the file is larger than `max_size` bytes, it becomes ``path.1``, and that ``path.2``, up to `backups`."""

    def __init__(self, path: str, *, append: bool, immediate_flush: bool, max_size: int, backups: int) -> None:
        super().__init__(path, append=append, immediate_flush=immediate_flush)
        self._max_size = max_size
        self._backups = backups

    def _after(self, stream: TextIO) -> None:
        if stream.tell() > self._max_size:
            self._restart(*_numbered(self.path, self._backups), (self.path, f"{self.path}.1"))


class DailyRollingFileHandler(FileHandler):
    """When a period of `schedule` is over, the file gets its name as a suffix (``path.2026-01-31``).

    If a file of that name exists, it becomes ``.1``, and that ``.2``, up to `backups`. Periods are of local time.
    A file that an earlier run left belongs to the period in which it was last written.
    """

    def __init__(self, path: str, *, append: bool, immediate_flush: bool, schedule: str, backups: int) -> None:
        written = time.time()
        if append:
            with contextlib.suppress(OSError):
                status = os.stat(path)
                written = status.st_mtime if status.st_size else written
        super().__init__(path, append=append, immediate_flush=immediate_flush)
        self._period = SCHEDULES[schedule]
        self._backups = backups
        self._suffix, self._until = self._period(written)

    def _before(self, record: logging.LogRecord) -> None:
        if record.created < self._until:
            return
        dated = f"{self.path}.{self._suffix}"
        # The next period first: if a file cannot be renamed, that is tried once a period, not with every record.
        self._suffix, self._until = self._period(record.created)
        self._restart(*_numbered(dated, self._backups), (dated, f"{dated}.1"), (self.path, dated))


def _numbered(path: str, backups: int) -> list[tuple[str, str]]:
    return [(f"{path}.{number}", f"{path}.{number + 1}") for number in range(backups - 1, 0, -1)]


def _local(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> float:
    """Return the time of a moment of local time; months, days and so on may be past the end, as in `mktime`."""
    return time.mktime((year, month, day, hour, minute, 0, 0, 0, -1))


def _monthly(now: float) -> tuple[str, float]:
    day = time.localtime(now)
    return time.strftime("%Y-%m", day), _local(day.tm_year, day.tm_mon + 1, 1)


def _weekly(now: float) -> tuple[str, float]:
    day = time.localtime(now)
    sunday = day.tm_mday - (day.tm_wday + 1) % 7
    first = time.localtime(_local(day.tm_year, day.tm_mon, sunday))
    return time.strftime("%Y-%W", first), _local(day.tm_year, day.tm_mon, sunday + 7)


def _daily(now: float) -> tuple[str, float]:
    day = time.localtime(now)
    return time.strftime("%Y-%m-%d", day), _local(day.tm_year, day.tm_mon, day.tm_mday + 1)


def _twice_daily(now: float) -> tuple[str, float]:
    day = time.localtime(now)
    half = "AM" if day.tm_hour < 12 else "PM"
    end = _local(day.tm_year, day.tm_mon, day.tm_mday, 12 if half == "AM" else 24)
    return time.strftime("%Y-%m-%d-", day) + half, end


def _hourly(now: float) -> tuple[str, float]:
    # Not by mktime: an hour that a clock change repeats would end before it began.
    moment = time.localtime(now)
    return time.strftime("%Y-%m-%d-%H", moment), now - now % 1 - moment.tm_min * 60 - moment.tm_sec + 3600


def _minutely(now: float) -> tuple[str, float]:
    return time.strftime("%Y-%m-%d-%H-%M", time.localtime(now)), now - now % 60 + 60


SCHEDULES: dict[str, Callable[[float], tuple[str, float]]] = {
    "MONTHLY": _monthly,
    "WEEKLY": _weekly,
    "DAILY": _daily,
    "TWICE_DAILY": _twice_daily,
    "HOURLY": _hourly,
    "MINUTELY": _minutely,
}
"""For each schedule: a time's period as a suffix for a file, and when that period ends."""
