"""The requestor without I/O: every way an operation can end, with explicit clocks."""

import json
from collections.abc import Callable

import pytest

import peers
from dcmecho import causes
from dcmecho.causes import Cause
from dcmecho.dimse import CEchoRSP, CommandSet
from dcmecho.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectionLost,
    EchoFailed,
    LocalProtocolError,
    NoAcceptableContext,
    PeerProtocolError,
    RemoteProtocolError,
    VerificationTimeout,
)
from dcmecho.items import MaximumLength, PresentationContextAC
from dcmecho.pdu import PDV, AssociateAC, AssociateRQ, PDataTF
from dcmecho.requestor import Requestor, associate_request, echo_text
from dcmecho.result import EchoResult, VerificationResult
from dcmecho.settings import VerificationSettings
from dcmecho.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION

ABORT_BY_USER = bytes.fromhex("07 00 00000004 00 00 00 00")


def requestor(deadline_at: float | None = None, **options: object) -> Requestor:
    settings = VerificationSettings(**options)  # type: ignore[arg-type] # a table of options
    result = VerificationResult("peer.example", 104, settings.called_ae_title, settings.calling_ae_title)
    return Requestor(settings, result, deadline_at)


def associating(deadline_at: float | None = None, **options: object) -> Requestor:
    found = requestor(deadline_at, **options)
    found.associate(0.0)
    assert found.data_to_send()[0] == peers.ASSOCIATE_RQ
    return found


def established(deadline_at: float | None = None, **options: object) -> Requestor:
    found = associating(deadline_at, **options)
    found.receive_data(peers.AC, 1.0)
    assert found.failure is None
    return found


def echoing(deadline_at: float | None = None, **options: object) -> Requestor:
    found = established(deadline_at, **options)
    found.echo(2.0)
    found.data_to_send()
    return found


def releasing(deadline_at: float | None = None, **options: object) -> Requestor:
    found = established(deadline_at, **options)
    found.release(2.0)
    found.data_to_send()
    return found


def is_busy(scu: Requestor) -> bool:
    return scu.busy


def brief(value: object) -> str | None:
    return f"{value[:4].hex()}-{len(value)}-{value[-4:].hex()}" if isinstance(value, bytes) else None


Begin = Callable[..., Requestor]
STEPS: list[tuple[str, Begin]] = [("associate", associating), ("echo", echoing), ("release", releasing)]
each_step = pytest.mark.parametrize(("step", "begin"), STEPS, ids=[name for name, _ in STEPS])


def assert_failed(found: Requestor, kind: type[Exception], cause: Cause, step: str) -> None:
    failure = found.failure
    assert failure is not None
    assert type(failure) is kind
    assert failure.cause is cause
    assert failure.step == step
    assert step in cause.steps
    assert not found.busy
    assert found.result.failure is failure
    assert failure.result is found.result
    assert not found.result.ok
    told = json.loads(json.dumps(found.result.to_dict()))
    assert told["failure"]["cause"] == cause.name
    assert told["failure"]["step"] == step
    assert step in [each["step"] for each in told["steps"]]


