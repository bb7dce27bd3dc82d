"""The upper layer's state machine (PS3.8 9.2): Table 9-10 as a table. No I/O, no clock.

A cell holds the action and the next state (two where the action decides). A dot is a combination that cannot happen:
a primitive that the state does not allow, or a PDU without a transport connection. What each action does is in
`dcmecho.association`.
"""

from .errors import LocalProtocolError

# States (PS3.8 Tables 9-1 to 9-5)
STA1 = 1  # idle
STA2 = 2  # transport connection open, awaiting A-ASSOCIATE-RQ
STA3 = 3  # awaiting local A-ASSOCIATE response
STA4 = 4  # awaiting the transport connection
STA5 = 5  # awaiting A-ASSOCIATE-AC or -RJ
STA6 = 6  # association established, ready for data transfer
STA7 = 7  # awaiting A-RELEASE-RP
STA8 = 8  # awaiting local A-RELEASE response
STA9 = 9  # release collision, requestor: awaiting local A-RELEASE response
STA10 = 10  # release collision, acceptor: awaiting A-RELEASE-RP
STA11 = 11  # release collision, requestor: awaiting A-RELEASE-RP
STA12 = 12  # release collision, acceptor: awaiting local A-RELEASE response
STA13 = 13  # awaiting the end of the transport connection

# Events (PS3.8 Table 9-10)
ASSOCIATE_REQUEST = 1
TRANSPORT_CONFIRMED = 2
ASSOCIATE_AC_RECEIVED = 3
ASSOCIATE_RJ_RECEIVED = 4
TRANSPORT_INDICATED = 5
ASSOCIATE_RQ_RECEIVED = 6
ASSOCIATE_ACCEPT = 7
ASSOCIATE_REJECT = 8
DATA_REQUEST = 9
DATA_RECEIVED = 10
RELEASE_REQUEST = 11
RELEASE_RQ_RECEIVED = 12
RELEASE_RP_RECEIVED = 13
RELEASE_RESPONSE = 14
ABORT_REQUEST = 15
ABORT_RECEIVED = 16
TRANSPORT_CLOSED = 17
ARTIM_EXPIRED = 18
INVALID_PDU_RECEIVED = 19

EVENT_NAMES = {
    ASSOCIATE_REQUEST: "A-ASSOCIATE request",
    TRANSPORT_CONFIRMED: "transport connection confirmed",
    ASSOCIATE_AC_RECEIVED: "A-ASSOCIATE-AC received",
    ASSOCIATE_RJ_RECEIVED: "A-ASSOCIATE-RJ received",
    TRANSPORT_INDICATED: "transport connection indicated",
    ASSOCIATE_RQ_RECEIVED: "A-ASSOCIATE-RQ received",
    ASSOCIATE_ACCEPT: "A-ASSOCIATE response (accept)",
    ASSOCIATE_REJECT: "A-ASSOCIATE response (reject)",
    DATA_REQUEST: "P-DATA request",
    DATA_RECEIVED: "P-DATA-TF received",
    RELEASE_REQUEST: "A-RELEASE request",
    RELEASE_RQ_RECEIVED: "A-RELEASE-RQ received",
    RELEASE_RP_RECEIVED: "A-RELEASE-RP received",
    RELEASE_RESPONSE: "A-RELEASE response",
    ABORT_REQUEST: "A-ABORT request",
    ABORT_RECEIVED: "A-ABORT received",
    TRANSPORT_CLOSED: "transport connection closed",
    ARTIM_EXPIRED: "ARTIM expired",
    INVALID_PDU_RECEIVED: "unrecognized or invalid PDU received",
}

