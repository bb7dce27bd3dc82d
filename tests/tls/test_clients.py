"""Both clients and the server with TLS over real sockets: the same peer gives the same result, whoever asks."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Self

import pytest

import dcmecho
from dcmecho import aio, causes
from dcmecho.cli.grammar import parse
from dcmecho.cli.table_scu import ECHOSCU
from dcmecho.cli.tls_setup import configuration
from dcmecho.errors import LocalError, TLSError, UsageError
from dcmecho.handler import Handler, Peer
from dcmecho.pdu import A_ASSOCIATE_RQ
from dcmecho.result import VerificationResult
from dcmecho.tls import TLSConfiguration
from peers import eventually, open_descriptors
from programs import LOOPBACK, PATIENCE, Conversation, FakePeer, association_request, echo_peer

from .factory import Factory, Identity
from .failing import FAILING, Failing
from .loopback import HelloPeer, TLSPeer, connect_tls, open_context, serving
from .pair import client_configuration, server_configuration

Verify = Callable[..., VerificationResult]


def blocking(port: int, **options: Any) -> VerificationResult:
    return dcmecho.verify(LOOPBACK, port, **options)


def in_asyncio(port: int, **options: Any) -> VerificationResult:
    return asyncio.run(aio.verify(LOOPBACK, port, **options))


def in_uvloop(port: int, **options: Any) -> VerificationResult:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(aio.verify(LOOPBACK, port, **options))


@pytest.fixture(params=[blocking, in_asyncio, in_uvloop])
def verify(request: pytest.FixtureRequest) -> Verify:
    found: Verify = request.param
    return found


LIMITS = {"-to": "connect_timeout", "-ts": "socket_timeout", "-ta": "acse_timeout", "--deadline": "deadline"}


def limits(flags: list[str]) -> dict[str, float]:
    """Return limits of time as Python's arguments."""
    return {LIMITS[name]: float(value) for name, value in zip(flags[::2], flags[1::2], strict=True)}


# Failures


@pytest.mark.parametrize("failing", FAILING, ids=repr)
def test_the_same_failure_whoever_asks(pki: Factory, verify: Verify, failing: Failing) -> None:
    tls = configuration(parse(ECHOSCU, [*failing.options(pki), LOOPBACK, "1"]))
    with failing.peer(pki) as peer:
        result = verify(peer.port, tls=tls, check=False, **limits(failing.flags))
    failure = result.failure
    assert failure is not None
    assert (failure.cause.name, failure.step, failure.side) == (failing.cause.name, failing.step, failing.cause.side)
    for word in failing.words:
        assert word in str(failure)
    assert failure.step in failure.cause.steps, "a cause names every step at which it can happen"
    assert not result.ok
    assert ("tls" in result.steps) is True
    assert ("associate" in result.steps) is (failing.step != causes.TLS)
    assert (result.tls is not None) is (failing.step != causes.TLS)


@pytest.mark.parametrize("label", ["ours-missing-1.3", "ours-refused-1.3"])
def test_a_late_refusal_is_never_lost(pki: Factory, verify: Verify, label: str) -> None:
    """With TLS 1.3 the alert races with our first PDU: a reset in answer to that must not hide the alert before it."""
    failing = next(each for each in FAILING if each.label == label)
    tls = configuration(parse(ECHOSCU, [*failing.options(pki), LOOPBACK, "1"]))
    with failing.peer(pki) as peer:
        results = [verify(peer.port, tls=tls, check=False) for _ in range(40)]
    assert {result.failure.cause.name for result in results if result.failure} == {failing.cause.name}


def test_a_plain_client_and_a_tls_server(pki: Factory, verify: Verify) -> None:
    with serving(pki) as server:
        result = verify(server.port, check=False)
    failure = result.failure
    assert failure is not None
    assert failure.cause in (causes.PEER_SPEAKS_TLS, causes.CONNECTION_CLOSED, causes.CONNECTION_RESET)
    assert failure.step == causes.ASSOCIATE
    assert "TLS" in f"{failure}{failure.hint}"


UNUSABLE = pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"key_file": "/nonexistent/key"}, causes.INPUT_FILE_UNREADABLE),
        ({"ca_files": [("/nonexistent/ca", "pem")]}, causes.INPUT_FILE_UNREADABLE),
        ({"profile": "basic"}, causes.TLS_PROFILE_UNAVAILABLE),
    ],
)


