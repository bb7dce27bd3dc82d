"""What a verification is asked to do, checked in one place."""

from .errors import UsageError
from .text import quote
from .uids import (
    IMPLICIT_VR_LITTLE_ENDIAN,
    MAX_AE_TITLE_LENGTH,
    MAX_PRESENTATION_CONTEXTS,
    MAX_UID_LENGTH,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from typing import TypedDict

    from .association import Observer
    from .tls.configuration import TLSConfiguration

    class VerificationOptions(TypedDict, total=False):
        """The keyword arguments of `dcmecho.verify` and its kin; see `VerificationSettings`."""

        called_ae_title: str
        calling_ae_title: str
        transfer_syntaxes: tuple[str, ...]
        presentation_contexts: int
        max_pdu: int
        connect_timeout: float | None
        socket_timeout: float | None
        acse_timeout: float | None
        dimse_timeout: float | None
        deadline: float | None
        ip_version: int | None
        tls: TLSConfiguration | ssl.SSLContext | None
        observer: Observer | None


_ROOM_FOR_TRANSFER_SYNTAXES = 65535 - 4 - 4 - MAX_UID_LENGTH
"""Bytes of a presentation context item (PS3.8 9.3.2.2) beside its id and its abstract syntax."""

MIN_MAX_PDU = 4096
MAX_MAX_PDU = 131072
DEFAULT_SOCKET_TIMEOUT = 60.0
"""Seconds, as DCMTK has it."""

LONGEST_TIMEOUT = 10 * 366 * 24 * 3600.0
"""Seconds. Beyond ten years a timeout is a slip, and operating systems' timers overflow."""


def check_ae_title(title: str, what: str = "AE title") -> str:
    """Return an AE title without the spaces around it, which are not significant. UsageError if it cannot be one.

    PS3.5 6.2, VR AE: 1 to 16 characters of the default repertoire without backslash and control characters, and not
    all spaces.
    """
    stripped = title.strip(" ")
    if not stripped:
        raise UsageError(f"{what} {quote(title)} is empty")
    if len(stripped) > MAX_AE_TITLE_LENGTH:
        raise UsageError(
            f"{what} {quote(title)} has {len(stripped)} characters, at most {MAX_AE_TITLE_LENGTH} are allowed"
        )
    if not stripped.isascii() or not stripped.isprintable() or "\\" in stripped:
        raise UsageError(
            f"{what} {quote(title)} holds a character that is not allowed: control, backslash or not ASCII"
        )
    return stripped


def check_max_pdu(max_pdu: int) -> int:
    """Return a maximum length to announce. UsageError if it is neither 0 nor 4096 to 131072."""
    if max_pdu != 0 and not MIN_MAX_PDU <= max_pdu <= MAX_MAX_PDU:
        raise UsageError(f"max_pdu {max_pdu} is neither 0 (no limit) nor between {MIN_MAX_PDU} and {MAX_MAX_PDU}")
    return max_pdu


def check_timeout(seconds: float | None, what: str) -> float | None:
    """Return a timeout. UsageError unless it is None (unlimited) or more than 0 and at most ten years."""
    if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds <= LONGEST_TIMEOUT):
        raise UsageError(f"{what} {seconds!r} is not a number of seconds above 0")
    return seconds


def check_transfer_syntaxes(uids: "Iterable[str]") -> tuple[str, ...]:
    """Return UIDs to propose. UsageError if there are none, one is no UID (PS3.5 9.1), or no item can hold them all."""
    if isinstance(uids, str):
        raise UsageError(f"transfer_syntaxes takes several UIDs, not the one string {quote(uids)}")
    uids = tuple(uids)
    if not uids:
        raise UsageError("transfer_syntaxes is empty")
    for uid in uids:
        if not 0 < len(uid) <= MAX_UID_LENGTH or uid.strip("0123456789."):
            raise UsageError(f"transfer_syntaxes holds {quote(uid)}, which is no UID")
    if sum([len(uid) + 4 for uid in uids]) > _ROOM_FOR_TRANSFER_SYNTAXES:
        raise UsageError(f"transfer_syntaxes holds {len(uids)} UIDs, more than a presentation context has room for")
    return uids


