"""What a finished handshake tells, and whether the peer's certificate is as good as the profile asks."""

from dcmecho import causes
from dcmecho.errors import TLSError
from dcmecho.text import quote

from . import rules
from .certificate import PeerCertificate, date_text, days_text
from .configuration import IGNORE, TLSConfiguration
from .der import DERError
from .suites import iana_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl


class TLSDetails:
    """What was negotiated and whom we talk to.

    `protocol` is ``"TLSv1.3"`` or the like, `cipher` the suite's IANA name, `alpn` the application protocol agreed on
    (None: none). `peer` is the peer's certificate (None: it sent none). `chain` is the peer's certificate first and
    its issuers after it, up to the root where it was verified; what the interpreter does not tell is missing.
    """

    __slots__ = ("alpn", "chain", "cipher", "peer", "protocol")

    def __init__(self, protocol: str, cipher: str, alpn: str | None, chain: tuple[PeerCertificate, ...]) -> None:
        self.protocol = protocol
        self.cipher = cipher
        self.alpn = alpn
        self.chain = chain
        self.peer = chain[0] if chain else None

    @property
    def chain_not_after(self) -> int | None:
        """When the first certificate of the chain ends (seconds since 1970), None without one."""
        return min((certificate.not_after for certificate in self.chain), default=None)

    def expiry_warnings(self, days: float, now: float) -> list[str]:
        """Return a warning for each certificate of the chain that ends within `days` days after `now`."""
        warnings = []
        for certificate in self.chain:
            left = certificate.days_left(now)
            if left >= days:
                continue
            whose = "the peer's certificate" if certificate is self.peer else "a CA certificate of the peer"
            number = days_text(left)
            when = f"expired {number} ago" if left < 0 else f"expires in {number}"
            warnings.append(f"{whose} {quote(certificate.subject)} {when}, {date_text(certificate.not_after)}")
        return warnings


def handshake_details(connection: "ssl.SSLSocket | ssl.SSLObject") -> TLSDetails:
    """Return what the finished handshake of `connection` tells."""
    cipher = connection.cipher()
    chain: list[PeerCertificate] = []
    ders: list[bytes | None] = [*peer_chain(connection)]
    for der in ders or [connection.getpeercert(binary_form=True)]:
        certificate = read(der)
        if certificate is None:
            break
        chain.append(certificate)
    return TLSDetails(
        connection.version() or "",
        iana_name(cipher[0]) if cipher else "",
        connection.selected_alpn_protocol(),
        tuple(chain),
    )


def read(der: bytes | None) -> PeerCertificate | None:
    """Return the certificate `der`, or None where there is none or it cannot be read."""
    try:
        return PeerCertificate(der) if der else None
    except DERError:
        return None


def peer_chain(connection: "ssl.SSLSocket | ssl.SSLObject") -> list[bytes]:
    """Return the peer's certificates, its own first: verified as far as that went, else as sent; [] for none.

    This works after a failed handshake too. Until Python 3.13 made it public, only the object below `connection` knows
    it; an interpreter without either gives [].
    """
    inner = getattr(connection, "_sslobj", None)
    for name in ("get_verified_chain", "get_unverified_chain"):
        method = getattr(inner, name, None)
        chain = method() if method else None
        # Where the client sent none, a server is told a chain of one None.
        ders = [_der_of(certificate) for certificate in chain or () if certificate is not None]
        if ders:
            return ders
    return []


def _der_of(certificate: object) -> bytes:
    der: bytes = certificate.public_bytes(2)  # type: ignore[attr-defined]  # _ssl.Certificate; 2 is its ENCODING_DER
    return der


def check_peer(configuration: TLSConfiguration, der: bytes | None, role: str) -> list[str]:
    """Hold the peer's certificate against the profile's rules for keys and hashes; return warnings.

    Call it after each handshake with `getpeercert(binary_form=True)`; `role` is our side, ``"client"`` or
    ``"server"``. Where peers' certificates are ignored, everything is a warning.

    Raises `TLSError` (tls-certificate-weak; tls-certificate-invalid if it cannot be read).
    """
    if not der:
        return []
    enforced = configuration.peer_authentication != IGNORE
    try:
        certificate = PeerCertificate(der)
    except DERError as problem:
        if enforced:
            raise TLSError(causes.TLS_CERTIFICATE_INVALID, f"it cannot be read ({problem})") from problem
        return [f"the peer's certificate cannot be read ({problem})"]
    profile = configuration.profile
    refusals, remarks = rules.judge(profile, certificate, rules.PEER, role)
    if refusals and enforced:
        detail = f"{certificate.subject}: {'; '.join(refusals)}: profile {profile.name} does not allow it"
        raise TLSError(causes.TLS_CERTIFICATE_WEAK, detail)
    return [f"the peer's certificate {quote(certificate.subject)}: {remark}" for remark in refusals + remarks]
