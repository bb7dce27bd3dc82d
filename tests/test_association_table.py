"""What each action of PS3.8 Table 9-10 does to an Association: bytes sent, events, ARTIM, the end of the connection.

`BY_STATE` is the table typed a second time; every cell of it is reached through the public verbs.
"""

import pytest

from associations import (
    ABORT_BY_USER,
    ABORT_UNEXPECTED,
    ABORT_UNRECOGNIZED,
    ACCEPT,
    ACCEPTED,
    EARLY,
    ECHO,
    ECHO_PDU,
    EVENTS,
    LATER,
    PATHS,
    REJECT,
    REJECT_VERSION,
    RELEASE_RP_BYTES,
    RELEASE_RQ_BYTES,
    REQUEST,
    RUNNING,
    UNKNOWN_PDU,
    bring,
    release,
)
from dcmecho.association import Association
from dcmecho.errors import LocalProtocolError
from dcmecho.events import (
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
from dcmecho.pdu import AssociateRJ, AssociateRQ, ReleaseRQ
from table_9_10 import BY_STATE

STOPPED = None
UNCHANGED = object()

Effect = tuple[bytes, list[object], object, bool]


def effect(action: str, event: int, state: int) -> Effect:
    """What the action of a cell shows: bytes sent, events, ARTIM, and whether the connection is to be closed."""
    closed = TransportClosedIndication(state)
    simple: dict[str, Effect] = {
        "AE-1": (b"", [], STOPPED, False),
        "AE-2": (REQUEST.encode(), [], STOPPED, False),
        "AE-3": (b"", [AssociateConfirmation(ACCEPT)], STOPPED, False),
        "AE-4": (b"", [AssociateConfirmation(REJECT)], STOPPED, True),
        "AE-5": (b"", [], RUNNING, False),
        "AE-6": (b"", [AssociateIndication(REQUEST)], STOPPED, False),
        "AE-7": (ACCEPT.encode(), [], STOPPED, False),
        "AE-8": (REJECT.encode(), [], RUNNING, False),
        "DT-1": (ECHO_PDU.encode(), [], STOPPED, False),
        "DT-2": (b"", [MessageIndication(1, ECHO)], STOPPED, False),
        "AR-1": (RELEASE_RQ_BYTES, [], STOPPED, False),
        "AR-2": (b"", [ReleaseIndication(False)], STOPPED, False),
        "AR-3": (b"", [ReleaseConfirmation()], STOPPED, True),
        "AR-4": (RELEASE_RP_BYTES, [], RUNNING, False),
        "AR-5": (b"", [closed], STOPPED, True),
        "AR-6": (b"", [MessageIndication(1, ECHO)], STOPPED, False),
        "AR-7": (ECHO_PDU.encode(), [], STOPPED, False),
        "AR-8": (b"", [ReleaseIndication(True)], STOPPED, False),
        "AR-9": (RELEASE_RP_BYTES, [], STOPPED, False),
        "AR-10": (b"", [ReleaseConfirmation()], STOPPED, False),
        "AA-3": (b"", [AbortIndication(2, 5)], STOPPED, True),
        "AA-4": (b"", [closed], STOPPED, True),
        "AA-5": (b"", [closed], STOPPED, True),
        "AA-6": (b"", [], UNCHANGED, False),
    }
    if action in simple:
        return simple[action]
    violation = ViolationIndication
    if action == "AA-1":
        return ABORT_BY_USER, [] if event == 15 else [violation], RUNNING, False
    if action == "AA-2":
        reports: dict[int, list[object]] = {
            15: [],
            16: [AbortIndication(2, 5)],
            18: [ArtimExpiredIndication(state)],
        }
        return b"", reports[event], STOPPED, True
    abort = ABORT_UNRECOGNIZED if event == 19 else ABORT_UNEXPECTED
    return abort, [violation], RUNNING if action == "AA-8" else UNCHANGED, False


CELLS = [(state, event) for state, cells in BY_STATE.items() for event in cells]


@pytest.mark.parametrize(("state", "event"), CELLS)
def test_the_action_of_a_cell_is_carried_out(state: int, event: int) -> None:
    action, following = BY_STATE[state][event]
    association = bring(state, is_requestor=False if event == 5 else None)
    before = association.next_timer()
    EVENTS[event](association)

    sent, events, artim, close_wanted = effect(action, event, state)
    assert association.data_to_send() == sent
    reported = [type(one) if isinstance(one, ViolationIndication) else one for one in association.events()]
    assert reported == events
    assert association.next_timer() == (before if artim is UNCHANGED else artim)
    assert association.close_wanted is close_wanted
    assert association.state == following[0]
    assert association.is_established is (association.state == 6)


def test_ar_8_of_the_acceptor() -> None:
    association = Association(is_requestor=False)
    for step in (*ACCEPTED, release):
        step(association)
    association.events()
    association.receive_data(ReleaseRQ().encode(), LATER)
    assert association.state == 10
    assert association.events() == [ReleaseIndication(True)]


@pytest.mark.parametrize("version", [0, 2, 0xFFFE])
def test_ae_6_rejects_a_foreign_protocol_version(version: int) -> None:
    request = AssociateRQ("THERE", "HERE", REQUEST.presentation_contexts, (), protocol_version=version)
    association = bring(2)
    association.receive_data(request.encode(), LATER)
    assert association.state == 13
    assert association.data_to_send() == REJECT_VERSION
    assert association.events() == [AssociateRefused(request, AssociateRJ(1, 2, 2))]
    assert association.next_timer() == RUNNING
    assert not association.close_wanted


@pytest.mark.parametrize("version", [1, 3, 0xFFFF])
def test_ae_6_takes_any_version_with_bit_0(version: int) -> None:
    request = AssociateRQ("THERE", "HERE", REQUEST.presentation_contexts, (), protocol_version=version)
    association = bring(2)
    association.receive_data(request.encode(), LATER)
    assert association.events() == [AssociateIndication(request)]


# The verbs of the caller in the states that do not allow them. Evt2 and Evt5 are one verb.
FORBIDDEN = [
    (state, event)
    for state, cells in BY_STATE.items()
    for event in (1, 5, 7, 8, 9, 11, 14, 15)
    if event not in cells and not (event == 5 and 2 in cells)
]


@pytest.mark.parametrize(("state", "event"), FORBIDDEN)
def test_what_the_state_does_not_allow_is_our_mistake_and_changes_nothing(state: int, event: int) -> None:
    association = bring(state)
    before = association.next_timer()
    with pytest.raises(LocalProtocolError):
        EVENTS[event](association)
    assert association.state == state
    assert association.data_to_send() == b""
    assert association.events() == []
    assert association.next_timer() == before
    assert not association.close_wanted


@pytest.mark.parametrize("event", [3, 4, 6, 10, 12, 13, 16, 19])
@pytest.mark.parametrize("state", [1, 4])
def test_data_without_a_connection_is_our_mistake(state: int, event: int) -> None:
    association = bring(state)
    with pytest.raises(LocalProtocolError):
        EVENTS[event](association)
    assert association.state == state
    assert (association.data_to_send(), association.events(), association.close_wanted) == (b"", [], False)


def test_bytes_before_the_connection_leave_nothing_behind() -> None:
    association = bring(4)
    with pytest.raises(LocalProtocolError):
        association.receive_data(UNKNOWN_PDU, EARLY)
    association.transport_connected(EARLY)
    association.receive_data(ACCEPT.encode(), EARLY)
    assert association.is_established


def test_the_end_of_no_connection_is_nothing() -> None:
    association = bring(1)
    association.receive_eof(EARLY)
    assert (association.state, association.events(), association.close_wanted) == (1, [], False)


@pytest.mark.parametrize("state", [state for state in PATHS if state not in (2, 13)])
def test_the_timer_is_harmless_where_it_does_not_run(state: int) -> None:
    association = bring(state)
    assert association.next_timer() is None
    association.handle_timer(1e9)
    assert (association.state, association.events(), association.close_wanted) == (state, [], False)