class TestTheUsualWay:
    def test_associate_echo_release(self) -> None:
        scu = associating()
        assert is_busy(scu)
        scu.receive_data(peers.AC, 0.25)
        assert not is_busy(scu)
        assert scu.echo(1.0) == 1
        assert scu.data_to_send() == peers.echo_request(1)
        scu.receive_data(peers.echo_response(1), 1.5)
        assert not is_busy(scu)
        scu.release(2.0)
        assert scu.data_to_send() == peers.RELEASE_REQUEST
        scu.receive_data(peers.RELEASE_RESPONSE, 2.125)
        assert not is_busy(scu)
        assert scu.failure is None
        assert scu.association.close_wanted
        assert scu.result.ok
        assert scu.result.steps == {"associate": 0.25, "echo": 0.5, "release": 0.125}
        assert scu.result.echoes == [EchoResult(1, 0.5)]
        negotiated = scu.result.negotiated
        assert negotiated is not None
        assert negotiated.to_dict() == {
            "context_id": 1,
            "transfer_syntax": IMPLICIT_VR_LITTLE_ENDIAN,
            "presentation_contexts": [
                {
                    "id": 1,
                    "abstract_syntax": VERIFICATION,
                    "result": 0,
                    "accepted": True,
                    "transfer_syntax": IMPLICIT_VR_LITTLE_ENDIAN,
                }
            ],
            "peer_max_pdu": 32768,
            "peer_implementation_class_uid": "1.2.3.4",
            "peer_implementation_version_name": "SCRIPT",
        }

    def test_the_request_says_what_the_settings_say(self) -> None:
        settings = VerificationSettings(
            called_ae_title="PACS",
            calling_ae_title="ME",
            transfer_syntaxes=(EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN),
            presentation_contexts=128,
            max_pdu=4096,
        )
        request = AssociateRQ.decode(associate_request(settings).encode())
        assert (request.called_ae_title.strip(), request.calling_ae_title.strip()) == ("PACS", "ME")
        contexts = request.presentation_contexts
        assert [context.context_id for context in contexts] == list(range(1, 256, 2))
        assert {context.transfer_syntaxes for context in contexts} == {settings.transfer_syntaxes}
        assert MaximumLength(4096) in request.user_information

    def test_the_first_accepted_context_carries_the_echoes(self) -> None:
        scu = associating(presentation_contexts=3)
        answers = (
            PresentationContextAC(1, 4, ""),
            PresentationContextAC(5, 0, "1.2.3"),
            PresentationContextAC(3, 1, ""),
        )
        scu.receive_data(AssociateAC("A", "B", answers, (MaximumLength(0),)).encode(), 1.0)
        assert scu.failure is None
        assert scu.result.negotiated is not None
        assert [context.result for context in scu.result.negotiated.contexts] == [4, 1, 0]
        assert scu.result.negotiated.transfer_syntax == "1.2.3"
        assert scu.result.negotiated.peer_max_pdu == 0
        scu.echo(2.0)
        assert scu.data_to_send()[10] == 5

    def test_message_ids_wrap_from_65535_to_1(self) -> None:
        scu = established()
        for expected in (*range(1, 65536), 1, 2):
            assert scu.next_message_id == expected
            assert scu.echo(2.0) == expected
            scu.receive_data(peers.echo_response(expected), 2.0)
        assert scu.failure is None
        assert scu.result.statistics.answered == 65537

    def test_requests_are_split_as_the_peer_asks(self) -> None:
        scu = associating()
        answer = AssociateAC("A", "B", (PresentationContextAC(1, 0, "1.2"),), (MaximumLength(64),)).encode()
        scu.receive_data(answer, 1.0)
        scu.echo(2.0)
        data = scu.data_to_send()
        assert data[2:6] == (64).to_bytes(4, "big")
        assert len(data) > 70

    def test_a_status_other_than_success_fails_the_result_and_not_the_association(self) -> None:
        scu = echoing()
        scu.receive_data(peers.echo_response(1, 0x0122, "none\x1b[2J here"), 3.0)
        assert scu.failure is None
        assert isinstance(scu.result.failure, EchoFailed)
        assert scu.result.failure.status == 0x0122
        assert "\x1b" not in str(scu.result.failure)
        assert scu.last_echo.error_comment == "none\x1b[2J here"
        scu.echo(4.0)
        scu.receive_data(peers.echo_response(2), 5.0)
        assert scu.last_echo.is_success
        assert not scu.result.ok

    def test_the_text_of_an_echo_tells_all_of_its_detail(self) -> None:
        text = echo_text(EchoResult(7, 0.1, 0x0110, "disk full", 12))
        for part in ("0110", "7", "disk full", "12"):
            assert part in text


