"""An Association by itself: its role, violations of the peer's, ARTIM, what was negotiated, what the caller takes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from associations import (
    ABORT,
    ABORT_BY_USER,
    ABORT_INVALID_VALUE,
    ABORT_UNEXPECTED,
    ABORT_UNRECOGNIZED,
    ACCEPT,
    ARTIM,
    CONNECTED,
    EARLY,
    ECHO,
    ECHO_PDU,
    EVERY_PDU,
    IMPLICIT,
    LATER,
    RELEASE_RQ_BYTES,
    REQUEST,
    RUNNING,
    UNKNOWN_PDU,
    Notes,
    Step,
    bring,
    connect,
    request_association,
)
from dcmecho.association import Association, Observer
from dcmecho.dimse import CEchoRQ, OtherCommand
from dcmecho.errors import LocalProtocolError, MalformedMessage, MalformedPDU, UnexpectedPDU
from dcmecho.events import (
    AbortIndication,
    ArtimExpiredIndication,
    MessageIndication,
    ReleaseIndication,
    TransportClosedIndication,
    ViolationIndication,
)
from dcmecho.items import MaximumLength, PresentationContextAC
from dcmecho.pdu import PDV, Abort, AssociateAC, AssociateRQ, PDataTF, ReleaseRP, ReleaseRQ, decode
from strategies import cut, pdus, piece_sizes

# Roles and values


@pytest.mark.parametrize("is_requestor", [True, False])
def test_a_new_association(is_requestor: bool) -> None:
    association = Association(is_requestor=is_requestor)
    assert (association.state, association.is_established, association.close_wanted) == (1, False, False)
    assert (association.is_inside_pdu, association.is_inside_message) == (False, False)
    assert (association.accepted_contexts, association.peer_max_pdu, association.next_timer()) == ({}, 0, None)
    assert (association.events(), association.data_to_send()) == ([], b"")


def test_only_a_requestor_requests() -> None:
    association = Association(is_requestor=False)
    with pytest.raises(LocalProtocolError):
        association.send_associate(REQUEST)
    assert association.state == 1


def test_a_requestor_awaits_no_request() -> None:
    association = Association(is_requestor=True)
    with pytest.raises(LocalProtocolError):
        association.transport_connected(EARLY)
    assert association.state == 1


@pytest.mark.parametrize("verb", [connect, request_association])
def test_an_association_that_has_ended_does_not_begin_again(verb: Step) -> None:
    association = bring(6, is_requestor=True)
    association.receive_eof(EARLY)
    with pytest.raises(LocalProtocolError):
        verb(association)
    assert association.state == 1


TOO_LONG = "A" * 17


def test_a_request_that_cannot_be_encoded_changes_nothing() -> None:
    association = bring(1)
    with pytest.raises(ValueError, match="longer than 16"):
        association.send_associate(AssociateRQ(TOO_LONG, "B", REQUEST.presentation_contexts, ()))
    assert association.state == 1


def test_an_acceptance_that_cannot_be_encoded_changes_nothing() -> None:
    association = bring(3)
    with pytest.raises(ValueError, match="longer than 16"):
        association.send_accept(AssociateAC(TOO_LONG, "B", ACCEPT.presentation_contexts, ()))
    assert association.state == 3
    association.send_accept(ACCEPT)
    assert association.data_to_send() == ACCEPT.encode()


# Violations


@pytest.mark.parametrize(
    ("state", "data", "abort", "kind", "text"),
    [
        (2, ReleaseRQ().encode(), ABORT_BY_USER, UnexpectedPDU, "A-RELEASE-RQ is not expected in Sta2"),
        (2, b"GET / HTTP/1.1\r\n", ABORT_BY_USER, MalformedPDU, "PDU type 47H: no such PDU at byte 1"),
        (5, b"\x16\x03\x01", ABORT_UNRECOGNIZED, MalformedPDU, "PDU type 16H: no such PDU at byte 1"),
        (5, ECHO_PDU.encode(), ABORT_UNEXPECTED, UnexpectedPDU, "P-DATA-TF is not expected in Sta5"),
        (6, ACCEPT.encode(), ABORT_UNEXPECTED, UnexpectedPDU, "A-ASSOCIATE-AC is not expected in Sta6"),
        (
            6,
            bytes.fromhex("04 00 00000000"),
            ABORT_INVALID_VALUE,
            MalformedPDU,
            "P-DATA-TF: it holds no presentation data value",
        ),
        (
            6,
            bytes.fromhex("04 00 00004001"),
            ABORT_INVALID_VALUE,
            MalformedPDU,
            "P-DATA-TF: it claims 16385 bytes, 16384 are allowed at byte 3",
        ),
        (
            7,
            bytes.fromhex("06 00 00000005"),
            ABORT_INVALID_VALUE,
            MalformedPDU,
            "A-RELEASE-RP: it claims 5 bytes, not 4 at byte 3",
        ),
        (13, REQUEST.encode(), ABORT_UNEXPECTED, UnexpectedPDU, "A-ASSOCIATE-RQ is not expected in Sta13"),
    ],
)
def test_a_violation_tells_what_was_wrong(state: int, data: bytes, abort: bytes, kind: type, text: str) -> None:
    association = bring(state)
    association.receive_data(data, LATER)
    (event,) = association.events()
    assert isinstance(event, ViolationIndication)
    assert type(event.error) is kind
    assert str(event.error) == text
    assert association.data_to_send() == abort


@pytest.mark.parametrize("state", [6, 7])
@pytest.mark.parametrize(
    ("pdvs", "problem"),
    [
        ((PDV(3, True, True, ECHO.encode()),), "presentation context 3 has not been accepted"),
        ((PDV(5, True, True, ECHO.encode()),), "presentation context 5 has not been accepted"),
        ((PDV(1, False, True, b""),), "a data set fragment arrived"),
        ((PDV(1, True, True, b"\0"),), "the command set ends inside an element"),
        ((PDV(1, True, False, b"a"), PDV(1, False, True, b"")), "a data set fragment arrived"),
    ],
)
def test_a_message_at_fault_is_aborted_by_the_user(state: int, pdvs: tuple[PDV, ...], problem: str) -> None:
    """The upper layer service provider does not look into messages: the abort is its user's (AA-1)."""
    association = bring(state)
    association.receive_data(PDataTF(pdvs).encode(), LATER)
    (event,) = association.events()
    assert isinstance(event, ViolationIndication)
    assert isinstance(event.error, MalformedMessage)
    assert str(event.error).startswith(problem)
    assert association.data_to_send() == ABORT_BY_USER
    assert (association.state, association.next_timer(), association.close_wanted) == (13, RUNNING, False)


