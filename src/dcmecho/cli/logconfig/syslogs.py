"""Handlers that write to syslog: one message for each line of a record."""

from __future__ import annotations

import logging
import os
import socket
import sys

from .layouts import dcmtk_name, format_time

FACILITIES = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    "cron": 9,
    "authpriv": 10,
    "ftp": 11,
    "ntp": 12,
    "security": 13,
    "console": 14,
    **{f"local{number}": 16 + number for number in range(8)},
}
"""Facility codes (RFC 5424, table 1) by log4cplus' names."""

# RFC 5424, table 2: the severity of records below a level.
_SEVERITIES = ((20, 7), (30, 6), (40, 4), (50, 3), (51, 2))
_ALERT = 1


def severity(level: int) -> int:
    """Return the severity (RFC 5424, table 2) that log4cplus gives to a level."""
    for below, code in _SEVERITIES:
        if level < below:
            return code
    return _ALERT


class _SysLogHandler(logging.Handler):
    """Base: `send` takes one line, without its end."""

    def __init__(self, ident: str, facility: int) -> None:
        super().__init__()
        self._ident = ident
        self._facility = facility

    def emit(self, record: logging.LogRecord) -> None:
        priority = self._facility << 3 | severity(record.levelno)
        try:
            for line in self.format(record).removesuffix("\n").split("\n"):
                self.send(priority, record, line)
        except Exception:  # noqa: BLE001 - a record that cannot be sent must not end the program
            self.handleError(record)

    def send(self, priority: int, record: logging.LogRecord, line: str) -> None:
        raise NotImplementedError


if sys.platform != "win32":
    import syslog

    class LocalSysLogHandler(_SysLogHandler):
        """This machine's syslog (syslog(3)); where none runs, records are lost, as they are with DCMTK."""

        def send(self, priority: int, record: logging.LogRecord, line: str) -> None:
            del record
            syslog.openlog(self._ident)  # it is the process's, and another appender may have another name
            syslog.syslog(priority, line)


class RemoteSysLogHandler(_SysLogHandler):
    """A syslog server, by UDP (RFC 5424, RFC 5426). The name is looked up once, with the first record."""

    def __init__(self, host: str, port: int, ident: str, facility: int) -> None:
        super().__init__(ident, facility)
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        self._lost = False
        self._hostname = _field(socket.gethostname(), 255)

    def _connect(self) -> socket.socket:
        family, kind, protocol, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
        connection = socket.socket(family, kind, protocol)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            raise
        return connection

    def send(self, priority: int, record: logging.LogRecord, line: str) -> None:
        if self._lost:
            return
        if self._socket is None:
            try:
                self._socket = self._connect()
            except OSError:
                self._lost = True  # a look-up may take seconds: not again for every record
                raise
        when = format_time(record.created, "%Y-%m-%dT%H:%M:%S.%qZ", utc=True)
        name = _field(dcmtk_name(record.name), 32)
        head = f"<{priority}>1 {when} {self._hostname} {_field(self._ident, 48)} {os.getpid()} {name} - "
        self._socket.send((head + line).encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._lost = True
        super().close()


def _field(text: str, longest: int) -> str:
    """Return `text` as a field of a header: printable ASCII without spaces, "-" if nothing is left."""
    return "".join(character for character in text if "!" <= character <= "~")[:longest] or "-"
