"""One connection to the asyncio server.

It knows transports and nothing of DICOM; what is sent and received is decided in `dcmecho.acceptor`.
"""

import asyncio
import socket
from functools import partial

from dcmecho import oserrors
from dcmecho.acceptor import (
    ARTIM_TIMEOUT,
    RELEASED,
    TLS_FAILED,
    Accepted,
    Acceptor,
    EchoRequested,
    Ended,
    Rejected,
)
from dcmecho.dimse import SUCCESS, CEchoRSP
from dcmecho.errors import VerificationError
from dcmecho.handler import EchoStatus, Peer
from dcmecho.recognition import is_dicom
from dcmecho.server_settings import ServerSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dcmecho.acceptor import AcceptorEvent
    from dcmecho.association import Observer
    from dcmecho.tls.layer import TLSLayer
    from dcmecho.tls.wire import WireTLS

    from .server import EchoServer

LINGER = 2.0
"""Seconds that a peer gets to close after TLS has failed."""

PROCESSING_FAILURE = 0x0110
"""The status of an echo whose handler failed (PS3.7 Annex C)."""

_TLS_EXPECTED = b"\x15\x03\x01\x00\x02\x02\x46"
"""A fatal alert, "protocol version" (RFC 8446 6): it tells a client without TLS what this port speaks."""

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class Connection(asyncio.Protocol):
    """One connection to the server: receives, lets the acceptor decide, transmits, and re-arms its timer."""

    __slots__ = (
        "_acceptor",
        "_counters",
        "_deciding",
        "_handler",
        "_is_cut_by_timer",
        "_is_over",
        "_is_writing_paused",
        "_layer",
        "_loop",
        "_server",
        "_timer",
        "_timer_at",
        "_timers",
        "_tls",
        "_transport",
        "_waiting",
        "peer",
    )

    _transport: asyncio.Transport
    _acceptor: Acceptor

    def __init__(self, server: "EchoServer") -> None:
        self._server = server
        self._handler = server.settings.handler
        self._counters = server.counters
        self._loop = asyncio.get_running_loop()
        self._tls = server.tls
        self._layer: TLSLayer | None = None
        self._is_over = False
        self._is_writing_paused = False
        self._timers = server.timers
        self._timer: int | None = None
        self._timer_at = 0.0
        self._is_cut_by_timer = False
        self._deciding: asyncio.Future[EchoStatus | int] | None = None
        self._waiting: list[EchoRequested] = []
        self.peer = Peer("", 0)

    # asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are no asyncio.Transport
        address = transport.get_extra_info("peername") or ("", 0)
        self.peer = Peer(str(address[0]), int(address[1]))
        settings = self._server.settings
        self._acceptor = Acceptor(
            settings.policy,
            settings.timeouts,
            self._loop.time(),
            max_association_pdu=settings.max_association_pdu,
            max_message_length=settings.max_message_length,
            observer=self._observer(settings),
            agreements=self._server.agreements,
            refusal=partial(self._server.refusal, self.peer),
        )
        self._server.connections.add(self)
        self._counters.count_connection()
        self._tell("connected", self.peer)
        if self._server.is_closed:  # accepted while the server was closing
            self.shut_down()
            return
        self._transport.set_write_buffer_limits(settings.max_pending_output)
        if self._tls is not None:
            from dcmecho.tls.layer import TLSLayer

            self._layer = TLSLayer(self._tls)
        self._arm(self._acceptor.next_timer())

    def data_received(self, data: bytes) -> None:
        acceptor, layer = self._acceptor, self._layer
        self._counters.count_received(len(data))
        now = self._loop.time()
        if layer is not None:
            if self._is_over:
                return
            data = self._decrypt(layer, data)
        has_peer_closed = layer is not None and layer.has_peer_closed
        if not has_peer_closed and (echo := acceptor.receive_plain_echo(data, now)) is not None:
            self._answer(echo)
            self._transmit(acceptor)
            return
        if data:
            acceptor.receive_data(data, now)
        if _QUICK_ACK is not None and (not data or acceptor.association.is_inside_pdu):
            self._acknowledge_at_once()
        if has_peer_closed:
            acceptor.connection_lost(now)
        self._follow_up(acceptor)

    def eof_received(self) -> bool:
        self._lost(None)
        self._follow_up(self._acceptor)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._waiting.clear()
        if self._deciding is not None:
            self._deciding.cancel()
        self._lost(exc)
        self._report(self._acceptor.events())
        self._server.forget(self)

    def pause_writing(self) -> None:
        self._is_writing_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        self._read_on()

    # The server's calls

    @property
    def is_idle(self) -> bool:
        """True if no association stands."""
        return self._acceptor.is_idle

    def shut_down(self) -> None:
        """Abort the association, if one stands, and close."""
        self._acceptor.shut_down(self._loop.time())
        self._follow_up(self._acceptor)

    def cut(self) -> None:
        """Drop the connection with all that waits to be written."""
        self._transport.abort()

    # One round

    def _follow_up(self, acceptor: Acceptor) -> None:
        """Carry out what the acceptor reports, write what it leaves, close if it says so, and re-arm the timer."""
        while events := acceptor.events():  # an answer may end what waited for it
            self._report(events)
        self._transmit(acceptor)
        if acceptor.close_wanted:
            self._close()
            return
        timer = acceptor.next_timer()
        if timer is not None and (self._timer is None or timer < self._timer_at):
            self._arm(timer)

    def _transmit(self, acceptor: Acceptor) -> None:
        data = acceptor.data_to_send()
        if data:
            self._write(data if self._layer is None else self._layer.send(data))

    def _write(self, data: bytes) -> None:
        self._counters.count_sent(len(data))
        self._transport.write(data)

    def _close(self) -> None:
        """Close once all is written; a peer that does not read gets the ACSE timeout for that."""
        if not self._transport.is_closing():
            if self._layer is not None and self._layer.is_established and not self._is_over:
                self._layer.close()
                self._write(self._layer.data_to_send())
            self._transport.close()
            if self._transport.get_write_buffer_size():
                self._cut_in(self._server.settings.timeouts.acse)

    def _arm(self, at: float | None) -> None:
        self._disarm()
        if at is not None:
            self._timer_at = at
            self._timer = self._timers.set(self, at)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timers.cancel(self, self._timer)
            self._timer = None

    def _cut_in(self, seconds: float) -> None:
        """Nothing is decided any more: cut the connection if it has not ended by then."""
        self._is_cut_by_timer = True
        self._arm(self._loop.time() + seconds)

    def timer_came(self) -> None:
        """Most timers come to find that something has been heard meanwhile: setting them lazily is cheaper."""
        self._timer = None
        if self._is_cut_by_timer:
            self.cut()
            return
        acceptor = self._acceptor
        timer = acceptor.next_timer()
        if timer is not None and timer > self._loop.time():
            self._arm(timer)
            return
        acceptor.handle_timer(self._loop.time())
        self._follow_up(acceptor)

    def _lost(self, error: Exception | None) -> None:
        """The transport connection has ended. Where TLS had begun and not come to its end, that is a failure of TLS."""
        now = self._loop.time()
        tls, layer = self._tls, self._layer
        if tls is not None and layer is not None and layer.first_bytes and not layer.is_established:
            known = error if isinstance(error, OSError) else None
            self._acceptor.give_up(TLS_FAILED, _tls_text(_failure(tls, layer, known)), now)
        else:
            self._acceptor.connection_lost(now, oserrors.text(error) if isinstance(error, OSError) else "")

    def _decrypt(self, layer: "TLSLayer", data: bytes) -> bytes:
        """Return the plain bytes that have come; what TLS itself has to say is written at once."""
        tls = self._tls
        assert tls is not None
        was_established = layer.is_established
        plain = b""
        try:
            plain = layer.receive(data)
            if layer.is_established and not was_established:
                self.peer = Peer(self.peer.address, self.peer.port, tls=tls.finished(layer.connection).to_dict())
        except (OSError, VerificationError) as error:
            failure = error if isinstance(error, VerificationError) else _failure(tls, layer, error)
            self._acceptor.give_up(TLS_FAILED, _tls_text(failure), self._loop.time())
            self._is_over = True
            if is_dicom(layer.first_bytes):
                self._write(_TLS_EXPECTED)
        ours = layer.data_to_send()
        if ours:
            self._write(ours)
        if self._is_over:
            self._linger()
        return plain

    def _linger(self) -> None:
        """Let the peer close: closing on what it has sent meanwhile would take our alert from it (RFC 9293 3.10.4)."""
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._cut_in(LINGER)

    def _acknowledge_at_once(self) -> None:
        """A peer that writes header and body apart, with Nagle's algorithm on, waits for our ACK: do not delay it."""
        connection = self._transport.get_extra_info("socket")
        if connection is not None and _QUICK_ACK is not None:
            try:
                connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
            except OSError:
                pass  # no TCP: --inetd takes what it is given

    # What the acceptor reports

    def _report(self, events: "list[AcceptorEvent]") -> None:
        for event in events:
            if isinstance(event, EchoRequested):
                self._answer(event)
            elif isinstance(event, Accepted):
                self.peer = Peer(self.peer.address, self.peer.port, event.request, self.peer.tls)
                self._counters.count_accepted()
                self._server.count_of_host(self.peer, 1)
                self._tell("accepted", self.peer)
            elif isinstance(event, Rejected):
                self.peer = Peer(self.peer.address, self.peer.port, event.request, self.peer.tls)
                self._counters.count_rejected(event.rejection)
                self._tell("rejected", self.peer, event.rejection)
            else:
                self._ended(event)

    def _ended(self, event: Ended) -> None:
        detail = event.detail
        if event.outcome == ARTIM_TIMEOUT and self._layer is not None and not self._layer.is_established:
            detail = "the TLS handshake did not end in time"
        if event.was_associated:
            self._counters.count_ended(event.outcome)
            self._server.count_of_host(self.peer, -1)
        else:
            self._counters.count_dropped(event.outcome)
        if event.outcome == RELEASED:
            self._tell("released", self.peer)
        elif event.was_associated:
            self._tell("aborted", self.peer, event.outcome, detail)
        else:
            self._tell("dropped", self.peer, event.outcome, detail)

    def _answer(self, request: EchoRequested) -> None:
        """Let the handler decide; requests are answered in their order, and nothing is read while it thinks."""
        if self._deciding is not None:
            self._waiting.append(request)
            return
        try:
            status = self._handler.echo(self.peer, request.message_id)
            if not isinstance(status, (int, EchoStatus)):
                self._deciding = asyncio.ensure_future(status)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the handler is the user's code
            status = self._failed("echo", error)
        if isinstance(status, (int, EchoStatus)):
            self._respond(request, status)
        elif self._deciding is not None:
            self._transport.pause_reading()
            self._deciding.add_done_callback(lambda decided: self._decided(request, decided))

    def _decided(self, request: EchoRequested, decided: "asyncio.Future[EchoStatus | int]") -> None:
        self._deciding = None
        if decided.cancelled():
            status: EchoStatus | int = PROCESSING_FAILURE
        else:
            error = decided.exception()
            status = decided.result() if error is None else self._failed("echo", error)
        self._respond(request, status)
        while self._waiting and self._deciding is None:
            self._answer(self._waiting.pop(0))
        self._read_on()
        self._follow_up(self._acceptor)

    def _read_on(self) -> None:
        """Read again, unless the peer does not read, or the handler is thinking."""
        if self._deciding is None and not self._is_writing_paused:
            self._transport.resume_reading()

    def _respond(self, request: EchoRequested, status: EchoStatus | int) -> None:
        response: CEchoRSP | None = None
        if status != SUCCESS:
            try:
                response = _response(request, status)
                response.encode()
            except Exception as error:  # noqa: BLE001 - what the user's code decided cannot be sent
                response = CEchoRSP(request.message_id, self._failed("echo", error))
        if self._acceptor.respond(request, response, self._loop.time()):
            status = SUCCESS if response is None else response.status
            self._counters.count_echo(status)
            self._tell("echoed", self.peer, request.message_id, status)

    def _tell(self, name: str, *arguments: object) -> None:
        try:
            getattr(self._handler, name)(*arguments)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the handler is the user's code
            self._failed(name, error)

    def _observer(self, settings: ServerSettings) -> "Observer | None":
        try:
            return settings.observe(self.peer) if settings.observe else None
        except Exception as error:  # noqa: BLE001 - it is the user's code
            self._failed("observe", error)
            return None

    def _failed(self, name: str, error: BaseException) -> int:
        self._loop.call_exception_handler(
            {"message": f"dcmecho: handler method {name!r} failed", "exception": error, "protocol": self}
        )
        return PROCESSING_FAILURE


def _response(request: EchoRequested, status: EchoStatus | int) -> CEchoRSP:
    if isinstance(status, int):
        return CEchoRSP(request.message_id, status)
    return CEchoRSP(
        request.message_id,
        status.status,
        offending_elements=status.offending_elements,
        error_comment=status.error_comment,
        error_id=status.error_id,
    )


def _failure(tls: "WireTLS", layer: "TLSLayer", error: OSError | None) -> VerificationError:
    return tls.failed(error, layer.connection, peer_bytes=layer.first_bytes)


def _tls_text(failure: VerificationError) -> str:
    return f"{failure.cause.name}, {failure.text()}"
