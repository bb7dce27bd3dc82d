"""The Verification service's provider (SCP) over an association, without I/O (PS3.4 Annex A, PS3.7 9.1.5).

The caller accepts the connection, passes in what happens, carries out what `events` tells (an `EchoRequested` is
answered with `respond`), writes what `data_to_send` gives and closes when `close_wanted` says so.
"""

from . import plain
from .agreements import Agreements
from .association import Association
from .dimse import CEchoRQ, CEchoRSP, command_name
from .errors import MalformedPDU
from .events import (
    AbortIndication,
    ArtimExpiredIndication,
    AssociateIndication,
    AssociateRefused,
    MessageIndication,
    ReleaseIndication,
    TransportClosedIndication,
    ViolationIndication,
)
from .fsm import STA2, STA3, STA6, STA8, STA13
from .negotiation import AcceptorPolicy, negotiate
from .pdu import ABORT_REASONS, ABORT_SOURCE_PROVIDER, ABORT_SOURCES, AssociateRJ
from .recognition import readable, recognize
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .association import Agreement, Observer
    from .errors import RemoteProtocolError
    from .events import Event
    from .pdu import AssociateRQ

# How an association, or a connection that never became one, can end.
RELEASED = "released"
REJECTED = "rejected"
ABORTED_BY_PEER = "aborted-by-peer"
PROTOCOL_VIOLATION = "protocol-violation"
NOT_VERIFICATION = "not-verification"
NOT_DICOM = "not-dicom"
IDLE_TIMEOUT = "idle-timeout"
MESSAGE_TIMEOUT = "message-timeout"
ARTIM_TIMEOUT = "artim-timeout"
CONNECTION_LOST = "connection-lost"
NEVER_ASSOCIATED = "never-associated"
TLS_FAILED = "tls-failed"
SHUTDOWN = "shutdown"
OUTCOMES = (
    RELEASED,
    REJECTED,
    ABORTED_BY_PEER,
    PROTOCOL_VIOLATION,
    NOT_VERIFICATION,
    NOT_DICOM,
    IDLE_TIMEOUT,
    MESSAGE_TIMEOUT,
    ARTIM_TIMEOUT,
    CONNECTION_LOST,
    NEVER_ASSOCIATED,
    TLS_FAILED,
    SHUTDOWN,
)

_FOREIGN_PROTOCOLS = {
    "TLS": "the client speaks TLS, and this port is plain: enable TLS here, or disable it there",
    "HTTP": "the client speaks HTTP",
    "SSH": "the client speaks SSH",
}


class AcceptorTimeouts(Record):
    """Limits of time in seconds; None is unlimited.

    `acse`: from the connection to the A-ASSOCIATE-RQ, and to the end of the connection after a release, reject or
    abort (ARTIM). `dimse`: the rest of a message that has begun. `network`: an association that is idle.
    """

    __slots__ = ("acse", "dimse", "network")

    def __init__(self, acse: float = 30.0, dimse: float | None = 30.0, network: float | None = 30.0) -> None:
        self.acse = acse
        self.dimse = dimse
        self.network = network


class Accepted(Record):
    """An association was accepted."""

    __slots__ = ("request",)

    def __init__(self, request: "AssociateRQ") -> None:
        self.request = request


class Rejected(Record):
    """An association was rejected."""

    __slots__ = ("rejection", "request")

    def __init__(self, request: "AssociateRQ", rejection: AssociateRJ) -> None:
        self.request = request
        self.rejection = rejection


class EchoRequested(Record):
    """An echo request arrived: answer it with `Acceptor.respond`."""

    __slots__ = ("context_id", "message_id")

    def __init__(self, context_id: int, message_id: int) -> None:
        self.context_id = context_id
        self.message_id = message_id


class Ended(Record):
    """The association, or the connection that never became one (`was_associated` tells), has ended.

    `outcome` is one of `OUTCOMES`, `detail` says more, as it came from the peer.
    """

    __slots__ = ("detail", "outcome", "was_associated")

    def __init__(self, outcome: str, detail: str, was_associated: bool) -> None:
        self.outcome = outcome
        self.detail = detail
        self.was_associated = was_associated


if TYPE_CHECKING:
    AcceptorEvent = Accepted | Rejected | EchoRequested | Ended


