"""The asyncio server over real sockets: answers, hooks, limits, bad clients, and an end without remains."""

import asyncio
import gc
import os
import socket
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import dcmecho
import peers
from dcmecho import aio, causes
from dcmecho.aio import poller
from dcmecho.aio.connection import PROCESSING_FAILURE, Connection
from dcmecho.aio.server import EchoServer
from dcmecho.aio.timers import Timers
from dcmecho.dimse import CommandSet
from dcmecho.errors import EchoFailed, LocalError, UsageError, VerificationError
from dcmecho.handler import EchoStatus, Handler, Peer
from dcmecho.pdu import AssociateRJ
from dcmecho.server_settings import MAX_PENDING_OUTPUT, ServerSettings
from peers import RawClient


@pytest.fixture(autouse=True, params=["poller", "asyncio"])
def way_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of having connections: ours where there is epoll, and asyncio's."""
    if request.param == "asyncio":
        monkeypatch.setattr(poller, "is_available", False)
    elif not poller.is_available:
        pytest.skip("needs epoll")


class Recorder(Handler):
    """Keeps the calls of all hooks."""

    def __init__(self, answer: Callable[[int], Any] = lambda message_id: 0) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answer = answer

    def connected(self, peer: Peer) -> None:
        self.calls.append(("connected",))

    def accepted(self, peer: Peer) -> None:
        self.calls.append(("accepted", peer.calling_ae_title))

    def rejected(self, peer: Peer, rejection: AssociateRJ) -> None:
        self.calls.append(("rejected", rejection.source, rejection.reason))

    def echo(self, peer: Peer, message_id: int) -> Any:
        return self.answer(message_id)

    def echoed(self, peer: Peer, message_id: int, status: int) -> None:
        self.calls.append(("echoed", message_id, status))

    def released(self, peer: Peer) -> None:
        self.calls.append(("released",))

    def aborted(self, peer: Peer, outcome: str, detail: str) -> None:
        self.calls.append(("aborted", outcome))

    def dropped(self, peer: Peer, outcome: str, detail: str) -> None:
        self.calls.append(("dropped", outcome))


class Complaints(list[str]):
    """What the event loop was told to complain of."""

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.append(f"{context['message']}: {context.get('exception')!r}")


@asynccontextmanager
async def serving(
    handler: Handler | None = None, complaints: Complaints | None = None, **options: Any
) -> AsyncIterator[EchoServer]:
    """A server whose loop must have nothing to complain of, unless `complaints` takes it."""
    found = Complaints() if complaints is None else complaints
    asyncio.get_running_loop().set_exception_handler(found)
    async with aio.serve(bind_address="127.0.0.1", handler=handler, **options) as server:
        yield server
    gc.collect()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not server.connections
    assert asyncio.all_tasks() == {asyncio.current_task()}
    if complaints is None:
        assert found == []


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until a condition holds."""
    async with asyncio.timeout(peers.PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)


def with_client(play: Callable[[RawClient], object]) -> Callable[[EchoServer], Awaitable[Any]]:
    """Play a client's part in a thread while the server serves."""

    async def run(server: EchoServer) -> Any:
        def work() -> Any:
            with RawClient(server.port) as raw:
                return play(raw)

        return await asyncio.to_thread(work)

    return run


def play(handler: Handler | None, part: Callable[[RawClient], object], **options: Any) -> Any:
    """Serve one raw client and return what its part returned."""

    async def run() -> Any:
        async with serving(handler, **options) as server:
            found = await with_client(part)(server)
            await until(lambda: not server.connections)
            return found

    return asyncio.run(run())


class TestListening:
    def test_a_free_port_on_both_families(self) -> None:
        async def run() -> None:
            async with aio.serve() as server:
                assert server.port > 0
                assert (await aio.verify("127.0.0.1", server.port)).ok
                assert (await aio.verify("::1", server.port)).ok

        asyncio.run(run())

    def test_a_taken_port(self) -> None:
        async def run(port: int) -> None:
            with pytest.raises(LocalError) as caught:
                async with aio.serve(port, bind_address="127.0.0.1"):
                    pytest.fail("the port is taken")
            assert caught.value.cause is causes.PORT_UNAVAILABLE

        with socket.create_server(("127.0.0.1", 0)) as taken:
            asyncio.run(run(taken.getsockname()[1]))

    @pytest.mark.parametrize("port", [-1, 65536])
    def test_a_port_that_cannot_be(self, port: int) -> None:
        async def run() -> None:
            async with aio.serve(port, bind_address="127.0.0.1"):
                pytest.fail("there is no such port")

        with pytest.raises((UsageError, LocalError)):
            asyncio.run(run())


