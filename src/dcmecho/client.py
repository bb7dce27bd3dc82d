"""The blocking client: one association over one socket.

It knows sockets and nothing of DICOM; what is sent and received is decided in `dcmecho.requestor`.
"""

import errno
import socket
import sys
from struct import Struct
from time import perf_counter as clock

from . import causes, oserrors
from .causes import CONNECT, ECHO, RESOLVE, TLS
from .deadline import Deadline
from .errors import VerificationError, VerificationTimeout
from .requestor import Requestor
from .resolution import resolve
from .result import ConnectAttempt, EchoResult, VerificationResult
from .settings import VerificationSettings, check_port, check_repeat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, Unpack

    from .resolution import Address
    from .settings import VerificationOptions
    from .tls.wire import WireTLS

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_RECEIVE_SIZE = 16384

# Python waits for a socket with a timeout by a system call before each send and receive; where the kernel keeps the
# timeout itself, that is spared: a twentieth of an echo. (Its structure is two machine words on 64-bit Linux.)
_HAS_KERNEL_TIMEOUTS = sys.platform == "linux" and sys.maxsize > 2**32
_TIMEVAL = Struct("ll")

_LAST_READS = 64
"""Reads before closing, so that a peer that sends without end cannot hold us."""

_LAST_WORDS_WITHIN = 1.0
"""Seconds to wait for what a peer said before it closed."""


def verify(
    host: str,
    port: int,
    *,
    repeat: int = 1,
    abort: bool = False,
    check: bool = True,
    **options: "Unpack[VerificationOptions]",
) -> VerificationResult:
    """Verify a peer: connect, associate, echo, release.

    `repeat` echoes are sent, one after the other; `abort` ends the association with A-ABORT instead of A-RELEASE. The
    other arguments are those of `dcmecho.VerificationSettings`.

    Raises the VerificationError that tells why it failed, with all that was found out until then in its `result`;
    with `check=False` it raises none, and the result's `failure` tells. UsageError if an argument is not allowed.
    """
    association = ClientAssociation(host, port, VerificationSettings(**options))
    check_repeat(repeat)
    try:
        association.open()
        for _ in range(repeat):
            association.echo(check=False)
        if abort:
            association.abort()
        else:
            association.release()
    except VerificationError as error:
        association.result.fail(error)
    finally:
        association.close()
    if check:
        association.result.raise_for_failure()
    return association.result


def associate(host: str, port: int, **options: "Unpack[VerificationOptions]") -> "ClientAssociation":
    """Return an association to be used step by step, as a context manager::

        with associate("pacs.example", 104, called_ae_title="PACS") as association:
            print(association.echo().seconds)

    Entering it connects and associates, leaving it releases; it aborts where an exception leaves it. The arguments are
    those of `dcmecho.VerificationSettings`.
    """
    return ClientAssociation(host, port, VerificationSettings(**options))