class TestTimeouts:
    @pytest.mark.parametrize(
        ("begin", "options", "limit", "cause", "step"),
        [
            (associating, {"acse_timeout": 5.0}, 5.0, causes.ASSOCIATE_TIMEOUT, "associate"),
            (echoing, {"dimse_timeout": 5.0}, 5.0, causes.ECHO_TIMEOUT, "echo"),
            (releasing, {"acse_timeout": 5.0}, 5.0, causes.RELEASE_TIMEOUT, "release"),
        ],
    )
    def test_no_answer(self, begin: Begin, options: dict[str, object], limit: float, cause: Cause, step: str) -> None:
        scu = begin(**options)
        at = (0.0 if step == "associate" else 2.0) + limit
        assert scu.next_timer() == at
        scu.handle_timer(at - 0.001)
        assert is_busy(scu)
        scu.handle_timer(at)
        assert_failed(scu, VerificationTimeout, cause, step)
        assert isinstance(scu.failure, VerificationTimeout)
        assert scu.failure.seconds == limit
        assert scu.data_to_send() == ABORT_BY_USER

    @each_step
    def test_no_progress(self, step: str, begin: Begin) -> None:
        scu = begin(socket_timeout=3.0, acse_timeout=None, dimse_timeout=None)
        began = 0.0 if step == "associate" else 2.0
        scu.data_sent(began + 2.0)
        scu.receive_data(b"\x02", began + 4.0) if step == "associate" else scu.data_sent(began + 4.0)
        assert scu.next_timer() == began + 7.0
        scu.handle_timer(began + 6.9)
        assert is_busy(scu)
        scu.handle_timer(began + 7.0)
        assert_failed(scu, VerificationTimeout, causes.NO_PROGRESS, step)

    @each_step
    def test_deadline(self, step: str, begin: Begin) -> None:
        scu = begin(10.0, deadline=10.0, acse_timeout=None, socket_timeout=None)
        assert scu.next_timer() == 10.0
        scu.handle_timer(9.9)
        assert is_busy(scu)
        scu.handle_timer(10.0)
        assert_failed(scu, VerificationTimeout, causes.DEADLINE_EXCEEDED, step)
        assert scu.data_to_send() == ABORT_BY_USER

    def test_the_soonest_limit_counts(self) -> None:
        scu = echoing(100.0, deadline=100.0, dimse_timeout=50.0, socket_timeout=20.0)
        assert scu.next_timer() == 22.0
        scu.data_sent(40.0)
        assert scu.next_timer() == 52.0

    def test_without_limits_there_is_no_timer(self) -> None:
        assert echoing(socket_timeout=None).next_timer() is None

    def test_a_timer_between_operations_does_nothing(self) -> None:
        scu = established()
        scu.handle_timer(1e6)
        assert scu.failure is None


REJECTIONS = [
    ((1, 1, 1), causes.REJECTED),
    ((1, 1, 2), causes.APPLICATION_CONTEXT_REFUSED),
    ((1, 1, 3), causes.CALLING_AE_TITLE_REFUSED),
    ((1, 1, 7), causes.CALLED_AE_TITLE_REFUSED),
    ((2, 1, 7), causes.CALLED_AE_TITLE_REFUSED),
    ((1, 2, 1), causes.REJECTED),
    ((1, 2, 2), causes.PROTOCOL_VERSION_REFUSED),
    ((2, 3, 1), causes.PEER_BUSY),
    ((2, 3, 2), causes.PEER_BUSY),
    ((1, 1, 10), causes.REJECTED),
    ((1, 2, 7), causes.REJECTED),
    ((2, 3, 0), causes.REJECTED),
    ((0, 0, 0), causes.REJECTED),
    ((255, 255, 255), causes.REJECTED),
]


class TestRejection:
    @pytest.mark.parametrize(("values", "cause"), REJECTIONS)
    def test_each_reason(self, values: tuple[int, int, int], cause: Cause) -> None:
        scu = associating(called_ae_title="Pacs", calling_ae_title="ME")
        scu.receive_data(peers.rejection(*values), 1.0)
        assert_failed(scu, AssociationRejected, cause, "associate")
        failure = scu.failure
        assert isinstance(failure, AssociationRejected)
        assert (failure.rejection_result, failure.source, failure.reason) == values
        assert '"Pacs" (4 characters)' in str(failure)
        assert '"ME" (2 characters)' in str(failure)
        told = scu.result.to_dict()["failure"]["rejection"]
        assert told == {"result": values[0], "source": values[1], "reason": values[2]}
        assert scu.association.close_wanted