@UNUSABLE
def test_what_cannot_be_set_up_fails_before_any_connection(
    pki: Factory, verify: Verify, changes: dict[str, object], cause: causes.Cause
) -> None:
    with FakePeer(echo_peer()) as peer:
        result = verify(peer.port, tls=client_configuration(pki, **changes), check=False)
    assert peer.conversations == []
    assert isinstance(result.failure, LocalError)
    assert (result.failure.cause, result.failure.step) == (cause, causes.SETUP)


@UNUSABLE
def test_a_server_that_cannot_be_set_up_does_not_listen(
    pki: Factory, changes: dict[str, object], cause: causes.Cause
) -> None:
    server = serving(pki, **changes)
    with pytest.raises(LocalError) as caught:
        server.start()
    assert (caught.value.cause, caught.value.step) == (cause, causes.SETUP)


def test_a_server_without_a_key_is_no_server() -> None:
    with pytest.raises(UsageError, match="private key"), dcmecho.serve(bind_address=LOOPBACK, tls=TLSConfiguration()):
        pass


# Success


def test_what_a_run_tells(pki: Factory, verify: Verify) -> None:
    with serving(pki) as server:
        result = verify(server.port, tls=client_configuration(pki), repeat=3)
    assert result.ok
    assert list(result.steps) == ["resolve", "connect", "tls", "associate", "echo", "release"]
    tls = result.tls
    assert tls is not None
    certificate = tls.pop("certificate")
    assert tls.pop("chain_days_left") in (364, 365)
    assert tls.pop("chain_not_after") == certificate["not_after"]
    assert tls == {"protocol": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "alpn": "dicom", "warnings": []}
    assert certificate["subject"] == "O=Test, CN=server"
    assert certificate["issuer"] == "O=Test, CN=root"
    assert certificate["subject_alternative_names"] == ["DNS:localhost", "IP:127.0.0.1"]
    assert certificate["key"] == "RSA 2048 bit"
    assert int(certificate["serial"].replace(":", ""), 16) == pki.server.certificate.serial_number


@pytest.mark.parametrize("profile", ["8996", "8996-mod", "bcp195-nd", "bcp195", "bcp195-ex", "aes", "null"])
def test_every_profile(pki: Factory, verify: Verify, profile: str) -> None:
    with serving(pki, profile=profile) as server:
        result = verify(server.port, tls=client_configuration(pki, profile=profile), repeat=2)
    assert result.ok
    assert result.tls is not None
    assert result.tls["protocol"] == ("TLSv1.2" if profile in ("bcp195-ex", "aes", "null") else "TLSv1.3")


