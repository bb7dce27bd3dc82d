"""The server for synchronous code: `dcmecho.aio.server` in a thread of its own."""

import asyncio
import threading

from .aio.server import EchoServer
from .server_settings import ServerSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, Unpack

    from .counters import Counters
    from .server_settings import ServerOptions


def serve(port: int = 0, **options: "Unpack[ServerOptions]") -> "ThreadedEchoServer":
    """Return a Verification server that works in a thread, as a context manager::

        with dcmecho.serve(bind_address="127.0.0.1") as server:
            dcmecho.verify("127.0.0.1", server.port)

    Port 0 takes a free one. The other arguments are those of `dcmecho.ServerSettings`; the handler's methods are called
    in the server's thread. Leaving the context aborts the associations that stand.
    """
    return ThreadedEchoServer(port, ServerSettings(**options))


class ThreadedEchoServer:
    """Serves from `start` to `stop` in a thread. `port` is the one it listens on, once started."""

    def __init__(self, port: int, settings: ServerSettings) -> None:
        self._server = EchoServer(port, settings)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failure: BaseException | None = None

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def counters(self) -> "Counters":
        """What has been done since the start, and the associations that stand."""
        return self._server.counters

    def __enter__(self) -> "Self":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to serve. LocalError if the port cannot be had, or TLS not be set up."""
        is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(is_ready)), name="dcmecho-server")
        self._thread.start()
        is_ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self) -> None:
        """Abort the associations that stand and end the thread. Nothing happens if it has ended already."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    async def _serve(self, is_ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            await self._server.start()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._failure = error
            return
        finally:
            is_ready.set()
        await self._stop.wait()
        await self._server.close(grace=0.0)