class TestTheUsualWay:
    def test_hooks_are_called_in_order(self) -> None:
        async def run() -> None:
            recorder = Recorder()
            async with serving(recorder) as server:
                await aio.verify("127.0.0.1", server.port, calling_ae_title="ME", repeat=2)
            assert recorder.calls == [
                ("connected",),
                ("accepted", "ME"),
                ("echoed", 1, 0),
                ("echoed", 2, 0),
                ("released",),
            ]

        asyncio.run(run())

    def test_a_rejection(self) -> None:
        async def run() -> None:
            recorder = Recorder()
            async with serving(recorder, require_called_ae_title=True) as server:
                result = await aio.verify("127.0.0.1", server.port, check=False)
            assert result.failure is not None
            assert result.failure.cause is causes.CALLED_AE_TITLE_REFUSED
            assert recorder.calls == [("connected",), ("rejected", 1, 7)]

        asyncio.run(run())

    def test_an_abort(self) -> None:
        async def run() -> None:
            recorder = Recorder()
            async with serving(recorder) as server:
                await aio.verify("127.0.0.1", server.port, abort=True)
                await until(lambda: len(recorder.calls) == 4)
            assert recorder.calls[-1] == ("aborted", "aborted-by-peer")

        asyncio.run(run())

    def test_a_flood_of_echoes_in_one_write(self) -> None:
        def part(raw: RawClient) -> None:
            raw.associate()
            raw.send(b"".join(peers.echo_request(number) for number in range(1, 501)))
            for number in range(1, 501):
                assert raw.pdu() == peers.echo_response(number)
            raw.send(peers.RELEASE_REQUEST)
            assert raw.pdu() == peers.RELEASE_RESPONSE

        recorder = Recorder()
        play(recorder, part)
        assert recorder.calls[2:-1] == [("echoed", number, 0) for number in range(1, 501)]

    def test_a_half_close_after_the_last_request(self) -> None:
        """What arrived before the client closed its side is answered all the same."""

        def part(raw: RawClient) -> bytes:
            raw.associate()
            raw.send(peers.echo_request(1))
            raw.connection.shutdown(socket.SHUT_WR)
            return raw.rest()

        assert play(None, part) == peers.echo_response(1)


async def _later(status: Any) -> Any:
    await asyncio.sleep(0)
    return status


