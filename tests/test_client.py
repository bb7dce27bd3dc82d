"""Both clients over real sockets: the same scripted peer gives the same result.

Then what only the blocking client has.
"""

import asyncio
import errno
import gc
import itertools
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dcmecho
import peers
from dcmecho import aio, causes, client
from dcmecho.causes import Cause
from dcmecho.client import ClientAssociation
from dcmecho.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectError,
    ConnectionLost,
    EchoFailed,
    LocalProtocolError,
    PeerProtocolError,
    ResolveError,
    UsageError,
    VerificationError,
    VerificationTimeout,
)
from dcmecho.pdu import PDV, PDataTF
from dcmecho.result import VerificationResult
from dcmecho.settings import VerificationSettings
from dcmecho.uids import PROPOSABLE_TRANSFER_SYNTAXES
from peers import ScriptedPeer, close, expect, reset, send, send_bytewise, silence

Verify = Callable[..., VerificationResult]


def blocking(host: str, port: int, **options: Any) -> VerificationResult:
    return dcmecho.verify(host, port, **options)


def asynchronous(host: str, port: int, **options: Any) -> VerificationResult:
    return asyncio.run(aio.verify(host, port, **options))


BOTH = [blocking, asynchronous]


@pytest.fixture(params=BOTH, ids=["blocking", "asyncio"])
def verify(request: pytest.FixtureRequest) -> Verify:
    found: Verify = request.param
    return found


ASSOCIATE = (expect(peers.ASSOCIATE_RQ), send(peers.AC))
ECHO = (expect(peers.P_DATA), send(peers.echo_response(1)))
RELEASE = (expect(peers.RELEASE_RQ), send(peers.RELEASE_RESPONSE), silence)


class TestTheUsualWay:
    def test_verify(self, verify: Verify) -> None:
        with ScriptedPeer(*ASSOCIATE, *ECHO, *RELEASE) as peer:
            result = verify("127.0.0.1", peer.port)
        assert result.ok
        assert result.address == "127.0.0.1"
        assert list(result.steps) == ["resolve", "connect", "associate", "echo", "release"]
        assert all(seconds >= 0 for seconds in result.steps.values())
        assert result.seconds >= sum(result.steps.values()) * 0.99
        assert [attempt.cause for attempt in result.attempts] == [None]
        assert result.negotiated is not None
        assert result.negotiated.peer_implementation_version_name == "SCRIPT"

    def test_repeat_and_abort(self, verify: Verify) -> None:
        with dcmecho.serve(bind_address="127.0.0.1") as server:
            result = verify("127.0.0.1", server.port, repeat=50, abort=True)
        assert result.statistics.answered == 50
        assert [echo.message_id for echo in result.echoes] == list(range(1, 51))
        assert "release" not in result.steps
        assert result.ok

    def test_abort_is_seen_by_the_peer(self, verify: Verify) -> None:
        with ScriptedPeer(*ASSOCIATE, *ECHO, expect(peers.ABORT), silence) as peer:
            verify("127.0.0.1", peer.port, abort=True)

    @pytest.mark.parametrize("host", ["::1", "[::1]"])
    def test_ipv6(self, verify: Verify, host: str) -> None:
        with ScriptedPeer(*ASSOCIATE, *ECHO, *RELEASE, address="::1") as peer:
            result = verify(host, peer.port)
        assert (result.host, result.address) == (host, "::1")

    def test_a_slow_peer_that_writes_byte_by_byte(self, verify: Verify) -> None:
        script = (
            expect(peers.ASSOCIATE_RQ),
            send_bytewise(peers.AC),
            expect(peers.P_DATA),
            send_bytewise(peers.echo_response(1)),
            expect(peers.RELEASE_RQ),
            send_bytewise(peers.RELEASE_RESPONSE),
            silence,
        )
        with ScriptedPeer(*script) as peer:
            assert verify("127.0.0.1", peer.port, deadline=10.0).ok

    def test_a_peer_that_sends_header_and_body_apart(self, verify: Verify) -> None:
        answer = peers.echo_response(1)
        script = (*ASSOCIATE, expect(peers.P_DATA), send(answer[:6]), send(answer[6:]), *RELEASE)
        with ScriptedPeer(*script) as peer:
            assert verify("127.0.0.1", peer.port).ok

    def test_nothing_stays_open(self, verify: Verify) -> None:
        before = peers.open_descriptors()
        with ScriptedPeer(*ASSOCIATE, *ECHO, *RELEASE) as peer:
            verify("127.0.0.1", peer.port, deadline=30.0)
        assert peers.eventually(lambda: peers.open_descriptors() <= before)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("dcmecho")]


