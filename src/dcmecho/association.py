"""An association, in either role, without I/O: framing, state machine, ARTIM timer and outbox (PS3.8 clause 9).

The caller owns the transport connection and the clock. It passes in what happens (`transport_connected`,
`receive_data`, `receive_eof`, `handle_timer`, each with the time in seconds of any monotonic clock) and what it wants
(`send_...`), and after each call takes what there is to report (`events`) and to write (`data_to_send`), and closes the
connection, once all is written, when `close_wanted` says so.
"""

from . import plain
from .dimse import MessageAssembler, decode_command, fragment
from .errors import LocalProtocolError, MalformedMessage, MalformedPDU, RemoteProtocolError, UnexpectedPDU
from .events import (
    AbortIndication,
    ArtimExpiredIndication,
    AssociateConfirmation,
    AssociateIndication,
    AssociateRefused,
    MessageIndication,
    ReleaseConfirmation,
    ReleaseIndication,
    TransportClosedIndication,
    ViolationIndication,
)
from .fsm import (
    ABORT_RECEIVED,
    ABORT_REQUEST,
    ARTIM_EXPIRED,
    ASSOCIATE_AC_RECEIVED,
    ASSOCIATE_ACCEPT,
    ASSOCIATE_REJECT,
    ASSOCIATE_REQUEST,
    ASSOCIATE_RJ_RECEIVED,
    ASSOCIATE_RQ_RECEIVED,
    DATA_RECEIVED,
    DATA_REQUEST,
    INVALID_PDU_RECEIVED,
    RELEASE_REQUEST,
    RELEASE_RESPONSE,
    RELEASE_RP_RECEIVED,
    RELEASE_RQ_RECEIVED,
    STA1,
    STA2,
    STA3,
    STA4,
    STA6,
    STA12,
    STA13,
    TRANSPORT_CLOSED,
    TRANSPORT_CONFIRMED,
    TRANSPORT_INDICATED,
    StateMachine,
)
from .items import ACCEPTANCE, MaximumLength, find
from .pdu import (
    ABORT_SOURCE_PROVIDER,
    ABORT_SOURCE_USER,
    HEADER_LENGTH,
    NO_REASON_GIVEN,
    PDU_NAMES,
    PDV_OVERHEAD,
    REJECTED_PERMANENT,
    SOURCE_ACSE,
    UNEXPECTED_PDU,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    Framing,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
    decode,
    encode_whole_command,
)
from .record import Record
from .uids import MAX_ASSOCIATION_PDU, MAX_MESSAGE_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import Event
    from .pdu import PDU

_EVENT_OF_PDU = {
    0x01: ASSOCIATE_RQ_RECEIVED,
    0x02: ASSOCIATE_AC_RECEIVED,
    0x03: ASSOCIATE_RJ_RECEIVED,
    0x04: DATA_RECEIVED,
    0x05: RELEASE_RQ_RECEIVED,
    0x06: RELEASE_RP_RECEIVED,
    0x07: ABORT_RECEIVED,
}


class Observer:
    """Sees what crosses the wire, for logs. Every method may be overridden; none may change anything."""

    def data(self, sent: bool, data: bytes) -> None:
        """Bytes were handed out for sending, or arrived."""

    def pdu(self, sent: bool, pdu: "PDU") -> None:
        """A PDU was queued for sending, or arrived whole and well-formed."""

    def message(self, sent: bool, context_id: int, command: bytes) -> None:
        """A command set was queued for sending, or arrived whole."""


class Agreement(Record):
    """What an association stands on: the request, its acceptance as it was encoded, and what follows from both (see
    `Association`)."""

    __slots__ = ("acceptance", "accepted_contexts", "peer_max_pdu", "request")

    def __init__(
        self, request: AssociateRQ, acceptance: bytes, accepted_contexts: dict[int, str], peer_max_pdu: int
    ) -> None:
        self.request = request
        self.acceptance = acceptance
        self.accepted_contexts = accepted_contexts
        self.peer_max_pdu = peer_max_pdu