class TestTheHandlersChoice:
    @pytest.mark.parametrize(
        ("choice", "status"),
        [
            (lambda _: 0, 0),
            (lambda _: 0x0122, 0x0122),
            (lambda _: EchoStatus(0x0211, error_comment="why", error_id=3, offending_elements=(0x00000002,)), 0x0211),
            (lambda _: _later(0x0122), 0x0122),
            (lambda _: _later(EchoStatus(0x0211)), 0x0211),
        ],
        ids=["int", "int-failure", "status", "awaitable", "awaitable-status"],
    )
    def test_it_is_sent(self, choice: Callable[[int], Any], status: int) -> None:
        async def run() -> None:
            recorder = Recorder(choice)
            async with serving(recorder) as server:
                result = await aio.verify("127.0.0.1", server.port, repeat=3, check=False)
            assert [echo.status for echo in result.echoes] == [status] * 3
            assert ("echoed", 3, status) in recorder.calls

        asyncio.run(run())

    def test_the_detail_arrives(self) -> None:
        async def run() -> None:
            choice = EchoStatus(0x0211, error_comment="why", error_id=3, offending_elements=(0x00000002, 0x00080018))
            async with serving(Recorder(lambda _: choice)) as server:
                with pytest.raises(EchoFailed) as caught:
                    await aio.verify("127.0.0.1", server.port)
            assert caught.value.result is not None
            (echo,) = caught.value.result.echoes
            assert (echo.error_comment, echo.error_id) == ("why", 3)
            assert echo.offending_elements == (0x00000002, 0x00080018)

        asyncio.run(run())

    @pytest.mark.parametrize("is_late", [False, True])
    @pytest.mark.parametrize(
        "answer",
        [
            ZeroDivisionError(),
            None,
            "success",
            70000,
            -1,
            EchoStatus(0x0110, error_comment="\u4e2d"),
            EchoStatus(0x0110, error_id=70000),
        ],
        ids=repr,
    )
    def test_what_cannot_be_sent_is_a_processing_failure(self, answer: Any, is_late: bool) -> None:
        """The client gets an answer, the user is told, and the association goes on."""

        def choose(message_id: int) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        async def choose_later(message_id: int) -> Any:
            return choose(message_id)

        async def run() -> None:
            complaints = Complaints()
            recorder = Recorder(choose_later if is_late else choose)
            async with serving(recorder, complaints) as server:
                result = await aio.verify("127.0.0.1", server.port, repeat=2, check=False, dimse_timeout=0.5)
            assert [echo.status for echo in result.echoes] == [PROCESSING_FAILURE] * 2
            assert len(complaints) == 2

        asyncio.run(run())

    def test_hooks_that_raise_end_nothing(self) -> None:
        class Broken(Handler):
            def connected(self, peer: Peer) -> None:
                raise ZeroDivisionError

            accepted = released = connected

            def echoed(self, peer: Peer, message_id: int, status: int) -> None:
                raise ZeroDivisionError

        async def run() -> None:
            complaints = Complaints()
            async with serving(Broken(), complaints) as server:
                assert (await aio.verify("127.0.0.1", server.port)).ok
            assert len(complaints) == 4

        asyncio.run(run())

    def test_answers_keep_the_order_of_the_requests(self) -> None:
        """One that takes its time is not overtaken by the next that does not."""

        def part(raw: RawClient) -> None:
            raw.associate()
            raw.send(peers.echo_request(1) + peers.echo_request(2) + peers.echo_request(3))
            assert [raw.pdu() for _ in range(3)] == [peers.echo_response(number) for number in (1, 2, 3)]

        play(Recorder(lambda message_id: _later(0) if message_id == 1 else 0), part)

    @pytest.mark.parametrize("count", [1, 3, 3000])
    def test_the_client_leaves_before_the_handler_has_decided(self, count: int) -> None:
        async def never() -> int:
            await asyncio.Event().wait()
            return 0

        async def run() -> None:
            asked: list[int] = []

            def choose(message_id: int) -> Awaitable[int]:
                asked.append(message_id)
                return never()

            recorder = Recorder(choose)
            async with serving(recorder) as server:

                def part(raw: RawClient) -> None:
                    raw.associate()
                    raw.send(peers.echo_request(1) * count)

                await with_client(part)(server)
                await until(lambda: asked)
                for connection in list(server.connections):
                    connection.cut()
                await until(lambda: not server.connections)
                recorder.answer = lambda _: 0
                assert (await aio.verify("127.0.0.1", server.port)).ok

        asyncio.run(run())

    def test_an_echo_that_is_being_decided_is_not_idle(self) -> None:
        """The client waits for us: it cannot be expected to send meanwhile."""

        async def run() -> None:
            recorder = Recorder(lambda _: asyncio.sleep(0.3, 0))
            async with serving(recorder, network_timeout=0.05) as server:
                result = await aio.verify("127.0.0.1", server.port, check=False)
            assert result.failure is None

        asyncio.run(run())

    def test_an_echo_that_could_not_be_answered_is_not_told_as_answered(self) -> None:
        def part(raw: RawClient) -> None:
            raw.associate()
            raw.send(peers.echo_request(1) + peers.abortion(0))
            raw.rest()

        recorder = Recorder()
        play(recorder, part)
        assert recorder.calls[-1] == ("aborted", "aborted-by-peer")
        assert not [call for call in recorder.calls if call[0] == "echoed"]


STORE = CommandSet({0x0002: b"1.2\0", 0x0100: b"\x01\x00", 0x0110: b"\x01\x00", 0x0800: b"\x01\x01"}).encode()