class TestAbort:
    @each_step
    @pytest.mark.parametrize(("source", "reason", "word"), [(0, 0, "service user"), (2, 6, "invalid PDU"), (9, 9, "9")])
    def test_by_the_peer(self, step: str, begin: Begin, source: int, reason: int, word: str) -> None:
        scu = begin()
        scu.receive_data(peers.abortion(source, reason), 3.0)
        assert_failed(scu, AssociationAborted, causes.ABORTED, step)
        assert isinstance(scu.failure, AssociationAborted)
        assert (scu.failure.source, scu.failure.reason) == (source, reason)
        assert word in str(scu.failure)
        assert scu.result.to_dict()["failure"]["abort"] == {"source": source, "reason": reason}
        assert scu.data_to_send() == b""

    @each_step
    def test_by_us(self, step: str, begin: Begin) -> None:
        scu = begin()
        scu.abort(5.0)
        assert scu.data_to_send() == ABORT_BY_USER
        assert not is_busy(scu)
        assert scu.failure is None
        scu.abort(6.0)
        assert scu.data_to_send() == b""

    @each_step
    def test_the_end_of_the_connection_after_our_abort_is_no_failure(self, step: str, begin: Begin) -> None:
        scu = begin()
        scu.abort(5.0)
        scu.connection_lost(6.0)
        assert scu.failure is None
        assert scu.result.failure is None

    def test_before_there_is_anything_to_abort(self) -> None:
        scu = requestor()
        scu.abort(0.0)
        assert scu.data_to_send() == b""


class TestConnectionLost:
    @each_step
    def test_closed(self, step: str, begin: Begin) -> None:
        scu = begin()
        scu.connection_lost(3.0)
        assert_failed(scu, ConnectionLost, causes.CONNECTION_CLOSED, step)

    @each_step
    def test_reset(self, step: str, begin: Begin) -> None:
        scu = begin()
        scu.connection_lost(3.0, causes.CONNECTION_RESET, "by the peer")
        assert_failed(scu, ConnectionLost, causes.CONNECTION_RESET, step)
        assert "by the peer" in str(scu.failure)

    def test_after_the_release_it_is_no_failure(self) -> None:
        scu = releasing()
        scu.receive_data(peers.RELEASE_RESPONSE, 3.0)
        scu.connection_lost(4.0)
        assert scu.failure is None

    def test_what_was_told_first_stands(self) -> None:
        scu = echoing()
        scu.receive_data(peers.abortion(0), 3.0)
        scu.connection_lost(3.0, causes.CONNECTION_RESET)
        assert_failed(scu, AssociationAborted, causes.ABORTED, "echo")


def _flagged_response() -> bytes:
    elements = dict(CEchoRSP(1).command_set().elements)
    elements[0x0800] = b"\x00\x00"
    return CommandSet(elements).encode()


def _store_request() -> bytes:
    elements = {0x0002: b"1.2\0", 0x0100: b"\x01\x00", 0x0110: b"\x01\x00", 0x0800: b"\x01\x01"}
    return CommandSet(elements).encode()


VIOLATIONS_OF_AN_ECHO = [
    (peers.echo_response(2), "message id 2"),
    (peers.echo_request(1), "C-ECHO-RQ"),
    (peers.message(_store_request()), "C-STORE-RQ"),
    (peers.message(_flagged_response()), "data set"),
    (peers.message(CEchoRSP(1).encode(), context_id=3), "context 3"),
    (peers.message(b"\xff" * 40), ""),
    (PDataTF((PDV(1, False, True, b"data"),)).encode(), "data set"),
    (peers.AC, "A-ASSOCIATE-AC"),
    (peers.RQ, "A-ASSOCIATE-RQ"),
    (peers.rejection(1, 1, 1), "A-ASSOCIATE-RJ"),
    (peers.RELEASE_RESPONSE, "A-RELEASE-RP"),
    (b"\x04\x00\x00\xff\xff\xff", "claims"),
    (b"\x99\x00\x00\x00\x00\x00", "99H"),
]


