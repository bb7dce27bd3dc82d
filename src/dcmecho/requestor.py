"""The Verification service's user (SCU) over an association, without I/O: one operation at a time, its time limits, and
the result they add up to (PS3.4 Annex A, PS3.7 9.1.5).

The caller connects, begins an operation (`associate`, `echo`, `release`, `abort`) and, while `busy`, writes what
`data_to_send` gives, passes in what arrives, and calls `handle_timer` when `next_timer` has come. `failure` tells
whether the association is still good for the next operation.
"""

from . import causes, plain
from .association import Association
from .causes import ASSOCIATE, ECHO, RELEASE
from .dimse import CEchoRQ, CEchoRSP, command_name, status_text
from .errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectionLost,
    EchoFailed,
    LocalProtocolError,
    MalformedPDU,
    NoAcceptableContext,
    PeerProtocolError,
    VerificationTimeout,
)
from .events import (
    AbortIndication,
    AssociateConfirmation,
    MessageIndication,
    ReleaseConfirmation,
    ReleaseIndication,
    TransportClosedIndication,
    ViolationIndication,
)
from .fsm import STA8, STA9, STA12, STA13
from .items import (
    CONTEXT_RESULTS,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextRQ,
    find,
)
from .negotiation import implementation_version_name
from .pdu import (
    ABORT_REASONS,
    ABORT_SOURCE_PROVIDER,
    ABORT_SOURCES,
    REJECTION_REASONS,
    REJECTION_RESULTS,
    REJECTION_SOURCES,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
)
from .recognition import readable, recognize
from .result import ContextResult, EchoResult, Negotiated, VerificationResult
from .settings import DEFAULT_SOCKET_TIMEOUT
from .uids import IMPLEMENTATION_CLASS_UID, VERIFICATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .causes import Cause
    from .errors import RemoteProtocolError, VerificationError
    from .events import Event
    from .settings import VerificationSettings

_REJECTION_CAUSES = {
    (1, 2): causes.APPLICATION_CONTEXT_REFUSED,
    (1, 3): causes.CALLING_AE_TITLE_REFUSED,
    (1, 7): causes.CALLED_AE_TITLE_REFUSED,
    (2, 2): causes.PROTOCOL_VERSION_REFUSED,
    (3, 1): causes.PEER_BUSY,
    (3, 2): causes.PEER_BUSY,
}

_FOREIGN_PROTOCOLS = {
    "TLS": causes.PEER_SPEAKS_TLS,
    "HTTP": causes.PEER_SPEAKS_HTTP,
    "SSH": causes.PEER_SPEAKS_SSH,
}

_AWAITING_RELEASE_RESPONSE = (STA8, STA9, STA12)

_TIMEOUT_CAUSES = {
    ASSOCIATE: causes.ASSOCIATE_TIMEOUT,
    ECHO: causes.ECHO_TIMEOUT,
    RELEASE: causes.RELEASE_TIMEOUT,
}


def associate_request(settings: "VerificationSettings") -> AssociateRQ:
    """Return the A-ASSOCIATE-RQ that settings ask for."""
    return AssociateRQ(
        settings.called_ae_title,
        settings.calling_ae_title,
        tuple(
            [
                PresentationContextRQ(2 * number + 1, VERIFICATION, settings.transfer_syntaxes)
                for number in range(settings.presentation_contexts)
            ]
        ),
        (
            MaximumLength(settings.max_pdu),
            ImplementationClassUID(IMPLEMENTATION_CLASS_UID),
            ImplementationVersionName(implementation_version_name()),
        ),
    )


