"""What comes as it nearly always comes goes a shorter way through the acceptor: nobody may see a difference."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import peers
from dcmecho import agreements, plain
from dcmecho.acceptor import RELEASED, Accepted, Acceptor, AcceptorTimeouts, EchoRequested, Ended, Rejected
from dcmecho.agreements import Agreements
from dcmecho.association import Agreement, Observer
from dcmecho.dimse import CEchoRQ, CEchoRSP
from dcmecho.items import MaximumLength, PresentationContextRQ, UnknownItem, UserIdentityRQ
from dcmecho.negotiation import AcceptorPolicy
from dcmecho.pdu import PDV, AssociateAC, AssociateRJ, AssociateRQ, PDataTF, decode, encode_whole_command
from dcmecho.requestor import Requestor
from dcmecho.result import VerificationResult
from dcmecho.settings import VerificationSettings
from dcmecho.uids import VERIFICATION

OTHER_RQ = AssociateRQ(
    "ANY", "THING", (PresentationContextRQ(3, VERIFICATION, ("1.2.840.10008.1.2.1",)),), (MaximumLength(4096),)
).encode()
SMALL_RQ = AssociateRQ(
    "ANY", "THING", (PresentationContextRQ(1, VERIFICATION, ("1.2.840.10008.1.2",)),), (MaximumLength(40),)
).encode()
ABORT = peers.abortion(0)
PIECES = [
    peers.RQ,
    OTHER_RQ,
    SMALL_RQ,
    peers.echo_request(1),
    peers.echo_request(0xFFFF),
    peers.message(CEchoRQ(5).encode(), 3),
    peers.message(CEchoRSP(5).encode()),
    peers.echo_request(1) + peers.echo_request(2),
    peers.echo_request(3) + peers.RELEASE_REQUEST,
    peers.RQ + peers.echo_request(9),
    peers.RELEASE_REQUEST,
    peers.RELEASE_RESPONSE,
    ABORT,
]


class Watcher(Observer):
    """Sees nothing, but whoever is watched goes the long way."""


@dataclass
class Played:
    """What the acceptor's user has seen."""

    events: list[Any] = field(default_factory=list)
    steps: list[tuple[bytes, bool, bool, float | None]] = field(default_factory=list)


def play(pieces: list[bytes], known: Agreements, observer: Observer | None, refusal: AssociateRJ | None) -> Played:
    """Serve an association as the server does; each piece comes a second after the other."""
    scp = Acceptor(
        AcceptorPolicy(max_pdu=4096),
        AcceptorTimeouts(30.0, 20.0, 50.0),
        0.0,
        max_association_pdu=4096,
        max_message_length=2048,
        agreements=known,
        observer=observer,
        refusal=lambda: refusal,
    )
    played = Played()
    for second, piece in enumerate(pieces, 1):
        echo = scp.receive_plain_echo(piece, second)
        if echo is None:
            scp.receive_data(piece, second)
        for event in scp.events() if echo is None else [echo]:
            played.events.append(event)
            if isinstance(event, EchoRequested):
                scp.respond(event, None, second)
        played.steps.append((scp.data_to_send(), scp.close_wanted, scp.is_idle, scp.next_timer()))
    return played


