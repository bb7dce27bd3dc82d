"""echoscu from end to end: what an option does on the wire."""

import json
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dcmecho.cli.echoscu import main
from dcmecho.items import ImplementationClassUID, ImplementationVersionName, MaximumLength, find
from dcmecho.pdu import A_ABORT, A_ASSOCIATE_RQ, A_RELEASE_RQ, P_DATA_TF, Abort
from dcmecho.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLICIT_VR_LITTLE_ENDIAN,
    PROPOSABLE_TRANSFER_SYNTAXES,
    VERIFICATION,
)
from programs import (
    LOOPBACK,
    FakePeer,
    Outcome,
    Script,
    acceptance,
    call,
    echo_peer,
    free_port,
    silent_peer,
)

Echoscu = Callable[..., Outcome]


@pytest.fixture
def echoscu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Echoscu:
    """Run echoscu in this process."""
    monkeypatch.delenv("DCMDICTPATH", raising=False)
    return lambda *words: call(main, capsys, *words)


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    """A peer that behaves."""
    with FakePeer(echo_peer()) as fake:
        yield fake


# A plain run


def test_a_good_run_says_nothing_and_exits_0(echoscu: Echoscu, peer: FakePeer) -> None:
    outcome = echoscu(LOOPBACK, peer.port)
    assert (outcome.code, outcome.output, outcome.errors) == (0, "", "")
    talk = peer.settled()
    assert talk.kinds == [A_ASSOCIATE_RQ, P_DATA_TF, A_RELEASE_RQ]
    request = talk.request
    assert (request.called_ae_title, request.calling_ae_title) == ("ANY-SCP", "ECHOSCU")
    assert [context.context_id for context in request.presentation_contexts] == [1]
    assert request.presentation_contexts[0].abstract_syntax == VERIFICATION
    assert request.presentation_contexts[0].transfer_syntaxes == (IMPLICIT_VR_LITTLE_ENDIAN,)
    information = request.user_information
    assert find(information, MaximumLength) == MaximumLength(16384)
    assert find(information, ImplementationClassUID) == ImplementationClassUID(IMPLEMENTATION_CLASS_UID)
    version = find(information, ImplementationVersionName)
    assert version is not None
    assert version.name.startswith("DCMECHO_")
    assert talk.message_ids == [1]


def test_a_name_is_looked_up(echoscu: Echoscu, peer: FakePeer) -> None:
    assert echoscu("localhost", peer.port).code == 0
    assert peer.settled().message_ids == [1]


def test_options_may_follow_the_parameters(echoscu: Echoscu, peer: FakePeer) -> None:
    assert echoscu(LOOPBACK, peer.port, "-aec", "PACS").code == 0
    assert peer.settled().request.called_ae_title == "PACS"


