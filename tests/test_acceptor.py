"""The acceptor without I/O: outcomes, timers, foreign protocols, shutdown, with explicit clocks."""

import pytest

import peers
from dcmecho.acceptor import (
    ABORTED_BY_PEER,
    ARTIM_TIMEOUT,
    CONNECTION_LOST,
    IDLE_TIMEOUT,
    MESSAGE_TIMEOUT,
    NEVER_ASSOCIATED,
    NOT_DICOM,
    NOT_VERIFICATION,
    OUTCOMES,
    PROTOCOL_VIOLATION,
    RELEASED,
    SHUTDOWN,
    Accepted,
    Acceptor,
    AcceptorTimeouts,
    EchoRequested,
    Ended,
    Rejected,
)
from dcmecho.dimse import COMMAND_NAMES, CEchoRSP, CommandSet
from dcmecho.negotiation import AcceptorPolicy
from dcmecho.pdu import PDV, AssociateRJ, AssociateRQ, PDataTF
from dcmecho.text import escape

ABORT_BY_USER = bytes.fromhex("07 00 00000004 00 00 00 00")


def connected(
    policy: AcceptorPolicy | None = None, acse: float = 30.0, dimse: float | None = 20.0, network: float | None = 50.0
) -> Acceptor:
    return Acceptor(
        policy or AcceptorPolicy(),
        AcceptorTimeouts(acse, dimse, network),
        0.0,
        max_association_pdu=4096,
        max_message_length=2048,
    )


def established(**timeouts: float | None) -> Acceptor:
    scp = connected(**timeouts)  # type: ignore[arg-type] # only timeouts are passed
    scp.receive_data(peers.RQ, 1.0)
    assert [type(event) for event in scp.events()] == [Accepted]
    assert scp.data_to_send()[0] == peers.ASSOCIATE_AC
    return scp


def is_idle(scp: Acceptor) -> bool:
    return scp.is_idle


def wants_close(scp: Acceptor) -> bool:
    return scp.close_wanted


def ended(scp: Acceptor) -> Ended:
    found = [event for event in scp.events() if isinstance(event, Ended)]
    assert len(found) == 1
    assert found[0].outcome in OUTCOMES
    return found[0]


def brief(data: object) -> str:
    return f"{data[:4].hex()}-{len(data)}-{data[-4:].hex()}" if isinstance(data, bytes) else str(data)


def request(command_field: int, data_set_type: int = 0x0101) -> bytes:
    elements = {
        0x0002: b"1.2\0",
        0x0100: command_field.to_bytes(2, "little"),
        0x0110: b"\x01\x00",
        0x0800: data_set_type.to_bytes(2, "little"),
    }
    return CommandSet(elements).encode()


class TestTheUsualWay:
    def test_associate_echo_release(self) -> None:
        scp = connected()
        assert is_idle(scp)
        scp.receive_data(peers.RQ, 1.0)
        (accepted,) = scp.events()
        assert isinstance(accepted, Accepted)
        assert accepted.request.calling_ae_title.strip() == "RAW-SCU"
        assert not is_idle(scp)
        scp.data_to_send()
        scp.receive_data(peers.echo_request(7), 2.0)
        (asked,) = scp.events()
        assert asked == EchoRequested(1, 7)
        assert isinstance(asked, EchoRequested)
        scp.respond(asked, CEchoRSP(7), 2.5)
        assert scp.data_to_send() == peers.echo_response(7)
        scp.receive_data(peers.RELEASE_REQUEST, 3.0)
        assert ended(scp) == Ended(RELEASED, "", True)
        assert scp.data_to_send() == peers.RELEASE_RESPONSE
        assert not wants_close(scp)
        assert is_idle(scp)
        scp.connection_lost(4.0)
        assert wants_close(scp)
        assert scp.events() == []

    def test_a_flood_of_echoes_in_one_read(self) -> None:
        scp = established()
        scp.receive_data(b"".join(peers.echo_request(number) for number in range(1, 1001)), 2.0)
        asked = scp.events()
        assert asked == [EchoRequested(1, number) for number in range(1, 1001)]
        for event in asked:
            assert isinstance(event, EchoRequested)
            scp.respond(event, CEchoRSP(event.message_id), 2.5)
        assert scp.data_to_send() == b"".join(peers.echo_response(number) for number in range(1, 1001))

    def test_an_answer_after_the_end_is_not_sent(self) -> None:
        scp = established()
        scp.receive_data(peers.abortion(0), 2.0)
        scp.respond(EchoRequested(1, 1), CEchoRSP(1), 2.5)
        assert scp.data_to_send() == b""

    def test_an_echo_is_answered_before_the_release_that_came_with_it(self) -> None:
        """PS3.8 Table 9-10, AR-7: messages may be sent until the release is answered."""
        scp = established()
        scp.receive_data(peers.echo_request(1) + peers.RELEASE_REQUEST, 2.0)
        for event in scp.events():
            if isinstance(event, EchoRequested):
                scp.respond(event, CEchoRSP(event.message_id), 2.5)
        assert scp.data_to_send() == peers.echo_response(1) + peers.RELEASE_RESPONSE


