"""Prometheus' text, the HTTP responder on a loop and without one, and the health page."""

import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.cli import metrics
from dcmecho.cli.metrics import MAX_CONNECTIONS, MAX_REQUEST, Exchange, Pages, PolledResponder, exposition
from dcmecho.counters import ENDS, REJECTIONS, Counters
from dcmecho.pdu import AssociateRJ
from programs import LOOPBACK, PATIENCE, connect, echoscp, free_port

SAMPLE = re.compile(r'(dcmecho_[a-z_]+)(?:\{([a-z]+)="([^"\\\n]*)"\})? ([0-9.]+)')


def samples(text: str) -> dict[tuple[str, str], float]:
    """Read the text format; every line that is no comment must be a sample of a family that was announced."""
    found: dict[tuple[str, str], float] = {}
    announced: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            announced.add(line.split()[2])
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] in announced
            assert (match[1], match[3] or "") not in found
            found[match[1], match[3] or ""] = float(match[4])
    return found


def test_the_text_has_every_counter_by_every_name() -> None:
    counters = Counters()
    counters.count_connection()
    counters.count_received(300)
    counters.count_sent(200)
    counters.count_accepted()
    counters.count_echo(0)
    counters.count_rejected(AssociateRJ(1, 1, 7))
    counters.count_dropped("not-dicom")
    text = exposition(counters, started=12.3456, workers=2, restarts=5)
    assert text.endswith("\n")
    found = samples(text)
    assert found["dcmecho_start_time_seconds", ""] == 12.346
    assert (found["dcmecho_workers", ""], found["dcmecho_worker_restarts_total", ""]) == (2, 5)
    assert found["dcmecho_connections_total", ""] == found["dcmecho_associations_accepted_total", ""] == 1
    assert (found["dcmecho_received_bytes_total", ""], found["dcmecho_sent_bytes_total", ""]) == (300, 200)
    assert found["dcmecho_associations_open", ""] == found["dcmecho_echoes_total", "success"] == 1
    assert found["dcmecho_associations_rejected_total", "called-ae-title-not-recognized"] == 1
    assert found["dcmecho_connections_dropped_total", "not-dicom"] == 1
    for name in REJECTIONS:
        assert ("dcmecho_associations_rejected_total", name) in found
    for name in ENDS:
        assert ("dcmecho_associations_ended_total", name) in found
        assert ("dcmecho_connections_dropped_total", name) in found


# One request without I/O


def pages(is_well: bool = True) -> Pages:
    return Pages(lambda: "the numbers\n", lambda: is_well)


def asked(request: bytes, is_well: bool = True) -> tuple[int, bytes]:
    """Return status and body of the answer, whose length must be the one it states."""
    response = Exchange(pages(is_well)).receive(request)
    assert response is not None
    return read_response(response)


def read_response(response: bytes) -> tuple[int, bytes]:
    head, _, body = response.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith("HTTP/1.1 ")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert headers["Connection"] == "close"
    if body:
        assert headers["Content-Length"] == str(len(body))
    return int(lines[0].split()[1]), body


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /metrics HTTP/1.1", 200),
        ("GET /metrics?x=1 HTTP/1.0", 200),
        ("HEAD /metrics HTTP/1.1", 200),
        ("GET /health HTTP/1.1", 200),
        ("GET / HTTP/1.1", 404),
        ("GET /metrics/ HTTP/1.1", 404),
        ("POST /metrics HTTP/1.1", 405),
        ("GET /metrics HTTP/2.0", 400),
        ("GET metrics HTTP/1.1", 400),
        ("GET http://x/metrics HTTP/1.1", 400),
        ("GET  /metrics HTTP/1.1", 400),
        ("", 400),
    ],
)
def test_what_is_answered(line: str, status: int) -> None:
    assert asked(f"{line}\r\nHost: x\r\n\r\n".encode())[0] == status


def test_bodies() -> None:
    assert asked(b"GET /metrics HTTP/1.1\r\n\r\n") == (200, b"the numbers\n")
    assert asked(b"HEAD /metrics HTTP/1.1\r\n\r\n") == (200, b"")
    assert asked(b"GET /health HTTP/1.1\r\n\r\n") == (200, b"ok\n")
    assert asked(b"GET /health HTTP/1.1\r\n\r\n", is_well=False) == (503, b"not serving\n")


def test_a_request_that_comes_byte_by_byte() -> None:
    exchange = Exchange(pages())
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = [exchange.receive(bytes([byte])) for byte in request]
    assert answers[:-1] == [None] * (len(request) - 1)
    assert read_response(answers[-1] or b"")[0] == 200


def test_a_request_without_end_is_refused_at_its_limit() -> None:
    exchange = Exchange(pages())
    assert exchange.receive(b"G" * MAX_REQUEST) is None
    assert read_response(exchange.receive(b"G") or b"")[0] == 431


@given(st.binary(max_size=200))
def test_whatever_comes_is_answered_or_waited_for(data: bytes) -> None:
    response = Exchange(pages()).receive(data + b"\r\n\r\n")
    assert response is not None
    assert read_response(response)[0] in (200, 400, 404, 405)


