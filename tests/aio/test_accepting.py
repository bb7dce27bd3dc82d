"""Accepting with our poller: what the system refuses comes back, and a way in that is closed stays closed."""

import asyncio
import errno
import socket
import struct
from collections.abc import Coroutine
from typing import Any

import pytest

from dcmecho.aio import accepting, poller
from dcmecho.aio.accepting import PollerAccepting
from peers import PATIENCE

pytestmark = pytest.mark.skipif(not poller.is_available, reason="needs epoll")


class Listener(socket.socket):
    """Accepts only after it has raised what there is to raise."""

    def __init__(self, *errors: BaseException) -> None:
        super().__init__()
        self.bind(("127.0.0.1", 0))
        self.errors = list(errors)
        self.is_tried = asyncio.Event()

    def accept(self) -> tuple[socket.socket, Any]:
        self.is_tried.set()
        if self.errors:
            raise self.errors.pop(0)
        return super().accept()


class Greeter(asyncio.Protocol):
    """Says hello and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


async def greeting(address: Any) -> bytes:
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(*address)
        try:
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


def run(body: Coroutine[Any, Any, None]) -> list[str]:
    """Run on a loop of its own; return what the loop was told to complain of."""
    complaints: list[str] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(f"{context['message']} {context.get('exception', '')}".strip())
        )
        await body

    asyncio.run(watched())
    return complaints


TROUBLE = [
    (OSError(errno.EMFILE, "x"), "connections cannot be accepted, trying again in 0.01 s: Too many open files"),
    (OSError(errno.ENOBUFS, "x"), "connections cannot be accepted, trying again in 0.01 s: No buffer space available"),
    (MemoryError(), "connections cannot be accepted, trying again in 0.01 s: out of memory"),
]


@pytest.mark.parametrize(("error", "text"), TROUBLE)
def test_what_the_system_lacks_is_told_and_waited_for(
    error: BaseException, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "_PAUSE", 0.01)

    async def body() -> None:
        ways_in = PollerAccepting(asyncio.get_running_loop(), Greeter)
        listener = Listener(error, error)
        pause = ways_in._pause

        def watched(paused: socket.socket, why: OSError | MemoryError) -> None:
            pause(paused, why)
            assert not ways_in._poller._callbacks, "it would be tried again at once, for ever"

        monkeypatch.setattr(ways_in, "_pause", watched)
        await ways_in.listen(listener)
        assert await greeting(listener.getsockname()) == b"hello"
        await ways_in.stop()
        ways_in.close()

    assert run(body()) == [text, text]


def test_a_listener_that_cannot_be_watched_again_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "_PAUSE", 0.01)
    errors = [OSError(errno.ENOSPC, "x")]

    async def body() -> None:
        ways_in = PollerAccepting(asyncio.get_running_loop(), Greeter)
        watch = ways_in._poller.watch

        def refuses_once(descriptor: int, events: int, callback: Any) -> None:
            if errors:
                raise errors.pop()
            watch(descriptor, events, callback)

        monkeypatch.setattr(ways_in._poller, "watch", refuses_once)
        listener = Listener()
        await ways_in.listen(listener)
        assert await greeting(listener.getsockname()) == b"hello"
        await ways_in.stop()
        ways_in.close()

    assert run(body()) == ["connections cannot be accepted, trying again in 0.01 s: No space left on device"]


@pytest.mark.parametrize("error", [BlockingIOError(), InterruptedError(), ConnectionAbortedError()])
def test_who_has_gone_again_is_no_trouble(error: OSError) -> None:
    async def body() -> None:
        ways_in = PollerAccepting(asyncio.get_running_loop(), Greeter)
        listener = Listener(error)
        await ways_in.listen(listener)
        assert await greeting(listener.getsockname()) == b"hello"
        await ways_in.stop()
        ways_in.close()

    assert run(body()) == []


def test_a_way_in_can_be_closed_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "_PAUSE", 0.01)

    async def body() -> None:
        loop = asyncio.get_running_loop()
        ways_in = PollerAccepting(loop, Greeter)
        listener = Listener(OSError(errno.EMFILE, "x"))
        await ways_in.listen(listener)
        address = listener.getsockname()
        with socket.create_connection(address):
            async with asyncio.timeout(PATIENCE):
                await listener.is_tried.wait()
            await ways_in.stop()
        ways_in.close()
        assert listener.fileno() == -1
        is_past = asyncio.Event()
        loop.call_later(0.02, is_past.set)
        await is_past.wait()
        with pytest.raises(ConnectionRefusedError):
            await greeting(address)

    assert len(run(body())) == 1


def test_who_cannot_be_served_is_let_go_and_the_next_is_served() -> None:
    made: list[asyncio.Protocol] = []

    def make() -> asyncio.Protocol:
        made.append(Greeter())
        if len(made) == 1:
            raise MemoryError("no room")
        return made[-1]

    async def body() -> None:
        ways_in = PollerAccepting(asyncio.get_running_loop(), make)
        listener = Listener()
        await ways_in.listen(listener)
        assert await greeting(listener.getsockname()) == b""
        assert await greeting(listener.getsockname()) == b"hello"
        await ways_in.stop()
        ways_in.close()

    assert run(body()) == ["a connection cannot be served no room"]


def test_a_connection_that_has_gone_can_be_adopted() -> None:
    lost = asyncio.Event()

    class Keeper(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert transport.get_extra_info("peername") is None

        def connection_lost(self, exc: Exception | None) -> None:
            lost.set()

    async def body() -> None:
        ways_in = PollerAccepting(asyncio.get_running_loop(), Keeper)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            connection, _ = listener.accept()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            await ways_in.adopt(connection)
        async with asyncio.timeout(PATIENCE):
            await lost.wait()
        ways_in.close()

    assert run(body()) == []


def test_nobody_is_accepted_once_it_is_closed() -> None:
    async def body() -> None:
        ways_in = PollerAccepting(asyncio.get_running_loop(), Greeter)
        listeners = [Listener(), Listener()]
        addresses = []
        for listener in listeners:
            await ways_in.listen(listener)
            addresses.append(listener.getsockname())
        assert [await greeting(address) for address in addresses] == [b"hello", b"hello"]
        await ways_in.stop()
        ways_in.close()
        for address in addresses:
            with pytest.raises(ConnectionRefusedError):
                await greeting(address)

    assert run(body()) == []


def test_connections_send_small_pdus_at_once() -> None:
    """Nagle's algorithm would hold a response back until the one before it is acknowledged."""

    async def body() -> None:
        loop = asyncio.get_running_loop()
        transports: asyncio.Queue[asyncio.BaseTransport] = asyncio.Queue()

        class Keeper(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                transports.put_nowait(transport)

        ways_in = PollerAccepting(loop, Keeper)
        listener = Listener()
        await ways_in.listen(listener)
        with (
            socket.create_connection(listener.getsockname()),
            socket.create_server(("127.0.0.1", 0)) as other,
            socket.create_connection(other.getsockname()),
        ):
            await ways_in.adopt(other.accept()[0])
            for _ in range(2):
                async with asyncio.timeout(PATIENCE):
                    transport = await transports.get()
                connection = transport.get_extra_info("socket")
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert connection.gettimeout() == 0.0
                assert isinstance(transport, asyncio.Transport)
                transport.abort()
            await asyncio.sleep(0)
        await ways_in.stop()
        ways_in.close()

    assert run(body()) == []
