"""How a Verification server is to behave, checked in one place."""

from .acceptor import AcceptorTimeouts
from .errors import UsageError
from .negotiation import AcceptorPolicy
from .settings import check_ae_title, check_max_pdu, check_timeout, check_transfer_syntaxes
from .text import quote
from .uids import ACCEPTABLE_TRANSFER_SYNTAXES, MAX_ASSOCIATION_PDU, MAX_MESSAGE_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable
    from typing import TypedDict

    from .association import Observer
    from .handler import Handler, Peer
    from .tls.configuration import TLSConfiguration

    class ServerOptions(TypedDict, total=False):
        """The keyword arguments of `dcmecho.serve` and its asyncio twin; see `ServerSettings`."""

        ae_title: str
        bind_address: str | None
        handler: Handler | None
        transfer_syntaxes: tuple[str, ...]
        preferred_transfer_syntaxes: tuple[str, ...]
        max_pdu: int
        require_called_ae_title: bool
        calling_ae_titles: Iterable[str] | None
        acse_timeout: float
        dimse_timeout: float | None
        network_timeout: float | None
        max_association_pdu: int
        max_message_length: int
        tls: TLSConfiguration | ssl.SSLContext | None
        observe: Callable[[Peer], Observer | None] | None


class ServerSettings:
    """How a Verification server behaves.

    ae_title: our AE title.
    bind_address: the address to listen on; None is every IPv4 and IPv6 address.
    handler: sees what happens, and chooses the status of each echo.
    transfer_syntaxes: those that are accepted; preferred_transfer_syntaxes: those that go before the requestor's order.
    max_pdu: the longest P-DATA-TF we take, 4096 to 131072 bytes, or 0 for no limit.
    require_called_ae_title: reject requests that call another title than ours.
    calling_ae_titles: reject requests from other titles than these; None takes any.
    acse_timeout: seconds from the connection to the association request (TLS handshake included), and to the end of the
        connection after a release, reject or abort.
    dimse_timeout: seconds for the rest of a message that has begun; None is unlimited.
    network_timeout: seconds that an association may be idle; None is unlimited.
    max_association_pdu, max_message_length: the longest A-ASSOCIATE-RQ and command set that are taken, in bytes.
    tls: a `dcmecho.tls.TLSConfiguration` or an `ssl.SSLContext`; None is plain TCP.
    observe: called for each connection, returns what is to see the PDUs that cross it.

    UsageError if a value is not allowed.
    """

    __slots__ = (
        "ae_title",
        "bind_address",
        "handler",
        "max_association_pdu",
        "max_message_length",
        "observe",
        "policy",
        "timeouts",
        "tls",
    )

    def __init__(
        self,
        *,
        ae_title: str = "ECHOSCP",
        bind_address: str | None = None,
        handler: "Handler | None" = None,
        transfer_syntaxes: tuple[str, ...] = ACCEPTABLE_TRANSFER_SYNTAXES,
        preferred_transfer_syntaxes: tuple[str, ...] = (),
        max_pdu: int = 16382,
        require_called_ae_title: bool = False,
        calling_ae_titles: "Iterable[str] | None" = None,
        acse_timeout: float = 30.0,
        dimse_timeout: float | None = 30.0,
        network_timeout: float | None = 30.0,
        max_association_pdu: int = MAX_ASSOCIATION_PDU,
        max_message_length: int = MAX_MESSAGE_LENGTH,
        tls: "TLSConfiguration | ssl.SSLContext | None" = None,
        observe: "Callable[[Peer], Observer | None] | None" = None,
    ) -> None:
        from .handler import Handler

        self.ae_title = check_ae_title(ae_title)
        self.bind_address = bind_address
        self.handler = Handler() if handler is None else handler
        known = None
        if isinstance(calling_ae_titles, str):
            raise UsageError(f"calling_ae_titles takes several titles, not the one string {quote(calling_ae_titles)}")
        if calling_ae_titles is not None:
            known = frozenset(check_ae_title(title, "calling AE title") for title in calling_ae_titles)
        self.policy = AcceptorPolicy(
            transfer_syntaxes=check_transfer_syntaxes(transfer_syntaxes),
            preferred=check_transfer_syntaxes(preferred_transfer_syntaxes) if preferred_transfer_syntaxes else (),
            max_pdu=check_max_pdu(max_pdu),
            called_ae_titles=frozenset([self.ae_title]) if require_called_ae_title else None,
            calling_ae_titles=known,
        )
        if check_timeout(acse_timeout, "acse_timeout") is None:
            raise UsageError("acse_timeout cannot be unlimited: a silent client would hold its connection for ever")
        self.timeouts = AcceptorTimeouts(
            acse_timeout,
            check_timeout(dimse_timeout, "dimse_timeout"),
            check_timeout(network_timeout, "network_timeout"),
        )
        if max_association_pdu < 1024 or max_message_length < 1024:
            raise UsageError("max_association_pdu and max_message_length must be at least 1024 bytes")
        self.max_association_pdu = max_association_pdu
        self.max_message_length = max_message_length
        self.tls = tls
        self.observe = observe
