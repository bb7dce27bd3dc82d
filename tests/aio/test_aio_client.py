"""What only the asyncio client has: cancellation, reading between operations, many at once. See test_client.py too."""

import asyncio
import gc
import socket
import threading
from typing import Any

import pytest

import dcmecho
import peers
from dcmecho import aio, causes
from dcmecho.errors import (
    AssociationAborted,
    ConnectError,
    ConnectionLost,
    EchoFailed,
    LocalProtocolError,
    VerificationError,
)
from dcmecho.pdu import PDV, PDataTF
from dcmecho.uids import PROPOSABLE_TRANSFER_SYNTAXES
from peers import ScriptedPeer, close, expect, send, silence

ASSOCIATE = (expect(peers.ASSOCIATE_RQ), send(peers.AC))
ECHO = (expect(peers.P_DATA), send(peers.echo_response(1)))
RELEASE = (expect(peers.RELEASE_RQ), send(peers.RELEASE_RESPONSE), silence)


def associated(port: int, **options: Any) -> aio.AsyncClientAssociation:
    return aio.associate("127.0.0.1", port, **options)


async def until(condition: Any) -> None:
    """Let the loop turn until a condition holds."""
    async with asyncio.timeout(peers.PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)


class TestSteps:
    def test_leaving_the_context_releases(self) -> None:
        async def run(port: int) -> None:
            async with associated(port) as association:
                assert (await association.echo()).is_success
            assert association.result.ok

        with ScriptedPeer(*ASSOCIATE, *ECHO, *RELEASE) as peer:
            asyncio.run(run(peer.port))

    def test_an_exception_aborts(self) -> None:
        async def run(port: int) -> None:
            async with associated(port):
                raise ZeroDivisionError

        with ScriptedPeer(*ASSOCIATE, expect(peers.ABORT), silence) as peer, pytest.raises(ZeroDivisionError):
            asyncio.run(run(peer.port))

    def test_a_bad_status_raises_and_the_association_goes_on_if_caught(self) -> None:
        async def run(port: int) -> None:
            async with associated(port) as association:
                with pytest.raises(EchoFailed) as caught:
                    await association.echo()
                assert caught.value.result is association.result
                assert (await association.echo()).is_success

        script = (*ASSOCIATE, expect(4), send(peers.echo_response(1, 0x0211)), expect(4), send(peers.echo_response(2)))
        with ScriptedPeer(*script, *RELEASE) as peer:
            asyncio.run(run(peer.port))

    def test_a_failed_entry_leaves_nothing_open(self) -> None:
        async def run(port: int) -> None:
            with pytest.raises(ConnectionLost):
                async with associated(port):
                    pytest.fail("there is no association")

        before = peers.open_descriptors()
        with ScriptedPeer(expect(1), close) as peer:
            asyncio.run(run(peer.port))
        assert peers.eventually(lambda: peers.open_descriptors() <= before)

    def test_the_failure_is_raised_again(self) -> None:
        async def run(port: int) -> None:
            association = associated(port)
            await association.open()
            for _ in range(2):
                with pytest.raises(AssociationAborted):
                    await association.echo()
            await association.release()
            association.close()

        with ScriptedPeer(*ASSOCIATE, expect(4), send(peers.abortion(0)), close) as peer:
            asyncio.run(run(peer.port))

    def test_close_is_idempotent(self) -> None:
        async def run(port: int) -> None:
            association = associated(port)
            association.close()
            await association.open()
            await association.release()
            association.close()
            seconds = association.result.seconds
            association.close()
            assert association.result.seconds == seconds

        with ScriptedPeer(*ASSOCIATE, *RELEASE) as peer:
            asyncio.run(run(peer.port))

    def test_before_and_after(self) -> None:
        async def run(port: int) -> None:
            association = associated(port)
            with pytest.raises(RuntimeError):
                await association.echo()
            await association.release()
            association.abort()
            await association.open()
            await association.release()
            with pytest.raises((LocalProtocolError, RuntimeError)):
                await association.echo()
            association.close()
            with pytest.raises((LocalProtocolError, RuntimeError)):
                await association.echo()

        with ScriptedPeer(*ASSOCIATE, *RELEASE) as peer:
            asyncio.run(run(peer.port))


class TestBetweenOperations:
    """What the peer sends while nobody waits is taken, and answered, as it comes."""

    @pytest.mark.parametrize(
        ("said", "cause"),
        [
            ((send(peers.abortion(0)), close), causes.ABORTED),
            ((send(peers.RELEASE_REQUEST), expect(peers.RELEASE_RP), silence), causes.RELEASED_BY_PEER),
            ((send(b"\x99"), expect(peers.ABORT), silence), causes.PROTOCOL_VIOLATION),
            ((send(peers.echo_response(1)), expect(peers.ABORT), silence), causes.PROTOCOL_VIOLATION),
            ((close,), causes.CONNECTION_CLOSED),
        ],
        ids=["abort", "release", "garbage", "unasked", "close"],
    )
    def test_it_is_answered_and_told_by_the_next_operation(
        self, said: tuple[peers.Step, ...], cause: causes.Cause
    ) -> None:
        stands = threading.Event()

        async def run(port: int) -> None:
            association = associated(port)
            await association.open()
            stands.set()
            await until(lambda: association.result.failure is not None)
            with pytest.raises(VerificationError) as caught:
                await association.echo()
            assert caught.value.cause is cause
            association.close()

        with ScriptedPeer(*ASSOCIATE, peers.wait(stands), *said) as peer:
            asyncio.run(run(peer.port))

    def test_a_banner_that_comes_before_our_request_is_heard(self) -> None:
        async def run(port: int) -> None:
            association = associated(port)
            await association.connect()
            protocol = association._protocol
            assert protocol is not None
            await until(lambda: protocol._early)
            with pytest.raises(VerificationError) as caught:
                await association.associate()
            assert caught.value.cause is causes.PEER_SPEAKS_SSH
            association.close()

        with ScriptedPeer(send(b"SSH-2.0-x\r\n"), silence) as peer:
            asyncio.run(run(peer.port))


