"""Our transport, seen from both its ends: what asyncio promises a protocol must hold here too."""

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any
from unittest import mock

import pytest

from dcmecho.aio import poller
from dcmecho.aio.poller import Poller
from dcmecho.aio.transport import PolledTransport
from peers import PATIENCE, SmallSocket

pytestmark = pytest.mark.skipif(not poller.is_available, reason="needs epoll")

MUCH = b"0123456789abcdef" * 65536
"""More than the buffers between two sockets hold."""


def asynchronous(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


class Recorder(asyncio.Protocol):
    """Keeps the calls, and does what `on` says when one comes."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.received = b""
        self.lost_with: Exception | None = None
        self.on: dict[str, Callable[[], object]] = {}
        self._changed = asyncio.Event()

    def _called(self, name: str) -> object:
        self.calls.append(name)
        self._changed.set()
        return self.on.get(name, lambda: None)()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._called("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._called("data")

    def eof_received(self) -> bool:
        return bool(self._called("eof"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_with = exc
        self._called("lost")

    def pause_writing(self) -> None:
        self._called("pause")

    def resume_writing(self) -> None:
        self._called("resume")

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def called(self, name: str) -> None:
        await self.until(lambda: name in self.calls)


class Pair:
    """A transport with its protocol, and the socket at the other end."""

    def __init__(self, watcher: Poller, ours: socket.socket, theirs: socket.socket) -> None:
        self.protocol = Recorder()
        self.transport = PolledTransport(watcher, ours, ours.getpeername(), self.protocol)
        self.complaints: list[dict[str, Any]] = []
        self._theirs = theirs

    def send(self, data: bytes) -> None:
        self._theirs.sendall(data)

    def hang_up(self) -> None:
        self._theirs.close()

    def reset(self) -> None:
        self._theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._theirs.close()

    async def receives(self, size: int | None = None) -> bytes:
        """Return that much of what comes to the peer, or all until the end."""
        loop, data = asyncio.get_running_loop(), b""
        self._theirs.setblocking(False)
        async with asyncio.timeout(PATIENCE):
            while size is None or len(data) < size:
                piece = await loop.sock_recv(self._theirs, 65536 if size is None else size - len(data))
                if not piece:
                    break
                data += piece
        return data


@asynccontextmanager
async def paired(*, starts: bool = True) -> AsyncIterator[Pair]:
    """A connection with small buffers. After the test it is aborted: nothing of it may be left, nor a complaint that
    the test has not taken."""
    loop = asyncio.get_running_loop()
    watcher = Poller(loop)
    with SmallSocket() as listener, SmallSocket() as theirs:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        theirs.connect(listener.getsockname())
        ours, _ = listener.accept()
        ours.setblocking(False)
        pair = Pair(watcher, ours, theirs)
        loop.set_exception_handler(lambda _, context: pair.complaints.append(context))
        if starts:
            pair.transport.start()
        yield pair
        pair.transport.abort()
        await pair.protocol.called("lost")
        await asyncio.sleep(0)
    assert not pair.complaints
    assert ours.fileno() == -1
    assert pair.protocol.calls.count("lost") == 1
    assert pair.protocol.calls[-1] == "lost"
    assert not watcher._callbacks
    watcher.close()


@asynchronous
async def test_bytes_go_both_ways() -> None:
    async with paired() as pair:
        assert pair.transport.get_extra_info("peername")[0] == "127.0.0.1"
        assert isinstance(pair.transport.get_extra_info("socket"), socket.socket)
        pair.send(b"question")
        await pair.protocol.until(lambda: pair.protocol.received == b"question")
        pair.transport.write(b"answer")
        assert await pair.receives(6) == b"answer"
        assert pair.protocol.calls[0] == "made"


@asynchronous
async def test_what_the_peer_does_not_read_waits_in_its_order() -> None:
    async with paired() as pair:
        pair.transport.write(MUCH)
        assert pair.transport.get_write_buffer_size() > 0
        pair.transport.write(b"the end")
        assert await pair.receives(len(MUCH) + 7) == MUCH + b"the end"
        assert pair.transport.get_write_buffer_size() == 0


@asynchronous
async def test_the_protocol_hears_when_too_much_waits_and_when_it_has_gone() -> None:
    async with paired() as pair:
        pair.transport.set_write_buffer_limits(1000)
        left: list[int] = []
        pair.protocol.on["resume"] = lambda: left.append(pair.transport.get_write_buffer_size())
        pair.transport.write(MUCH)
        pair.transport.write(MUCH)
        assert pair.protocol.calls == ["made", "pause"]
        await pair.receives(2 * len(MUCH))
        await pair.protocol.called("resume")
        assert pair.protocol.calls == ["made", "pause", "resume"]
        assert left[0] <= 250


@asynchronous
async def test_a_little_that_waits_pauses_nobody() -> None:
    async with paired() as pair:
        pair.transport.set_write_buffer_limits(2 * len(MUCH))
        pair.transport.write(MUCH)
        await pair.receives(len(MUCH))
        assert pair.protocol.calls == ["made"]


@asynchronous
async def test_closing_writes_what_waits_and_reads_no_more() -> None:
    async with paired() as pair:
        pair.transport.write(MUCH)
        pair.transport.close()
        assert pair.transport.is_closing()
        assert not pair.transport.is_reading()
        pair.send(b"too late")
        assert await pair.receives(len(MUCH)) == MUCH
        await pair.protocol.called("lost")
        assert pair.protocol.lost_with is None
        assert pair.protocol.received == b""


@asynchronous
async def test_the_end_is_told_after_the_call_that_brings_it() -> None:
    async with paired() as pair:
        pair.transport.close()
        pair.transport.close()
        assert pair.protocol.calls == ["made"]
        await pair.protocol.called("lost")


@asynchronous
async def test_an_abort_writes_nothing_more() -> None:
    async with paired() as pair:
        pair.transport.write(MUCH)
        pair.transport.abort()
        await pair.protocol.called("lost")
        pair.transport.write(b"after the end")
        assert len(await pair.receives()) < len(MUCH)


@asynchronous
async def test_the_end_of_the_peers_bytes_closes() -> None:
    async with paired() as pair:
        pair.send(b"last")
        pair.hang_up()
        await pair.protocol.called("lost")
        assert (pair.protocol.received, pair.protocol.calls[-2:]) == (b"last", ["eof", "lost"])


@asynchronous
async def test_a_protocol_may_go_on_writing_after_the_peers_end() -> None:
    async with paired() as pair:
        pair.protocol.on["eof"] = lambda: True
        pair._theirs.shutdown(socket.SHUT_WR)
        await pair.protocol.called("eof")
        pair.transport.write(b"still here")
        assert await pair.receives(10) == b"still here"
        assert pair.protocol.calls == ["made", "eof"]


@asynchronous
async def test_our_end_goes_behind_what_waits() -> None:
    async with paired() as pair:
        assert pair.transport.can_write_eof()
        pair.transport.write(MUCH)
        pair.transport.write_eof()
        assert await pair.receives() == MUCH
        pair.send(b"heard")
        await pair.protocol.until(lambda: pair.protocol.received == b"heard")


@asynchronous
async def test_our_end_goes_at_once_if_nothing_waits() -> None:
    async with paired() as pair:
        pair.transport.write_eof()
        assert await pair.receives() == b""


@asynchronous
async def test_a_reset_is_told() -> None:
    async with paired() as pair:
        pair.reset()
        await pair.protocol.called("lost")
        assert isinstance(pair.protocol.lost_with, ConnectionResetError)


@asynchronous
async def test_writing_to_who_has_gone_is_told() -> None:
    async with paired() as pair:
        pair.transport.pause_reading()
        pair.reset()
        pair.transport.write(b"x")
        await pair.protocol.called("lost")
        assert isinstance(pair.protocol.lost_with, ConnectionError)


@asynchronous
async def test_going_while_much_waits_is_told() -> None:
    async with paired() as pair:
        pair.transport.pause_reading()
        pair.transport.write(MUCH)
        pair.reset()
        await pair.protocol.called("lost")
        assert isinstance(pair.protocol.lost_with, ConnectionError)


@asynchronous
async def test_nothing_is_read_while_reading_is_paused() -> None:
    async with paired() as pair:
        pair.transport.pause_reading()
        assert not pair.transport.is_reading()
        pair.send(b"later")
        pair.hang_up()
        for _ in range(20):
            await asyncio.sleep(0)
        assert pair.protocol.calls == ["made"]
        assert not pair.transport._poller._callbacks, "it would be woken for nothing, again and again"
        pair.transport.resume_reading()
        await pair.protocol.called("lost")
        assert pair.protocol.received == b"later"


@pytest.mark.parametrize("name", ["made", "data", "eof", "pause", "resume"])
def test_a_protocol_that_fails_loses_its_connection_and_the_loop_is_told(name: str) -> None:
    async def run() -> None:
        async with paired(starts=False) as pair:

            def fail() -> None:
                raise RuntimeError("a fault")

            pair.protocol.on[name] = fail
            if name in ("pause", "resume"):
                pair.protocol.on["data"] = lambda: pair.transport.write(2 * MUCH)
            pair.transport.start()
            if name != "made":
                pair.send(b"x")
            if name == "eof":
                pair._theirs.shutdown(socket.SHUT_WR)
            if name == "resume":
                await pair.receives(2 * len(MUCH) - 1)
            await pair.protocol.called("lost")
            complaint = pair.complaints.pop()
            assert str(complaint["exception"]) == "a fault"
            assert complaint["protocol"] is pair.protocol

    asyncio.run(run())


@asynchronous
async def test_a_cancellation_that_a_protocol_lets_through_ends_its_connection() -> None:
    async with paired() as pair:

        def cancel() -> None:
            raise asyncio.CancelledError

        pair.protocol.on["data"] = cancel
        pair.send(b"x")
        await pair.protocol.called("lost")
        assert isinstance(pair.complaints.pop()["exception"], asyncio.CancelledError)


@asynchronous
async def test_no_memory_to_read_into_ends_the_connection_instead_of_trying_for_ever() -> None:
    async with paired() as pair:
        pair.transport._receive = mock.Mock(side_effect=MemoryError)
        pair.send(b"x")
        await pair.protocol.called("lost")
        assert isinstance(pair.complaints.pop()["exception"], MemoryError)


@asynchronous
async def test_a_connection_that_cannot_be_watched_is_let_go() -> None:
    async with paired(starts=False) as pair:
        with mock.patch.object(Poller, "watch", side_effect=OSError(errno.ENOSPC, "no more watches")):
            pair.transport.start()
        await pair.protocol.called("lost")
        assert str(pair.protocol.lost_with).endswith("no more watches")


@asynchronous
async def test_one_that_cannot_be_watched_again_is_let_go_whoever_asked_for_it() -> None:
    async with paired() as pair:
        pair.transport.pause_reading()
        with mock.patch.object(Poller, "watch", side_effect=OSError(errno.ENOSPC, "no more watches")):
            pair.transport.resume_reading()
        await pair.protocol.called("lost")


@asynchronous
async def test_a_protocol_may_close_at_once() -> None:
    async with paired(starts=False) as pair:
        pair.protocol.on["made"] = pair.transport.close
        pair.send(b"x")
        pair.transport.start()
        await pair.protocol.called("lost")
        assert pair.protocol.calls == ["made", "lost"]


@asynchronous
async def test_who_is_forgotten_is_not_called_though_it_was_ready_in_the_same_turn() -> None:
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    complaints: list[object] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    watcher, calls = Poller(loop), []
    ours, theirs = zip(socket.socketpair(), socket.socketpair(), strict=True)

    def ready(number: int) -> None:
        calls.append(number)
        called.set()
        watcher.forget(ours[1 - number].fileno())

    watcher.watch(ours[0].fileno(), poller.READABLE, lambda _: ready(0))
    watcher.watch(ours[1].fileno(), poller.READABLE, lambda _: ready(1))
    for each in theirs:
        each.send(b"x")
    async with asyncio.timeout(PATIENCE):
        await called.wait()
    assert (len(calls), complaints) == (1, [])
    watcher.forget(ours[calls[0]].fileno())
    watcher.close()
    for each in (*ours, *theirs):
        each.close()