Script = tuple[peers.Step, ...]
ENDINGS: list[tuple[str, Script, dict[str, Any], type[VerificationError], Cause, str]] = [
    ("closed", (expect(1), close), {}, ConnectionLost, causes.CONNECTION_CLOSED, "associate"),
    ("reset", (expect(1), reset), {}, ConnectionLost, causes.CONNECTION_RESET, "associate"),
    ("silent", (silence,), {"acse_timeout": 0.05}, VerificationTimeout, causes.ASSOCIATE_TIMEOUT, "associate"),
    ("stuck", (silence,), {"socket_timeout": 0.05}, VerificationTimeout, causes.NO_PROGRESS, "associate"),
    ("late", (silence,), {"deadline": 0.2}, VerificationTimeout, causes.DEADLINE_EXCEEDED, "associate"),
    ("half-accept", (expect(1), send(peers.AC[:50]), close), {}, ConnectionLost, causes.CONNECTION_CLOSED, "associate"),
    (
        "rejected",
        (expect(1), send(peers.rejection(1, 1, 7)), close),
        {},
        AssociationRejected,
        causes.CALLED_AE_TITLE_REFUSED,
        "associate",
    ),
    (
        "aborted",
        (expect(1), send(peers.abortion(2, 1)), close),
        {},
        AssociationAborted,
        causes.ABORTED,
        "associate",
    ),
    (
        "tls",
        (expect(1), send(b"\x15\x03\x03\0\2\2\n"), close),
        {},
        PeerProtocolError,
        causes.PEER_SPEAKS_TLS,
        "associate",
    ),
    (
        "http",
        (expect(1), send(b"HTTP/1.1 400 \r\n"), close),
        {},
        PeerProtocolError,
        causes.PEER_SPEAKS_HTTP,
        "associate",
    ),
    ("ssh", (send(b"SSH-2.0-x\r\n"), silence), {}, PeerProtocolError, causes.PEER_SPEAKS_SSH, "associate"),
    ("mail", (send(b"220 \x1b[2J\r\n"), silence), {}, PeerProtocolError, causes.NOT_DICOM, "associate"),
    ("echo-closed", (*ASSOCIATE, expect(4), close), {}, ConnectionLost, causes.CONNECTION_CLOSED, "echo"),
    ("echo-reset", (*ASSOCIATE, expect(4), reset), {}, ConnectionLost, causes.CONNECTION_RESET, "echo"),
    ("echo-silent", (*ASSOCIATE, silence), {"dimse_timeout": 0.05}, VerificationTimeout, causes.ECHO_TIMEOUT, "echo"),
    ("echo-stuck", (*ASSOCIATE, silence), {"socket_timeout": 0.05}, VerificationTimeout, causes.NO_PROGRESS, "echo"),
    (
        "echo-aborted",
        (*ASSOCIATE, expect(4), send(peers.abortion(0)), close),
        {},
        AssociationAborted,
        causes.ABORTED,
        "echo",
    ),
    (
        "echo-released",
        (*ASSOCIATE, expect(4), send(peers.RELEASE_REQUEST), expect(peers.RELEASE_RP), silence),
        {},
        ConnectionLost,
        causes.RELEASED_BY_PEER,
        "echo",
    ),
    (
        "echo-garbage",
        (*ASSOCIATE, expect(4), send(b"\x99\x99\x99"), expect(peers.ABORT), silence),
        {},
        PeerProtocolError,
        causes.PROTOCOL_VIOLATION,
        "echo",
    ),
    (
        "echo-wrong-id",
        (*ASSOCIATE, expect(4), send(peers.echo_response(2)), expect(peers.ABORT), silence),
        {},
        PeerProtocolError,
        causes.PROTOCOL_VIOLATION,
        "echo",
    ),
    (
        "echo-status",
        (*ASSOCIATE, expect(4), send(peers.echo_response(1, 0x0122, "busy")), *RELEASE),
        {},
        EchoFailed,
        causes.ECHO_STATUS,
        "echo",
    ),
    ("release-closed", (*ASSOCIATE, *ECHO, expect(5), close), {}, ConnectionLost, causes.CONNECTION_CLOSED, "release"),
    ("release-reset", (*ASSOCIATE, *ECHO, expect(5), reset), {}, ConnectionLost, causes.CONNECTION_RESET, "release"),
    (
        "release-silent",
        (*ASSOCIATE, *ECHO, expect(5), expect(peers.ABORT), silence),
        {"acse_timeout": 0.2},
        VerificationTimeout,
        causes.RELEASE_TIMEOUT,
        "release",
    ),
    (
        "release-aborted",
        (*ASSOCIATE, *ECHO, expect(5), send(peers.abortion(2, 0)), close),
        {},
        AssociationAborted,
        causes.ABORTED,
        "release",
    ),
]