class Watcher(Handler):
    """Keeps what the server was told of its peers."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.dropped_with: list[tuple[str, str]] = []

    def accepted(self, peer: Peer) -> None:
        self.peers.append(peer)

    def dropped(self, peer: Peer, outcome: str, detail: str) -> None:
        self.dropped_with.append((outcome, detail))


def test_a_server_tells_its_handler_who_the_client_is(pki: Factory, verify: Verify) -> None:
    watcher = Watcher()
    tls = server_configuration(pki)
    with dcmecho.serve(bind_address=LOOPBACK, tls=tls, handler=watcher) as server:
        verify(server.port, tls=client_configuration(pki))
    (peer,) = watcher.peers
    assert peer.tls is not None
    assert peer.tls["certificate"]["subject"] == "O=Test, CN=client"


def test_the_asyncio_server(pki: Factory) -> None:
    async def run() -> VerificationResult:
        async with aio.serve(bind_address=LOOPBACK, tls=server_configuration(pki)) as server:
            return await aio.verify(LOOPBACK, server.port, tls=client_configuration(pki))

    assert asyncio.run(run()).ok


def test_many_at_once(pki: Factory) -> None:
    async def run() -> list[VerificationResult]:
        async with aio.serve(bind_address=LOOPBACK, tls=server_configuration(pki)) as server:
            tls = client_configuration(pki)
            return await asyncio.gather(
                *[aio.verify(LOOPBACK, server.port, tls=tls, repeat=3, check=False) for _ in range(30)]
            )

    results = asyncio.run(run())
    assert [result.failure for result in results] == [None] * 30


def test_a_task_that_is_cancelled_in_the_handshake_leaves_nothing_open(pki: Factory) -> None:
    async def run(peer: HelloPeer) -> None:
        task = asyncio.ensure_future(aio.verify(LOOPBACK, peer.port, tls=client_configuration(pki)))
        assert await asyncio.to_thread(eventually, lambda: peer.hellos)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with HelloPeer() as peer:
        before = open_descriptors()
        asyncio.run(run(peer))
        assert eventually(lambda: open_descriptors() <= before)


# Ready contexts


def ready_client(pki: Factory, *, check_hostname: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    context.load_verify_locations(pki.root.pem)
    context.load_cert_chain(pki.client.pem, pki.client.key_pem)
    return context


def ready_server(pki: Factory) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pki.root.pem)
    context.load_cert_chain(pki.server.pem, pki.server.key_pem)
    return context


def test_ready_contexts_on_both_sides(pki: Factory, verify: Verify) -> None:
    watcher = Watcher()
    with dcmecho.serve(bind_address=LOOPBACK, tls=ready_server(pki), handler=watcher) as server:
        result = verify(server.port, tls=ready_client(pki, check_hostname=True))
    assert result.ok
    assert result.tls is not None
    assert result.tls["certificate"]["subject"] == "O=Test, CN=server"
    assert watcher.peers[0].tls is not None


def test_a_ready_context_refuses_in_the_same_words(pki: Factory, verify: Verify) -> None:
    with TLSPeer(open_context(pki.other.issue("foreign-server", pki.rsa))) as peer:
        result = verify(peer.port, tls=ready_client(pki), check=False)
    assert isinstance(result.failure, TLSError)
    assert result.failure.cause is causes.TLS_UNKNOWN_CA
    assert "CN=other" in str(result.failure)


def test_a_ready_context_that_checks_names_is_given_the_peers(pki: Factory, verify: Verify) -> None:
    other = pki.root.issue("elsewhere", pki.rsa, names=("elsewhere.example",))
    with TLSPeer(open_context(other)) as peer:
        result = verify(peer.port, tls=ready_client(pki, check_hostname=True), check=False)
    assert result.failure is not None
    assert result.failure.cause is causes.TLS_WRONG_HOST_NAME
    assert "elsewhere.example" in str(result.failure)
    assert '"127.0.0.1"' in str(result.failure)


def test_a_ready_server_context_refuses_a_client_without_a_certificate(pki: Factory, verify: Verify) -> None:
    watcher = Watcher()
    with dcmecho.serve(bind_address=LOOPBACK, tls=ready_server(pki), handler=watcher) as server:
        result = verify(server.port, tls=client_configuration(pki, key_file=None, certificate_file=None), check=False)
    assert result.failure is not None
    assert result.failure.cause is causes.TLS_CLIENT_CERTIFICATE_MISSING
    assert [outcome for outcome, _ in watcher.dropped_with] == ["tls-failed"]


# The server


def test_a_stalled_handshake_costs_nobody_else(pki: Factory) -> None:
    watcher = Watcher()
    tls = server_configuration(pki)
    with (
        dcmecho.serve(bind_address=LOOPBACK, tls=tls, acse_timeout=0.5, handler=watcher) as server,
        socket.create_connection((LOOPBACK, server.port), timeout=PATIENCE) as silent,
        socket.create_connection((LOOPBACK, server.port), timeout=PATIENCE) as slow,
    ):
        slow.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert blocking(server.port, tls=client_configuration(pki)).ok
        assert silent.recv(1) == b""
        assert slow.recv(1) == b""
    assert len(watcher.dropped_with) == 2


class Layered:
    """A client through memory, so that a test decides which bytes travel together."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.plain = socket.create_connection((LOOPBACK, port), timeout=PATIENCE)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.plain.close()

    def shake_hands_and_say(self, data: bytes) -> None:
        """Have the handshake; the client's last words of it and `data` go in one segment."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.plain.sendall(self.outgoing.read())
                self.incoming.write(self.plain.recv(65536))
        self.tls.write(data)
        self.plain.sendall(self.outgoing.read())

    def answer(self) -> bytes:
        """Return the plain bytes of what comes until the other side closes or has answered."""
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                data = self.plain.recv(65536)
                if not data:
                    return b""
                self.incoming.write(data)


def test_a_request_together_with_the_end_of_the_handshake(pki: Factory) -> None:
    context = open_context()
    context.load_cert_chain(pki.client.pem, pki.client.key_pem)
    with serving(pki) as server, Layered(server.port, context) as client:
        client.shake_hands_and_say(association_request().encode())
        assert client.answer()[:1] == b"\x02"


def test_a_client_that_the_profile_refuses_is_not_served_whatever_comes_with_its_certificate(pki: Factory) -> None:
    """A hash that the library lets pass, and the profile does not: the request that came along must not be answered."""
    weak: Identity = pki.root.issue_hashed("md5-client", pki.other_rsa, "md5")
    context = open_context()
    context.load_cert_chain(weak.pem, weak.key_pem)
    watcher = Watcher()
    tls = server_configuration(pki)
    with (
        dcmecho.serve(bind_address=LOOPBACK, tls=tls, handler=watcher) as server,
        Layered(server.port, context) as client,
    ):
        client.shake_hands_and_say(association_request().encode())
        assert client.answer() == b""
    assert watcher.peers == []
    ((outcome, detail),) = watcher.dropped_with
    assert outcome == "tls-failed"
    assert "tls-certificate-weak" in detail
    assert "MD5" in detail.upper()


def test_a_request_in_many_small_records(pki: Factory) -> None:
    context = open_context()
    context.load_cert_chain(pki.client.pem, pki.client.key_pem)
    with serving(pki) as server, connect_tls(server.port, context) as talk:
        for byte in association_request().encode():
            talk.send(bytes([byte]))
        assert talk.read()[:1] == b"\x02"
        assert talk.echo().status == 0
        talk.release()


def test_an_answer_in_many_small_records(pki: Factory, verify: Verify) -> None:
    class Dripping(Conversation):
        """Sends each byte in a record of its own."""

        def send(self, data: bytes) -> None:
            for byte in data:
                super().send(bytes([byte]))

    def drip(talk: Conversation) -> None:
        slow = Dripping(talk.socket)
        echo_peer()(slow)
        talk.received = slow.received

    with TLSPeer(open_context(pki.server), drip) as peer:
        assert verify(peer.port, tls=client_configuration(pki), repeat=2).ok
    assert peer.last.kinds[0] == A_ASSOCIATE_RQ


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux lets a program ask for it")
@pytest.mark.parametrize("ask", [blocking, in_asyncio])
def test_what_tls_takes_for_itself_is_acknowledged_at_once(
    pki: Factory, monkeypatch: pytest.MonkeyPatch, ask: Verify
) -> None:
    """Session tickets give no plain byte, but a stock DCMTK holds its answer back until they are acknowledged: 40 ms a
    run, if that is left to the system."""
    from asyncio.trsock import TransportSocket

    asked: list[tuple[int, ...]] = []

    def note(original: Callable[..., None]) -> Callable[..., None]:
        def setsockopt(self: object, *words: int) -> None:
            asked.append(words)
            original(self, *words)

        return setsockopt

    for kind in (ssl.SSLSocket, TransportSocket):
        monkeypatch.setattr(kind, "setsockopt", note(kind.setsockopt))

    with TLSPeer(open_context(pki.server)) as peer:
        assert ask(peer.port, tls=client_configuration(pki)).ok
    assert (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1) in asked


def test_a_client_says_goodbye(pki: Factory, verify: Verify) -> None:
    """The closure alert tells the peer that nothing was cut off: with it, a strict reader sees an end, not an error."""
    ends: list[object] = []

    def strict(talk: Conversation) -> None:
        assert isinstance(talk.socket, ssl.SSLSocket)
        talk.socket.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # typeshed lacks it
        try:
            echo_peer()(talk)
            ends.append("closed")
        except OSError as problem:
            ends.append(problem)

    with TLSPeer(open_context(pki.server), strict) as peer:
        assert verify(peer.port, tls=client_configuration(pki)).ok
        peer.settled()
    assert ends == ["closed"]


def test_a_server_says_goodbye(pki: Factory) -> None:
    context = open_context()
    context.load_cert_chain(pki.client.pem, pki.client.key_pem)
    with serving(pki) as server, connect_tls(server.port, context) as talk:
        assert isinstance(talk.socket, ssl.SSLSocket)
        talk.socket.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # typeshed lacks it
        talk.associate()
        talk.release()
        talk.socket.unwrap().close()