class Requestor:
    """One association, from the moment the transport connection stands. `deadline_at` is on the caller's clock."""

    __slots__ = (
        "_began",
        "_context_id",
        "_limit_at",
        "_message_id",
        "_progress_at",
        "association",
        "busy",
        "deadline_at",
        "failure",
        "last_echo",
        "result",
        "settings",
        "step",
    )

    def __init__(
        self, settings: "VerificationSettings", result: VerificationResult, deadline_at: float | None = None
    ) -> None:
        self.settings = settings
        self.result = result
        self.deadline_at = deadline_at
        self.association = Association(is_requestor=True, max_pdu=settings.max_pdu, observer=settings.observer)
        self.busy = False
        """True while an operation waits for the peer."""
        self.failure: VerificationError | None = None
        """Why the association ended before its time. An echo's bad status is none: see `EchoResult.status`."""
        self.step = ASSOCIATE
        self.last_echo = EchoResult(0, 0.0)
        """The echo that was answered last."""
        self._began = 0.0
        self._limit_at: float | None = None
        self._progress_at = 0.0
        self._message_id = 0
        self._context_id = 0

    # Operations

    def associate(self, now: float) -> None:
        """Request the association. The transport connection stands."""
        self._begin(ASSOCIATE, self.settings.acse_timeout, now)
        self.association.send_associate(associate_request(self.settings))
        self.association.transport_connected(now)

    @property
    def next_message_id(self) -> int:
        """The message id that the next echo request will have: 1 to 65535, and again."""
        return self._message_id % 65535 + 1

    def echo(self, now: float) -> int:
        """Send an echo request; return its message id, 1 to 65535 in turn.

        LocalProtocolError if no association stands or another operation is under way.
        """
        if self.busy or self.failure:
            raise LocalProtocolError("an operation is under way, or the association has ended")
        message_id = self.next_message_id
        association, context_id = self.association, self._context_id
        if association.observer is not None or not association.send_plain(plain.echo_request(context_id, message_id)):
            association.send_message(context_id, CEchoRQ(message_id).encode())
        self._message_id = message_id
        self._begin(ECHO, self.settings.dimse_timeout, now)
        self.result.statistics.sent += 1
        return self._message_id

    def answered(self, check: bool) -> EchoResult:
        """Return the echo that was answered last. With `check`, EchoFailed if its status is not Success."""
        echo = self.last_echo
        if check and echo.status:
            error = EchoFailed(echo.status, echo_text(echo))
            error.result = self.result
            raise error
        return echo

    def release(self, now: float) -> None:
        """Ask for the release. LocalProtocolError if no association stands or another operation is under way."""
        if self.busy or self.failure:
            raise LocalProtocolError("an operation is under way, or the association has ended")
        self.association.send_release()
        self._begin(RELEASE, self.settings.acse_timeout, now)

    def abort(self, now: float) -> None:
        """Abort, whatever is under way; nothing is waited for. Without an association nothing happens."""
        if self.busy:
            self._end(now)
        self._send_abort(now)

    # What happens to us

    def receive_data(self, data: bytes, now: float) -> None:
        """Take what has arrived."""
        self._progress_at = now
        if self._is_plain_success(data):
            self._echoed(EchoResult(self._message_id, self._end(now)))
            return
        self.association.receive_data(data, now)
        for event in self.association.events():
            self._take(event, now)

    def _is_plain_success(self, data: bytes) -> bool:
        """Tell whether just what is waited for has come, whole and alone, as nearly always: it needs no decoding."""
        association = self.association
        if not self.busy or self.step != ECHO or not association.is_established or not association.takes_short_ways:
            return False
        return data == plain.echo_success(self._context_id, self._message_id)

    def connection_lost(self, now: float, cause: "Cause" = causes.CONNECTION_CLOSED, detail: str = "") -> None:
        """The transport connection has ended: closed by the peer, unless `cause` says otherwise."""
        self.association.receive_eof(now)
        for event in self.association.events():
            if isinstance(event, TransportClosedIndication) and (self.busy or event.state != STA13):
                self._fail(ConnectionLost(cause, self.step, detail), now)

    def fail(self, error: "VerificationError", now: float) -> None:
        """The transport connection has ended for a reason that the caller knows better."""
        self.association.receive_eof(now)
        self.association.events()
        self._fail(error, now)

    def data_sent(self, now: float) -> None:
        """The transport took bytes of ours: the socket timeout begins anew."""
        self._progress_at = now

    def handle_timer(self, now: float) -> None:
        """End the operation if a limit of time has passed."""
        if not self.busy:
            return
        settings, error = self.settings, None
        if self.deadline_at is not None and now >= self.deadline_at:
            error = VerificationTimeout(causes.DEADLINE_EXCEEDED, self.step, settings.deadline or 0.0)
        elif self._limit_at is not None and now >= self._limit_at:
            limit = settings.dimse_timeout if self.step == ECHO else settings.acse_timeout
            error = VerificationTimeout(_TIMEOUT_CAUSES[self.step], self.step, limit or 0.0)
        elif (limit := self._progress_limit()) is not None and now >= self._progress_at + limit:
            error = VerificationTimeout(causes.NO_PROGRESS, self.step, limit)
        if error is not None:
            self._send_abort(now)
            self._fail(error, now)

    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called next; None for never."""
        soonest = self._limit_at
        limit = self._progress_limit()
        if limit is not None:
            progress = self._progress_at + limit
            soonest = progress if soonest is None or progress < soonest else soonest
        if self.deadline_at is not None and (soonest is None or self.deadline_at < soonest):
            soonest = self.deadline_at
        return soonest

    def _progress_limit(self) -> float | None:
        """The socket timeout. Its default gives way to the limit that the wait for an answer has of its own."""
        limit = self.settings.socket_timeout
        if limit == DEFAULT_SOCKET_TIMEOUT and self._limit_at is not None and not self.association.is_inside_pdu:
            return None
        return limit

    def data_to_send(self) -> bytes:
        """What is to be written since the last call."""
        return self.association.data_to_send()

    # How operations begin and end

    def _begin(self, step: str, limit: float | None, now: float) -> None:
        self.busy = True
        self.step = step
        self._began = self._progress_at = now
        self._limit_at = None if limit is None else now + limit

    def _end(self, now: float) -> float:
        """End the operation under way; return its duration."""
        seconds = now - self._began
        steps = self.result.steps
        steps[self.step] = steps.get(self.step, 0.0) + seconds
        self.busy = False
        self._limit_at = None
        return seconds

    def _fail(self, error: "VerificationError", now: float) -> None:
        if self.busy:
            self._end(now)
        if self.failure is None:
            self.failure = error
            self.result.fail(error)

    def _violate(self, problem: str, now: float) -> None:
        """The peer answered with what we did not ask for: abort."""
        self._send_abort(now)
        self._fail(PeerProtocolError(causes.PROTOCOL_VIOLATION, self.step, problem), now)

    def _send_abort(self, now: float) -> None:
        """Abort, unless what came in one piece has ended the association already."""
        if self.association.can_abort:
            self.association.send_abort(now)

    # What the association reports

    def _take(self, event: "Event", now: float) -> None:
        if self.failure is not None:
            return
        if isinstance(event, MessageIndication):
            self._take_message(event, now)
        elif isinstance(event, AssociateConfirmation):
            if isinstance(event.response, AssociateAC):
                self._accepted(event.response, now)
            else:
                self._rejected(event.response, now)
        elif isinstance(event, ReleaseConfirmation):
            if self.busy:
                self._end(now)
        elif isinstance(event, ReleaseIndication):
            if self.association.state in _AWAITING_RELEASE_RESPONSE:
                self.association.send_release_response(now)
            if not event.is_collision:
                self._fail(ConnectionLost(causes.RELEASED_BY_PEER, self.step), now)
        elif isinstance(event, AbortIndication):
            self._fail(AssociationAborted(self.step, event.source, event.reason, _abort_text(event)), now)
        elif isinstance(event, ViolationIndication):
            error = self._violation_error(event.error)
            error.__cause__ = event.error
            self._fail(error, now)

    def _take_message(self, event: MessageIndication, now: float) -> None:
        command = event.command
        if not isinstance(command, CEchoRSP):
            self._violate(f"it sent {command_name(command.command_field)} where a C-ECHO-RSP was expected", now)
        elif not self.busy or self.step != ECHO or command.message_id != self._message_id:
            self._violate(f"it sent a C-ECHO-RSP to message id {command.message_id}, which is not outstanding", now)
        else:
            echo = EchoResult(
                command.message_id,
                self._end(now),
                command.status,
                command.error_comment,
                command.error_id,
                command.offending_elements,
            )
            self._echoed(echo)
            if command.status:
                self.result.fail(EchoFailed(command.status, echo_text(echo)))

    def _echoed(self, echo: EchoResult) -> None:
        self.last_echo = echo
        self.result.add_echo(echo)

    def _accepted(self, response: AssociateAC, now: float) -> None:
        maximum = find(response.user_information, MaximumLength)
        class_uid = find(response.user_information, ImplementationClassUID)
        version = find(response.user_information, ImplementationVersionName)
        answers = {context.context_id: context for context in response.presentation_contexts}
        contexts = []
        for number in range(self.settings.presentation_contexts):
            context_id = 2 * number + 1
            answer = answers.get(context_id)
            syntax = answer.transfer_syntax if answer and answer.result == 0 else ""
            contexts.append(ContextResult(context_id, VERIFICATION, answer.result if answer else None, syntax))
        negotiated = Negotiated(
            tuple(contexts),
            maximum.length if maximum else 0,
            class_uid.uid if class_uid else "",
            version.name if version else "",
        )
        self.result.negotiated = negotiated
        if negotiated.context_id is None:
            self._send_abort(now)
            results = sorted({_context_text(context) for context in contexts})
            self._fail(NoAcceptableContext("; ".join(results)), now)
        else:
            self._context_id = negotiated.context_id
            self._end(now)

    def _rejected(self, rejection: AssociateRJ, now: float) -> None:
        settings = self.settings
        cause = _REJECTION_CAUSES.get((rejection.source, rejection.reason), causes.REJECTED)
        detail = (
            f"{rejection_text(rejection)}; we sent called AE title {_title(settings.called_ae_title)}, "
            f"calling AE title {_title(settings.calling_ae_title)}"
        )
        self._fail(AssociationRejected(cause, rejection.result, rejection.source, rejection.reason, detail), now)

    def _violation_error(self, error: "RemoteProtocolError") -> PeerProtocolError:
        if self.result.negotiated is None and isinstance(error, MalformedPDU) and error.excerpt:
            cause = _FOREIGN_PROTOCOLS.get(recognize(error.excerpt), causes.NOT_DICOM)
            return PeerProtocolError(cause, ASSOCIATE, f"it began with {readable(error.excerpt)}")
        return PeerProtocolError(causes.PROTOCOL_VIOLATION, self.step, error.text())


def _title(title: str) -> str:
    return f'"{title}" ({len(title)} character{"s" if len(title) != 1 else ""})'


def _context_text(context: ContextResult) -> str:
    if context.result is None:
        return "it did not answer a proposed context"
    return CONTEXT_RESULTS.get(context.result, f"unknown result {context.result}")


def rejection_text(rejection: AssociateRJ) -> str:
    """Return result, source and reason of a rejection in the standard's words."""
    result = REJECTION_RESULTS.get(rejection.result, f"unknown result {rejection.result}")
    source = REJECTION_SOURCES.get(rejection.source, f"unknown source {rejection.source}")
    reason = REJECTION_REASONS.get((rejection.source, rejection.reason), "unknown")
    return f"rejected ({result}, {source}, reason {rejection.reason}: {reason})"


def _abort_text(event: AbortIndication) -> str:
    source = ABORT_SOURCES.get(event.source, f"unknown source {event.source}")
    if event.source != ABORT_SOURCE_PROVIDER:
        return f"source: {source}"
    return f"source: {source}, reason {event.reason}: {ABORT_REASONS.get(event.reason, 'unknown')}"


def echo_text(echo: EchoResult) -> str:
    """Return the status of an echo, and its detail, in one line."""
    text = f"{status_text(echo.status)} for message id {echo.message_id}"
    if echo.error_comment:
        text += f', comment "{echo.error_comment}"'
    if echo.error_id is not None:
        text += f", error id {echo.error_id}"
    return text
