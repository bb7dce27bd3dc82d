"""What an `Association` reports: the indications and confirmations of PS3.8 clause 7, and what else ends it."""

from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .dimse import CEchoRQ, CEchoRSP, OtherCommand
    from .errors import RemoteProtocolError
    from .pdu import AssociateAC, AssociateRJ, AssociateRQ


class AssociateIndication(Record):
    """The peer requests an association: answer with `send_accept` or `send_reject`."""

    __slots__ = ("request",)

    def __init__(self, request: "AssociateRQ") -> None:
        self.request = request


class AssociateRefused(Record):
    """The peer requested an association that no user of the service could accept; it has been rejected already."""

    __slots__ = ("rejection", "request")

    def __init__(self, request: "AssociateRQ", rejection: "AssociateRJ") -> None:
        self.request = request
        self.rejection = rejection


class AssociateConfirmation(Record):
    """The peer accepted or rejected our request."""

    __slots__ = ("response",)

    def __init__(self, response: "AssociateAC | AssociateRJ") -> None:
        self.response = response


class MessageIndication(Record):
    """A whole DIMSE command arrived."""

    __slots__ = ("command", "context_id")

    def __init__(self, context_id: int, command: "CEchoRQ | CEchoRSP | OtherCommand") -> None:
        self.context_id = context_id
        self.command = command


class ReleaseIndication(Record):
    """The peer wants to release: answer with `send_release_response`. `is_collision`: we had asked for it too."""

    __slots__ = ("is_collision",)

    def __init__(self, is_collision: bool) -> None:
        self.is_collision = is_collision


class ReleaseConfirmation(Record):
    """The peer answered our release request."""

    __slots__ = ()


class AbortIndication(Record):
    """The peer aborted (A-ABORT): `source` and `reason` as in the PDU."""

    __slots__ = ("reason", "source")

    def __init__(self, source: int, reason: int) -> None:
        self.source = source
        self.reason = reason


class ViolationIndication(Record):
    """The peer broke the protocol, and has been sent A-ABORT for it."""

    __slots__ = ("error",)

    def __init__(self, error: "RemoteProtocolError") -> None:
        self.error = error


class TransportClosedIndication(Record):
    """The transport connection is gone. `state` is where it found the association (`dcmecho.fsm`)."""

    __slots__ = ("state",)

    def __init__(self, state: int) -> None:
        self.state = state


class ArtimExpiredIndication(Record):
    """The ARTIM timer ran out (PS3.8 9.1.5). `state` is where it found the association."""

    __slots__ = ("state",)

    def __init__(self, state: int) -> None:
        self.state = state


if TYPE_CHECKING:
    Event = (
        AssociateIndication
        | AssociateRefused
        | AssociateConfirmation
        | MessageIndication
        | ReleaseIndication
        | ReleaseConfirmation
        | AbortIndication
        | ViolationIndication
        | TransportClosedIndication
        | ArtimExpiredIndication
    )