def acquainted() -> Agreements:
    known = Agreements()
    for request in (peers.RQ, OTHER_RQ, SMALL_RQ):
        play([request], known, None, None)
        assert known.find(request)
    return known


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Pieces in any order, some cut in two, some with one byte changed."""
    pieces = []
    for piece in draw(st.lists(st.sampled_from(PIECES), max_size=6)):
        place = draw(st.integers(0, len(piece) - 1))
        match draw(st.sampled_from(["whole", "whole", "cut", "changed"])):
            case "whole":
                pieces.append(piece)
            case "cut":
                pieces += [part for part in (piece[:place], piece[place:]) if part]
            case _:
                pieces.append(piece[:place] + bytes([piece[place] ^ draw(st.integers(1, 255))]) + piece[place + 1 :])
    return draw(st.sampled_from([[], [peers.RQ], [OTHER_RQ], [SMALL_RQ]])) + pieces


@example([peers.RQ, peers.echo_request(7), peers.RELEASE_REQUEST], None)
@example([peers.RQ, peers.echo_request(7), ABORT], None)
@example([SMALL_RQ, peers.echo_request(7), peers.RELEASE_REQUEST], None)
@example([OTHER_RQ, peers.echo_request(7)], None)
@example([peers.RQ, peers.RELEASE_REQUEST, peers.RELEASE_REQUEST], None)
@example([peers.RQ[:50], peers.RQ[50:], peers.echo_request(7)[:40], peers.echo_request(7)[40:]], None)
@example([peers.RQ, peers.echo_request(7)[:40], peers.RELEASE_REQUEST], None)
@example([peers.RQ + peers.echo_request(7)[:3], peers.echo_request(7)[3:]], None)
@example([peers.RQ], AssociateRJ(2, 3, 2))
@given(conversations(), st.sampled_from([None, None, AssociateRJ(1, 1, 1)]))
def test_both_ways_are_the_same_to_peer_and_user(pieces: list[bytes], refusal: AssociateRJ | None) -> None:
    short = play(pieces, acquainted(), None, refusal)
    long = play(pieces, Agreements(), Watcher(), refusal)
    assert short.events == long.events
    assert short.steps == long.steps


def test_the_short_ways_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    known = acquainted()
    for function in ("decode", "encode_whole_command"):
        monkeypatch.delattr(f"dcmecho.association.{function}")
    played = play([peers.RQ, peers.echo_request(1), peers.echo_request(2), peers.RELEASE_REQUEST], known, None, None)
    request = AssociateRQ.decode(peers.RQ)
    assert played.events == [Accepted(request), EchoRequested(1, 1), EchoRequested(1, 2), Ended(RELEASED, "", True)]


def test_a_release_waits_for_the_answer_that_is_owed() -> None:
    scp = Acceptor(AcceptorPolicy(), AcceptorTimeouts(), 0.0, max_association_pdu=4096, max_message_length=2048)
    scp.receive_data(peers.RQ, 1.0)
    request = scp.receive_plain_echo(peers.echo_request(7), 2.0)
    assert request == EchoRequested(1, 7)
    scp.data_to_send()
    scp.receive_data(peers.RELEASE_REQUEST, 3.0)
    assert scp.data_to_send() == b""
    scp.respond(request, None, 4.0)
    assert scp.data_to_send() == peers.echo_response(7) + peers.RELEASE_RESPONSE
    assert scp.events()[-1] == Ended(RELEASED, "", True)


# The same for who asks


def requestor(observer: Observer | None) -> Requestor:
    settings = VerificationSettings(observer=observer)
    return Requestor(
        settings, VerificationResult("127.0.0.1", 104, settings.called_ae_title, settings.calling_ae_title)
    )


def ask(pieces: list[bytes], observer: Observer | None) -> tuple[Any, ...]:
    """Associate, and send an echo before each further piece that comes; return all that can be seen of it."""
    scu = requestor(observer)
    scu.associate(0.0)
    seen: list[Any] = [scu.data_to_send()]
    for second, piece in enumerate(pieces, 1):
        if not scu.busy and scu.failure is None:
            scu.echo(second)
        seen.append(scu.data_to_send())
        scu.receive_data(piece, second + 0.5)
        seen.append((scu.data_to_send(), scu.busy, scu.step, scu.next_timer(), scu.association.state))
    result = scu.result.to_dict()
    return seen, result, str(scu.failure), scu.last_echo


ANSWERS = [
    *[peers.echo_response(number) for number in (1, 2, 3)],
    peers.echo_response(1)[:40],
    peers.echo_response(1, 0x0110),
    peers.echo_response(1, 0, "fine"),
    peers.echo_response(1) + peers.echo_response(2),
    peers.message(CEchoRSP(1).encode(), 3),
    peers.echo_request(1),
    peers.RELEASE_REQUEST,
    peers.RELEASE_RESPONSE,
    ABORT,
    peers.AC,
]


@example([peers.echo_response(1), peers.echo_response(2), peers.echo_response(3)], 0, 16384)
@example([peers.echo_response(1)], 30, 16384)
@example([peers.echo_response(1)], 0, 40)
@example([peers.echo_response(2)], 0, 16384)
@example([peers.echo_response(1)[:40], peers.echo_response(1)], 0, 16384)
@given(st.lists(st.sampled_from(ANSWERS), max_size=5), st.integers(0, 89), st.sampled_from([16384, 0, 40, 73, 74]))
def test_both_ways_are_the_same_to_who_asks(answers: list[bytes], cut: int, maximum: int) -> None:
    acceptance = AssociateAC.decode(peers.AC)
    acceptance.user_information = (MaximumLength(maximum),)
    pieces = [acceptance.encode()]
    for answer in answers:
        pieces += [part for part in (answer[:cut], answer[cut:]) if part]
    assert ask(pieces, None) == ask(pieces, Watcher())


def test_what_comes_inside_a_pdu_is_part_of_it() -> None:
    scu = requestor(None)
    scu.associate(0.0)
    scu.receive_data(peers.AC, 1.0)
    scu.echo(2.0)
    scu.receive_data(peers.echo_response(1)[:40], 2.5)
    scu.receive_data(peers.echo_response(1), 3.0)
    assert scu.failure is not None


def test_who_watches_sees_every_pdu() -> None:
    class Counter(Observer):
        seen = 0

        def pdu(self, sent: bool, pdu: Any) -> None:
            self.seen += 1

    counter = Counter()
    ask([peers.AC, peers.echo_response(1), peers.echo_response(2)], counter)
    assert counter.seen == 6


def test_an_echo_is_asked_and_answered_in_short(monkeypatch: pytest.MonkeyPatch) -> None:
    scu = requestor(None)
    scu.associate(0.0)
    scu.receive_data(peers.AC, 1.0)
    scu.data_to_send()
    for function in ("decode", "encode_whole_command"):
        monkeypatch.delattr(f"dcmecho.association.{function}")
    assert scu.echo(2.0) == 1
    assert scu.data_to_send() == peers.echo_request(1)
    scu.receive_data(peers.echo_response(1), 2.5)
    assert (scu.busy, scu.last_echo.message_id, scu.last_echo.seconds) == (False, 1, 0.5)


# The plain PDUs


@given(st.integers(0, 255), st.integers(0, 65535))
def test_a_plain_echo_is_read_and_written_as_any_other(context_id: int, message_id: int) -> None:
    request = encode_whole_command(context_id, CEchoRQ(message_id).encode())
    assert plain.read_echo_request(request) == (context_id, message_id)
    assert plain.echo_request(context_id, message_id) == request
    response = plain.echo_success(context_id, message_id)
    assert decode(response) == PDataTF((PDV(context_id, True, True, CEchoRSP(message_id).encode()),))


@given(st.integers(0, 79), st.integers(1, 255))
def test_nothing_else_is_a_plain_echo(place: int, change: int) -> None:
    request = bytearray(peers.echo_request(7))
    request[place] ^= change
    expected = {10: (1 ^ change, 7), 68: (1, 7 ^ change), 69: (1, 7 ^ change << 8)}
    assert plain.read_echo_request(bytes(request)) == expected.get(place)


@pytest.mark.parametrize("data", [b"", peers.echo_request(7)[:-1], peers.echo_request(7) + b"\0"])
def test_what_has_another_length_is_no_plain_echo(data: bytes) -> None:
    assert plain.read_echo_request(data) is None


# What is remembered


def remembered(request: AssociateRQ, data: bytes | None = None) -> Agreements:
    known = Agreements()
    data = request.encode() if data is None else data
    known.remember(data, Agreement(request, b"", {}, 0))
    return known


def test_a_request_that_did_not_come_alone_is_not_remembered() -> None:
    known = Agreements()
    data = peers.RQ + peers.echo_request(1)[:3]
    played = play([data, peers.echo_request(1)[3:]], known, None, None)
    assert [type(event) for event in played.events] == [Accepted, EchoRequested]
    assert known.find(data) is None


def test_the_last_piece_of_a_request_is_not_taken_for_one() -> None:
    """A peer may send a request whose last piece looks like a whole one: it would be answered for somebody else."""
    inner = peers.RQ
    outer = AssociateRQ.decode(inner)
    outer.unknown_items = (UnknownItem(0x77, inner),)
    data = outer.encode()
    assert data.endswith(inner)
    known = Agreements()
    played = play([data[: -len(inner)], inner], known, None, None)
    assert [type(event) for event in played.events] == [Accepted]
    assert known.find(inner) is None


def test_secrets_are_not_remembered() -> None:
    request = AssociateRQ.decode(peers.RQ)
    request.user_information += (UserIdentityRQ(2, 0, b"user", b"secret"),)
    assert remembered(request).find(request.encode()) is None


def test_rejections_are_not_remembered() -> None:
    known = Agreements()
    played = play([peers.RQ], known, None, AssociateRJ(1, 1, 1))
    assert [type(event) for event in played.events] == [Rejected]
    assert known.find(peers.RQ) is None


def test_what_is_long_is_not_remembered() -> None:
    request = AssociateRQ.decode(peers.RQ)
    request.presentation_contexts = tuple(
        [PresentationContextRQ(number, VERIFICATION, ("1.2.840.10008.1.2",)) for number in range(1, 256, 2)]
    )
    assert len(request.encode()) > agreements.LONGEST
    assert remembered(request).find(request.encode()) is None


def test_the_oldest_goes_when_there_are_too_many() -> None:
    known = Agreements()
    requests = []
    for number in range(agreements.MOST + 1):
        request = AssociateRQ.decode(peers.RQ)
        request.calling_ae_title = f"AE{number}"
        requests.append(request.encode())
        known.remember(requests[-1], Agreement(request, b"", {}, 0))
    assert known.find(requests[0]) is None
    assert all(known.find(request) for request in requests[1:])