@pytest.mark.parametrize(
    ("script", "options", "kind", "cause", "step"), [each[1:] for each in ENDINGS], ids=[each[0] for each in ENDINGS]
)
class TestEveryEnding:
    def test_it_raises(
        self,
        verify: Verify,
        script: Script,
        options: dict[str, Any],
        kind: type[VerificationError],
        cause: Cause,
        step: str,
    ) -> None:
        with ScriptedPeer(*script) as peer, pytest.raises(kind) as caught:
            verify("127.0.0.1", peer.port, **options)
        error = caught.value
        assert (error.cause, error.step) == (cause, step)
        assert error.result is not None
        assert error.result.failure is error
        assert str(error).isprintable()

    def test_or_tells_it_in_the_result_and_both_clients_tell_the_same(
        self, script: Script, options: dict[str, Any], kind: type[VerificationError], cause: Cause, step: str
    ) -> None:
        told = []
        for way in BOTH:
            with ScriptedPeer(*script) as peer:
                result = way("127.0.0.1", peer.port, check=False, **options)
            assert isinstance(result.failure, kind)
            told.append(without_times(result, peer.port))
        assert told[0] == told[1]


def without_times(result: VerificationResult, port: int) -> Any:
    """A result as JSON, without what differs from run to run."""
    text = re.sub(rf"\b{port}\b", "104", json.dumps(result.to_dict()))
    return json.loads(re.sub(r'("(?:seconds|min|max|median|average|p99)": )[0-9.e-]+', r"\1 0", text))