def test_what_came_before_the_fault_is_reported_and_nothing_after_it() -> None:
    good = PDV(1, True, True, ECHO.encode())
    association = bring(6)
    association.receive_data(PDataTF((good, PDV(9, True, True, b""), good)).encode() + ECHO_PDU.encode(), LATER)
    first, second = association.events()
    assert first == MessageIndication(1, ECHO)
    assert isinstance(second, ViolationIndication)


def test_a_message_longer_than_allowed() -> None:
    association = bring(6, max_message_length=10)
    association.receive_data(PDataTF((PDV(1, True, False, bytes(11)),)).encode(), LATER)
    (event,) = association.events()
    assert isinstance(event, ViolationIndication)
    assert str(event.error) == "the command set is longer than 10 bytes"


def test_limits_of_what_is_taken() -> None:
    association = bring(6, max_pdu=8)
    association.receive_data(PDataTF((PDV(1, True, False, b"ab"),)).encode(), LATER)
    assert association.events() == []
    association.receive_data(PDataTF((PDV(1, True, False, b"abc"),)).encode(), LATER)
    assert len(association.events()) == 1
    association = Association(is_requestor=False, max_association_pdu=100)
    association.transport_connected(EARLY)
    association.receive_data(bytes.fromhex("01 00 00000065"), LATER)
    (event,) = association.events()
    assert isinstance(event, ViolationIndication)
    assert str(event.error) == "A-ASSOCIATE-RQ: it claims 101 bytes, 100 are allowed at byte 3"


@pytest.mark.parametrize("state", CONNECTED)
def test_after_a_malformed_pdu_no_input_changes_anything(state: int) -> None:
    association = bring(state)
    association.receive_data(UNKNOWN_PDU, LATER)
    association.events()
    association.data_to_send()
    timer = association.next_timer()
    for pdu in EVERY_PDU:
        association.receive_data(pdu, LATER + 1)
        association.receive_data(UNKNOWN_PDU, LATER + 1)
    assert (association.data_to_send(), association.events()) == (b"", [])
    assert (association.state, association.next_timer()) == (13, timer)
    assert not association.is_inside_pdu
    association.receive_eof(LATER + 1)
    assert association.events() == [TransportClosedIndication(13)]
    assert (association.state, association.next_timer(), association.close_wanted) == (1, None, True)


@pytest.mark.parametrize("state", [2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13])
def test_data_after_the_end_is_ignored(state: int) -> None:
    association = bring(state)
    association.receive_data(ABORT.encode() + UNKNOWN_PDU, LATER)
    assert association.events() == [AbortIndication(2, 5)]
    for pdu in EVERY_PDU:
        association.receive_data(pdu, LATER)
    association.receive_eof(LATER)
    association.handle_timer(1e9)
    assert (association.data_to_send(), association.events()) == (b"", [])
    assert (association.state, association.next_timer(), association.close_wanted) == (1, None, True)


