"""How a visitor talks to a server: over TCP, or over TLS. Nothing here waits: who waits for many is `Visitors`."""

from __future__ import annotations

import os
import socket
import ssl
import struct

from programs import LOOPBACK

PATIENCE = 30.0
"""Seconds after which a visitor that waits for the server has been let down: longer than any limit of the server."""


class Line:
    """A connection to a server. It stands when it can be written to; then `begin` is called."""

    def __init__(self, port: int) -> None:
        self.connection = socket.socket()
        self.connection.setblocking(False)
        self.connection.connect_ex((LOOPBACK, port))

    def begin(self) -> None:
        """Be ready to talk; OSError if there is no connection."""
        trouble = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if trouble:
            raise OSError(trouble, os.strerror(trouble))
        self.connection.settimeout(PATIENCE)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def say(self, data: bytes) -> None:
        self.connection.sendall(data)

    def hear(self) -> bytes | None:
        """Return what has arrived, which may be nothing; None once the other side has closed. To be called when there
        is something to read."""
        try:
            return self.connection.recv(65536) or None
        except ConnectionError:
            return None

    def close(self) -> None:
        self.connection.close()

    def reset_when_closed(self) -> None:
        """Have `close` end the connection at once, for both sides."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class SecuredLine(Line):
    """A connection with TLS. What is said before the end of the handshake is sent after it."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(port)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._unsaid = b""
        self._is_secured = False

    def begin(self) -> None:
        super().begin()
        self._take()

    def say(self, data: bytes) -> None:
        if self._is_secured:
            self._tls.write(data)
            self._pass_on()
        else:
            self._unsaid += data

    def hear(self) -> bytes | None:
        """As of every line; ssl.SSLError if the server speaks TLS wrongly, or complains."""
        data = super().hear()
        if data is None:
            return None
        self._incoming.write(data)
        try:
            return self._take()
        except ConnectionError:
            return None

    def _take(self) -> bytes | None:
        """Go on with what has arrived as far as it goes; None if it ends the connection."""
        found = b""
        try:
            if not self._is_secured:
                self._tls.do_handshake()
                self._is_secured = True
                if self._unsaid:
                    self.say(self._unsaid)
            while piece := self._tls.read(65536):
                found += piece
        except ssl.SSLWantReadError:
            self._pass_on()
            return found
        return found or None

    def _pass_on(self) -> None:
        if self._outgoing.pending:
            super().say(self._outgoing.read())


def client_hello(context: ssl.SSLContext) -> bytes:
    """The first that a client says that has this context."""
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()