class TestAfterTheEnd:
    @pytest.mark.parametrize("abort", [False, True])
    def test_the_result_does_not_change_any_more(self, abort: bool) -> None:
        async def run(port: int) -> None:
            result = await aio.verify("127.0.0.1", port, abort=abort)
            told = result.to_dict()
            assert result.ok
            for _ in range(5):
                await asyncio.sleep(0)
            assert result.to_dict() == told

        with dcmecho.serve(bind_address="127.0.0.1") as server:
            asyncio.run(run(server.port))


class TestCancellation:
    @pytest.mark.parametrize(
        "script",
        [
            (expect(1), expect(peers.ABORT), silence),
            (*ASSOCIATE, expect(4), expect(peers.ABORT), silence),
            (*ASSOCIATE, *ECHO, expect(5), expect(peers.ABORT), silence),
        ],
        ids=["associate", "echo", "release"],
    )
    def test_it_aborts(self, script: tuple[peers.Step, ...]) -> None:
        async def run(peer: ScriptedPeer) -> None:
            task = asyncio.create_task(aio.verify("127.0.0.1", peer.port))
            awaited = sum(1 for step in script if "expect" in step.__qualname__) - 1
            await until(lambda: peer.wires and count_pdus(peer.heard) == awaited)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        with ScriptedPeer(*script) as peer:
            asyncio.run(run(peer))

    def test_while_connecting(self) -> None:
        async def run() -> None:
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                listener.listen(0)
                port = listener.getsockname()[1]
                with socket.create_connection(("127.0.0.1", port)):
                    task = asyncio.create_task(aio.verify("127.0.0.1", port))
                    for _ in range(20):
                        await asyncio.sleep(0)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task

        before = peers.open_descriptors()
        asyncio.run(run())
        gc.collect()
        assert peers.eventually(lambda: peers.open_descriptors() <= before)

    def test_a_timeout_of_the_caller(self) -> None:
        async def run(port: int) -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await aio.verify("127.0.0.1", port)

        with ScriptedPeer(expect(1), expect(peers.ABORT), silence) as peer:
            asyncio.run(run(peer.port))


def count_pdus(data: bytes) -> int:
    count = 0
    while len(data) >= 6 and len(data) >= 6 + int.from_bytes(data[2:6], "big"):
        data = data[6 + int.from_bytes(data[2:6], "big") :]
        count += 1
    return count


def test_a_message_that_never_ends_does_not_hold_up_the_deadline() -> None:
    endless = PDataTF((PDV(1, True, False, b""),)).encode()
    with ScriptedPeer(*ASSOCIATE, expect(4), peers.flood(endless)) as peer:
        result = asyncio.run(aio.verify("127.0.0.1", peer.port, deadline=0.3, check=False))
    assert result.failure is not None
    assert result.failure.cause is causes.DEADLINE_EXCEEDED


def test_a_peer_that_does_not_read_does_not_hold_the_connection_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is given up when the association is closed after a failure."""

    async def run(port: int) -> None:
        before = peers.open_descriptors()
        request = {"presentation_contexts": 128, "transfer_syntaxes": PROPOSABLE_TRANSFER_SYNTAXES}
        result = await aio.verify("127.0.0.1", port, deadline=0.2, check=False, **request)  # type: ignore[arg-type] # a table
        assert result.failure is not None
        assert result.failure.cause is causes.DEADLINE_EXCEEDED
        await until(lambda: peers.open_descriptors() <= before)

    monkeypatch.setattr(socket, "socket", peers.SmallSocket)
    with peers.SmallSocket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        asyncio.run(run(listener.getsockname()[1]))


def test_a_hundred_at_once() -> None:
    async def run(port: int) -> None:
        results = await asyncio.gather(*[aio.verify("127.0.0.1", port, repeat=3) for _ in range(100)])
        assert all(result.ok for result in results)
        assert sum(result.statistics.answered for result in results) == 300

    with dcmecho.serve(bind_address="127.0.0.1") as server:
        asyncio.run(run(server.port))


def test_the_scope_of_a_link_local_address_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the system does not know which interface is meant."""
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 104, 0, 7))]
    asked: list[Any] = []

    class Loop(asyncio.SelectorEventLoop):
        async def sock_connect(self, sock: socket.socket, address: Any) -> None:
            asked.append(address)
            raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with asyncio.Runner(loop_factory=Loop) as runner, pytest.raises(ConnectError):
        runner.run(aio.verify("fe80::1%eth7", 104))
    assert asked == [("fe80::1", 104, 0, 7)]


def test_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop")
    with (
        dcmecho.serve(bind_address="127.0.0.1") as server,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        assert runner.run(aio.verify("127.0.0.1", server.port, repeat=3)).ok