def check_port(port: int, lowest: int = 1) -> int:
    """Return a TCP port. UsageError if it is not between `lowest` and 65535."""
    if not isinstance(port, int) or not lowest <= port <= 65535:
        raise UsageError(f"port {port!r} is not an integer between {lowest} and 65535")
    return port


def check_repeat(repeat: int) -> int:
    """Return a number of echoes. UsageError if it is below 1."""
    if not isinstance(repeat, int) or repeat < 1:
        raise UsageError(f"repeat {repeat!r} is not an integer above 0")
    return repeat


class VerificationSettings:
    """How to verify a peer.

    called_ae_title, calling_ae_title: the AE titles of the peer and of ourselves, 1 to 16 characters.
    transfer_syntaxes: proposed in each presentation context, in this order.
    presentation_contexts: how many are proposed for Verification, 1 to 128, with ids 1, 3, 5 ...
    max_pdu: the longest P-DATA-TF we take, 4096 to 131072 bytes, or 0 for no limit.
    connect_timeout: seconds for connecting one address, TLS handshake included; None is unlimited.
    socket_timeout: seconds without any progress of a send or receive; None is unlimited. The default, 60, gives way to
        a longer limit of the wait for an answer (acse_timeout, dimse_timeout); another value does not.
    acse_timeout: seconds for the answer to an association or release request; None is unlimited.
    dimse_timeout: seconds for the answer to an echo request; None is unlimited.
    deadline: seconds for the whole, from looking up the name to the end of the release; None is unlimited.
    ip_version: 4 or 6 to use addresses of that version only; None takes both, IPv4 first.
    tls: a `dcmecho.tls.TLSConfiguration` or an `ssl.SSLContext`; None is plain TCP.
    observer: sees what crosses the wire.

    UsageError if a value is not allowed.
    """

    __slots__ = (
        "acse_timeout",
        "called_ae_title",
        "calling_ae_title",
        "connect_timeout",
        "deadline",
        "dimse_timeout",
        "ip_version",
        "max_pdu",
        "observer",
        "presentation_contexts",
        "socket_timeout",
        "tls",
        "transfer_syntaxes",
    )

    def __init__(
        self,
        *,
        called_ae_title: str = "ANY-SCP",
        calling_ae_title: str = "ECHOSCU",
        transfer_syntaxes: tuple[str, ...] = (IMPLICIT_VR_LITTLE_ENDIAN,),
        presentation_contexts: int = 1,
        max_pdu: int = 16384,
        connect_timeout: float | None = None,
        socket_timeout: float | None = DEFAULT_SOCKET_TIMEOUT,
        acse_timeout: float | None = 30.0,
        dimse_timeout: float | None = None,
        deadline: float | None = None,
        ip_version: int | None = None,
        tls: "TLSConfiguration | ssl.SSLContext | None" = None,
        observer: "Observer | None" = None,
    ) -> None:
        self.called_ae_title = check_ae_title(called_ae_title, "called AE title")
        self.calling_ae_title = check_ae_title(calling_ae_title, "calling AE title")
        self.transfer_syntaxes = check_transfer_syntaxes(transfer_syntaxes)
        self.presentation_contexts = presentation_contexts
        if not 1 <= presentation_contexts <= MAX_PRESENTATION_CONTEXTS:
            raise UsageError(f"presentation_contexts {presentation_contexts} is not between 1 and 128")
        self.max_pdu = check_max_pdu(max_pdu)
        self.connect_timeout = check_timeout(connect_timeout, "connect_timeout")
        self.socket_timeout = check_timeout(socket_timeout, "socket_timeout")
        self.acse_timeout = check_timeout(acse_timeout, "acse_timeout")
        self.dimse_timeout = check_timeout(dimse_timeout, "dimse_timeout")
        self.deadline = check_timeout(deadline, "deadline")
        if ip_version not in (None, 4, 6):
            raise UsageError(f"ip_version {ip_version} is neither 4 nor 6 nor None")
        self.ip_version = ip_version
        self.tls = tls
        self.observer = observer

    def handshake_timeout(self, since_connecting: float) -> float | None:
        """Seconds that are left for a TLS handshake, so many after connecting began; None is unlimited."""
        limits = [limit for limit in (self.connect_timeout, self.socket_timeout) if limit is not None]
        return min(limits) - since_connecting if limits else None