class TestViolations:
    @pytest.mark.parametrize(("data", "word"), VIOLATIONS_OF_AN_ECHO, ids=brief)
    def test_instead_of_an_echo_response(self, data: bytes, word: str) -> None:
        scu = echoing()
        scu.receive_data(data, 3.0)
        assert_failed(scu, PeerProtocolError, causes.PROTOCOL_VIOLATION, "echo")
        assert word in str(scu.failure)
        assert scu.data_to_send()[0] == peers.ABORT

    @pytest.mark.parametrize("data", [peers.RQ, peers.RELEASE_REQUEST, peers.RELEASE_RESPONSE, peers.echo_response()])
    def test_a_pdu_out_of_turn_instead_of_an_accept(self, data: bytes) -> None:
        scu = associating()
        scu.receive_data(data, 3.0)
        assert_failed(scu, PeerProtocolError, causes.PROTOCOL_VIOLATION, "associate")
        assert scu.failure is not None
        assert isinstance(scu.failure.__cause__, RemoteProtocolError)
        assert scu.data_to_send() == bytes.fromhex("07 00 00000004 00 00 02 02")

    @pytest.mark.parametrize("data", [peers.AC, peers.RQ, peers.rejection(1, 1, 1), peers.echo_response()])
    def test_instead_of_a_release_response(self, data: bytes) -> None:
        scu = releasing()
        scu.receive_data(data, 3.0)
        assert_failed(scu, PeerProtocolError, causes.PROTOCOL_VIOLATION, "release")
        assert scu.data_to_send()[0] == peers.ABORT

    def test_an_unasked_echo_response_before_the_first_echo(self) -> None:
        scu = established()
        scu.receive_data(peers.echo_response(1), 2.0)
        assert scu.failure is not None
        assert scu.failure.cause is causes.PROTOCOL_VIOLATION

    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            (bytes.fromhex("15 03 03 00 02 02 46"), causes.PEER_SPEAKS_TLS),
            (bytes.fromhex("16 03 01 00 05 00 00"), causes.PEER_SPEAKS_TLS),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", causes.PEER_SPEAKS_HTTP),
            (b"SSH-2.0-OpenSSH_9.2\r\n", causes.PEER_SPEAKS_SSH),
            (b"220 mail ready\x1b]0;owned\x07\r\n", causes.NOT_DICOM),
            (b"\xff\xfd\x18\xff", causes.NOT_DICOM),
            (b"\x00", causes.NOT_DICOM),
        ],
    )
    def test_a_foreign_protocol(self, data: bytes, cause: Cause) -> None:
        scu = associating()
        scu.receive_data(data, 1.0)
        assert_failed(scu, PeerProtocolError, cause, "associate")
        assert str(scu.failure).isprintable()

    def test_garbage_after_the_accept_is_no_foreign_protocol(self) -> None:
        """Whatever it is that follows an A-ASSOCIATE-AC: the peer has spoken DICOM."""
        scu = associating()
        scu.receive_data(peers.AC + b"\x99 nonsense", 1.0)
        assert scu.failure is not None
        assert scu.failure.cause is causes.PROTOCOL_VIOLATION


class TestContexts:
    @pytest.mark.parametrize(
        ("result", "word"),
        [(1, "user rejection"), (2, "no reason"), (3, "abstract syntax"), (4, "transfer syntaxes"), (77, "77")],
    )
    def test_none_is_accepted(self, result: int, word: str) -> None:
        scu = associating()
        scu.receive_data(peers.context_answer(result), 1.0)
        assert_failed(scu, NoAcceptableContext, causes.NO_ACCEPTABLE_CONTEXT, "associate")
        assert word in str(scu.failure)
        assert scu.data_to_send() == ABORT_BY_USER
        assert scu.result.negotiated is not None
        assert scu.result.negotiated.to_dict()["context_id"] is None

    def test_none_is_mentioned(self) -> None:
        scu = associating()
        scu.receive_data(AssociateAC("A", "B", (PresentationContextAC(7, 0, "1.2"),), ()).encode(), 1.0)
        assert_failed(scu, NoAcceptableContext, causes.NO_ACCEPTABLE_CONTEXT, "associate")
        assert "did not answer" in str(scu.failure)


class TestReleaseByThePeer:
    def test_instead_of_an_echo_response(self) -> None:
        scu = echoing()
        scu.receive_data(peers.RELEASE_REQUEST, 3.0)
        assert_failed(scu, ConnectionLost, causes.RELEASED_BY_PEER, "echo")
        assert scu.data_to_send() == peers.RELEASE_RESPONSE

    def test_collision(self) -> None:
        """PS3.8 9.2.3: as requestor of the association we answer first, and then wait for the answer to ours."""
        scu = releasing()
        scu.receive_data(peers.RELEASE_REQUEST, 3.0)
        assert is_busy(scu)
        assert scu.data_to_send() == peers.RELEASE_RESPONSE
        scu.receive_data(peers.RELEASE_RESPONSE, 4.0)
        assert not is_busy(scu)
        assert scu.failure is None
        assert scu.association.close_wanted

    def test_a_collision_that_is_not_finished_times_out(self) -> None:
        scu = releasing(acse_timeout=5.0)
        scu.receive_data(peers.RELEASE_REQUEST, 3.0)
        scu.data_to_send()
        scu.handle_timer(7.0)
        assert_failed(scu, VerificationTimeout, causes.RELEASE_TIMEOUT, "release")


