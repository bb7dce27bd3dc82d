"""The counters for Prometheus, and a small HTTP/1.1 responder for them. Loaded only where `--metrics-port` asks for it.

The responder answers GET and HEAD of ``/metrics`` and ``/health``, one request a connection, and nothing else. Requests
are bounded in size, in time and in number.
"""

import asyncio
import socket
import time

from dcmecho import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dcmecho.counters import Counters

MAX_REQUEST = 8192
"""Bytes that a request may have: what web servers take, and far more than a scraper sends."""

MAX_CONNECTIONS = 32
"""Requests at once. Beyond, connections are closed: whoever scrapes tries again."""

REQUEST_TIMEOUT = 5.0
"""Seconds that a connection may last in all."""

_TEXT = "text/plain; charset=utf-8"
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


def exposition(counters: "Counters", *, started: float, workers: int = 1, restarts: int = 0) -> str:
    """Return the counters in Prometheus' text format, version 0.0.4. `started` is seconds since 1970."""
    parts = [
        _family("build_info", "gauge", "The version that runs.", {f'version="{__version__}"': 1}),
        _family("start_time_seconds", "gauge", "When it was started, in seconds since 1970.", {"": round(started, 3)}),
        _family("workers", "gauge", "Processes that serve.", {"": workers}),
        _family("worker_restarts_total", "counter", "Processes that were replaced.", {"": restarts}),
        _family("connections_total", "counter", "Connections accepted.", {"": counters.connections}),
        _family("associations_open", "gauge", "Associations that stand now.", {"": counters.open}),
        _family("associations_accepted_total", "counter", "Associations accepted.", {"": counters.accepted}),
        _family(
            "associations_rejected_total",
            "counter",
            "Associations rejected, by reason.",
            _labelled("reason", counters.rejected),
        ),
        _family(
            "associations_ended_total",
            "counter",
            "Associations that ended, by outcome.",
            _labelled("outcome", counters.ended),
        ),
        _family(
            "connections_dropped_total",
            "counter",
            "Connections that ended without an association being asked for, by outcome.",
            _labelled("outcome", counters.dropped),
        ),
        _family("received_bytes_total", "counter", "Bytes that came from peers.", {"": counters.bytes_received}),
        _family("sent_bytes_total", "counter", "Bytes that were sent to peers.", {"": counters.bytes_sent}),
        _family(
            "echoes_total",
            "counter",
            "Echo requests answered, by status.",
            _labelled("status", {"success": counters.echoes, "failure": counters.echoes_failed}),
        ),
    ]
    return "".join(parts)


def _labelled(label: str, numbers: "Mapping[str, int]") -> dict[str, float]:
    """Label values are names of ours: none needs an escape."""
    return {f'{label}="{name}"': number for name, number in numbers.items()}


def _family(name: str, kind: str, description: str, samples: "Mapping[str, float]") -> str:
    name = f"dcmecho_{name}"
    lines = [f"# HELP {name} {description}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{f'{{{labels}}}' if labels else ''} {number}" for labels, number in samples.items()]
    return "\n".join(lines) + "\n"


class Pages:
    """What the responder shows: the text of ``/metrics``, and whether ``/health`` is well."""

    __slots__ = ("is_well", "metrics")

    def __init__(self, metrics: "Callable[[], str]", is_well: "Callable[[], bool]") -> None:
        self.metrics = metrics
        self.is_well = is_well

    def answer(self, method: str, path: str) -> bytes:
        """Return the response to a request."""
        path = path.partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", "only GET\n", extra="Allow: GET, HEAD\r\n")
        if path == "/metrics":
            return _response("200 OK", self.metrics(), kind=_EXPOSITION, has_body=method == "GET")
        if path == "/health":
            well = self.is_well()
            status, text = ("200 OK", "ok\n") if well else ("503 Service Unavailable", "not serving\n")
            return _response(status, text, has_body=method == "GET")
        return _response("404 Not Found", "there are /metrics and /health\n", has_body=method == "GET")