class TestAddresses:
    def set_addresses(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        """Make a name have these addresses; whoever asks for a numeric one gets it as ever."""
        real = socket.getaddrinfo

        def answer(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
            if host not in (b"pacs.example", "pacs.example"):
                return real(host, port, *arguments, **options)
            found = []
            for address in addresses:
                found += real(address, port, type=socket.SOCK_STREAM)
            return found

        monkeypatch.setattr(socket, "getaddrinfo", answer)

    def test_all_are_tried_and_told(self, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set_addresses(monkeypatch, "::1", "127.0.0.2", "127.0.0.1")
        with ScriptedPeer(*ASSOCIATE, *ECHO, *RELEASE) as peer:
            result = verify("pacs.example", peer.port)
        assert [(attempt.address, attempt.cause) for attempt in result.attempts] == [
            ("127.0.0.2", causes.CONNECTION_REFUSED),
            ("127.0.0.1", None),
        ]
        assert result.address == "127.0.0.1"

    def test_ipv6_comes_after_ipv4(self, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set_addresses(monkeypatch, "::1", "127.0.0.2")
        with ScriptedPeer(*ASSOCIATE, *ECHO, *RELEASE, address="::1") as peer:
            result = verify("pacs.example", peer.port)
        assert [attempt.address for attempt in result.attempts] == ["127.0.0.2", "::1"]

    def test_none_answers(self, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set_addresses(monkeypatch, "127.0.0.2", "127.0.0.3")
        with pytest.raises(ConnectError) as caught:
            verify("pacs.example", peers.refused_port())
        assert caught.value.cause is causes.CONNECTION_REFUSED
        assert [attempt.address for attempt in caught.value.attempts] == ["127.0.0.2", "127.0.0.3"]
        assert caught.value.result is not None
        assert list(caught.value.result.steps) == ["resolve", "connect"]

    def test_both_clients_tell_a_refusal_alike(self) -> None:
        port = peers.refused_port()
        told = [without_times(way("127.0.0.1", port, check=False), port) for way in BOTH]
        assert told[0] == told[1]

    @pytest.mark.parametrize("deadline", [None, 30.0])
    def test_no_such_name(self, verify: Verify, monkeypatch: pytest.MonkeyPatch, deadline: float | None) -> None:
        def answer(*_: Any, **__: Any) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        with pytest.raises(ResolveError) as caught:
            verify("no.such.example", 104, deadline=deadline)
        assert caught.value.cause is causes.HOST_NOT_FOUND
        assert "no.such.example" in str(caught.value)

    def test_a_resolver_that_hangs_costs_no_more_than_the_deadline(
        self, verify: Verify, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        let_go, has_ended = threading.Event(), threading.Event()
        real = socket.getaddrinfo

        def answer(host: Any, *arguments: Any, **options: Any) -> Any:
            if options.get("flags") == socket.AI_NUMERICHOST:
                return real(host, *arguments, **options)
            let_go.wait(3.0)
            has_ended.set()
            return real("127.0.0.1", 104, type=socket.SOCK_STREAM)

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        try:
            result = verify("pacs.example", 104, deadline=0.05, check=False)
            came_back_before_the_resolver = not has_ended.is_set()
        finally:
            let_go.set()
            has_ended.wait(5.0)
            assert peers.eventually(lambda: threading.active_count() == 1)
        assert result.failure is not None
        assert (result.failure.cause, result.failure.step) == (causes.DEADLINE_EXCEEDED, "resolve")
        assert came_back_before_the_resolver

    @pytest.mark.parametrize("options", [{"connect_timeout": 0.05}, {"deadline": 0.1}], ids=str)
    def test_an_address_that_does_not_answer(self, verify: Verify, options: dict[str, float]) -> None:
        """A listener whose queue is full: the system drops further requests."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            port = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)), pytest.raises(VerificationError) as caught:
                verify("127.0.0.1", port, **options)
        is_deadline = "deadline" in options
        assert caught.value.cause is (causes.DEADLINE_EXCEEDED if is_deadline else causes.CONNECT_TIMEOUT)
        assert caught.value.step == "connect"
        assert caught.value.result is not None
        assert [each.cause for each in caught.value.result.attempts] == [causes.CONNECT_TIMEOUT]


class TestArguments:
    @pytest.mark.parametrize("port", [-1, 0, 65536, 70000])
    def test_a_port_that_cannot_be(self, verify: Verify, port: int) -> None:
        """Resolvers cut a port down to 16 bits, so that another one would be verified silently."""
        with pytest.raises(UsageError):
            verify("127.0.0.1", port)

    @pytest.mark.parametrize("host", ["", "a\0b", "a" * 2000])
    def test_a_host_that_cannot_be(self, verify: Verify, host: str) -> None:
        with pytest.raises(UsageError):
            verify(host, 104)

    @pytest.mark.parametrize("deadline", [None, 5.0])
    def test_a_host_that_cannot_be_encoded(self, verify: Verify, deadline: float | None) -> None:
        assert isinstance(verify("\u00fc" * 70, 104, deadline=deadline, check=False).failure, ResolveError)

    @pytest.mark.parametrize("repeat", [0, -1])
    def test_a_verification_without_an_echo_is_none(self, verify: Verify, repeat: int) -> None:
        with dcmecho.serve(bind_address="127.0.0.1") as server, pytest.raises(UsageError):
            verify("127.0.0.1", server.port, repeat=repeat)

    def test_a_setting_that_cannot_be(self, verify: Verify) -> None:
        with pytest.raises(UsageError):
            verify("127.0.0.1", 104, called_ae_title="")


FRAGMENT = PDataTF((PDV(1, True, False, b""),)).encode()


class Endless:
    """Stands in for a socket on which something is there to be read at every moment, `limit` times.

    It takes `takes` bytes of what is written at a time.
    """

    def __init__(self, data: bytes, limit: int, takes: int = 1_000_000) -> None:
        self.data = data
        self.limit = limit
        self.takes = takes
        self.reads = 0

    def recv(self, size: int) -> bytes:
        self.reads += 1
        return self.data if self.reads < self.limit else b""

    def send(self, data: bytes) -> int:
        return min(len(data), self.takes)

    def settimeout(self, seconds: float | None) -> None:
        pass

    def setsockopt(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


class TestLimitsHoldWhateverThePeerSends:
    """A peer that never pauses must not keep a client beyond its limits: nothing is ever late to arrive."""

    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The clock moves on by a millisecond with each look at it, so that half a second passes in no time."""
        ticks = itertools.count()
        monkeypatch.setattr(client, "clock", lambda: next(ticks) / 1000)

    @pytest.mark.parametrize(
        ("options", "cause"),
        [({"dimse_timeout": 0.5}, causes.ECHO_TIMEOUT), ({"deadline": 0.5}, causes.DEADLINE_EXCEEDED)],
        ids=str,
    )
    def test_a_message_that_never_ends(self, options: dict[str, float], cause: Cause) -> None:
        with ScriptedPeer(*ASSOCIATE, silence) as peer:
            association = associated(peer.port, **options)
            association.open()
            assert association._socket is not None
            with association._socket:
                association._socket = Endless(FRAGMENT, 5000)  # type: ignore[assignment] # stands in for a socket
                with pytest.raises(VerificationError) as caught:
                    association.echo()
        assert caught.value.cause is cause

    def test_a_write_that_never_ends(self) -> None:
        """A limit that is reached in the middle of a write is not put off by yet another read."""
        with ScriptedPeer(*ASSOCIATE, silence) as peer:
            association = associated(peer.port, dimse_timeout=0.02)
            association.open()
            assert association._socket is not None
            with association._socket:
                endless = Endless(FRAGMENT, 5000, takes=1)
                association._socket = endless  # type: ignore[assignment] # stands in for a socket
                with pytest.raises(VerificationTimeout) as caught:
                    association.echo()
        assert caught.value.cause is causes.ECHO_TIMEOUT
        assert endless.reads == 0

    def test_echoes_without_end(self) -> None:
        with dcmecho.serve(bind_address="127.0.0.1") as server:
            result = blocking("127.0.0.1", server.port, repeat=5000, deadline=0.5, check=False)
        assert result.failure is not None
        assert result.failure.cause is causes.DEADLINE_EXCEEDED
        assert result.statistics.answered < 5000


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"socket_timeout": 0.1}, causes.NO_PROGRESS),
        ({"acse_timeout": 0.1}, causes.ASSOCIATE_TIMEOUT),
        ({"deadline": 0.2}, causes.DEADLINE_EXCEEDED),
    ],
    ids=str,
)
def test_a_peer_that_does_not_read(
    verify: Verify, monkeypatch: pytest.MonkeyPatch, options: dict[str, float], cause: Cause
) -> None:
    request = {"presentation_contexts": 128, "transfer_syntaxes": PROPOSABLE_TRANSFER_SYNTAXES}
    monkeypatch.setattr(socket, "socket", peers.SmallSocket)
    with peers.SmallSocket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        result = verify("127.0.0.1", listener.getsockname()[1], check=False, **request, **options)
    assert result.failure is not None
    assert (result.failure.cause, result.failure.step) == (cause, "associate")
    gc.collect()


class TestLastWords:
    def test_a_peer_that_closes_without_reading(self, verify: Verify) -> None:
        """Whether the system calls it a close or a reset is a matter of chance."""
        with ScriptedPeer(close) as peer, pytest.raises(ConnectionLost) as caught:
            verify("127.0.0.1", peer.port)
        assert caught.value.step == "associate"

    def test_what_the_peer_said_before_it_closed_is_heard_though_writing_fails(self, verify: Verify) -> None:
        """It rejects without reading the request: the reset that follows must not hide the answer."""
        script = (send(peers.rejection(2, 3, 1)), close)
        with ScriptedPeer(*script) as peer, pytest.raises(AssociationRejected) as caught:
            verify("127.0.0.1", peer.port, presentation_contexts=128)
        assert caught.value.cause is causes.PEER_BUSY

    @pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), ConnectionResetError(104, "reset")])
    @pytest.mark.parametrize(
        ("words", "kind"), [(peers.abortion(2, 0), AssociationAborted), (b"", ConnectionLost)], ids=["abort", "nothing"]
    )
    def test_they_go_before_the_systems_error(
        self, error: OSError, words: bytes, kind: type[VerificationError]
    ) -> None:
        class Broken(Endless):
            def send(self, data: bytes) -> int:
                raise error

        with ScriptedPeer(*ASSOCIATE, silence) as peer:
            association = associated(peer.port)
            association.open()
            assert association._socket is not None
            with association._socket:
                association._socket = Broken(words, 2)  # type: ignore[assignment] # stands in for a socket
                with pytest.raises(kind) as caught:
                    association.echo()
        if not words:
            assert caught.value.cause is causes.CONNECTION_RESET

    def test_between_two_echoes(self) -> None:
        was_answered = threading.Event()
        with ScriptedPeer(*ASSOCIATE, *ECHO, peers.wait(was_answered), send(peers.abortion(2, 0)), close) as peer:
            association = associated(peer.port)
            association.open()
            association.echo()
            was_answered.set()
            peer.join()
            with pytest.raises(AssociationAborted):
                association.echo()
            association.close()


