"""Associations brought into each state of PS3.8 Table 9-10 by their public verbs, alone or two against each other."""

from collections.abc import Callable
from typing import Any

from dcmecho.association import Association, Observer
from dcmecho.dimse import CEchoRQ
from dcmecho.events import AssociateConfirmation, AssociateIndication
from dcmecho.items import MaximumLength, PresentationContextAC, PresentationContextRQ
from dcmecho.pdu import PDV, Abort, AssociateAC, AssociateRJ, AssociateRQ, PDataTF, ReleaseRP, ReleaseRQ
from dcmecho.uids import VERIFICATION
from strategies import cut

IMPLICIT = "1.2.840.10008.1.2"
REQUEST = AssociateRQ(
    "THERE",
    "HERE",
    (PresentationContextRQ(1, VERIFICATION, (IMPLICIT,)), PresentationContextRQ(3, VERIFICATION, (IMPLICIT,))),
    (MaximumLength(16384),),
)
ACCEPT = AssociateAC(
    "THERE",
    "HERE",
    (PresentationContextAC(1, 0, IMPLICIT), PresentationContextAC(3, 3, IMPLICIT)),
    (MaximumLength(16384),),
)
REJECT = AssociateRJ(1, 1, 7)
ECHO = CEchoRQ(7)
ECHO_PDU = PDataTF((PDV(1, True, True, ECHO.encode()),))
ABORT = Abort(2, 5)
UNKNOWN_PDU = bytes.fromhex("08 00 00000004 00000000")

RELEASE_RQ_BYTES = bytes.fromhex("05 00 00000004 00000000")
RELEASE_RP_BYTES = bytes.fromhex("06 00 00000004 00000000")
ABORT_BY_USER = bytes.fromhex("07 00 00000004 00 00 00 00")
ABORT_UNRECOGNIZED = bytes.fromhex("07 00 00000004 00 00 02 01")
ABORT_UNEXPECTED = bytes.fromhex("07 00 00000004 00 00 02 02")
ABORT_INVALID_VALUE = bytes.fromhex("07 00 00000004 00 00 02 06")
REJECT_VERSION = bytes.fromhex("03 00 00000004 00 01 02 02")

EARLY = 100.0
LATER = 102.0
ARTIM = 5.0

Step = Callable[[Association], object]


def receive(pdu: Any, now: float = EARLY) -> Step:
    return lambda association: association.receive_data(pdu if isinstance(pdu, bytes) else pdu.encode(), now)


def connect(association: Association) -> None:
    association.transport_connected(EARLY)


def request_association(association: Association) -> None:
    association.send_associate(REQUEST)


def release(association: Association) -> None:
    association.send_release()


def respond(association: Association) -> None:
    association.send_release_response(EARLY)


# How each state is reached: the role, and the verbs.
ESTABLISHED: list[Step] = [request_association, connect, receive(ACCEPT)]
ACCEPTED: list[Step] = [connect, receive(REQUEST), lambda association: association.send_accept(ACCEPT)]
PATHS: dict[int, tuple[bool, list[Step]]] = {
    1: (True, []),
    2: (False, [connect]),
    3: (False, [connect, receive(REQUEST)]),
    4: (True, [request_association]),
    5: (True, [request_association, connect]),
    6: (True, ESTABLISHED),
    7: (True, [*ESTABLISHED, release]),
    8: (True, [*ESTABLISHED, receive(ReleaseRQ())]),
    9: (True, [*ESTABLISHED, release, receive(ReleaseRQ())]),
    10: (False, [*ACCEPTED, release, receive(ReleaseRQ())]),
    11: (True, [*ESTABLISHED, release, receive(ReleaseRQ()), respond]),
    12: (False, [*ACCEPTED, release, receive(ReleaseRQ()), receive(ReleaseRP())]),
    13: (False, [*ACCEPTED, receive(ReleaseRQ()), respond]),
}
CONNECTED = [state for state in PATHS if state not in (1, 4)]

