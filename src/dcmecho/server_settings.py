"""How a Verification server is to behave, checked in one place."""

from .acceptor import AcceptorTimeouts
from .errors import UsageError
from .negotiation import AcceptorPolicy
from .settings import check_ae_title, check_max_pdu, check_timeout, check_transfer_syntaxes
from .text import escape, quote
from .uids import ACCEPTABLE_TRANSFER_SYNTAXES, MAX_ASSOCIATION_PDU, MAX_MESSAGE_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable
    from ipaddress import IPv4Network, IPv6Network
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
        max_associations: int | None
        max_associations_per_host: int | None
        allow_from: Iterable[str] | None
        max_association_pdu: int
        max_message_length: int
        max_pending_output: int
        tls: TLSConfiguration | ssl.SSLContext | None
        observe: Callable[[Peer], Observer | None] | None


MAX_PENDING_OUTPUT = 64 * 1024
"""Bytes that may wait for a peer that does not read. Ours: some 700 answers."""

SMALLEST_LIMIT = 1024
"""Bytes. Below it a limit would be in the way of what is ordinary."""


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
    max_associations, max_associations_per_host: how many may stand at once, in all and from one address; what is
        beyond is rejected (transient, local limit exceeded). None is unlimited.
    allow_from: addresses and networks (CIDR) that may associate; others are rejected (permanent, no reason given).
        None is any.
    max_association_pdu, max_message_length: the longest A-ASSOCIATE-RQ and command set that are taken, in bytes.
    max_pending_output: bytes that may wait for a peer that does not read; beyond it nothing more is read from it.
    tls: a `dcmecho.tls.TLSConfiguration` or an `ssl.SSLContext`; None is plain TCP.
    observe: called for each connection, returns what is to see the PDUs that cross it.

    UsageError if a value is not allowed.
    """

    __slots__ = (
        "ae_title",
        "allow_from",
        "bind_address",
        "handler",
        "max_association_pdu",
        "max_associations",
        "max_associations_per_host",
        "max_message_length",
        "max_pending_output",
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
        max_associations: int | None = None,
        max_associations_per_host: int | None = None,
        allow_from: "Iterable[str] | None" = None,
        max_association_pdu: int = MAX_ASSOCIATION_PDU,
        max_message_length: int = MAX_MESSAGE_LENGTH,
        max_pending_output: int = MAX_PENDING_OUTPUT,
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
        self.max_associations = _at_least(1, max_associations, "max_associations")
        self.max_associations_per_host = _at_least(1, max_associations_per_host, "max_associations_per_host")
        self.allow_from = None if allow_from is None else _networks(allow_from)
        smallest = min(max_association_pdu, max_message_length, max_pending_output)
        _at_least(
            SMALLEST_LIMIT, smallest, "the smallest of max_association_pdu, max_message_length, max_pending_output"
        )
        self.max_association_pdu = max_association_pdu
        self.max_message_length = max_message_length
        self.max_pending_output = max_pending_output
        self.tls = tls
        self.observe = observe

    def allows(self, address: str) -> bool:
        """Tell whether a peer at an IP address may associate."""
        if self.allow_from is None:
            return True
        from ipaddress import ip_address

        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False  # a socket of another kind
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self.allow_from)


def _at_least(lowest: int, value: int | None, what: str) -> int | None:
    if value is not None and value < lowest:
        raise UsageError(f"{what} {value} is below {lowest}")
    return value


def _networks(addresses: "Iterable[str]") -> "tuple[IPv4Network | IPv6Network, ...]":
    from ipaddress import ip_network

    if isinstance(addresses, str):
        raise UsageError(f"allow_from takes several addresses, not the one string {quote(addresses)}")
    try:
        return tuple([ip_network(address, strict=False) for address in addresses])
    except ValueError as error:
        raise UsageError(f"allow_from: {escape(str(error))}") from None
