"""TLS over bytes, without I/O: what the asyncio loops put between a transport and an association.

(The loops' own TLS drops the alert that tells a peer why its handshake failed, and the peer's certificates with it.)
"""

import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .wire import WireTLS

_READ_SIZE = 65536
_FIRST_BYTES = 64


class TLSLayer:
    """One connection's TLS. A client names the `server_name` it asks for, if any.

    Every verb raises the `ssl` error that ends the connection (see `WireTLS.failed`); what `data_to_send` then holds is
    the alert for the peer.
    """

    __slots__ = ("_incoming", "_outgoing", "connection", "first_bytes", "has_peer_closed", "is_established")

    def __init__(self, tls: "WireTLS", server_name: str | None = None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.connection = tls.context.wrap_bio(
            self._incoming, self._outgoing, server_side=tls.role == "server", server_hostname=server_name
        )
        self.first_bytes = b""
        """How the first that came from the peer began; empty before."""
        self.is_established = False
        """True once the handshake has ended well."""
        self.has_peer_closed = False
        """True once the peer has said that nothing more will come."""

    def start(self) -> None:
        """Begin the handshake as a client."""
        self._shake()

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the transport; return the plain bytes that are complete."""
        self.first_bytes = self.first_bytes or data[:_FIRST_BYTES]
        self._incoming.write(data)
        if not self.is_established:
            self._shake()
            if not self.is_established:
                return b""
        pieces = []
        try:
            while piece := self.connection.read(_READ_SIZE):
                pieces.append(piece)
            self.has_peer_closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.has_peer_closed = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def send(self, data: bytes) -> bytes:
        """Return what carries plain bytes, for the transport."""
        self.connection.write(data)
        return self._outgoing.read()

    def close(self) -> None:
        """Say that nothing more will come."""
        try:
            self.connection.unwrap()
        except (OSError, ValueError):
            pass  # the peer's answer is not waited for

    def data_to_send(self) -> bytes:
        """What is to be written besides what `send` returned."""
        return self._outgoing.read()

    def _shake(self) -> None:
        try:
            self.connection.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.is_established = True