class TestBadClients:
    @pytest.mark.parametrize(
        ("before", "data", "last"),
        [
            (b"", b"GET / HTTP/1.1\r\n\r\n", ("dropped", "not-dicom")),
            (b"", b"\x16\x03\x01\x02\x00\x01\x00", ("dropped", "not-dicom")),
            (b"", b"SSH-2.0-x\r\n", ("dropped", "not-dicom")),
            (b"", b"\x00" * 1000, ("dropped", "not-dicom")),
            (b"", b"\x01\x00\xff\xff\xff\xff", ("dropped", "protocol-violation")),
            (b"", peers.echo_request(), ("dropped", "protocol-violation")),
            (peers.RQ, peers.RQ, ("aborted", "protocol-violation")),
            (peers.RQ, peers.message(STORE), ("aborted", "not-verification")),
            (peers.RQ, peers.message(b"\xff" * 30), ("aborted", "protocol-violation")),
            (peers.RQ, b"\x04\x00\xff\xff\xff\xff", ("aborted", "protocol-violation")),
            (peers.RQ, b"\x99", ("aborted", "protocol-violation")),
            (b"", peers.RQ + peers.abortion(0), None),
            (b"", peers.RQ + peers.echo_request(), None),
            (b"", peers.RQ + b"\x99", None),
            (peers.RQ, peers.RELEASE_REQUEST + peers.abortion(0), None),
            (peers.RQ, peers.message(STORE) + peers.abortion(0), None),
        ],
        ids=lambda value: f"{value[:4].hex()}-{len(value)}" if isinstance(value, bytes) else None,
    )
    def test_each_is_told_once_and_the_server_goes_on(
        self, before: bytes, data: bytes, last: tuple[str, str] | None
    ) -> None:
        async def run() -> None:
            recorder = Recorder()

            def part(raw: RawClient) -> None:
                if before:
                    raw.associate()
                raw.send(data)
                raw.connection.shutdown(socket.SHUT_WR)
                raw.rest()

            async with serving(recorder) as server:
                await with_client(part)(server)
                await until(lambda: not server.connections)
                if last is not None:
                    assert recorder.calls[-1] == last
                assert len([call for call in recorder.calls if call[0] in ("aborted", "dropped", "released")]) == 1
                assert (await aio.verify("127.0.0.1", server.port)).ok

        asyncio.run(run())

    @pytest.mark.parametrize(
        "data", [b"", peers.RQ[:30], peers.RQ, peers.RQ + peers.echo_request()[:20], peers.RQ + peers.RELEASE_REQUEST]
    )
    def test_a_reset_at_any_point(self, data: bytes) -> None:
        async def run() -> None:
            async with serving() as server:

                def part(raw: RawClient) -> None:
                    raw.send(data[: len(peers.RQ)])
                    if len(data) > len(peers.RQ):
                        raw.pdu()
                        raw.send(data[len(peers.RQ) :])
                    raw.reset()

                await with_client(part)(server)
                assert (await aio.verify("127.0.0.1", server.port)).ok
                await until(lambda: not server.connections)

        asyncio.run(run())

    def test_silence_meets_artim(self) -> None:
        recorder = Recorder()
        assert play(recorder, lambda raw: raw.rest(), acse_timeout=0.05) == b""
        assert recorder.calls == [("connected",), ("dropped", "artim-timeout")]

    def test_silence_after_the_release_meets_artim(self) -> None:
        def part(raw: RawClient) -> bytes:
            raw.associate()
            raw.send(peers.RELEASE_REQUEST)
            return raw.rest()

        assert play(None, part, acse_timeout=0.05) == peers.RELEASE_RESPONSE

    def test_an_idle_association_is_aborted(self) -> None:
        recorder = Recorder()

        def part(raw: RawClient) -> bytes:
            raw.associate()
            return raw.pdu()

        assert play(recorder, part, network_timeout=0.05) == peers.abortion(0)
        assert recorder.calls[-1] == ("aborted", "idle-timeout")

    def test_an_unfinished_message_is_aborted(self) -> None:
        recorder = Recorder()

        def part(raw: RawClient) -> bytes:
            raw.associate()
            raw.send(peers.echo_request()[:20])
            return raw.pdu()

        assert play(recorder, part, dimse_timeout=0.05) == peers.abortion(0)
        assert recorder.calls[-1] == ("aborted", "message-timeout")

    def test_one_that_does_not_read_is_read_no_more(self) -> None:
        """What waits for it stays within bounds, others are served meanwhile, and it is cut off in the end."""
        status = EchoStatus(0x0110, error_comment="x" * 64)
        stop = threading.Event()

        async def run() -> None:
            async with serving(Recorder(lambda _: status), network_timeout=0.2, acse_timeout=0.2) as server:

                def part() -> None:
                    with RawClient(server.port, receive_buffer=4096) as raw:
                        raw.associate()
                        block = peers.echo_request() * 700
                        raw.connection.settimeout(0.2)
                        try:
                            while not stop.is_set():
                                raw.connection.sendall(block)
                        except OSError:
                            pass
                        stop.wait(peers.PATIENCE)

                worker = asyncio.create_task(asyncio.to_thread(part))
                try:
                    await until(lambda: any(buffered(each) for each in server.connections))
                    (stuck,) = server.connections
                    assert (await aio.verify("127.0.0.1", server.port, check=False)).statistics.answered == 1
                    highest = 0

                    def is_gone() -> bool:
                        nonlocal highest
                        highest = max(highest, buffered(stuck))
                        return stuck not in server.connections

                    await until(is_gone)
                    assert 0 < highest < MAX_PENDING_OUTPUT + 4 * 256 * 1024
                finally:
                    stop.set()
                    await worker

        asyncio.run(run())