def associated(port: int, **options: Any) -> ClientAssociation:
    return dcmecho.associate("127.0.0.1", port, **options)


class TestSteps:
    def test_leaving_the_context_releases(self) -> None:
        with ScriptedPeer(*ASSOCIATE, *ECHO, *RELEASE) as peer:
            with associated(peer.port) as association:
                assert association.next_message_id == 1
                assert association.echo().is_success
                assert association.step == "echo"
            assert association.result.ok

    def test_an_exception_aborts(self) -> None:
        with ScriptedPeer(*ASSOCIATE, expect(peers.ABORT), silence) as peer:
            with pytest.raises(ZeroDivisionError), associated(peer.port):
                raise ZeroDivisionError
            assert peers.eventually(lambda: peer.heard.endswith(peers.abortion(0)))

    def test_a_bad_status_raises_and_the_association_goes_on_if_caught(self) -> None:
        script = (*ASSOCIATE, expect(4), send(peers.echo_response(1, 0x0211)), expect(4), send(peers.echo_response(2)))
        with ScriptedPeer(*script, *RELEASE) as peer, associated(peer.port) as association:
            with pytest.raises(EchoFailed) as caught:
                association.echo()
            assert caught.value.status == 0x0211
            assert caught.value.result is association.result
            assert association.echo().is_success

    def test_a_failed_entry_leaves_nothing_open(self) -> None:
        before = peers.open_descriptors()
        with ScriptedPeer(expect(1), close) as peer, pytest.raises(ConnectionLost), associated(peer.port):
            pytest.fail("there is no association")
        assert peers.eventually(lambda: peers.open_descriptors() <= before)

    def test_the_failure_is_raised_again(self) -> None:
        with ScriptedPeer(*ASSOCIATE, expect(4), send(peers.abortion(0)), close) as peer:
            association = associated(peer.port)
            association.open()
            for _ in range(2):
                with pytest.raises(AssociationAborted):
                    association.echo()
            association.release()
            association.close()

    def test_close_is_idempotent(self) -> None:
        with ScriptedPeer(*ASSOCIATE, *ECHO, *RELEASE) as peer:
            association = associated(peer.port)
            association.close()
            association.open()
            association.echo()
            association.release()
            association.close()
            seconds = association.result.seconds
            association.close()
            assert association.result.seconds == seconds

    def test_before_it_is_open(self) -> None:
        association = associated(104)
        assert association.step == "resolve"
        with pytest.raises(RuntimeError):
            association.echo()
        association.release()
        association.abort()

    def test_after_the_end_an_echo_is_refused(self) -> None:
        with ScriptedPeer(*ASSOCIATE, *RELEASE) as peer:
            association = associated(peer.port)
            association.open()
            association.release()
            with pytest.raises((LocalProtocolError, RuntimeError)):
                association.echo()
            association.close()
            with pytest.raises((LocalProtocolError, RuntimeError)):
                association.echo()

    def test_end_quickly(self) -> None:
        with ScriptedPeer(*ASSOCIATE, *RELEASE) as peer:
            association = associated(peer.port)
            association.open()
            association.end_quickly()
            association.close()
        with ScriptedPeer(*ASSOCIATE, expect(peers.RELEASE_RQ), silence) as peer:
            association = associated(peer.port, acse_timeout=0.05)
            association.open()
            with pytest.raises(VerificationTimeout):
                association.end_quickly()
            association.close()