@pytest.mark.parametrize("ending", [ABORT.encode(), ReleaseRP().encode()])
def test_nothing_is_inside_after_the_end(ending: bytes) -> None:
    association = bring(7)
    association.receive_data(ending + ECHO_PDU.encode()[:9], LATER)
    assert association.close_wanted
    assert not association.is_inside_pdu
    assert not association.is_inside_message


@pytest.mark.parametrize(
    "violation",
    [
        UNKNOWN_PDU,
        ACCEPT.encode(),
        PDataTF((PDV(1, False, True, b""),)).encode(),
        PDataTF((PDV(9, True, True, b""),)).encode(),
    ],
)
def test_no_message_is_awaited_after_a_violation(violation: bytes) -> None:
    """The limit for the rest of a message must not run for one that can never be completed."""
    association = bring(6)
    association.receive_data(PDataTF((PDV(1, True, False, b"ab"),)).encode(), LATER)
    assert association.is_inside_message
    association.receive_data(violation, LATER)
    assert association.state == 13
    assert not association.is_inside_message


# ARTIM


def test_artim_waits_for_the_request() -> None:
    association = Association(is_requestor=False, artim=30.0)
    association.transport_connected(1000.0)
    assert association.next_timer() == 1030.0
    association.handle_timer(1029.999)
    assert (association.state, association.events(), association.close_wanted) == (2, [], False)
    association.handle_timer(1030.0)
    assert (association.state, association.close_wanted, association.next_timer()) == (1, True, None)
    assert association.events() == [ArtimExpiredIndication(2)]
    assert association.data_to_send() == b""


def test_artim_is_30_seconds_unless_told() -> None:
    association = Association(is_requestor=False)
    association.transport_connected(0.0)
    assert association.next_timer() == 30.0


def test_artim_is_not_put_off_by_half_a_request() -> None:
    association = bring(2)
    association.receive_data(REQUEST.encode()[:50], LATER)
    assert association.next_timer() == EARLY + ARTIM


@pytest.mark.parametrize("state", [3, 5, 6, 7, 8, 9, 10, 11, 12])
def test_artim_ends_an_abort_that_the_peer_does_not_answer(state: int) -> None:
    association = bring(state)
    association.send_abort(LATER)
    association.receive_data(ECHO_PDU.encode() + ReleaseRQ().encode(), LATER + 1)
    assert association.next_timer() == RUNNING
    association.handle_timer(RUNNING)
    assert association.events() == [ArtimExpiredIndication(13)]
    assert association.data_to_send() == ABORT_BY_USER
    assert association.close_wanted


def test_artim_may_be_changed_before_it_starts() -> None:
    association = bring(6)
    association.artim = 1.5
    association.send_abort(LATER)
    assert association.next_timer() == LATER + 1.5


# Negotiated values


@pytest.mark.parametrize(
    ("information", "expected"),
    [((MaximumLength(4096),), 4096), ((MaximumLength(0),), 0), ((), 0), ((MaximumLength(8), MaximumLength(9)), 8)],
)
def test_the_peers_maximum_length(information: tuple[MaximumLength, ...], expected: int) -> None:
    requestor = bring(5)
    requestor.receive_data(AssociateAC("A", "B", ACCEPT.presentation_contexts, information).encode(), EARLY)
    assert requestor.peer_max_pdu == expected
    acceptor = bring(2)
    acceptor.receive_data(AssociateRQ("A", "B", REQUEST.presentation_contexts, information).encode(), EARLY)
    acceptor.send_accept(ACCEPT)
    assert acceptor.peer_max_pdu == expected


@pytest.mark.parametrize("maximum", [8, 9, 20, 73, 74, 0])
def test_the_peers_maximum_length_is_honoured(maximum: int) -> None:
    response = AssociateAC("A", "B", ACCEPT.presentation_contexts, (MaximumLength(maximum),))
    association = bring(5)
    association.receive_data(response.encode(), EARLY)
    association.send_message(1, ECHO.encode())
    stream = association.data_to_send()
    joined = b""
    while stream:
        length = int.from_bytes(stream[2:6], "big")
        assert not maximum or length <= maximum
        pdu = decode(stream[: length + 6])
        assert isinstance(pdu, PDataTF)
        joined += b"".join([pdv.data for pdv in pdu.pdvs])
        stream = stream[length + 6 :]
    assert joined == ECHO.encode()


