"""The command `echoscp`: answer echo requests until told to stop."""

import asyncio
import os
import signal
import sys

from dcmecho.acceptor import (
    ABORTED_BY_PEER,
    CONNECTION_LOST,
    IDLE_TIMEOUT,
    NEVER_ASSOCIATED,
    SHUTDOWN,
)
from dcmecho.aio.server import EchoServer
from dcmecho.errors import UsageError, VerificationError
from dcmecho.handler import Handler, Peer
from dcmecho.requestor import rejection_text
from dcmecho.server_settings import ServerSettings
from dcmecho.text import escape, quote
from dcmecho.uids import (
    ACCEPTABLE_TRANSFER_SYNTAXES,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

from . import exit_codes
from .common import say, understand
from .log import DEBUG, INFO, SECURITY, WARN, Log, failure_line, open_log
from .table_scp import ECHOSCP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dcmecho.association import Observer
    from dcmecho.pdu import AssociateRJ

    from .grammar import Arguments

GRACE = 5.0
"""Seconds that open associations get to end by themselves when the server is told to stop."""

_EVERYDAY = frozenset({ABORTED_BY_PEER, CONNECTION_LOST, IDLE_TIMEOUT, NEVER_ASSOCIATED, SHUTDOWN})
"""Ends that need nobody's attention."""


def main(words: "list[str] | None" = None) -> int:
    """Run echoscp with the words of a command line (those of the process by default); return the exit code."""
    arguments = understand(ECHOSCP, words)
    if isinstance(arguments, int):
        return arguments
    log = Log("echoscp")
    try:
        log = open_log("echoscp", arguments.text("log_level"), arguments.optional_text("log_config"))
        if arguments.given("verify_cert") or arguments.given("is_root_cert"):
            from .offline import check_offline

            return check_offline(arguments, log)
        server = EchoServer(arguments.number("port"), _settings(arguments, log))
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(server, arguments, log))
    except UsageError as error:
        say(f"echoscp: {error}", sys.stderr)
        return exit_codes.USAGE
    except VerificationError as error:
        log.fatal(failure_line(error))
        return exit_codes.exit_code(error)
    except KeyboardInterrupt:
        pass  # only where signals cannot be handled in the loop (Windows)
    return exit_codes.OK


def _loop_factory() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """uvloop's event loop where it is installed, else the standard library's."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def transfer_syntaxes(prefer: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the transfer syntaxes that are accepted, and those that are preferred, for `-x=`, `-xe`, `-xb`, `-xi`."""
    local, other = EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN
    if sys.byteorder == "big":
        local, other = other, local
    preferred = {
        "uncompressed": (local, other, IMPLICIT_VR_LITTLE_ENDIAN),
        "explicit-little": (EXPLICIT_VR_LITTLE_ENDIAN,),
        "explicit-big": (EXPLICIT_VR_BIG_ENDIAN,),
    }
    if prefer == "implicit-little":
        return (IMPLICIT_VR_LITTLE_ENDIAN,), ()
    return ACCEPTABLE_TRANSFER_SYNTAXES, preferred.get(prefer, ())


def _settings(arguments: "Arguments", log: Log) -> ServerSettings:
    accepted, preferred = transfer_syntaxes(arguments.text("prefer"))
    tls = None
    if arguments.text("transport") != "plain":
        from .tls_setup import configuration, seed

        seed(arguments, log)
        tls = configuration(arguments)
    return ServerSettings(
        ae_title=arguments.text("ae_title"),
        bind_address=arguments.optional_text("bind_address"),
        handler=_LoggingHandler(log),
        transfer_syntaxes=accepted,
        preferred_transfer_syntaxes=preferred,
        max_pdu=arguments.number("max_pdu"),
        require_called_ae_title=arguments.flag("require_called_ae_title"),
        calling_ae_titles=arguments.all("calling_ae_titles") or None,
        acse_timeout=arguments.seconds("acse_timeout") or 30.0,
        dimse_timeout=arguments.seconds("dimse_timeout"),
        network_timeout=arguments.seconds("network_timeout"),
        tls=tls,
        observe=_observe(log),
    )