class Association:
    """One association. `is_requestor` is the role.

    `max_pdu`, `max_association_pdu` and `max_message_length` bound what is taken from the peer (see
    `dcmecho.pdu.Framing` and `dcmecho.dimse.MessageAssembler`), `artim` is the ARTIM timeout in seconds.
    """

    __slots__ = (
        "_artim_at",
        "_assembler",
        "_events",
        "_framing",
        "_is_deaf",
        "_machine",
        "_outbox",
        "_request",
        "accepted_contexts",
        "artim",
        "close_wanted",
        "observer",
        "peer_max_pdu",
    )

    def __init__(
        self,
        *,
        is_requestor: bool,
        max_pdu: int = 16384,
        artim: float = 30.0,
        max_association_pdu: int = MAX_ASSOCIATION_PDU,
        max_message_length: int = MAX_MESSAGE_LENGTH,
        observer: Observer | None = None,
    ) -> None:
        self._machine = StateMachine(is_requestor)
        self._framing = Framing(max_pdu, max_association_pdu)
        self._assembler = MessageAssembler(max_message_length)
        self._outbox: list[bytes] = []
        self._events: list[Event] = []
        self._artim_at: float | None = None
        self._is_deaf = False
        self._request: AssociateRQ | None = None
        self.artim = artim
        self.observer = observer
        self.accepted_contexts: dict[int, str] = {}
        """Transfer syntax of each accepted presentation context, by id."""
        self.peer_max_pdu = 0
        """The longest P-DATA-TF that the peer takes, in bytes after the PDU header; 0 is no limit."""
        self.close_wanted = False
        """True once the transport connection is to be closed, after what is in the outbox."""

    @property
    def state(self) -> int:
        """The state of PS3.8 Table 9-10, 1 to 13 (`dcmecho.fsm`)."""
        return self._machine.state

    @property
    def is_established(self) -> bool:
        """True while messages can be sent and received."""
        return self._machine.state == STA6

    @property
    def can_abort(self) -> bool:
        """True from the association request to the release response: while `send_abort` has somebody to tell."""
        return STA3 <= self._machine.state <= STA12

    @property
    def is_inside_pdu(self) -> bool:
        """True if what has arrived ends inside a PDU: the moment to acknowledge at once (the peer may wait for it)."""
        return self._framing.is_inside_pdu

    @property
    def is_inside_message(self) -> bool:
        """True if a PDU or a message has begun to arrive and is not complete."""
        if self._machine.state == STA13:
            return False
        return self._framing.is_inside_pdu or self._assembler.is_inside_message

    # What the caller asks for

    def send_associate(self, request: AssociateRQ) -> None:
        """Begin as requestor (A-ASSOCIATE request); the PDU follows `transport_connected`.

        ValueError if the request cannot be encoded.
        """
        if not self._machine.is_requestor or self.close_wanted:
            raise LocalProtocolError("only a new association can be requested, and only by its requestor")
        request.encode()
        self._machine.process(ASSOCIATE_REQUEST)
        self._request = request

    def send_accept(self, response: AssociateAC) -> Agreement:
        """Accept the association that was indicated. The request's maximum length is taken into account.

        ValueError if the response cannot be encoded.
        """
        encoded = response.encode()
        self._machine.process(ASSOCIATE_ACCEPT)
        self._establish(response)
        if self.observer:
            self.observer.pdu(True, response)
        self._outbox.append(encoded)
        assert self._request is not None
        return Agreement(self._request, encoded, self.accepted_contexts, self.peer_max_pdu)

    def send_reject(self, rejection: AssociateRJ, now: float) -> None:
        """Reject the association that was indicated."""
        self._machine.process(ASSOCIATE_REJECT)
        self._send(rejection)
        self._start_artim(now)

    def send_message(self, context_id: int, command: bytes) -> None:
        """Send a command set over an accepted presentation context, split as the peer's maximum length asks."""
        if context_id not in self.accepted_contexts:
            raise LocalProtocolError(f"presentation context {context_id} has not been accepted")
        self._machine.process(DATA_REQUEST)
        if self.observer is None and (not self.peer_max_pdu or len(command) + PDV_OVERHEAD <= self.peer_max_pdu):
            self._outbox.append(encode_whole_command(context_id, command))  # what every echo is: no objects needed
            return
        if self.observer:
            self.observer.message(True, context_id, command)
        for pdu in fragment(context_id, command, self.peer_max_pdu):
            self._send(pdu)

    def send_release(self) -> None:
        """Ask for the release of the association (A-RELEASE request)."""
        self._machine.process(RELEASE_REQUEST)
        self._send(ReleaseRQ())

    def send_release_response(self, now: float) -> None:
        """Agree to the release that was indicated (A-RELEASE response)."""
        action = self._machine.process(RELEASE_RESPONSE)
        self._send(ReleaseRP())
        if action == "AR-4":
            self._start_artim(now)

    def send_abort(self, now: float) -> None:
        """Abort (A-ABORT request, source: service user)."""
        if self._machine.process(ABORT_REQUEST) == "AA-2":
            self._close()
        else:
            self._abort(ABORT_SOURCE_USER, NO_REASON_GIVEN, now)

    # What happens to us

    def transport_connected(self, now: float) -> None:
        """The transport connection stands."""
        if self.close_wanted:
            raise LocalProtocolError("the association has ended")
        if not self._machine.is_requestor:
            self._machine.process(TRANSPORT_INDICATED)
            self._start_artim(now)
        else:
            self._machine.process(TRANSPORT_CONFIRMED)
            assert self._request is not None
            self._send(self._request)

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the peer, in any pieces. What they break of the protocol is answered, never raised."""
        if self.observer:
            self.observer.data(False, data)
        if self._is_deaf:
            return
        if self._machine.state in (STA1, STA4):
            raise LocalProtocolError("there is no transport connection to receive from")
        framing = self._framing
        framing.feed(data)
        try:
            while (raw := framing.next_pdu()) is not None:
                self._receive_pdu(decode(raw), raw[0], now)
                if self.close_wanted:
                    return
        except MalformedPDU as error:
            self._be_deaf()
            self._violation(self._machine.process(INVALID_PDU_RECEIVED), error, error.abort_reason, now)

    def receive_eof(self, now: float) -> None:
        """The peer closed the transport connection, or it was lost."""
        state = self._machine.state
        if state == STA1:
            return
        self._machine.process(TRANSPORT_CLOSED)
        self._events.append(TransportClosedIndication(state))
        self._close()

    def handle_timer(self, now: float) -> None:
        """Look at the timer; to be called when `next_timer` has come, and harmless at any other time."""
        if self._artim_at is not None and now >= self._artim_at:
            state = self._machine.state
            self._machine.process(ARTIM_EXPIRED)
            self._events.append(ArtimExpiredIndication(state))
            self._close()

    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called next, None for never."""
        return self._artim_at

    # The short ways: what nearly always happens, at a fraction of the price. Nobody watches, and nothing is half there.

    @property
    def takes_short_ways(self) -> bool:
        """True if the following may be used in place of `receive_data`, for the same effect on peer and state."""
        return self.observer is None and not self.is_inside_message

    def accept_again(self, agreement: Agreement) -> None:
        """Take, in Sta2, a request that has been accepted before, byte for byte, and accept it in the same way."""
        self._machine.process(ASSOCIATE_RQ_RECEIVED)
        self._machine.process(ASSOCIATE_ACCEPT)
        self._artim_at = None
        self._request = agreement.request
        self.accepted_contexts = agreement.accepted_contexts
        self.peer_max_pdu = agreement.peer_max_pdu
        self._outbox.append(agreement.acceptance)

    def receive_plain_echo(self, data: bytes) -> tuple[int, int] | None:
        """Take, in Sta6, a C-ECHO-RQ that came in one piece and alone; return its context id and message id.

        None, and nothing has happened, if it is anything else.
        """
        echo = plain.read_echo_request(data)
        return echo if echo is not None and echo[0] in self.accepted_contexts else None

    def send_plain(self, pdu: bytes) -> bool:
        """Send an echo or its answer, encoded; False, and nothing has happened, if the peer takes no PDU that long."""
        if 0 < self.peer_max_pdu < len(pdu) - HEADER_LENGTH:
            return False
        self._machine.process(DATA_REQUEST)
        self._outbox.append(pdu)
        return True

    def agree_to_release(self, now: float) -> None:
        """Take, in Sta6, a release request, and agree to it at once."""
        self._machine.process(RELEASE_RQ_RECEIVED)
        self._machine.process(RELEASE_RESPONSE)
        self._outbox.append(plain.RELEASE_RESPONSE)
        self._start_artim(now)

    # What the caller takes

    def events(self) -> "list[Event]":
        """What happened since the last call, in order."""
        events = self._events
        if events:
            self._events = []
        return events

    def data_to_send(self) -> bytes:
        """What is to be written since the last call."""
        outbox = self._outbox
        if not outbox:
            return b""
        data = outbox[0] if len(outbox) == 1 else b"".join(outbox)
        outbox.clear()
        if self.observer:
            self.observer.data(True, data)
        return data

    # The actions of PS3.8 Tables 9-6 to 9-9

    def _receive_pdu(self, pdu: "PDU", kind: int, now: float) -> None:
        if self.observer:
            self.observer.pdu(False, pdu)
        event = _EVENT_OF_PDU[kind]
        if event == ASSOCIATE_RQ_RECEIVED and self._machine.state == STA2:
            assert isinstance(pdu, AssociateRQ)
            self._ae_6(pdu, now)
            return
        state = self._machine.state
        action = self._machine.process(event)
        if action in ("DT-2", "AR-6"):
            assert isinstance(pdu, PDataTF)
            self._receive_data_values(pdu, now)
        elif action in ("AA-1", "AA-7", "AA-8"):
            error = UnexpectedPDU(f"{PDU_NAMES[kind]} is not expected in Sta{state}")
            self._violation(action, error, UNEXPECTED_PDU, now)
        elif action != "AA-6":
            self._receive_control(action, pdu)

    def _receive_control(self, action: str, pdu: "PDU") -> None:
        if action in ("AE-3", "AE-4"):
            assert isinstance(pdu, AssociateAC | AssociateRJ)
            if isinstance(pdu, AssociateAC):
                self._establish(pdu)
            self._events.append(AssociateConfirmation(pdu))
            if action == "AE-4":
                self._close()
        elif action in ("AR-2", "AR-8"):
            self._events.append(ReleaseIndication(action == "AR-8"))
        elif action in ("AR-3", "AR-10"):
            self._events.append(ReleaseConfirmation())
            if action == "AR-3":
                self._close()
        else:
            assert isinstance(pdu, Abort)
            self._events.append(AbortIndication(pdu.source, pdu.reason))
            self._close()

    def _ae_6(self, request: AssociateRQ, now: float) -> None:
        acceptable = request.protocol_version & 1 != 0
        self._machine.process(ASSOCIATE_RQ_RECEIVED, acceptable=acceptable)
        self._artim_at = None
        self._request = request
        if acceptable:
            self._events.append(AssociateIndication(request))
            return
        rejection = AssociateRJ(REJECTED_PERMANENT, SOURCE_ACSE, 2)
        self._events.append(AssociateRefused(request, rejection))
        self._send(rejection)
        self._start_artim(now)

    def _establish(self, response: AssociateAC) -> None:
        assert self._request is not None
        peer = response if self._machine.is_requestor else self._request
        maximum = find(peer.user_information, MaximumLength)
        self.peer_max_pdu = maximum.length if maximum else 0
        proposed = {context.context_id for context in self._request.presentation_contexts}
        self.accepted_contexts = {
            context.context_id: context.transfer_syntax
            for context in response.presentation_contexts
            if context.result == ACCEPTANCE and context.context_id in proposed
        }

    def _receive_data_values(self, pdu: PDataTF, now: float) -> None:
        try:
            for pdv in pdu.pdvs:
                if pdv.context_id not in self.accepted_contexts:
                    raise MalformedMessage(f"presentation context {pdv.context_id} has not been accepted")
                command = self._assembler.receive(pdv)
                if command is not None:
                    if self.observer:
                        self.observer.message(False, pdv.context_id, command)
                    self._events.append(MessageIndication(pdv.context_id, decode_command(command)))
        except MalformedMessage as error:
            self._assembler.discard()
            # The user of the upper layer, not the provider, finds fault with a message: it asks for the abort.
            self._violation(self._machine.process(ABORT_REQUEST), error, NO_REASON_GIVEN, now)

    def _violation(self, action: str, error: RemoteProtocolError, reason: int, now: float) -> None:
        by_user = action == "AA-1"
        self._events.append(ViolationIndication(error))
        self._send(Abort(ABORT_SOURCE_USER if by_user else ABORT_SOURCE_PROVIDER, 0 if by_user else reason))
        if action != "AA-7":
            self._start_artim(now)

    def _abort(self, source: int, reason: int, now: float) -> None:
        self._send(Abort(source, reason))
        self._start_artim(now)

    def _send(self, pdu: "PDU") -> None:
        if self.observer:
            self.observer.pdu(True, pdu)
        self._outbox.append(pdu.encode())

    def _start_artim(self, now: float) -> None:
        self._artim_at = now + self.artim

    def _close(self) -> None:
        self._artim_at = None
        self._be_deaf()
        self.close_wanted = True

    def _be_deaf(self) -> None:
        """Nothing more is taken from the peer: its stream cannot be read on, or is of no more use."""
        self._is_deaf = True
        self._framing.discard()
        self._assembler.discard()
