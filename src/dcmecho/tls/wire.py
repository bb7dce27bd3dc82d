"""What the loops need of TLS: a context, and what to make of a handshake. Loaded only for connections with TLS."""

import ssl
import time

from dcmecho import causes
from dcmecho.errors import UsageError

from .certificate import date_text, whole_days
from .configuration import TLSConfiguration
from .context import client_context, server_context
from .handshake import check_peer, handshake_details
from .profiles import CLIENT, SERVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from dcmecho.errors import TLSError

    from .handshake import TLSDetails


class WireTLS:
    """One side's TLS. `role` is ``"client"`` or ``"server"``, `warnings` what setting it up was worth a warning.

    `tls` is a configuration of ours, or a ready context: then nothing is added to what that context checks.

    Raises what `client_context` and `server_context` raise.
    """

    __slots__ = ("configuration", "context", "is_ready_made", "role", "warnings")

    def __init__(self, tls: TLSConfiguration | ssl.SSLContext, role: str) -> None:
        self.role = role
        self.warnings: list[str] = []
        self.is_ready_made = isinstance(tls, ssl.SSLContext)
        if isinstance(tls, ssl.SSLContext):
            self.configuration = TLSConfiguration()
            self.context = tls
        else:
            self.configuration = tls
            make = client_context if role == CLIENT else server_context
            self.context = make(tls, self.warnings)

    def server_name(self, host: str) -> str | None:
        """The name that a client passes to `ssl` as `server_hostname`."""
        if self.is_ready_made:
            if not self.context.check_hostname:
                return None
            try:
                self.configuration = TLSConfiguration(verify_host_name=host)  # for what is said of a failure
            except UsageError:
                pass
            return host
        return self.configuration.wire_server_name

    def finished(self, connection: "ssl.SSLSocket | ssl.SSLObject") -> "TLSReport":
        """Return what a finished handshake tells. TLSError if the peer's certificate is too weak."""
        details = handshake_details(connection)
        warnings = list(self.warnings) if self.role == CLIENT else []
        if not self.is_ready_made:
            # Not what was read of it: a certificate that cannot be read must not pass unseen.
            warnings += check_peer(self.configuration, connection.getpeercert(True), self.role)
        if self.configuration.expiry_warning_days:
            warnings += details.expiry_warnings(self.configuration.expiry_warning_days, time.time())
        return TLSReport(details, warnings)

    @staticmethod
    def say_goodbye(connection: "socket.socket") -> None:
        """Send a non-blocking connection's closure alert, which tells the peer that nothing was cut off."""
        if isinstance(connection, ssl.SSLSocket):
            try:
                connection.unwrap()
            except (OSError, ValueError):
                pass  # it has been sent, or cannot be: the peer's own is not waited for

    @staticmethod
    def is_tls_error(problem: OSError) -> bool:
        """Tell whether TLS itself found fault, and not the transport below it."""
        return isinstance(problem, ssl.SSLError) and not isinstance(problem, ssl.SSLEOFError)

    def failed(
        self,
        problem: OSError | None,
        connection: "ssl.SSLSocket | ssl.SSLObject | None" = None,
        step: str = causes.TLS,
        peer_bytes: bytes = b"",
    ) -> "TLSError":
        """Return why a handshake failed, or what followed it at once.

        `problem` is None if the peer just closed, `peer_bytes` are the first that came.
        """
        from .failures import handshake_failure

        return handshake_failure(
            problem or ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "closed"),
            self.configuration,
            peer_bytes=peer_bytes,
            connection=connection,
            role=self.role,
            step=step,
        )


def client(tls: TLSConfiguration | ssl.SSLContext) -> WireTLS:
    """Set up TLS for connecting."""
    return WireTLS(tls, CLIENT)


def server(tls: TLSConfiguration | ssl.SSLContext) -> WireTLS:
    """Set up TLS for accepting."""
    return WireTLS(tls, SERVER)


class TLSReport:
    """What a handshake told (`details`), and what of it is worth a warning."""

    __slots__ = ("details", "warnings")

    def __init__(self, details: "TLSDetails", warnings: list[str]) -> None:
        self.details = details
        self.warnings = warnings

    def to_dict(self) -> "dict[str, Any]":
        """Return the report as JSON's types; docs/reference/json.md describes it."""
        details = self.details
        now, chain_end = time.time(), details.chain_not_after
        return {
            "protocol": details.protocol,
            "cipher": details.cipher,
            "alpn": details.alpn,
            "certificate": details.peer.to_dict(now) if details.peer else None,
            "chain_not_after": date_text(chain_end) if chain_end is not None else None,
            "chain_days_left": whole_days(chain_end, now) if chain_end is not None else None,
            "warnings": self.warnings,
        }