class TestManyPDUsAtOnce:
    """A peer may speak and then abort, or write nonsense, within what one read brings."""

    @pytest.mark.parametrize(
        ("begin", "data", "cause"),
        [
            (associating, peers.context_answer(3) + peers.abortion(0), causes.NO_ACCEPTABLE_CONTEXT),
            (associating, peers.context_answer(3) + b"\x99", causes.NO_ACCEPTABLE_CONTEXT),
            (associating, peers.AC + peers.RELEASE_REQUEST + peers.abortion(0), None),
            (associating, peers.AC + peers.abortion(0), causes.ABORTED),
            (associating, peers.AC + peers.RELEASE_REQUEST, causes.RELEASED_BY_PEER),
            (echoing, peers.echo_response(9) + peers.abortion(0), causes.PROTOCOL_VIOLATION),
            (echoing, peers.echo_response(9) + b"\x99", causes.PROTOCOL_VIOLATION),
            (echoing, peers.message(_store_request()) + peers.abortion(2, 2), causes.PROTOCOL_VIOLATION),
            (echoing, peers.RELEASE_REQUEST + peers.abortion(0), None),
            (echoing, peers.RELEASE_REQUEST + peers.RELEASE_REQUEST, None),
            (echoing, peers.RELEASE_REQUEST + b"\x99", None),
            (releasing, peers.RELEASE_REQUEST + peers.RELEASE_RESPONSE, None),
            (releasing, peers.RELEASE_REQUEST + peers.abortion(0), None),
            (releasing, peers.echo_response(1) + peers.RELEASE_RESPONSE, causes.PROTOCOL_VIOLATION),
        ],
        ids=brief,
    )
    def test_ends_in_a_failure_of_the_peer(self, begin: Begin, data: bytes, cause: Cause | None) -> None:
        scu = begin()
        scu.receive_data(data, 3.0)
        assert scu.failure is not None
        assert not is_busy(scu)
        if cause is not None:
            assert scu.failure.cause is cause

    @pytest.mark.parametrize("size", [1, 2, 7, 1000])
    def test_the_pieces_do_not_matter(self, size: int) -> None:
        def feed(scu: Requestor, data: bytes, now: float) -> None:
            for place in range(0, len(data), size):
                scu.receive_data(data[place : place + size], now)

        scu = associating()
        feed(scu, peers.AC, 1.0)
        scu.echo(2.0)
        feed(scu, peers.echo_response(1), 3.0)
        scu.release(4.0)
        feed(scu, peers.RELEASE_RESPONSE, 5.0)
        assert scu.result.ok
        assert scu.result.steps == {"associate": 1.0, "echo": 1.0, "release": 1.0}


class TestProgrammingErrors:
    def test_one_operation_at_a_time(self) -> None:
        scu = echoing()
        with pytest.raises(LocalProtocolError):
            scu.echo(3.0)
        with pytest.raises(LocalProtocolError):
            scu.release(3.0)
        assert scu.result.statistics.sent == 1

    def test_nothing_after_a_failure(self) -> None:
        scu = echoing()
        scu.receive_data(peers.abortion(0), 3.0)
        with pytest.raises(LocalProtocolError):
            scu.echo(4.0)
        with pytest.raises(LocalProtocolError):
            scu.release(4.0)

    def test_an_echo_that_could_not_begin_is_not_under_way(self) -> None:
        """After a release, or an abort of ours, asking again is an error that changes nothing."""
        scu = releasing()
        scu.receive_data(peers.RELEASE_RESPONSE, 3.0)
        with pytest.raises(LocalProtocolError):
            scu.echo(4.0)
        assert not is_busy(scu)
        assert scu.next_message_id == 1
        with pytest.raises(LocalProtocolError):
            scu.release(4.0)
        assert not is_busy(scu)
        assert scu.step == "release"
