"""The closed list of reasons why a verification can fail. Imports nothing.

Every failure that `dcmecho` reports, as an exception, an exit code, a JSON object or a metric, carries one of
these. The names are stable: programs may compare them.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The steps of a verification, in order. `setup` is what happens before the first packet.
SETUP = "setup"
RESOLVE = "resolve"
CONNECT = "connect"
TLS = "tls"
ASSOCIATE = "associate"
ECHO = "echo"
RELEASE = "release"
STEPS = (SETUP, RESOLVE, CONNECT, TLS, ASSOCIATE, ECHO, RELEASE)

# Whose side a failure is on: who must act.
LOCAL = "local"
NETWORK = "network"
PEER = "peer"
SIDES = (LOCAL, NETWORK, PEER)


class Cause:
    """One reason for a failure.

    `name` is the stable machine name, `side` who must act, `steps` where it can happen, `summary` one clause in
    plain words, `hint` what to try (empty where the summary says it all).
    """

    __slots__ = ("hint", "name", "side", "steps", "summary")

    def __init__(self, name: str, side: str, steps: tuple[str, ...], summary: str, hint: str = "") -> None:
        self.name = name
        self.side = side
        self.steps = steps
        self.summary = summary
        self.hint = hint

    def __repr__(self) -> str:
        return f"<Cause {self.name}>"

    def __reduce__(self) -> "tuple[Callable[[str], Cause], tuple[str]]":
        return _named, (self.name,)


CAUSES: dict[str, Cause] = {}
"""Every cause by its name."""


def _named(name: str) -> Cause:
    return CAUSES[name]


def _cause(name: str, side: str, steps: tuple[str, ...], summary: str, hint: str = "") -> Cause:
    CAUSES[name] = cause = Cause(name, side, steps, summary, hint)
    return cause


_STANDING = (ECHO, RELEASE)
_ON_THE_WIRE = (ASSOCIATE, ECHO, RELEASE)

# Before and while connecting
HOST_NOT_FOUND = _cause("host-not-found", NETWORK, (RESOLVE,), "no such host", "check the name and the name server")
RESOLVE_FAILED = _cause(
    "resolve-failed", NETWORK, (RESOLVE,), "the name could not be looked up", "try the IP address, or again later"
)
CONNECTION_REFUSED = _cause(
    "connection-refused",
    PEER,
    (CONNECT,),
    "connection refused",
    "nothing listens on that port: check the port number and that the peer runs",
)
HOST_UNREACHABLE = _cause(
    "host-unreachable", NETWORK, (CONNECT,), "host unreachable", "check routing and firewalls between here and there"
)
CONNECT_TIMEOUT = _cause(
    "connect-timeout",
    NETWORK,
    (CONNECT,),
    "no answer to the connection request",
    "check the address, and firewalls that drop packets",
)
CONNECT_FAILED = _cause("connect-failed", LOCAL, (CONNECT,), "could not connect")

# While associating
CALLED_AE_TITLE_REFUSED = _cause(
    "called-ae-title-refused",
    PEER,
    (ASSOCIATE,),
    "the peer does not know the called AE title",
    "ask for the peer's own title and pass it with -aec; case and inner spaces count",
)
CALLING_AE_TITLE_REFUSED = _cause(
    "calling-ae-title-refused",
    PEER,
    (ASSOCIATE,),
    "the peer does not know the calling AE title",
    "have our title (and address) registered at the peer, or pass the registered one with -aet",
)
APPLICATION_CONTEXT_REFUSED = _cause(
    "application-context-refused", PEER, (ASSOCIATE,), "the peer does not support DICOM's application context"
)
PROTOCOL_VERSION_REFUSED = _cause(
    "protocol-version-refused", PEER, (ASSOCIATE,), "the peer does not support version 1 of the protocol"
)
PEER_BUSY = _cause(
    "peer-busy",
    PEER,
    (ASSOCIATE,),
    "the peer has too many associations or is congested",
    "try again later, or raise the peer's limit of associations",
)
REJECTED = _cause("rejected", PEER, (ASSOCIATE,), "the peer rejected the association", "the peer's log may say why")
NO_ACCEPTABLE_CONTEXT = _cause(
    "no-acceptable-context",
    PEER,
    (ASSOCIATE,),
    "no acceptable presentation context: the peer accepted none of those proposed",
    "the peer may have no Verification service, or none for these titles",
)
ASSOCIATE_TIMEOUT = _cause(
    "associate-timeout",
    PEER,
    (ASSOCIATE,),
    "the peer accepted the connection and did not answer the association request",
    "a DICOM peer may be busy or hanging; a peer that expects TLS may be waiting for it too (+tls, +tla)",
)
PEER_SPEAKS_TLS = _cause(
    "peer-speaks-tls", PEER, (ASSOCIATE,), "the peer on that port speaks TLS", "use +tls or +tla, or the plain port"
)
PEER_SPEAKS_HTTP = _cause(
    "peer-speaks-http", PEER, (ASSOCIATE,), "a web server (HTTP) answers on that port", "use the peer's DICOM port"
)
PEER_SPEAKS_SSH = _cause(
    "peer-speaks-ssh", PEER, (ASSOCIATE,), "an SSH server answers on that port", "use the peer's DICOM port"
)
NOT_DICOM = _cause(
    "not-dicom", PEER, (ASSOCIATE,), "what answers on that port does not speak DICOM", "use the peer's DICOM port"
)

# While the association stands, or is on its way
ABORTED = _cause("aborted", PEER, _ON_THE_WIRE, "the peer aborted the association", "the peer's log may say why")
CONNECTION_CLOSED = _cause(
    "connection-closed",
    PEER,
    _ON_THE_WIRE,
    "the peer closed the connection without a word",
    "the peer may have failed: see its log",
)
RELEASED_BY_PEER = _cause(
    "released-by-peer",
    PEER,
    (ECHO, RELEASE),
    "the peer released the association before we had done",
    "the peer may be shutting down: see its log",
)
CONNECTION_RESET = _cause(
    "connection-reset",
    PEER,
    (TLS, *_ON_THE_WIRE),
    "the connection was reset",
    "the peer may have failed, or a firewall cut the connection",
)
CONNECTION_LOST = _cause("connection-lost", NETWORK, (TLS, *_ON_THE_WIRE), "the connection was lost")
PROTOCOL_VIOLATION = _cause(
    "protocol-violation", PEER, _ON_THE_WIRE, "the peer broke the protocol", "-ll trace shows what it sent"
)
NO_PROGRESS = _cause(
    "no-progress", NETWORK, _ON_THE_WIRE, "nothing could be sent or received", "raise -ts if the peer is only slow"
)
ECHO_TIMEOUT = _cause(
    "echo-timeout", PEER, (ECHO,), "no answer to an echo request", "raise -td if the peer is only slow"
)
ECHO_STATUS = _cause(
    "echo-status", PEER, (ECHO,), "an echo was answered with a status other than Success", "the peer's log may say why"
)
RELEASE_TIMEOUT = _cause("release-timeout", PEER, (RELEASE,), "no answer to the release request")
DEADLINE_EXCEEDED = _cause(
    "deadline-exceeded",
    NETWORK,
    (RESOLVE, CONNECT, TLS, *_ON_THE_WIRE),
    "the whole run did not end",
)
INTERRUPTED = _cause("interrupted", LOCAL, STEPS, "interrupted")

# TLS: settings of ours that cannot be used
TLS_KEY_PASSWORD = _cause("tls-key-password", LOCAL, (SETUP,), "the password of the private key is wrong or missing")
TLS_KEY_MISMATCH = _cause("tls-key-mismatch", LOCAL, (SETUP,), "the private key does not belong to the certificate")
TLS_PROFILE_UNAVAILABLE = _cause(
    "tls-profile-unavailable", LOCAL, (SETUP,), "this TLS library cannot offer what was asked for"
)

# Files and ports of ours
INPUT_FILE_UNREADABLE = _cause("input-file-unreadable", LOCAL, (SETUP,), "an input file cannot be read")
INPUT_FILE_INVALID = _cause("input-file-invalid", LOCAL, (SETUP,), "an input file is not what it should be")
OUTPUT_FILE_UNWRITABLE = _cause("output-file-unwritable", LOCAL, (SETUP,), "an output file cannot be written")
PORT_UNAVAILABLE = _cause("port-unavailable", LOCAL, (SETUP,), "the port cannot be listened on")

# TLS: the handshake
PEER_NOT_TLS = _cause(
    "peer-not-tls",
    PEER,
    (TLS,),
    "the peer does not speak TLS on that port",
    "use the peer's TLS port, or leave out +tls and +tla",
)
TLS_TIMEOUT = _cause(
    "tls-timeout", PEER, (TLS,), "the TLS handshake did not end", "the peer may have no TLS on that port"
)
TLS_UNKNOWN_CA = _cause(
    "tls-unknown-ca",
    LOCAL,
    (TLS,),
    "the peer's certificate comes from an authority that is not trusted here",
    "name its CA certificate with +cf or +cd",
)
TLS_CERTIFICATE_EXPIRED = _cause(
    "tls-certificate-expired", PEER, (TLS,), "a certificate of the peer has expired", "it must be renewed at the peer"
)
TLS_CERTIFICATE_NOT_YET_VALID = _cause(
    "tls-certificate-not-yet-valid",
    PEER,
    (TLS,),
    "a certificate of the peer is not valid yet",
    "compare the clocks of both machines",
)
TLS_CERTIFICATE_REVOKED = _cause(
    "tls-certificate-revoked", PEER, (TLS,), "a certificate of the peer has been revoked", "the peer needs a new one"
)
TLS_CRL_MISSING = _cause(
    "tls-crl-missing",
    LOCAL,
    (TLS,),
    "no revocation list of the certificate's issuer is at hand",
    "name that CA's list with +crl",
)
TLS_CRL_EXPIRED = _cause(
    "tls-crl-expired", LOCAL, (TLS,), "the revocation list is out of date", "fetch the CA's newest list"
)
TLS_WRONG_HOST_NAME = _cause("tls-wrong-host-name", PEER, (TLS,), "the peer's certificate is for another name")
TLS_CERTIFICATE_PURPOSE = _cause(
    "tls-certificate-purpose", PEER, (TLS,), "the peer's certificate may not be used for this side of TLS"
)
TLS_CERTIFICATE_WEAK = _cause(
    "tls-certificate-weak", PEER, (TLS,), "a key or hash of the peer's certificate is too weak"
)
TLS_CERTIFICATE_INVALID = _cause("tls-certificate-invalid", PEER, (TLS,), "the peer's certificate is not acceptable")
TLS_PEER_CERTIFICATE_MISSING = _cause(
    "tls-peer-certificate-missing",
    PEER,
    (TLS,),
    "the client sent no certificate, and one is required here",
    "give the client a key and a certificate, or do not require one (-vc, -ic)",
)
TLS_NO_COMMON_VERSION = _cause(
    "tls-no-common-version", PEER, (TLS,), "peer and profile share no TLS version", "try another profile (+ph)"
)
TLS_NO_COMMON_CIPHER = _cause(
    "tls-no-common-cipher",
    PEER,
    (TLS,),
    "peer and profile share no cipher suite",
    "try another profile (+ph); a peer may also answer so when it wants a certificate from us (+tls)",
)
TLS_CLIENT_CERTIFICATE_MISSING = _cause(
    "tls-client-certificate-missing",
    LOCAL,
    (TLS, ASSOCIATE),
    "the peer requires a certificate from us",
    "use +tls with key and certificate",
)
TLS_CLIENT_CERTIFICATE_REFUSED = _cause(
    "tls-client-certificate-refused",
    PEER,
    (TLS, ASSOCIATE),
    "the peer refused our certificate",
    "the peer must trust the CA of our certificate, and the certificate be valid for a client",
)
TLS_SERVER_NAME_REFUSED = _cause(
    "tls-server-name-refused", PEER, (TLS,), "the peer does not know the requested server name", "check --request-sni"
)
TLS_HANDSHAKE_FAILED = _cause("tls-handshake-failed", PEER, (TLS,), "the TLS handshake failed")
TLS_BROKEN = _cause(
    "tls-broken",
    NETWORK,
    _ON_THE_WIRE,
    "what came over TLS cannot be read",
    "something between here and there may change what passes, or the peer's TLS is faulty",
)