class TestRejection:
    def test_by_the_policy(self) -> None:
        scp = connected(AcceptorPolicy(called_ae_titles=frozenset(["OTHER"])))
        scp.receive_data(peers.RQ, 1.0)
        (event,) = scp.events()
        assert isinstance(event, Rejected)
        assert event.rejection == AssociateRJ(1, 1, 7)
        assert scp.data_to_send() == peers.rejection(1, 1, 7)
        assert not wants_close(scp)
        assert scp.next_timer() == 31.0
        scp.handle_timer(31.0)
        assert wants_close(scp)
        assert scp.events() == []

    def test_of_the_protocol_version(self) -> None:
        decoded = AssociateRQ.decode(peers.RQ)
        decoded.protocol_version = 2
        scp = connected()
        scp.receive_data(decoded.encode(), 1.0)
        (event,) = scp.events()
        assert isinstance(event, Rejected)
        assert scp.data_to_send() == peers.rejection(1, 2, 2)

    def test_versions_beyond_the_first_are_no_matter_if_the_first_is_there(self) -> None:
        decoded = AssociateRQ.decode(peers.RQ)
        decoded.protocol_version = 0xFFFF
        scp = connected()
        scp.receive_data(decoded.encode(), 1.0)
        assert scp.data_to_send()[0] == peers.ASSOCIATE_AC


class TestTimers:
    def test_artim_without_a_word(self) -> None:
        scp = connected(acse=5.0)
        assert scp.next_timer() == 5.0
        scp.handle_timer(4.9)
        assert scp.events() == []
        scp.handle_timer(5.0)
        assert ended(scp) == Ended(ARTIM_TIMEOUT, "no association request within 5 s", False)
        assert wants_close(scp)

    def test_artim_is_not_put_off_by_dribbling(self) -> None:
        scp = connected(acse=5.0)
        scp.receive_data(peers.RQ[:20], 4.9)
        scp.handle_timer(5.0)
        assert ended(scp).outcome == ARTIM_TIMEOUT

    def test_artim_after_a_release(self) -> None:
        scp = established(acse=5.0)
        scp.receive_data(peers.RELEASE_REQUEST, 10.0)
        scp.events()
        assert scp.next_timer() == 15.0
        scp.handle_timer(15.0)
        assert wants_close(scp)
        assert scp.events() == []

    def test_artim_after_an_abort_of_ours(self) -> None:
        scp = established(acse=5.0)
        scp.receive_data(b"\x99", 10.0)
        scp.events()
        assert scp.next_timer() == 15.0
        scp.handle_timer(15.0)
        assert wants_close(scp)

    def test_idle(self) -> None:
        scp = established(network=50.0)
        assert scp.next_timer() == 51.0
        scp.receive_data(peers.echo_request(1), 30.0)
        (asked,) = scp.events()
        assert isinstance(asked, EchoRequested)
        scp.handle_timer(85.0)
        assert scp.events() == []
        scp.respond(asked, CEchoRSP(1), 40.0)
        scp.data_to_send()
        assert scp.next_timer() == 90.0
        scp.handle_timer(89.9)
        assert scp.events() == []
        scp.handle_timer(90.0)
        assert ended(scp) == Ended(IDLE_TIMEOUT, "nothing was received for 50 s", True)
        assert scp.data_to_send() == ABORT_BY_USER

    def test_an_unfinished_message(self) -> None:
        scp = established(dimse=20.0, network=50.0)
        scp.receive_data(peers.echo_request(1)[:10], 5.0)
        assert scp.next_timer() == 25.0
        scp.receive_data(peers.echo_request(1)[10:20], 15.0)
        assert scp.next_timer() == 25.0
        scp.handle_timer(24.9)
        assert scp.events() == []
        scp.handle_timer(25.0)
        assert ended(scp) == Ended(MESSAGE_TIMEOUT, "a message was not complete within 20 s", True)
        assert scp.data_to_send() == ABORT_BY_USER

    def test_a_message_of_fragments_that_never_end(self) -> None:
        scp = established(dimse=20.0, network=50.0)
        for second in range(2, 22):
            scp.receive_data(PDataTF((PDV(1, True, False, b""),)).encode(), float(second))
            scp.handle_timer(float(second))
            assert scp.events() == []
        scp.handle_timer(22.0)
        assert ended(scp).outcome == MESSAGE_TIMEOUT

    def test_a_message_that_was_completed_no_longer_counts(self) -> None:
        scp = established(dimse=20.0, network=50.0)
        scp.receive_data(peers.echo_request(1)[:10], 5.0)
        scp.receive_data(peers.echo_request(1)[10:], 15.0)
        scp.events()
        scp.handle_timer(30.0)
        assert scp.events() == []

    def test_each_message_has_its_own_limit(self) -> None:
        """A busy client's reads end inside a message again and again, though each message is quick."""
        scp = established(dimse=20.0, network=50.0)
        echo = peers.echo_request(1)
        scp.receive_data(echo[:30], 2.0)
        for second in range(3, 40):
            scp.receive_data(echo[30:] + echo[:30], float(second))
            scp.handle_timer(float(second))
            assert all(isinstance(event, EchoRequested) for event in scp.events())
            assert scp.association.is_established

    def test_none_is_unlimited(self) -> None:
        scp = established(dimse=None, network=None)
        scp.receive_data(peers.echo_request(1)[:10], 5.0)
        assert scp.next_timer() is None
        scp.handle_timer(1e9)
        assert scp.events() == []