def _observe(log: Log) -> "Callable[[Peer], Observer] | None":
    if not log.is_enabled(DEBUG):
        return None
    from .dictionary import load
    from .dump import Dumper

    dictionary = load(os.environ)
    return lambda peer: Dumper(log, dictionary, f"Peer {_where(peer)}")


async def _serve(server: EchoServer, arguments: "Arguments", log: Log) -> None:
    """Serve until SIGINT or SIGTERM; a second one ends the grace."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: log.error(_loop_trouble(context)))
    stops: asyncio.Queue[None] = asyncio.Queue()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stops.put_nowait, None)
        except (NotImplementedError, RuntimeError):
            pass  # Windows: Ctrl-C raises KeyboardInterrupt instead
    await server.start()
    _tell_tls_warnings(server, log)
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, _reload, server, log)
    if arguments.number("port") == 0:
        say(f"Listening on port {server.port}", sys.stdout)
    log.info(f"Listening on port {server.port} as {quote(arguments.text('ae_title'))}")
    try:
        await stops.get()
        log.info("Stopping")
        closing = asyncio.ensure_future(server.close(GRACE))
        again = asyncio.ensure_future(stops.get())
        await asyncio.wait((closing, again), return_when=asyncio.FIRST_COMPLETED)
        if not closing.done():
            await server.close(0.0)
        again.cancel()
        await closing
    finally:
        await server.close(0.0)


def _tell_tls_warnings(server: EchoServer, log: Log) -> None:
    for warning in server.tls.warnings if server.tls else ():
        log.warn(escape(warning), SECURITY)


def _reload(server: EchoServer, log: Log) -> None:
    """SIGHUP: take the new key, certificates and revocation lists, or keep the old if the new are not good."""
    if server.tls is None:
        return
    try:
        server.load_tls()
    except (VerificationError, UsageError) as error:
        log.error(f"TLS files not reloaded, the old ones stay in force: {error}", SECURITY)
    else:
        log.info("TLS files reloaded", source=SECURITY)
        _tell_tls_warnings(server, log)


def _loop_trouble(context: "dict[str, object]") -> str:
    """Return what the event loop complains of, in one line."""
    text, error = str(context.get("message", "trouble in the event loop")), context.get("exception")
    return escape(f"{text}: {type(error).__name__}: {error}" if error else text)


def _where(peer: Peer) -> str:
    address = escape(peer.address)
    return f"[{address}]:{peer.port}" if ":" in address else f"{address}:{peer.port}"


class _LoggingHandler(Handler):
    """Writes the log of echoscp."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tells_steps = log.is_enabled(INFO)

    def accepted(self, peer: Peer) -> None:
        if self._tells_steps:
            self._log.info("Accepting Association")
            version = f", {escape(peer.implementation_version_name)}" if peer.implementation_version_name else ""
            self._log.info(
                f"from {_where(peer)}, calling AE title {quote(peer.calling_ae_title)}, "
                f"called AE title {quote(peer.called_ae_title)}{version}"
            )
            if peer.tls is not None:
                from .tls_text import details_lines

                self._log.info("\n".join(details_lines(peer.tls)), SECURITY)
        for warning in peer.tls["warnings"] if peer.tls is not None else ():
            self._log.warn(f"{_where(peer)}: {escape(warning)}", SECURITY)

    def rejected(self, peer: Peer, rejection: "AssociateRJ") -> None:
        self._log.warn(
            f"Association from {_where(peer)} {rejection_text(rejection)}; calling AE title "
            f"{quote(peer.calling_ae_title)}, called AE title {quote(peer.called_ae_title)}"
        )

    def echoed(self, peer: Peer, message_id: int, status: int) -> None:
        if self._tells_steps:
            self._log.info(f"Received Echo Request (MsgID {message_id})")

    def released(self, peer: Peer) -> None:
        self._log.info("Association Released")

    def aborted(self, peer: Peer, outcome: str, detail: str) -> None:
        self._log.info("Association Aborted")
        self._tell_end("Association", peer, outcome, detail)

    def dropped(self, peer: Peer, outcome: str, detail: str) -> None:
        self._tell_end("Connection", peer, outcome, detail)

    def _tell_end(self, what: str, peer: Peer, outcome: str, detail: str) -> None:
        level = INFO if outcome in _EVERYDAY else WARN
        self._log.write(level, f"{what} from {_where(peer)} ended ({outcome}): {escape(detail)}")