class Acceptor:
    """One association as acceptor, from the moment the transport connection stands.

    `agreements` is what acceptors of the same policy, and of no other, share. `refusal` is asked at each association
    request for a rejection that has nothing to do with what is requested: who may associate, and how many.
    """

    __slots__ = (
        "_agreement",
        "_agreements",
        "_ended",
        "_events",
        "_is_releasing",
        "_last_heard",
        "_message_began",
        "_policy",
        "_refusal",
        "_timeouts",
        "_unanswered",
        "_was_associated",
        "association",
    )

    def __init__(
        self,
        policy: AcceptorPolicy,
        timeouts: AcceptorTimeouts,
        now: float,
        *,
        max_association_pdu: int,
        max_message_length: int,
        agreements: Agreements | None = None,
        observer: "Observer | None" = None,
        refusal: "Callable[[], AssociateRJ | None] | None" = None,
    ) -> None:
        self._policy = policy
        self._agreements = Agreements() if agreements is None else agreements
        self._agreement: Agreement | None = None
        self._refusal = refusal
        self._timeouts = timeouts
        self.association = Association(
            is_requestor=False,
            max_pdu=policy.max_pdu,
            artim=timeouts.acse,
            max_association_pdu=max_association_pdu,
            max_message_length=max_message_length,
            observer=observer,
        )
        self._events: list[AcceptorEvent] = []
        self._last_heard = now
        self._message_began: float | None = None
        self._was_associated = False
        self._unanswered = 0
        self._is_releasing = False
        self._ended = False
        self.association.transport_connected(now)

    # What happens to us

    def receive_data(self, data: bytes, now: float) -> None:
        """Take what has arrived."""
        self._last_heard = now
        association = self.association
        takes_short_ways = association.takes_short_ways
        if takes_short_ways and self._receive_in_short(data, now):
            return
        association.receive_data(data, now)
        for event in association.events():
            if isinstance(event, MessageIndication):
                self._message_began = None
                self._take_message(event, now)
            else:
                self._take(event, now)
        if not association.is_inside_message:
            self._message_began = None
        elif self._message_began is None:
            self._message_began = now
        if self._agreement is not None:
            if takes_short_ways:
                self._agreements.remember(data, self._agreement)
            self._agreement = None

    def _receive_in_short(self, data: bytes, now: float) -> bool:
        """Take what nearly always comes, without decoding it; False, and nothing has happened, if it is not that."""
        association = self.association
        if association.state == STA6:
            if data != plain.RELEASE_REQUEST or self._unanswered:
                return False
            association.agree_to_release(now)
            self._end(RELEASED, "")
            return True
        agreement = self._agreements.find(data) if association.state == STA2 else None
        if agreement is None or self._ask_for_refusal() is not None:
            return False
        association.accept_again(agreement)
        self._accepted(agreement)
        return True

    def receive_plain_echo(self, data: bytes, now: float) -> EchoRequested | None:
        """Take an echo request that came in one piece and alone, in the short way: what it returns is to be answered,
        and there is nothing else to report. None, and nothing has happened, if it takes the long way: `receive_data`.
        """
        association = self.association
        if association.state != STA6 or not association.takes_short_ways:
            return None
        echo = association.receive_plain_echo(data)
        if echo is None:
            return None
        self._last_heard = now
        self._unanswered += 1
        return EchoRequested(*echo)

    def connection_lost(self, now: float, detail: str = "") -> None:
        """The transport connection has ended: closed by the peer, unless `detail` says otherwise."""
        self.association.receive_eof(now)
        for event in self.association.events():
            if isinstance(event, TransportClosedIndication) and event.state != STA13:
                outcome = CONNECTION_LOST if self._was_associated else NEVER_ASSOCIATED
                self._end(outcome, detail or "the peer closed the connection")

    def handle_timer(self, now: float) -> None:
        """End what has taken too long."""
        association, timeouts = self.association, self._timeouts
        association.handle_timer(now)
        for event in association.events():
            if isinstance(event, ArtimExpiredIndication) and event.state == STA2:
                self._end(ARTIM_TIMEOUT, f"no association request within {timeouts.acse:g} s")
        if association.state != STA6 or self._unanswered:
            return
        began, limit = self._message_began, timeouts.dimse
        if began is not None and limit is not None and now >= began + limit:
            self._abort(MESSAGE_TIMEOUT, f"a message was not complete within {limit:g} s", now)
        elif timeouts.network is not None and now >= self._last_heard + timeouts.network:
            self._abort(IDLE_TIMEOUT, f"nothing was received for {timeouts.network:g} s", now)

    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called next; None for never."""
        association, timeouts = self.association, self._timeouts
        if association.state != STA6:
            return association.next_timer()
        if self._unanswered:
            return None  # it is ours to speak
        soonest = None if timeouts.network is None else self._last_heard + timeouts.network
        if self._message_began is not None and timeouts.dimse is not None:
            limit = self._message_began + timeouts.dimse
            soonest = limit if soonest is None or limit < soonest else soonest
        return soonest

    # What the caller asks for

    def respond(self, request: EchoRequested, response: CEchoRSP | None, now: float) -> bool:
        """Answer an echo request, with Success if `response` is None; False if the association has ended meanwhile.

        A release that came behind the last request is agreed to after its answer.
        """
        association = self.association
        self._unanswered -= 1
        if association.state not in (STA6, STA8):
            return False
        is_plain = response is None and association.observer is None
        if not is_plain or not association.send_plain(plain.echo_success(request.context_id, request.message_id)):
            answer = CEchoRSP(request.message_id) if response is None else response
            association.send_message(request.context_id, answer.encode())
        self._last_heard = now
        if self._is_releasing and not self._unanswered:
            self._release(now)
        return True

    def give_up(self, outcome: str, detail: str, now: float) -> None:
        """The connection is of no more use, for a reason that the caller knows; closing it is up to the caller."""
        self.association.receive_eof(now)
        self.association.events()
        self.association.close_wanted = False
        self._end(outcome, detail)

    def shut_down(self, now: float) -> None:
        """End the association now: abort one that stands, close a connection that is none yet."""
        association = self.association
        if association.can_abort:
            self._abort(SHUTDOWN, "this server is shutting down", now)
        elif association.state == STA2:
            self._end(SHUTDOWN, "this server is shutting down")
        association.close_wanted = True

    # What the caller takes

    def events(self) -> "list[AcceptorEvent]":
        """What happened since the last call, in order."""
        events = self._events
        if events:
            self._events = []
        return events

    def data_to_send(self) -> bytes:
        """What is to be written since the last call."""
        return self.association.data_to_send()

    @property
    def close_wanted(self) -> bool:
        """True once the connection is to be closed, after what is to be sent."""
        return self.association.close_wanted

    @property
    def is_idle(self) -> bool:
        """True if no association stands: nothing is lost by closing."""
        return not self.association.can_abort

    # What the association reports

    def _take_message(self, event: MessageIndication, now: float) -> None:
        command = event.command
        if isinstance(command, CEchoRQ):
            self._unanswered += 1
            self._events.append(EchoRequested(event.context_id, command.message_id))
        elif not self._ended:
            name = command_name(command.command_field)
            self._abort(NOT_VERIFICATION, f"{name} received, only C-ECHO-RQ is served", now)

    def _take(self, event: "Event", now: float) -> None:
        association = self.association
        if isinstance(event, AssociateIndication):
            if association.state != STA3:
                return  # what came in one piece with it has ended the association already
            answer = self._ask_for_refusal() or negotiate(event.request, self._policy)
            if isinstance(answer, AssociateRJ):
                association.send_reject(answer, now)
                self._rejected(event.request, answer)
            else:
                self._agreement = association.send_accept(answer)
                self._accepted(self._agreement)
        elif isinstance(event, AssociateRefused):
            self._rejected(event.request, event.rejection)
        elif isinstance(event, ReleaseIndication):
            if self._unanswered:
                self._is_releasing = True
            else:
                self._release(now)
        elif isinstance(event, AbortIndication):
            source = ABORT_SOURCES.get(event.source, f"unknown source {event.source}")
            reason = ABORT_REASONS.get(event.reason, f"reason {event.reason}")
            detail = f"{source}, {reason}" if event.source == ABORT_SOURCE_PROVIDER else source
            self._end(ABORTED_BY_PEER, detail)
        elif isinstance(event, ViolationIndication):
            self._violated(event.error)

    def _ask_for_refusal(self) -> AssociateRJ | None:
        return None if self._refusal is None else self._refusal()

    def _accepted(self, agreement: "Agreement") -> None:
        self._was_associated = True
        self._events.append(Accepted(agreement.request))

    def _violated(self, error: "RemoteProtocolError") -> None:
        if not self._was_associated and isinstance(error, MalformedPDU) and error.excerpt:
            protocol = recognize(error.excerpt)
            detail = _FOREIGN_PROTOCOLS.get(protocol, f"the client does not speak DICOM: {readable(error.excerpt)}")
            self._end(NOT_DICOM, detail)
        else:
            self._end(PROTOCOL_VIOLATION, error.text())

    def _rejected(self, request: "AssociateRQ", rejection: AssociateRJ) -> None:
        self._events.append(Rejected(request, rejection))
        self._ended = True

    def _abort(self, outcome: str, detail: str, now: float) -> None:
        if self.association.can_abort:
            self.association.send_abort(now)
        self._end(outcome, detail)

    def _release(self, now: float) -> None:
        self._is_releasing = False
        if self.association.state == STA8:
            self.association.send_release_response(now)
            self._end(RELEASED, "")

    def _end(self, outcome: str, detail: str) -> None:
        if not self._ended:
            self._ended = True
            self._events.append(Ended(outcome, detail, self._was_associated))