# With sockets


def fetch(port: int, path: str = "/metrics", host: str = LOOPBACK) -> tuple[int, str]:
    with socket.create_connection((host, port), timeout=PATIENCE) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        response = b""
        while data := connection.recv(65536):
            response += data
    status, body = read_response(response)
    return status, body.decode()


def test_a_server_tells_its_counters_and_its_health() -> None:
    with echoscp("--metrics-port", 0) as (program, port):
        program.wait_for("Metrics on port ")
        metrics_port = int(program.output.split()[-1])
        assert program.output == f"Listening on port {port}\nMetrics on port {metrics_port}\n"
        with connect(port) as talk:
            talk.associate()
            assert talk.echo().status == 0
            found = samples(fetch(metrics_port)[1])
            assert found["dcmecho_received_bytes_total", ""] == talk.sent
            assert found["dcmecho_sent_bytes_total", ""] == sum(map(len, talk.received))
            assert found["dcmecho_associations_open", ""] == found["dcmecho_echoes_total", "success"] == 1
            assert fetch(metrics_port, "/health") == (200, "ok\n")
            program.send_signal(signal.SIGTERM)
            while fetch(metrics_port, "/health")[0] == 200:
                pass  # the signal is on its way
            assert fetch(metrics_port, "/health") == (503, "not serving\n")
            talk.release()
        assert program.wait().code == 0


def test_metrics_on_an_address_of_ones_choice() -> None:
    port = free_port()
    with echoscp("-v", "--metrics-port", port, "--metrics-address", "::1") as (program, _):
        program.wait_for(f"I: Metrics on port {port}")
        assert fetch(port, "/health", "::1")[0] == 200
        with pytest.raises(ConnectionRefusedError):
            fetch(port)


def test_connections_that_say_nothing_do_not_keep_others_out_for_ever() -> None:
    """Beyond the limit they are closed, and once one is gone there is room again; the echoes are not concerned."""
    with echoscp("--metrics-port", 0) as (program, port):
        program.wait_for("Metrics on port ")
        metrics_port = int(program.output.split()[-1])
        silent = [socket.create_connection((LOOPBACK, metrics_port), timeout=PATIENCE) for _ in range(MAX_CONNECTIONS)]
        with socket.create_connection((LOOPBACK, metrics_port), timeout=PATIENCE) as surplus:
            try:
                surplus.sendall(b"GET /health HTTP/1.1\r\n\r\n")
                assert surplus.recv(1) == b""
            except (ConnectionResetError, BrokenPipeError):
                pass
        with connect(port) as talk:
            talk.associate()
        for each in silent:
            each.close()
        while True:
            try:
                assert fetch(metrics_port, "/health")[0] == 200
            except (ConnectionResetError, ValueError, AssertionError):
                continue  # the ends of the silent ones are on their way
            break


@contextmanager
def polled() -> Iterator[tuple[PolledResponder, int]]:
    """Run a responder by a selector in a thread."""
    import selectors

    selector = selectors.DefaultSelector()
    listener = socket.socket()
    listener.bind((LOOPBACK, 0))
    port = listener.getsockname()[1]
    responder = PolledResponder(
        pages(),
        [listener],
        lambda each, callback: selector.register(each, selectors.EVENT_READ, callback) and None,
        selector.unregister,  # type: ignore[arg-type]  # what it returns is not looked at
    )
    is_over = threading.Event()

    def turn() -> None:
        while not is_over.is_set():
            for key, _ in selector.select(0.02):
                if key.fileobj.fileno() >= 0:  # type: ignore[union-attr]  # only sockets are registered
                    key.data()
            responder.expire()

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield responder, port
    finally:
        is_over.set()
        thread.join(PATIENCE)
        responder.close()
        selector.close()
        assert responder.sockets == []


def test_the_polled_responder_answers() -> None:
    with polled() as (_, port):
        assert fetch(port) == (200, "the numbers\n")
        assert fetch(port, "/none")[0] == 404


def test_the_polled_responder_survives_clients_that_go_away() -> None:
    with polled() as (_, port):
        for data in (b"", b"GET"):
            with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as connection:
                connection.sendall(data)
        assert fetch(port)[0] == 200


def test_the_polled_responder_cuts_what_lasts_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "REQUEST_TIMEOUT", 0.05)
    with polled() as (_, port), socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        assert connection.recv(1) == b""


def test_the_loops_responder_cuts_what_lasts_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(metrics, "REQUEST_TIMEOUT", 0.05)

    async def talk() -> Any:
        listener = socket.socket()
        listener.bind((LOOPBACK, 0))
        responder = metrics.Responder(pages(), [listener])
        await responder.start()
        reader, writer = await asyncio.open_connection(LOOPBACK, listener.getsockname()[1])
        try:
            return await asyncio.wait_for(reader.read(), PATIENCE)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()
            responder.close()

    assert asyncio.run(talk()) == b""
