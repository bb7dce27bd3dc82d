"""A connection behind a `Poller`, as a transport of asyncio, with what our protocols use of one."""

import asyncio
import socket

from .poller import READABLE, WRITABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .poller import Poller

    _Argument = TypeVar("_Argument")
    _Result = TypeVar("_Result")

_RECEIVED_AT_ONCE = 16384
"""Bytes that are read in one turn: what a peer has sent beyond that waits until the others had theirs."""

_HIGH_WATER = 65536
"""Bytes that may wait to be sent before the protocol is told to pause, unless it has said how many."""


class PolledTransport(asyncio.Transport):
    """One connected socket, which is closed after `connection_lost`. It begins with `start`."""

    __slots__ = (
        "_events",
        "_has_eof_to_send",
        "_high_water",
        "_is_closing",
        "_is_lost",
        "_is_protocol_paused",
        "_is_reading_paused",
        "_pending",
        "_poller",
        "_protocol",
        "_receive",
        "_send",
        "_socket",
    )

    def __init__(
        self, poller: "Poller", connection: socket.socket, address: object, protocol: asyncio.Protocol
    ) -> None:
        super().__init__({"peername": address, "socket": connection})
        self._poller = poller
        self._socket = connection
        self._receive = connection.recv
        self._send = connection.send
        self._protocol = protocol
        self._pending = bytearray()
        self._events = 0
        self._is_reading_paused = False
        self._is_protocol_paused = False
        self._has_eof_to_send = False
        self._is_closing = False
        self._is_lost = False
        self._high_water = _HIGH_WATER

    def start(self) -> None:
        """Give the connection to the protocol, and read."""
        try:
            self._protocol.connection_made(self)
            self._watch()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the protocol raises, the others go on
            self._fail(error)

    # What the poller reports

    def _ready(self, events: int) -> None:
        try:
            if events & WRITABLE:
                self._write_on()
            if events & ~WRITABLE and self._events & READABLE:
                self._read()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _read(self) -> None:
        data = self._try(self._receive, _RECEIVED_AT_ONCE)
        if data:
            self._protocol.data_received(data)
        elif data is not None:
            if self._protocol.eof_received():
                self.pause_reading()
            else:
                self.close()

    def _write_on(self) -> None:
        del self._pending[: self._try(self._send, self._pending) or 0]
        if self._is_protocol_paused and len(self._pending) <= self._high_water // 4 and not self._is_lost:
            self._is_protocol_paused = False
            self._protocol.resume_writing()
        if not self._pending:
            self._written()

    def _written(self) -> None:
        self._watch()
        if self._has_eof_to_send and not self._is_lost:
            self._send_eof()
        if self._is_closing:
            self._lose(None)

    def _try(self, call: "Callable[[_Argument], _Result]", argument: "_Argument") -> "_Result | None":
        """Ask the system; None if it cannot be done now, or never more: then the connection ends."""
        try:
            return call(argument)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._lose(error)
        except MemoryError as error:
            self._fail(error)
        return None

    # What the protocol asks for

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_lost:
            return
        sent = 0 if self._pending else self._try(self._send, data) or 0
        if sent == len(data) or self._is_lost:
            return
        self._pending += data[sent:]
        self._watch()
        if len(self._pending) > self._high_water and not self._is_protocol_paused:
            self._is_protocol_paused = True
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._has_eof_to_send = True
        if not self._pending and not self._is_lost:
            self._send_eof()

    def _send_eof(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lose(error)

    def pause_reading(self) -> None:
        self._is_reading_paused = True
        self._watch()

    def resume_reading(self) -> None:
        self._is_reading_paused = False
        self._watch()

    def is_reading(self) -> bool:
        return not self._is_reading_paused and not self._is_closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set how many bytes may wait; the protocol writes again when a quarter is left (`low` is not asked)."""
        self._high_water = _HIGH_WATER if high is None else high

    def get_write_buffer_size(self) -> int:
        return len(self._pending)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        """Read no more, and end when all is written."""
        if not self._is_closing:
            self._is_closing = True
            self._watch()
            if not self._pending:
                self._lose(None)

    def abort(self) -> None:
        """End now, with whatever has not been written."""
        self._lose(None)

    # The end

    def _fail(self, error: BaseException) -> None:
        """The protocol is at fault, or there is no memory: tell the loop, and end."""
        self._poller.loop.call_exception_handler(
            {"message": "dcmecho: a connection failed", "exception": error, "protocol": self._protocol}
        )
        self._lose(error if isinstance(error, Exception) else None)

    def _lose(self, error: Exception | None) -> None:
        if not self._is_lost:
            self._is_lost = self._is_closing = True
            self._pending.clear()
            self._watch()
            self._poller.loop.call_soon(self._end, error)

    def _end(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._socket.close()
            del self._protocol  # no cycle of references is left: both are freed at once

    def _watch(self) -> None:
        """Have the poller watch for what is wanted now. For nothing, not at all: it would report errors for ever."""
        events = 0 if self._is_reading_paused or self._is_closing else READABLE
        if self._pending:
            events |= WRITABLE
        if events == self._events:
            return
        try:
            self._watch_for(events)
        except OSError as error:  # the system watches no more descriptors
            self._lose(error)

    def _watch_for(self, events: int) -> None:
        descriptor = self._socket.fileno()
        if not events:
            self._poller.forget(descriptor)
        elif not self._events:
            self._poller.watch(descriptor, events, self._ready)
        else:
            self._poller.change(descriptor, events)
        self._events = events
