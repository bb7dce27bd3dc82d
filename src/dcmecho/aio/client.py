"""The asyncio client: the blocking client's twin over the same requestor."""

import asyncio
import os
import socket

from dcmecho import causes, oserrors
from dcmecho.causes import CONNECT, RESOLVE, TLS
from dcmecho.deadline import Deadline
from dcmecho.errors import ResolveError, UsageError, VerificationError, VerificationTimeout
from dcmecho.requestor import Requestor
from dcmecho.resolution import is_numeric, lookup, lookup_in_thread
from dcmecho.result import ConnectAttempt, EchoResult, VerificationResult
from dcmecho.settings import VerificationSettings, check_port, check_repeat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self, Unpack

    from dcmecho.resolution import Address
    from dcmecho.settings import VerificationOptions
    from dcmecho.tls.layer import TLSLayer
    from dcmecho.tls.wire import TLSReport, WireTLS

_READ_SIZE = 16384

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)


async def verify(
    host: str,
    port: int,
    *,
    repeat: int = 1,
    abort: bool = False,
    check: bool = True,
    **options: "Unpack[VerificationOptions]",
) -> VerificationResult:
    """Verify a peer: connect, associate, echo, release. See `dcmecho.verify`, whose twin this is."""
    association = AsyncClientAssociation(host, port, VerificationSettings(**options))
    check_repeat(repeat)
    try:
        await association.open()
        for _ in range(repeat):
            await association.echo(check=False)
        if abort:
            association.abort()
        else:
            await association.release()
    except VerificationError as error:
        association.result.fail(error)
    finally:
        association.close()
    if check:
        association.result.raise_for_failure()
    return association.result


def associate(host: str, port: int, **options: "Unpack[VerificationOptions]") -> "AsyncClientAssociation":
    """Return an association to be used step by step, as an asynchronous context manager. See `dcmecho.associate`."""
    return AsyncClientAssociation(host, port, VerificationSettings(**options))


