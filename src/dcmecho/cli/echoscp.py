"""The command `echoscp`: answer echo requests until told to stop."""

import asyncio
import os
import socket
import sys
import time

from dcmecho.aio.server import EchoServer
from dcmecho.errors import UsageError, VerificationError
from dcmecho.listening import listening_sockets
from dcmecho.server_settings import ServerSettings
from dcmecho.text import quote
from dcmecho.uids import (
    ACCEPTABLE_TRANSFER_SYNTAXES,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

from . import exit_codes
from .common import say, understand
from .journal import Journal, where
from .log import DEBUG, INFO, LEVELS, Log, failure_line, open_log
from .serving import GRACE, Service, raise_descriptor_limit
from .table_scp import ECHOSCP, is_activated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dcmecho.association import Observer
    from dcmecho.counters import Counters
    from dcmecho.handler import Peer
    from dcmecho.tls.configuration import TLSConfiguration

    from .grammar import Arguments
    from .metrics import Pages
    from .workers import Parent, Worker

__all__ = ["GRACE", "main", "transfer_syntaxes"]


def main(words: "list[str] | None" = None) -> int:
    """Run echoscp with the words of a command line (those of the process by default); return the exit code."""
    words = sys.argv[1:] if words is None else words
    arguments = understand(ECHOSCP, words)
    if isinstance(arguments, int):
        return arguments
    log = Log("echoscp")
    try:
        log, journal = _open_log(arguments)
        if arguments.given("verify_cert") or arguments.given("is_root_cert"):
            from .offline import check_offline

            return check_offline(arguments, log)
        _Run(arguments, journal).execute()
    except UsageError as error:
        say(f"echoscp: {error}", sys.stderr)
        return exit_codes.USAGE
    except VerificationError as error:
        log.fatal(failure_line(error))
        return exit_codes.exit_code(error)
    except KeyboardInterrupt:
        pass  # only where signals cannot be handled in the loop (Windows)
    return exit_codes.OK


def _open_log(arguments: "Arguments") -> tuple[Log, Journal]:
    level, config = arguments.text("log_level"), arguments.optional_text("log_config")
    if arguments.text("log_format") == "text":
        log = open_log("echoscp", level, config)
        return log, Journal(log)
    if config is not None:
        raise UsageError("option --log-format: json contradicts -lc (--log-config)")
    from .json_log import JsonJournal, JsonLog

    json_log = JsonLog("echoscp", LEVELS[level])
    return json_log, JsonJournal(json_log)


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


def _settings(arguments: "Arguments", journal: Journal, tls: "TLSConfiguration | None") -> ServerSettings:
    accepted, preferred = transfer_syntaxes(arguments.text("prefer"))
    return ServerSettings(
        ae_title=arguments.text("ae_title"),
        bind_address=arguments.optional_text("bind_address"),
        handler=journal,
        transfer_syntaxes=accepted,
        preferred_transfer_syntaxes=preferred,
        max_pdu=arguments.number("max_pdu"),
        require_called_ae_title=arguments.flag("require_called_ae_title"),
        calling_ae_titles=arguments.all("calling_ae_titles") or None,
        allow_from=arguments.all("allow_from") or None,
        acse_timeout=arguments.seconds("acse_timeout") or 30.0,
        dimse_timeout=arguments.seconds("dimse_timeout"),
        network_timeout=arguments.seconds("network_timeout"),
        max_associations=_optional_number(arguments, "max_associations"),
        max_associations_per_host=_optional_number(arguments, "max_associations_per_host"),
        max_association_pdu=arguments.number("max_association_pdu"),
        max_message_length=arguments.number("max_message_length"),
        max_pending_output=arguments.number("max_pending_output"),
        tls=tls,
        observe=_observe(journal.log),
    )


def _observe(log: Log) -> "Callable[[Peer], Observer] | None":
    if not log.is_enabled(DEBUG):
        return None
    from .dictionary import load
    from .dump import Dumper

    dictionary = load(os.environ)
    return lambda peer: Dumper(log, dictionary, f"Peer {where(peer)}")


def _optional_number(arguments: "Arguments", key: str) -> int | None:
    return arguments.number(key) if arguments.given(key) else None


def _port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


class _Run:
    """One run: what is listened on, by how many processes, and who is told of it."""

    def __init__(self, arguments: "Arguments", journal: Journal) -> None:
        self._arguments = arguments
        self._journal = journal
        self._started = time.time()
        self._port = arguments.number("port") if arguments.given("port") else None
        self._sockets: list[socket.socket] = []
        self._inherited: list[socket.socket] = []
        self._metrics: list[socket.socket] = []
        self._notify: Callable[[str], None] = _tell_nobody
        self._watchdog_limit: float | None = None
        self._has_announced = False
        self._tls: TLSConfiguration | None = None
        self._check()
        if arguments.text("transport") != "plain":
            from .tls_setup import configuration, seed

            seed(arguments, journal.log)
            self._tls = configuration(arguments)

    def _check(self) -> None:
        """Refuse options that contradict each other."""
        given = self._arguments.given
        if self._arguments.flag("inetd"):
            surplus = [name for name in ("port", "workers", "metrics_port") if given(name)]
            if surplus:
                what = "the parameter port" if surplus[0] == "port" else f"--{surplus[0].replace('_', '-')}"
                raise UsageError(f"option --inetd: contradicts {what}")
        if given("metrics_address") and not given("metrics_port"):
            raise UsageError("option --metrics-address: needs --metrics-port")
        if self._arguments.number("workers") != 1 and not hasattr(os, "fork"):
            raise UsageError("option --workers: this system has no fork()")

    def execute(self) -> None:
        """Serve until told to stop. LocalError or UsageError if that cannot begin."""
        raise_descriptor_limit()
        try:
            if self._arguments.flag("inetd"):
                self._serve_one_connection()
                return
            self._take_inherited()
            if self._arguments.given("metrics_port"):
                address, port = self._arguments.text("metrics_address"), self._arguments.number("metrics_port")
                self._metrics += listening_sockets(address, port)
            if self._arguments.number("workers") == 1:
                self._serve_alone()
            else:
                self._serve_with_workers()
        finally:
            for each in (*self._sockets, *self._inherited, *self._metrics):
                each.close()

    def _take_inherited(self) -> None:
        """Take what systemd has for us: sockets, and where it wants to hear of us."""
        if is_activated():
            from .systemd import inherited_sockets

            self._inherited, self._metrics = inherited_sockets(os.environ)
            if not self._inherited and self._port is None:
                raise UsageError("missing parameter: port (the sockets from systemd are for metrics only)")
        if "NOTIFY_SOCKET" in os.environ:
            from .systemd import notifier

            self._notify = notifier(os.environ) or _tell_nobody
        if "WATCHDOG_USEC" in os.environ:
            from .systemd import watchdog_seconds

            self._watchdog_limit = watchdog_seconds(os.environ)

    def _settings(self) -> ServerSettings:
        return _settings(self._arguments, self._journal, self._tls)

    # One process

    def _serve_one_connection(self) -> None:
        from .inetd import OneConnection, inherited_connection

        settings = self._settings()
        connection = inherited_connection()
        self._sockets = [connection]

        def stop() -> None:
            service.stop()

        server = OneConnection(connection, settings, stop)
        service = Service(server, self._journal)
        service.prepare = service.handle_signals
        _run(service)

    def _serve_alone(self) -> None:
        settings = self._settings()
        if self._inherited and self._port is not None:
            self._sockets = listening_sockets(settings.bind_address, self._port)
        sockets = [*self._inherited, *self._sockets]
        server = EchoServer(self._port or 0, settings, sockets=sockets)
        service = Service(server, self._journal)
        service.prepare = service.handle_signals
        service.on_ready = lambda: self._ready([_port_of(each) for each in sockets] or [server.port])
        service.on_reload = self._reloading
        service.on_stopping = self._stopping
        if self._watchdog_limit is not None:
            service.on_alive, service.alive_interval = self._alive, self._watchdog_limit / 2
        if self._metrics:
            from .metrics import Responder

            pages = self._pages(lambda: server.counters, lambda: not service.is_stopping)
            service.responder = Responder(pages, self._metrics)
        _run(service)

    def _pages(
        self,
        counters: "Callable[[], Counters]",
        is_well: "Callable[[], bool]",
        parent: "Parent | None" = None,
    ) -> "Pages":
        from .metrics import Pages, exposition

        def text() -> str:
            if parent is None:
                return exposition(counters(), started=self._started)
            return exposition(counters(), started=self._started, workers=parent.serving, restarts=parent.restarts)

        return Pages(text, is_well)

    # Several processes

    def _serve_with_workers(self) -> None:
        from .workers import Parent, make_workers, processors

        settings = self._settings()
        EchoServer(0, settings).load_tls()  # asks for a password, or fails, once
        listeners = self._listeners(self._arguments.number("workers") or processors(), settings.bind_address)
        self._sockets = [each for every in listeners for each in every]
        ports = [_port_of(each) for each in listeners[0]]
        parent = Parent(make_workers(listeners), self._journal, self._work)
        parent.on_serving = lambda: self._ready(ports)
        parent.on_reload = self._reloading
        parent.on_stopping = self._stopping
        parent.on_alive = self._alive
        parent.watchdog = self._watchdog_limit
        if self._metrics:
            from .metrics import PolledResponder

            pages = self._pages(lambda: parent.counters, lambda: parent.serving > 0 and not parent.is_stopping, parent)
            parent.responder = PolledResponder(pages, self._metrics, parent.watch, parent.unwatch)
        parent.run()

    def _listeners(self, number: int, bind_address: str | None) -> list[list[socket.socket]]:
        """Return what each of so many workers listens on: sockets of its own if connections are spread over them."""
        from .workers import spreads_connections

        port = self._port
        if port is None or self._inherited or not spreads_connections():
            bound = [] if port is None else listening_sockets(bind_address, port)
            return [[*self._inherited, *bound]] * number
        if port:
            # With SO_REUSEPORT a second echoscp would share the port with the first, and nobody would notice.
            for probe in listening_sockets(bind_address, port):
                probe.close()
        first = listening_sockets(bind_address, port, reuse_port=True)
        others = [listening_sockets(bind_address, _port_of(first[0]), reuse_port=True) for _ in range(number - 1)]
        return [first, *others]

    def _work(self, worker: "Worker", channel: socket.socket) -> None:
        """What a worker does, in its process."""
        from .workers import HURRY, RELOAD, SERVING, STOP

        server = EchoServer(0, self._settings(), sockets=worker.listeners, counters=worker.counters)
        service = Service(server, self._journal)
        does = {STOP: service.stop, HURRY: service.hurry, RELOAD: service.reload}
        channel.setblocking(False)

        def hear(loop: asyncio.AbstractEventLoop) -> None:
            words = channel.recv(4096)
            if not words:  # the parent has died
                loop.remove_reader(channel)
                service.stop()
            for number in words:
                does[bytes([number])]()

        def prepare(loop: asyncio.AbstractEventLoop) -> None:
            import signal

            service.handle_requests(loop)
            loop.add_signal_handler(signal.SIGTERM, service.stop)
            loop.add_reader(channel, hear, loop)

        service.prepare = prepare
        service.on_ready = lambda: _send(channel, SERVING)
        if self._watchdog_limit is not None:
            service.on_alive, service.alive_interval = worker.beat, self._watchdog_limit / 4
        _run(service)

    # What is told

    def _ready(self, ports: list[int]) -> None:
        if not self._has_announced:
            self._has_announced = True
            self._announce(list(dict.fromkeys(ports)))
        self._notify("READY=1")

    def _announce(self, ports: list[int]) -> None:
        arguments = self._arguments
        if self._port == 0:
            say(f"Listening on port {ports[-1]}", sys.stdout)
        noun = "port" if len(ports) == 1 else "ports"
        text = f"Listening on {noun} {', '.join(map(str, ports))} as {quote(arguments.text('ae_title'))}"
        self._journal.tell(INFO, "listening", text, ports=ports, ae_title=arguments.text("ae_title"))
        metrics_ports = list(dict.fromkeys([_port_of(each) for each in self._metrics]))
        if metrics_ports:
            if arguments.given("metrics_port") and arguments.number("metrics_port") == 0:
                say(f"Metrics on port {metrics_ports[-1]}", sys.stdout)
            text = f"Metrics on port {', '.join(map(str, metrics_ports))}"
            self._journal.tell(INFO, "metrics", text, ports=metrics_ports)

    def _reloading(self) -> None:
        if self._notify is not _tell_nobody:
            from .systemd import reloading

            self._notify(reloading())

    def _stopping(self) -> None:
        self._notify("STOPPING=1")
        self._journal.tell(INFO, "stopping", "Stopping")

    def _alive(self) -> None:
        self._notify("WATCHDOG=1")


def _run(service: Service) -> None:
    asyncio.run(service.run())


def _send(channel: socket.socket, word: bytes) -> None:
    try:
        channel.send(word)
    except OSError:
        pass  # the parent has died; the loop hears of it


def _tell_nobody(_: str) -> None:
    pass
