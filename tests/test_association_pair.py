"""Two Associations against each other, their bytes carried in any pieces."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from associations import ARTIM, EARLY, REJECT, REQUEST, Wire
from dcmecho.dimse import CEchoRQ, CEchoRSP
from dcmecho.errors import LocalProtocolError
from dcmecho.events import (
    AbortIndication,
    AssociateConfirmation,
    MessageIndication,
    ReleaseConfirmation,
    ReleaseIndication,
    TransportClosedIndication,
)
from strategies import piece_sizes


@settings(max_examples=60)
@given(piece_sizes, st.integers(0, 5), st.sampled_from([0, 8, 9, 30, 74, 16384]))
def test_associate_echo_release(sizes: list[int], echoes: int, maximum: int) -> None:
    wire = Wire(sizes, maximum)
    wire.associate(maximum)
    for number in range(1, echoes + 1):
        wire.requestor.send_message(1, CEchoRQ(number).encode())
        wire.carry()
        assert wire.acceptor.events() == [MessageIndication(1, CEchoRQ(number))]
        wire.acceptor.send_message(1, CEchoRSP(number).encode())
        wire.carry()
        assert wire.requestor.events() == [MessageIndication(1, CEchoRSP(number))]
    wire.requestor.send_release()
    wire.carry()
    assert wire.acceptor.events() == [ReleaseIndication(False)]
    wire.acceptor.send_release_response(EARLY)
    wire.carry()
    assert wire.requestor.events() == [ReleaseConfirmation()]
    assert (wire.requestor.state, wire.requestor.close_wanted) == (1, True)
    assert (wire.acceptor.state, wire.acceptor.next_timer()) == (13, EARLY + ARTIM)
    wire.acceptor.receive_eof(EARLY)
    assert wire.acceptor.events() == [TransportClosedIndication(13)]
    assert (wire.acceptor.state, wire.acceptor.close_wanted, wire.acceptor.next_timer()) == (1, True, None)
    of_requestor, of_acceptor = wire.notes
    for one, other in ((of_requestor, of_acceptor), (of_acceptor, of_requestor)):
        for sent in (True, False):
            assert _of(one.pdus, sent) == _of(other.pdus, not sent)
            assert _of(one.messages, sent) == _of(other.messages, not sent)
            assert b"".join(_of(one.pieces, sent)) == b"".join(_of(other.pieces, not sent))
    assert len(of_requestor.messages) == 2 * echoes
    assert b"".join(_of(of_requestor.pieces, True)) == b"".join([pdu.encode() for pdu in _of(of_requestor.pdus, True)])


def _of(notes: Any, sent: bool) -> list[Any]:
    """What was sent, or received: the last value of each note."""
    return [note[-1] for note in notes if note[0] is sent]


@given(piece_sizes)
def test_echoes_without_waiting(sizes: list[int]) -> None:
    wire = Wire(sizes)
    wire.associate()
    for number in range(1, 20):
        wire.requestor.send_message(1, CEchoRQ(number).encode())
    wire.carry()
    assert wire.acceptor.events() == [MessageIndication(1, CEchoRQ(number)) for number in range(1, 20)]


@given(piece_sizes)
def test_a_release_collision(sizes: list[int]) -> None:
    wire = Wire(sizes)
    wire.associate()
    wire.requestor.send_release()
    wire.acceptor.send_release()
    wire.carry()
    assert (wire.requestor.state, wire.acceptor.state) == (9, 10)
    assert wire.requestor.events() == wire.acceptor.events() == [ReleaseIndication(True)]
    with pytest.raises(LocalProtocolError):
        wire.acceptor.send_release_response(EARLY)
    wire.requestor.send_release_response(EARLY)
    wire.carry()
    assert (wire.requestor.state, wire.acceptor.state) == (11, 12)
    assert (wire.requestor.events(), wire.acceptor.events()) == ([], [ReleaseConfirmation()])
    assert wire.requestor.next_timer() is None
    wire.acceptor.send_release_response(EARLY)
    wire.carry()
    assert (wire.requestor.state, wire.acceptor.state) == (1, 13)
    assert wire.requestor.events() == [ReleaseConfirmation()]
    assert wire.requestor.close_wanted
    assert wire.acceptor.next_timer() == EARLY + ARTIM


@given(piece_sizes)
def test_a_release_waits_for_the_echo_that_is_answered_first(sizes: list[int]) -> None:
    """Data may go on to whom has asked for the release, until it is answered (AR-6, AR-7)."""
    wire = Wire(sizes)
    wire.associate()
    wire.requestor.send_message(1, CEchoRQ(1).encode())
    wire.requestor.send_release()
    wire.carry()
    assert wire.acceptor.events() == [MessageIndication(1, CEchoRQ(1)), ReleaseIndication(False)]
    wire.acceptor.send_message(1, CEchoRSP(1).encode())
    wire.acceptor.send_release_response(EARLY)
    wire.carry()
    assert wire.requestor.events() == [MessageIndication(1, CEchoRSP(1)), ReleaseConfirmation()]


@given(piece_sizes)
def test_a_rejection(sizes: list[int]) -> None:
    wire = Wire(sizes)
    wire.requestor.send_associate(REQUEST)
    wire.requestor.transport_connected(EARLY)
    wire.acceptor.transport_connected(EARLY)
    wire.carry()
    wire.acceptor.send_reject(REJECT, EARLY)
    wire.carry()
    assert wire.requestor.events() == [AssociateConfirmation(REJECT)]
    assert (wire.requestor.state, wire.requestor.close_wanted) == (1, True)
    assert (wire.acceptor.state, wire.acceptor.next_timer()) == (13, EARLY + ARTIM)


@given(piece_sizes, st.booleans())
def test_an_abort_from_either_side(sizes: list[int], requestor_aborts: bool) -> None:
    wire = Wire(sizes)
    wire.associate()
    one, other = (wire.requestor, wire.acceptor) if requestor_aborts else (wire.acceptor, wire.requestor)
    one.send_abort(EARLY)
    wire.carry()
    assert other.events() == [AbortIndication(0, 0)]
    assert (one.state, other.state, one.close_wanted, other.close_wanted) == (13, 1, False, True)


def test_aborts_that_cross() -> None:
    wire = Wire([1])
    wire.associate()
    wire.requestor.send_abort(EARLY)
    wire.acceptor.send_abort(EARLY)
    wire.carry()
    assert (wire.requestor.state, wire.acceptor.state) == (1, 1)
    assert wire.requestor.close_wanted
    assert wire.acceptor.close_wanted