class TestWhatEndsIt:
    @pytest.mark.parametrize(
        ("data", "detail"),
        [
            (peers.abortion(0), "service user"),
            (peers.abortion(2, 6), "service provider, invalid PDU parameter value"),
            (peers.abortion(2, 99), "service provider, reason 99"),
            (peers.abortion(7, 1), "unknown source 7"),
        ],
    )
    def test_an_abort(self, data: bytes, detail: str) -> None:
        scp = established()
        scp.receive_data(data, 2.0)
        assert ended(scp) == Ended(ABORTED_BY_PEER, detail, True)
        assert wants_close(scp)
        assert scp.data_to_send() == b""

    @pytest.mark.parametrize("field", [field for field in COMMAND_NAMES if field != 0x0030])
    def test_any_other_command_is_aborted_and_named(self, field: int) -> None:
        scp = established()
        command = CEchoRSP(1).encode() if field == 0x8030 else request(field)
        scp.receive_data(peers.message(command), 2.0)
        end = ended(scp)
        assert end.outcome == NOT_VERIFICATION
        assert COMMAND_NAMES[field] in end.detail
        assert scp.data_to_send() == ABORT_BY_USER

    def test_an_unknown_command_is_told_by_number(self) -> None:
        scp = established()
        scp.receive_data(peers.message(request(0x7777)), 2.0)
        assert "7777" in ended(scp).detail

    @pytest.mark.parametrize(
        "data",
        [
            peers.message(b"\xff" * 40),
            peers.message(request(0x0030, data_set_type=0)),
            PDataTF((PDV(1, False, True, b"data"),)).encode(),
            PDataTF((PDV(3, True, True, b"data"),)).encode(),
            peers.message(bytes(3000)),
            peers.RQ,
            peers.AC,
            peers.RELEASE_RESPONSE,
            b"\x04\x00\xff\xff\xff\xff",
            b"\x05\x00\x00\x00\x00\x05",
            b"GET / HTTP/1.1\r\n",
        ],
        ids=brief,
    )
    def test_a_violation(self, data: bytes) -> None:
        scp = established()
        scp.receive_data(data, 2.0)
        assert ended(scp).outcome == PROTOCOL_VIOLATION
        assert scp.data_to_send()[0] == peers.ABORT

    @pytest.mark.parametrize(
        ("data", "word"),
        [
            (bytes.fromhex("16 03 01 02 00 01"), "TLS"),
            (b"GET / HTTP/1.1\r\n\r\n", "HTTP"),
            (b"SSH-2.0-x\r\n", "SSH"),
            (b"hello\x1b[2J", "does not speak DICOM"),
            (b"\x00\x00", "does not speak DICOM"),
        ],
    )
    def test_a_foreign_protocol(self, data: bytes, word: str) -> None:
        scp = connected()
        scp.receive_data(data, 1.0)
        end = ended(scp)
        assert end.outcome == NOT_DICOM
        assert not end.was_associated
        assert word in end.detail
        assert "\x1b" not in escape(end.detail)

    def test_a_huge_request_is_refused_by_its_length(self) -> None:
        scp = connected()
        scp.receive_data(b"\x01\x00\x00\x00\x10\x01", 1.0)
        end = ended(scp)
        assert end.outcome == PROTOCOL_VIOLATION
        assert "4096" in end.detail

    @pytest.mark.parametrize("data", [peers.AC, peers.echo_request(), peers.RELEASE_REQUEST, peers.RELEASE_RESPONSE])
    def test_a_pdu_out_of_turn_before_the_request(self, data: bytes) -> None:
        scp = connected()
        scp.receive_data(data, 1.0)
        assert ended(scp).outcome == PROTOCOL_VIOLATION
        assert scp.data_to_send() == ABORT_BY_USER

    def test_the_connection_goes_before_a_request(self) -> None:
        scp = connected()
        scp.connection_lost(1.0)
        assert ended(scp) == Ended(NEVER_ASSOCIATED, "the peer closed the connection", False)

    def test_the_connection_goes_while_associated(self) -> None:
        scp = established()
        scp.connection_lost(2.0, "reset")
        assert ended(scp) == Ended(CONNECTION_LOST, "reset", True)
        scp.connection_lost(3.0)
        assert scp.events() == []

    def test_abort_before_a_request_closes(self) -> None:
        scp = connected()
        scp.receive_data(peers.abortion(0), 1.0)
        assert wants_close(scp)