def buffered(connection: Connection) -> int:
    return connection._transport.get_write_buffer_size()


class FakeTransport(asyncio.Transport):
    """Takes all that is written and never gets rid of it; tells whether it is being read."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self.is_read = True
        self.written = b""
        self.is_closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close


def reads(transport: FakeTransport) -> bool:
    return transport.is_read


def not_listening(**options: Any) -> EchoServer:
    """A server that knows the loop and no socket."""
    server = EchoServer(0, ServerSettings(**options))
    server.timers = Timers(asyncio.get_running_loop())
    return server


class TestReading:
    """When a connection is read, and when not, on a transport that does as it is told."""

    @pytest.mark.parametrize("is_late", [False, True])
    def test_not_while_writing_is_paused(self, is_late: bool) -> None:
        async def run() -> None:
            server = not_listening(handler=Recorder(lambda _: _later(0) if is_late else 0))
            connection, transport = Connection(server), FakeTransport()
            connection.connection_made(transport)
            connection.data_received(peers.RQ)
            connection.data_received(peers.echo_request(1) + peers.echo_request(2))
            connection.pause_writing()
            assert not reads(transport)
            await until(lambda: transport.written.endswith(peers.echo_response(2)))
            for _ in range(3):
                await asyncio.sleep(0)
            assert not reads(transport)
            connection.resume_writing()
            assert reads(transport)
            connection.connection_lost(None)

        asyncio.run(run())

    def test_not_while_a_handler_decides(self) -> None:
        async def run() -> None:
            decided = asyncio.Event()

            async def decide() -> int:
                await decided.wait()
                return 0

            server = not_listening(handler=Recorder(lambda _: decide()))
            connection, transport = Connection(server), FakeTransport()
            connection.connection_made(transport)
            connection.data_received(peers.RQ)
            connection.data_received(peers.echo_request(1))
            assert not reads(transport)
            connection.pause_writing()
            connection.resume_writing()
            assert not reads(transport)
            decided.set()
            await until(lambda: transport.is_read)
            assert transport.written.endswith(peers.echo_response(1))
            connection.connection_lost(None)

        asyncio.run(run())

    @pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux has TCP_QUICKACK")
    def test_what_ends_inside_a_pdu_is_acknowledged_at_once(self) -> None:
        class Options:
            def __init__(self) -> None:
                self.set: list[tuple[int, int, int]] = []

            def setsockopt(self, *option: int) -> None:
                self.set.append(option)  # type: ignore[arg-type] # three numbers

        async def run() -> None:
            connection, transport, options = Connection(not_listening()), FakeTransport(), Options()
            transport._extra["socket"] = options  # type: ignore[attr-defined] # where asyncio keeps it
            connection.connection_made(transport)
            connection.data_received(peers.RQ)
            assert options.set == []
            connection.data_received(peers.echo_request()[:6])
            assert options.set == [(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)]
            connection.data_received(peers.echo_request()[6:])
            assert len(options.set) == 1
            connection.connection_lost(None)

        asyncio.run(run())


def test_a_hundred_at_once_beside_a_silent_and_a_slow_one() -> None:
    async def run() -> None:
        async with serving() as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            _, silent = await asyncio.open_connection("127.0.0.1", server.port)

            async def dribble() -> None:
                for byte in peers.RQ:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0)
                assert (await reader.readexactly(1))[0] == peers.ASSOCIATE_AC

            slow = asyncio.create_task(dribble())
            results = await asyncio.gather(*[aio.verify("127.0.0.1", server.port, repeat=3) for _ in range(100)])
            assert all(result.ok for result in results)
            await slow
            assert len({result.statistics.answered for result in results}) == 1
            for each in (writer, silent):
                each.close()
                await each.wait_closed()

    asyncio.run(run())


class TestClosing:
    @pytest.mark.parametrize("data", [b"", peers.RQ[:30], peers.RQ])
    def test_what_stands_is_aborted_and_what_does_not_is_closed(self, data: bytes) -> None:
        async def run() -> None:
            recorder = Recorder()
            async with serving(recorder) as server:
                raw = await asyncio.to_thread(RawClient, server.port)
                with raw:
                    raw.send(data)
                    await until(lambda: server.connections)
                    if data == peers.RQ:
                        await asyncio.to_thread(raw.pdu)
                    await server.close(grace=0.0)
                    rest = await asyncio.to_thread(raw.rest)
            assert rest == (peers.abortion(0) if data == peers.RQ else b"")
            assert recorder.calls[-1] == ("aborted" if data == peers.RQ else "dropped", "shutdown")

        asyncio.run(run())

    def test_within_the_grace_an_association_ends_in_order(self) -> None:
        async def run() -> None:
            recorder = Recorder()
            async with serving(recorder) as server:
                async with aio.associate("127.0.0.1", server.port) as association:
                    closing = asyncio.create_task(server.close(grace=peers.PATIENCE))
                    await asyncio.sleep(0)
                    assert (await association.echo()).is_success
                    assert not closing.done()
                await closing
                with pytest.raises(VerificationError):
                    await aio.verify("127.0.0.1", server.port)
            assert recorder.calls[-1] == ("released",)

        asyncio.run(run())

    def test_what_is_no_association_gets_no_grace(self) -> None:
        async def run() -> None:
            recorder = Recorder()
            async with serving(recorder) as server:
                with await asyncio.to_thread(RawClient, server.port):
                    await until(lambda: server.connections)
                    async with asyncio.timeout(peers.PATIENCE):
                        await server.close(grace=30.0)
            assert recorder.calls[-1] == ("dropped", "shutdown")

        asyncio.run(run())

    def test_after_the_grace_the_rest_is_aborted(self) -> None:
        async def run() -> None:
            async with serving() as server:
                association = aio.associate("127.0.0.1", server.port)
                await association.open()
                await server.close(grace=0.05)
                assert not server.connections
                with pytest.raises(VerificationError):
                    await association.echo()
                association.close()

        asyncio.run(run())

    def test_twice(self) -> None:
        async def run() -> None:
            async with serving() as server:
                await server.close()
                await server.close()

        asyncio.run(run())

    @pytest.mark.parametrize("turns", range(8))
    def test_a_connection_that_is_just_being_accepted_does_not_survive(self, turns: int) -> None:
        async def run() -> None:
            async with serving() as server:
                with socket.create_connection(("127.0.0.1", server.port)) as raw:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    await server.close(grace=0.0)
                    for _ in range(20):
                        await asyncio.sleep(0)
                    assert not server.connections
                    raw.settimeout(0.5)
                    try:
                        assert await asyncio.to_thread(raw.recv, 1) == b""
                    except ConnectionError:
                        pass

        asyncio.run(run())


def test_nothing_is_left() -> None:
    async def run() -> None:
        async with serving() as server:
            await asyncio.gather(*[aio.verify("127.0.0.1", server.port) for _ in range(5)])

    before = peers.open_descriptors()
    asyncio.run(run())
    gc.collect()
    assert peers.open_descriptors() <= before


def test_a_release_in_one_piece_with_its_echo_is_told_at_once() -> None:
    async def run() -> None:
        recorder = Recorder()
        async with serving(recorder) as server:
            with await asyncio.to_thread(RawClient, server.port) as client:
                await asyncio.to_thread(client.associate)
                client.send(peers.echo_request(1) + peers.RELEASE_REQUEST)
                assert (await asyncio.to_thread(client.pdu))[0] == 4
                assert await asyncio.to_thread(client.pdu) == peers.RELEASE_RESPONSE
                assert recorder.calls[-2:] == [("echoed", 1, 0), ("released",)]
                assert server.counters.open == 0

    asyncio.run(run())


@pytest.mark.parametrize("name", ["connected", "echo"])
def test_a_handler_that_lets_a_cancellation_through_has_failed(name: str) -> None:
    class Cancels(Handler):
        pass

    def cancel(*_: object) -> None:
        raise asyncio.CancelledError

    setattr(Cancels, name, cancel)

    async def run() -> None:
        complaints = Complaints()
        async with serving(Cancels(), complaints) as server:
            result = await aio.verify("127.0.0.1", server.port, check=False)
            assert result.ok == (name == "connected")
        assert len(complaints) == 1

    asyncio.run(run())


def descriptors() -> int | None:
    """How many this process has open, where the system tells."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None