class Exchange:
    """One request and its response, without I/O."""

    __slots__ = ("_pages", "_request")

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._request = b""

    def receive(self, data: bytes) -> bytes | None:
        """Take what has arrived; return the response, after which the connection is closed, None to wait for more."""
        self._request += data
        head, end, _ = self._request.partition(b"\r\n\r\n")
        if not end and len(self._request) <= MAX_REQUEST:
            return None
        if len(head) > MAX_REQUEST:
            return _response("431 Request Header Fields Too Large", "the request is too long\n")
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
            return _response("400 Bad Request", "no request of HTTP/1\n")
        return self._pages.answer(words[0], words[1])


def _response(status: str, text: str, *, kind: str = _TEXT, extra: str = "", has_body: bool = True) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\nConnection: close\r\n{extra}\r\n"
    )
    return head.encode() + (body if has_body else b"")


class Responder:
    """The responder on the event loop that serves the associations. `listeners` are bound sockets."""

    def __init__(self, pages: Pages, listeners: "list[socket.socket]") -> None:
        self.pages = pages
        self._listeners = listeners
        self.connections: set[_Connection] = set()
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Begin to answer."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            self._servers.append(await loop.create_server(lambda: _Connection(self), sock=listener))

    def close(self) -> None:
        """Stop listening, and cut what is still open."""
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.cut()


class _Connection(asyncio.Protocol):
    _transport: asyncio.Transport

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._exchange: Exchange | None = Exchange(responder.pages)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._responder.connections) >= MAX_CONNECTIONS:
            self._transport.abort()
            return
        self._responder.connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(REQUEST_TIMEOUT, self.cut)

    def data_received(self, data: bytes) -> None:
        response = self._exchange.receive(data) if self._exchange else None
        if response is not None:
            self._exchange = None
            self._transport.write(response)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._responder.connections.discard(self)

    def cut(self) -> None:
        self._transport.abort()


class PolledResponder:
    """The responder of a process that has no event loop: it has sockets to be polled, and is told what became readable.

    `watch` and `unwatch` are called with each socket and what is to be called when it can be read.
    """

    def __init__(
        self,
        pages: Pages,
        listeners: "list[socket.socket]",
        watch: "Callable[[socket.socket, Callable[[], None]], None]",
        unwatch: "Callable[[socket.socket], None]",
    ) -> None:
        self._pages = pages
        self._listeners = listeners
        self._watch = watch
        self._unwatch = unwatch
        self._open: dict[socket.socket, tuple[float, Exchange]] = {}
        for listener in listeners:
            listener.listen()
            listener.setblocking(False)
            watch(listener, lambda listener=listener: self._accept(listener))  # type: ignore[misc]

    @property
    def sockets(self) -> "list[socket.socket]":
        """Every socket that is open here."""
        return [*self._listeners, *self._open]

    def expire(self) -> float | None:
        """Cut what has lasted too long; return the seconds until that has to be looked after again, None for never."""
        now = time.monotonic()
        for connection, (deadline, _) in list(self._open.items()):
            if now >= deadline:
                self._close(connection)
        return min([deadline - now for deadline, _ in self._open.values()], default=None)

    def close(self) -> None:
        for each in self.sockets:
            self._close(each)
        self._listeners = []

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # the client has gone, or descriptors are short: it tries again
        if len(self._open) >= MAX_CONNECTIONS:
            connection.close()
            return
        connection.setblocking(False)
        self._open[connection] = (time.monotonic() + REQUEST_TIMEOUT, Exchange(self._pages))
        self._watch(connection, lambda: self._read(connection))

    def _read(self, connection: socket.socket) -> None:
        _, exchange = self._open[connection]
        try:
            data = connection.recv(MAX_REQUEST)
            response = exchange.receive(data) if data else b""
            if response:
                # A new connection's buffer holds far more than one response: what does not fit is nobody's loss.
                connection.send(response)
                connection.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:
            response = b""
        if response is not None:
            self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        self._unwatch(connection)
        self._open.pop(connection, None)
        connection.close()
