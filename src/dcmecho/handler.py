"""What a Verification server lets its user see and decide."""

from .dimse import SUCCESS
from .items import ImplementationClassUID, ImplementationVersionName, find
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

    from .pdu import AssociateRJ, AssociateRQ


class Peer(Record):
    """Who is at the other end: address and port, what the TLS handshake told (see docs/reference/json.md; None without
    TLS) and, once it has asked for an association, what it said of itself.

    Its texts may hold any character: show them through `dcmecho.text.escape`.
    """

    __slots__ = ("address", "port", "request", "tls")

    def __init__(
        self,
        address: str,
        port: int,
        request: "AssociateRQ | None" = None,
        tls: "dict[str, Any] | None" = None,
    ) -> None:
        self.address = address
        self.port = port
        self.request = request
        self.tls = tls

    @property
    def calling_ae_title(self) -> str:
        return self.request.calling_ae_title.strip(" ") if self.request else ""

    @property
    def called_ae_title(self) -> str:
        return self.request.called_ae_title.strip(" ") if self.request else ""

    @property
    def implementation_class_uid(self) -> str:
        found = find(self.request.user_information, ImplementationClassUID) if self.request else None
        return found.uid if found else ""

    @property
    def implementation_version_name(self) -> str:
        found = find(self.request.user_information, ImplementationVersionName) if self.request else None
        return found.name if found else ""


class EchoStatus(Record):
    """The answer to an echo: a status (PS3.7 Annex C) and, if wanted, its detail (PS3.7 9.3.5.2).

    `error_comment` is up to 64 characters, `error_id` 0 to 65535, `offending_elements` are tags.
    """

    __slots__ = ("error_comment", "error_id", "offending_elements", "status")

    def __init__(
        self,
        status: int = SUCCESS,
        *,
        error_comment: str = "",
        error_id: int | None = None,
        offending_elements: tuple[int, ...] = (),
    ) -> None:
        self.status = status
        self.error_comment = error_comment
        self.error_id = error_id
        self.offending_elements = offending_elements


class Handler:
    """Override what you want to see or decide. Methods are called in the server's thread and must not block.

    An exception in one of them ends nothing: an echo is answered with Processing Failure (0110H), and the event loop's
    exception handler is told.
    """

    def connected(self, peer: Peer) -> None:
        """A connection was accepted."""

    def accepted(self, peer: Peer) -> None:
        """An association was accepted."""

    def rejected(self, peer: Peer, rejection: "AssociateRJ") -> None:
        """An association was rejected."""

    def echo(self, peer: Peer, message_id: int) -> "EchoStatus | int | Awaitable[EchoStatus | int]":
        """An echo request arrived: return the status to answer with, or an awaitable of it."""
        return SUCCESS

    def echoed(self, peer: Peer, message_id: int, status: int) -> None:
        """An echo request was answered."""

    def released(self, peer: Peer) -> None:
        """The peer released the association."""

    def aborted(self, peer: Peer, outcome: str, detail: str) -> None:
        """An association ended otherwise: `outcome` is one of `dcmecho.acceptor.OUTCOMES`."""

    def dropped(self, peer: Peer, outcome: str, detail: str) -> None:
        """A connection ended that never was an association: `outcome` is one of `dcmecho.acceptor.OUTCOMES`."""