# What each event is to the caller.
EVENTS: dict[int, Step] = {
    1: request_association,
    2: lambda association: association.transport_connected(LATER),
    3: receive(ACCEPT, LATER),
    4: receive(REJECT, LATER),
    5: lambda association: association.transport_connected(LATER),
    6: receive(REQUEST, LATER),
    7: lambda association: association.send_accept(ACCEPT),
    8: lambda association: association.send_reject(REJECT, LATER),
    9: lambda association: association.send_message(1, ECHO.encode()),
    10: receive(ECHO_PDU, LATER),
    11: lambda association: association.send_release(),
    12: receive(ReleaseRQ(), LATER),
    13: receive(ReleaseRP(), LATER),
    14: lambda association: association.send_release_response(LATER),
    15: lambda association: association.send_abort(LATER),
    16: receive(ABORT, LATER),
    17: lambda association: association.receive_eof(LATER),
    18: lambda association: association.handle_timer(EARLY + ARTIM),
    19: receive(UNKNOWN_PDU, LATER),
}


def bring(state: int, is_requestor: bool | None = None, **limits: Any) -> Association:
    """An association in this state, with all that was on the way taken from it."""
    role, path = PATHS[state]
    association = Association(is_requestor=role if is_requestor is None else is_requestor, artim=ARTIM, **limits)
    for step in path:
        step(association)
    assert association.state == state
    association.events()
    association.data_to_send()
    return association


EVERY_PDU = [
    REQUEST.encode(),
    ACCEPT.encode(),
    REJECT.encode(),
    ECHO_PDU.encode(),
    RELEASE_RQ_BYTES,
    RELEASE_RP_BYTES,
    ABORT.encode(),
]

RUNNING = LATER + ARTIM


class Notes(Observer):
    """Writes down all it sees."""

    def __init__(self) -> None:
        self.pieces: list[tuple[bool, bytes]] = []
        self.pdus: list[tuple[bool, object]] = []
        self.messages: list[tuple[bool, int, bytes]] = []

    def data(self, sent: bool, data: bytes) -> None:
        self.pieces.append((sent, data))

    def pdu(self, sent: bool, pdu: Any) -> None:
        self.pdus.append((sent, pdu))

    def message(self, sent: bool, context_id: int, command: bytes) -> None:
        self.messages.append((sent, context_id, command))


class Wire:
    """Carries bytes between two associations in pieces of the given sizes."""

    def __init__(self, sizes: list[int], max_pdu: int = 16384) -> None:
        self.sizes = sizes
        self.notes = (Notes(), Notes())
        self.requestor = Association(is_requestor=True, max_pdu=max_pdu, artim=ARTIM, observer=self.notes[0])
        self.acceptor = Association(is_requestor=False, max_pdu=max_pdu, artim=ARTIM, observer=self.notes[1])

    def carry(self) -> None:
        """Until both have nothing more to say."""
        moved = True
        while moved:
            moved = False
            for sender, receiver in ((self.requestor, self.acceptor), (self.acceptor, self.requestor)):
                for piece in cut(sender.data_to_send(), self.sizes):
                    receiver.receive_data(piece, EARLY)
                    moved = True

    def associate(self, maximum: int = 16384) -> None:
        information = (MaximumLength(maximum),)
        request = AssociateRQ("THERE", "HERE", REQUEST.presentation_contexts, information)
        self.requestor.send_associate(request)
        self.requestor.transport_connected(EARLY)
        self.acceptor.transport_connected(EARLY)
        self.carry()
        assert self.acceptor.events() == [AssociateIndication(request)]
        response = AssociateAC("THERE", "HERE", ACCEPT.presentation_contexts, information)
        self.acceptor.send_accept(response)
        self.carry()
        assert self.requestor.events() == [AssociateConfirmation(response)]
        assert (self.requestor.state, self.acceptor.state) == (6, 6)