class AsyncClientAssociation:
    """An association as requestor, for one task. `result` grows with each step.

    Every method raises the VerificationError that ended the association. A task that is cancelled aborts it.
    """

    def __init__(self, host: str, port: int, settings: VerificationSettings) -> None:
        self.host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        self.port = check_port(port)
        self.settings = settings
        self.result = VerificationResult(host, port, settings.called_ae_title, settings.calling_ae_title)
        self._protocol: _ClientProtocol | None = None
        self._requestor: Requestor | None = None
        self._began = 0.0
        self._deadline = Deadline(None, 0.0)
        self._tls: WireTLS | None = None

    async def __aenter__(self) -> "Self":
        try:
            await self.open()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        try:
            if kind is None:
                await self.release()
            else:
                self.abort()
        finally:
            self.close()

    async def open(self) -> None:
        """Connect and associate."""
        await self.connect()
        await self.associate()

    async def connect(self) -> None:
        """Look up the host and connect the first of its addresses that answers, IPv4 first."""
        clock = asyncio.get_running_loop().time
        self._began = clock()
        self._deadline = Deadline(self.settings.deadline, self._began)
        try:
            if self.settings.tls is not None and self._tls is None:
                from dcmecho.tls import wire

                self._tls = wire.client(self.settings.tls)
            connection, limit_from = await self._connect_any(await self._resolve())
            await self._open_transport(connection, limit_from)
        except VerificationError as error:
            self.result.fail(error)
            raise
        finally:
            self.result.seconds = clock() - self._began

    async def associate(self) -> None:
        """Request the association. RuntimeError if nothing is connected."""
        if self._protocol is None:
            raise RuntimeError("there is no connection yet: call connect() or open(), or use `async with`")
        self._requestor = Requestor(self.settings, self.result, self._deadline.at)
        self._requestor.associate(asyncio.get_running_loop().time())
        await self._protocol.run(self._requestor)

    async def echo(self, *, check: bool = True) -> EchoResult:
        """Send an echo request and wait for the answer. EchoFailed on a bad status, unless `check` is False."""
        requestor, protocol = self._requestor, self._protocol
        if requestor is None or protocol is None:
            raise RuntimeError("there is no association yet: call open(), or use `async with`")
        if requestor.failure is not None:
            raise requestor.failure
        requestor.echo(asyncio.get_running_loop().time())
        await protocol.run(requestor)
        return requestor.answered(check)

    async def release(self) -> None:
        """Release the association and wait for the answer. Nothing happens if it has ended already."""
        requestor, protocol = self._requestor, self._protocol
        if requestor is None or protocol is None or not requestor.association.is_established:
            return
        requestor.release(asyncio.get_running_loop().time())
        await protocol.run(requestor)

    def abort(self) -> None:
        """Abort the association, whatever its state; nothing is waited for."""
        if self._requestor is not None and self._protocol is not None:
            self._requestor.abort(asyncio.get_running_loop().time())
            self._protocol.transmit(self._requestor)

    def close(self) -> None:
        """Close the connection, after what is still to be written."""
        if self._protocol is not None:
            self._protocol.close()
            self._protocol = None
            self.result.seconds = asyncio.get_running_loop().time() - self._began

    async def _resolve(self) -> "list[Address]":
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            limit = self._deadline.remaining(RESOLVE, None, began)
            if is_numeric(self.host):
                return lookup(self.host, self.port, self.settings.ip_version)
            found: asyncio.Future[list[Address] | ResolveError | UsageError] = loop.create_future()

            def tell(outcome: "list[Address] | ResolveError | UsageError") -> None:
                if not found.done():
                    found.set_result(outcome)

            # Not the loop's executor: its end waits for a name server that does not answer.
            lookup_in_thread(self.host, self.port, self.settings.ip_version, lambda outcome: _post(loop, tell, outcome))
            async with asyncio.timeout(limit):
                outcome = await found
        except TimeoutError:
            raise self._deadline.passed(RESOLVE) from None
        finally:
            self.result.steps[RESOLVE] = loop.time() - began
        if isinstance(outcome, list):
            return outcome
        raise outcome

    async def _connect_any(self, addresses: "list[Address]") -> tuple[socket.socket, float]:
        """Connect the first address that answers; return when that began. ConnectError if none does."""
        loop = asyncio.get_running_loop()
        attempts = self.result.attempts
        step_began = loop.time()
        try:
            for family, address in addresses:
                began = loop.time()
                limit = self._deadline.remaining(CONNECT, self.settings.connect_timeout, began)
                try:
                    connection = socket.socket(family, socket.SOCK_STREAM)
                    try:
                        connection.setblocking(False)
                        async with asyncio.timeout(limit):
                            await loop.sock_connect(connection, address)
                        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    except BaseException:
                        connection.close()
                        raise
                except OSError as error:
                    cause, detail = oserrors.connect_cause(error), oserrors.text(error)
                    attempts.append(ConnectAttempt(str(address[0]), loop.time() - began, cause, detail))
                    if isinstance(error, TimeoutError) and limit != self.settings.connect_timeout:
                        raise self._deadline.passed(CONNECT) from None
                    continue
                attempts.append(ConnectAttempt(str(address[0]), loop.time() - began))
                self.result.address = str(address[0])
                return connection, began
            self._deadline.remaining(CONNECT, None, loop.time())
            raise oserrors.connect_error(tuple(attempts), self.port, self.settings.connect_timeout)
        finally:
            self.result.steps[CONNECT] = loop.time() - step_began

    async def _open_transport(self, connection: socket.socket, connecting_since: float) -> None:
        """Put a transport on a socket, and TLS on it if asked for, within what is left of the limits."""
        loop, tls = asyncio.get_running_loop(), self._tls
        _, protocol = await loop.create_connection(_ClientProtocol, sock=connection)
        self._protocol = protocol
        if tls is None:
            return
        began = loop.time()
        own = self.settings.handshake_timeout(began - connecting_since)
        limit = self._deadline.remaining(TLS, own, began)
        try:
            async with asyncio.timeout(limit):
                self.result.tls_report = await protocol.secure(tls, tls.server_name(self.host))
        except TimeoutError:
            if limit != own:
                raise self._deadline.passed(TLS) from None
            raise VerificationTimeout(causes.TLS_TIMEOUT, TLS, self.settings.handshake_timeout(0.0) or 0.0) from None
        finally:
            self.result.steps[TLS] = loop.time() - began


def _post(loop: asyncio.AbstractEventLoop, tell: "Callable[[Any], None]", outcome: object) -> None:
    try:
        loop.call_soon_threadsafe(tell, outcome)
    except RuntimeError:
        pass  # the loop has been closed: nobody waits any more


