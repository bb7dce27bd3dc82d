"""The asyncio server: many associations on one thread.

It knows transports and nothing of DICOM; what is sent and received is decided in `dcmecho.acceptor`.
"""

import asyncio

from dcmecho.agreements import Agreements
from dcmecho.counters import Counters
from dcmecho.listening import listening_sockets, unavailable
from dcmecho.negotiation import LOCAL_LIMIT_EXCEEDED
from dcmecho.pdu import REJECTED_PERMANENT, REJECTED_TRANSIENT, SOURCE_PRESENTATION, SOURCE_USER, AssociateRJ
from dcmecho.server_settings import ServerSettings

from .accepting import accepting
from .connection import Connection
from .timers import Timers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self, Unpack

    from dcmecho.handler import Peer
    from dcmecho.server_settings import ServerOptions
    from dcmecho.tls.wire import WireTLS

    from .accepting import LoopAccepting, PollerAccepting


def serve(port: int = 0, **options: "Unpack[ServerOptions]") -> "EchoServer":
    """Return a Verification server, to be used as an asynchronous context manager::

        async with dcmecho.aio.serve(ae_title="ECHO") as server:
            print(server.port)

    Port 0 takes a free one. The other arguments are those of `dcmecho.ServerSettings`. Leaving the context ends the
    associations that stand, see `EchoServer.close`.
    """
    return EchoServer(port, ServerSettings(**options))


class EchoServer:
    """Listens and serves until it is closed. `port` is the one it listens on, once started.

    With `sockets`, which are bound already and then belong to the server, nothing is bound. `counters` takes the place
    of those that it makes for itself.
    """

    timers: Timers

    def __init__(
        self,
        port: int,
        settings: ServerSettings,
        sockets: "Sequence[socket.socket]" = (),
        counters: Counters | None = None,
    ) -> None:
        self.port = port
        self.settings = settings
        self.counters = Counters() if counters is None else counters
        """What has been done since the start, and the associations that stand."""
        self._open_by_host: dict[str, int] = {}
        self._sockets = sockets
        self.agreements = Agreements()
        self.connections: set[Connection] = set()
        self.tls: WireTLS | None = None
        self._accepting: PollerAccepting | LoopAccepting | None = None
        self._nobody_left: asyncio.Event | None = None
        self.is_closed = False
        """True once `close` has been called: nobody is served any more."""

    async def __aenter__(self) -> "Self":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        await self.close(grace=0.0)

    async def start(self) -> None:
        """Begin to listen. LocalError if the port cannot be had, or TLS not be set up."""
        self.load_tls()
        listeners = self._sockets or listening_sockets(self.settings.bind_address, self.port)
        ways_in = self._open()
        try:
            for listener in listeners:
                self.port = listener.getsockname()[1]
                await ways_in.listen(listener)
        except OSError as error:  # another has begun to listen there since the socket was bound
            await self.close(0.0)
            for listener in listeners:
                listener.close()
            raise unavailable(self.settings.bind_address, self.port, error) from None

    async def adopt(self, connection: "socket.socket") -> None:
        """Serve one connection that stands already, and listen nowhere. LocalError if TLS cannot be set up."""
        self.load_tls()
        await self._open().adopt(connection)

    def _open(self) -> "PollerAccepting | LoopAccepting":
        loop = asyncio.get_running_loop()
        self.is_closed, self._nobody_left = False, None
        self.timers = Timers(loop)
        self._accepting = accepting(loop, lambda: Connection(self))
        return self._accepting

    async def close(self, grace: float = 5.0) -> None:
        """Stop listening, give the associations that stand `grace` seconds to end, and abort the rest."""
        self.is_closed = True
        if self._accepting is not None:
            await self._accepting.stop()
        for connection in list(self.connections):
            if connection.is_idle:
                connection.shut_down()
        if not await self._wait(grace):
            for connection in list(self.connections):
                connection.shut_down()
            if not await self._wait(1.0):
                for connection in list(self.connections):
                    connection.cut()
                await self._wait(1.0)
        if self._accepting is not None:
            self._accepting.close()
            self._accepting = None

    async def _wait(self, seconds: float) -> bool:
        """Wait until no connection is left; False if that takes longer."""
        if self._nobody_left is None:
            self._nobody_left = asyncio.Event()
        self._tell_if_nobody_left()
        try:
            async with asyncio.timeout(seconds):
                await self._nobody_left.wait()
        except TimeoutError:
            return not self.connections
        return True

    def load_tls(self) -> None:
        """Load key, certificates and revocation lists, for the connections from now on; nothing happens without TLS.

        LocalError if they cannot be used: what was loaded before stays in force.
        """
        if self.settings.tls is not None:
            from dcmecho.tls import wire

            self.tls = wire.server(self.settings.tls)

    def refusal(self, peer: "Peer") -> AssociateRJ | None:
        """Return how a peer's association request is to be rejected, whatever it asks for; None if it is not."""
        settings = self.settings
        if not settings.allows(peer.address):
            return AssociateRJ(REJECTED_PERMANENT, SOURCE_USER, 1)
        of_host = settings.max_associations_per_host
        is_full = settings.max_associations is not None and self.counters.open >= settings.max_associations
        if is_full or (of_host is not None and self._open_by_host.get(peer.address, 0) >= of_host):
            return AssociateRJ(REJECTED_TRANSIENT, SOURCE_PRESENTATION, LOCAL_LIMIT_EXCEEDED)
        return None

    def count_of_host(self, peer: "Peer", step: int) -> None:
        """An association with a peer's host has begun (`step` 1) or ended (-1)."""
        left = self._open_by_host.get(peer.address, 0) + step
        if left:
            self._open_by_host[peer.address] = left
        else:
            self._open_by_host.pop(peer.address, None)

    def forget(self, connection: "Connection") -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        self._tell_if_nobody_left()

    def _tell_if_nobody_left(self) -> None:
        if self._nobody_left is not None and not self.connections:
            self._nobody_left.set()