def test_another_that_listens_since_the_socket_was_bound() -> None:
    async def run() -> None:
        with socket.socket() as first, socket.socket() as second:
            for each in (first, second):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            first.bind(("127.0.0.1", 0))
            second.bind(first.getsockname())
            first.listen()
            before = descriptors()
            with pytest.raises(LocalError) as caught:
                await EchoServer(0, ServerSettings(), sockets=[second]).start()
            assert caught.value.cause is causes.PORT_UNAVAILABLE
            assert str(first.getsockname()[1]) in str(caught.value)
            assert second.fileno() == -1
            assert descriptors() in (None, before - 1 if before else None)

    asyncio.run(run())


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs AF_UNIX")
def test_a_socket_that_is_not_of_tcp(tmp_path: Path) -> None:
    async def run() -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "socket"))
        server = EchoServer(0, ServerSettings(), sockets=[listener])
        await server.start()
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "socket"))
        writer.write(peers.RQ[:50])
        async with asyncio.timeout(peers.PATIENCE):
            while server.counters.bytes_received < 50:
                await _later(0)
        writer.write(peers.RQ[50:])
        assert (await reader.readexactly(6))[0] == peers.ASSOCIATE_AC
        writer.close()
        await writer.wait_closed()
        await server.close(0.0)

    asyncio.run(run())


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_server_that_is_closed_leaves_no_descriptor() -> None:
    async def run() -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            async with serving() as server:
                await aio.verify("127.0.0.1", server.port)
        assert len(os.listdir("/proc/self/fd")) == before

    asyncio.run(run())


