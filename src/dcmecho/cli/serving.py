"""Serves on an event loop until it is told to stop: what every process of echoscp that serves does."""

import asyncio
import os
import signal

from dcmecho.errors import UsageError, VerificationError
from dcmecho.text import escape

from .log import ERROR, INFO, SECURITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dcmecho.aio.server import EchoServer

    from .journal import Journal
    from .metrics import Responder

GRACE = 5.0
"""Seconds that open associations get to end by themselves when the server is told to stop."""

MAX_DESCRIPTORS = 1_048_576
"""Descriptors that are asked for at most: some systems allow a thousand times more, and reserve memory for each."""


def raise_descriptor_limit() -> None:
    """Let this process have as many connections as the system allows: the usual 1024 are for programs with select()."""
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            pass  # it serves as many as it may


class Troubles:
    """Lets few complaints through: without descriptors or memory an event loop has no end of them."""

    MOST = 8
    """Different ones in a second; each of them once."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def are_to_be_told(self, text: str, now: float) -> bool:
        """Tell whether a complaint is to be written. `now` is in seconds of any monotonic clock."""
        self._told = {each: at for each, at in self._told.items() if now < at + 1.0}
        if text in self._told or len(self._told) >= self.MOST:
            return False
        self._told[text] = now
        return True


class Service:
    """A server from its start to its end, with what is done meanwhile.

    `on_ready` is called once it serves and after each reload, `on_reload` before one, `on_stopping` when it begins to
    end; `on_alive`, if there is one, every `alive_interval` seconds as long as the loop turns.
    """

    def __init__(self, server: "EchoServer", journal: "Journal") -> None:
        self.server = server
        self.journal = journal
        self.on_ready: Callable[[], None] = _nothing
        self.on_reload: Callable[[], None] = _nothing
        self.on_stopping: Callable[[], None] = _nothing
        self.on_alive: Callable[[], None] | None = None
        self.alive_interval = 0.0
        self.responder: Responder | None = None
        self.prepare: Callable[[asyncio.AbstractEventLoop], None] = _nothing_of_the_loop
        self._troubles = Troubles()
        self._is_stopping = asyncio.Event()
        self._is_hurried = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping.is_set()

    def stop(self) -> None:
        """No new associations; those that stand get `GRACE` seconds."""
        self._is_stopping.set()

    def hurry(self) -> None:
        """End what stands now."""
        self._is_stopping.set()
        self._is_hurried.set()

    def stop_or_hurry(self) -> None:
        """What SIGINT and SIGTERM do: the first stops, the second ends the grace."""
        if self.is_stopping:
            self.hurry()
        self.stop()

    def reload(self) -> None:
        """Take the new key, certificates and revocation lists, or keep the old if the new are not good."""
        self.on_reload()
        if self.server.tls is not None:
            self._reload_tls()
        self.on_ready()

    def _reload_tls(self) -> None:
        try:
            self.server.load_tls()
        except (VerificationError, UsageError) as error:
            text = f"TLS files not reloaded, the old ones stay in force: {error}"
            self.journal.tell(ERROR, "tls-not-reloaded", text, SECURITY)
        else:
            self.journal.tell(INFO, "tls-reloaded", "TLS files reloaded", SECURITY)
            self._tell_tls_warnings()

    def _tell_tls_warnings(self) -> None:
        for warning in self.server.tls.warnings if self.server.tls else ():
            self.journal.log.warn(escape(warning), SECURITY)

    def handle_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the usual signals have their effect on this process."""
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self.stop_or_hurry)
            except (NotImplementedError, RuntimeError):
                pass  # Windows: Ctrl-C raises KeyboardInterrupt instead
        self.handle_requests(loop)

    def handle_requests(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let SIGHUP reload and SIGUSR1 tell the counters, where there are such signals."""
        if os.name == "posix":
            loop.add_signal_handler(signal.SIGHUP, self.reload)
            loop.add_signal_handler(signal.SIGUSR1, lambda: self.journal.count(self.server.counters))

    async def run(self) -> None:
        """Start, serve, and end in order. LocalError if it cannot start."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self._tell_trouble(loop, _loop_trouble(context)))
        self.prepare(loop)
        try:
            await self.server.start()
            if self.responder is not None:
                await self.responder.start()
            self._tell_tls_warnings()
            self._stay_alive(loop)
            self.on_ready()
            await self._is_stopping.wait()
            self.on_stopping()
            closing = asyncio.ensure_future(self.server.close(GRACE))
            hurried = asyncio.ensure_future(self._is_hurried.wait())
            await asyncio.wait((closing, hurried), return_when=asyncio.FIRST_COMPLETED)
            if not closing.done():
                await self.server.close(0.0)
            hurried.cancel()
            await closing
        finally:
            await self.server.close(0.0)
            if self.responder is not None:
                self.responder.close()

    def _stay_alive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give signs of life from the event loop itself: if it is stuck, they stop."""
        if self.on_alive is not None:
            self.on_alive()
            loop.call_later(self.alive_interval, self._stay_alive, loop)

    def _tell_trouble(self, loop: asyncio.AbstractEventLoop, text: str) -> None:
        """Write what the loop complains of."""
        if self._troubles.are_to_be_told(text, loop.time()):
            self.journal.log.error(text)


def _nothing() -> None:
    pass


def _nothing_of_the_loop(_: asyncio.AbstractEventLoop) -> None:
    pass


def _loop_trouble(context: "dict[str, object]") -> str:
    """Return what the event loop complains of, in one line."""
    text, error = str(context.get("message", "trouble in the event loop")), context.get("exception")
    return escape(f"{text}: {type(error).__name__}: {error}" if error else text)