def test_only_contexts_that_were_proposed_and_accepted_count() -> None:
    answers = (
        PresentationContextAC(1, 0, IMPLICIT),
        PresentationContextAC(3, 4, IMPLICIT),
        PresentationContextAC(5, 0, IMPLICIT),
        PresentationContextAC(2, 0, IMPLICIT),
    )
    association = bring(5)
    association.receive_data(AssociateAC("A", "B", answers, ()).encode(), EARLY)
    assert association.accepted_contexts == {1: IMPLICIT}
    association.send_message(1, b"")
    for context_id in (2, 3, 5):
        with pytest.raises(LocalProtocolError, match=f"presentation context {context_id} has not been accepted"):
            association.send_message(context_id, b"")


def test_any_command_is_reported() -> None:
    association = bring(6)
    other = CEchoRQ(1).command_set()
    other.elements[0x0100] = b"\x01\0"
    association.receive_data(PDataTF((PDV(1, True, True, other.encode()),)).encode(), EARLY)
    assert association.events() == [MessageIndication(1, OtherCommand(0x0001, other))]


# What the caller takes


def test_the_outbox_keeps_the_order_and_gives_one_write() -> None:
    association = bring(6)
    association.send_message(1, CEchoRQ(1).encode())
    association.send_message(1, CEchoRQ(2).encode())
    association.send_release()
    expected = [PDataTF((PDV(1, True, True, CEchoRQ(number).encode()),)).encode() for number in (1, 2)]
    assert association.data_to_send() == b"".join([*expected, RELEASE_RQ_BYTES])
    assert association.data_to_send() == b""


def test_events_are_given_once_and_in_order() -> None:
    association = bring(6)
    association.receive_data(ECHO_PDU.encode() * 2 + ReleaseRQ().encode(), EARLY)
    assert association.events() == [MessageIndication(1, ECHO), MessageIndication(1, ECHO), ReleaseIndication(False)]
    assert association.events() == []


def test_is_inside() -> None:
    association = bring(6)
    first, second = [PDataTF((PDV(1, True, last, ECHO.encode()[34 * last :][:34]),)).encode() for last in (False, True)]
    assert (association.is_inside_pdu, association.is_inside_message) == (False, False)
    association.receive_data(first[:6], EARLY)
    assert (association.is_inside_pdu, association.is_inside_message) == (True, True)
    association.receive_data(first[6:], EARLY)
    assert (association.is_inside_pdu, association.is_inside_message) == (False, True)
    association.receive_data(second, EARLY)
    assert (association.is_inside_pdu, association.is_inside_message) == (False, False)
    assert association.events() == [MessageIndication(1, ECHO)]


def test_an_observer_need_not_look() -> None:
    association = bring(6, observer=Observer())
    association.receive_data(ECHO_PDU.encode(), EARLY)
    association.send_message(1, ECHO.encode())
    association.send_abort(EARLY)
    assert association.data_to_send() == ECHO_PDU.encode() + ABORT_BY_USER


def test_an_observer_sees_bytes_that_nobody_reads() -> None:
    notes = Notes()
    association = bring(6, observer=notes)
    association.receive_data(UNKNOWN_PDU, EARLY)
    association.receive_data(b"more", EARLY)
    assert notes.pieces[-2:] == [(False, UNKNOWN_PDU), (False, b"more")]
    assert notes.pdus[-1] == (True, Abort(2, 1))


# Whatever arrives


def _outcome(state: int, pieces: list[bytes]) -> tuple[object, ...]:
    association = bring(state)
    for piece in pieces:
        association.receive_data(piece, LATER)
    events = [
        (type(event.error), str(event.error)) if isinstance(event, ViolationIndication) else event
        for event in association.events()
    ]
    return (
        association.state,
        association.next_timer(),
        association.close_wanted,
        events,
        association.data_to_send(),
        association.is_inside_pdu,
        association.is_inside_message,
    )


_ARRIVING = st.lists(
    st.one_of(
        st.sampled_from(EVERY_PDU),
        pdus.map(lambda pdu: pdu.encode()),
        st.builds(
            lambda pdv: PDataTF((pdv,)).encode(),
            st.builds(PDV, st.just(1), st.just(True), st.booleans(), st.binary(max_size=9)),
        ),
        st.binary(max_size=12),
    ),
    min_size=1,
    max_size=5,
).map(b"".join)


@settings(max_examples=300)
@given(st.sampled_from(CONNECTED), _ARRIVING, piece_sizes)
def test_whatever_arrives_is_answered_alike_in_any_pieces(state: int, data: bytes, sizes: list[int]) -> None:
    assert _outcome(state, cut(data, sizes)) == _outcome(state, [data])