def test_words_of_a_command_file_are_part_of_the_line(echoscu: Echoscu, peer: FakePeer, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("-aec 'MY PACS'\n-aet WS1\n")
    assert echoscu(f"@{words}", LOOPBACK, peer.port).code == 0
    request = peer.settled().request
    assert (request.called_ae_title, request.calling_ae_title) == ("MY PACS", "WS1")


# What is proposed


@pytest.mark.parametrize("name", ["-aet", "--aetitle", "--calling-aet"])
def test_calling_ae_title(echoscu: Echoscu, peer: FakePeer, name: str) -> None:
    assert echoscu(name, "WS 1", LOOPBACK, peer.port).code == 0
    assert peer.settled().request.calling_ae_title == "WS 1"


@pytest.mark.parametrize("name", ["-aec", "--call", "--called-aet"])
def test_called_ae_title(echoscu: Echoscu, peer: FakePeer, name: str) -> None:
    assert echoscu(name, "SIXTEEN-LETTERS.", LOOPBACK, peer.port).code == 0
    assert peer.settled().request.called_ae_title == "SIXTEEN-LETTERS."


@pytest.mark.parametrize(
    ("words", "syntaxes"),
    [
        (["-pts", "3"], PROPOSABLE_TRANSFER_SYNTAXES[:3]),
        (["--propose-ts", "38"], PROPOSABLE_TRANSFER_SYNTAXES[:38]),
        (["-xe"], (EXPLICIT_VR_LITTLE_ENDIAN,)),
        (["--request-little"], (EXPLICIT_VR_LITTLE_ENDIAN,)),
        (["-xb"], (EXPLICIT_VR_BIG_ENDIAN,)),
        (["--request-big"], (EXPLICIT_VR_BIG_ENDIAN,)),
        (["-xi"], (IMPLICIT_VR_LITTLE_ENDIAN,)),
        (["--request-implicit"], (IMPLICIT_VR_LITTLE_ENDIAN,)),
        (["-xe", "-xb"], (EXPLICIT_VR_BIG_ENDIAN,)),
        (["-pts", "5", "-xe"], (EXPLICIT_VR_LITTLE_ENDIAN,)),
        (["-xe", "-pts", "2"], PROPOSABLE_TRANSFER_SYNTAXES[:2]),
    ],
)
def test_transfer_syntaxes(echoscu: Echoscu, peer: FakePeer, words: list[str], syntaxes: tuple[str, ...]) -> None:
    assert echoscu(*words, LOOPBACK, peer.port).code == 0
    assert peer.settled().request.presentation_contexts[0].transfer_syntaxes == syntaxes


@pytest.mark.parametrize("name", ["-ppc", "--propose-pc"])
def test_every_context_has_every_transfer_syntax(echoscu: Echoscu, peer: FakePeer, name: str) -> None:
    assert echoscu(name, 128, "-pts", 53, LOOPBACK, peer.port).code == 0
    contexts = peer.settled().request.presentation_contexts
    assert [context.context_id for context in contexts] == list(range(1, 256, 2))
    assert {context.transfer_syntaxes for context in contexts} == {PROPOSABLE_TRANSFER_SYNTAXES}
    assert {context.abstract_syntax for context in contexts} == {VERIFICATION}


def test_the_first_context_that_is_accepted_carries_the_echo(echoscu: Echoscu) -> None:
    script = echo_peer(accept=lambda request: acceptance(request, results=(4, 3, 0, 0)))
    with FakePeer(script) as peer:
        assert echoscu("-ppc", 4, LOOPBACK, peer.port).code == 0
        data = peer.settled().received[1]
    assert data[10] == 5


@pytest.mark.parametrize(
    ("words", "length"), [(["-pdu", "4096"], 4096), (["--max-pdu", "131072"], 131072), (["-pdu", "0"], 0)]
)
def test_maximum_length(echoscu: Echoscu, peer: FakePeer, words: list[str], length: int) -> None:
    assert echoscu(*words, LOOPBACK, peer.port).code == 0
    assert find(peer.settled().request.user_information, MaximumLength) == MaximumLength(length)


def test_repeat_counts_the_message_ids_up_on_one_association(echoscu: Echoscu, peer: FakePeer) -> None:
    assert echoscu("--repeat", 5, LOOPBACK, peer.port).code == 0
    talk = peer.settled()
    assert talk.message_ids == [1, 2, 3, 4, 5]
    assert talk.kinds.count(A_ASSOCIATE_RQ) == 1


def test_abort_ends_with_a_abort(echoscu: Echoscu, peer: FakePeer) -> None:
    assert echoscu("--abort", LOOPBACK, peer.port).code == 0
    talk = peer.settled()
    assert talk.kinds == [A_ASSOCIATE_RQ, P_DATA_TF, A_ABORT]
    assert Abort.decode(talk.received[-1]).source == 0


# Which addresses


@pytest.fixture
def both_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver knows an IPv6 and an IPv4 address of "both.example", in that order."""
    known = [(socket.AF_INET6, "::1"), (socket.AF_INET, LOOPBACK)]

    def look_up(host: object, port: object, family: int = 0, *rest: object, **more: object) -> list[object]:
        found = [each for each in known if family in (0, each[0])]
        return [(version, socket.SOCK_STREAM, 6, "", (address, port)) for version, address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.usefixtures("both_addresses")
@pytest.mark.parametrize(
    ("words", "attempts"),
    [
        ([], [LOOPBACK, "::1"]),
        (["-i0"], [LOOPBACK, "::1"]),
        (["-i4", "--ip-auto"], [LOOPBACK, "::1"]),
        (["-i4"], [LOOPBACK]),
        (["--ipv4"], [LOOPBACK]),
        (["-i6"], ["::1"]),
        (["--ipv6"], ["::1"]),
    ],
)
def test_which_addresses_are_tried_and_in_which_order(echoscu: Echoscu, words: list[str], attempts: list[str]) -> None:
    outcome = echoscu("--json", *words, "both.example", free_port())
    assert outcome.code == 1
    assert [attempt["address"] for attempt in json.loads(outcome.output)["attempts"]] == attempts


@pytest.mark.usefixtures("both_addresses")
def test_the_next_address_is_tried_when_one_refuses(echoscu: Echoscu) -> None:
    with FakePeer(echo_peer(), host="::1") as peer:
        outcome = echoscu("--json", "both.example", peer.port)
    result = json.loads(outcome.output)
    assert outcome.code == 0
    assert [attempt["cause"] for attempt in result["attempts"]] == ["connection-refused", None]
    assert result["peer"]["address"] == "::1"


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_may_have_brackets(echoscu: Echoscu, host: str) -> None:
    with FakePeer(echo_peer(), host="::1") as peer:
        assert echoscu(host, peer.port).code == 0
        assert peer.settled().message_ids == [1]


def test_an_address_of_the_other_version_is_no_such_host(echoscu: Echoscu) -> None:
    outcome = echoscu("-i6", LOOPBACK, free_port())
    assert outcome.code == 1
    assert outcome.errors.startswith(
        'F: Looking up the host failed: no such host: "127.0.0.1" (no IPv6 address). Hint: '
    )


# Limits of time


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full: it answers no more of them."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for each in waiting:
            each.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue refuses")
@pytest.mark.parametrize("name", ["-to", "--timeout"])
def test_connection_timeout(echoscu: Echoscu, full_port: int, name: str) -> None:
    outcome = echoscu(name, 0.2, LOOPBACK, full_port)
    assert outcome.code == 1
    assert outcome.errors.startswith("F: Connecting failed: no answer to the connection request: 127.0.0.1 port ")
    assert "within 0.2 s" in outcome.errors


@pytest.mark.parametrize("name", ["-ts", "--socket-timeout", "-tn", "--network-timeout"])
def test_socket_timeout(echoscu: Echoscu, name: str) -> None:
    with FakePeer(silent_peer) as peer:
        outcome = echoscu(name, 0.1, LOOPBACK, peer.port)
    assert outcome.code == 1
    assert outcome.errors.startswith("F: Association failed: nothing could be sent or received within 0.1 s.")


def test_no_socket_timeout(echoscu: Echoscu) -> None:
    with FakePeer(silent_peer) as peer:
        outcome = echoscu("-ts", 0.05, "-tn", 0, "-ta", 0.1, LOOPBACK, peer.port)
    assert outcome.errors.startswith(
        "F: Association failed: the peer accepted the connection and did not answer the association request"
    )


@pytest.mark.parametrize("name", ["-ta", "--acse-timeout"])
def test_acse_timeout_of_the_association(echoscu: Echoscu, name: str) -> None:
    with FakePeer(silent_peer) as peer:
        outcome = echoscu(name, 0.1, LOOPBACK, peer.port)
    assert outcome.code == 1
    assert outcome.errors.startswith(
        "F: Association failed: the peer accepted the connection and did not answer the association request "
        "within 0.1 s. "
        "Hint: a DICOM peer may be busy or hanging; a peer that expects TLS"
    )


def test_acse_timeout_of_the_release(echoscu: Echoscu) -> None:
    with FakePeer(echo_peer(release=False)) as peer:
        outcome = echoscu("-ta", 0.1, LOOPBACK, peer.port)
        assert peer.settled().kinds[-2:] == [A_RELEASE_RQ, A_ABORT]
    assert outcome.code == 70
    assert outcome.lines == ["F: Release failed: no answer to the release request within 0.1 s"]


@pytest.mark.parametrize("name", ["-td", "--dimse-timeout"])
def test_dimse_timeout(echoscu: Echoscu, name: str) -> None:
    with FakePeer(echo_peer(answer=lambda number: b"")) as peer:
        outcome = echoscu(name, 0.1, LOOPBACK, peer.port)
        assert peer.settled().kinds == [A_ASSOCIATE_RQ, P_DATA_TF, A_ABORT]
    assert outcome.code == 70
    assert outcome.lines == [
        "F: Echo failed: no answer to an echo request within 0.1 s. Hint: raise -td if the peer is only slow"
    ]


@pytest.mark.parametrize(
    ("script", "step", "code"),
    [(silent_peer, "Association", 1), (echo_peer(answer=lambda number: b""), "Echo", 70)],
    ids=["associating", "echoing"],
)
def test_deadline(echoscu: Echoscu, script: Script, step: str, code: int) -> None:
    with FakePeer(script) as peer:
        outcome = echoscu("--deadline", 0.1, LOOPBACK, peer.port)
    assert outcome.code == code
    assert outcome.lines == [f"F: {step} failed: the whole run did not end within 0.1 s"]