class _ClientProtocol(asyncio.Protocol):
    """Carries one requestor's bytes; `run` returns when the operation under way has ended."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._requestor: Requestor | None = None
        self._tls: WireTLS | None = None
        self._layer: TLSLayer | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._early = b""
        self._spare: socket.socket | None = None
        """A second handle on a TLS connection's socket, until the peer has said something over TLS."""
        self._loss: OSError | None = None
        """Why the connection ended; an EOFError's kin where the peer just closed it."""

    # asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's transports are no asyncio.Transport

    def data_received(self, data: bytes) -> None:
        self._take(data if self._layer is None else self._decrypt(self._layer, data))
        if self._layer is not None and self._layer.has_peer_closed:
            self._note_loss(_Closed())
        self._look()

    def eof_received(self) -> bool:
        self._note_loss(_Closed())
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._note_loss(exc if isinstance(exc, OSError) else _Closed())

    def resume_writing(self) -> None:
        if self._requestor is not None:
            self._requestor.data_sent(self._loop.time())

    # The association's calls

    async def secure(self, tls: "WireTLS", server_name: str | None) -> "TLSReport":
        """Have the TLS handshake; return what it told. TLSError if it fails."""
        from dcmecho.tls.layer import TLSLayer

        self._tls = tls
        self._layer = layer = TLSLayer(tls, server_name)
        connection = self.transport.get_extra_info("socket")
        self._spare = socket.socket(fileno=os.dup(connection.fileno()))
        layer.start()
        self.transport.write(layer.data_to_send())
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)
            self.transport.resume_reading()
        if self._loss is None and not layer.is_established:
            await self._wait()
        if self._loss is not None and not layer.is_established:
            known = None if isinstance(self._loss, _Closed) else self._loss
            raise tls.failed(known, layer.connection, peer_bytes=layer.first_bytes) from self._loss
        return tls.finished(layer.connection)

    async def run(self, requestor: Requestor) -> None:
        """Send and receive until the operation has ended; raise its failure."""
        self._requestor = requestor
        self.transmit(requestor)
        if self._early:
            early, self._early = self._early, b""
            requestor.receive_data(early, self._loop.time())
            self.transport.resume_reading()
        if self._loss is not None:
            self._tell_loss(requestor, self._loss)
        timer = requestor.next_timer()
        if timer is not None and timer <= self._loop.time():
            requestor.handle_timer(self._loop.time())
        if requestor.busy:
            self._arm(requestor)
            try:
                await self._wait()
            except asyncio.CancelledError:
                requestor.abort(self._loop.time())
                self.transmit(requestor)
                raise
            finally:
                if self._timer is not None:
                    self._timer.cancel()
        self.transmit(requestor)
        if requestor.failure is not None:
            raise requestor.failure

    def transmit(self, requestor: Requestor) -> None:
        """Write what there is to send."""
        data = requestor.data_to_send()
        if data and self._loss is None:
            self.transport.write(data if self._layer is None else self._layer.send(data))

    def close(self) -> None:
        """Close the connection, after what is still to be written."""
        if self._layer is not None and self._layer.is_established and self._loss is None:
            self._layer.close()
            self.transport.write(self._layer.data_to_send())
        if self._spare is not None:
            self._spare.close()
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # the peer does not read: it would keep us for ever
        else:
            self.transport.close()

    # How it works

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _look(self) -> None:
        """Wake who waits, if there is nothing more to wait for."""
        if self._waiter is None or self._waiter.done():
            return
        requestor, layer = self._requestor, self._layer
        is_over = not requestor.busy if requestor is not None else layer is not None and layer.is_established
        if is_over or self._loss is not None:
            self._waiter.set_result(None)

    def _take(self, data: bytes) -> None:
        """Take plain bytes; none are what TLS took for itself."""
        requestor = self._requestor
        if data and self._spare is not None:
            self._spare.close()
            self._spare = None
        if requestor is None:
            self._early += data
            if self._early:
                self.transport.pause_reading()
        elif data:
            requestor.receive_data(data, self._loop.time())
            if not requestor.busy:
                self.transmit(requestor)  # what comes between operations is answered at once
        if not data or (requestor is not None and requestor.association.is_inside_pdu):
            connection = self.transport.get_extra_info("socket")
            if connection is not None and _QUICK_ACK is not None:
                connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def _decrypt(self, layer: "TLSLayer", data: bytes) -> bytes:
        """Return the plain bytes that have come; what TLS itself has to say is written at once."""
        plain = b""
        try:
            plain = layer.receive(data)
        except OSError as error:
            self._note_loss(error)
        ours = layer.data_to_send()
        if ours:
            self.transport.write(ours)
        return plain

    def _note_loss(self, error: OSError) -> None:
        if self._loss is None:
            self._loss = self._hear_last_words(error)
            error = self._loss
            if self._requestor is not None:
                self._tell_loss(self._requestor, error)
            self._look()

    def _hear_last_words(self, error: OSError) -> OSError:
        """Return the alert that a peer sent before it reset the connection, if it did; else the error itself.

        A loop that meets a reset reads no further: the second handle on the socket does.
        """
        tls, layer, spare = self._tls, self._layer, self._spare
        if tls is None or layer is None or spare is None:
            return error
        self._spare = None
        with spare:
            if isinstance(error, _Closed) or tls.is_tls_error(error):
                return error
            try:
                while data := spare.recv(_READ_SIZE):
                    layer.receive(data)
            except OSError as found:
                return found if tls.is_tls_error(found) else error
        return error

    def _tell_loss(self, requestor: Requestor, error: OSError) -> None:
        now = self._loop.time()
        if isinstance(error, _Closed):
            requestor.connection_lost(now)
        elif self._tls is not None and self._layer is not None and self._tls.is_tls_error(error):
            requestor.fail(self._tls.failed(error, self._layer.connection, requestor.step), now)
        else:
            requestor.connection_lost(now, oserrors.lost_cause(error), oserrors.text(error))

    def _arm(self, requestor: Requestor) -> None:
        timer = requestor.next_timer()
        if timer is not None:
            self._timer = self._loop.call_at(timer, self._timer_came)

    def _timer_came(self) -> None:
        requestor = self._requestor
        assert requestor is not None
        requestor.handle_timer(self._loop.time())
        if requestor.busy:
            self._arm(requestor)
        else:
            self._look()


class _Closed(OSError):
    """The peer closed the connection in order."""