class _Socket(socket.socket):
    """Takes at most seven bytes at a time, as a full buffer would."""

    def send(self, data: Any, flags: int = 0) -> int:
        return super().send(data[:7], flags)


class TestTheBlockingLoop:
    def test_partial_writes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with ScriptedPeer(*ASSOCIATE, *ECHO, *RELEASE) as peer:
            monkeypatch.setattr(socket, "socket", _Socket)
            result = blocking("127.0.0.1", peer.port)
            monkeypatch.undo()
        assert result.ok

    def test_a_connection_that_the_system_gives_up_is_no_timeout_of_ours(self) -> None:
        """ETIMEDOUT is a TimeoutError too: nobody has acknowledged what we sent, or answered the keep-alive probes."""

        class GivenUp(Endless):
            def recv(self, size: int) -> bytes:
                self.reads += 1
                if self.reads == 1:
                    raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")
                return b""

        with ScriptedPeer(*ASSOCIATE, silence) as peer:
            association = associated(peer.port)
            association.open()
            assert association._socket is not None
            with association._socket:
                association._socket = GivenUp(b"", 1)  # type: ignore[assignment] # stands in for a socket
                with pytest.raises(ConnectionLost) as caught:
                    association.echo()
        assert caught.value.cause is causes.CONNECTION_LOST

    def test_closing_does_not_wait_for_a_peer_that_never_stops(self) -> None:
        endless = Endless(b"x" * 16384, 100_000)
        association = ClientAssociation("127.0.0.1", 104, VerificationSettings())
        association._socket = endless  # type: ignore[assignment] # stands in for a socket
        association.close()
        assert endless.reads < 10_000

    @pytest.fixture
    def quick_acks(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
        options: list[int] = []

        class Recorder(socket.socket):
            def setsockopt(self, level: int, option: int, value: Any) -> None:  # type: ignore[override] # one of its forms
                options.append(option)
                super().setsockopt(level, option, value)

        monkeypatch.setattr(socket, "socket", Recorder)
        yield options
        monkeypatch.undo()

    @pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux has TCP_QUICKACK")
    def test_what_ends_inside_a_pdu_is_acknowledged_at_once(self, quick_acks: list[int]) -> None:
        arrived = threading.Event()
        answer = peers.echo_response(1)
        steps = (
            *ASSOCIATE,
            expect(4),
            send(answer[:6]),
            lambda wire: arrived.wait(5.0),
            send(answer[6:]),
            *RELEASE,
        )
        with ScriptedPeer(*steps) as peer:
            worker = threading.Thread(target=blocking, args=("127.0.0.1", peer.port))
            worker.start()
            came = peers.eventually(lambda: socket.TCP_QUICKACK in quick_acks)
            arrived.set()
            worker.join(10.0)
        assert came
        assert socket.TCP_NODELAY in quick_acks
