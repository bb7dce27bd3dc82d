"""Accepts connections for a server, each with a protocol of its own: with our poller, or with asyncio alone."""

import asyncio
import socket

from dcmecho import oserrors

from . import poller
from .transport import PolledTransport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    MakeProtocol = Callable[[], asyncio.Protocol]

BACKLOG = 4096
"""Connections that may wait to be accepted; the system may allow fewer."""

_ACCEPTED_AT_ONCE = 8
"""Connections that are accepted in one turn of the event loop: what is begun is ended first, and few wait long."""

_PAUSE = 1.0
"""Seconds until the next try when the system has no descriptor, or no memory, for one more connection."""

_TURNS_TO_ACCEPT = 4
"""Turns of asyncio's event loop from accepting a connection to `connection_made`."""


def accepting(loop: asyncio.AbstractEventLoop, make_protocol: "MakeProtocol") -> "PollerAccepting | LoopAccepting":
    """Return the better way that this system has."""
    return PollerAccepting(loop, make_protocol) if poller.is_available else LoopAccepting(loop, make_protocol)


class PollerAccepting:
    """Accepts with a `Poller`, which then watches the connections too."""

    def __init__(self, loop: asyncio.AbstractEventLoop, make_protocol: "MakeProtocol") -> None:
        self._loop = loop
        self._make_protocol = make_protocol
        self._poller = poller.Poller(loop)
        self._listeners: dict[socket.socket, asyncio.TimerHandle | None] = {}
        """Each with the timer by which it is watched again, where it is not."""

    async def listen(self, listener: socket.socket) -> None:
        """Accept what connects to a bound socket, which then belongs to us."""
        listener.listen(BACKLOG)
        listener.setblocking(False)
        _send_at_once(listener)  # the connections inherit it
        self._watch(listener)

    async def adopt(self, connection: socket.socket) -> None:
        """Take a connection that stands already."""
        address: object = None
        try:
            _send_at_once(connection)
            address = connection.getpeername()
        except OSError:
            pass  # the peer has gone already: reading will tell
        self._begin(connection, address)

    async def stop(self) -> None:
        """Accept no more."""
        for listener, timer in self._listeners.items():
            if timer is None:
                self._poller.forget(listener.fileno())
            else:
                timer.cancel()
            listener.close()
        self._listeners.clear()

    def close(self) -> None:
        """Let go of all, when the connections have gone."""
        self._poller.close()

    def _watch(self, listener: socket.socket) -> None:
        try:
            self._poller.watch(listener.fileno(), poller.READABLE, lambda _: self._accept(listener))
        except (OSError, MemoryError) as error:
            self._pause(listener, error)
        else:
            self._listeners[listener] = None

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except (OSError, MemoryError) as error:
                self._poller.forget(listener.fileno())
                self._pause(listener, error)
                return
            self._begin(connection, address)

    def _begin(self, connection: socket.socket, address: object) -> None:
        try:
            connection.setblocking(False)
            transport = PolledTransport(self._poller, connection, address, self._make_protocol())
        except Exception as error:  # noqa: BLE001 - whatever it is (most likely MemoryError), the others go on
            connection.close()
            self._loop.call_exception_handler({"message": "a connection cannot be served", "exception": error})
        else:
            transport.start()

    def _pause(self, listener: socket.socket, error: OSError | MemoryError) -> None:
        """Try again later. Out of descriptors or memory, most likely: they come back when others leave."""
        self._listeners[listener] = self._loop.call_later(_PAUSE, self._watch, listener)
        text = oserrors.text(error) if isinstance(error, OSError) else "out of memory"
        self._loop.call_exception_handler(
            {"message": f"connections cannot be accepted, trying again in {_PAUSE:g} s: {text}", "socket": listener}
        )


class LoopAccepting:
    """Accepts with nothing but asyncio: slower, and on every system."""

    def __init__(self, loop: asyncio.AbstractEventLoop, make_protocol: "MakeProtocol") -> None:
        self._loop = loop
        self._make_protocol = make_protocol
        self._servers: list[asyncio.Server] = []

    async def listen(self, listener: socket.socket) -> None:
        """Accept what connects to a bound socket, which then belongs to us."""
        # asyncio takes the backlog for the number to accept at once too, even when no descriptors are left.
        server = await self._loop.create_server(self._make_protocol, sock=listener, backlog=_ACCEPTED_AT_ONCE)
        listener.listen(BACKLOG)
        self._servers.append(server)

    async def adopt(self, connection: socket.socket) -> None:
        """Take a connection that stands already."""
        await self._loop.connect_accepted_socket(self._make_protocol, connection)

    async def stop(self) -> None:
        """Stop accepting first, and close the listeners when what was being accepted has come to us: asyncio forgets a
        connection, open, whose server closes in that moment."""
        servers, self._servers = self._servers, []
        for server in servers:
            for listener in server.sockets:
                try:
                    self._loop.remove_reader(listener.fileno())
                except NotImplementedError:  # Windows
                    pass
        for _ in range(_TURNS_TO_ACCEPT):
            await asyncio.sleep(0)
        for server in servers:
            server.close()

    def close(self) -> None:
        """Let go of all, when the connections have gone."""


def _send_at_once(each: socket.socket) -> None:
    if each.family in (socket.AF_INET, socket.AF_INET6):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
