"""Every exception that `dcmecho` raises on purpose.

::

    Error
    ├── LocalProtocolError            we asked the state machine for something it does not allow: a programming error
    ├── RemoteProtocolError           what arrived is not what the standard allows
    │   ├── MalformedPDU              PS3.8 9.3: a PDU or item that cannot be decoded, or is larger than allowed
    │   ├── MalformedMessage          PS3.7 6.3, PS3.8 Annex E: a fragment or a command set that cannot be
    │   └── UnexpectedPDU             PS3.8 9.2: a PDU out of turn
    ├── UsageError                    a command line or a parameter is wrong
    └── VerificationError             a verification, or serving it, failed: `cause`, `step`, `side`, `result`
        ├── ResolveError              the host name
        ├── ConnectError              TCP; `attempts` tells each address that was tried
        ├── TLSError                  the handshake or a certificate
        ├── AssociationRejected       A-ASSOCIATE-RJ: `rejection_result`, `source`, `reason`
        ├── NoAcceptableContext       the association stands, but without a presentation context for Verification
        ├── AssociationAborted        A-ABORT from the peer: `source`, `reason`
        ├── ConnectionLost            the transport connection ended without release or abort
        ├── PeerProtocolError         the peer broke the protocol; `__cause__` is the RemoteProtocolError, if any
        ├── VerificationTimeout       (also a TimeoutError) `seconds` is the limit that passed
        ├── EchoFailed                a C-ECHO-RSP with a status other than Success: `status`
        └── LocalError                a file, a setting or a port of ours: `path`
"""

from . import causes
from .causes import Cause
from .text import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .result import ConnectAttempt, VerificationResult


class Error(Exception):
    """Base of every exception in this module. All of them can be pickled."""

    def __reduce__(self) -> "tuple[Callable[..., Error], tuple[object, ...], dict[str, object]]":
        # The attributes come last, once the error itself exists: its result refers back to it.
        return _restore, (type(self), self.args), self.__dict__


def _restore(kind: "type[Error]", args: tuple[object, ...]) -> "Error":
    error = kind.__new__(kind)
    error.args = args
    return error


class LocalProtocolError(Error):
    """We asked for something that the state of the association does not allow (PS3.8 9.2)."""


class RemoteProtocolError(Error):
    """The peer sent something that the standard does not allow; `problem` says what."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def text(self) -> str:
        """What is wrong, and where, in one line; unlike `str` not escaped yet."""
        return self.problem

    def __str__(self) -> str:
        return escape(self.text())


class MalformedPDU(RemoteProtocolError):
    """A PDU that cannot be decoded, or is longer than allowed.

    `pdu` names it, `offset` is the byte in it, counted from 1, where the trouble was found (None if it is about the
    whole), `excerpt` its first bytes, `abort_reason` the reason that an A-ABORT in answer carries (PS3.8 9.3.8).
    """

    def __init__(
        self, pdu: str, problem: str, *, abort_reason: int = 6, offset: int | None = None, excerpt: bytes = b""
    ) -> None:
        super().__init__(problem)
        self.pdu = pdu
        self.abort_reason = abort_reason
        self.offset = offset
        self.excerpt = excerpt

    def text(self) -> str:
        where = "" if self.offset is None else f" at byte {self.offset}"
        return f"{self.pdu}: {self.problem}{where}"


class MalformedMessage(RemoteProtocolError):
    """A fragment or a command set that cannot be what it claims to be."""


class UnexpectedPDU(RemoteProtocolError):
    """A PDU that the state of the association does not allow (PS3.8 Table 9-10, AA-1 and AA-8)."""


class UsageError(Error, ValueError):
    """A command line or a parameter is wrong; the text names it and says why."""


_MAY_EXPECT_TLS = (
    "the peer may expect TLS on that port (try +tls or +tla), refuse this address or title, or have failed: see its log"
)


class VerificationError(Error):
    """A verification, or serving it, failed.

    `cause` says why (one of `dcmecho.causes`), `step` during what, `side` who must act: ``"local"``, ``"network"`` or
    ``"peer"``. `detail` is what only this failure can tell, as it came (only `str` escapes it), `hint` what to try.
    `result` is all that was measured and negotiated until then (None outside a verification).
    """

    result: "VerificationResult | None" = None

    def __init__(self, cause: Cause, step: str, detail: str = "", *, hint: str | None = None) -> None:
        # Not super(): what is a TimeoutError too would take the three for an OSError's errno, strerror and filename.
        Exception.__init__(self, cause, step, detail)
        self.cause = cause
        self.step = step
        self.detail = detail
        self.hint = cause.hint if hint is None else hint

    @property
    def side(self) -> str:
        """Who must act: ``"local"``, ``"network"`` or ``"peer"``."""
        return self.cause.side

    def text(self) -> str:
        """What happened, in one line; unlike `str` not escaped yet."""
        return f"{self.cause.summary}: {self.detail}" if self.detail else self.cause.summary

    def __str__(self) -> str:
        return escape(self.text())


class ResolveError(VerificationError):
    """The host name has no address."""

    def __init__(self, host: str, cause: Cause = causes.HOST_NOT_FOUND, detail: str = "") -> None:
        super().__init__(cause, causes.RESOLVE, f'"{host}"' + (f" ({detail})" if detail else ""))
        self.host = host


class ConnectError(VerificationError):
    """None of the peer's addresses could be connected; `attempts` tells of each."""

    def __init__(self, cause: Cause, detail: str = "", attempts: "tuple[ConnectAttempt, ...]" = ()) -> None:
        super().__init__(cause, causes.CONNECT, detail)
        self.attempts = attempts