class TestManyPDUsAtOnce:
    """A client may ask and then abort, or write nonsense, within what one read brings: it must not raise."""

    @pytest.mark.parametrize(
        ("before", "data"),
        [
            (b"", peers.RQ + peers.abortion(0)),
            (b"", peers.RQ + b"\x99"),
            (b"", peers.RQ + peers.echo_request()),
            (b"", peers.RQ + peers.RQ),
            (b"", peers.RQ + peers.RELEASE_REQUEST),
            (peers.RQ, peers.RELEASE_REQUEST + peers.abortion(0)),
            (peers.RQ, peers.RELEASE_REQUEST + peers.RELEASE_REQUEST),
            (peers.RQ, peers.RELEASE_REQUEST + b"\x99"),
            (peers.RQ, peers.message(request(1)) + peers.abortion(0)),
            (peers.RQ, peers.message(request(1)) + b"\x99"),
            (peers.RQ, peers.message(request(1)) + peers.message(request(1))),
            (peers.RQ, peers.echo_request() + peers.abortion(0)),
            (peers.RQ, peers.echo_request() + b"\x99"),
        ],
        ids=brief,
    )
    def test_it_ends_once(self, before: bytes, data: bytes) -> None:
        scp = connected()
        if before:
            scp.receive_data(before, 1.0)
            scp.events()
            scp.data_to_send()
        scp.receive_data(data, 2.0)
        ended(scp)


class TestShutDown:
    def test_before_a_request(self) -> None:
        scp = connected()
        scp.shut_down(1.0)
        assert ended(scp).outcome == SHUTDOWN
        assert scp.data_to_send() == b""
        assert wants_close(scp)
        scp.connection_lost(2.0)
        assert scp.events() == []

    def test_while_associated(self) -> None:
        scp = established()
        scp.shut_down(2.0)
        end = ended(scp)
        assert end.outcome == SHUTDOWN
        assert end.was_associated
        assert scp.data_to_send() == ABORT_BY_USER
        assert wants_close(scp)

    @pytest.mark.parametrize("last", [peers.RELEASE_REQUEST, b"\x99", peers.abortion(0)])
    def test_after_the_end(self, last: bytes) -> None:
        scp = established()
        scp.receive_data(last, 2.0)
        ended(scp)
        scp.data_to_send()
        scp.shut_down(3.0)
        assert scp.events() == []
        assert scp.data_to_send() == b""
        assert wants_close(scp)