class ClientAssociation:
    """An association as requestor. Not to be shared between threads.

    `result` grows with each step. Every method raises the VerificationError that ended the association.
    """

    def __init__(self, host: str, port: int, settings: VerificationSettings) -> None:
        self.host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        self.port = check_port(port)
        self.settings = settings
        self.result = VerificationResult(host, port, settings.called_ae_title, settings.calling_ae_title)
        self._socket: socket.socket | None = None
        self._requestor: Requestor | None = None
        self._began = clock()
        self._deadline = Deadline(settings.deadline, self._began)
        self._timeout: float | None = -1.0
        self._tls: WireTLS | None = None

    def __enter__(self) -> "Self":
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        try:
            if kind is None:
                self.release()
            else:
                self.abort()
        finally:
            self.close()

    def open(self) -> None:
        """Connect and associate."""
        self.connect()
        self.associate()

    def set_up_tls(self) -> list[str]:
        """Load what TLS needs, and return what of it is worth a warning; `connect` does it if it has not been done.

        LocalError if that cannot be used.
        """
        from .tls import wire

        assert self.settings.tls is not None
        self._tls = wire.client(self.settings.tls)
        return self._tls.warnings

    def connect(self) -> None:
        """Look up the host and connect the first of its addresses that answers, IPv4 first (and TLS, if asked for)."""
        self._began = clock()
        self._deadline = Deadline(self.settings.deadline, self._began)
        try:
            if self.settings.tls is not None and self._tls is None:
                self.set_up_tls()
            limit_from = self._connect_any(self._resolve())
            if self._tls is not None:
                self._secure(self._tls, limit_from)
        except VerificationError as error:
            self.result.fail(error)
            raise
        finally:
            self.result.seconds = clock() - self._began

    def associate(self) -> None:
        """Request the association. RuntimeError if nothing is connected."""
        if self._socket is None:
            raise RuntimeError("there is no connection yet: call connect() or open(), or use `with`")
        self._requestor = requestor = Requestor(self.settings, self.result, self._deadline.at)
        now = clock()
        requestor.associate(now)
        self._run(requestor, now)

    def echo(self, *, check: bool = True) -> EchoResult:
        """Send an echo request and wait for the answer.

        EchoFailed if its status is not Success, unless `check` is False.
        """
        requestor = self._established()
        now = clock()
        requestor.echo(now)
        self._run(requestor, now)
        return requestor.answered(check)

    def release(self) -> None:
        """Release the association and wait for the answer. Nothing happens if it has ended already."""
        requestor = self._requestor
        if requestor is None or not requestor.association.is_established:
            return
        now = clock()
        requestor.release(now)
        self._run(requestor, now)

    def abort(self) -> None:
        """Abort the association, whatever its state; nothing is waited for."""
        if self._requestor is not None:
            self._requestor.abort(clock())
            self._send_farewell(self._requestor)

    @property
    def step(self) -> str:
        """The step that is under way, or was last (`dcmecho.causes.STEPS`)."""
        if self._requestor is not None:
            return self._requestor.step
        begun = [step for step in (TLS, CONNECT, RESOLVE) if step in self.result.steps]
        return begun[0] if begun else RESOLVE

    @property
    def next_message_id(self) -> int:
        """The message id that the next echo request will have."""
        return self._established().next_message_id

    def end_quickly(self) -> None:
        """Release if nothing is outstanding and the peer answers within a second; else abort."""
        requestor = self._requestor
        if requestor is not None and not requestor.busy and requestor.association.is_established:
            requestor.deadline_at = clock() + 1.0
            self.release()
        else:
            self.abort()

    def close(self) -> None:
        """Close the connection. What the peer has sent meanwhile is read first, so that our last words arrive."""
        if self._socket is not None:
            connection, self._socket = self._socket, None
            try:
                connection.settimeout(0)
                for _ in range(_LAST_READS):
                    if not connection.recv(_RECEIVE_SIZE):
                        break
            except OSError:
                pass
            if self._tls is not None:
                self._tls.say_goodbye(connection)
            connection.close()
            self.result.seconds = clock() - self._began

    # The loop

    def _established(self) -> Requestor:
        if self._requestor is None:
            raise RuntimeError("there is no association yet: call open(), or use `with`")
        if self._requestor.failure is not None:
            raise self._requestor.failure
        return self._requestor

    def _run(self, requestor: Requestor, now: float) -> None:
        """Send and receive until the operation has ended; raise its failure."""
        connection = self._socket
        assert connection is not None
        try:
            while requestor.busy:
                try:
                    received = self._exchange(requestor, connection, now)
                except (TimeoutError, BlockingIOError) as error:
                    if error.errno == errno.ETIMEDOUT:  # the system has given the connection up
                        raise
                    requestor.handle_timer(now := clock())
                    continue
                if received is None:
                    continue
                now = clock()
                if not received:
                    requestor.connection_lost(now)
                    continue
                requestor.receive_data(received, now)
                if requestor.association.is_inside_pdu:
                    _acknowledge_at_once(connection)
        except OSError as error:
            error = self._hear_last_words(requestor) or error
            if self._tls is not None and self._tls.is_tls_error(error):
                requestor.fail(self._tls.failed(error, None, requestor.step), clock())
            else:
                requestor.connection_lost(clock(), oserrors.lost_cause(error), oserrors.text(error))
        if requestor.failure is not None:
            self._send_farewell(requestor)
            raise requestor.failure

    def _exchange(self, requestor: Requestor, connection: socket.socket, now: float) -> bytes | None:
        """Send what there is to send and receive once; None if a limit was reached, which has ended the operation."""
        is_echo = requestor.step == ECHO
        if not is_echo and not self._set_timeout(requestor, now):
            return None
        data = requestor.data_to_send()
        if data and not self._send(requestor, data):
            return None
        # An echo leaves first: the timeout of the step before bounds that, and the peer works meanwhile.
        if is_echo and not self._set_timeout(requestor, now):
            return None
        if self._tls is not None:
            # What TLS takes for itself is not seen here, and the peer may wait for its acknowledgement.
            _acknowledge_at_once(connection)
        return connection.recv(_RECEIVE_SIZE)

    def _send(self, requestor: Requestor, data: bytes) -> bool:
        """Write it all; False if a limit was reached, which has ended the operation."""
        assert self._socket is not None
        while data := data[self._socket.send(data) :]:
            now = clock()
            requestor.data_sent(now)
            if not self._set_timeout(requestor, now):
                return False
        return True

    def _set_timeout(self, requestor: Requestor, now: float) -> bool:
        """Let the next call on the socket end when a limit is reached; False if one is, and has ended the operation."""
        timer = requestor.next_timer()
        if timer is not None and timer <= now:
            requestor.handle_timer(now)
            return False
        timeout = None if timer is None else max(round(timer - now, 3), 0.001)
        if timeout != self._timeout:
            self._timeout = timeout
            assert self._socket is not None
            if _HAS_KERNEL_TIMEOUTS and self._tls is None:
                _set_kernel_timeouts(self._socket, timeout or 0.0)
            else:
                self._socket.settimeout(timeout)
        return True

    def _hear_last_words(self, requestor: Requestor) -> OSError | None:
        """A write or read failed: the peer may have said why before it closed. Return the error that ended that."""
        assert self._socket is not None
        try:
            self._socket.settimeout(_LAST_WORDS_WITHIN)
            while requestor.busy and (received := self._socket.recv(_RECEIVE_SIZE)):
                requestor.receive_data(received, clock())
        except TimeoutError:
            return None
        except OSError as error:
            return error
        return None

    def _send_farewell(self, requestor: Requestor) -> None:
        """Send what the end of an association leaves to be sent (A-ABORT), if the connection takes it."""
        data = requestor.data_to_send()
        if data and self._socket is not None:
            try:
                self._socket.settimeout(0)
                self._socket.send(data)
            except OSError:
                pass

    # Before the association

    def _resolve(self) -> "list[Address]":
        began = clock()
        try:
            limit = self._deadline.remaining(RESOLVE, None, began)
            addresses = resolve(self.host, self.port, self.settings.ip_version, limit)
            if addresses is None:
                raise self._deadline.passed(RESOLVE)
            return addresses
        finally:
            self.result.steps[RESOLVE] = clock() - began

    def _connect_any(self, addresses: "list[Address]") -> float:
        """Connect the first address that answers; return when that began. ConnectError if none does."""
        attempts = self.result.attempts
        step_began = clock()
        try:
            for family, address in addresses:
                began = clock()
                limit = self._deadline.remaining(CONNECT, self.settings.connect_timeout, began)
                try:
                    connection = socket.socket(family, socket.SOCK_STREAM)
                    try:
                        connection.settimeout(limit)
                        connection.connect(address)
                        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    except BaseException:
                        connection.close()
                        raise
                except OSError as error:
                    cause, detail = oserrors.connect_cause(error), oserrors.text(error)
                    attempts.append(ConnectAttempt(str(address[0]), clock() - began, cause, detail))
                    if isinstance(error, TimeoutError) and limit != self.settings.connect_timeout:
                        raise self._deadline.passed(CONNECT) from None
                    continue
                attempts.append(ConnectAttempt(str(address[0]), clock() - began))
                self.result.address = str(address[0])
                connection.settimeout(None)
                self._socket, self._timeout = connection, None
                return began
            self._deadline.remaining(CONNECT, None, clock())
            raise oserrors.connect_error(tuple(attempts), self.port, self.settings.connect_timeout)
        finally:
            self.result.steps[CONNECT] = clock() - step_began

    def _secure(self, tls: "WireTLS", connecting_since: float) -> None:
        """Have the TLS handshake, within what is left of the limits. TLSError if it fails."""
        connection = self._socket
        assert connection is not None
        began = clock()
        own = self.settings.handshake_timeout(began - connecting_since)
        limit = self._deadline.remaining(TLS, own, began)
        try:
            secured = tls.context.wrap_socket(
                connection, server_hostname=tls.server_name(self.host), do_handshake_on_connect=False
            )
            self._socket = secured
            secured.settimeout(None if limit is None else max(limit, 0.001))
            self._timeout = -1.0
            secured.do_handshake()
            self.result.tls_report = tls.finished(secured)
        except TimeoutError:
            if limit != own:
                raise self._deadline.passed(TLS) from None
            raise VerificationTimeout(causes.TLS_TIMEOUT, TLS, self.settings.handshake_timeout(0.0) or 0.0) from None
        except OSError as error:
            raise tls.failed(error, secured) from error
        finally:
            self.result.steps[TLS] = clock() - began


def _acknowledge_at_once(connection: socket.socket) -> None:
    """Let the system not delay its next acknowledgement, where it lets itself be told (Linux)."""
    if _QUICK_ACK is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)


def _set_kernel_timeouts(connection: socket.socket, seconds: float) -> None:
    """Let a blocking socket's calls fail with BlockingIOError after so many seconds; 0 is never."""
    whole = int(seconds)
    value = _TIMEVAL.pack(whole, int((seconds - whole) * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