_TABLE_9_10 = """
Sta       1      2          3       4      5       6       7            8       9       10       11      12      13
Evt1      AE-1:4 .          .       .      .       .       .            .       .       .        .       .       .
Evt2      .      .          .       AE-2:5 .       .       .            .       .       .        .       .       .
Evt3      .      AA-1:13    AA-8:13 .      AE-3:6  AA-8:13 AA-8:13      AA-8:13 AA-8:13 AA-8:13  AA-8:13 AA-8:13 AA-6:13
Evt4      .      AA-1:13    AA-8:13 .      AE-4:1  AA-8:13 AA-8:13      AA-8:13 AA-8:13 AA-8:13  AA-8:13 AA-8:13 AA-6:13
Evt5      AE-5:2 .          .       .      .       .       .            .       .       .        .       .       .
Evt6      .      AE-6:3/13  AA-8:13 .      AA-8:13 AA-8:13 AA-8:13      AA-8:13 AA-8:13 AA-8:13  AA-8:13 AA-8:13 AA-7:13
Evt7      .      .          AE-7:6  .      .       .       .            .       .       .        .       .       .
Evt8      .      .          AE-8:13 .      .       .       .            .       .       .        .       .       .
Evt9      .      .          .       .      .       DT-1:6  .            AR-7:8  .       .        .       .       .
Evt10     .      AA-1:13    AA-8:13 .      AA-8:13 DT-2:6  AR-6:7       AA-8:13 AA-8:13 AA-8:13  AA-8:13 AA-8:13 AA-6:13
Evt11     .      .          .       .      .       AR-1:7  .            .       .       .        .       .       .
Evt12     .      AA-1:13    AA-8:13 .      AA-8:13 AR-2:8  AR-8:9/10    AA-8:13 AA-8:13 AA-8:13  AA-8:13 AA-8:13 AA-6:13
Evt13     .      AA-1:13    AA-8:13 .      AA-8:13 AA-8:13 AR-3:1       AA-8:13 AA-8:13 AR-10:12 AR-3:1  AA-8:13 AA-6:13
Evt14     .      .          .       .      .       .       .            AR-4:13 AR-9:11 .        .       AR-4:13 .
Evt15     .      .          AA-1:13 AA-2:1 AA-1:13 AA-1:13 AA-1:13      AA-1:13 AA-1:13 AA-1:13  AA-1:13 AA-1:13 .
Evt16     .      AA-2:1     AA-3:1  .      AA-3:1  AA-3:1  AA-3:1       AA-3:1  AA-3:1  AA-3:1   AA-3:1  AA-3:1  AA-2:1
Evt17     .      AA-5:1     AA-4:1  AA-4:1 AA-4:1  AA-4:1  AA-4:1       AA-4:1  AA-4:1  AA-4:1   AA-4:1  AA-4:1  AR-5:1
Evt18     .      AA-2:1     .       .      .       .       .            .       .       .        .       .       AA-2:1
Evt19     .      AA-1:13    AA-8:13 .      AA-8:13 AA-8:13 AA-8:13      AA-8:13 AA-8:13 AA-8:13  AA-8:13 AA-8:13 AA-7:13
"""


def _read(text: str) -> dict[tuple[int, int], tuple[str, tuple[int, ...]]]:
    table = {}
    for event, line in enumerate(text.strip().split("\n")[1:], 1):
        for state, cell in enumerate(line.split()[1:], 1):
            if cell != ".":
                action, following = cell.split(":")
                table[event, state] = action, tuple([int(number) for number in following.split("/")])
    return table


TABLE = _read(_TABLE_9_10)
"""(event, state) -> (action, possible next states)."""


class StateMachine:
    """One association's state. `is_requestor` decides a release collision (PS3.8 9.2.3, AR-8)."""

    __slots__ = ("is_requestor", "state")

    def __init__(self, is_requestor: bool) -> None:
        self.is_requestor = is_requestor
        self.state = STA1

    def process(self, event: int, *, acceptable: bool = True) -> str:
        """Take an event, change the state and return the name of the action to carry out.

        `acceptable` tells AE-6 whether the service provider takes an A-ASSOCIATE-RQ. LocalProtocolError, and no change,
        if the event cannot happen in this state.
        """
        cell = TABLE.get((event, self.state))
        if cell is None:
            raise LocalProtocolError(f"{EVENT_NAMES[event]} is not possible in Sta{self.state}")
        action, following = cell
        if len(following) == 1:
            self.state = following[0]
        else:
            first = acceptable if action == "AE-6" else self.is_requestor
            self.state = following[0 if first else 1]
        return action
