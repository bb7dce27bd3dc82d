"""Serves the one connection that a super-server has accepted. Loaded only for `--inetd`."""

import os
import socket
import stat

from dcmecho.aio.server import EchoServer
from dcmecho.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dcmecho.aio.connection import Connection
    from dcmecho.server_settings import ServerSettings


def inherited_connection(descriptor: int = 0) -> socket.socket:
    """Return the connection that this process was started with. UsageError if it has none.

    Classical inetd makes it standard output and standard error too. What is written there must not get between PDUs:
    these two become the null device.
    """
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        raise UsageError("option --inetd: standard input is not a socket")
    ours = os.fstat(descriptor)
    connection = socket.socket(fileno=os.dup(descriptor))
    try:
        connection.getpeername()
    except OSError:
        connection.close()
        raise UsageError("option --inetd: standard input is a socket without a connection") from None
    connection.setblocking(False)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    for other in (1, 2):
        if os.path.samestat(os.fstat(other), ours):
            os.dup2(null, other)
    os.close(null)
    return connection


class OneConnection(EchoServer):
    """Serves one connection; `on_end` is called when it is gone."""

    def __init__(self, connection: socket.socket, settings: "ServerSettings", on_end: "Callable[[], None]") -> None:
        super().__init__(0, settings)
        self._connection = connection
        self._on_end = on_end

    async def start(self) -> None:
        """Begin to serve it. LocalError if TLS cannot be set up."""
        await self.adopt(self._connection)

    def forget(self, connection: "Connection") -> None:
        super().forget(connection)
        self._on_end()