def test_a_connection_that_has_ended_is_freed_without_a_search_for_cycles() -> None:
    observers: list[weakref.ref[dcmecho.Observer]] = []

    def observe(_: Peer) -> dcmecho.Observer:
        observer = dcmecho.Observer()
        observers.append(weakref.ref(observer))
        return observer

    async def run() -> None:
        async with serving(observe=observe) as server:
            await aio.verify("127.0.0.1", server.port)
            async with asyncio.timeout(peers.PATIENCE):
                while server.connections:
                    await _later(0)
            await _later(0)
            assert [each() for each in observers] == [None]

    if not poller.is_available:
        pytest.skip("asyncio's transports are its own business")
    gc.disable()
    try:
        asyncio.run(run())
    finally:
        gc.enable()


def test_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def run() -> None:
        async with serving(Recorder(lambda message_id: _later(0) if message_id % 2 else 0)) as server:
            assert (await aio.verify("127.0.0.1", server.port, repeat=5)).ok

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_the_observer_sees_both_directions() -> None:
    class Observer(dcmecho.Observer):
        def __init__(self) -> None:
            self.seen: list[tuple[bool, int]] = []

        def pdu(self, sent: bool, pdu: Any) -> None:
            self.seen.append((sent, pdu.encode()[0]))

    async def run() -> None:
        observer = Observer()
        async with serving(observe=lambda peer: observer) as server:
            await aio.verify("127.0.0.1", server.port)
        assert observer.seen == [(False, 1), (True, 2), (False, 4), (True, 4), (False, 5), (True, 6)]

    asyncio.run(run())