class TLSError(VerificationError):
    """A TLS handshake failed, or what it told was not good enough.

    `verify_code` is the TLS library's code for a certificate that did not pass (X509_V_ERR_...), else None.
    """

    def __init__(
        self,
        cause: Cause,
        detail: str = "",
        *,
        step: str = causes.TLS,
        hint: str | None = None,
        verify_code: int | None = None,
    ) -> None:
        super().__init__(cause, step, detail, hint=hint)
        self.verify_code = verify_code


class AssociationRejected(VerificationError):
    """The peer answered with A-ASSOCIATE-RJ (PS3.8 9.3.4).

    `rejection_result`, `source` and `reason` are the values of the PDU.
    """

    def __init__(
        self,
        cause: Cause,
        rejection_result: int,
        source: int,
        reason: int,
        detail: str = "",
        *,
        hint: str | None = None,
    ) -> None:
        super().__init__(cause, causes.ASSOCIATE, detail, hint=hint)
        self.rejection_result = rejection_result
        self.source = source
        self.reason = reason


class NoAcceptableContext(VerificationError):
    """The peer accepted the association, but no presentation context of it."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(causes.NO_ACCEPTABLE_CONTEXT, causes.ASSOCIATE, detail)


class AssociationAborted(VerificationError):
    """The peer sent A-ABORT (PS3.8 9.3.8); `source` and `reason` are the values of the PDU."""

    def __init__(self, step: str, source: int, reason: int, detail: str = "") -> None:
        super().__init__(causes.ABORTED, step, detail)
        self.source = source
        self.reason = reason


class ConnectionLost(VerificationError):
    """The transport connection ended without release or abort, or the peer released before we had done."""

    def __init__(self, cause: Cause, step: str, detail: str = "") -> None:
        # A port that expects TLS closes or resets so on plain DICOM: by far the commonest reason at this step.
        expects_tls = step == causes.ASSOCIATE and cause in (causes.CONNECTION_CLOSED, causes.CONNECTION_RESET)
        super().__init__(cause, step, detail, hint=_MAY_EXPECT_TLS if expects_tls else None)


class PeerProtocolError(VerificationError):
    """The peer broke the protocol, or speaks another one."""


class VerificationTimeout(VerificationError, TimeoutError):
    """A limit of time has passed; `seconds` is that limit."""

    def __init__(self, cause: Cause, step: str, seconds: float) -> None:
        super().__init__(cause, step, f"{seconds:g} s")
        self.seconds = seconds

    def text(self) -> str:
        return f"{self.cause.summary} within {self.detail}"


class EchoFailed(VerificationError):
    """An echo was answered with a status other than Success (PS3.7 9.3.5.2); `status` is that number."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(causes.ECHO_STATUS, causes.ECHO, detail)
        self.status = status


class LocalError(VerificationError):
    """A file, a setting or a port of ours cannot be used; `path` names it, if it is a file."""

    def __init__(self, cause: Cause, detail: str = "", *, path: str | None = None, hint: str | None = None) -> None:
        super().__init__(cause, causes.SETUP, detail, hint=hint)
        self.path = path
